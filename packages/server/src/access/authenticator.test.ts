import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  accessKeyId,
  bench,
  exampleMs,
  presigned,
  record,
  region,
  request,
  secret,
  signedByHeader,
  stamp,
} from './signer.support.ts';
import { all, authenticate, change, get, refused } from './spoil.support.ts';
import type { CredentialKind, SignedRequest } from './types.ts';

describe('kinds of credentials', () => {
  it('anonymous requests have no principal, and no chunks with signatures', async () => {
    const result = await authenticate(request('GET', '/b/k', { host: 'h' }));
    assert.deepEqual(result, { principal: { kind: 'anonymous' }, payload: { kind: 'none' }, signature: undefined });
    const put = (form: string, target = '/b/k') => request('PUT', target, { host: 'h', 'x-amz-content-sha256': form });
    const chunked = await authenticate(put('STREAMING-UNSIGNED-PAYLOAD-TRAILER'));
    assert.deepEqual(
      [chunked.principal, chunked.payload],
      [{ kind: 'anonymous' }, { kind: 'chunked', signing: undefined, trailer: true }],
    );
    for (const form of ['STREAMING-AWS4-HMAC-SHA256-PAYLOAD', 'STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER'])
      await refused(put(form), 'InvalidRequest', /^Anonymous requests don't support this/);
    await refused(put('STREAMING-UNSIGNED-PAYLOAD'), 'InvalidArgument');
  });

  it('CVE-2025-31489, CVE-2026-41145: unsigned chunks take no credentials on trust', async () => {
    const form = { host: 'h', 'x-amz-content-sha256': 'STREAMING-UNSIGNED-PAYLOAD-TRAILER' };
    const query = 'X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKID%2F20130524%2Fus-east-1%2Fs3%2Faws4_request';
    await refused(request('PUT', `/b/k?${query}`, form), 'AuthorizationQueryParametersError');
    const authorization = 'AWS4-HMAC-SHA256 Credential=AKID/20130524/us-east-1/s3/aws4_request, SignedHeaders=host';
    await refused(request('PUT', '/b/k', { ...form, authorization }), 'AuthorizationHeaderMalformed');
  });

  it('older and unknown signatures are refused by name', async () => {
    const with_ = (authorization: string) => request('GET', '/b', { host: 'h', authorization });
    await refused(with_('AWS AKID:abc='), 'InvalidRequest', /not supported. Please use AWS4-HMAC-SHA256/);
    await refused(with_('AWS4-ECDSA-P256-SHA256 Credential=x'), 'InvalidRequest', /not supported/);
    await refused(
      request('GET', '/b?AWSAccessKeyId=a&Signature=b&Expires=1', { host: 'h' }),
      'InvalidRequest',
      /not supported/,
    );
    for (const authorization of ['', 'Basic dTpw', 'Negotiate x', 'AWS4-HMAC-SHA256', 'Bearer']) {
      await refused(with_(authorization), 'InvalidArgument', /Unsupported Authorization Type/);
    }
  });

  it('two kinds at once are refused', async () => {
    const signed = presigned(get);
    await refused(
      change(signed, { authorization: signedByHeader(get).headers['authorization'] as string }),
      'InvalidArgument',
      /Only one auth/,
    );
    await refused(change(signed, { authorization: 'Bearer a.b' }), 'InvalidArgument', /Only one auth/);
  });

  it('bearers name a key and its secret, and learn nothing else', async () => {
    const bearer = (token: string) => request('GET', '/-/v1/buckets', { host: 'h', authorization: `Bearer ${token}` });
    const { principal } = await authenticate(bearer(`${accessKeyId}.${secret}`));
    assert.equal(principal.kind, 'key');
    for (const token of [
      '',
      '.',
      accessKeyId,
      `${accessKeyId}.`,
      `${accessKeyId}.${secret}x`,
      `x.${secret}`,
      `.${secret}`,
    ]) {
      await refused(bearer(token), 'AccessDenied', /^The bearer key is not valid\.$/);
    }
  });

  it('each is refused where it is not accepted', async () => {
    const carried: Record<CredentialKind, SignedRequest> = {
      anonymous: request('GET', '/b', { host: 'h' }),
      header: signedByHeader(get),
      query: presigned(get),
      bearer: request('GET', '/b', { host: 'h', authorization: `Bearer ${accessKeyId}.${secret}` }),
    };
    for (const kind of all) {
      await authenticate(carried[kind], exampleMs, [kind]);
      await assert.rejects(
        authenticate(
          carried[kind],
          exampleMs,
          all.filter((other) => other !== kind),
        ),
        { code: 'AccessDenied' },
      );
      await assert.rejects(authenticate(carried[kind], exampleMs, []), { code: 'AccessDenied' });
    }
  });
});

describe('held keys', () => {
  it('answer at once the second time, and only while the secret is the same', async () => {
    const { authenticator, opened, keys } = bench();
    const signed = signedByHeader(get);
    const first = authenticator.authenticate(signed, all);
    assert.ok(first instanceof Promise);
    await first;
    assert.ok(!(authenticator.authenticate(signed, all) instanceof Promise));
    assert.equal(opened(), 1);
    keys.set(accessKeyId, record({ sealedSecret: Buffer.from('sealed:another') }));
    await assert.rejects(async () => authenticator.authenticate(signed, all), { code: 'SignatureDoesNotMatch' });
    await authenticator.authenticate(signedByHeader({ ...get, secret: 'another' }), all);
    assert.equal(opened(), 2);
  });

  it('are bounded', async () => {
    const { authenticator, opened, keys } = bench();
    for (let i = 0; i <= 1024; i++) {
      keys.set(`K${i}`, record({ id: `K${i}` }));
      await authenticator.authenticate(signedByHeader({ ...get, id: `K${i}` }), all);
    }
    await authenticator.authenticate(signedByHeader({ ...get, id: 'K1024' }), all);
    assert.equal(opened(), 1025);
    await authenticator.authenticate(signedByHeader({ ...get, id: 'K0' }), all);
    assert.equal(opened(), 1026);
  });

  it('an unreadable secret denies', async () => {
    const { createAuthenticator } = await import('./index.ts');
    const { StoreError } = await import('../errors.ts');
    const { manualHost } = await import('../host/index.ts');
    const authenticator = createAuthenticator({
      lookup: () => record(),
      openSecret: () => Promise.reject(new StoreError('AccessDenied')),
      clock: manualHost(1, exampleMs).clock,
      region,
    });
    await assert.rejects(async () => authenticator.authenticate(signedByHeader(get), all), { code: 'AccessDenied' });
  });

  it('belong to their day', async () => {
    const { authenticator, opened } = bench(exampleMs + 60_000);
    await authenticator.authenticate(signedByHeader({ ...get, timeMs: exampleMs - 60_000 }), all);
    await authenticator.authenticate(signedByHeader({ ...get, timeMs: exampleMs }), all);
    assert.equal(opened(), 2);
    assert.equal(stamp(exampleMs - 60_000), '20130523T235900Z');
  });
});
