import { ByteReader, ByteWriter, crc32c } from '../codec/index.ts';
import { limits } from '../limits.ts';
import { DeviceRefused } from './refused.ts';
import type { DeviceIdentity } from './types.ts';

/*
 * The identity file of a device, format 1 (docs/formats/device.md). Integers are little-endian.
 *
 *   0  magic "DSOMDEV\n"        8
 *   8  format                   u32
 *  12  device, UUID            16
 *  28  store, UUID             16
 *  44  bytes of a slab          u64
 *  52  made at, ms since 1970   u64
 *  60  CRC32C of bytes 0..59    u32
 */

const magic = Buffer.from('DSOMDEV\n');
const format = 1;
const identityBytes = 64;

const uuidText = (bytes: Buffer): string =>
  bytes.toString('hex').replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');

function uuidBytes(text: string): Buffer {
  if (!/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(text))
    throw new RangeError(`not a UUID in lower case: ${text}`);
  return Buffer.from(text.replaceAll('-', ''), 'hex');
}

/** A random UUID (version 4, RFC 9562) from 16 random bytes. */
export function randomUuid(random: Buffer): string {
  const bytes = Buffer.from(random);
  bytes[6] = ((bytes[6] as number) & 0x0f) | 0x40;
  bytes[8] = ((bytes[8] as number) & 0x3f) | 0x80;
  return uuidText(bytes);
}

export function encodeIdentity(identity: DeviceIdentity): Buffer {
  const writer = new ByteWriter(identityBytes)
    .raw(magic)
    .u32(format)
    .raw(uuidBytes(identity.device))
    .raw(uuidBytes(identity.store))
    .u64(identity.slabBytes)
    .u64(identity.madeAt);
  const body = writer.finish();
  return Buffer.concat([body, new ByteWriter(4).u32(crc32c(body)).finish()]);
}

/** @throws DeviceRefused 'unknownFormat' or 'damaged' */
export function decodeIdentity(bytes: Buffer): DeviceIdentity {
  const damaged = (what: string): DeviceRefused =>
    new DeviceRefused(
      'damaged',
      `The identity file of this device is damaged (${what}). Restore the file "identity" from a backup of the data directory; ` +
        'do not make a new one, for it says to which store the data belongs.',
    );
  if (bytes.length < 12 || !bytes.subarray(0, 8).equals(magic)) throw damaged('it does not start as one');
  const found = bytes.readUInt32LE(8);
  if (found !== format) {
    throw new DeviceRefused(
      'unknownFormat',
      `This device has format ${found}; this program knows format ${format}. Start the version of DSOM that last used it, or a newer one.`,
    );
  }
  if (bytes.length !== identityBytes) throw damaged(`it has ${bytes.length} bytes, not ${identityBytes}`);
  if (crc32c(bytes.subarray(0, 60)) !== bytes.readUInt32LE(60)) throw damaged('its checksum is wrong');
  const reader = new ByteReader(bytes.subarray(12, 60));
  const device = uuidText(reader.raw(16));
  const store = uuidText(reader.raw(16));
  const slabBytes = reader.u64();
  const madeAt = reader.u64();
  if (slabBytes < limits.blockBytes || slabBytes % limits.blockBytes !== 0)
    throw damaged(`slabs of ${slabBytes} bytes`);
  return { device, store, slabBytes, madeAt };
}
