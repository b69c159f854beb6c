/* What broke at other stores by what a request may say: one test for each hole, named by its advisories. The list is docs/security-advisories.md. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import net from 'node:net';
import { after, before, describe, it } from 'node:test';
import { type Form, type IdentityHarness, startIdentityHarness } from '../iam/harness.support.ts';
import type { Answer } from './harness.support.ts';

let api: IdentityHarness;
before(async () => {
  api = await startIdentityHarness();
  for (const bucket of ['kept', 'other']) assert.equal((await api.s3(api.root, 'PUT', `/${bucket}`)).status, 200);
  assert.equal((await api.s3(api.root, 'PUT', '/kept/x', 'secret bytes')).status, 200);
});
after(async () => {
  await api.close();
  assert.deepEqual(api.unexpected, []);
});

const code = (answer: Answer) => answer.xml('Code') ?? answer.status;
const stillThere = async () => assert.equal((await api.s3(api.root, 'GET', '/kept/x')).text, 'secret bytes');
const digest = (body: string) => ({ 'content-md5': createHash('md5').update(body).digest('base64') });

describe('what a request may say', () => {
  it('CVE-2026-34204: headers of a replica or of another store do not change how an object is kept', async () => {
    const forged: Form = {
      'x-minio-replication-server-side-encryption-sealed-key': 'AAAA',
      'x-minio-source-replication-request': 'true',
      'x-amz-replication-status': 'REPLICA',
      'x-rgw-object-type': 'none',
      'x-amz-meta-x-amz-server-side-encryption': 'none',
    };
    assert.equal((await api.s3(api.root, 'PUT', '/other/replica', 'bytes', forged)).status, 200);
    const { headers, text } = await api.s3(api.root, 'GET', '/other/replica');
    assert.equal(text, 'bytes');
    assert.equal(headers['x-amz-replication-status'], undefined);
    assert.deepEqual(
      Object.keys(headers).filter((name) => name.startsWith('x-minio') || name.startsWith('x-rgw')),
      [],
    );
  });

  it('CVE-2026-39414, GHSA-3520: a document or a chunk that says it is huge is refused before it is read', async () => {
    for (const path of ['/kept/x?select=&select-type=2', '/kept?delete=']) {
      const answer = await api.raw(`${api.signedHead('POST', path)}Content-Length: 99999999999\r\n\r\n<`, /<\/Error>/);
      assert.match(answer, /^HTTP\/1\.1 (?:4\d\d|501) /, path);
    }
  });

  it('CVE-2026-42600, GHSA-pq29, GHSA-8r6f: a key that climbs is a key: nothing but it is written, read or deleted', async () => {
    for (const key of [
      '..%2F..%2Fkept%2Fx',
      '%2e%2e/%2e%2e/kept/x',
      '..%5C..%5Ckept%5Cx',
      '%252e%252e%252fkept%252fx',
      'a/../../kept/x',
    ]) {
      const path = `/other/${key}`;
      const canonical = path.replace(/%2F/g, '/').replace(/%2e/g, '.');
      for (const [method, body, status] of [
        ['PUT', 'elsewhere', 200],
        ['DELETE', '', 204],
      ] as const)
        assert.equal(
          (await api.send(method, path, api.sign(api.root, 's3', method, canonical, body), body)).status,
          status,
          key,
        );
      await stillThere();
    }
  });

  it('CVE-2024-40120: what a database would take for its own language is text', async () => {
    for (const prefix of ["' OR '1'='1", "x'; DROP TABLE objects; --", '%" OR 1=1 --', '\\'])
      assert.deepEqual(
        (await api.s3(api.root, 'GET', `/kept?prefix=${encodeURIComponent(prefix).replaceAll("'", '%27')}`)).all('Key'),
        [],
        prefix,
      );
    await stillThere();
  });

  it('CVE-2026-73080: no address that a request names is fetched', async () => {
    let asked = 0;
    const server = net.createServer((socket) => {
      asked++;
      socket.destroy();
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const url = `http://127.0.0.1:${(server.address() as net.AddressInfo).port}/bucket/key`;
    for (const headers of [{ 'x-amz-copy-source': url }, { 'x-amz-copy-source': `/${url}` }])
      assert.ok((await api.s3(api.root, 'PUT', '/other/copied', '', headers)).status >= 400);
    await api.s3(api.root, 'PUT', '/other/redirect', 'x', { 'x-amz-website-redirect-location': url });
    assert.equal((await api.s3(api.root, 'GET', '/other/redirect')).text, 'x');
    assert.equal(asked, 0);
    server.close();
  });

  it('CVE-2021-3524, CVE-2020-10753: a rule of CORS cannot write a header, nor can a name in a request', async () => {
    const cors = (header: string) =>
      `<CORSConfiguration><CORSRule><AllowedOrigin>*</AllowedOrigin><AllowedMethod>GET</AllowedMethod><ExposeHeader>${header}</ExposeHeader></CORSRule></CORSConfiguration>`;
    for (const header of ['a&#13;&#10;Set-Cookie: b', 'a&#10;b', 'a\r\nb', 'a: b']) {
      const body = cors(header);
      const put = await api.s3(api.root, 'PUT', '/other?cors=', body, digest(body));
      const { headers } = await api.send('GET', '/other/x', { origin: 'https://a.example' }, '');
      assert.equal(headers['set-cookie'], undefined, put.text);
      assert.doesNotMatch(String(headers['access-control-expose-headers'] ?? ''), /[\r\n:]/);
    }
  });

  it('GHSA-7gcx, GHSA-x5xv: an origin that no rule allows is not given back to it, and credentials never go with every origin', async () => {
    const { headers } = await api.send('GET', '/kept/x', { origin: 'https://evil.example' }, '');
    assert.equal(headers['access-control-allow-origin'], undefined);
    assert.equal(headers['access-control-allow-credentials'], undefined);
    const body =
      '<CORSConfiguration><CORSRule><AllowedOrigin>*</AllowedOrigin><AllowedMethod>GET</AllowedMethod></CORSRule></CORSConfiguration>';
    assert.equal((await api.s3(api.root, 'PUT', '/other?cors=', body, digest(body))).status, 200);
    const every = await api.send('GET', '/other/x', { origin: 'https://evil.example' }, '');
    assert.deepEqual(
      [every.headers['access-control-allow-origin'], every.headers['access-control-allow-credentials']],
      ['*', undefined],
    );
  });

  it('GHSA-v9fg: what a browser is told of an error is XML, in which nothing of a reader is markup', async () => {
    const { headers, text } = await api.s3(api.root, 'GET', '/kept/%3Cscript%3Ealert%281%29%3C%2Fscript%3E');
    assert.match(String(headers['content-type']), /^application\/xml/);
    assert.doesNotMatch(text, /<script/);
  });

  it('GHSA-9pjf: nobody is sent to a host that only a header names', async () => {
    for (const more of [
      { 'x-forwarded-host': 'evil.example' },
      { forwarded: 'host=evil.example' },
      { 'x-original-url': '//evil.example' },
    ] as Form[])
      for (const [method, path] of [
        ['GET', '/kept'],
        ['PUT', '/made'],
        ['DELETE', '/made'],
        ['GET', '/'],
      ] as const) {
        const answer = await api.s3(api.root, method, path, '', more);
        assert.doesNotMatch(`${answer.text}${JSON.stringify(answer.headers)}`, /evil/, path);
      }
  });

  it('CVE-2023-26920, CVE-2023-0842: names that objects of JavaScript have from birth are names like others', async () => {
    for (const name of ['__proto__', 'constructor', 'prototype', 'toString']) {
      const body = `<Tagging><TagSet><Tag><Key>${name}</Key><Value>polluted</Value></Tag></TagSet></Tagging>`;
      assert.equal((await api.s3(api.root, 'PUT', '/kept/x?tagging=', body)).status, 200, name);
      assert.deepEqual((await api.s3(api.root, 'GET', '/kept/x?tagging=')).all('Key'), [name]);
      assert.equal(
        code(await api.s3(api.root, 'PUT', '/kept/x?tagging=', `<Tagging><${name}/></Tagging>`)),
        'MalformedXML',
      );
      assert.equal((await api.s3(api.root, 'GET', `/kept?${name}=x`)).status, 200);
      assert.equal(code(await api.iam(api.root, name)), 'InvalidAction');
      assert.equal(
        (await api.s3(api.root, 'PUT', '/kept/x', 'secret bytes', { [`x-amz-meta-${name.toLowerCase()}`]: 'v' }))
          .status,
        200,
      );
    }
    assert.equal(({} as Record<string, unknown>)['polluted'], undefined);
  });
});
