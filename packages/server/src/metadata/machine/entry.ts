import { ByteReader, ByteWriter } from '../../codec/index.ts';
import { CorruptionError } from '../../errors.ts';
import {
  decodeAuthorityRecord,
  decodeDevice,
  decodeInvitation,
  decodeNode,
  encodeAuthorityRecord,
  encodeDevice,
  encodeInvitation,
  encodeNode,
} from './cluster.ts';
import { configurationKindOf, configurationKinds } from './configurations.ts';
import type { Effect, EffectType } from './effects.ts';
import { choice, count } from './fields.ts';
import { decodeAccount, decodeIdentity, encodeAccount, encodeIdentity } from './identities.ts';
import { kmsKeyCodec } from './kms-keys.ts';
import { lockClockCodec } from './locks.ts';
import { memoCodecs } from './memos.ts';
import { notificationCodecs } from './notices.ts';
import { quotaCodecs } from './quotas.ts';
import { rateCodecs } from './rates.ts';
import { renameCodecs } from './renames.ts';
import { restoreDueCodec } from './restores.ts';
import {
  decodeAccessKey,
  decodeBucket,
  decodeBucketShards,
  decodeGroup,
  decodeIntent,
  decodeUpload,
  encodeAccessKey,
  encodeBucket,
  encodeBucketShards,
  encodeGroup,
  encodeIntent,
  encodeUpload,
} from './rows.ts';
import { sourceCodecs } from './sources.ts';

/* The payload of a log entry: format 1, then effects, each its code and its fields, to the end. The log keeps length and checksums. */

const ENTRY_FORMAT = 1;
const FIRST_BYTES = 4096;

interface Codec<E> {
  /** Never change or reuse one. */
  readonly code: number;
  readonly write: (out: ByteWriter, effect: E) => void;
  readonly read: (from: ByteReader) => Omit<E, 'type'>;
}

const manifestKinds = ['new', 'publish', 'share'] as const;

const flag = (from: ByteReader): boolean => choice([false, true], from.u8(), 'flag');

