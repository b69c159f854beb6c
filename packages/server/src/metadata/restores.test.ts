/* Restores of archived objects: what each version has of one, and the rows that say when something is to be done about it. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import type { StoreError } from '../errors.ts';
import { lookingFor } from '../host/patience.support.ts';
import { decodeEntry } from './machine/entry.ts';
import { keys } from './machine/keys.ts';
import { decodeNotice } from './machine/notices.ts';
import type { ObjectVersion } from './machine/records.ts';
import type { Restore, RestoreTier } from './machine/restores.ts';
import { dueRestores } from './restores.ts';
import { draftOf, inlinePiece, Rig } from './rig.support.ts';
import { ShardedRig } from './sharded/rig.support.ts';
import type { Announcement, Command, DueRestore } from './types.ts';

const dayMs = 1000;
const forever = 2 ** 46;

async function open(versioning: 'off' | 'enabled' = 'enabled') {
  const rig = await Rig.open();
  const bucket = await rig.bucket('bucket', versioning);
  const put = async (key: string, storageClass = 'GLACIER') => {
    const piece = inlinePiece(key);
    return (await rig.put(bucket, key, piece, { draft: draftOf(piece.size, piece.md5, { storageClass }) })).version;
  };
  const restoring = (
    version: ObjectVersion,
    key: string,
    tier: RestoreTier,
    days: number,
    delayMs: number,
  ): Extract<Command, { type: 'object.restore' }> => {
    const { sequence, nonce, isNull, storageClass } = version;
    const selector = isNull ? ('null' as const) : { sequence, nonce };
    const times = { tier, days, delayMs, dayMs };
    return { type: 'object.restore', bucket, key: Buffer.from(key), version: selector, storageClass, ...times };
  };
  const restore = async (...about: Parameters<typeof restoring>): Promise<string> => {
    try {
      return (await rig.do(restoring(...about), 'version')).version.restore?.state ?? 'none';
    } catch (error) {
      return (error as StoreError).code;
    }
  };
  const advance = (items: readonly DueRestore[], announce?: Announcement) => {
    const told = items.map((item) => ({ ...item, ...(announce && { announce }) }));
    return rig.do({ type: 'restore.advance', shard: 0, dayMs, items: told }, 'done');
  };
  const upkeep = async () => {
    for (let due = dueRestores(rig.kv, rig.host.clock.now(), 3); due.length > 0; ) {
      await advance(due);
      due = dueRestores(rig.kv, rig.host.clock.now(), 3);
    }
  };
  const now = () => rig.host.clock.now();
  const look = (key: string, version: ObjectVersion) => {
    const selector = version.isNull ? ('null' as const) : { sequence: version.sequence, nonce: version.nonce };
    const found = rig.reader.version(bucket, Buffer.from(key), selector);
    return found?.kind === 'object' && found.sequence === version.sequence ? found : undefined;
  };
  return { rig, bucket, put, restoring, restore, advance, upkeep, now, look };
}

const midnight = (from: number, days: number) => Math.ceil((from + days * dayMs) / dayMs) * dayMs;
const dueOf = (restore: Restore) => (restore.state === 'restored' ? restore.untilMs : restore.readyMs);
const speed = { Bulk: 0, Standard: 1, Expedited: 2 } as const;

interface Held {
  key: string;
  version: ObjectVersion;
  restore: Restore | undefined;
}

type Step =
  | { readonly do: 'put' | 'rename' | 'renew' | 'tag' | 'remove' | 'cool'; readonly at: number }
  | {
      readonly do: 'restore';
      readonly at: number;
      readonly tier: RestoreTier;
      readonly days: number;
      readonly delay: number;
    }
  | { readonly do: 'wait'; readonly ms: number }
  | { readonly do: 'crash' };

const at = fc.nat(30);
const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({ do: fc.constantFrom('put' as const, 'put' as const, 'rename', 'renew', 'tag', 'remove', 'cool'), at }),
  ...Array.from({ length: 3 }, () =>
    fc.record({
      do: fc.constant('restore' as const),
      at,
      tier: fc.constantFrom<RestoreTier>('Bulk', 'Standard', 'Expedited'),
      days: fc.integer({ min: 1, max: 3 }),
      delay: fc.constantFrom(0, 300, 1700),
    }),
  ),
  fc.record({ do: fc.constant('wait' as const), ms: fc.nat(1500) }),
  fc.record({ do: fc.constant('crash' as const) }),
);

/** What the rules say, over a list of versions, newest last. */
class Model {
  readonly held: Held[] = [];
  readonly #versioned: boolean;
  constructor(versioned: boolean) {
    this.#versioned = versioned;
  }
  newest = (key: string) => this.held.filter((one) => one.key === key).at(-1);
  add(one: Held): void {
    if (!this.#versioned) this.drop(one.key);
    this.held.push(one);
  }
  drop(key: string): void {
    for (let i = this.held.length - 1; i >= 0; i--) if (this.held[i]!.key === key) this.held.splice(i, 1);
  }
  advance(now: number): void {
    for (const one of this.held) {
      if (one.restore?.state === 'ongoing' && one.restore.readyMs <= now)
        one.restore = { state: 'restored', untilMs: midnight(now, one.restore.days) };
      if (one.restore?.state === 'restored' && one.restore.untilMs <= now) one.restore = undefined;
    }
  }
  asked(one: Held, { tier, days, delay }: Extract<Step, { do: 'restore' }>, now: number): string {
    const { restore } = one;
    if (restore?.state === 'restored') one.restore = { state: 'restored', untilMs: midnight(now, days) };
    else if (!restore) one.restore = { state: 'ongoing', tier, days, readyMs: now + delay };
    else if (restore.days !== days || speed[tier] <= speed[restore.tier]) return 'RestoreAlreadyInProgress';
    else one.restore = { ...restore, tier, readyMs: Math.min(restore.readyMs, now + delay) };
    return one.restore.state;
  }
}

describe('restores', () => {
  it(
    'are as the rules say, through crashes, and each has the row that tells when it is due',
    { timeout: 240_000 },
    () =>
      fc.assert(
        fc.asyncProperty(
          fc.boolean(),
          fc.array(step, { minLength: 10, maxLength: 40, size: 'max' }),
          async (versioned, steps) => {
            const { rig, bucket, put, restore, upkeep, now, look } = await open(versioned ? 'enabled' : 'off');
            const model = new Model(versioned);
            const about = { type: 'object.annotate', bucket, guard: undefined } as const;
            for (const key of ['k0', 'k1', 'k2']) model.add({ key, version: await put(key), restore: undefined });
            for (const one of steps) {
              const target = 'at' in one ? model.held[one.at % Math.max(1, model.held.length)] : undefined;
              if (one.do === 'wait') rig.host.advance(one.ms);
              else if (one.do === 'crash') await rig.crash();
              else if (one.do === 'put') {
                const key = `k${one.at % 3}`;
                model.add({ key, version: await put(key), restore: undefined });
              } else if (target) {
                const key = Buffer.from(target.key);
                const newest = model.newest(target.key)!;
                const isHidden = rig.reader.version(bucket, key, undefined)?.kind !== 'object';
                const { sequence, nonce, isNull } = target.version;
                const version = isNull ? ('null' as const) : { sequence, nonce };
                if (one.do === 'restore')
                  assert.equal(
                    await restore(target.version, target.key, one.tier, one.days, one.delay),
                    model.asked(target, one, now()),
                  );
                else if (one.do === 'tag')
                  await rig.do(
                    { ...about, key, version, change: { tags: { clear: true, set: [['t', '1']] } } },
                    'version',
                  );
                else if (one.do === 'cool') {
                  // Another class: what was said of the one before is over.
                  await rig.do({ ...about, key, version, change: { storageClass: 'DEEP_ARCHIVE' } }, 'version');
                  if (target.version.storageClass === 'GLACIER') target.restore = undefined;
                  target.version = { ...target.version, storageClass: 'DEEP_ARCHIVE' };
                } else if (one.do === 'remove') {
                  await rig.remove(bucket, target.key, isNull ? 'null' : target.version);
                  model.held.splice(model.held.indexOf(target), 1);
                } else if (isHidden) {
                  // Below a marker: neither is about it.
                } else if (one.do === 'renew') {
                  const change = { metadata: { clear: true, set: [] } };
                  const { version: made } = await rig.do(
                    { ...about, key, version: undefined, change, renew: 'o' },
                    'version',
                  );
                  const { restore: kept } = newest;
                  model.add({ key: target.key, version: made, restore: kept });
                } else if (one.do === 'rename') {
                  const source = { key, guard: undefined };
                  const to = `k${(Number(target.key.slice(1)) + 1) % 3}`;
                  const command = {
                    type: 'object.rename',
                    bucket,
                    key: Buffer.from(to),
                    owner: 'o',
                    guard: undefined,
                    source,
                  } as const;
                  const { version: made } = await rig.do(command, 'version');
                  const { restore: kept } = newest;
                  model.add({ key: to, version: made, restore: kept });
                  if (!versioned) model.drop(target.key);
                  // Where versions are kept the old one stays below a marker; nothing more is asked of it here.
                }
              }
              await upkeep();
              model.advance(now());
              const rows = new Set(
                dueRestores(rig.kv, forever, 1000).map(({ dueMs, sequence }) => `${dueMs} ${sequence}`),
              );
              for (const { key, version, restore: wanted } of model.held) {
                assert.deepEqual(look(key, version)?.restore, wanted, `${key} ${JSON.stringify(one)}`);
                if (wanted) assert.ok(rows.has(`${dueOf(wanted)} ${version.sequence}`), 'it has its row');
              }
            }
            rig.host.advance(10 * dayMs);
            await upkeep();
            rig.host.advance(10 * dayMs);
            await upkeep();
            assert.deepEqual(dueRestores(rig.kv, forever, 10), [], 'nothing is left of what is over');
          },
        ),
        { numRuns: 100, ...lookingFor(40_000) },
      ),
  );

  it('are refused of what is not there, or is of another class by now', async () => {
    const { put, restore } = await open();
    const version = await put('k');
    assert.equal(
      await restore({ ...version, storageClass: 'DEEP_ARCHIVE' }, 'k', 'Bulk', 1, 0),
      'ConditionalRequestConflict',
    );
    assert.equal(await restore({ ...version, sequence: 999 }, 'k', 'Bulk', 1, 0), 'NoSuchVersion');
    assert.equal(await restore({ ...version, isNull: true }, 'none', 'Bulk', 1, 0), 'NoSuchVersion');
  });

  it('are done by the clock of the owner, once, whatever is asked', async () => {
    const { rig, bucket, put, restore, advance, now, look } = await open();
    const version = await put('k');
    await restore(version, 'k', 'Standard', 1, 500);
    const item = { dueMs: now() + 500, sequence: version.sequence, bucket, key: Buffer.from('k') };
    await advance([item]);
    assert.equal(look('k', version)?.restore?.state, 'ongoing', 'its time has not come');
    rig.host.advance(500);
    await advance([item, item]);
    const restored = { state: 'restored', untilMs: midnight(now(), 1) } as const;
    assert.deepEqual(look('k', version)?.restore, restored);
    rig.host.advance(100);
    await advance([item]);
    assert.deepEqual(look('k', version)?.restore, restored, 'what was done is not done again');
    await advance([{ ...item, dueMs: 3 }]);
    assert.equal(dueRestores(rig.kv, forever, 10).length, 1);
  });

  it('are brought forward in each shard of a bucket, and lists over all of them say so', async () => {
    const rig = await ShardedRig.start(3);
    const bucket = await rig.bucket('spread');
    const names = Array.from({ length: 12 }, (_, at) => `k${String(at).padStart(2, '0')}`);
    const times = { storageClass: 'GLACIER', days: 1, tier: 'Standard', delayMs: 0, dayMs } as const;
    for (const name of names) {
      const piece = inlinePiece(name);
      const draft = draftOf(piece.size, piece.md5, { storageClass: 'GLACIER' });
      await rig.put(bucket, name, piece, { draft });
      await rig.do({ type: 'object.restore', bucket, key: Buffer.from(name), version: undefined, ...times }, 'version');
    }
    const none = Buffer.alloc(0);
    const query = { bucket, prefix: none, delimiter: none, start: none, limit: 100 };
    const states = (restores: boolean) =>
      rig.reader.list({ ...query, restores }).items.map((one) => 'key' in one && one.restore?.state);
    assert.deepEqual([...new Set(states(true))], ['ongoing']);
    assert.deepEqual([...new Set(states(false))], [undefined]);
    const held: number[] = [];
    for (const [shard, one] of rig.each.entries()) {
      const items = dueRestores(one.kv, forever, 100);
      held.push(items.length);
      await rig.do({ type: 'restore.advance', shard, dayMs, items }, 'done');
    }
    assert.ok(held[0] === 0 && held.filter((count) => count > 0).length > 1, `${held}`);
    assert.deepEqual([states(true).length, ...new Set(states(true))], [12, 'restored']);
  });

  it('go on where a version cannot be read', async () => {
    const { rig, bucket, put, restore, upkeep, look } = await open();
    const [broken, whole] = [await put('broken'), await put('whole')];
    await restore(broken, 'broken', 'Standard', 1, 0);
    await restore(whole, 'whole', 'Standard', 1, 0);
    const at = keys.object(bucket, Buffer.from('broken'));
    rig.kv.commit([[at, rig.kv.get(at)!.subarray(0, -3)]]);
    await upkeep();
    assert.equal(look('whole', whole)?.restore?.state, 'restored');
    assert.equal(rig.metadata.failure(), undefined);
  });

  it('keep a lifecycle waiting until they are over', async () => {
    const { rig, bucket, put, restore, upkeep, look } = await open();
    const version = await put('k');
    await restore(version, 'k', 'Standard', 1, 0);
    await upkeep();
    const expected = { sequence: version.sequence, place: 'current', dueMs: 0, sinceMs: 0, newer: 0 } as const;
    const move = () => {
      const change = { storageClass: 'DEEP_ARCHIVE' };
      const about = { type: 'object.annotate', bucket, key: Buffer.from('k'), version: undefined } as const;
      return rig.do({ ...about, guard: undefined, change, expected }, 'version');
    };
    await assert.rejects(
      move(),
      (error: StoreError) => error.code === 'PreconditionFailed' && /restored/.test(error.message),
    );
    rig.host.advance(3 * dayMs);
    await upkeep();
    await move();
    assert.equal(look('k', version)?.storageClass, 'DEEP_ARCHIVE');
  });

  it('are told of: when they begin, are done and are over, and not when they are extended', async () => {
    const { rig, put, restoring, advance, now } = await open();
    const destinations = (['ObjectRestore:Post', 'ObjectRestore:Completed', 'ObjectRestore:Delete'] as const).map(
      (event) => ({ event, target: 'hook', configuration: 'c', shape: 's3' }) as const,
    );
    const origin = {
      requestId: '',
      hostId: '',
      principal: '',
      address: '',
      reason: '',
      bucketName: 'b',
      bucketOwner: '',
      region: '',
    };
    const announce = { origin, destinations };
    const told = () =>
      decodeEntry(rig.log.entries.at(-1)!.payload).flatMap((effect) => {
        if (effect.type !== 'notice') return [];
        const { event, restore } = decodeNotice(effect.notice);
        return [[event, restore]];
      });
    const version = await put('k');
    const storageClass = 'GLACIER';
    await rig.do({ ...restoring(version, 'k', 'Bulk', 1, 0), announce }, 'version');
    assert.deepEqual(told(), [['ObjectRestore:Post', { storageClass, untilMs: 0 }]]);
    await advance(dueRestores(rig.kv, now(), 10), announce);
    assert.deepEqual(told(), [['ObjectRestore:Completed', { storageClass, untilMs: midnight(now(), 1) }]]);
    const only = { origin, destinations: destinations.slice(0, 1) };
    await rig.do({ ...restoring(version, 'k', 'Bulk', 2, 0), announce: only }, 'version');
    assert.deepEqual(told(), []);
    rig.host.advance(5 * dayMs);
    await advance(dueRestores(rig.kv, now(), 10), announce);
    assert.deepEqual(told(), [['ObjectRestore:Delete', { storageClass, untilMs: 0 }]]);
  });
});
