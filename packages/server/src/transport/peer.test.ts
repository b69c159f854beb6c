import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { StoreError } from '../errors.ts';
import { limits } from '../limits.ts';
import { linkedPeer } from './peer.ts';
import { newPools } from './pool.ts';
import { calleeOn, simulation } from './simulated.fixture.ts';
import type { Peer, Serve } from './types.ts';
import { MemoryWire } from './wire.fixture.ts';

const empty = Buffer.alloc(0);

/** A peer that reaches a callee over wires in memory, as often as it dials and the network lets it. */
function network(serve: Serve, seed = 1) {
  const simulated = simulation(seed);
  const { host } = simulated;
  const state = { up: true, dials: [] as number[], wires: [] as MemoryWire[] };
  const pools = { near: newPools(4 * limits.linkBodyBytes), far: newPools(4 * limits.linkBodyBytes) };
  const errors: unknown[] = [];
  const peer: Peer = linkedPeer({
    node: 'far',
    host,
    pools: pools.near,
    onError: (cause) => errors.push(cause),
    onClosed: () => {},
    dial: async () => {
      state.dials.push(host.clock.monotonic());
      if (!state.up) throw new Error('connection refused');
      const [near, far] = MemoryWire.pair(host.timers);
      calleeOn(far, simulated, serve, pools.far);
      state.wires.push(near);
      return { wire: near };
    },
  });
  const cut = () => {
    for (const wire of state.wires.splice(0)) wire.destroy();
  };
  return { ...simulated, state, pools, peer, cut, errors };
}

