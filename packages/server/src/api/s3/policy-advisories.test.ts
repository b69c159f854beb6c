import assert from 'node:assert/strict';
import { hash } from 'node:crypto';
import { it } from 'node:test';
import { type Send, serveFake } from './harness.support.ts';

/* What went wrong in other stores between policies, lists and requests, each by the name under which it is known. */

const { s3 } = await serveFake(async (harness) => {
  for (const bucket of ['bucket', 'scoped']) await harness.send('PUT', `/${bucket}`);
  for (const key of ['open/a', 'secret/a']) await harness.send('PUT', `/bucket/${key}`, { body: 'x' });
});
const digested = (body: string): Send => ({ body, headers: { 'content-md5': hash('md5', body, 'base64') } });
async function policy(...rules: object[]): Promise<void> {
  const Resource = ['arn:aws:s3:::bucket', 'arn:aws:s3:::bucket/*'];
  const Statement = rules.map((one) => ({ Effect: 'Allow', Principal: '*', Resource, ...one }));
  const body = JSON.stringify({ Version: '2012-10-17', Statement });
  assert.equal((await s3.send('PUT', '/bucket', { query: { policy: '' }, body })).status, 204);
}
const status = async (method: string, path: string, more: Send = {}) => (await s3.send(method, path, more)).status;

it('CVE-2024-36107: conditions tell nothing of keys to who may not read them', async () => {
  await policy({ Action: 's3:GetObject', Resource: 'arn:aws:s3:::bucket/open/*' });
  for (const headers of [
    { 'if-none-match': '*' },
    { 'if-match': '"x"' },
    { 'if-modified-since': new Date(0).toUTCString() },
  ])
    for (const key of ['secret/a', 'secret/none', 'open/none'])
      for (const method of ['GET', 'HEAD'])
        assert.equal(
          await status(method, `/bucket/${key}`, { as: 'anonymous', headers: headers as Record<string, string> }),
          403,
          `${method} ${key} ${Object.keys(headers).join()}`,
        );
});

it('GHSA-x298: what keeps a bucket from being public keeps all of its listings', async () => {
  await policy({ Action: ['s3:ListBucket', 's3:ListBucketVersions', 's3:ListBucketMultipartUploads'] });
  const queries = [{}, { 'list-type': '2' }, { versions: '' }, { uploads: '' }] as readonly Record<string, string>[];
  for (const query of queries) assert.equal(await status('GET', '/bucket', { as: 'anonymous', query }), 200);
  const document =
    '<PublicAccessBlockConfiguration><RestrictPublicBuckets>true</RestrictPublicBuckets></PublicAccessBlockConfiguration>';
  await s3.send('PUT', '/bucket', { query: { publicAccessBlock: '' }, ...digested(document) });
  for (const query of queries)
    for (const as of ['anonymous', 'foreign'] as const)
      assert.equal(await status('GET', '/bucket', { as, query }), 403, `${as} ${Object.keys(query).join()}`);
  await s3.send('DELETE', '/bucket', { query: { publicAccessBlock: '' } });
  await policy({ Action: 's3:ListBucket' });
  assert.equal(
    await status('GET', '/bucket', { as: 'anonymous', query: { versions: '' } }),
    403,
    'an action of its own',
  );
});

it('CVE-2023-25812: a Deny of bypassing governance counts, by its header alone and in batches', async () => {
  await policy({ Effect: 'Deny', Action: 's3:BypassGovernanceRetention' });
  const bypass = { 'x-amz-bypass-governance-retention': 'true' };
  for (const as of ['root', 'readwrite'] as const) {
    assert.equal(await status('DELETE', '/bucket/open/none', { as, headers: bypass }), 403, as);
    const { body, headers } = digested('<Delete><Object><Key>open/none</Key></Object></Delete>');
    const batch = await s3.send('POST', '/bucket', {
      as,
      query: { delete: '' },
      body: body!,
      headers: { ...headers, ...bypass },
    });
    assert.deepEqual(batch.all('Code'), ['AccessDenied'], as);
    assert.equal(await status('DELETE', '/bucket/open/none', { as }), 204, as);
  }
});

it('CVE-2026-42882, CVE-2026-54917, CVE-2026-55874: a policy sees the key that is read, however the path spells it', async () => {
  await policy({ Effect: 'Deny', Action: 's3:GetObject', Resource: 'arn:aws:s3:::bucket/secret/*' });
  for (const rawPath of ['/bucket/secret/a', '/bucket/secret%2Fa', '/bucket/%73ecret/a', '/bucket/secret%2fa'])
    assert.equal(await status('GET', '/', { rawPath }), 403, rawPath);
  // Not the same key: a key is bytes, and nothing is normalised.
  for (const rawPath of ['/bucket/open/../secret/a', '/bucket//secret/a', '/bucket/./secret/a'])
    assert.equal(await status('GET', '/', { rawPath }), 404, rawPath);
  const copy = (source: string) => status('PUT', '/bucket/open/copy', { headers: { 'x-amz-copy-source': source } });
  for (const source of ['/bucket/secret/a', 'bucket/secret%2Fa', '%2Fbucket%2Fsecret%2Fa'])
    assert.equal(await copy(source), 403, source);
});

it('GHSA-xm99, GHSA-g8w9: a link to write an object is none to copy another into it, nor to open it to all', async () => {
  await policy({ Action: 's3:GetObject', Resource: 'arn:aws:s3:::bucket/none' });
  const more = { 'x-amz-copy-source': '/bucket/secret/a', 'x-amz-acl': 'public-read', 'x-amz-tagging': 'a=b' };
  const { host } = s3;
  const signed = s3.signedHead('PUT', '/bucket/open/link', { as: 'presigned' });
  const line = signed.split('\r\n')[0] as string;
  for (const [name, value] of Object.entries(more)) {
    const head = `${line}\r\nhost: ${host}\r\n${name}: ${value}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n`;
    assert.match(await s3.raw(head), /^HTTP\/1\.1 403 /, name);
  }
  const plain = `${line}\r\nhost: ${host}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n`;
  assert.match(await s3.raw(plain), /^HTTP\/1\.1 200 /);
});

it('CVE-2016-7031: who may read objects may not list them, nor the buckets', async () => {
  await policy({ Action: 's3:GetObject' });
  for (const as of ['anonymous', 'foreign'] as const)
    for (const query of [{}, { 'list-type': '2' }, { versions: '' }, { uploads: '' }] as Record<string, string>[])
      assert.equal(await status('GET', '/bucket', { as, query }), 403, `${as} ${Object.keys(query).join()}`);
  assert.equal(await status('GET', '/', { as: 'anonymous' }), 403);
});
