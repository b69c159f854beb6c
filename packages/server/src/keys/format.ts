import { hkdfSync } from 'node:crypto';
import { ByteReader, ByteWriter, crc32c } from '../codec/index.ts';
import { CorruptionError } from '../errors.ts';
import { limits } from '../limits.ts';
import { isBlank, keyBytes } from './box.ts';

/** One master key. */
export interface MasterKey {
  /** Starts at 1 and grows by one with every rotation. */
  readonly version: number;
  readonly createdMs: number;
  /** Undefined: it was removed. */
  readonly key: Buffer | undefined;
  /** Digits of the fingerprint up to this key; kept from the first removal on, since they cannot be worked out any more then. */
  readonly digest?: Buffer;
}

/** What the keyring file holds. */
export interface KeyringContent {
  /** 16 random bytes: tells one keyring from another. */
  readonly identity: Buffer;
  /** Version of the key that wraps; the others only unwrap. Those behind it wrap nothing yet. */
  readonly active: number;
  readonly keys: readonly MasterKey[];
}

const magic = Buffer.from('DSOMKEYS', 'latin1');
const wholeFormat = 1;
const partialFormat = 2;
const digestBytes = 16;
const allKeys = Buffer.from('dsom keyring fingerprint 1', 'latin1');
const oneMore = Buffer.from('dsom keyring fingerprint 2', 'latin1');

/** Derived one-way from the identity and the first `count` keys: whoever has it learns nothing, and a keyring with another key in it has another. */
function digestOf({ identity, keys }: KeyringContent, count: number): Buffer {
  const { key, digest } = keys[count - 1] as MasterKey;
  if (digest) return digest;
  const before = keys[count - 2]?.digest;
  const all = before ? [key] : keys.slice(0, count).map((one) => one.key);
  const joined = Buffer.concat(all as Buffer[]);
  return Buffer.from(hkdfSync('sha256', joined, before ?? identity, before ? oneMore : allKeys, digestBytes));
}

/** `3-` and 32 hexadecimal digits: of the first three keys. */
export const fingerprintOf = (content: KeyringContent, count: number): string =>
  `${count}-${digestOf(content, count).toString('hex')}`;

/** Without the keys before `first`. */
export function withoutKeys(content: KeyringContent, first: number): KeyringContent {
  const keys = content.keys.map((one, at) => ({
    ...one,
    key: one.version < first ? undefined : one.key,
    digest: digestOf(content, at + 1),
  }));
  return { ...content, keys };
}

/** With this key behind those before it, in the place of what may be there. */
export function withKey(content: KeyringContent, added: MasterKey): KeyringContent {
  const before = content.keys.slice(0, added.version - 1);
  const next = { ...content, keys: [...before, added] };
  if (added.digest || !before.at(-1)?.digest) return next;
  return { ...content, keys: [...before, { ...added, digest: digestOf(next, added.version) }] };
}

/** The bytes of the file, as docs/formats/keys.md draws them. Format 1 as long as no key was removed: earlier versions read it. */
export function encodeKeyring(content: KeyringContent): Buffer {
  const { identity, active, keys } = content;
  const partial = keys.some(({ key }) => key === undefined);
  const writer = new ByteWriter(64 + keys.length * 64);
  writer
    .raw(magic)
    .u8(partial ? partialFormat : wholeFormat)
    .raw(identity)
    .u32(active)
    .u32(keys.length);
  for (const { version, createdMs, key } of keys) {
    writer.u32(version).u64(createdMs);
    if (partial) writer.raw(digestOf(content, version)).u8(key ? 1 : 0);
    if (key) writer.raw(key);
  }
  const body = writer.finish();
  const crc = Buffer.allocUnsafe(4);
  crc.writeUInt32LE(crc32c(body));
  return Buffer.concat([body, crc]);
}

/** @throws CorruptionError with a reason that names no key material */
export function decodeKeyring(bytes: Buffer): KeyringContent {
  if (bytes.length < magic.length + 5 || !bytes.subarray(0, magic.length).equals(magic)) {
    throw new CorruptionError('it does not begin as a keyring does');
  }
  const body = bytes.subarray(0, -4);
  if (crc32c(body) !== bytes.readUInt32LE(body.length)) throw new CorruptionError('its checksum is wrong');
  const reader = new ByteReader(body.subarray(magic.length));
  const format = reader.u8();
  if (format !== wholeFormat && format !== partialFormat)
    throw new CorruptionError(`its format is ${format}, this program reads ${wholeFormat} and ${partialFormat}`);
  const identity = Buffer.from(reader.raw(16));
  const active = reader.u32();
  const count = reader.u32();
  if (count > limits.masterKeys) throw new CorruptionError(`it holds ${count} keys, more than ${limits.masterKeys}`);
  const keys: MasterKey[] = [];
  for (let i = 0; i < count; i++) {
    const version = reader.u32();
    if (version !== i + 1) throw new CorruptionError('its versions are not in order');
    const createdMs = reader.u64();
    const digest = format === partialFormat ? Buffer.from(reader.raw(digestBytes)) : undefined;
    const held = digest === undefined || reader.u8() === 1;
    const key = held ? Buffer.from(reader.raw(keyBytes)) : undefined;
    // The oldest go first: a gap further on is none that a removal leaves.
    if (!held && keys.at(-1)?.key) throw new CorruptionError(`key ${version} is missing`);
    keys.push({ version, createdMs, key, ...(digest && { digest }) });
  }
  if (reader.remaining > 0) throw new CorruptionError('it goes on after its last key');
  if (active < 1 || active > count || !keys[active - 1]?.key) throw new CorruptionError('its active key is missing');
  for (const { version, key } of keys)
    if (key && isBlank(key)) throw new CorruptionError(`key ${version} is all zeros`);
  return { identity, active, keys };
}
