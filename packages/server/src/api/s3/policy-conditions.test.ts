import assert from 'node:assert/strict';
import { hash } from 'node:crypto';
import { it } from 'node:test';
import { TrustedProxies } from '../http/connection.ts';
import { type Send, serveFake, startHarness } from './harness.support.ts';

/* Conditions of policies, each decided by a real request that holds it and one that does not. */

const { fake, s3 } = await serveFake(async (harness) => {
  await harness.send('PUT', '/bucket');
  await harness.send('PUT', '/bucket/plain', { body: 'x' });
  await harness.send('PUT', '/bucket/public', { body: 'x', headers: { 'x-amz-tagging': 'Class=public' } });
});
const md5 = (text: string) => ({ 'content-md5': hash('md5', text, 'base64') });

/** Allows an action to everyone under a condition, or denies it to everyone. */
async function rule(action: string, condition: object, effect: 'Allow' | 'Deny' = 'Allow'): Promise<void> {
  const body = JSON.stringify({
    Version: '2012-10-17',
    Statement: [
      {
        Effect: effect,
        Principal: '*',
        Action: action,
        Resource: ['arn:aws:s3:::bucket', 'arn:aws:s3:::bucket/*'],
        Condition: condition,
      },
    ],
  });
  const set = await s3.send('PUT', '/bucket', { query: { policy: '' }, body });
  assert.equal(set.status, 204, set.text);
}
async function decided(method: string, path: string, options: Send, expected: 'allowed' | 'denied'): Promise<void> {
  const got = await s3.send(method, path, { as: 'anonymous', ...options });
  assert.equal(got.status === 403, expected === 'denied', `${method} ${path} ${JSON.stringify(options)}: ${got.text}`);
}

it('aws:SourceIp is the address of the connection, whatever headers say (CVE-2026-21862)', async () => {
  await rule('s3:GetObject', { IpAddress: { 'aws:SourceIp': '127.0.0.0/8' } });
  await decided('GET', '/bucket/plain', {}, 'allowed');
  await rule('s3:GetObject', { IpAddress: { 'aws:SourceIp': '192.0.2.1' } });
  await decided('GET', '/bucket/plain', {}, 'denied');
  for (const name of ['x-forwarded-for', 'x-real-ip', 'forwarded', 'aws:sourceip', 'sourceip'].filter(
    (one) => !one.includes(':'),
  ))
    await decided('GET', '/bucket/plain', { headers: { [name]: '192.0.2.1' } }, 'denied');
  await decided('GET', '/bucket/plain', { query: { 'aws:SourceIp': '192.0.2.1' } }, 'denied');
});

it('aws:SecureTransport is whether the connection is TLS', async () => {
  await rule('s3:GetObject', { Bool: { 'aws:SecureTransport': 'true' } });
  await decided('GET', '/bucket/plain', {}, 'denied');
  await decided('GET', '/bucket/plain', { headers: { 'x-forwarded-proto': 'https' } }, 'denied');
  await rule('s3:GetObject', { Bool: { 'aws:SecureTransport': 'false' } }, 'Deny');
  await decided('GET', '/bucket/plain', { as: 'root' }, 'denied');
});

it('behind a proxy that is trusted, both are what it says of its client, and what the client says itself is passed over', async () => {
  const proxied = await startHarness(fake.service, { proxies: new TrustedProxies(['127.0.0.1']) });
  const status = async (headers: Record<string, string>) =>
    (await proxied.send('GET', '/bucket/plain', { as: 'anonymous', headers })).status;
  const from = (address: string) => ({ 'x-forwarded-for': address, 'x-forwarded-proto': 'https' });
  await rule('s3:GetObject', { IpAddress: { 'aws:SourceIp': '192.0.2.1' }, Bool: { 'aws:SecureTransport': 'true' } });
  assert.deepEqual(
    await Promise.all([
      status(from('192.0.2.1')),
      status(from('192.0.2.1, 198.51.100.7')),
      status({ ...from('192.0.2.1'), 'x-forwarded-proto': 'http' }),
      status({}),
    ]),
    [200, 403, 403, 403],
  );
  await proxied.close();
});

