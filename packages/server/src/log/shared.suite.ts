import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { StoreError } from '../errors.ts';
import type { OwnedLog, SharedLog } from './shared.ts';
import { payload } from './suite.ts';
import type { LogEntry, Position } from './types.ts';

/** One log and its nodes. */
export interface SharedRig {
  /** The log as this node sees it; its address is `NODE:1`. */
  open(node: string): Promise<SharedLog>;
  /** What the node sends to the log engine waits from now on, what it awaits does not come: as if its process stood still. */
  pause(node: string): void;
  resume(node: string): void;
  /** Calls of the node to the log engine fail. */
  cut(node: string): void;
  heal(node: string): void;
  /** Closes all that was opened. */
  close(): Promise<void>;
}

const forever = new AbortController().signal;
const isUnavailable = (error: unknown): boolean => error instanceof StoreError && error.code === 'ServiceUnavailable';

export async function owned(log: SharedLog): Promise<OwnedLog> {
  const got = await log.own(forever);
  assert.ok(got);
  return got;
}

export async function entriesOf(log: SharedLog, from: Position = log.tail): Promise<LogEntry[]> {
  const all: LogEntry[] = [];
  for await (const entry of log.read(from)) all.push(entry);
  return all;
}

/** Resolves with true when the promise is still open after some turns and time for a few round trips. */
async function stillOpen(promise: Promise<unknown>, wait: () => Promise<unknown>): Promise<boolean> {
  let open = true;
  const settle = (): void => {
    open = false;
  };
  promise.then(settle, settle);
  await wait();
  return open;
}

