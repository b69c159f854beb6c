import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { emptyHash, exampleMs, presigned } from './signer.support.ts';
import { authenticate, change, get, refused, requery } from './spoil.support.ts';

describe('presigned URLs', () => {
  it('are accepted until they expire, to the second', async () => {
    const signed = presigned({ ...get, expires: 60 });
    for (const offset of [-900_000, 0, 60_000]) {
      assert.deepEqual((await authenticate(signed, exampleMs + offset)).payload, { kind: 'unsigned' });
    }
    await refused(signed, 'AccessDenied', /has expired/, exampleMs + 60_001);
    await refused(signed, 'AccessDenied', /not yet valid/, exampleMs - 900_001);
  });

  it('last from one second to one week', async () => {
    const code = 'AuthorizationQueryParametersError';
    await authenticate(presigned({ ...get, expires: 1 }));
    await authenticate(presigned({ ...get, expires: 604_800 }));
    await refused(presigned({ ...get, expires: 604_801 }), code, /less than a week/);
    for (const expires of [0, -1, 1.5, 'x', '1e3', '00000000001', ''])
      await refused(presigned({ ...get, expires }), code);
  });

  it('are bound to method, path, query, host and signed headers', async () => {
    const signed = presigned({ ...get, query: [['versionId', 'v']], headers: { 'x-custom': 'a' } });
    await authenticate(signed);
    const code = 'SignatureDoesNotMatch';
    await refused({ ...signed, method: 'PUT' }, code);
    await refused({ ...signed, rawPath: '/b/other' }, code);
    await refused(change(signed, { host: 'other.example' }), code);
    await refused(change(signed, { 'x-custom': 'b' }), code);
    await refused(requery(signed, 'versionId=v', 'versionId=w'), code);
    await refused(requery(signed, 'versionId=v', ''), code);
    await refused(requery(signed, /^/, 'uploads&'), code);
    await refused(requery(signed, 'Expires=3600', 'Expires=3601'), code);
  });

  it('cannot be turned into something else by adding a header', async () => {
    const signed = presigned({ method: 'PUT', path: '/b/k' });
    for (const name of [
      'x-amz-copy-source',
      'x-amz-acl',
      'x-amz-meta-a',
      'x-amz-content-sha256',
      'x-amz-date',
      'x-amz-tagging',
    ]) {
      await refused(change(signed, { [name]: emptyHash }), 'AccessDenied', /not signed/);
    }
  });

  it('refuse repeated and missing parameters', async () => {
    const signed = presigned(get);
    const code = 'AuthorizationQueryParametersError';
    for (const name of ['Algorithm', 'Credential', 'Date', 'Expires', 'SignedHeaders', 'Signature']) {
      const part = new RegExp(`&?(X-Amz-${name}=[^&]*)`);
      await refused(requery(signed, part, '&$1&$1'), code, /more than once/);
      await refused(
        requery(signed, part, '&$1&x-amz-$1'.replace('$1&x-amz-', `$1&x-amz-${name.toLowerCase()}=&`)),
        code,
        /more than once/,
      );
      await refused(requery(signed, part, ''), code, /requires/);
    }
    await refused(requery(signed, /X-Amz-/g, 'x-amz-'), code, /requires/);
    await refused(requery(signed, 'HMAC', 'HMAX'), code, /only supports/);
    await refused(requery(signed, 'us-east-1', 'eu-west-1'), code, /X-Amz-Credential.*'eu-west-1' is wrong/);
  });

  it('take a signed hash of the body, and never aws-chunked', async () => {
    const hashed = presigned({ ...get, headers: { 'x-amz-content-sha256': emptyHash }, payload: emptyHash });
    assert.deepEqual((await authenticate(hashed)).payload, { kind: 'sha256', hex: emptyHash });
    for (const form of ['STREAMING-UNSIGNED-PAYLOAD-TRAILER', 'STREAMING-AWS4-HMAC-SHA256-PAYLOAD']) {
      const signed = presigned({ ...get, headers: { 'x-amz-content-sha256': form }, payload: form });
      await refused(signed, 'InvalidArgument');
      await refused(presigned({ ...get, query: [['X-Amz-Content-Sha256', form]], payload: form }), 'InvalidArgument');
    }
  });
});
