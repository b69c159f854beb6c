import { type ByteReader, type ByteWriter, digestOf } from '../../codec/index.ts';
import { CorruptionError } from '../../errors.ts';
import { limits } from '../../limits.ts';
import { choice } from './fields.ts';

/*
 * What a version says of its replication: that another store has written it here, or where it is to be written once more, and what has become of that.
 *
 * It is kept, and not worked out: a version does not know its position in the log, of what was compared nothing stays behind, and an event that was given up may be dropped
 * (docs/decisions/0024). Invariant: a place is `completed` only by a command that came after that store had the version; and stays so.
 */

export type ReplicationNote =
  | { readonly kind: 'replica' }
  /** At least one place, each once. */
  | { readonly kind: 'source'; readonly places: readonly NotedPlace[] };

export interface NotedPlace {
  /** 8 bytes: the beginning of the SHA-256 of its name. */
  readonly id: Buffer;
  readonly state: (typeof states)[number];
}

/** Each at its number in rows. */
const states = ['pending', 'completed', 'failed'] as const;
const placeBytes = 8;

/** What has become of a version at a place; `left`: it is not to go there, or nobody knows whether it did. */
export type ReplicationOutcome = Exclude<NotedPlace['state'], 'pending'> | 'left';

export interface ReplicatedCommand {
  readonly type: 'object.replicated';
  readonly bucket: number;
  readonly key: Buffer;
  readonly version: { readonly sequence: number; readonly nonce: Buffer };
  /** Name of the place, as in announcements. */
  readonly place: string;
  readonly outcome: ReplicationOutcome;
}

const idOf = (place: string): Buffer => digestOf('SHA256', Buffer.from(place, 'utf8')).subarray(0, placeBytes);

/** Kind u8: 0 a replica; 1 count varint, then of each place its id 8 and state u8. */
export function writeReplication(out: ByteWriter, note: ReplicationNote): ByteWriter {
  if (note.kind === 'replica') return out.u8(0);
  out.u8(1).varint(note.places.length);
  for (const { id, state } of note.places) out.raw(id).u8(states.indexOf(state));
  return out;
}

export function readReplication(from: ByteReader): ReplicationNote {
  const kind = choice(['replica', 'source'] as const, from.u8(), 'replication');
  if (kind === 'replica') return { kind };
  const length = from.varint();
  if (length === 0 || length > limits.replicationRules)
    throw new CorruptionError('a version is replicated to nowhere, or to too many places');
  const places = Array.from({ length }, () => ({
    id: from.raw(placeBytes),
    state: choice(states, from.u8(), 'state of a replication'),
  }));
  return { kind, places };
}

/** What is said of a new version. @param given of an announcement */
export const noteOf = (given: 'replica' | readonly string[]): ReplicationNote | undefined => {
  if (given === 'replica') return { kind: 'replica' };
  const places = given
    .slice(0, limits.replicationRules)
    .map((place) => ({ id: idOf(place), state: 'pending' as const }));
  return places.length === 0 ? undefined : { kind: 'source', places };
};

/** What it says once it is known what has become of it at a place; the same where that is nothing new. */
export function replicatedTo(
  note: ReplicationNote | undefined,
  place: string,
  outcome: ReplicationOutcome,
): ReplicationNote | undefined {
  if (note?.kind === 'replica') return note;
  const places = note?.places ?? [];
  const id = idOf(place);
  const before = places.find((one) => one.id.equals(id));
  if (before?.state === 'completed' || before?.state === outcome) return note;
  const others = places.filter((one) => one !== before);
  if (outcome === 'left') return before ? (others.length > 0 ? { kind: 'source', places: others } : undefined) : note;
  if (others.length >= limits.replicationRules) return note;
  return { kind: 'source', places: [...others, { id, state: outcome }] };
}

/** In the words of S3; undefined: nobody replicates it, as far as is known. */
export function replicationStatus(
  note: ReplicationNote | undefined,
): 'REPLICA' | 'PENDING' | 'COMPLETED' | 'FAILED' | undefined {
  if (!note) return undefined;
  if (note.kind === 'replica') return 'REPLICA';
  if (note.places.some(({ state }) => state === 'failed')) return 'FAILED';
  return note.places.every(({ state }) => state === 'completed') ? 'COMPLETED' : 'PENDING';
}
