/*
 * What broke at other stores where S3 and IAM come in: one test for each hole, named by its advisories, beside those in `s3/policy-advisories.test.ts`
 * and `iam/advisories.test.ts`. The list is docs/security-advisories.md, which a test keeps complete.
 */
import assert from 'node:assert/strict';
import crypto, { createHmac } from 'node:crypto';
import { syncBuiltinESMExports } from 'node:module';
import net from 'node:net';
import { after, before, describe, it, mock } from 'node:test';
import { until } from '../host/patience.support.ts';
import {
  type Credentials,
  type Form,
  type IdentityHarness,
  policy,
  startIdentityHarness,
} from './iam/harness.support.ts';
import { actions } from './iam/operations.ts';
import type { Answer } from './s3/harness.support.ts';

let api: IdentityHarness;
let powerless: Credentials;
before(async () => {
  api = await startIdentityHarness();
  powerless = await api.user('powerless');
  for (const bucket of ['kept', 'other']) assert.equal((await api.s3(api.root, 'PUT', `/${bucket}`)).status, 200);
  assert.equal((await api.s3(api.root, 'PUT', '/kept/x', 'secret bytes')).status, 200);
});
after(async () => {
  await api.close();
  assert.deepEqual(api.unexpected, []);
});

const code = (answer: Answer) => answer.xml('Code') ?? answer.status;
const reads = async (as: Credentials, path = '/kept/x') => code(await api.s3(as, 'GET', path));
const stillThere = async () => assert.equal((await api.s3(api.root, 'GET', '/kept/x')).text, 'secret bytes');