describe('a peer', () => {
  it('connects at its first call, once for all that wait', async () => {
    const { peer, state, pass } = network(async ({ head }) => ({ head }));
    await pass(50);
    assert.equal(state.dials.length, 0);
    const calls = Promise.all([1, 2, 3].map((i) => peer.call('m', Buffer.from([i]))));
    await pass(20);
    assert.deepEqual(
      (await calls).map(({ head }) => head[0]),
      [1, 2, 3],
    );
    assert.equal(state.dials.length, 1);
  });

  it('tries again after pauses that grow, are drawn at random and have an end', async () => {
    const gaps = async (seed: number) => {
      const { peer, state, pass, errors } = network(async ({ head }) => ({ head }), seed);
      state.up = false;
      const call = assert.rejects(peer.call('m', empty), /cannot be reached: connection refused/);
      await pass(60_000, 5);
      await call;
      assert.equal(peer.reachable, false);
      await assert.rejects(peer.call('m', empty), (cause) => cause instanceof StoreError && cause.retryAfter === 1);
      assert.equal(errors.length, 1, 'told more than once');
      const found = state.dials.slice(1).map((at, i) => at - (state.dials[i] as number));
      state.up = true;
      await pass(limits.linkRetryMostMs, 5);
      assert.equal(peer.reachable, true);
      return found;
    };
    const [first, second] = [await gaps(1), await gaps(2)];
    for (const found of [first, second])
      for (const [i, gap] of found.entries()) {
        const longest = Math.min(limits.linkRetryMostMs, limits.linkRetryMs * 2 ** i);
        assert.ok(gap >= longest / 2 - 5 && gap <= longest + 5, `pause ${i}: ${gap} ms`);
      }
    assert.notDeepEqual(first, second);
  });

  it('is connected again at once after a break, but not again and again', async () => {
    const { peer, state, pass, cut } = network(async ({ head }) => ({ head }));
    const warm = peer.call('m', empty);
    await pass(limits.linkRetryMostMs + 20, 5);
    await warm;
    cut();
    await pass(10);
    assert.equal(state.dials.length, 2);
    for (let i = 0; i < 200; i++) {
      cut();
      await pass(10);
    }
    assert.ok(state.dials.length < 12, `${state.dials.length} dials in two seconds`);
  });

  it('gives up waiting for a link at the deadline of the call, and when its signal aborts', async () => {
    const { host, pass } = simulation();
    const peer = linkedPeer({
      node: 'far',
      host,
      pools: newPools(),
      onError: () => {},
      onClosed: () => {},
      dial: () => new Promise(() => {}),
    });
    const control = new AbortController();
    const late = assert.rejects(peer.call('m', empty, { deadlineMs: 30 }), /did not answer within 30 ms/);
    const aborted = assert.rejects(peer.call('m', empty, { signal: control.signal }), /enough/);
    await pass(10);
    control.abort(new Error('enough'));
    await aborted;
    await pass(30);
    await late;
    await peer.close();
  });

  it('answers each call once or fails it, runs none twice, and leaves no memory behind, whatever breaks', async () => {
    const step = fc.oneof(
      {
        weight: 8,
        arbitrary: fc.record({
          kind: fc.constant('call' as const),
          size: fc.constantFrom(0, 10, 70_000, 700_000, 3_000_000),
          wait: fc.nat(30),
          deadlineMs: fc.option(fc.integer({ min: 1, max: 60 })),
        }),
      },
      {
        weight: 3,
        arbitrary: fc.record({
          kind: fc.constant('stream' as const),
          pieces: fc.nat(40),
          size: fc.constantFrom(0, 100, 60_000, 900_000),
          stop: fc.nat(60),
        }),
      },
      { weight: 2, arbitrary: fc.record({ kind: fc.constant('cancel' as const), which: fc.nat(20) }) },
      { weight: 1, arbitrary: fc.record({ kind: fc.constant('cut' as const) }) },
      { weight: 1, arbitrary: fc.record({ kind: fc.constant('up' as const), up: fc.boolean() }) },
      { weight: 6, arbitrary: fc.record({ kind: fc.constant('pass' as const), milliseconds: fc.nat(40) }) },
    );
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 40 }), fc.nat(), async (steps, seed) => {
        const runs = new Map<number, number>();
        const net = network(async ({ head, body, method, signal }) => {
          const id = head.readUInt32LE(0);
          runs.set(id, (runs.get(id) ?? 0) + 1);
          const [wait, count, size] = [head.readUInt32LE(4), head.readUInt32LE(8), head.readUInt32LE(12)];
          if (method === 'stream') {
            return {
              head: empty,
              stream: (async function* () {
                for (let i = 0; i < count && !signal.aborted; i++) yield Buffer.alloc(size, i);
              })(),
            };
          }
          await net.host.timers.sleep(wait);
          return { head: head.subarray(0, 4), body: [body] };
        }, seed);
        const controls: AbortController[] = [];
        const outcomes: Promise<void>[] = [];
        const begin = (...numbers: number[]) => {
          const head = Buffer.alloc(16);
          const id = outcomes.length;
          for (const [i, number] of [id, ...numbers].entries()) head.writeUInt32LE(number, i * 4);
          const control = new AbortController();
          controls.push(control);
          return { id, head, control };
        };
        const failing = (cause: unknown) => {
          const known = cause instanceof StoreError && cause.code === 'ServiceUnavailable';
          assert.ok(known || String(cause).includes('cancelled'), String(cause));
        };
        const call = async (size: number, wait: number, deadlineMs: number | null) => {
          const { id, head, control } = begin(wait);
          const body = Buffer.alloc(size, id + 1);
          const options = { body: [body], signal: control.signal, ...(deadlineMs !== null && { deadlineMs }) };
          const answer = await net.peer.call('call', head, options);
          assert.equal(answer.head.readUInt32LE(), id, 'the answer to another call');
          assert.ok(answer.body.equals(body), 'the body of another call');
        };
        const stream = async (pieces: number, size: number, stop: number) => {
          const { head, control } = begin(0, pieces, size);
          let next = 0;
          for await (const piece of net.peer.stream('stream', head, { signal: control.signal })) {
            assert.deepEqual([piece.length, piece[0] ?? next], [size, next]);
            if (++next === stop) return;
          }
          assert.equal(next, pieces);
        };
        for (const one of steps) {
          if (one.kind === 'call') outcomes.push(call(one.size, one.wait, one.deadlineMs).catch(failing));
          else if (one.kind === 'stream') outcomes.push(stream(one.pieces, one.size, one.stop).catch(failing));
          else if (one.kind === 'cancel') controls[one.which]?.abort(new Error('cancelled'));
          else if (one.kind === 'cut') net.cut();
          else if (one.kind === 'up') net.state.up = one.up;
          else await net.pass(one.milliseconds);
        }
        net.state.up = true;
        let settled = false;
        const all = Promise.all(outcomes).then(() => (settled = true));
        for (let i = 0; i < 300 && !settled; i++) await net.pass(10);
        assert.ok(settled, 'a call never ended');
        await all;
        await net.pass(100);
        assert.ok(
          [...runs.values()].every((count) => count === 1),
          'a call ran twice',
        );
        const used = [net.pools.near, net.pools.far].flatMap(({ first, rest }) => [first.used, rest.used]);
        assert.deepEqual(used, [0, 0, 0, 0]);
        await net.peer.close();
        await net.pass(10);
      }),
      { numRuns: 60 },
    );
  });
});