/** What every log that many nodes follow does. */
export function describeSharedLog(product: string, make: () => Promise<SharedRig>): void {
  const shared = (name: string, run: (rig: SharedRig) => Promise<void>): void =>
    void it(name, async () => {
      const rig = await make();
      try {
        await run(rig);
      } finally {
        await rig.close();
      }
    });

  describe(`shared log: ${product}`, () => {
    shared('gives every node the same entries', async (rig) => {
      const [a, b] = [await rig.open('a'), await rig.open('b')];
      const owner = await owned(a);
      const appended = await Promise.all(Array.from({ length: 50 }, (_, i) => owner.append(payload(i + 1, i * 20))));
      await b.reached(50);
      assert.deepEqual(await entriesOf(b), appended);
      assert.deepEqual(await entriesOf(a), appended);
      const c = await rig.open('c');
      assert.deepEqual([c.head, c.tail], [50, 1]);
      assert.deepEqual(await entriesOf(c, 17), appended.slice(16));
      const last = await owner.append(payload(51));
      await c.reached(51);
      assert.deepEqual(await entriesOf(c, 51), [last]);
    });

    shared('has one owner at a time, whom everybody sees', async (rig) => {
      const [a, b] = [await rig.open('a'), await rig.open('b')];
      const first = await owned(a);
      assert.deepEqual(a.owner(), { node: 'a', address: 'a:1', epoch: first.epoch });
      await first.append(payload(1));
      await b.reached(1);
      const stop = new AbortController();
      const never = b.own(stop.signal);
      assert.ok(await stillOpen(never, () => b.barrier()));
      assert.deepEqual(b.owner(), { node: 'a', address: 'a:1', epoch: first.epoch });
      stop.abort();
      assert.equal(await never, undefined);
      const next = owned(b);
      await first.resign();
      assert.ok(first.lost.aborted);
      await assert.rejects(first.append(payload(2)));
      const second = await next;
      assert.ok(second.epoch > first.epoch);
      assert.equal(second.head, 1);
      const entry = await second.append(payload(2));
      assert.deepEqual([entry.position, entry.epoch], [2, second.epoch]);
      await a.reached(2);
      assert.deepEqual(a.owner(), { node: 'b', address: 'b:1', epoch: second.epoch });
      assert.deepEqual(await entriesOf(a, 2), [entry]);
      await second.resign();
    });

    shared('leaves others the first try where it is told to', async (rig) => {
      const [a, b, c] = [await rig.open('a'), await rig.open('b'), await rig.open('c')];
      const first = await owned(a);
      const turns: PromiseWithResolvers<void>[] = [];
      const asked = Promise.withResolvers<void>();
      const waits = b.own(forever, () => {
        const turn = Promise.withResolvers<void>();
        turns.push(turn);
        asked.resolve();
        if (turns.length > 1) turn.resolve();
        return turn.promise;
      });
      assert.ok(await stillOpen(waits, () => b.barrier()));
      const next = owned(c);
      await first.resign();
      const second = await next;
      await asked.promise;
      turns[0]?.resolve();
      assert.ok(await stillOpen(waits, () => b.barrier()));
      await second.resign();
      const third = await waits;
      assert.ok(third && third.epoch > second.epoch);
      assert.ok(turns.length > 1);
      await third.resign();
    });

    shared('lets go of an owner that is known to be dead, and of no later one', async (rig) => {
      const [a, b] = [await rig.open('a'), await rig.open('b')];
      const first = await owned(a);
      await first.append(payload(1));
      rig.pause('a');
      const next = owned(b);
      await b.depose(first.epoch);
      const second = await next;
      await b.depose(first.epoch);
      const entry = await second.append(payload(2));
      assert.deepEqual([entry.position, entry.epoch, second.lost.aborted], [2, second.epoch, false]);
      rig.resume('a');
      await assert.rejects(first.append(payload(3)), isUnavailable);
      assert.deepEqual(await entriesOf(b, 2), [entry]);
    });

    shared('tells a node that asks everything that was acknowledged before', async (rig) => {
      const [a, b] = [await rig.open('a'), await rig.open('b')];
      const owner = await owned(a);
      for (let i = 1; i <= 60; i++) {
        const { position } = await owner.append(payload(i));
        const barriers = await Promise.all([b.barrier(), b.barrier(), a.barrier()]);
        assert.deepEqual(barriers, [position, position, position]);
        await b.reached(position);
        assert.equal(b.head, position);
      }
    });

    shared('takes nothing of an owner that stood still while another came', async (rig) => {
      const [a, b] = [await rig.open('a'), await rig.open('b')];
      const old = await owned(a);
      await old.append(payload(1));
      rig.pause('a');
      const waiting = [old.append(payload(2)), old.append(payload(3))];
      const settled = Promise.allSettled(waiting);
      const fresh = await owned(b);
      assert.ok(fresh.epoch > old.epoch);
      // The new owner has appended nothing yet: only its ownership stands in the way.
      rig.resume('a');
      for (const one of await settled) assert.ok(one.status === 'rejected' && isUnavailable(one.reason));
      await assert.rejects(old.append(payload(4)), isUnavailable);
      assert.ok(old.lost.aborted);
      const entry = await fresh.append(payload(5));
      assert.equal(entry.position, 2);
      await a.reached(2);
      assert.deepEqual(
        (await entriesOf(a)).map(({ payload: bytes }) => bytes.toString()),
        [payload(1).toString(), payload(5).toString()],
      );
      // It may come again.
      const again = owned(a);
      await fresh.resign();
      assert.equal((await (await again).append(payload(6))).position, 3);
    });

    shared('gives up an ownership when the log engine stays out of reach', async (rig) => {
      const [a, b] = [await rig.open('a'), await rig.open('b')];
      const owner = await owned(a);
      await owner.append(payload(1));
      rig.cut('a');
      const cut = owner.append(payload(2));
      await assert.rejects(cut, isUnavailable);
      assert.ok(owner.lost.aborted);
      await assert.rejects(a.barrier(), isUnavailable);
      assert.ok(a.age() > 0);
      assert.equal(a.head, 1);
      const next = await owned(b);
      await next.append(payload(3));
      const silent = a.age();
      rig.heal('a');
      const tail = await a.barrier();
      await a.reached(tail);
      assert.deepEqual(await entriesOf(a), await entriesOf(b));
      assert.ok(a.age() < silent);
    });

    shared('keeps what a quorum of snapshots does not cover', async (rig) => {
      const nodes = [await rig.open('a'), await rig.open('b'), await rig.open('c')];
      const [a, b, c] = nodes as [SharedLog, SharedLog, SharedLog];
      const owner = await owned(a);
      for (let i = 1; i <= 30; i++) await owner.append(payload(i));
      await owner.trim(30);
      assert.equal(owner.tail, 1, 'no replica has said anything');
      assert.deepEqual(await b.replicas(), []);
      await c.covered(0);
      assert.deepEqual(await b.replicas(), ['c']);
      for (const node of nodes) await node.covered(0);
      assert.deepEqual((await b.replicas()).toSorted(), ['a', 'b', 'c']);
      await a.covered(25);
      await owner.trim(30);
      assert.equal(owner.tail, 1, 'one of three is no quorum');
      await b.covered(12);
      await owner.trim(30);
      assert.ok(owner.tail > 1 && owner.tail <= 13, `tail ${owner.tail}`);
      await c.covered(20);
      await owner.trim(18);
      assert.ok(owner.tail > 13 && owner.tail <= 21, `tail ${owner.tail}`);
      const { tail } = owner;
      await owner.append(payload(31));
      await c.reached(31);
      await c.barrier();
      const late = await rig.open('late');
      assert.equal(late.tail, tail);
      assert.equal((await entriesOf(late)).length, 32 - tail);
      await assert.rejects(entriesOf(late, tail - 1), RangeError);
      await assert.rejects(entriesOf(c, 1), RangeError);
    });

    shared('loses a node that was away for longer than entries are kept, but not what comes after', async (rig) => {
      const [a, b] = [await rig.open('a'), await rig.open('b')];
      const owner = await owned(a);
      await owner.append(payload(1));
      await b.reached(1);
      rig.cut('b');
      for (let i = 2; i <= 20; i++) await owner.append(payload(i));
      await a.covered(15);
      await owner.trim(15);
      assert.ok(owner.tail > 10);
      rig.heal('b');
      await b.reached(20);
      assert.equal(b.tail, owner.tail);
      await assert.rejects(entriesOf(b, 2), RangeError);
      assert.deepEqual(await entriesOf(b), await entriesOf(a));
    });

    shared('is one list when nodes take turns', async (rig) => {
      const logs = [await rig.open('a'), await rig.open('b'), await rig.open('c')];
      const acknowledged = new Map<Position, string>();
      const epochs: number[] = [];
      const turns = async (log: SharedLog, name: string): Promise<void> => {
        for (let turn = 0; turn < 4; turn++) {
          const owner = await owned(log);
          epochs.push(owner.epoch);
          const texts = Array.from({ length: 7 }, (_, i) => `${name} ${turn} ${i}`);
          const done = await Promise.all(texts.map((text) => owner.append(Buffer.from(text))));
          for (const [i, { position }] of done.entries()) {
            assert.ok(!acknowledged.has(position));
            acknowledged.set(position, texts[i] as string);
          }
          await owner.resign();
        }
      };
      await Promise.all(logs.map((log, i) => turns(log, String(i))));
      assert.deepEqual(
        epochs,
        epochs.toSorted((x, y) => x - y),
      );
      assert.equal(new Set(epochs).size, 12);
      const lists = await Promise.all(
        logs.map(async (log) => {
          await log.reached(await log.barrier());
          return entriesOf(log);
        }),
      );
      for (const list of lists) assert.deepEqual(list, lists[0]);
      const texts = lists[0]?.map((entry) => [entry.position, entry.payload.toString()] as const);
      assert.deepEqual(new Map(texts), new Map([...acknowledged].sort(([x], [y]) => x - y)));
    });

    shared('ends with its close', async (rig) => {
      const [a, b] = [await rig.open('a'), await rig.open('b')];
      const owner = await owned(a);
      const last = owner.append(payload(1));
      const waiting = assert.rejects(b.reached(99));
      await a.close();
      await a.close();
      assert.equal((await last).position, 1);
      const next = await owned(b);
      assert.equal(next.head, 1);
      await b.close();
      await waiting;
      await assert.rejects(next.append(payload(2)));
      await assert.rejects(b.barrier());
      await assert.rejects(entriesOf(b));
    });
  });
}
