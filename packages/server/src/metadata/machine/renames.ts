import { ByteReader, ByteWriter } from '../../codec/index.ts';
import { StoreError } from '../../errors.ts';
import type { KvReader } from '../../kv/index.ts';
import type { Announcement } from '../announcing.ts';
import type { Command } from '../types.ts';
import type { Effect } from './effects.ts';
import { choice, ended, format } from './fields.ts';
import { fits } from './fits.ts';
import { keys, parse, tableEnd, tableStart } from './keys.ts';
import type { Application } from './manifests.ts';
import { readAnnouncement, writeAnnouncement } from './notices.ts';
import type { BucketId } from './records.ts';
import { encodeNumber } from './rows.ts';
import type { View } from './view.ts';

/*
 * Renames between two shards (decision 0016). The shard of the new name has a row of each that is under way, and its log alone decides whether it
 * happens: `prepared` becomes `done` with the version that comes, or the row goes. The shard of the old name has a hold on the key meanwhile, under which
 * nothing changes it. A row is never made again under an id that it had, so what comes too late finds none.
 */

/** A rename into this shard. */
export interface RenameRecord {
  /** 16 bytes: the number of this shard (u16 big-endian), and dice. */
  readonly id: Buffer;
  readonly bucket: BucketId;
  /** The new name. */
  readonly key: Buffer;
  /** The old one. */
  readonly source: Buffer;
  readonly state: 'prepared' | 'done';
  /** 8 bytes that its shard drew, which the commit names: a prepare that comes twice makes it none that somebody may commit. */
  readonly ticket: Buffer;
  /** Shard of the old name; once it is done. */
  readonly from: number;
}

/** A key of this shard that nothing may change, because it gets a name in another one. */
export interface Hold {
  /** Id of the rename. */
  readonly rename: Buffer;
  /** What is said of the deletion, by whoever makes it. */
  readonly owner: string;
  readonly leaves: boolean;
  readonly announce: Announcement | undefined;
}

/** A hold, and where it is. */
export interface HeldKey extends Hold {
  readonly bucket: BucketId;
  readonly key: Buffer;
}

const states = ['prepared', 'done'] as const;
const flagLeaves = 1;
const flagAnnounce = 2;

/** The shard that decides a rename: that of the new name. */
export const shardOfRename = (id: Buffer): number => id.readUInt16BE(0);

/** @param dice 14 bytes */
export function renameId(shard: number, dice: Buffer): Buffer {
  const id = Buffer.alloc(16);
  id.writeUInt16BE(shard, 0);
  id.set(dice.subarray(0, 14), 2);
  return id;
}

/** 01, state u8, ticket 8, shard varint, bucket u32, new name bytes, old name bytes. */
const encodeRename = ({ state, ticket, from, bucket, key, source }: RenameRecord): Buffer =>
  new ByteWriter()
    .u8(1)
    .u8(states.indexOf(state))
    .raw(ticket)
    .varint(from)
    .u32(bucket)
    .bytes(key)
    .bytes(source)
    .finish();

function decodeRename(id: Buffer, bytes: Uint8Array): RenameRecord {
  const reader = new ByteReader(bytes);
  format(reader, 1, 'rename');
  const state = choice(states, reader.u8(), 'state of a rename');
  const [ticket, from, bucket] = [reader.raw(8), reader.varint(), reader.u32()];
  return ended(reader, { id, state, ticket, from, bucket, key: reader.bytes(), source: reader.bytes() });
}

/** 01, flags u8 (1 a marker is left, 2 an announcement follows), id of the rename 16, owner string, with flag 2 the announcement. */
function encodeHold({ rename, owner, leaves, announce }: Hold): Buffer {
  const flags = (leaves ? flagLeaves : 0) | (announce ? flagAnnounce : 0);
  const out = new ByteWriter().u8(1).u8(flags).raw(rename).string(owner);
  if (announce) writeAnnouncement(out, announce);
  return out.finish();
}

function decodeHold(bytes: Uint8Array): Hold {
  const from = new ByteReader(bytes);
  format(from, 1, 'hold');
  const flags = from.u8();
  choice([true], flags >> 2, 'flag of a hold');
  const [rename, owner] = [from.raw(16), from.string()];
  const announce = flags & flagAnnounce ? readAnnouncement(from) : undefined;
  return ended(from, { rename, owner, leaves: (flags & flagLeaves) !== 0, announce });
}

interface HoldPlace {
  readonly bucket: BucketId;
  readonly key: Buffer;
}

