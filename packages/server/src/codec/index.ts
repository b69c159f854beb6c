export { Arena } from './arena.ts';
/** Kernels in WebAssembly, written down as expressions. */
export * as assembler from './assembler.ts';
export { ByteReader, ByteWriter } from './bytes.ts';
export {
  type Checksum,
  type ChecksumAlgorithm,
  checksumText,
  compositeChecksum,
  createChecksum,
  digestBytes,
  digestOf,
  isCrc,
  parseChecksum,
} from './checksum.ts';
export { type CrcAlgorithm, combineCrc, crc32c } from './crc.ts';
export { MacKey } from './mac.ts';
export { type LaneStream, Md5Lanes } from './md5/lanes.ts';
export { md5Together } from './md5/together.ts';
export { release } from './memory.ts';
export { isSealedBefore, sealedHeader, sealedHeaderBytes, sealedUnder } from './sealed.ts';
