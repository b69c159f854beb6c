/* Where several nodes share the log, credentials count as they were when the request came, whatever this node had read by then. */
import assert from 'node:assert/strict';
import { after, describe, it } from 'node:test';
import type { Authenticated, Authenticator } from '../../access/index.ts';
import { StoreError } from '../../errors.ts';
import type { AccessKeyRecord } from '../../metadata/index.ts';
import { startHarness } from '../s3/harness.support.ts';
import { fakeObjects } from '../s3/objects.support.ts';
import { authenticated } from './authentication.ts';
import type { Freshness } from './consistency.ts';

const key = (role: AccessKeyRecord['role']): AccessKeyRecord => ({
  id: 'KEY',
  sealedSecret: Buffer.alloc(0),
  owner: 'owner',
  name: '',
  createdMs: 0,
  role,
  buckets: [],
});
const as = (role: AccessKeyRecord['role']): Authenticated => ({
  principal: { kind: 'key', key: key(role) },
  payload: { kind: 'none' },
  signature: undefined,
});

/** A node that learns something when it gets as fresh as it can. */
function behind(learns: () => void): NonNullable<Freshness['shared']> {
  return {
    latest: async () => learns(),
    reached: async () => undefined,
    moves: () => false,
    levelOf: () => 'strong',
    staleMs: () => 0,
  };
}

const unknown = (): never => {
  throw new StoreError('InvalidAccessKeyId');
};

describe('credentials in a cluster', () => {
  it('that are not known yet are looked for once more, as fresh as can be', async () => {
    let known = false;
    const shared = behind(() => (known = true));
    const found = await authenticated({ position: () => 1, shared }, () => (known ? as('root') : unknown()));
    assert.equal(found.principal.kind, 'key');
    let tries = 0;
    const never = () => {
      tries++;
      return unknown();
    };
    await assert.rejects(async () => authenticated({ position: () => 1, shared }, never), /does not exist/);
    assert.equal(tries, 2);
    tries = 0;
    await assert.rejects(async () => authenticated({ position: () => 1 }, never), /does not exist/);
    assert.equal(tries, 1, 'one process has the newest state always');
    const wrong = () => {
      tries++;
      throw new StoreError('SignatureDoesNotMatch');
    };
    await assert.rejects(async () => authenticated({ position: () => 1, shared }, wrong), /signature/);
    assert.equal(tries, 2, 'a wrong signature is not asked about again');
  });

  it('that were taken away, or may less than this node knew, are refused', async () => {
    let [at, asked] = [1, 0];
    const root = as('root');
    let now: () => Authenticated = () => root;
    let next: (() => Authenticated) | undefined;
    const answer = (): Authenticated => {
      asked++;
      return now();
    };
    const authenticator: Authenticator = {
      authenticate: answer,
      authenticateCall: answer,
      authenticateForm: answer,
    };
    const shared = behind(() => {
      if (!next) return;
      at++;
      now = next;
    });
    const s3 = await startHarness(fakeObjects().service, { authenticator, shared, position: () => at });
    after(() => s3.close());
    assert.equal((await s3.send('PUT', '/bucket')).status, 200);
    assert.equal(asked, 1, 'nothing has changed: a signature is computed once');
    next = () => as('readonly');
    assert.equal((await s3.send('PUT', '/bucket/key', { body: 'x' })).code, 'AccessDenied');
    now = () => root;
    next = unknown;
    assert.equal((await s3.send('GET', '/bucket')).code, 'InvalidAccessKeyId');
    now = () => root;
    next = now;
    asked = 0;
    assert.equal((await s3.send('GET', '/bucket')).status, 200);
    assert.equal(asked, 2, 'something else has changed, which nobody here can tell');
  });
});