const codecs: { readonly [Type in EffectType]: Codec<Extract<Effect, { type: Type }>> } = {
  'bucket.write': {
    code: 1,
    write: (out, effect) => out.bytes(encodeBucket(effect.bucket)),
    read: (from) => ({ bucket: decodeBucket(from.bytes()) }),
  },
  'bucket.remove': {
    code: 2,
    write: (out, effect) => out.u32(effect.id).string(effect.name),
    read: (from) => ({ id: from.u32(), name: from.string() }),
  },
  'key.write': {
    code: 3,
    write: (out, effect) => out.bytes(encodeAccessKey(effect.key)),
    read: (from) => ({ key: decodeAccessKey(from.bytes()) }),
  },
  'key.remove': {
    code: 4,
    write: (out, effect) => out.string(effect.id),
    read: (from) => ({ id: from.string() }),
  },
  'version.insert': {
    code: 5,
    write: (out, effect) =>
      out
        .u32(effect.bucket)
        .bytes(effect.key)
        .varint(effect.replaces)
        .u8(manifestKinds.indexOf(effect.manifest))
        .varint(effect.sharedPieces)
        .bytes(effect.row),
    read: (from) => ({
      bucket: from.u32(),
      key: from.bytes(),
      replaces: from.varint(),
      manifest: choice(manifestKinds, from.u8(), 'kind of manifest'),
      sharedPieces: from.varint(),
      row: from.bytes(),
    }),
  },
  'version.remove': {
    code: 6,
    write: (out, effect) =>
      out
        .u32(effect.bucket)
        .bytes(effect.key)
        .varint(effect.sequence)
        .raw(effect.nonce)
        .u8(Number(effect.isNull))
        .u8(Number(effect.isMarker)),
    read: (from) => ({
      bucket: from.u32(),
      key: from.bytes(),
      sequence: from.varint(),
      nonce: from.raw(8),
      isNull: flag(from),
      isMarker: flag(from),
    }),
  },
  'version.update': {
    code: 7,
    write: (out, effect) => out.u32(effect.bucket).bytes(effect.key).bytes(effect.row),
    read: (from) => ({ bucket: from.u32(), key: from.bytes(), row: from.bytes() }),
  },
  'piece.write': {
    code: 8,
    write: (out, effect) =>
      out
        .raw(effect.manifest)
        .u32(effect.index)
        .u32(effect.bucket)
        .bytes(effect.key)
        .u8(Number(effect.publish))
        .bytes(effect.row),
    read: (from) => ({
      manifest: from.raw(16),
      index: from.u32(),
      bucket: from.u32(),
      key: from.bytes(),
      publish: flag(from),
      row: from.bytes(),
    }),
  },
  'piece.link': {
    code: 9,
    write: (out, effect) => out.raw(effect.manifest).raw(effect.base).u32(effect.pieces),
    read: (from) => ({ manifest: from.raw(16), base: from.raw(16), pieces: from.u32() }),
  },
  'upload.create': {
    code: 10,
    write: (out, effect) => out.bytes(encodeUpload(effect.upload)),
    read: (from) => ({ upload: decodeUpload(from.bytes()) }),
  },
  'upload.part': {
    code: 11,
    write: (out, effect) =>
      out.u32(effect.bucket).bytes(effect.key).raw(effect.upload).u32(effect.index).bytes(effect.row),
    read: (from) => ({
      bucket: from.u32(),
      key: from.bytes(),
      upload: from.raw(16),
      index: from.u32(),
      row: from.bytes(),
    }),
  },
  'manifest.hold': {
    code: 62,
    write: (out, effect) => out.raw(effect.manifest).varint(effect.held).varint(effect.pieces),
    read: (from) => ({ manifest: from.raw(16), held: from.varint(), pieces: from.varint() }),
  },
  'upload.complete': {
    code: 12,
    write: (out, effect) => {
      out.u32(effect.bucket).bytes(effect.key).raw(effect.upload).varint(effect.drops.length);
      for (const index of effect.drops) out.varint(index);
      out.varint(effect.moves.length);
      for (const [index, to] of effect.moves) out.varint(index).varint(to);
      out.u8(Number(effect.embedded));
    },
    read: (from) => ({
      bucket: from.u32(),
      key: from.bytes(),
      upload: from.raw(16),
      drops: Array.from({ length: count(from) }, () => from.varint()),
      moves: Array.from({ length: count(from) }, () => [from.varint(), from.varint()] as const),
      embedded: flag(from),
    }),
  },
  'upload.abort': {
    code: 13,
    write: (out, effect) => out.u32(effect.bucket).bytes(effect.key).raw(effect.upload),
    read: (from) => ({ bucket: from.u32(), key: from.bytes(), upload: from.raw(16) }),
  },
  'intent.write': {
    code: 14,
    write: (out, effect) => out.bytes(encodeIntent(effect.intent)),
    read: (from) => ({ intent: decodeIntent(from.bytes()) }),
  },
  'intent.remove': {
    code: 15,
    write: (out, effect) => out.raw(effect.prefix),
    read: (from) => ({ prefix: from.raw(8) }),
  },
  'garbage.remove': {
    code: 16,
    write: (out, effect) => out.varint(effect.position).varint(effect.ordinal).u32(effect.end),
    read: (from) => ({ position: from.varint(), ordinal: from.varint(), end: from.u32() }),
  },
  'group.write': {
    code: 17,
    write: (out, effect) => out.bytes(encodeGroup(effect.group)),
    read: (from) => ({ group: decodeGroup(from.bytes()) }),
  },
  'node.write': {
    code: 19,
    write: (out, effect) => out.bytes(encodeNode(effect.node)),
    read: (from) => ({ node: decodeNode(from.bytes()) }),
  },
  'node.remove': {
    code: 20,
    write: (out, effect) => out.string(effect.id),
    read: (from) => ({ id: from.string() }),
  },
  'device.write': {
    code: 21,
    write: (out, effect) => out.bytes(encodeDevice(effect.device)),
    read: (from) => ({ device: decodeDevice(from.bytes()) }),
  },
  'device.remove': {
    code: 22,
    write: (out, effect) => out.string(effect.identity),
    read: (from) => ({ identity: from.string() }),
  },
  'feature.enable': {
    code: 23,
    write: (out, effect) => out.string(effect.feature),
    read: (from) => ({ feature: from.string() }),
  },
  'request.done': {
    code: 24,
    write: (out, effect) => out.raw(effect.request).varint(effect.below).bytes(effect.outcome),
    read: (from) => ({ request: from.raw(16), below: from.varint(), outcome: from.bytes() }),
  },
  'setting.write': {
    code: 25,
    write: (out, effect) => out.string(effect.name).string(effect.value),
    read: (from) => ({ name: from.string(), value: from.string() }),
  },
  'invitation.write': {
    code: 40,
    write: (out, effect) => out.bytes(encodeInvitation(effect.invitation)),
    read: (from) => ({ invitation: decodeInvitation(from.bytes()) }),
  },
  'invitation.remove': {
    code: 41,
    write: (out, effect) => out.raw(effect.id),
    read: (from) => ({ id: from.raw(16) }),
  },
  'authority.write': {
    code: 42,
    write: (out, effect) => out.bytes(encodeAuthorityRecord(effect.authority)),
    read: (from) => ({ authority: decodeAuthorityRecord(from.bytes()) }),
  },
  'bucket.shards': {
    code: 32,
    write: (out, effect) => out.bytes(encodeBucketShards(effect.place)),
    read: (from) => ({ place: decodeBucketShards(from.bytes()) }),
  },
  'bucket.forget': {
    code: 33,
    write: (out, effect) => out.u32(effect.id),
    read: (from) => ({ id: from.u32() }),
  },
  'piece.swap': {
    code: 26,
    write: (out, effect) =>
      out.raw(effect.manifest).u32(effect.index).u32(effect.bucket).bytes(effect.key).bytes(effect.row),
    read: (from) => ({
      manifest: from.raw(16),
      index: from.u32(),
      bucket: from.u32(),
      key: from.bytes(),
      row: from.bytes(),
    }),
  },
  'version.swap': {
    code: 27,
    write: (out, effect) => out.u32(effect.bucket).bytes(effect.key).bytes(effect.row),
    read: (from) => ({ bucket: from.u32(), key: from.bytes(), row: from.bytes() }),
  },
  'configuration.write': {
    code: 48,
    write: (out, effect) => out.u32(effect.bucket).u8(configurationKinds[effect.kind].number).bytes(effect.document),
    read: (from) => ({ bucket: from.u32(), kind: configurationKindOf(from.u8()), document: from.bytes() }),
  },
  'configuration.remove': {
    code: 49,
    write: (out, effect) => out.u32(effect.bucket).u8(configurationKinds[effect.kind].number),
    read: (from) => ({ bucket: from.u32(), kind: configurationKindOf(from.u8()) }),
  },
  ...notificationCodecs,
  'account.write': {
    code: 52,
    write: (out, effect) => out.bytes(encodeAccount(effect.account)),
    read: (from) => ({ account: decodeAccount(from.bytes()) }),
  },
  'account.remove': {
    code: 53,
    write: (out, effect) => out.string(effect.id),
    read: (from) => ({ id: from.string() }),
  },
  'identity.write': {
    code: 54,
    write: (out, effect) => out.bytes(encodeIdentity(effect.identity)),
    read: (from) => ({ identity: decodeIdentity(from.bytes()) }),
  },
  'identity.remove': {
    code: 55,
    write: (out, effect) => out.string(effect.id),
    read: (from) => ({ id: from.string() }),
  },
  'lock.clock': lockClockCodec,
  'kmsKey.write': kmsKeyCodec,
  ...quotaCodecs,
  'restore.due': restoreDueCodec,
  ...renameCodecs,
  ...memoCodecs,
  ...rateCodecs,
  ...sourceCodecs,
  digest: {
    code: 18,
    write: (out, effect) => out.raw(effect.digest),
    read: (from) => ({ digest: from.raw(16) }),
  },
};

