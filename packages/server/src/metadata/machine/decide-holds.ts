import { StoreError } from '../../errors.ts';
import { invariant } from '../../invariant.ts';
import { limits } from '../../limits.ts';
import type { Command } from '../types.ts';
import { deleteItem } from './decide-deletes.ts';
import { insertion, placeFor, sourceChanged } from './decide-objects.ts';
import { renamedDraft } from './decide-rename.ts';
import { keepRestore } from './decide-restore.ts';
import {
  bucketOf,
  checkKey,
  checkStripes,
  type Decision,
  done,
  newManifest,
  newVersion,
  type Stamp,
} from './deciding.ts';
import type { Effect } from './effects.ts';
import { checkGuard } from './guards.ts';
import { shardOfNumber } from './numbering.ts';
import { bytesOf } from './pieces.ts';
import { heldError, RenameView, shardOfRename } from './renames.ts';
import { isOutside } from './versions.ts';
import type { View } from './view.ts';

/*
 * The steps of a rename between two shards, each one entry of one log (decision 0016): prepare, commit, abort and forget in the shard of the new name, hold, release
 * and unhold in that of the old one. Each may come twice, and is refused, or does nothing, where its time is over.
 */

type Of<Type extends Command['type']> = Extract<Command, { type: Type }>;

const givenUp = (): StoreError =>
  new StoreError('SlowDown', { message: 'The rename took too long and was given up: try again.', retryAfter: 1 });

/** Refused here, a rename costs nothing yet. @throws StoreError as a put to the new name, and SlowDown when too many are under way */
export function decidePrepare(view: View, command: Of<'rename.prepare'>, stamp: Stamp): Decision {
  const { rename: id, bucket, key, source } = command;
  bucketOf(view, bucket);
  checkKey(key);
  invariant(
    id.length === 16 && shardOfRename(id) === stamp.shard,
    'the id of a rename names the shard that decides it',
  );
  checkGuard(command.guard, view.newest(bucket, key));
  if (new RenameView(view.rows).of(id)) return done();
  if (view.counter('renames') >= limits.renames) throw new StoreError('SlowDown', { retryAfter: 1 });
  const rename = { id, bucket, key, source, state: 'prepared', ticket: stamp.random(8), from: 0 } as const;
  return done({ type: 'rename.write', rename });
}

/** @throws StoreError NoSuchKey, PreconditionFailed, AccessDenied where a lock forbids the deletion; ConditionalRequestConflict: it is another version by now */
export function decideHold(view: View, command: Of<'rename.hold'>, stamp: Stamp): Decision {
  const { rename, bucket, key, owner, expected, announce } = command;
  const record = bucketOf(view, bucket);
  checkKey(key);
  const held = new RenameView(view.rows).hold(bucket, key);
  const newest = view.newest(bucket, key);
  const before = newest?.record();
  if (before?.kind !== 'object') throw new StoreError('NoSuchKey', { detail: { Key: key.toString('utf8') } });
  const reply = { type: 'version', version: before, replacedNull: false } as const;
  if (held?.rename.equals(rename)) return { effects: [], reply };
  if (held) throw heldError();
  checkGuard(command.guard, newest);
  if (before.sequence !== expected.sequence || !before.nonce.equals(expected.nonce)) throw sourceChanged();
  if (view.counter('holds') >= limits.renames) throw new StoreError('SlowDown', { retryAfter: 1 });
  const leaves = command.leaves === true;
  // Whether it may be taken away is decided now: later there is no way back.
  deleteItem(view, stamp, record, { owner, ...(leaves && { leaves }) }, { key, version: undefined, guard: undefined });
  const hold = { rename, owner, leaves, announce };
  return { effects: [{ type: 'hold.write', bucket, key, hold }], reply };
}

/** The one moment at which the object has its new name. @throws StoreError as a put, and SlowDown when it was given up */
export function decideCommit(view: View, command: Of<'rename.commit'>, stamp: Stamp): Decision {
  const { bucket, key, source: before, pieces } = command;
  const rename = new RenameView(view.rows).of(command.rename);
  if (!rename?.ticket.equals(command.ticket)) throw givenUp();
  if (rename.state === 'done')
    throw new StoreError('ServiceUnavailable', { message: 'The rename was made: look before you try again.' });
  invariant(rename.bucket === bucket && rename.key.equals(key), 'a rename stays what it was prepared as');
  const place = placeFor(view, stamp, command);
  const { draft, modifiedMs } = renamedDraft(bucketOf(view, bucket), before, place.identity, stamp);
  for (const piece of pieces) checkStripes(view, piece);
  invariant(bytesOf(pieces) === before.size, 'an object is as long as its pieces');
  const identity = { ...place.identity, modifiedMs, owner: before.owner };
  const effects: Effect[] = [];
  const manifest = newManifest(identity, pieces, { bucket, key }, effects);
  const made = newVersion(view, stamp, bucket, identity, draft, manifest);
  const { version, notes } = keepRestore(made, before, command);
  const publishes = manifest.embedded && isOutside(manifest);
  effects.push(insertion(command, place, version, publishes ? 'publish' : 'new'));
  const from = shardOfNumber(before.sequence);
  effects.push({ type: 'rename.write', rename: { ...rename, state: 'done', from } }, ...notes);
  return { effects, reply: { type: 'version', version, replacedNull: place.replacedNull } };
}

/** Only once the rename is done: the old name goes. Nothing where it is not held by this rename (any more). */
export function decideRelease(view: View, { rename, bucket, key }: Of<'rename.release'>, stamp: Stamp): Decision {
  const hold = new RenameView(view.rows).hold(bucket, key);
  if (!hold?.rename.equals(rename)) return done();
  const { owner, leaves } = hold;
  const goes = { owner, ...(leaves && { leaves }) };
  const gone = deleteItem(view, stamp, bucketOf(view, bucket), goes, { key, version: undefined, guard: undefined });
  return done({ type: 'hold.remove', bucket, key }, ...gone.effects);
}

/** A release says what was said with the hold. */
export function sayingOf(view: View, command: Command): Command {
  if (command.type !== 'rename.release') return command;
  const announce = new RenameView(view.rows).hold(command.bucket, command.key)?.announce;
  return announce ? { ...command, announce } : command;
}

/** Only once the rename can never be done. Nothing where it is not held by this rename (any more). */
export function decideUnhold(view: View, { rename, bucket, key }: Of<'rename.unhold'>): Decision {
  const hold = new RenameView(view.rows).hold(bucket, key);
  return hold?.rename.equals(rename) ? done({ type: 'hold.remove', bucket, key }) : done();
}

/** From here on it can never be done. @throws StoreError ConditionalRequestConflict: it is done */
export function decideRenameAbort(view: View, { rename: id }: Of<'rename.abort'>): Decision {
  const rename = new RenameView(view.rows).of(id);
  if (!rename) return done();
  if (rename.state === 'done')
    throw new StoreError('ConditionalRequestConflict', { message: 'The rename is done: it cannot be given up.' });
  return done({ type: 'rename.remove', id });
}

/** Only once the old name is released. Nothing where it is not done: then it is given up. */
export function decideRenameForget(view: View, { rename: id }: Of<'rename.forget'>): Decision {
  return new RenameView(view.rows).of(id)?.state === 'done' ? done({ type: 'rename.remove', id }) : done();
}
