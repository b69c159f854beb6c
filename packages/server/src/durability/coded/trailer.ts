import { crc32c } from '../../codec/index.ts';
import { CorruptionError } from '../../errors.ts';
import type { Code } from '../../metadata/index.ts';
import { stripeIdBytes } from '../address.ts';
import { unitBytes } from './striping.ts';

/*
 * The last bytes of every fragment of a coded stripe. They say how long the stripe is, which nobody else knows who rebuilds a fragment: the
 * lengths of the others leave it open. docs/formats/fragments.md draws them.
 */

export const trailerBytes = 16;
const FORMAT = 1;
const crcAt = trailerBytes - 4;

export interface Trailer {
  /** Stored bytes of the whole stripe. */
  readonly stored: number;
  readonly index: number;
  readonly code: Code;
}

const crcOf = (trailer: Buffer, stripe: Buffer): number =>
  crc32c(trailer.subarray(0, crcAt), crc32c(stripe.subarray(0, stripeIdBytes - 1)));

export function encodeTrailer(stripe: Buffer, { stored, index, code }: Trailer): Buffer {
  const out = Buffer.alloc(trailerBytes);
  out.writeUInt8(FORMAT, 0);
  out.writeUInt8(code.data, 1);
  out.writeUInt8(code.parity, 2);
  out.writeUInt8(index, 3);
  out.writeUInt32LE(unitBytes, 4);
  out.writeUInt32LE(stored, 8);
  out.writeUInt32LE(crcOf(out, stripe), crcAt);
  return out;
}

/** @throws CorruptionError when it is not the trailer of this fragment of this stripe */
export function decodeTrailer(bytes: Buffer, stripe: Buffer, index: number, code: Code): Trailer {
  const bad = (what: string): CorruptionError =>
    new CorruptionError(`the trailer of fragment ${index} of stripe ${stripe.toString('hex')} ${what}`);
  if (bytes.length !== trailerBytes || bytes.readUInt32LE(crcAt) !== crcOf(bytes, stripe)) throw bad('is damaged');
  if (bytes.readUInt8(0) !== FORMAT || bytes.readUInt32LE(4) !== unitBytes) throw bad('is of another format');
  if (bytes.readUInt8(1) !== code.data || bytes.readUInt8(2) !== code.parity || bytes.readUInt8(3) !== index)
    throw bad('is of another fragment');
  return { stored: bytes.readUInt32LE(8), index, code };
}
