import type { Plant } from './plant.ts';

const codec = ['src/codec/checksum.test.ts'];
const features = 'src/metadata/machine/features.ts';
const featureTests = ['src/metadata/features.test.ts'];
const gates = ['src/objects/checksums.test.ts'];

/* Bugs of the checksums of S3: those that are wrong, and those that not every node of a cluster can read. */

export const checksumPlants: readonly Plant[] = [
  {
    name: 'checksums: xxHashes come out in the byte order of the machine',
    file: 'src/codec/wasm-stream.ts',
    find: "    return Buffer.from(hasher.digest('binary'));",
    replace: "    return Buffer.from(hasher.digest('binary')).reverse();",
    tests: codec,
    pattern: 'XXHASH3 gives its published check value',
  },
  {
    name: 'checksums: a stream goes on with the state of another one',
    file: 'src/codec/wasm-stream.ts',
    find: '    if (this.#saved) hasher.load(this.#saved);\n',
    replace: '',
    tests: codec,
    pattern: 'XXHASH128 does not depend on how the bytes are cut',
  },
  {
    name: 'checksums: SHA512 is too long to be read',
    file: 'src/codec/checksum.ts',
    find: 'encoded.length > longestText',
    replace: 'encoded.length > 64',
    tests: codec,
    pattern: 'is read back as it was written',
  },
  {
    name: 'checksums: a wrong one is taken',
    file: 'src/objects/digester.ts',
    find: '  if (!computed.equals(value)) {',
    replace: '  if (computed.readUInt32BE(0) !== value.readUInt32BE(0)) {',
    tests: ['src/objects/digester.test.ts'],
    pattern: 'a checksum of any algorithm that differs',
  },
  {
    name: 'checksums: the MD5 that is kept is not the one that was computed',
    file: 'src/objects/digester.ts',
    find: '?.digest() ?? md5);',
    replace: '?.digest() ?? Buffer.alloc(16));',
    tests: ['src/objects/digester.test.ts'],
    pattern: 'running and one-shot digests agree',
  },
  {
    name: 'checksums: a newer one is written before every node knows it',
    file: features,
    find: "(isNewerChecksum(code) ? 'newerChecksums' : undefined)",
    replace: "(isNewerChecksum(code) && code < 0 ? 'newerChecksums' : undefined)",
    tests: featureTests,
    pattern: 'each effect that has one needs the feature',
  },
  {
    name: 'checksums: a composite one is written before every node knows it',
    file: 'src/metadata/machine/fields.ts',
    find: '(code & ~COMPOSITE) > LAST_OLD',
    replace: 'code > LAST_OLD && code < COMPOSITE',
    tests: featureTests,
    pattern: 'COMPOSITE: each effect that has one needs the feature',
  },
  {
    name: 'checksums: a part with a newer one is written before every node knows it',
    file: features,
    find: "  'upload.part': needsOfPiece,\n",
    replace: '',
    tests: featureTests,
    pattern: 'each effect that has one needs the feature',
  },
  {
    name: 'checksums: one in the row of a large piece is not seen',
    file: 'src/metadata/machine/pieces.ts',
    find: '  from.u64();\n  from.varint();\n  if',
    replace: '  from.u64();\n  from.u8();\n  if',
    tests: featureTests,
    pattern: 'each effect that has one needs the feature',
  },
  {
    name: 'checksums: an owner that does not know the algorithm is asked all the same',
    file: 'src/objects/intake.ts',
    find: '  checkMayKeep(rooms, keptBy(plan));\n',
    replace: '',
    tests: gates,
    pattern: 'until every node of a cluster knows it',
  },
  {
    name: 'checksums: an upload by a newer algorithm begins before every node knows it',
    file: 'src/objects/uploads.ts',
    find: '  checkMayKeep(rooms, request.checksumAlgorithm);\n',
    replace: '',
    tests: gates,
    pattern: 'until every node of a cluster knows it',
  },
  {
    name: 'checksums: a copy is summed by a newer algorithm before every node knows it',
    file: 'src/objects/copy.ts',
    find: '  checkMayKeep(rooms, request.checksumAlgorithm);\n',
    replace: '',
    tests: gates,
    pattern: 'until every node of a cluster knows it',
  },
  {
    name: 'checksums: an object cannot move here while a node does not know its checksum',
    file: 'src/sources/keep.ts',
    find: 'version.checksum && mayKeep({ reader }, version.checksum.algorithm) ? version.checksum : undefined',
    replace: 'version.checksum',
    tests: ['src/sources/keep.test.ts'],
  },
];