describe('who somebody is', () => {
  it('GHSA-j59h: no key is known that other stores come with (default root credentials)', async () => {
    for (const [accessKeyId, secretAccessKey] of [
      ['minioadmin', 'minioadmin'],
      ['rustfsadmin', 'rustfsadmin'],
      ['admin', 'admin'],
      ['any', 'any'],
      ['some_access_key1', 'some_secret_key1'],
      ['root', ''],
    ] as const)
      assert.equal(await reads({ accessKeyId, secretAccessKey }), 'InvalidAccessKeyId', accessKeyId);
  });

  it('GHSA-h956, GHSA-r5qv, GHSA-75fx, GHSA-68cw: no word that is fixed, empty or derived from the root key lets anybody in', async () => {
    const derived = createHmac('sha256', api.root.secretAccessKey).update('rpc').digest('hex');
    for (const authorization of [
      'rustfs rpc',
      'Bearer rustfs rpc',
      'Bearer rustfsadmin',
      'Bearer',
      `Bearer ${derived}`,
      `Bearer ${api.root.accessKeyId}.${derived}`,
      `Bearer ${api.root.accessKeyId}.`,
    ])
      for (const path of ['/kept/x', '/-/v1/keys'])
        assert.ok(
          [400, 403].includes((await api.send('GET', path, { authorization }, '')).status),
          `${authorization} ${path}`,
        );
  });

  it('CVE-2025-27414: a secret that is right for one key opens no other', async () => {
    const { accessKeyId } = api.root;
    assert.equal(await reads({ accessKeyId, secretAccessKey: powerless.secretAccessKey }), 'SignatureDoesNotMatch');
    assert.equal(await reads({ ...powerless, secretAccessKey: api.root.secretAccessKey }), 'SignatureDoesNotMatch');
  });

  it('GHSA-c667: a signature is for one method, one path and one query', async () => {
    const headers = api.sign(api.root, 's3', 'GET', '/kept/x', '');
    for (const [method, path] of [
      ['DELETE', '/kept/x'],
      ['HEAD', '/kept/x'],
      ['GET', '/other/x'],
      ['GET', '/kept/x?acl'],
      ['GET', '/kept//x'],
    ] as const)
      assert.equal((await api.send(method, path, headers, '')).status, 403, `${method} ${path}`);
    await stillThere();
  });

  it('CVE-2018-1128, CVE-2020-25660: what was signed is worth nothing later, nor for another service', async () => {
    const headers = api.sign(api.root, 's3', 'GET', '/kept/x', '');
    api.ahead = 16 * 60_000;
    assert.equal(code(await api.send('GET', '/kept/x', headers, '')), 'RequestTimeTooSkewed');
    api.ahead = 0;
    const form = 'Action=ListUsers&Version=2010-05-08';
    const signed = api.sign(api.root, 's3', 'POST', '/', form, { 'content-type': 'application/x-www-form-urlencoded' });
    assert.ok((await api.send('POST', '/', signed, form)).status >= 400);
  });

  it('CVE-2025-31489, CVE-2026-40344, GHSA-f4vq: a body with a trailer that is not signed does not make its request unsigned, nor an archive of it', async () => {
    const body = '1\r\nx\r\n0\r\nx-amz-checksum-crc32:jNxdjw==\r\n\r\n';
    const headers = {
      'x-amz-decoded-content-length': '1',
      'x-amz-trailer': 'x-amz-checksum-crc32',
      'content-encoding': 'aws-chunked',
      'x-amz-meta-snowball-auto-extract': 'true',
    };
    const scoped = api.sign(api.root, 's3', 'PUT', '/kept/forged', '', headers);
    for (const form of [
      'STREAMING-UNSIGNED-PAYLOAD-TRAILER',
      'STREAMING-AWS4-HMAC-SHA256-PAYLOAD',
      'STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER',
    ]) {
      const forged = { ...scoped, 'x-amz-content-sha256': form };
      assert.equal(code(await api.send('PUT', '/kept/forged', forged, body)), 'SignatureDoesNotMatch', form);
      const { authorization: _, ...anonymous } = forged as Record<string, string>;
      assert.ok([400, 403].includes((await api.send('PUT', '/kept/forged', anonymous, body)).status), form);
    }
    assert.equal(await reads(api.root, '/kept/forged'), 'NoSuchKey');
    // An archive is an object: nothing in it gets a name of its own.
    await api.s3(api.root, 'PUT', '/other/a.tar', `../../kept/x${'\0'.repeat(500)}`, {
      'x-amz-meta-snowball-auto-extract': 'true',
    });
    assert.deepEqual((await api.s3(api.root, 'GET', '/other')).all('Key'), ['a.tar']);
    await stillThere();
  });

  it('CVE-2026-41145: credentials in the query and a body that is not signed are verified all the same', async () => {
    const now = String(api.sign(api.root, 's3', 'GET', '/', '')['x-amz-date']);
    const scope = encodeURIComponent(`${api.root.accessKeyId}/${now.slice(0, 8)}/us-east-1/s3/aws4_request`);
    const query = `X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=${scope}&X-Amz-Date=${now}&X-Amz-Expires=60&X-Amz-SignedHeaders=host&X-Amz-Signature=${'0'.repeat(64)}`;
    for (const payload of ['UNSIGNED-PAYLOAD', 'STREAMING-UNSIGNED-PAYLOAD-TRAILER'])
      assert.equal(
        (
          await api.send(
            'PUT',
            `/kept/forged?${query}`,
            { 'x-amz-content-sha256': payload, 'x-amz-decoded-content-length': '0' },
            '0\r\n\r\n',
          )
        ).status,
        403,
        payload,
      );
    assert.equal(await reads(api.root, '/kept/forged'), 'NoSuchKey');
  });

  it('CVE-2026-33322, CVE-2024-48916, GHSA-m479: a token of any algorithm, or of an issuer that it names itself, is none', async () => {
    const part = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');
    const claims = part({
      iss: `http://127.0.0.1:${api.port}/`,
      sub: 'root',
      aud: 'sts',
      exp: 9_999_999_999,
      policy: 'consoleAdmin',
    });
    for (const alg of ['none', 'None', 'HS256', 'RS256']) {
      const head = `${part({ alg, typ: 'JWT' })}.${claims}`;
      const token = `${head}.${alg === 'HS256' ? createHmac('sha256', api.root.secretAccessKey).update(head).digest('base64url') : ''}`;
      const form = new URLSearchParams({
        Action: 'AssumeRoleWithWebIdentity',
        Version: '2011-06-15',
        WebIdentityToken: token,
        RoleArn: 'arn:aws:iam::000000000000:role/r',
        RoleSessionName: 'session',
      }).toString();
      const answer = await api.send('POST', '/', { 'content-type': 'application/x-www-form-urlencoded' }, form);
      assert.ok(answer.status >= 400 && answer.xml('SecretAccessKey') === undefined, answer.text);
      assert.ok(
        ['InvalidToken', 'ExpiredToken'].includes(String(await reads({ ...api.root, sessionToken: token }))),
        alg,
      );
    }
    assert.equal(
      code(await api.iam(api.root, 'CreateOpenIDConnectProvider', { Url: `http://127.0.0.1:${api.port}` })),
      'InvalidAction',
    );
  });

  it('CVE-2026-33419: a wrong secret and a key that is not there are told alike to who shows a bearer', async () => {
    const ask = async (bearer: string) => {
      const { status, text } = await api.send('GET', '/kept/x', { authorization: `Bearer ${bearer}` }, '');
      return [status, text.replaceAll(/<RequestId>[^<]*/g, '')];
    };
    assert.deepEqual(await ask('NOBODY.guess'), await ask(`${api.root.accessKeyId}.guess`));
  });

  it('GHSA-g3vq: signatures are compared in constant time', async () => {
    const compared = mock.method(crypto, 'timingSafeEqual');
    syncBuiltinESMExports();
    const { timingSafeEqual } = await import('node:crypto');
    try {
      assert.equal(timingSafeEqual, crypto.timingSafeEqual);
      assert.equal(await reads({ ...api.root, secretAccessKey: 'guess' }), 'SignatureDoesNotMatch');
      assert.ok(compared.mock.callCount() >= 1);
    } finally {
      compared.mock.restore();
      syncBuiltinESMExports();
    }
  });

  it('SeaweedFS-7912, CVE-2026-72920: every way of signing that is not known is refused, and every action of IAM without one', async () => {
    for (const authorization of [
      'AWS4-ECDSA-P256-SHA256 Credential=ROOTKEY/x, SignedHeaders=host, Signature=00',
      'AWS4-HMAC-SHA512 x',
      'AWS ROOTKEY:sig',
      'Basic Uk9PVEtFWTo=',
      'Digest x',
      'aws4-hmac-sha256 x',
      ' ',
      'STREAMING x',
    ])
      assert.ok([400, 403].includes((await api.send('GET', '/kept/x', { authorization }, '')).status), authorization);
    for (const [action, { of }] of Object.entries(actions)) {
      const answer = await api.send(
        'POST',
        '/',
        { 'content-type': 'application/x-www-form-urlencoded' },
        `Action=${action}&Version=${of === 'iam' ? '2010-05-08' : '2011-06-15'}`,
      );
      assert.equal(code(answer), 'MissingAuthenticationToken', action);
    }
  });
});