it('aws:CurrentTime is the clock of the server', async () => {
  await rule('s3:GetObject', { DateLessThan: { 'aws:CurrentTime': '2100-01-01T00:00:00Z' } });
  await decided('GET', '/bucket/plain', {}, 'allowed');
  await rule('s3:GetObject', { DateLessThan: { 'aws:CurrentTime': '2020-01-01T00:00:00Z' } });
  await decided('GET', '/bucket/plain', { headers: { date: 'Wed, 01 Jan 2014 00:00:00 GMT' } }, 'denied');
});

it('aws:UserAgent and aws:Referer are what the client says', async () => {
  await rule('s3:GetObject', { StringLike: { 'aws:Referer': 'https://example.com/*' } });
  await decided('GET', '/bucket/plain', { headers: { referer: 'https://example.com/page' } }, 'allowed');
  await decided('GET', '/bucket/plain', { headers: { referer: 'https://example.org/' } }, 'denied');
  await decided('GET', '/bucket/plain', {}, 'denied');
});

it('s3:prefix, s3:delimiter and s3:max-keys are those of a listing', async () => {
  await rule('s3:ListBucket', {
    StringLike: { 's3:prefix': 'home/*' },
    NumericLessThanEquals: { 's3:max-keys': '10' },
  });
  await decided('GET', '/bucket', { query: { prefix: 'home/ann', 'max-keys': '10' } }, 'allowed');
  await decided('GET', '/bucket', { query: { 'list-type': '2', prefix: 'home/', 'max-keys': '1' } }, 'allowed');
  for (const query of [
    { prefix: 'home/a', 'max-keys': '11' },
    { prefix: '', 'max-keys': '1' },
    { 'max-keys': '1' },
    {},
  ])
    await decided('GET', '/bucket', { query: query as Record<string, string> }, 'denied');
  await decided('HEAD', '/bucket', { query: { prefix: 'home/a', 'max-keys': '1' } }, 'denied');
});

it('s3:ExistingObjectTag is of the object that is asked for, also as the source of a copy', async () => {
  await rule('s3:GetObject', { StringEquals: { 's3:ExistingObjectTag/Class': 'public' } });
  await decided('GET', '/bucket/public', {}, 'allowed');
  await decided('HEAD', '/bucket/public', {}, 'allowed');
  await decided('GET', '/bucket/plain', {}, 'denied');
  await decided('GET', '/bucket/missing', {}, 'denied');
  await decided('GET', '/bucket/plain', { headers: { 'x-amz-tagging': 'Class=public' } }, 'denied');
  await rule('s3:GetObject', { StringEquals: { 's3:ExistingObjectTag/Class': 'public' } }, 'Deny');
  await decided('GET', '/bucket/plain', { as: 'root' }, 'allowed');
  await decided('GET', '/bucket/public', { as: 'root' }, 'denied');
  for (const source of ['/bucket/public', 'bucket/public?versionId=null'])
    await decided(
      'PUT',
      '/bucket/copy',
      { as: 'root', headers: { 'x-amz-copy-source': source } },
      source.includes('?') ? 'allowed' : 'denied',
    );
  await decided('PUT', '/bucket/copy', { as: 'root', headers: { 'x-amz-copy-source': '/bucket/plain' } }, 'allowed');
  await rule('s3:DeleteObject', { StringEquals: { 's3:ExistingObjectTag/Class': 'public' } }, 'Deny');
  const body = '<Delete><Object><Key>public</Key></Object><Object><Key>never</Key></Object></Delete>';
  const batch = await s3.send('POST', '/bucket', { query: { delete: '' }, body, headers: md5(body) });
  assert.deepEqual([batch.all('Deleted').length, batch.xml('Code')], [1, 'AccessDenied']);
});

