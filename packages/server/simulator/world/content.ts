/*
 * Bodies that say who wrote them. Each write has a number; its bytes follow from the number and the length alone, and begin with both, so
 * that whoever reads an object knows which writes it is made of, and that no byte of it is wrong, without asking anybody.
 */

/** Bytes of a mark: magic, number of the write, length of its body. */
export const markBytes = 12;
const magic = 0x5a17c0de;

/** @param length at least {@link markBytes} */
export function bodyOf(write: number, length: number): Buffer {
  const bytes = Buffer.from(new ArrayBuffer(length));
  bytes.writeUInt32LE(magic, 0);
  bytes.writeUInt32LE(write, 4);
  bytes.writeUInt32LE(length, 8);
  // Some bodies shrink when they are packed, some do not.
  if (write % 3 === 0) return bytes.fill(`write ${write}, `, markBytes);
  // Every read of a body makes it anew to compare: whole words, on a machine whose first byte of a word is the lowest.
  const words = new Int32Array(bytes.buffer, 0, length >>> 2);
  let state = (Math.imul(write, 0x9e3779b1) ^ length) >>> 0 || 1;
  for (let at = markBytes / 4; at < words.length; at++) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    words[at] = state;
  }
  return bytes.fill(0x7e, 4 * words.length);
}

/** Numbers of the writes that an object is made of, in order. @throws Error when a byte is wrong */
export function writesIn(bytes: Buffer): number[] {
  const writes: number[] = [];
  for (let at = 0; at < bytes.length; ) {
    if (bytes.length - at < markBytes || bytes.readUInt32LE(at) !== magic) {
      throw new Error(`the byte at ${at} of ${bytes.length} does not begin what a client wrote`);
    }
    const write = bytes.readUInt32LE(at + 4);
    const length = bytes.readUInt32LE(at + 8);
    if (
      length < markBytes ||
      at + length > bytes.length ||
      !bytes.subarray(at, at + length).equals(bodyOf(write, length))
    ) {
      throw new Error(`the bytes of write ${write} at ${at} of ${bytes.length} are not those that were written`);
    }
    writes.push(write);
    at += length;
  }
  return writes;
}
