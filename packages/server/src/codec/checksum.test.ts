import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { xxh3, xxh64 } from '@node-rs/xxhash';
import fc from 'fast-check';
import {
  type ChecksumAlgorithm,
  type CrcAlgorithm,
  checksumText,
  combineCrc,
  compositeChecksum,
  crc32c,
  createChecksum,
  digestBytes,
  digestOf,
  isCrc,
  parseChecksum,
} from './index.ts';

const check = Buffer.from('123456789');
/** Check values of the catalogue of parametrised CRC algorithms, RFC 1321, RFC 3174, FIPS 180-4; of xxHash as its reference implementation gives them. */
const known: Record<ChecksumAlgorithm, string> = {
  CRC32: 'cbf43926',
  CRC32C: 'e3069283',
  CRC64NVME: 'ae8b14860a799888',
  MD5: '25f9e794323b453885f5181f1b624d0b',
  SHA1: 'f7c3bc1d808e04732adf679965ccc34ca7ae3441',
  SHA256: '15e2b0d3c33891ebb0f1ef609ec419420c20e320ce94c65fbc8c3312448eb225',
  SHA512:
    'd9e6762dd1c8eaf6d61b3c6192fc408d4d6d5f1176d0c29169bc24e71c3f274ad27fcd5811b313d681f7e55ec02d73d499c95455b6b5bb503acf574fba8ffe85',
  XXHASH64: '8cb841db40e6ae83',
  XXHASH3: '72dcb18b67a17dff',
  XXHASH128: '33119477ede5dcd5e9716427681d5860',
};
/** Of no bytes at all, where another byte order or seed would show as well. */
const empty: Partial<Record<ChecksumAlgorithm, string>> = {
  CRC64NVME: '0000000000000000',
  XXHASH64: 'ef46db3751d8e999',
  XXHASH3: '2d06800538d394c2',
  XXHASH128: '99aa06d3014798d86001c324468d497f',
};
const algorithms = Object.keys(known) as ChecksumAlgorithm[];
const crcs = algorithms.filter(isCrc) as CrcAlgorithm[];
const bytes = (maximum: number) => fc.uint8Array({ maxLength: maximum }).map((array) => Buffer.from(array));

describe('checksums', () => {
  for (const algorithm of algorithms) {
    it(`${algorithm} gives its published check value`, () => {
      assert.equal(digestOf(algorithm, check).toString('hex'), known[algorithm]);
      assert.equal(digestOf(algorithm, check).length, digestBytes[algorithm]);
    });

    it(`${algorithm} does not depend on how the bytes are cut, nor on other streams in between`, () => {
      fc.assert(
        fc.property(fc.array(bytes(200), { maxLength: 6 }), fc.array(bytes(200), { maxLength: 6 }), (left, right) => {
          const a = createChecksum(algorithm);
          const b = createChecksum(algorithm);
          for (let i = 0; i < 6; i++) {
            if (left[i]) a.update(left[i]!);
            if (right[i]) b.update(right[i]!);
          }
          assert.deepEqual(a.digest(), digestOf(algorithm, Buffer.concat(left)));
          assert.deepEqual(b.digest(), digestOf(algorithm, Buffer.concat(right)));
        }),
        { numRuns: 100 },
      );
    });
  }

  it('reads views at any offset of a larger buffer', () => {
    const large = Buffer.alloc(300, 'abcdefg');
    for (const algorithm of algorithms) {
      for (const offset of [0, 1, 7, 64]) {
        const view = large.subarray(offset, offset + 100);
        assert.deepEqual(digestOf(algorithm, view), digestOf(algorithm, Buffer.from(view)));
      }
    }
  });

  it('carries on from a seed', () => {
    assert.equal(crc32c(check.subarray(5), crc32c(check.subarray(0, 5))), 0xe3069283);
  });

  for (const [algorithm, value] of Object.entries(empty) as [ChecksumAlgorithm, string][])
    it(`${algorithm}: a finished stream does not disturb the next one`, () => {
      const abandoned = createChecksum(algorithm);
      abandoned.update(Buffer.from('never finished'));
      const finished = createChecksum(algorithm);
      finished.update(check);
      assert.equal(finished.digest().toString('hex'), known[algorithm]);
      assert.equal(digestOf(algorithm, Buffer.alloc(0)).toString('hex'), value);
    });

  it('xxHashes are those of another implementation, of any length, in any cuts', () => {
    const hex = (value: bigint, digits: number) => value.toString(16).padStart(digits, '0');
    const others = {
      XXHASH64: (all: Buffer) => hex(xxh64(all), 16),
      XXHASH3: (all: Buffer) => hex(xxh3.xxh64(all), 16),
      XXHASH128: (all: Buffer) => hex(xxh3.xxh128(all), 32),
    } as const;
    for (const [algorithm, other] of Object.entries(others) as [keyof typeof others, (all: Buffer) => string][])
      fc.assert(
        fc.property(fc.array(bytes(1500), { maxLength: 4 }), (cuts) => {
          const running = createChecksum(algorithm);
          for (const cut of cuts) running.update(cut);
          assert.equal(running.digest().toString('hex'), other(Buffer.concat(cuts)));
        }),
        { numRuns: 100 },
      );
  });
});