const types: readonly (EffectType | undefined)[] = (() => {
  const byCode: (EffectType | undefined)[] = [];
  for (const type of Object.keys(codecs) as EffectType[]) byCode[codecs[type].code] = type;
  return byCode;
})();

/** The payload of an entry, from the effects of one proposal after the other. Used again for the next entry. */
export class EntryWriter {
  readonly #out = new ByteWriter(FIRST_BYTES);

  /** Leaves an entry without effects. */
  begin(): void {
    this.#out.truncate(0);
    this.#out.u8(ENTRY_FORMAT);
  }

  get length(): number {
    return this.#out.length;
  }

  add(effects: readonly Effect[]): void {
    for (const effect of effects) {
      const codec = codecs[effect.type] as Codec<Effect>;
      codec.write(this.#out.u8(codec.code), effect);
    }
  }

  /** Takes back what was added since the entry had this length. */
  truncate(length: number): void {
    this.#out.truncate(length);
  }

  /** Good until the next entry begins. */
  payload(): Buffer {
    return this.#out.finish();
  }
}

export function encodeEntry(effects: readonly Effect[]): Buffer {
  const entry = new EntryWriter();
  entry.begin();
  entry.add(effects);
  return entry.payload();
}

/** @throws CorruptionError at anything that is not a whole, known effect: such an entry is never skipped */
export function decodeEntry(payload: Uint8Array): Effect[] {
  const from = new ByteReader(payload);
  const format = from.u8();
  if (format !== ENTRY_FORMAT) throw new CorruptionError(`log entry has unknown format ${format}`);
  const effects: Effect[] = [];
  while (from.remaining > 0) {
    const code = from.u8();
    const type = types[code];
    if (type === undefined)
      throw new CorruptionError(`log entry has unknown effect ${code}: start the newer version of DSOM that wrote it`);
    effects.push({ type, ...codecs[type].read(from) } as Effect);
  }
  return effects;
}
