import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import https from 'node:https';
import { after, beforeEach, describe, it } from 'node:test';
import { refuseMalformed } from '../../api/index.ts';
import { type Harness, large, startHarness, withLarge } from '../../api/s3/harness.support.ts';
import { malformed } from '../../api/s3/malformed.support.ts';
import { fakeObjects } from '../../api/s3/objects.support.ts';
import { newAuthority, newPair } from './certificates.fixture.ts';
import { createSecureServer } from './server.ts';

/* Requests of S3 over TLS: what policies see of the connection, what only TLS allows, and the attacks on HTTP within it. */

const authority = newAuthority('an authority');
const devices = newAuthority('an authority of devices');
const secure = {
  ca: authority.certificate,
  make: (options: https.ServerOptions) =>
    createSecureServer(
      options,
      {
        pairs: [newPair(authority, 'server')],
        clientAuthority: devices.certificate,
        minimum: '1.2',
        ticketKeys: randomBytes(48),
      },
      refuseMalformed,
    ).server,
};
const s3: Harness = await startHarness(fakeObjects().service, { secure });
await withLarge(s3);
after(() => s3.close());
beforeEach(() => void (s3.telemetry.length = 0));

const agents: https.Agent[] = [];
after(() => {
  for (const agent of agents) agent.destroy();
});
function agentWith(options: https.AgentOptions): https.Agent {
  const agent = new https.Agent({ ca: authority.certificate, ...options });
  agents.push(agent);
  return agent;
}

const rule = async (effect: 'Allow' | 'Deny', condition: object) => {
  const statement = { Effect: effect, Principal: '*', Action: 's3:GetObject', Resource: 'arn:aws:s3:::bucket/*' };
  const body = JSON.stringify({ Version: '2012-10-17', Statement: [{ ...statement, Condition: condition }] });
  assert.equal((await s3.send('PUT', '/bucket', { query: { policy: '' }, body })).status, 204);
};
const status = async (agent?: https.Agent) =>
  (await s3.send('GET', '/bucket/small', { as: 'anonymous', ...(agent && { agent }) })).status;

describe('policies over TLS', () => {
  it('see that the connection is encrypted', async () => {
    await s3.send('PUT', '/bucket/small', { body: 'x' });
    await rule('Allow', { Bool: { 'aws:SecureTransport': 'true' } });
    assert.equal(await status(), 200);
    await rule('Allow', { Bool: { 'aws:SecureTransport': 'false' } });
    assert.equal(await status(), 403);
  });

  it('see the version of TLS as a number', async () => {
    const [older, newest] = [agentWith({ maxVersion: 'TLSv1.2' }), agentWith({ minVersion: 'TLSv1.3' })];
    await rule('Allow', { NumericGreaterThanEquals: { 's3:TlsVersion': 1.3 } });
    assert.deepEqual([await status(older), await status(newest)], [403, 200]);
    await rule('Allow', { NumericLessThan: { 's3:TlsVersion': '1.3' } });
    assert.deepEqual([await status(older), await status(newest)], [200, 403]);
  });

  it('see the device, which is nobody by that alone', async () => {
    const camera = newPair(devices, 'camera-7');
    const of = ({ certificate, key }: typeof camera) => agentWith({ cert: certificate, key });
    const [known, other, strange] = [of(camera), of(newPair(devices, 'camera-8')), of(newPair(authority, 'camera-7'))];
    await rule('Allow', { StringLike: { 'dsom:DeviceId': 'camera-7' } });
    assert.deepEqual(
      [await status(known), await status(other), await status(strange), await status()],
      [200, 403, 403, 403],
    );
    await rule('Allow', { Null: { 'dsom:DeviceFingerprint': 'false' } });
    assert.deepEqual(
      [await status(known), await status(other), await status(strange), await status()],
      [200, 200, 403, 403],
    );
    await rule('Deny', { Null: { 'dsom:DeviceId': 'true' } });
    assert.equal(await status(known), 403, 'nothing allows it');
    const signed = (agent?: https.Agent) => s3.send('GET', '/bucket/small', agent ? { agent } : {});
    assert.deepEqual([(await signed(known)).status, (await signed()).status], [200, 403]);
    await s3.send('DELETE', '/bucket', { query: { policy: '' } });
  });
});

describe('requests over TLS', () => {
  it('may leave their body unsigned, be presigned, and come in chunks', async () => {
    const put = (headers: Record<string, string>, body: string) =>
      s3.send('PUT', '/bucket/unsigned', { headers, body });
    assert.equal((await put({ 'x-amz-content-sha256': 'UNSIGNED-PAYLOAD' }, 'hello')).status, 200);
    const chunked = {
      'x-amz-content-sha256': 'STREAMING-UNSIGNED-PAYLOAD-TRAILER',
      'x-amz-decoded-content-length': '5',
    };
    assert.equal((await put(chunked, '5\r\nworld\r\n0\r\n\r\n')).status, 200);
    const got = await s3.send('GET', '/bucket/unsigned', { as: 'presigned' });
    assert.deepEqual([got.status, got.text], [200, 'world']);
    assert.ok((await s3.send('GET', '/bucket/large')).body.equals(large));
  });

  it('may bring keys of customers, and are told where the object is under https', async () => {
    const key = randomBytes(32);
    const name = 'x-amz-server-side-encryption-customer';
    const headers = {
      [`${name}-algorithm`]: 'AES256',
      [`${name}-key`]: key.toString('base64'),
      [`${name}-key-md5`]: createHash('md5').update(key).digest('base64'),
    };
    assert.equal((await s3.send('PUT', '/bucket/sealed', { headers, body: 'x' })).status, 200);
    const started = await s3.send('POST', '/bucket/parts', { query: { uploads: '' } });
    const query = { uploadId: started.xml('UploadId') ?? '' };
    const part = await s3.send('PUT', '/bucket/parts', { query: { ...query, partNumber: '1' }, body: 'x' });
    const body = `<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>${part.headers.etag}</ETag></Part></CompleteMultipartUpload>`;
    const whole = await s3.send('POST', '/bucket/parts', { query, body });
    assert.equal(whole.xml('Location'), `https://${s3.host}/bucket/parts`);
  });

  for (const [what, bytes] of malformed)
    it(`${what} gets one 4xx, or nothing, and the connection ends`, async () => {
      const text = await s3.raw(bytes(s3.host));
      if (text !== '') assert.match(text, /^HTTP\/1\.1 (4\d\d|501) /);
      assert.ok((text.match(/HTTP\/1\.1 \d{3}/g) ?? []).length <= 1, text);
      assert.ok(!s3.telemetry.some((row) => row.status < 400));
    });

  it('of a refused request, what follows is never taken for the next one', async () => {
    const smuggled = `${s3.signedHead('DELETE', '/bucket/large')}\r\n`;
    const text = await s3.raw(
      `PUT /bucket/x HTTP/1.1\r\nHost: ${s3.host}\r\nExpect: 100-continue\r\nContent-Length: ${smuggled.length}\r\n\r\n${smuggled}`,
    );
    assert.deepEqual(text.match(/HTTP\/1\.1 \d{3}/g), ['HTTP/1.1 403']);
    assert.equal((await s3.send('HEAD', '/bucket/large')).status, 200);
  });
});
