import type { ByteReader, ByteWriter } from '../../codec/index.ts';
import { CorruptionError } from '../../errors.ts';
import { choice, readPolicy, writePolicy } from './fields.ts';
import type { Encryption, Extensions, GivenExtensions } from './records.ts';
import { readReplication, writeReplication } from './replicated.ts';
import { readRestore, writeRestore } from './restores.ts';

/*
 * What the first formats of versions had no place for: a u8 with the bits of what follows, then each in the order of its bit. Where there is
 * nothing of it, the record stays in its first format, without the u8. A bit is never changed or reused, and each has a feature
 * (features.ts): it is written only when every node knows it.
 */

type ExtensionFeature = 'policies' | 'objectLock' | 'namedKeys' | 'acls' | 'archive' | 'replicationStatus';

const encryptions = ['customer', 'kms'] as const;
const kmsAlgorithms = ['aws:kms', 'aws:kms:dsse'] as const;

function writeEncryption(out: ByteWriter, encryption: Encryption): ByteWriter {
  out.u8(encryptions.indexOf(encryption.kind));
  if (encryption.kind === 'customer') return out;
  const { algorithm, key, version, bucketKey, context } = encryption;
  out.u8(kmsAlgorithms.indexOf(algorithm)).u8(Number(bucketKey));
  return out.string(key).varint(version).bytes(context);
}

function readEncryption(from: ByteReader): Encryption {
  const kind = choice(encryptions, from.u8(), 'encryption');
  if (kind === 'customer') return { kind };
  return {
    kind,
    algorithm: choice(kmsAlgorithms, from.u8(), 'algorithm'),
    bucketKey: choice([false, true], from.u8(), 'bucket key'),
    key: from.string(),
    version: from.varint(),
    context: from.bytes(),
  };
}

const modes = ['GOVERNANCE', 'COMPLIANCE'] as const;

interface Extension<Value> {
  readonly bit: number;
  readonly feature: ExtensionFeature;
  readonly write: (out: ByteWriter, value: Value) => ByteWriter;
  readonly read: (from: ByteReader) => Value;
}

/** In the order of their bits. */
const extensions: { readonly [Name in keyof Extensions]-?: Extension<NonNullable<Extensions[Name]>> } = {
  policy: { bit: 1, feature: 'policies', write: writePolicy, read: readPolicy },
  use: {
    bit: 2,
    feature: 'policies',
    write: (out, { readMs, heat }) => out.u64(readMs).u8(heat),
    read: (from) => ({ readMs: from.u64(), heat: from.u8() }),
  },
  retention: {
    bit: 4,
    feature: 'objectLock',
    write: (out, { mode, untilMs }) => out.u8(modes.indexOf(mode)).u64(untilMs),
    read: (from) => ({ mode: choice(modes, from.u8(), 'mode of retention'), untilMs: from.u64() }),
  },
  legalHold: {
    bit: 8,
    feature: 'objectLock',
    write: (out, isHeld) => out.u8(Number(isHeld)),
    read: (from) => choice([false, true], from.u8(), 'legal hold'),
  },
  // What it says is known to whoever decides by it; here it is bytes.
  acl: { bit: 16, feature: 'acls', write: (out, acl) => out.bytes(acl), read: (from) => from.bytes() },
  encryption: {
    bit: 32,
    feature: 'namedKeys',
    write: writeEncryption,
    read: readEncryption,
  },
  restore: { bit: 64, feature: 'archive', write: writeRestore, read: readRestore },
  replication: { bit: 128, feature: 'replicationStatus', write: writeReplication, read: readReplication },
};

const names = Object.keys(extensions) as (keyof Extensions)[];
const known = names.reduce((bits, name) => bits | extensions[name].bit, 0);

/** Bits of those that it has; 0: none. */
export function extensionsOf(bearer: Extensions): number {
  let bits = 0;
  for (const name of names) if (bearer[name] !== undefined) bits |= extensions[name].bit;
  return bits;
}

export function writeExtensions(out: ByteWriter, bearer: Extensions): void {
  out.u8(extensionsOf(bearer));
  for (const name of names) {
    const value = bearer[name];
    if (value !== undefined) (extensions[name] as Extension<unknown>).write(out, value);
  }
}

/** @throws CorruptionError where there are none, or one that this version does not know */
export function readExtensions(from: ByteReader): Extensions {
  const bits = from.u8();
  if (bits === 0 || bits & ~known) throw new CorruptionError('record has unknown extensions');
  const read: Record<string, unknown> = {};
  for (const name of names) if (bits & extensions[name].bit) read[name] = extensions[name].read(from);
  return read as Extensions;
}

const ownOfEach: ReadonlySet<string> = new Set(['use', 'restore', 'replication'] satisfies (keyof Extensions)[]);

/** Those that a new version takes over from what it is made from: how the old one was used, that it is restored, and where it was replicated, is its own. */
export function inherited(bearer: Extensions): GivenExtensions {
  const taken: Record<string, unknown> = {};
  for (const name of names) if (!ownOfEach.has(name) && bearer[name] !== undefined) taken[name] = bearer[name];
  return taken;
}

/** What must be turned on before these bits may be written. */
export const featuresOfExtensions = (bits: number): ReadonlySet<ExtensionFeature> =>
  new Set(names.flatMap((name) => (bits & extensions[name].bit ? [extensions[name].feature] : [])));
