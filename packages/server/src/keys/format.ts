import { ByteReader, ByteWriter, crc32c } from '../codec/index.ts';
import { CorruptionError } from '../errors.ts';
import { limits } from '../limits.ts';
import { isBlank, keyBytes } from './box.ts';

/** One master key. */
interface MasterKey {
  /** Starts at 1 and grows by one with every rotation. */
  readonly version: number;
  readonly createdMs: number;
  readonly key: Buffer;
}

/** What the keyring file holds. */
export interface KeyringContent {
  /** 16 random bytes: tells one keyring from another. */
  readonly identity: Buffer;
  /** Version of the key that wraps; the others only unwrap. */
  readonly active: number;
  readonly keys: readonly MasterKey[];
}

const magic = Buffer.from('DSOMKEYS', 'latin1');
const formatVersion = 1;

/** The bytes of the file, as docs/formats/keys.md draws them. */
export function encodeKeyring(content: KeyringContent): Buffer {
  const writer = new ByteWriter(64 + content.keys.length * 48);
  writer.raw(magic).u8(formatVersion).raw(content.identity).u32(content.active).u32(content.keys.length);
  for (const { version, createdMs, key } of content.keys) writer.u32(version).u64(createdMs).raw(key);
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
  if (format !== formatVersion)
    throw new CorruptionError(`its format is ${format}, this program reads ${formatVersion}`);
  const identity = Buffer.from(reader.raw(16));
  const active = reader.u32();
  const count = reader.u32();
  if (count > limits.masterKeys) throw new CorruptionError(`it holds ${count} keys, more than ${limits.masterKeys}`);
  const keys: MasterKey[] = [];
  for (let i = 0; i < count; i++) {
    const version = reader.u32();
    if (version !== i + 1) throw new CorruptionError('its versions are not in order');
    keys.push({ version, createdMs: reader.u64(), key: Buffer.from(reader.raw(keyBytes)) });
  }
  if (reader.remaining > 0) throw new CorruptionError('it goes on after its last key');
  if (active < 1 || active > count) throw new CorruptionError('its active key is missing');
  for (const { version, key } of keys) if (isBlank(key)) throw new CorruptionError(`key ${version} is all zeros`);
  return { identity, active, keys };
}
