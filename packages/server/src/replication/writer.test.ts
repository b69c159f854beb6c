/* How the bytes of a version come to the other store: with their checksum, where it knows that, and in which parts. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { afterEach, describe, it } from 'node:test';
import { checksumHeaders } from '../api/index.ts';
import { type ChecksumAlgorithm, digestOf } from '../codec/index.ts';
import { until } from '../host/patience.support.ts';
import type { ReadResult } from '../objects/index.ts';
import { checksumSaid } from './checksum.ts';
import { arrived, get, here, pair, type Side, settled, there, upload, versions } from './stores.fixture.ts';
import { partsOf } from './writer.ts';

const MiB = 1024 ** 2;

const asked = { 'x-amz-checksum-mode': 'ENABLED' };
const head = (side: Side, bucket: string, key: string) => side.s3.send('HEAD', `/${bucket}/${key}`, { headers: asked });
const algorithms = Object.keys(checksumHeaders) as ChecksumAlgorithm[];

/** What both stores say of the checksum of an object, which has to be the same, and there. */
async function sameChecksum(bucket: string, key: string, algorithm: ChecksumAlgorithm): Promise<string | undefined> {
  const [was, now] = [await head(here, bucket, key), await head(there, bucket, key)];
  for (const name of [checksumHeaders[algorithm], 'x-amz-checksum-type', 'etag'])
    assert.equal(now.headers[name], was.headers[name], `${key}: ${name}`);
  assert.notEqual(now.headers[checksumHeaders[algorithm]], undefined, `${key} has a checksum`);
  return now.headers[checksumHeaders[algorithm]] as string | undefined;
}

describe('the checksum of a version', () => {
  afterEach(() => {
    there.refused = undefined;
    there.spoils = undefined;
  });

  it('is kept by the other store, whatever its algorithm', async () => {
    const bucket = await pair();
    const body = randomBytes(10_000);
    for (const algorithm of algorithms) {
      const headers = { [checksumHeaders[algorithm]]: digestOf(algorithm, body).toString('base64') };
      await here.s3.send('PUT', `/${bucket}/${algorithm}`, { body, headers });
    }
    for (const algorithm of algorithms) {
      await arrived(bucket, algorithm);
      const value = await sameChecksum(bucket, algorithm, algorithm);
      assert.equal(value, digestOf(algorithm, body).toString('base64'));
    }
  });

  it('of an upload in parts is kept with those of its parts', async () => {
    const bucket = await pair();
    const parts = [randomBytes(5 * MiB), randomBytes(5000)];
    for (const [algorithm, type] of [
      ['SHA256', 'COMPOSITE'],
      ['CRC32C', 'COMPOSITE'],
      ['CRC64NVME', 'FULL_OBJECT'],
      ['CRC32', 'FULL_OBJECT'],
    ] as const) {
      const key = `${algorithm}-${type}`;
      await upload(bucket, key, parts, { 'x-amz-checksum-algorithm': algorithm, 'x-amz-checksum-type': type });
      await arrived(bucket, key);
      await sameChecksum(bucket, key, algorithm);
      const part = async (side: Side) =>
        (await side.s3.send('HEAD', `/${bucket}/${key}`, { query: { partNumber: '2' }, headers: asked })).headers[
          checksumHeaders[algorithm]
        ];
      assert.equal(await part(there), digestOf(algorithm, parts[1]!).toString('base64'), `${key}: part 2`);
    }
  });

  it('that is made of parts which the other store cannot have stays here', async () => {
    const bucket = await pair();
    const about = { 'x-amz-checksum-algorithm': 'CRC32', 'x-amz-checksum-type': 'COMPOSITE' };
    await upload(bucket, 'k', [Buffer.alloc(0)], about);
    await arrived(bucket, 'k');
    await sameChecksum(bucket, 'k', 'CRC32');
    // One piece there, and parts here.
    const { version } = here.store.objects.look({ bucket, key: Buffer.from('k'), versionId: undefined });
    const read = { version: { ...version, size: 7 } } as unknown as ReadResult;
    assert.equal(checksumSaid(read, undefined), undefined);
    assert.equal(checksumSaid(read, [7]), undefined, 'other parts');
  });

  for (const [what, status, code] of [
    ['of an earlier version', 501, 'NotImplemented'],
    ['that knows none', 400, 'InvalidRequest'],
    ['that reads its documents to the letter', 400, 'MalformedXML'],
  ] as const)
    it(`is left out for a store ${what}, which gets the version all the same`, async () => {
      const bucket = await pair();
      const algorithm = 'SHA512';
      there.refused = ({ headers }) =>
        Object.keys(headers).some((name) => name.startsWith('x-amz-checksum')) ? [status, code] : undefined;
      const body = randomBytes(2000);
      const headers = { [checksumHeaders[algorithm]]: digestOf(algorithm, body).toString('base64') };
      await here.s3.send('PUT', `/${bucket}/one`, { body, headers });
      await arrived(bucket, 'one');
      await upload(bucket, 'parts', [body], { 'x-amz-checksum-algorithm': 'SHA1', 'x-amz-checksum-type': 'COMPOSITE' });
      await arrived(bucket, 'parts');
      assert.equal((await versions(there, bucket)).all('VersionId').length, 2);
      const before = there.seen.length;
      await here.s3.send('PUT', `/${bucket}/two`, { body, headers });
      await arrived(bucket, 'two');
      const puts = there.seen.slice(before).filter((one) => one.startsWith('PUT'));
      assert.equal(puts.length, 1, 'what it has refused once is not tried with each version');
    });

  it('holds the bytes: what was changed on the way is not taken, and comes again', async () => {
    const bucket = await pair();
    const parts = [randomBytes(5 * MiB), randomBytes(100)];
    let spoilt = 0;
    there.spoils = (what) => what.includes('partNumber=2') && spoilt++ === 0;
    await upload(bucket, 'k', parts, { 'x-amz-checksum-algorithm': 'SHA256', 'x-amz-checksum-type': 'COMPOSITE' });
    await until(async () => spoilt > 1, 'a second try');
    await arrived(bucket, 'k');
    assert.ok((await get(there, bucket, 'k')).body.equals(Buffer.concat(parts)));
    assert.equal((await versions(there, bucket)).all('VersionId').length, 1, 'nothing else was ever there');
    const ends = there.seen.filter((one) => one.startsWith(`POST /${bucket}/k?uploadId=`));
    assert.equal(ends.length, 1, 'the part itself was refused, and not what it became a part of');
    await sameChecksum(bucket, 'k', 'SHA256');
  });
});