describe('what the network may send', () => {
  it('CVE-2022-3854, CVE-2019-10222, CVE-2019-19337, CVE-2018-7262, GHSA-gw2x: malformed requests get one refusal and stop nothing', async () => {
    for (const bytes of [
      'GET  HTTP/1.1\r\nHost: x\r\n\r\n',
      'GET // HTTP/1.1\r\nHost: x\r\n\r\n',
      'GET ? HTTP/1.1\r\nHost: x\r\n\r\n',
      'POST /kept HTTP/1.1\r\nHost: x\r\nContent-Type: multipart/form-data\r\nContent-Length: 0\r\n\r\n',
      'GET / HTTP/1.1\r\nHost:\r\nAuthorization: AWS4-HMAC-SHA256 Credential=, SignedHeaders=, Signature=\r\n\r\n',
      'GET / HTTP/1.1\r\nHost: x\r\nAuthorization: AWS :\r\n\r\n',
      'PUT /kept/y HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\nx-amz-date: \r\nx-amz-content-sha256: \r\n\r\n',
      'GET /kept?X-Amz-Signature&X-Amz-Credential&X-Amz-Algorithm HTTP/1.1\r\nHost: x\r\n\r\n',
      'GET /kept?versionId=%00&uploadId=%ff HTTP/1.1\r\nHost: x\r\n\r\n',
    ])
      assert.match(
        await api.raw(bytes.replace(/\r\n\r\n$/, '\r\nConnection: close\r\n\r\n')),
        /^HTTP\/1\.1 4\d\d /,
        JSON.stringify(bytes),
      );
    await stillThere();
  });

  it('CVE-2020-1700, CVE-2019-3821: connections that are dropped in the middle of a request are let go', async () => {
    const sockets = Array.from({ length: 200 }, () => net.connect(api.port, '127.0.0.1').on('error', () => undefined));
    await Promise.all(
      sockets.map(
        (socket) =>
          new Promise((resolve) =>
            socket.write(`${api.signedHead('PUT', '/kept/never')}Content-Length: 100\r\n\r\nhalf`, resolve),
          ),
      ),
    );
    for (const socket of sockets) socket.resetAndDestroy();
    await until(async () => (await api.connections()) <= 1, 'they are let go');
    assert.equal(await reads(api.root, '/kept/never'), 'NoSuchKey');
  });

  it('GHSA-3p3x, GHSA-3g29: other protocols are not spoken on the way around policies', async () => {
    for (const method of ['PROPFIND', 'MKCOL', 'MOVE', 'COPY', 'LOCK', 'PROPPATCH', 'TRACE', 'PATCH'])
      for (const as of [api.root, powerless]) {
        const { status } = await api.s3(as, method, '/kept/x', '', { destination: '/other/x' });
        assert.ok([403, 405].includes(status), `${method} ${status}`);
      }
    for (const bytes of ['USER root\r\nPASS root-secret-key\r\nLIST\r\n', 'SSH-2.0-OpenSSH_9.9\r\n'])
      assert.doesNotMatch(await api.raw(bytes), /^(?:220|230|SSH-)/);
    await stillThere();
  });

  it('CVE-2024-22019, CVE-2021-22959, CVE-2022-32213, CVE-2022-32215, CVE-2023-30589: what one end may read as two requests is none', async () => {
    const inner = `${api.signedHead('DELETE', '/kept/x')}\r\n`;
    for (const [what, headers] of [
      ['space before the colon', 'Transfer-Encoding : chunked\r\nContent-Length: 4\r\n'],
      ['an encoding that is none', 'Transfer-Encoding: xchunked\r\n'],
      ['chunked not last', 'Transfer-Encoding: chunked, identity\r\n'],
      ['an encoding over two lines', 'Transfer-Encoding: chunked\r\n , identity\r\n'],
      ['a lone carriage return', 'X: a\rTransfer-Encoding: chunked\r\n'],
      ['two lengths', 'Content-Length: 4\r\nContent-Length: 5\r\n'],
      ['an extension of megabytes', `Transfer-Encoding: chunked\r\n\r\n1;${'a'.repeat(200_000)}\r\nx`],
    ] as const) {
      const text = await api.raw(`PUT /kept/y HTTP/1.1\r\nHost: x\r\n${headers}\r\n0\r\n\r\n${inner}`);
      assert.ok((text.match(/HTTP\/1\.1 \d{3}/g) ?? []).length <= 1, `${what}: ${text}`);
      assert.doesNotMatch(text, /HTTP\/1\.1 2/, what);
    }
    await stillThere();
  });
});

