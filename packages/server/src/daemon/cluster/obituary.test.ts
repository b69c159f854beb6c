import assert from 'node:assert/strict';
import { test } from 'node:test';
import { StoreError } from '../../errors.ts';
import { manualHost } from '../../host/index.ts';
import { limits } from '../../limits.ts';
import { Obituary } from './obituary.ts';

const failure = (code: string): StoreError =>
  new StoreError('ServiceUnavailable', { message: 'away', cause: Object.assign(new Error(code), { code }) });
const refusal = () => failure('ECONNREFUSED');

test('two refusals that lie apart say that an owner is gone, once', () => {
  const host = manualHost(1);
  const obituary = new Obituary(host.clock);
  assert.equal(obituary.refused(7, refusal()), false);
  assert.equal(obituary.refused(7, refusal()), false, 'at the same moment');
  host.advance(limits.refusedForMs);
  assert.equal(obituary.refused(7, refusal()), true);
  host.advance(1000);
  assert.equal(obituary.refused(7, refusal()), false, 'it was said');
});

test('the same failure again, silence, and a refusal of the owner before say nothing', () => {
  const host = manualHost(1);
  const obituary = new Obituary(host.clock);
  const same = refusal();
  assert.equal(obituary.refused(7, same), false);
  host.advance(1000);
  assert.equal(obituary.refused(7, same), false);
  for (const other of [failure('ECONNRESET'), failure('ETIMEDOUT'), new Error('late'), undefined])
    assert.equal(obituary.refused(7, other), false);
  assert.equal(obituary.refused(8, refusal()), false);
  host.advance(1000);
  assert.equal(obituary.refused(8, refusal()), true);
});

test('a node that no owner answers ends ownerships seldom, and tries again what had no effect', () => {
  const host = manualHost(1);
  const obituary = new Obituary(host.clock);
  const twice = (epoch: number): boolean => {
    obituary.refused(epoch, refusal());
    host.advance(limits.refusedForMs);
    return obituary.refused(epoch, refusal());
  };
  assert.equal(twice(1), true);
  assert.equal(twice(2), false);
  obituary.forget();
  assert.equal(obituary.refused(2, refusal()), true);
  host.advance(limits.deposeEveryMs);
  assert.equal(twice(3), true);
});