it('s3:RequestObjectTag is of headers, and of documents', async () => {
  await rule('s3:PutObject*', { StringNotEqualsIfExists: { 's3:RequestObjectTag/Class': 'plain' } }, 'Deny');
  const tagging = (value: string) =>
    `<Tagging><TagSet><Tag><Key>Class</Key><Value>${value}</Value></Tag></TagSet></Tagging>`;
  const put = (value: string, expected: 'allowed' | 'denied') =>
    decided('PUT', '/bucket/new', { as: 'root', body: 'x', headers: { 'x-amz-tagging': `Class=${value}` } }, expected);
  await put('plain', 'allowed');
  await put('secret', 'denied');
  const set = (value: string, expected: 'allowed' | 'denied') =>
    decided(
      'PUT',
      '/bucket/new',
      { as: 'root', query: { tagging: '' }, body: tagging(value), headers: md5(tagging(value)) },
      expected,
    );
  await set('plain', 'allowed');
  await set('secret', 'denied');
  await rule('s3:PutObjectTagging', { 'ForAllValues:StringEquals': { 's3:RequestObjectTagKeys': ['Class'] } });
  await decided(
    'PUT',
    '/bucket/new',
    { query: { tagging: '' }, body: tagging('a'), headers: md5(tagging('a')) },
    'allowed',
  );
  const other = tagging('a').replace('Class', 'Other');
  await decided('PUT', '/bucket/new', { query: { tagging: '' }, body: other, headers: md5(other) }, 'denied');
});

it('s3:VersionId, s3:x-amz-storage-class and s3:if-none-match are the words of the request', async () => {
  await rule('s3:GetObjectVersion', { StringEquals: { 's3:VersionId': 'null' } });
  await decided('GET', '/bucket/plain', { query: { versionId: 'null' } }, 'allowed');
  await decided('GET', '/bucket/plain', { query: { versionId: '0'.repeat(32) } }, 'denied');
  await rule('s3:PutObject', { Null: { 's3:if-none-match': 'true' } }, 'Deny');
  await decided('PUT', '/bucket/once', { as: 'root', body: 'x' }, 'denied');
  await decided('PUT', '/bucket/once', { as: 'root', body: 'x', headers: { 'if-none-match': '*' } }, 'allowed');
});

it('s3:authType and s3:signatureAge are of the signature, and absent without one', async () => {
  await rule('s3:GetObject', { StringNotEquals: { 's3:authType': 'REST-HEADER' } }, 'Deny');
  await decided('GET', '/bucket/plain', { as: 'root' }, 'allowed');
  await decided('GET', '/bucket/plain', { as: 'presigned' }, 'denied');
  await rule('s3:GetObject', { NumericGreaterThan: { 's3:signatureAge': '600000' } }, 'Deny');
  await decided('GET', '/bucket/plain', { as: 'presigned' }, 'allowed');
  await rule('s3:GetObject', { NumericLessThan: { 's3:signatureAge': '600000' } }, 'Deny');
  await decided('GET', '/bucket/plain', { as: 'presigned' }, 'denied');
  await decided('GET', '/bucket/plain', { as: 'root' }, 'allowed');
});

it('aws:username and aws:PrincipalAccount are whose key it is', async () => {
  await rule('s3:GetObject', { StringEquals: { 'aws:username': 'key-scoped' } });
  await decided('GET', '/bucket/plain', { as: 'scoped' }, 'allowed');
  await decided('GET', '/bucket/plain', {}, 'denied');
  await rule('s3:GetObject', { StringEquals: { 'aws:PrincipalAccount': '123456789012' } });
  await decided('GET', '/bucket/plain', { as: 'foreign' }, 'allowed');
  await decided('GET', '/bucket/plain', { as: 'scoped' }, 'denied');
});