describe('what is told', () => {
  it('GHSA-3495: an account is told whole, and no secret of it', async () => {
    const { text } = await api.iam(api.root, 'GetAccountAuthorizationDetails');
    const keys = await api.iam(api.root, 'ListAccessKeys', { UserName: 'powerless' });
    assert.equal(keys.xml('AccessKeyId'), powerless.accessKeyId);
    for (const secret of [powerless.secretAccessKey, api.root.secretAccessKey])
      assert.ok(!`${text}${keys.text}`.includes(secret));
    assert.doesNotMatch(`${text}${keys.text}`, /SecretAccessKey|[Ss]ealed/);
  });

  it('GHSA-pfcq, GHSA-mm2q: whoever is known may not therefore administer', async () => {
    const reader = await api.user('reader', policy('Allow', 's3:*'));
    for (const [name, { of }] of Object.entries(actions))
      if (of === 'iam') assert.equal(code(await api.iam(reader, name, everything)), 'AccessDenied', name);
  });
});

/** Enough for every action of IAM to get as far as its permission. */
const everything: Form = {
  UserName: 'nobody',
  GroupName: 'nobody',
  RoleName: 'nobody',
  PolicyName: 'nobody',
  PolicyArn: 'arn:aws:iam::000000000000:policy/nobody',
  PolicySourceArn: 'arn:aws:iam::000000000000:user/nobody',
  PermissionsBoundary: 'arn:aws:iam::000000000000:policy/nobody',
  AccessKeyId: 'AKNOBODY',
  Status: 'Active',
  VersionId: 'v1',
  Description: 'd',
  PolicyDocument: '{}',
  AssumeRolePolicyDocument: '{}',
  'ActionNames.member.1': 's3:GetObject',
  'PolicyInputList.member.1': '{}',
  'Tags.member.1.Key': 'k',
  'TagKeys.member.1': 'k',
};
