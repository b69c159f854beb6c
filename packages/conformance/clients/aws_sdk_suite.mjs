/*
 * AWS's own SDK for JavaScript, version 3, with its defaults (which send and check checksums), its upload of streams by parts, its pages and its
 * presigned addresses. Run by aws-sdk.test.ts: the folder that the SDK is installed in, and the endpoint.
 */
import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { createRequire } from 'node:module';
import path from 'node:path';
import { Readable } from 'node:stream';

const [packages, endpoint] = process.argv.slice(2);
const require = createRequire(path.join(packages, 'package.json'));
const s3 = require('@aws-sdk/client-s3');
const { Upload } = require('@aws-sdk/lib-storage');
const { getSignedUrl } = require('@aws-sdk/s3-request-presigner');

const client = new s3.S3Client({ endpoint, region: 'us-east-1', forcePathStyle: true });
const Bucket = 'aws-sdk';
const MiB = 1 << 20;
const md5 = (bytes) => createHash('md5').update(bytes).digest('hex');
const call = (name, input) => client.send(new s3[`${name}Command`]({ Bucket, ...input }));
const bytesOf = async (answer) => Buffer.from(await answer.Body.transformToByteArray());
const all = async (paginate, input, field) => {
  const items = [];
  let pages = 0;
  for await (const page of paginate({ client, pageSize: 3 }, { Bucket, ...input })) {
    items.push(...(page[field] ?? []));
    pages++;
  }
  return { items, pages };
};

await call('CreateBucket');
await s3.waitUntilBucketExists({ client, maxWaitTime: 180 }, { Bucket });

// Objects: text, bytes, streams, every checksum; keys that have to be encoded.
for (const Key of ['plain', 'a/b c', 'ü/€/😀', 'a+b', "!'()*~", 'q?x=1&y#z', '100%', 'a//b', 'dir/', 'é']) {
  const put = await call('PutObject', {
    Key,
    Body: Key,
    Metadata: { a: 'b' },
    ContentType: 'text/x',
    Tagging: 'k=v%20w',
  });
  assert.equal(put.ETag, `"${md5(Key)}"`);
  assert.ok(put.ChecksumCRC32, 'the default checksum comes back');
  const got = await call('GetObject', { Key });
  assert.equal(await got.Body.transformToString(), Key);
  assert.deepEqual([got.ContentType, got.Metadata, got.TagCount], ['text/x', { a: 'b' }, 1]);
  const copied = await call('CopyObject', {
    Key: `copy/${Key}`,
    CopySource: encodeURIComponent(`${Bucket}/${Key}`),
  });
  assert.equal(copied.CopyObjectResult.ETag, `"${md5(Key)}"`);
  assert.ok(copied.CopyObjectResult.LastModified instanceof Date);
}
const bytes = randomBytes(12 * MiB + 7);
for (const ChecksumAlgorithm of ['CRC32', 'CRC32C', 'SHA1', 'SHA256']) {
  // A stream of known length goes in chunks with a trailer.
  await call('PutObject', {
    Key: 'sum',
    Body: Readable.from([bytes.subarray(0, MiB), bytes.subarray(MiB, 2 * MiB)]),
    ContentLength: 2 * MiB,
    ChecksumAlgorithm,
  });
  const head = await call('HeadObject', { Key: 'sum', ChecksumMode: 'ENABLED' });
  assert.ok(head[`Checksum${ChecksumAlgorithm}`], ChecksumAlgorithm);
  assert.equal(head.ChecksumType, 'FULL_OBJECT');
  assert.ok((await bytesOf(await call('GetObject', { Key: 'sum' }))).equals(bytes.subarray(0, 2 * MiB)));
}
const range = await call('GetObject', { Key: 'sum', Range: 'bytes=10-19' });
assert.deepEqual([range.ContentRange, range.ContentLength], [`bytes 10-19/${2 * MiB}`, 10]);
assert.ok((await bytesOf(range)).equals(bytes.subarray(10, 20)));

