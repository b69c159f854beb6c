/*
 * MinIO's client for JavaScript (Apache-2.0) with its defaults: buckets, objects of every kind, uploads by parts, lists, copies and compositions, tags,
 * versions, policies, lifecycles, locks, presigned addresses and forms, batch deletions. Run by minio.test.ts: the folder that
 * it is installed in, and the endpoint.
 */
import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { createRequire } from 'node:module';
import path from 'node:path';
import { Readable } from 'node:stream';

const [packages, endpoint] = process.argv.slice(2);
const require = createRequire(path.join(packages, 'package.json'));
const { Client, CopyConditions, CopySourceOptions, CopyDestinationOptions } = require('minio');

const { hostname, port } = new URL(endpoint);
const client = new Client({
  endPoint: hostname,
  port: Number(port),
  useSSL: false,
  accessKey: process.env.AWS_ACCESS_KEY_ID,
  secretKey: process.env.AWS_SECRET_ACCESS_KEY,
  region: 'us-east-1',
  partSize: 5 << 20,
});
const bucket = 'minio-js';
const md5 = (bytes) => createHash('md5').update(bytes).digest('hex');
const collect = async (stream) => {
  const items = [];
  for await (const item of stream) items.push(item);
  return items;
};
const bytesOf = async (key, options) => Buffer.concat(await collect(await client.getObject(bucket, key, options)));
const fails = async (pending, code) =>
  assert.rejects(pending, (error) => error.code === code || assert.fail(`${error.code}: ${error.message}`));

assert.equal(await client.bucketExists(bucket), false);
await client.makeBucket(bucket, 'us-east-1');
assert.equal(await client.bucketExists(bucket), true);
assert.ok((await client.listBuckets()).some(({ name }) => name === bucket));
await fails(client.makeBucket(bucket, 'us-east-1'), 'BucketAlreadyOwnedByYou');

// Objects: text, streams of known and of unknown length, by parts; metadata; keys that have to be encoded.
for (const key of ['plain', 'a/b c', 'ü/€/😀', 'a+b', "!'()*~", 'q?x=1&y#z', '100%', 'dir/']) {
  await client.putObject(bucket, key, key, undefined, { 'Content-Type': 'text/x-test', 'X-Amz-Meta-Note': 'a note' });
  assert.equal((await bytesOf(key)).toString(), key);
  const { size, metaData } = await client.statObject(bucket, key);
  assert.equal(size, Buffer.byteLength(key));
  assert.equal(metaData['content-type'], 'text/x-test');
  assert.equal(metaData.note, 'a note');
}
const large = randomBytes(12 << 20);
await client.putObject(bucket, 'large', Readable.from([large.subarray(0, 1000), large.subarray(1000)]), large.length);
assert.equal(md5(await bytesOf('large')), md5(large));
const stream = await client.putObject(bucket, 'unsized', Readable.from([large.subarray(0, 6 << 20)]));
assert.match(stream.etag, /^[0-9a-f]{32}(?:-\d+)?$/);
assert.equal(md5(await bytesOf('unsized')), md5(large.subarray(0, 6 << 20)));
const range = Buffer.concat(await collect(await client.getPartialObject(bucket, 'large', 100, 50)));
assert.ok(range.equals(large.subarray(100, 150)));
await fails(client.statObject(bucket, 'none'), 'NotFound');
await fails(client.getObject(bucket, 'none'), 'NoSuchKey');

// Copies, with conditions, and objects composed of others.
await client.copyObject(bucket, 'copied', `/${bucket}/plain`, new CopyConditions());
assert.equal((await bytesOf('copied')).toString(), 'plain');
const never = new CopyConditions();
never.setMatchETag('0'.repeat(32));
await fails(client.copyObject(bucket, 'copied', `/${bucket}/plain`, never), 'PreconditionFailed');
await client.composeObject(
  new CopyDestinationOptions({ Bucket: bucket, Object: 'composed' }),
  ['large', 'plain'].map((key) => new CopySourceOptions({ Bucket: bucket, Object: key })),
);
assert.equal(md5(await bytesOf('composed')), md5(Buffer.concat([large, Buffer.from('plain')])));

// Lists, in both versions, with and without folders.
const names = (items) => items.map(({ name, prefix }) => name ?? prefix).sort();
assert.deepEqual(names(await collect(client.listObjectsV2(bucket, 'a/', true))), ['a/b c']);
assert.deepEqual(names(await collect(client.listObjectsV2(bucket, '', false))).includes('a/'), true);
assert.deepEqual(names(await collect(client.listObjects(bucket, 'ü/', true))), ['ü/€/😀']);

