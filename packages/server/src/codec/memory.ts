/**
 * Gives the memory behind `bytes` back now, instead of when the collector comes to it; every view of it is empty afterwards. Only for the sole
 * owner, when no call of the system that was given the bytes is still under way. Does nothing unless `bytes` spans its whole buffer:
 * then others may own the rest.
 *
 * What moves through a server lies outside of V8's heap, in a new block for each chunk. V8 counts those bytes and marks the whole heap
 * whenever they grew by 64 MB, which costs more than moving them does (docs/decisions/0007-large-transfers.md).
 */
export function release(bytes: Uint8Array): void {
  const { buffer } = bytes;
  if (buffer instanceof ArrayBuffer && bytes.byteLength === buffer.byteLength) buffer.transfer(0);
}