describe('combining CRCs', () => {
  for (const algorithm of crcs) {
    it(`${algorithm} of parts gives the ${algorithm} of the whole`, () => {
      fc.assert(
        fc.property(bytes(500), bytes(5000), (a, b) => {
          const combined = combineCrc(algorithm, digestOf(algorithm, a), digestOf(algorithm, b), b.length);
          assert.deepEqual(combined, digestOf(algorithm, Buffer.concat([a, b])));
        }),
        { numRuns: 200 },
      );
    });

    it(`${algorithm} is associative for lengths beyond 2^32`, () => {
      const digest = fc.uint8Array({ minLength: digestBytes[algorithm], maxLength: digestBytes[algorithm] });
      const length = fc.integer({ min: 0, max: 2 ** 43 });
      fc.assert(
        fc.property(digest, digest, digest, length, length, (a, b, c, lengthB, lengthC) => {
          const [x, y, z] = [Buffer.from(a), Buffer.from(b), Buffer.from(c)] as const;
          const left = combineCrc(algorithm, combineCrc(algorithm, x, y, lengthB), z, lengthC);
          const right = combineCrc(algorithm, x, combineCrc(algorithm, y, z, lengthC), lengthB + lengthC);
          assert.deepEqual(left, right);
        }),
        { numRuns: 100 },
      );
    });
  }
});

describe('checksum text', () => {
  it('is read back as it was written, with or without a number of parts', () => {
    for (const algorithm of algorithms) {
      const value = digestOf(algorithm, check);
      assert.deepEqual(parseChecksum(algorithm, checksumText(value)), { value, parts: undefined });
      assert.deepEqual(parseChecksum(algorithm, checksumText(value, 10_000)), { value, parts: 10_000 });
    }
  });

  it('refuses every other form', () => {
    const good = checksumText(digestOf('CRC32', check));
    assert.equal(good, 'y/Q5Jg==');
    const bad = [
      '',
      'y/Q5Jg',
      'y/Q5Jg=',
      ' y/Q5Jg==',
      'y/Q5Jg== ',
      'y_Q5Jg==',
      'y/Q5Jh==',
      'AAAAAAAA',
      `${good}-`,
      `${good}-0`,
      `${good}-01`,
      `${good}-1-1`,
      `${good}-100000`,
    ];
    for (const text of bad) assert.equal(parseChecksum('CRC32', text), undefined, text);
  });

  it('composite is the digest of the digests', () => {
    const parts = [Buffer.from('part one'), Buffer.from('part two')].map((part) => digestOf('SHA256', part));
    assert.deepEqual(compositeChecksum('SHA256', parts), digestOf('SHA256', Buffer.concat(parts)));
  });
});