// A stream of unknown length by parts.
const loaded = [];
const upload = new Upload({
  client,
  params: { Bucket, Key: 'parts', Body: Readable.from([bytes]), Metadata: { from: 'stream' } },
  partSize: 5 * MiB,
  queueSize: 3,
});
upload.on('httpUploadProgress', (progress) => loaded.push(progress.loaded));
const done = await upload.done();
assert.match(done.ETag, /^"[0-9a-f]{32}-3"$/);
assert.equal(Math.max(...loaded), bytes.length);
assert.ok((await bytesOf(await call('GetObject', { Key: 'parts' }))).equals(bytes));
const attributes = await call('GetObjectAttributes', {
  Key: 'parts',
  ObjectAttributes: ['ETag', 'ObjectParts', 'ObjectSize', 'StorageClass', 'Checksum'],
});
assert.deepEqual([attributes.ObjectSize, attributes.ObjectParts.TotalPartsCount], [bytes.length, 3]);
const second = await call('GetObject', { Key: 'parts', PartNumber: 2 });
assert.equal(second.PartsCount, 3);
assert.ok((await bytesOf(second)).equals(bytes.subarray(5 * MiB, 10 * MiB)));
// Parts copied from another object.
const { UploadId } = await call('CreateMultipartUpload', { Key: 'assembled' });
const copySource = `${Bucket}/parts`;
const Parts = [];
for (const [index, [first, last]] of [
  [0, 6 * MiB - 1],
  [6 * MiB, bytes.length - 1],
].entries()) {
  const part = { Key: 'assembled', UploadId, PartNumber: index + 1, CopySource: copySource };
  const { CopyPartResult } = await call('UploadPartCopy', { ...part, CopySourceRange: `bytes=${first}-${last}` });
  Parts.push({ PartNumber: index + 1, ETag: CopyPartResult.ETag });
}
assert.equal((await all(s3.paginateListParts, { Key: 'assembled', UploadId }, 'Parts')).items.length, 2);
await call('CompleteMultipartUpload', { Key: 'assembled', UploadId, MultipartUpload: { Parts } });
assert.ok((await bytesOf(await call('GetObject', { Key: 'assembled' }))).equals(bytes));
const aborted = await call('CreateMultipartUpload', { Key: 'aborted' });
assert.equal((await call('ListMultipartUploads')).Uploads.length, 1);
await call('AbortMultipartUpload', { Key: 'aborted', UploadId: aborted.UploadId });
assert.equal((await call('ListMultipartUploads')).Uploads, undefined);

// Pages.
const listed = await all(s3.paginateListObjectsV2, { Prefix: 'copy/' }, 'Contents');
assert.deepEqual([listed.items.length, listed.pages], [10, 4]);
assert.ok(listed.items.some(({ Key }) => Key === 'copy/ü/€/😀'));
const folded = await all(s3.paginateListObjectsV2, { Prefix: 'copy/', Delimiter: '/' }, 'CommonPrefixes');
assert.deepEqual(
  folded.items.map(({ Prefix }) => Prefix),
  ['copy/a/', 'copy/dir/', 'copy/ü/'],
);

// Versions.
await call('PutBucketVersioning', { VersioningConfiguration: { Status: 'Enabled' } });
const versions = [];
for (const Body of ['one', 'two']) versions.push((await call('PutObject', { Key: 'v', Body })).VersionId);
const deleted = await call('DeleteObject', { Key: 'v' });
assert.deepEqual([deleted.DeleteMarker, typeof deleted.VersionId], [true, 'string']);
await assert.rejects(call('GetObject', { Key: 'v' }), { name: 'NoSuchKey' });
const old = await call('GetObject', { Key: 'v', VersionId: versions[0] });
assert.equal(await old.Body.transformToString(), 'one');
const history = await call('ListObjectVersions', { Prefix: 'v' });
assert.deepEqual(
  history.Versions.map(({ VersionId }) => VersionId),
  versions.toReversed(),
);
assert.deepEqual(
  history.DeleteMarkers.map(({ IsLatest }) => IsLatest),
  [true],
);
await call('DeleteObject', { Key: 'v', VersionId: deleted.VersionId });
assert.equal(await (await call('GetObject', { Key: 'v' })).Body.transformToString(), 'two');
await call('PutObjectTagging', { Key: 'v', Tagging: { TagSet: [{ Key: 'a', Value: 'b ü' }] } });
assert.deepEqual((await call('GetObjectTagging', { Key: 'v' })).TagSet, [{ Key: 'a', Value: 'b ü' }]);

