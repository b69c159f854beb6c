/*
 * What the master key seals begins with a format and the number of the key, so that whoever has no key can tell which one a row hangs on
 * (docs/formats/keys.md).
 */

const sealedFormat = 1;

/** Bytes of the header. */
export const sealedHeaderBytes = 5;

/** @param number of the master key, from 1 */
export function sealedHeader(number: number): Buffer {
  const header = Buffer.allocUnsafe(sealedHeaderBytes);
  header[0] = sealedFormat;
  header.writeUInt32LE(number, 1);
  return header;
}

/** Number of the master key that sealed this; undefined: it is nothing that a master key sealed. */
export function sealedUnder(sealed: Uint8Array): number | undefined {
  if (sealed.length < sealedHeaderBytes || sealed[0] !== sealedFormat) return undefined;
  return Buffer.from(sealed.buffer, sealed.byteOffset, sealedHeaderBytes).readUInt32LE(1);
}

/** Whether it hangs on a master key before `first`. What cannot be read hangs on one that nobody knows: it does, too. */
export const isSealedBefore = (sealed: Uint8Array, first: number): boolean => (sealedUnder(sealed) ?? 0) < first;