describe('a store that is mistaken', () => {
  afterEach(() => {
    there.refused = undefined;
    there.misreports = undefined;
  });

  it('about what a write is compared with gets each version all the same', async () => {
    const bucket = await pair();
    there.refused = ({ headers }) => (headers['if-match'] === undefined ? undefined : [412, 'PreconditionFailed']);
    const bodies = ['one', 'two', 'three'];
    for (const body of bodies) {
      await here.s3.send('PUT', `/${bucket}/k`, { body });
      await until(async () => (await get(there, bucket, 'k')).text === body, body);
    }
    assert.equal((await versions(there, bucket)).all('VersionId').length, bodies.length, 'and each of them once');
  });

  it('about the ETag of an upload is asked for it, and what arrived otherwise is not taken for it', async () => {
    const bucket = await pair();
    const failures = () => here.deliverer.status()[0]?.failures;
    const before = failures();
    there.misreports = (what) => {
      if (!what.startsWith(`POST /${bucket}/k?uploadId=`)) return undefined;
      return (text) => text.replace(/<ETag>.*<\/ETag>/, '<ETag></ETag>');
    };
    await upload(bucket, 'k', [randomBytes(5 * MiB), randomBytes(10)]);
    await arrived(bucket, 'k');
    await settled();
    assert.equal(failures(), before, 'that is no failure');
    assert.equal((await get(there, bucket, 'k')).headers.etag, (await get(here, bucket, 'k')).headers.etag);
  });
});

it('parts are those of the object, or as many as its size asks for', () => {
  const of = (size: number, partSizes: number[] = []) => partsOf({ size, etagParts: partSizes.length, partSizes });
  const GiB = 1024 * MiB;
  assert.equal(of(5 * GiB), undefined);
  assert.equal(of(10 * MiB, [MiB, 9 * MiB]), undefined, 'parts that are too small elsewhere');
  assert.equal(of(10 * MiB, [5 * MiB]), undefined, 'something was appended');
  assert.deepEqual(of(10 * MiB, [5 * MiB, 5 * MiB]), [5 * MiB, 5 * MiB]);
  const many = of(5 * GiB + 1) as number[];
  assert.deepEqual([many.length, many.at(-1), many.reduce((sum, one) => sum + one)], [81, 1, 5 * GiB + 1]);
  const most = of(5 * 1024 * GiB) as number[];
  assert.ok(most.length <= 10_000 && most.every((one) => one <= 5 * GiB));
});