// Presigned addresses.
const presigner = new s3.S3Client({
  endpoint,
  region: 'us-east-1',
  forcePathStyle: true,
  // By default a URL for an upload is signed with the checksum of no bytes at all, and good for nothing else (at AWS, too).
  requestChecksumCalculation: 'WHEN_REQUIRED',
});
const presign = (name, input, by = presigner) =>
  getSignedUrl(by, new s3[`${name}Command`]({ Bucket, ...input }), { expiresIn: 60 });
const unfit = await fetch(await presign('PutObject', { Key: 'by url' }, client), { method: 'PUT', body: 'bytes' });
assert.deepEqual([unfit.status, /<Code>(\w+)/.exec(await unfit.text())?.[1]], [400, 'BadDigest']);
const put = await fetch(await presign('PutObject', { Key: 'by url ü', ContentType: 'text/x' }), {
  method: 'PUT',
  headers: { 'content-type': 'text/x' },
  body: 'presigned',
});
assert.equal(put.status, 200, await put.text());
const got = await fetch(
  await presign('GetObject', { Key: 'by url ü', ResponseContentDisposition: 'attachment; filename="a b"' }),
);
assert.deepEqual(
  [await got.text(), got.headers.get('content-disposition')],
  ['presigned', 'attachment; filename="a b"'],
);
const head = await fetch(await presign('HeadObject', { Key: 'by url ü' }), { method: 'HEAD' });
assert.equal(head.headers.get('content-length'), '9');
const gone = await fetch(await presign('DeleteObject', { Key: 'by url ü' }), { method: 'DELETE' });
assert.equal(gone.status, 204);

// Failures by their classes.
const name = 'no-such-bucket-here';
for (const [failure, errorName] of [
  [() => call('GetObject', { Key: 'missing' }), 'NoSuchKey'],
  [() => call('HeadObject', { Key: 'missing' }), 'NotFound'],
  [() => client.send(new s3.ListObjectsV2Command({ Bucket: name })), 'NoSuchBucket'],
  [() => client.send(new s3.HeadBucketCommand({ Bucket: name })), 'NotFound'],
  [() => call('PutObject', { Key: 'v', Body: 'x', IfNoneMatch: '*' }), 'PreconditionFailed'],
  [() => call('GetObject', { Key: 'v', Range: 'bytes=99-' }), 'InvalidRange'],
  [() => call('DeleteBucket'), 'BucketNotEmpty'],
  [() => call('CreateBucket'), 'BucketAlreadyOwnedByYou'],
  [() => call('PutBucketPolicy', { Policy: '{}' }), 'MalformedPolicy'],
  [() => call('PutBucketReplication', { ReplicationConfiguration: { Role: 'r', Rules: [] } }), 'MalformedXML'],
])
  await assert.rejects(failure(), { name: errorName });

// Everything goes, versions and markers too.
for (let more = true; more; ) {
  const page = await call('ListObjectVersions');
  more = page.IsTruncated;
  const Objects = [...(page.Versions ?? []), ...(page.DeleteMarkers ?? [])].map(({ Key, VersionId }) => ({
    Key,
    VersionId,
  }));
  const answer = await call('DeleteObjects', { Delete: { Objects } });
  assert.deepEqual([answer.Errors, answer.Deleted.length], [undefined, Objects.length]);
}
await call('DeleteBucket');
console.log('all calls answered as expected');
