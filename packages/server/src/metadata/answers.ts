import { type Identity, versionOf } from './machine/deciding.ts';
import type { Command, Reply } from './types.ts';

/*
 * Answers for whoever still has the command that he asked with, in another thread: the answer to a put names what the owner added, and not
 * the bytes and the description that were sent to him just before.
 */

/** What the owner gave a version that was put. */
export interface ShortPut extends Omit<Identity, 'owner'> {
  readonly type: 'put';
  /** Id of its manifest. */
  readonly manifest: Buffer;
  readonly pieces: number;
  readonly embedded: boolean;
  readonly replacedNull: boolean;
}

export type ShortReply = Reply | ShortPut;

export function shortReply(command: Command, reply: Reply): ShortReply {
  if (command.type !== 'object.put' || reply.type !== 'version') return reply;
  const { guk, sequence, nonce, isNull, modifiedMs, manifest } = reply.version;
  const { id, pieces, embedded } = manifest;
  const { replacedNull } = reply;
  const whole = embedded !== undefined;
  return { type: 'put', guk, sequence, nonce, isNull, modifiedMs, replacedNull, manifest: id, pieces, embedded: whole };
}

/** The reply that was shortened. @param command the one that was answered */
export function wholeReply(command: Command, reply: ShortReply): Reply {
  if (reply.type !== 'put') return reply;
  if (command.type !== 'object.put') throw new Error('only a put is answered in short');
  const { guk, sequence, nonce, isNull, modifiedMs, manifest: id, pieces, embedded, replacedNull } = reply;
  const sealed = command.pieces.every((piece) => piece.sealed);
  const manifest = { id, pieces, embedded: embedded ? command.pieces[0] : undefined, sealed };
  const identity = { guk, sequence, nonce, isNull, modifiedMs, owner: command.owner };
  return { type: 'version', version: versionOf(identity, command.draft, manifest), replacedNull };
}
