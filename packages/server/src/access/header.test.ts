import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { accessKeyId, bench, emptyHash, exampleMs, region, signedByHeader } from './signer.support.ts';
import { all, authenticate, change, get, refused, replace } from './spoil.support.ts';
import type { SignedRequest } from './types.ts';

describe('header signatures', () => {
  it('are accepted for awkward paths, queries and header values', async () => {
    for (const path of [
      '/',
      '/b/',
      '/b//k',
      '/b/../k',
      '/b/./k',
      '/b/k%2F',
      '/b/ä ö+&=?#',
      "/b/!'()*~-._",
      '/b/\u{1f600}',
      '/b/%00',
    ]) {
      await authenticate(signedByHeader({ method: 'GET', path }));
    }
    const query = [
      ['b', '1'],
      ['a-', '2'],
      ['a', '+ %/ä'],
      ['a', ''],
      ['acl', ''],
    ] as const;
    await authenticate(signedByHeader({ method: 'GET', path: '/b', query }));
    for (const value of [
      '  two   spaces  ',
      'a\tb',
      'comma, comma',
      Buffer.from('voilà', 'utf8').toString('latin1'),
      '',
    ]) {
      await authenticate(signedByHeader({ ...get, headers: { 'x-amz-meta-x': value } }));
    }
  });

  it('of a list in several lines are over its values with commas between them', async () => {
    const name = 'x-amz-object-attributes';
    const inLines = (signed: SignedRequest, ...lines: string[]): SignedRequest => ({
      ...change(signed, { [name]: lines.map((line) => line.trim()).join(', ') }),
      rawHeaders: lines.flatMap((line) => ['X-Amz-Object-Attributes', line]),
    });
    const joined = signedByHeader({ ...get, headers: { [name]: 'ETag,Checksum,a, b' } });
    await authenticate(inLines(joined, 'ETag', ' Checksum', 'a, b'));
    await refused(inLines(joined, 'ETag', 'Checksum', 'a,b'), 'SignatureDoesNotMatch');
    await refused(inLines(joined, 'Checksum', 'ETag', 'a, b'), 'SignatureDoesNotMatch');
    // In one line, a space behind a comma is a part of the value.
    await refused(inLines(joined, 'ETag, Checksum, a, b'), 'SignatureDoesNotMatch');
    const spaced = signedByHeader({ ...get, headers: { [name]: 'ETag, Checksum' } });
    await authenticate(inLines(spaced, 'ETag, Checksum'));
    await refused(inLines(spaced, 'ETag', 'Checksum'), 'SignatureDoesNotMatch');
  });

  it('do not depend on how the path is escaped, as long as it is the same key', async () => {
    const signed = signedByHeader({ method: 'GET', path: "/b/a'(b)/c" });
    for (const rawPath of ["/b/a'(b)/c", '/b/a%27%28b%29/c', '/b/%61%27(b%29/c'])
      await authenticate({ ...signed, rawPath });
    await refused({ ...signed, rawPath: '/b/a%2527(b)/c' }, 'SignatureDoesNotMatch');
  });

  it('may have the white space of HTTP around their components, and no other', async () => {
    const good = signedByHeader(get);
    const authorization = good.headers.authorization as string;
    const spaced = (space: string) => `${authorization.replaceAll(', ', `${space},${space}`)}${space}`;
    for (const space of ['', ' ', '\t', ' \t ']) await authenticate(change(good, { authorization: spaced(space) }));
    for (const space of ['\r', '\n', '\v', '\f', '\u00a0', '\ufeff'])
      for (const spoiled of [spaced(space), `${authorization}${space}`])
        await refused(change(good, { authorization: spoiled }), 'AuthorizationHeaderMalformed');
  });

  it('are judged the second time as the first, though their beginning is known by then', async () => {
    const good = signedByHeader(get);
    const authorization = good.headers.authorization as string;
    const beginning = authorization.slice(0, -64);
    const spoiled = [
      [`${beginning}${'0'.repeat(64)}`, 'SignatureDoesNotMatch'],
      [`${beginning}${'G'.repeat(64)}`, 'AuthorizationHeaderMalformed'],
      [`${beginning}${authorization.slice(-63)}`, 'AuthorizationHeaderMalformed'],
      [`${authorization}, Signature=${authorization.slice(-64)}`, 'AuthorizationHeaderMalformed'],
      [`${beginning}${authorization.slice(-64)}0`, 'AuthorizationHeaderMalformed'],
    ] as const;
    for (let round = 0; round < 3; round++) {
      await authenticate(good);
      for (const [text, code] of spoiled)
        await refused({ ...good, headers: { ...good.headers, authorization: text } }, code);
    }
  });

  it('name the principal and the form of the body', async () => {
    const { principal, payload } = await authenticate(signedByHeader(get));
    assert.ok(principal.kind === 'key' && principal.key.id === accessKeyId);
    assert.deepEqual(payload, { kind: 'sha256', hex: emptyHash });
    const forms = {
      'UNSIGNED-PAYLOAD': ['unsigned'],
      'STREAMING-AWS4-HMAC-SHA256-PAYLOAD': ['chunked', true, false],
      'STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER': ['chunked', true, true],
      'STREAMING-UNSIGNED-PAYLOAD-TRAILER': ['chunked', false, true],
    } as const;
    for (const [form, [kind, signed, trailer]] of Object.entries(forms)) {
      const { payload } = await authenticate(signedByHeader({ method: 'PUT', path: '/b/k', payload: form }));
      assert.equal(payload.kind, kind);
      if (payload.kind === 'chunked')
        assert.deepEqual([payload.signing !== undefined, payload.trailer], [signed, trailer]);
    }
  });

  it('hold for 15 minutes either way, to the second', async () => {
    const signed = signedByHeader(get);
    const quarter = 15 * 60_000;
    for (const offset of [-quarter, quarter]) await authenticate(signed, exampleMs + offset);
    for (const offset of [-quarter - 1, -quarter - 1000, quarter + 1, quarter + 1000]) {
      const error = await refused(signed, 'RequestTimeTooSkewed', /15 minutes/, exampleMs + offset);
      assert.equal(error.detail['MaxAllowedSkewMilliseconds'], '900000');
    }
  });

  it('need a date: x-amz-date, or else Date', async () => {
    const withDate = signedByHeader({
      ...get,
      headers: { date: 'Fri, 24 May 2013 00:00:00 GMT' },
      unsigned: ['x-amz-date'],
    });
    await authenticate(change(withDate, { 'x-amz-date': undefined }));
    const signed = signedByHeader(get);
    for (const date of [
      undefined,
      '',
      '20130524T000000',
      '20130524T000000z',
      '2013-05-24T00:00:00Z',
      '20130532T000000Z',
      '20130524T000000Z, 20130524T000000Z',
    ]) {
      await refused(
        change(signed, { 'x-amz-date': date, date: 'yesterday' }),
        'AccessDenied',
        /valid Date or x-amz-date/,
      );
    }
  });

  it('are bound to scope: date, region, service, terminal', async () => {
    const signed = signedByHeader(get);
    const code = 'AuthorizationHeaderMalformed';
    await refused(replace(signed, '20130524/us', '20130523/us'), code, /Invalid credential date "20130523"/);
    await refused(replace(signed, '20130524/us', '2013-05-24/us'), code, /yyyyMMdd/);
    await refused(replace(signed, '/s3/', '/sts/'), code, /incorrect service "sts"/);
    await refused(replace(signed, 'aws4_request', 'aws4'), code, /incorrect terminal/);
    const wrong = await refused(
      signedByHeader({ ...get, region: 'eu-west-1' }),
      code,
      /'eu-west-1' is wrong; expecting 'us-east-1'/,
    );
    assert.equal(wrong.detail['Region'], region);
  });

  it('are refused when malformed, part by part', async () => {
    const signed = signedByHeader(get);
    const code = 'AuthorizationHeaderMalformed';
    for (const [from, to] of [
      [/Credential=[^,]*, /, ''],
      [/, SignedHeaders=[^,]*/, ''],
      [/, Signature=.*/, ''],
      [/Signature=.*/, 'Signature='],
      [/Signature=[0-9a-f]{2}/, 'Signature=XY'],
      [/Signature=[0-9a-f]/, 'Signature='],
      [/Credential=[^,]*/, 'Credential=x'],
      [/Credential=[^/]*/, 'Credential='],
      [/, /, ', Credential=again, '],
      [/, /, ', Extra=1, '],
      [/, /, ',, '],
      [/SignedHeaders=host/, 'SignedHeaders=Host'],
      [/SignedHeaders=host;/, 'SignedHeaders=host;;'],
      [/host;x-amz/, 'host\nx;x-amz'],
    ] as const) {
      await refused(replace(signed, from, to), code);
    }
  });

  it('are refused for an unknown key, a revoked key and a wrong secret', async () => {
    const unknown = await refused(signedByHeader({ ...get, id: 'AKIANOBODY' }), 'InvalidAccessKeyId');
    assert.equal(unknown.detail['AWSAccessKeyId'], 'AKIANOBODY');
    await refused(signedByHeader({ ...get, secret: 'other' }), 'SignatureDoesNotMatch');
    const { authenticator, keys } = bench();
    await authenticator.authenticate(signedByHeader(get), all);
    keys.delete(accessKeyId);
    assert.throws(() => authenticator.authenticate(signedByHeader(get), all), { code: 'InvalidAccessKeyId' });
  });

  it('are compared to the last digit', async () => {
    const signed = signedByHeader(get);
    const signature = /[0-9a-f]{64}$/.exec(signed.headers['authorization'] as string)![0];
    for (let at = 0; at < 64; at++) {
      const digit = signature[at] === '0' ? '1' : '0';
      await refused(
        replace(signed, signature, signature.slice(0, at) + digit + signature.slice(at + 1)),
        'SignatureDoesNotMatch',
      );
    }
  });

  it('say what was signed when they do not match, but hide secrets in it', async () => {
    const headers = { 'x-amz-server-side-encryption-customer-key': 'topsecret', 'x-amz-meta-a': 'b' };
    const error = await refused(
      replace(signedByHeader({ ...get, headers }), /Signature=../, 'Signature=00'),
      'SignatureDoesNotMatch',
    );
    assert.match(error.detail['CanonicalRequest']!, /customer-key:\(hidden\)\n/);
    assert.match(error.detail['CanonicalRequest']!, /x-amz-meta-a:b\n/);
    assert.match(error.detail['StringToSign']!, /^AWS4-HMAC-SHA256\n20130524T000000Z\n/);
    assert.ok(!JSON.stringify(error.detail).includes('topsecret'));
  });

  it('must cover the host and every x-amz header', async () => {
    const error = await refused(
      signedByHeader({ ...get, unsigned: ['host'] }),
      'AccessDenied',
      /headers present .* not signed/,
    );
    assert.equal(error.detail['HeadersNotSigned'], 'host');
    for (const name of [
      'x-amz-acl',
      'x-amz-copy-source',
      'x-amz-meta-a',
      'x-amz-storage-class',
      'x-amz-date',
      'x-amz-content-sha256',
    ]) {
      const signed = signedByHeader({ ...get, headers: { 'x-amz-acl': 'private' }, unsigned: [name] });
      const error = await refused(change(signed, { [name]: (signed.headers[name] as string) ?? 'v' }), 'AccessDenied');
      assert.equal(error.detail['HeadersNotSigned'], name);
    }
    const missing = signedByHeader({ ...get, headers: { 'x-custom': 'v' } });
    await refused(change(missing, { 'x-custom': undefined }), 'SignatureDoesNotMatch', /not in the request/);
    await refused(
      replace(signedByHeader(get), 'host;', 'constructor;host;'),
      'SignatureDoesNotMatch',
      /not in the request/,
    );
  });

  it('need x-amz-content-sha256 in a known form', async () => {
    const without = signedByHeader({ ...get, unsigned: ['x-amz-content-sha256'] });
    await refused(change(without, { 'x-amz-content-sha256': undefined }), 'InvalidRequest', /Missing required header/);
    for (const payload of [
      '',
      'x',
      emptyHash.toUpperCase(),
      `${emptyHash}0`,
      'STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD',
      'unsigned-payload',
      `${emptyHash}, ${emptyHash}`,
    ]) {
      await refused(signedByHeader({ ...get, payload }), 'InvalidArgument', /x-amz-content-sha256 must be/);
    }
  });

  it('with a session token are refused: there are no sessions', async () => {
    await refused(signedByHeader({ ...get, headers: { 'x-amz-security-token': 't' } }), 'InvalidToken');
  });
});
