import assert from 'node:assert/strict';
import { test } from 'node:test';
import { encodeQuery } from './encode.ts';
import { emptyPayload, Signer, sha256 } from './sign.ts';

// The worked examples of https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html and …/sigv4-query-string-auth.html.
const signer = new Signer(
  { accessKeyId: 'AKIAIOSFODNN7EXAMPLE', secretAccessKey: 'wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY' },
  'us-east-1',
);
const host = 'examplebucket.s3.amazonaws.com';
const time = Date.parse('2013-05-24T00:00:00Z');
const signatureOf = (headers: Record<string, string>) => /Signature=(\w+)$/.exec(headers['authorization']!)![1];

test('a GET with a range', async () => {
  const headers = await signer.sign(
    { method: 'GET', host, path: '/test.txt', query: {}, headers: { range: 'bytes=0-9' }, time },
    emptyPayload,
  );
  assert.equal(signatureOf(headers), 'f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41');
  assert.match(headers['authorization']!, /SignedHeaders=host;range;x-amz-content-sha256;x-amz-date,/);
});

test('a PUT whose payload is signed', async () => {
  const given = { date: 'Fri, 24 May 2013 00:00:00 GMT', 'x-amz-storage-class': 'REDUCED_REDUNDANCY' };
  const payload = await sha256('Welcome to Amazon S3.');
  const headers = await signer.sign(
    { method: 'PUT', host, path: '/test%24file.text', query: {}, headers: given, time },
    payload,
  );
  assert.equal(signatureOf(headers), '98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd');
});

test('a sub-resource without value', async () => {
  const headers = await signer.sign(
    { method: 'GET', host, path: '/', query: { lifecycle: '' }, headers: {}, time },
    emptyPayload,
  );
  assert.equal(signatureOf(headers), 'fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543');
});

test('query parameters', async () => {
  const headers = await signer.sign(
    { method: 'GET', host, path: '/', query: { prefix: 'J', 'max-keys': 2 }, headers: {}, time },
    emptyPayload,
  );
  assert.equal(signatureOf(headers), '34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7');
});

test('a presigned URL', async () => {
  const target = await signer.presign({ method: 'GET', host, path: '/test.txt', query: {}, headers: {}, time }, 86_400);
  assert.match(
    target,
    /^\/test\.txt\?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20130524%2Fus-east-1%2Fs3%2Faws4_request&/,
  );
  assert.match(target, /&X-Amz-Signature=aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404$/);
});

test('the signing key changes with the day', async () => {
  const request = { method: 'GET', host, path: '/', query: {}, headers: {} };
  const first = signatureOf(await signer.sign({ ...request, time }, emptyPayload));
  await signer.sign({ ...request, time: time + 86_400_000 }, emptyPayload);
  assert.equal(signatureOf(await signer.sign({ ...request, time }, emptyPayload)), first);
});

test('parameters are ordered by name, not by name and value', () => {
  assert.equal(encodeQuery({ 'key-marker': 'b', key: 'a', none: undefined }), 'key=a&key-marker=b');
});
