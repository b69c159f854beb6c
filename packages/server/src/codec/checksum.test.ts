import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import {
  type ChecksumAlgorithm,
  type CrcAlgorithm,
  checksumText,
  combineCrc,
  compositeChecksum,
  crc32c,
  createChecksum,
  type DigestAlgorithm,
  digestBytes,
  digestOf,
  isCrc,
  parseChecksum,
} from './index.ts';

const check = Buffer.from('123456789');
/** Check values of the catalogue of parametrised CRC algorithms, RFC 1321, RFC 3174, FIPS 180-4. */
const known: Record<DigestAlgorithm, string> = {
  CRC32: 'cbf43926',
  CRC32C: 'e3069283',
  CRC64NVME: 'ae8b14860a799888',
  MD5: '25f9e794323b453885f5181f1b624d0b',
  SHA1: 'f7c3bc1d808e04732adf679965ccc34ca7ae3441',
  SHA256: '15e2b0d3c33891ebb0f1ef609ec419420c20e320ce94c65fbc8c3312448eb225',
};
const algorithms = Object.keys(known) as DigestAlgorithm[];
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

  it('does not let a finished stream disturb the next one', () => {
    const abandoned = createChecksum('CRC64NVME');
    abandoned.update(Buffer.from('never finished'));
    const finished = createChecksum('CRC64NVME');
    finished.update(check);
    assert.equal(finished.digest().toString('hex'), known.CRC64NVME);
    assert.equal(digestOf('CRC64NVME', Buffer.alloc(0)).toString('hex'), '0000000000000000');
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
    for (const algorithm of algorithms as ChecksumAlgorithm[]) {
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
