import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import fc from 'fast-check';
import { type ChecksumAlgorithm, digestBytes, digestOf } from '../codec/index.ts';
import { StoreError } from '../errors.ts';
import { checkDigests, createDigester, digestPlan, digestsOf } from './digester.ts';

const algorithms = Object.keys(digestBytes) as ChecksumAlgorithm[];
const fails = (code: string) => (error: unknown) => error instanceof StoreError && error.code === code;

test('running and one-shot digests agree, whatever is asked for', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.uint8Array({ maxLength: 300 }), { maxLength: 6 }),
      fc.subarray([...algorithms]),
      fc.boolean(),
      async (chunks, checksums, sha256) => {
        const running = createDigester({ sha256, checksums });
        for (const chunk of chunks) await running.update(chunk);
        const whole = Buffer.concat(chunks);
        const digests = await running.finish();
        assert.deepEqual(digests, digestsOf(whole, { sha256, checksums }));
        assert.deepEqual(digests.md5, createHash('md5').update(whole).digest());
        assert.deepEqual(digests.sha256, sha256 ? createHash('sha256').update(whole).digest() : undefined);
        assert.deepEqual([...digests.checksums.keys()], checksums);
        for (const [algorithm, value] of digests.checksums)
          assert.deepEqual(value, digestOf(algorithm, whole), algorithm);
      },
    ),
    { numRuns: 60 },
  );
});

test('a checksum of any algorithm that differs is refused', () => {
  const bytes = Buffer.from('what was sent');
  for (const algorithm of algorithms) {
    const value = digestOf(algorithm, bytes);
    const digests = digestsOf(bytes, digestPlan({ checksum: { algorithm, value } }, undefined));
    checkDigests({ checksum: { algorithm, value } }, digests);
    for (let at = 0; at < value.length; at++) {
      const other = Buffer.from(value);
      other[at]! ^= 1;
      assert.throws(
        () => checkDigests({ checksum: { algorithm, value: other } }, digests),
        fails('BadDigest'),
        algorithm,
      );
    }
  }
});

test('a digest that differs has its own error, and the trailer counts', () => {
  const bytes = Buffer.from('what was sent');
  const digests = digestsOf(bytes, { sha256: true, checksums: ['CRC32', 'SHA256'] });
  const crc = digests.checksums.get('CRC32') as Buffer;
  const wrong = (value: Buffer) => Buffer.from(value.map((byte) => byte ^ 1));
  checkDigests({ md5: digests.md5, checksum: { algorithm: 'CRC32', value: crc } }, digests);
  checkDigests({ trailer: () => ({ algorithm: 'CRC32', value: crc }) }, digests);
  checkDigests({ trailer: () => undefined }, digests);
  assert.throws(() => checkDigests({ md5: wrong(digests.md5) }, digests), fails('BadDigest'));
  assert.throws(() => checkDigests({ sha256: wrong(digests.md5) }, digests), fails('XAmzContentSHA256Mismatch'));
  const checksum = { algorithm: 'CRC32', value: wrong(crc) } as const;
  assert.throws(() => checkDigests({ checksum }, digests), fails('BadDigest'));
  assert.throws(() => checkDigests({ trailer: () => checksum }, digests), fails('BadDigest'));
  const unknown = { algorithm: 'SHA1', value: Buffer.alloc(20) } as const;
  assert.throws(() => checkDigests({ trailer: () => unknown }, digests), fails('InvalidRequest'));
});

test('what is expected and what is kept are each computed once', () => {
  assert.deepEqual(digestPlan({}, undefined), { sha256: false, checksums: [] });
  const expected = { sha256: Buffer.alloc(32), checksum: { algorithm: 'CRC32', value: undefined } } as const;
  assert.deepEqual(digestPlan(expected, 'CRC32'), { sha256: true, checksums: ['CRC32'] });
  assert.deepEqual(digestPlan(expected, 'SHA1'), { sha256: true, checksums: ['SHA1', 'CRC32'] });
});