// Tags, of buckets and objects.
await client.setObjectTagging(bucket, 'plain', { colour: 'red', size: 'small' });
assert.deepEqual((await client.getObjectTagging(bucket, 'plain')).length, 2);
await client.removeObjectTagging(bucket, 'plain');
// S3 answers 204, which this client takes for a failure, though the tags are set.
await client.setBucketTagging(bucket, { team: 'storage' }).catch(({ code }) => assert.equal(code, ''));
assert.deepEqual(await client.getBucketTagging(bucket), [{ Key: 'team', Value: 'storage' }]);
await client.removeBucketTagging(bucket);
await fails(client.getBucketTagging(bucket), 'NoSuchTagSet');

// A policy, a lifecycle, an encryption.
const policy = {
  Version: '2012-10-17',
  Statement: [
    { Effect: 'Allow', Principal: '*', Action: ['s3:GetObject'], Resource: [`arn:aws:s3:::${bucket}/public/*`] },
  ],
};
await client.setBucketPolicy(bucket, JSON.stringify(policy));
assert.deepEqual(JSON.parse(await client.getBucketPolicy(bucket)), policy);
await client.putObject(bucket, 'public/x', 'for all');
assert.equal(await (await fetch(`${endpoint}/${bucket}/public/x`)).text(), 'for all');
assert.equal((await fetch(`${endpoint}/${bucket}/plain`)).status, 403);
await client.setBucketLifecycle(bucket, {
  Rule: [{ ID: 'old', Status: 'Enabled', Filter: { Prefix: 'old/' }, Expiration: { Days: 30 } }],
});
assert.match(JSON.stringify(await client.getBucketLifecycle(bucket)), /"ID":"old"/);
await client.removeBucketLifecycle(bucket);
await client.setBucketEncryption(bucket, {
  Rule: [{ ApplyServerSideEncryptionByDefault: { SSEAlgorithm: 'AES256' } }],
});
assert.match(JSON.stringify(await client.getBucketEncryption(bucket)), /AES256/);

// Presigned: get, put, and a form.
assert.equal(await (await fetch(await client.presignedGetObject(bucket, 'plain', 60))).text(), 'plain');
const put = await fetch(await client.presignedPutObject(bucket, 'presigned', 60), {
  method: 'PUT',
  body: 'by address',
});
assert.equal(put.status, 200);
assert.equal((await bytesOf('presigned')).toString(), 'by address');
const post = client.newPostPolicy();
post.setBucket(bucket);
post.setKey('posted');
post.setExpires(new Date(Date.now() + 60_000));
post.setContentLengthRange(1, 100);
const { postURL, formData } = await client.presignedPostPolicy(post);
const form = new FormData();
for (const [name, value] of Object.entries(formData)) form.append(name, value);
form.append('file', new Blob(['by form']));
assert.equal((await fetch(postURL, { method: 'POST', body: form })).status, 204);
assert.equal((await bytesOf('posted')).toString(), 'by form');

// Versions, and a bucket that locks.
await client.setBucketVersioning(bucket, { Status: 'Enabled' });
assert.equal((await client.getBucketVersioning(bucket)).Status, 'Enabled');
const first = await client.putObject(bucket, 'versioned', 'one');
await client.putObject(bucket, 'versioned', 'two');
assert.equal((await bytesOf('versioned', { versionId: first.versionId })).toString(), 'one');
const versions = await collect(client.listObjects(bucket, 'versioned', true, { IncludeVersion: true }));
assert.equal(versions.length, 2);
await client.removeObject(bucket, 'versioned', { versionId: first.versionId });
await client.makeBucket('minio-locks', 'us-east-1', { ObjectLocking: true });
await client.putObject('minio-locks', 'held', 'x');
await client.setObjectLegalHold('minio-locks', 'held', { status: 'ON' });
assert.deepEqual(await client.getObjectLegalHold('minio-locks', 'held'), { Status: 'ON' });
await client.setObjectLegalHold('minio-locks', 'held', { status: 'OFF' });

// Uploads that were left: they are listed, and removed.
const uploadId = await client.initiateNewMultipartUpload(bucket, 'left', {});
assert.equal(await client.findUploadId(bucket, 'left'), uploadId);
assert.deepEqual(
  (await collect(client.listIncompleteUploads(bucket, '', true))).map(({ key }) => key),
  ['left'],
);
await client.removeIncompleteUpload(bucket, 'left');

// Everything goes: a batch over all versions, and the buckets.
for (const name of [bucket, 'minio-locks']) {
  const all = await collect(client.listObjects(name, '', true, { IncludeVersion: true }));
  await client.removeObjects(
    name,
    all.map((one) => ({ name: one.name, versionId: one.versionId })),
  );
  await client.removeBucket(name);
}
assert.equal(await client.bucketExists(bucket), false);
// Connections that are kept for the next request would keep the process.
process.exit();
