/* Limits of tenants, keys and anonymous readers: what is refused, what goes with what, and the same in every replica. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { StoreError } from '../errors.ts';
import { limits } from '../limits.ts';
import type { Stamp } from './machine/deciding.ts';
import type { Effect } from './machine/effects.ts';
import { decodeEntry, encodeEntry } from './machine/entry.ts';
import { featuresOf } from './machine/features.ts';
import { keys } from './machine/keys.ts';
import { decideRates, decodeRateLimits, encodeRateLimits, type RateFigures, rateFigures } from './machine/rates.ts';
import type { View } from './machine/view.ts';
import { Rig } from './rig.support.ts';

const code = (expected: string, what: RegExp) => (error: unknown) =>
  error instanceof StoreError && error.code === expected && what.test(error.message);
const acme = '111111111111';

async function rig() {
  const made = await Rig.open();
  await made.metadata.propose({
    type: 'account.create',
    account: { id: acme, canonicalId: 'a'.repeat(64), name: 'acme' },
  });
  const record = {
    id: 'AK',
    sealedSecret: Buffer.from('s'),
    owner: 'o',
    name: 'n',
    role: 'readwrite',
    buckets: [],
  } as const;
  await made.metadata.propose({ type: 'key.create', record });
  const set = (subject: string, figures: RateFigures) =>
    made.metadata.propose({ type: 'rates.write', subject, figures });
  const clear = (subject: string) => made.metadata.propose({ type: 'rates.remove', subject });
  return { made, set, clear };
}

describe('limits of rates', () => {
  it('are kept whole, each in a slot of its own, over a restart', async () => {
    const { made, set, clear } = await rig();
    await set(`tenant/${acme}`, { requestsPerSecond: 5, concurrentRequests: 7 });
    await set('key/AK', { bytesInPerSecond: limits.rateBytesLeast, bytesOutPerSecond: limits.rateMost });
    await set('anonymous', { requestsPerSecond: 1 });
    await clear('key/AK');
    await set('tenant/000000000000', { requestsPerSecond: 9 });
    const before = made.reader.rates().find(({ subject }) => subject === `tenant/${acme}`);
    await set(`tenant/${acme}`, { bytesOutPerSecond: 100_000 });
    await made.crash();
    const all = made.reader.rates();
    assert.equal(new Set(all.map(({ slot }) => slot)).size, 3);
    assert.ok(all.every(({ slot }) => slot < limits.rateSubjects));
    const now = all.find(({ subject }) => subject === `tenant/${acme}`);
    assert.ok(now && before && now.slot === before.slot && now.changedMs > before.changedMs);
    const { slot: _, changedMs: __, ...rest } = now;
    assert.deepEqual(rest, { subject: `tenant/${acme}`, bytesOutPerSecond: 100_000 }, 'instead of those before');
  });

  it('are refused for nobody, with nothing, and out of bounds', async () => {
    const { set, clear } = await rig();
    await assert.rejects(
      set('tenant/222222222222', { requestsPerSecond: 1 }),
      code('NotFound', /no tenant 2{12}.*dsom tenant list/),
    );
    await assert.rejects(set('key/other', { requestsPerSecond: 1 }), code('NotFound', /no access key other/));
    await assert.rejects(set(`tenant/${acme}`, {}), code('InvalidArgument', /at least one of.*clear it/));
    for (const figures of [
      { requestsPerSecond: 0 },
      { requestsPerSecond: 1.5 },
      { concurrentRequests: -1 },
      { bytesInPerSecond: limits.rateBytesLeast - 1 },
      { bytesOutPerSecond: limits.rateMost + 1 },
    ])
      await assert.rejects(set(`tenant/${acme}`, figures), code('InvalidArgument', /whole number from/));
    for (const subject of ['key/AK', 'anonymous'])
      await assert.rejects(set(subject, { connections: 5 }), code('InvalidArgument', /of tenants only/));
    await assert.rejects(clear(`tenant/${acme}`), code('NotFound', /no limit.*dsom limit show/));
  });

  it('go with their tenant or key', async () => {
    const { made, set } = await rig();
    await set(`tenant/${acme}`, { requestsPerSecond: 5 });
    await set('key/AK', { requestsPerSecond: 5 });
    await made.metadata.propose({ type: 'key.revoke', id: 'AK' });
    await made.metadata.propose({ type: 'account.remove', id: acme });
    assert.deepEqual(made.reader.rates(), []);
  });

  it('are bounded in number', () => {
    const all = Array.from({ length: limits.rateSubjects }, (_, slot) => ({
      subject: `key/${slot}`,
      slot,
      changedMs: 9,
    }));
    const view = { rates: () => all } as unknown as View;
    const figures = { requestsPerSecond: 1 };
    const set = (subject: string) => decideRates(view, { type: 'rates.write', subject, figures }, { now: 5 } as Stamp);
    assert.throws(() => set('anonymous'), code('LimitExceeded', /Clear one first/));
    all.splice(7, 1);
    const rates = { subject: 'anonymous', slot: 7, changedMs: 10, ...figures };
    assert.deepEqual(set('anonymous').effects, [{ type: 'rates.write', rates }]);
  });

  // Stores that exist hold such bytes: a line that does not match any more is a broken store.
  it('have the bytes that they were first written with', () => {
    const rates = { subject: 'key/AK', slot: 300, changedMs: 1000, requestsPerSecond: 5, concurrentRequests: 700 };
    const effects: Effect[] = [
      { type: 'rates.write', rates },
      { type: 'rates.remove', subject: 'key/AK' },
    ];
    assert.equal(encodeEntry(effects).toString('hex'), '0153066b65792f414b0901ac02e8070905bc0554066b65792f414b');
    const { concurrentRequests: _, ...others } = { ...rates, connections: 9 };
    const newer: Effect = { type: 'rates.write', rates: others };
    assert.equal(encodeRateLimits(others).toString('hex'), '01ac02e807110509');
    const needed = [effects[0] as Effect, newer].map((effect) => [...featuresOf(effect)]);
    assert.deepEqual(needed, [['rates'], ['rates', 'connectionLimits']], 'older versions cannot read it');
    assert.equal(keys.rates('key/AK').toString('hex'), '436b65792f414b');
  });

  it('are the same when they were written and read', () => {
    const whole = fc.oneof(fc.nat(300), fc.maxSafeNat());
    const figures = Object.fromEntries(rateFigures.map((name) => [name, whole]));
    const rates = fc.record(
      { subject: fc.string(), slot: whole, changedMs: whole, ...figures },
      { requiredKeys: ['subject', 'slot', 'changedMs'], noNullPrototype: true },
    );
    fc.assert(
      fc.property(rates, (one) => {
        const entry = [
          { type: 'rates.write', rates: one },
          { type: 'rates.remove', subject: one.subject },
        ] as Effect[];
        assert.deepEqual(decodeEntry(encodeEntry(entry)), entry);
      }),
    );
  });

  it('that cannot be read are no limits: the row is refused', () => {
    const row = encodeRateLimits({ subject: 's', slot: 1, changedMs: 2, requestsPerSecond: 3 });
    for (const bad of [row.subarray(0, -1), Buffer.concat([row, Buffer.of(0)]), Buffer.of(2), Buffer.of(1, 1, 2, 0x20)])
      assert.throws(() => decodeRateLimits('s', bad));
  });
});
