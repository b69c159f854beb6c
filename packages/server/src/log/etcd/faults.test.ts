import assert from 'node:assert/strict';
import { after, beforeEach, describe, it } from 'node:test';
import { CorruptionError, StoreError } from '../../errors.ts';
import { realHost } from '../../host/index.ts';
import { until } from '../../host/patience.support.ts';
import { limits } from '../../limits.ts';
import { entriesOf, owned } from '../shared.suite.ts';
import type { OwnedLog, SharedLog } from '../shared.ts';
import { payload } from '../suite.ts';
import { encodeBatch, encodePlace, type Place } from './batch.ts';
import { noEtcd, quickFlags, startCluster, type TestCluster } from './etcd.fixture.ts';
import { FaultyEtcd } from './faulty.fixture.ts';
import { LogKeys } from './keys.ts';
import type { EtcdLog, LogBounds } from './log.ts';
import { forgetReplica, openEtcdLog } from './open.ts';
import type { Etcd } from './types.ts';

const host = realHost();
const isCode = (code: string) => (error: unknown) => error instanceof StoreError && error.code === code;
const text = ({ payload: bytes }: { payload: Buffer }): string => bytes.toString();

describe('the log in etcd, with faults', { skip: noEtcd }, async () => {
  if (noEtcd) return;
  const cluster: TestCluster = await startCluster(1, quickFlags);
  const etcd: Etcd = await cluster.connect();
  let count = 0;
  let shard = '';
  const logs: SharedLog[] = [];
  beforeEach(() => {
    shard = `fault-${count++}`;
  });
  after(async () => {
    for (const log of logs) await log.close();
    await etcd.close();
    await cluster.stop();
  });

  async function open(node: string, bounds: Partial<LogBounds> = {}, its = host) {
    const faulty = new FaultyEtcd(etcd);
    const options = { etcd: faulty, host: its, cluster: 'c', shard, node, address: `${node}:1`, bounds };
    const log = await openEtcdLog(options);
    logs.push(log);
    return { log, faulty };
  }
  async function openOwned(bounds: Partial<LogBounds> = {}) {
    const { log, faulty } = await open('a', bounds);
    const owner = await owned(log);
    faulty.transactions.length = 0;
    return { log, faulty, owner };
  }
  /** One batch each, as many under way as there may be. */
  async function appendApart(owner: OwnedLog, texts: readonly string[]): Promise<PromiseSettledResult<number>[]> {
    const appends: Promise<number>[] = [];
    for (const one of texts) {
      appends.push(owner.append(Buffer.from(one)).then(({ position }) => position));
      for (let turn = 0; turn < 3; turn++) await Promise.resolve();
    }
    return Promise.allSettled(appends);
  }

  it('finds a batch in its slot whose answer was lost, and sends it once', async () => {
    const { log, faulty, owner } = await openOwned();
    faulty.expect('answer lost');
    assert.equal((await owner.append(payload(1))).position, 1);
    assert.equal(faulty.transactions.length, 1);
    assert.equal((await entriesOf(log)).length, 1);
  });

  it('sends a batch again only when its slot is free', async () => {
    const { log, faulty, owner } = await openOwned();
    faulty.expect('request lost', 'request lost');
    assert.equal((await owner.append(payload(1))).position, 1);
    assert.equal(faulty.transactions.length, 3);
    assert.ok((faulty.calls.get('ranges') ?? 0) >= 2);
    assert.deepEqual((await entriesOf(log)).map(text), [payload(1).toString()]);
  });

  it('holds a batch once that was sent again and then came late', async () => {
    const { log, faulty, owner } = await openOwned();
    faulty.expect('delayed', 'answer lost');
    assert.equal((await owner.append(payload(1))).position, 1);
    await owner.append(payload(2));
    assert.deepEqual(
      (await faulty.release()).map(({ succeeded }) => succeeded),
      [false],
    );
    assert.deepEqual(
      (await entriesOf(log)).map(text),
      [1, 2].map((i) => payload(i).toString()),
    );
  });

  it('keeps the order of several batches under way, whatever becomes of their answers', async () => {
    const fates = ['answer lost', 'request lost', 'delayed'] as const;
    for (let round = 0; round < 27; round++) {
      shard = `fault-order-${round}`;
      const { log, faulty, owner } = await openOwned();
      faulty.expect(...[round, round / 3, round / 9].map((n) => fates[Math.floor(n) % 3] as (typeof fates)[number]));
      const texts = ['one', 'two', 'three', 'four', 'five'];
      const positions = (await appendApart(owner, texts)).map((one) => one.status === 'fulfilled' && one.value);
      assert.deepEqual(positions, [1, 2, 3, 4, 5], `round ${round}`);
      for (const { succeeded } of await faulty.release()) assert.equal(succeeded, false);
      assert.deepEqual((await entriesOf(log)).map(text), texts);
      await log.close();
    }
  });

  it('refuses what was built on a batch that was refused, and goes on from what is there', async () => {
    const { log, faulty, owner } = await openOwned();
    await owner.append(Buffer.from('zero'));
    faulty.expect('full');
    for (const one of await appendApart(owner, ['one', 'two', 'three']))
      assert.ok(one.status === 'rejected' && isCode('StorageFull')(one.reason));
    assert.equal(owner.lost.aborted, false);
    assert.equal((await owner.append(Buffer.from('other'))).position, 2);
    assert.deepEqual((await entriesOf(log)).map(text), ['zero', 'other']);
  });

  it('lets nothing in of a batch that came late, once another was built in its place', async () => {
    const { log, faulty, owner } = await openOwned();
    await owner.append(Buffer.from('zero'));
    faulty.expect('full', 'delayed');
    const [one, two] = await appendApart(owner, ['one', 'two']);
    assert.ok(one?.status === 'rejected' && two?.status === 'rejected');
    await owner.append(Buffer.from('1ne'));
    assert.deepEqual(
      (await faulty.release()).map(({ succeeded }) => succeeded),
      [false],
    );
    await owner.append(Buffer.from('2wo'));
    assert.deepEqual((await entriesOf(log)).map(text), ['zero', '1ne', '2wo']);
  });

  it('gives the log up when a batch in doubt is refused', async () => {
    const { log, faulty, owner } = await openOwned();
    faulty.expect('delayed', 'full');
    await assert.rejects(owner.append(Buffer.from('one')), isCode('ServiceUnavailable'));
    assert.ok(owner.lost.aborted);
    const again = await owned(log);
    await again.append(Buffer.from('two'));
    assert.deepEqual(
      (await faulty.release()).map(({ succeeded }) => succeeded),
      [false],
    );
    assert.deepEqual((await entriesOf(log)).map(text), ['two']);
  });

  it('lets nothing in of an owner who does not know yet that he is none', async () => {
    const { log, faulty, owner } = await openOwned({ leaseSeconds: 60 });
    await owner.append(payload(1));
    faulty.deafen();
    const { owner: key } = new LogKeys('c', shard);
    const lease = (await etcd.range({ key })).pairs[0]?.lease as number;
    faulty.expect('delayed');
    // It may be refused while the lease is being ended: somebody listens from the start.
    const doubtful = assert.rejects(owner.append(payload(2)), isCode('ServiceUnavailable'));
    await etcd.revoke(lease);
    await doubtful;
    assert.ok(owner.lost.aborted);
    await assert.rejects(owner.append(payload(3)), isCode('ServiceUnavailable'));
    assert.deepEqual(
      (await faulty.release()).map(({ succeeded }) => succeeded),
      [false],
    );
    assert.deepEqual((await entriesOf(log)).map(text), [payload(1).toString()]);
  });

  it('learns from the watch that its ownership was ended', async () => {
    const { owner } = await openOwned({ leaseSeconds: 60 });
    const { owner: key } = new LogKeys('c', shard);
    await etcd.revoke((await etcd.range({ key })).pairs[0]?.lease as number);
    if (!owner.lost.aborted) await new Promise((resolve) => owner.lost.addEventListener('abort', resolve));
    await assert.rejects(owner.append(payload(3)), isCode('ServiceUnavailable'));
  });

  it('does not wait for the lease of an earlier run of the same node', async () => {
    const { owner, faulty } = await openOwned({ leaseSeconds: 60 });
    await owner.append(payload(1));
    faulty.cut(true);
    const { log: second } = await open('a');
    const next = await owned(second);
    assert.equal((await next.append(payload(2))).position, 2);
    faulty.cut(false);
    await assert.rejects(owner.append(payload(3)), isCode('ServiceUnavailable'));
  });

  it('goes on from a log of another kind', async () => {
    const after = { position: 41, hash: Buffer.alloc(16, 7) };
    const log = await openEtcdLog({ etcd, host, cluster: 'c', shard, node: 'a', address: 'a:1', after });
    logs.push(log);
    assert.deepEqual([log.head, log.tail], [41, 42]);
    const entry = await (await owned(log)).append(payload(1));
    assert.equal(entry.position, 42);
    const { log: other } = await open('b');
    assert.deepEqual(await entriesOf(other), [entry]);
    await assert.rejects(entriesOf(other, 41), RangeError);
  });

  it('waits no longer for the snapshots of a replica that was forgotten', async () => {
    const { log, owner } = await openOwned();
    const { log: gone } = await open('gone');
    for (let i = 1; i <= 5; i++) await owner.append(payload(i));
    await gone.covered(0);
    await log.covered(4);
    await owner.trim(4);
    assert.equal(owner.tail, 1);
    await forgetReplica({ etcd, cluster: 'c', shard, node: 'gone' });
    await owner.trim(4);
    assert.equal(owner.tail, 4);
  });

  describe('followers', () => {
    /** Writes a batch behind the tail, by no rule; the tail too. */
    async function intrude(log: SharedLog, change: (place: Place) => Place, spoil?: (value: Buffer) => void) {
      const { place } = log as EtcdLog;
      const changed = change(place);
      const { value, batch } = encodeBatch(changed, changed.epoch, [payload(9)], Buffer.alloc(8), Buffer.alloc(16));
      spoil?.(value);
      const keys = new LogKeys('c', shard);
      const hash = batch.entries[0]?.hash as Buffer;
      const tail = { ...place, position: batch.slot, slot: batch.slot, hash, bytes: place.bytes + batch.bytes };
      await etcd.transact({
        compare: [],
        success: [
          { put: { key: keys.slot(batch.slot), value } },
          { put: { key: keys.tail, value: encodePlace(tail) } },
        ],
      });
    }
    const flipLast = (value: Buffer): void => {
      value.writeUInt8((value.at(-1) as number) ^ 1, value.length - 1);
    };
    const cases: readonly [string, RegExp, (place: Place) => Place, ((value: Buffer) => void)?][] = [
      ['an older epoch', /epoch \d+ is older/, (place) => ({ ...place, epoch: place.epoch - 1 })],
      ['another previous hash', /previous hash/, (place) => ({ ...place, hash: Buffer.alloc(16) })],
      ['a gap', /entry 3 is missing/, (place) => ({ ...place, position: place.position + 1 })],
      ['another count of bytes', /counts \d+ bytes/, (place) => ({ ...place, bytes: place.bytes + 1 })],
      ['a flipped bit', /checksum/, (place) => place, flipLast],
    ];
    for (const [what, message, change, spoil] of cases) {
      it(`stop at a batch with ${what}, for good`, async () => {
        const { owner } = await openOwned();
        const { log } = await open('b');
        await owner.append(payload(1));
        await owner.append(payload(2));
        await log.reached(2);
        const isDamage = (error: unknown): boolean => error instanceof CorruptionError && message.test(error.message);
        const waiting = assert.rejects(log.reached(3), isDamage);
        await intrude(log, change, spoil);
        await waiting;
        assert.equal(log.head, 2);
        await assert.rejects(entriesOf(log), isDamage);
        await assert.rejects(log.barrier(), isDamage);
        await assert.rejects(log.reached(3), isDamage);
      });
    }

    it('find a batch that was changed after they saw it', async () => {
      const { owner } = await openOwned();
      await owner.append(payload(1));
      const { log } = await open('b');
      const keys = new LogKeys('c', shard);
      const place = { ...(log as EtcdLog).place, position: 0, slot: 0, bytes: 0 };
      const { value } = encodeBatch(place, place.epoch, [payload(9)], Buffer.alloc(8), Buffer.alloc(16));
      await etcd.transact({ compare: [], success: [{ put: { key: keys.slot(1), value } }] });
      await assert.rejects(entriesOf(log), CorruptionError);
    });

    for (const [what, change] of [
      ['an older tail', (place: Place) => ({ ...place, position: 2, slot: 2 })],
      ['another log', (place: Place) => ({ ...place, identity: Buffer.alloc(16, 1) })],
    ] as const) {
      it(`stop when etcd was put back to ${what}`, async () => {
        const { log, owner } = await openOwned();
        for (let i = 1; i <= 3; i++) await owner.append(payload(i));
        const { log: other } = await open('b');
        const { tail: key } = new LogKeys('c', shard);
        const value = encodePlace(change((log as EtcdLog).place));
        await etcd.transact({ compare: [], success: [{ put: { key, value } }] });
        await assert.rejects(other.barrier(), /put back to an older state/);
        await assert.rejects(other.reached(4), CorruptionError);
        await assert.rejects(other.own(new AbortController().signal), CorruptionError);
        await assert.rejects(owner.append(payload(4)), isCode('ServiceUnavailable'));
        assert.ok(owner.lost.aborted);
      });
    }

    it('find a slot that is gone', async () => {
      const { owner } = await openOwned();
      for (let i = 1; i <= 3; i++) await owner.append(payload(i));
      const { log } = await open('b');
      await etcd.transact({ compare: [], success: [{ remove: { key: new LogKeys('c', shard).slot(2) } }] });
      await assert.rejects(entriesOf(log), /no entry 2/);
    });

    it('go on without a word from their watch', async () => {
      const { owner } = await openOwned();
      const { log, faulty } = await open('b');
      faulty.deafen();
      await owner.append(payload(1));
      await log.reached(await log.barrier());
      await owner.append(payload(2));
      await log.reached(2);
      assert.equal((await entriesOf(log)).length, 2);
    });

    it('take in batches of any size after small ones', async () => {
      const { owner } = await openOwned();
      const { log, faulty } = await open('b');
      for (let i = 0; i < 60; i++) await owner.append(payload(i));
      await log.reached(60);
      faulty.cut(true);
      const large = Buffer.alloc(300_000, 'large ');
      const appends = Array.from({ length: 64 }, () => owner.append(large));
      appends.push(owner.append(Buffer.alloc(limits.entryBytes, 1)));
      await Promise.all(appends);
      faulty.cut(false);
      await log.reached(125);
      const { log: late } = await open('c');
      let bytes = 0;
      for await (const entry of late.read(1)) bytes += entry.payload.length;
      assert.equal(bytes, 600 + 64 * large.length + limits.entryBytes);
    });
  });

  describe('a node that follows', () => {
    /** It waits to own the log, and looks only when its watch tells it to. */
    async function following() {
      const { owner } = await openOwned();
      const timers = { ...host.timers, every: () => () => {} };
      const { log, faulty } = await open('b', {}, { ...host, timers });
      const stop = new AbortController();
      const waiting = log.own(stop.signal);
      await owner.append(Buffer.from('zero'));
      await log.reached(1);
      const end = (): Promise<unknown> => {
        stop.abort();
        return waiting;
      };
      return { owner, log, faulty, end, keys: new LogKeys('c', shard) };
    }
    const asked = ({ calls }: FaultyEtcd) => (calls.get('range') ?? 0) + (calls.get('ranges') ?? 0);

    it('asks one member alone what was appended, and no quorum for any entry, though it waits to own the log', async () => {
      const { owner, log, faulty, end } = await following();
      const before = asked(faulty);
      for (let i = 2; i < 42; i++) {
        await owner.append(payload(i));
        await log.reached(i);
      }
      // What it asked when it was opened may still be on its way, and a watch may be opened again.
      assert.ok(asked(faulty) - before <= 10, `${asked(faulty) - before} reads of a quorum for 40 entries`);
      const near = faulty.calls.get('serializable') ?? 0;
      assert.ok(near > 1 && near <= 41, `${near} reads of one member`);
      await end();
    });

    it('asks a quorum where that member has nothing new, or only what does not go on from here', async () => {
      const { owner, log, faulty, end, keys } = await following();
      faulty.deafen();
      await owner.append(payload(2));
      faulty.lag({ pairs: [], more: false });
      await faulty.nudge(keys.tail);
      await log.reached(2);
      await owner.append(payload(3));
      await owner.append(payload(4));
      faulty.lag(await etcd.range({ key: keys.slot(4) }));
      await faulty.nudge(keys.tail);
      await log.reached(4);
      assert.deepEqual((await entriesOf(log)).map(text), ['zero', ...[2, 3, 4].map((i) => payload(i).toString())]);
      await end();
    });
  });

  describe('barriers', () => {
    it('share one read, and never one that was under way before', async () => {
      const { owner } = await openOwned();
      const { log, faulty } = await open('b');
      await log.barrier();
      faulty.calls.clear();
      await Promise.all(Array.from({ length: 200 }, () => log.barrier()));
      assert.equal(faulty.calls.get('range'), 1);
      const answered = faulty.answered.get('range') ?? 0;
      const early = log.barrier();
      for (let turn = 0; turn < 10; turn++) await Promise.resolve();
      assert.equal(faulty.calls.get('range'), 2, 'it is under way');
      // It has been answered, but the answer is on its way.
      faulty.pause();
      await until(() => faulty.answered.get('range') === answered + 1, 'the answer');
      await owner.append(payload(1));
      const late = [log.barrier(), log.barrier()];
      faulty.resume();
      assert.equal(await early, 0);
      assert.deepEqual(await Promise.all(late), [1, 1]);
      assert.equal(faulty.calls.get('range'), 3);
    });
  });
});
