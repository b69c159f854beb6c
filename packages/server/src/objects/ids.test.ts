import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { StoreError } from '../errors.ts';
import { gukText, parseGuk, parseUploadId, parseVersionId, uploadIdText, versionIdText } from './ids.ts';
import { bucketNameFault, checkBucketName } from './names.ts';

const bytes = (length: number) => fc.uint8Array({ minLength: length, maxLength: length }).map((a) => Buffer.from(a));
const fails = (code: string) => (error: unknown) => error instanceof StoreError && error.code === code;

test('a version id is read back as it was written', () => {
  fc.assert(
    fc.property(
      fc.maxSafeNat().map((n) => Math.max(1, n)),
      bytes(8),
      (sequence, nonce) => {
        const text = versionIdText({ sequence, nonce, isNull: false });
        assert.match(text, /^[0-9a-f]{32}$/);
        assert.deepEqual(parseVersionId(text), { sequence, nonce });
      },
    ),
  );
  assert.equal(versionIdText({ sequence: 5, nonce: Buffer.alloc(8), isNull: true }), 'null');
  assert.equal(parseVersionId('null'), 'null');
  assert.equal(parseVersionId(undefined), undefined);
});

test('what is no version id is refused', () => {
  const wrong = [
    '',
    'NULL',
    '0'.repeat(31),
    '0'.repeat(33),
    `${'0'.repeat(31)}+`,
    `${'0'.repeat(31)} `,
    `${'0'.repeat(32)}\n`,
  ];
  for (const text of wrong) assert.throws(() => parseVersionId(text), fails('InvalidArgument'), text);
});

test('a version id as another store gives it is one that no version has', () => {
  const foreign = ['OYcLXagmS.WaD..oyH4KRguB95_YhLs7', 'x'.repeat(32), 'A'.repeat(32), 'f'.repeat(32), '0'.repeat(32)];
  for (const text of foreign) assert.deepEqual(parseVersionId(text), { sequence: 0, nonce: Buffer.alloc(8) }, text);
});

test('upload ids and GUKs that cannot be are not found', () => {
  const id = Buffer.from('00112233445566778899aabbccddeeff', 'hex');
  assert.deepEqual(parseUploadId(uploadIdText(id)), id);
  assert.throws(() => parseUploadId('nope'), fails('NoSuchUpload'));
  assert.deepEqual(parseGuk(gukText(id)), id);
  assert.throws(() => parseGuk('../x'), fails('NotFound'));
});

test('bucket names', () => {
  const good = ['abc', 'a-b', 'my.bucket.1', '1x1', 'a'.repeat(63), 'a--b'];
  for (const name of good) assert.equal(bucketNameFault(name), undefined, name);
  const lengths = ['', '-', 'ab', 'a'.repeat(64)];
  const letters = ['Abc', 'a_b', '-ab', 'ab-', '.ab', 'ab.', 'a..b', 'a/b', 'a b', 'ünï', '../..', '192.168.5.4'];
  const reserved = ['xn--abc', 'sthree-x', 'amzn-s3-demo-b', 'x-s3alias', 'x--ol-s3', 'x.mrap', 'x--x-s3'];
  for (const name of [...lengths, ...letters, ...reserved]) {
    assert.throws(() => checkBucketName(name), fails('InvalidBucketName'), name);
  }
});
