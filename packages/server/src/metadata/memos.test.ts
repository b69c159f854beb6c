/* What servers note of their own doings: events that targets have refused, and uses of access keys. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { StoreError } from '../errors.ts';
import { limits } from '../limits.ts';
import { Rig } from './rig.support.ts';

const code = (expected: StoreError['code']) => (error: StoreError) => error.code === expected;
const fail = (rig: Rig, name: string, target = 'hook') =>
  rig.do({ type: 'event.fail', target, name, event: Buffer.from(`event ${name}`) }, 'done');
const kept = (rig: Rig, target = 'hook') => [...rig.reader.memos('failedEvents', `${target}/`).keys()];

describe('failed events', () => {
  it('are kept by target, again and again under one name, until they are settled', async () => {
    const rig = await Rig.open();
    await fail(rig, '2');
    await fail(rig, '1');
    await fail(rig, '1');
    await fail(rig, '1', 'hook2');
    assert.deepEqual(kept(rig), ['hook/1', 'hook/2']);
    assert.deepEqual(rig.reader.memos('failedEvents', 'hook/').get('hook/1'), Buffer.from('event 1'));
    await rig.do({ type: 'event.settle', target: 'hook', names: ['1', '1', 'none'] }, 'done');
    assert.deepEqual([kept(rig), kept(rig, 'hook2')], [['hook/2'], ['hook2/1']]);
    const event = Buffer.alloc(limits.failedEventBytes + 1);
    await assert.rejects(
      rig.metadata.propose({ type: 'event.fail', target: 'hook', name: 'x', event }),
      code('InvalidRequest'),
    );
  });

  it('are bounded for each target: the first one goes', async () => {
    const rig = await Rig.open();
    const name = (at: number) => String(at).padStart(6, '0');
    for (let at = 0; at < limits.failedEvents; at++) await fail(rig, name(at));
    await fail(rig, name(0));
    assert.equal(kept(rig).length, limits.failedEvents);
    await fail(rig, name(limits.failedEvents));
    assert.equal(kept(rig).length, limits.failedEvents);
    assert.deepEqual([kept(rig)[0], kept(rig).at(-1)], [`hook/${name(1)}`, `hook/${name(limits.failedEvents)}`]);
  });
});

describe('uses of access keys', () => {
  const record = { sealedSecret: Buffer.alloc(4), owner: 'root', name: 'n', role: 'readwrite', buckets: [] } as const;
  const use = (id: string, ms: number, service = 's3') => ({ id, ms, service, region: 'r' });

  it('are those of keys that are there; the later one stays, and it goes with its key', async () => {
    const rig = await Rig.open();
    await rig.do({ type: 'key.create', record: { ...record, id: 'A' } }, 'done');
    await rig.do({ type: 'key.used', uses: [use('A', 5), use('NONE', 5), use('A', 9, 'iam'), use('A', 7)] }, 'done');
    await rig.do({ type: 'key.used', uses: [use('A', 8)] }, 'done');
    assert.deepEqual(rig.reader.keyUse('A'), { ms: 9, service: 'iam', region: 'r' });
    assert.equal(rig.reader.keyUse('NONE'), undefined);
    await rig.do({ type: 'key.revoke', id: 'A' }, 'done');
    assert.equal(rig.reader.keyUse('A'), undefined);
    assert.equal(rig.reader.memos('keyUses', '').size, 0);
  });
});