export const renameCodecs = {
  'rename.write': {
    code: 92,
    write: (out: ByteWriter, { rename }: { readonly rename: RenameRecord }) =>
      out.raw(rename.id).bytes(encodeRename(rename)),
    read: (from: ByteReader) => {
      const id = from.raw(16);
      return { rename: decodeRename(id, from.bytes()) };
    },
  },
  'rename.remove': {
    code: 93,
    write: (out: ByteWriter, { id }: { readonly id: Buffer }) => out.raw(id),
    read: (from: ByteReader) => ({ id: from.raw(16) }),
  },
  'hold.write': {
    code: 94,
    write: (out: ByteWriter, { bucket, key, hold }: HoldPlace & { readonly hold: Hold }) =>
      out.u32(bucket).bytes(key).bytes(encodeHold(hold)),
    read: (from: ByteReader) => ({ bucket: from.u32(), key: from.bytes(), hold: decodeHold(from.bytes()) }),
  },
  'hold.remove': {
    code: 95,
    write: (out: ByteWriter, { bucket, key }: HoldPlace) => out.u32(bucket).bytes(key),
    read: (from: ByteReader) => ({ bucket: from.u32(), key: from.bytes() }),
  },
} as const;

const tally = (app: Application, name: 'renames' | 'holds', by: number): void =>
  app.tally(name, app.view.counter(name) + by);

export const renameHandlers = {
  'rename.write'(app: Application, { rename }: { readonly rename: RenameRecord }): void {
    const at = keys.rename(rename.id);
    if (app.rows.get(at) === undefined) tally(app, 'renames', 1);
    app.rows.set(at, encodeRename(rename));
    // From now on a token of this shard does not name all that a session depends on.
    if (rename.state === 'done') app.rows.set(keys.renamedInto(rename.bucket), encodeNumber(app.position));
  },
  'rename.remove'(app: Application, { id }: { readonly id: Buffer }): void {
    fits(app.rows.get(keys.rename(id)), 'a rename that is removed exists');
    app.rows.set(keys.rename(id), undefined);
    tally(app, 'renames', -1);
  },
  'hold.write'(app: Application, { bucket, key, hold }: HoldPlace & { readonly hold: Hold }): void {
    fits(app.rows.get(keys.hold(bucket, key)) === undefined, 'a key is held by one rename');
    app.rows.set(keys.hold(bucket, key), encodeHold(hold));
    tally(app, 'holds', 1);
  },
  'hold.remove'(app: Application, { bucket, key }: HoldPlace): void {
    fits(app.rows.get(keys.hold(bucket, key)), 'a hold that is removed exists');
    app.rows.set(keys.hold(bucket, key), undefined);
    tally(app, 'holds', -1);
  },
};

/** Renames and holds of one shard. */
export class RenameView {
  readonly #rows: KvReader;

  constructor(rows: KvReader) {
    this.#rows = rows;
  }

  of(id: Buffer): RenameRecord | undefined {
    const row = this.#rows.get(keys.rename(id));
    return row && decodeRename(id, row);
  }

  stateOf(id: Buffer): RenameRecord['state'] | undefined {
    return this.of(id)?.state;
  }

  hold(bucket: BucketId, key: Buffer): Hold | undefined {
    const row = this.#rows.get(keys.hold(bucket, key));
    return row && decodeHold(row);
  }

  /** Whether anything was ever renamed into this shard from another one, in a bucket. */
  into(bucket: BucketId): boolean {
    return this.#rows.get(keys.renamedInto(bucket)) !== undefined;
  }

  /** Whether any key is held. */
  protected isHolding(): boolean {
    for (const _ of this.#rows.range({ start: tableStart('holds'), end: tableEnd('holds'), limit: 1 })) return true;
    return false;
  }

  /** All that are under way. */
  all(): RenameRecord[] {
    const range = { start: keys.rename(Buffer.alloc(0)), end: keys.renamesEnd() };
    return Array.from(this.#rows.range(range), ({ key, value }) => decodeRename(Buffer.from(key.subarray(2)), value));
  }

  holds(): HeldKey[] {
    const range = { start: tableStart('holds'), end: tableEnd('holds') };
    return Array.from(this.#rows.range(range), ({ key, value }) => ({
      ...decodeHold(value),
      bucket: parse.bucketId(key),
      key: Buffer.from(parse.objectKey(key)),
    }));
  }
}

/** To whoever would change a key that is getting another name. */
export const heldError = (): StoreError =>
  new StoreError('SlowDown', {
    message: 'The object is getting another name just now: try again in a moment.',
    retryAfter: 1,
  });

const changing: ReadonlySet<Effect['type']> = new Set([
  'version.insert',
  'version.remove',
  'version.update',
] satisfies Effect['type'][]);

/**
 * What is held changes by the release alone. Bytes may be kept in another way meanwhile: they stay what they are.
 * @throws StoreError SlowDown
 */
export function checkNotHeld(view: View, command: Command, effects: readonly Effect[]): void {
  if (view.counter('holds') === 0 || command.type === 'rename.release') return;
  for (const effect of effects)
    if (changing.has(effect.type) && 'key' in effect && 'bucket' in effect)
      if (view.rows.get(keys.hold(effect.bucket as BucketId, effect.key as Buffer))) throw heldError();
}
