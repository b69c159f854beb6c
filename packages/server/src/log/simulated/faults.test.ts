import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { StoreError } from '../../errors.ts';
import { manualHost, realHost } from '../../host/index.ts';
import { entries, payload } from '../suite.ts';
import type { AppendFate } from './engine.ts';
import { simulatedLog } from './open.ts';

const real = realHost();
const settle = () => new Promise<void>((resolve) => real.timers.soon(resolve));
const never = new AbortController().signal;
const unavailable = (error: StoreError) => error.code === 'ServiceUnavailable';

function make(delay: (node: string) => number = () => 0) {
  const host = manualHost();
  const fates: AppendFate[] = [];
  const log = simulatedLog({ host, replicas: 3, leaseMs: 3000, delay, fate: () => fates.shift() ?? 'heard' });
  const nodes = ['a', 'b', 'c'].map((name) => log.open(name));
  const advance = async (ms: number) => {
    for (let left = ms; left > 0; left -= 100) {
      host.advance(100);
      await settle();
    }
  };
  return { host, log, fates, nodes: nodes as [(typeof nodes)[0], (typeof nodes)[0], (typeof nodes)[0]], advance };
}

describe('a simulated log', () => {
  it('has one owner at a time, whom every node knows, and goes to the next one when he gives it back', async () => {
    const { log, nodes } = make();
    const [a, b, c] = nodes;
    const first = (await a.own(never))!;
    const stop = new AbortController();
    const second = b.own(never);
    const third = c.own(stop.signal);
    await first.append(payload(1));
    await settle();
    assert.deepEqual(b.owner(), { node: 'a', address: 'a:0', epoch: 1 });
    assert.equal(b.head, 1);
    await first.resign();
    assert.ok(first.lost.aborted);
    await assert.rejects(first.append(payload(2)), unavailable);
    const owned = (await second)!;
    assert.equal(log.owner, 'b');
    const entry = await owned.append(payload(2));
    assert.deepEqual([entry.position, entry.epoch], [2, 2]);
    stop.abort();
    assert.equal(await third, undefined);
  });

  it('takes the log from an owner that is cut off, who notices by his own clock', async () => {
    const { nodes, advance } = make();
    const [a, b] = nodes;
    const first = (await a.own(never))!;
    await first.append(payload(1));
    const second = b.own(never);
    a.cut();
    const lost = assert.rejects(first.append(payload(2)), unavailable);
    await assert.rejects(a.barrier(), unavailable);
    await assert.rejects(entries(first, 1), unavailable);
    await advance(2000);
    assert.equal(first.lost.aborted, false);
    await advance(2000);
    assert.ok(first.lost.aborted);
    await lost;
    assert.ok(a.age() >= 4000);
    const owned = (await second)!;
    await owned.append(payload(3));
    a.heal();
    await settle();
    assert.equal(a.age(), 0);
    assert.equal(await a.barrier(), 2);
    await settle();
    assert.equal(a.head, 2);
    assert.deepEqual(a.owner()?.node, 'b');
  });

  it('takes nothing from an owner that stood still and knows nothing of it', async () => {
    const { nodes, advance } = make();
    const [a, b] = nodes;
    const first = (await a.own(never))!;
    const second = b.own(never);
    a.pause();
    await advance(4000);
    assert.equal(first.lost.aborted, false);
    const lost = assert.rejects(first.append(payload(1)), unavailable);
    await (await second)!.append(payload(2));
    a.resume();
    await lost;
    assert.ok(first.lost.aborted);
    assert.deepEqual(
      (await entries((await second)!)).map(({ position }) => position),
      [1],
    );
  });

  it('may have taken what its owner heard nothing of', async () => {
    const { log, fates, nodes } = make();
    const [a] = nodes;
    fates.push('heard', 'unheard');
    const owned = (await a.own(never))!;
    await owned.append(payload(1));
    await assert.rejects(owned.append(payload(2)), unavailable);
    assert.ok(owned.lost.aborted);
    assert.equal(log.head, 2);
    await owned.resign();
    fates.push('lost');
    const next = (await a.own(never))!;
    assert.equal(next.head, 2);
    await assert.rejects(next.append(payload(3)), unavailable);
    assert.equal(log.head, 2);
  });

  it('keeps an entry until more than half of the replicas have a snapshot behind it', async () => {
    const { log, nodes } = make();
    const [a, b, c] = nodes;
    const owned = (await a.own(never))!;
    for (let n = 1; n <= 10; n++) await owned.append(payload(n));
    await owned.trim(8);
    assert.equal(log.tail, 1);
    await b.covered(5);
    assert.equal(log.tail, 1, 'its owner lets go of it');
    await owned.trim(8);
    assert.equal(log.tail, 5);
    await c.covered(9);
    await owned.trim(8);
    assert.equal(log.tail, 8);
    await a.covered(9);
    await assert.rejects(entries(owned, 7), RangeError);
    await owned.trim(10);
    assert.equal(log.tail, 9, 'two of three');
    log.forget('b');
    await a.covered(11);
    await owned.trim(10);
    assert.equal(log.tail, 9, 'two of two');
    await c.covered(11);
    await owned.trim(10);
    assert.equal(log.tail, 11);
  });

  it('lets messages be late, on the time of its host', async () => {
    const { nodes, advance } = make((node) => (node === 'a' ? 200 : 0));
    const [a, b] = nodes;
    let owned = false;
    const owning = a.own(never).then((log) => {
      owned = true;
      return log!;
    });
    await advance(300);
    assert.equal(owned, false);
    await advance(200);
    assert.equal(owned, true);
    const appending = (await owning).append(payload(1));
    await advance(300);
    assert.deepEqual([a.head, b.head], [0, 1]);
    await advance(200);
    assert.equal((await appending).position, 1);
    assert.equal(a.head, 1);
  });

  it('answers barriers that come while one is under way by the next one', async () => {
    const { nodes, advance } = make((node) => (node === 'b' ? 200 : 0));
    const [a, b] = nodes;
    const owned = (await a.own(never))!;
    const first = b.barrier();
    await advance(200);
    await advance(200);
    await owned.append(payload(1));
    const second = b.barrier();
    await advance(1000);
    assert.equal(await second, 1);
    assert.ok((await first) <= 1);
  });
});
