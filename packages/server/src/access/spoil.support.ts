import assert from 'node:assert/strict';
import type { ErrorCode, StoreError } from '../errors.ts';
import { bench, exampleMs, request, secret } from './signer.support.ts';
import type { Authenticated, CredentialKind, SignedRequest } from './types.ts';

/* Questions to an authenticator, and ways to spoil a signed request. For tests. */

export const all: readonly CredentialKind[] = ['anonymous', 'header', 'query', 'bearer'];

export async function authenticate(signed: SignedRequest, nowMs = exampleMs, accepted = all): Promise<Authenticated> {
  return bench(nowMs).authenticator.authenticate(signed, accepted);
}

/** Also: no error may hold the secret. */
export async function refused(
  signed: SignedRequest,
  code: ErrorCode,
  message?: RegExp,
  nowMs = exampleMs,
): Promise<StoreError> {
  let caught: StoreError | undefined;
  await assert.rejects(authenticate(signed, nowMs), (error: StoreError) => {
    caught = error;
    assert.equal(error.code, code, error.message);
    if (message) assert.match(error.message, message);
    assert.ok(!JSON.stringify([error.message, error.detail]).includes(secret));
    return true;
  });
  return caught!;
}

export const get = { method: 'GET', path: '/b/k' };
export const change = (signed: SignedRequest, headers: Record<string, string | undefined>): SignedRequest => ({
  ...signed,
  headers: { ...signed.headers, ...headers },
});
export const replace = (signed: SignedRequest, from: string | RegExp, to: string) =>
  change(signed, { authorization: (signed.headers['authorization'] as string).replace(from, to) });
export const requery = (signed: SignedRequest, from: string | RegExp, to: string) =>
  request(
    signed.method,
    `${signed.rawPath}?${signed.rawQuery.replace(from, to)}`,
    signed.headers as Record<string, string>,
  );
