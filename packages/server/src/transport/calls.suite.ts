import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { it } from 'node:test';
import { StoreError } from '../errors.ts';
import { patienceMs, until } from '../host/patience.support.ts';
import { limits } from '../limits.ts';
import { host } from './cluster.fixture.ts';
import { echo, empty, MiB, refusal, rig, sleep } from './suite.fixture.ts';
import type { Product } from './suite.ts';
import type { Answer, IncomingCall } from './types.ts';

const digest = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex');

/** Calls, answers and streams. */
export function describeCalls(product: Product): void {
  const { reported, pair } = rig(product);

  it('carries heads and bodies of every size, whole and unchanged', async () => {
    const { peer } = await pair(echo);
    const sizes = [0, 1, 11, 12, 13, 1000, 16_384, 65_535, 65_536, 65_537, 200_000, limits.linkWindowBytes];
    sizes.push(limits.linkWindowBytes + 1, MiB, 5 * MiB + 7, 16 * MiB);
    for (const size of sizes) {
      const body = host.entropy.bytes(size);
      const head = host.entropy.bytes(Math.min(size, limits.linkHeadBytes));
      const answer = await peer.call('echo', head, { body: [body.subarray(0, 5), body.subarray(5)] });
      assert.ok(answer.head.equals(head), `head at ${size}`);
      assert.equal(digest(answer.body), digest(body), `body of ${size}`);
    }
  });

  it('tells the callee who calls and what', async () => {
    let seen: IncomingCall | undefined;
    const { peer } = await pair(async (call) => {
      seen = call;
      return { head: empty };
    });
    await peer.call('some.method', Buffer.from('head'), { body: [Buffer.from('bo'), Buffer.from('dy')] });
    assert.equal(seen?.node, 'client');
    assert.equal(seen?.method, 'some.method');
    assert.deepEqual([String(seen?.head), String(seen?.body)], ['head', 'body']);
    assert.equal(seen?.signal.aborted, false);
  });

  it('keeps hundreds of calls apart, whatever the order of their answers', async () => {
    const { peer } = await pair(async ({ head, body }) => {
      await sleep((head.readUInt32LE() * 7) % 23);
      return { head, body: [body, Buffer.from([1])] };
    });
    const calls = Array.from({ length: 600 }, async (_, i) => {
      const head = Buffer.alloc(4);
      head.writeUInt32LE(i);
      const body = Buffer.alloc((i * 977) % 150_000, i);
      const answer = await peer.call('mixed', head, { body: [body] });
      assert.equal(answer.head.readUInt32LE(), i);
      assert.ok(answer.body.equals(Buffer.concat([body, Buffer.from([1])])), `body of ${i}`);
    });
    await Promise.all(calls);
  });

  it('lets a small call overtake large ones, in both directions', async () => {
    const large = Buffer.alloc(24 * MiB, 'l');
    const { peer } = await pair(async ({ method }) => ({ head: empty, body: method === 'get' ? [large] : [] }));
    await peer.call('warm', empty);
    const order: string[] = [];
    const get = peer.call('get', empty).then(() => order.push('get'));
    const put = peer.call('put', empty, { body: [large] }).then(() => order.push('put'));
    for (let i = 0; i < 5; i++) await peer.call('small', empty).then(() => order.push('small'));
    await Promise.all([get, put]);
    assert.deepEqual(order.slice(0, 5), Array(5).fill('small'));
  });

  it('streams pieces as they were given, empty and large ones too', async () => {
    const sizes = [0, 1, 0, 70_000, 12, limits.linkWindowBytes * 2 + 3, 0, 5];
    const pieces = sizes.map((size, i) => Buffer.alloc(size, i + 1));
    const { peer } = await pair(async () => ({
      head: empty,
      body: [Buffer.from('body')],
      stream: (async function* () {
        yield* pieces;
      })(),
    }));
    const got: Buffer[] = [];
    for await (const piece of peer.stream('pieces', empty)) got.push(piece);
    assert.deepEqual(
      got.map(({ length }) => length),
      [4, ...sizes],
    );
    assert.ok(Buffer.concat(got).equals(Buffer.concat([Buffer.from('body'), ...pieces])));
  });

  it('gives a stream only as fast as it is taken', async () => {
    let given = 0;
    const { peer } = await pair(async () => ({
      head: empty,
      stream: (async function* () {
        for (let i = 0; i < 2000; i++) {
          given++;
          yield Buffer.alloc(16_384, i);
        }
      })(),
    }));
    const stream = peer.stream('slow', empty)[Symbol.asyncIterator]();
    await stream.next();
    await sleep(300);
    const most = (limits.linkWindowBytes + 4 * limits.linkFrameBytes) / 16_384;
    assert.ok(given <= most, `${given} pieces were drawn for one that was taken`);
    let rest = 0;
    for (let next = await stream.next(); !next.done; next = await stream.next()) rest++;
    assert.equal(rest, 1999);
  });

  it('ends the stream on the other side when its reading ends', async () => {
    let ended = false;
    let signal: AbortSignal | undefined;
    const { peer } = await pair(async (call) => {
      signal = call.signal;
      return {
        head: empty,
        stream: (async function* () {
          try {
            for (let i = 0; ; i++) yield Buffer.alloc(1000, i);
          } finally {
            ended = true;
          }
        })(),
      };
    });
    for await (const _ of peer.stream('endless', empty)) break;
    await until(() => ended && signal?.aborted === true, 'the stream ended');
  });

  it('carries errors with all they say, and hides those that are none of the caller', async () => {
    const { peer } = await pair(async ({ method }) => {
      if (method === 'bug') throw new TypeError('inner secret');
      throw new StoreError('StorageFull', {
        message: 'full here',
        resource: 'b/k',
        detail: { Device: 'd1', Free: '0' },
        retryAfter: 7,
        cause: new Error('inner secret'),
      });
    });
    await assert.rejects(peer.call('full', empty), (cause) => {
      assert.ok(cause instanceof StoreError);
      assert.deepEqual(
        [cause.code, cause.message, cause.resource, cause.detail, cause.retryAfter],
        ['StorageFull', 'full here', 'b/k', { Device: 'd1', Free: '0' }, 7],
      );
      return true;
    });
    assert.deepEqual(reported(), []);
    await assert.rejects(peer.call('bug', empty), (cause) => {
      assert.ok(refusal('InternalError')(cause));
      assert.ok(!String(cause).includes('secret'));
      return true;
    });
    assert.deepEqual(reported(), ['TypeError']);
  });

  it('carries an error in the middle of a stream, behind the pieces before it', async () => {
    const { peer } = await pair(async () => ({
      head: empty,
      stream: (async function* () {
        yield Buffer.from('first');
        await sleep(20);
        throw new StoreError('Damaged', { message: 'gone' });
      })(),
    }));
    const got: string[] = [];
    await assert.rejects(async () => {
      for await (const piece of peer.stream('broken', empty)) got.push(String(piece));
    }, refusal('Damaged'));
    assert.deepEqual(got, ['first']);
  });

  it('ends a call at its deadline, on both sides', async () => {
    let signal: AbortSignal | undefined;
    const { peer } = await pair(async (call) => {
      if (call.method === 'warm') return { head: empty };
      signal = call.signal;
      return new Promise<Answer>(() => {});
    });
    await peer.call('warm', empty);
    await assert.rejects(peer.call('never', empty, { deadlineMs: 80 }), refusal('ServiceUnavailable'));
    await until(() => signal?.aborted === true, 'the callee heard of the deadline');
    await peer.call('warm', empty, { deadlineMs: patienceMs });
  });

  it('gives a call up on both sides when its signal aborts', async () => {
    let signal: AbortSignal | undefined;
    const { peer } = await pair(async (call) => {
      signal = call.signal;
      return new Promise<Answer>(() => {});
    });
    const control = new AbortController();
    const call = peer.call('never', empty, { signal: control.signal });
    await until(() => signal !== undefined, 'the call arrived');
    const reason = new Error('not wanted any more');
    control.abort(reason);
    await assert.rejects(call, reason);
    await until(() => signal?.aborted === true, 'the callee heard of it');
    await assert.rejects(peer.call('never', empty, { signal: AbortSignal.abort(reason) }), reason);
  });

  it('refuses what is larger than its bound, before anything is sent', async () => {
    const { peer } = await pair(async ({ method }) => ({
      head: method === 'head' ? Buffer.alloc(limits.linkHeadBytes + 1) : empty,
      body: method === 'body' ? [Buffer.alloc(limits.linkBodyBytes + 1)] : [],
    }));
    await assert.rejects(peer.call('x', Buffer.alloc(limits.linkHeadBytes + 1)), RangeError);
    await assert.rejects(peer.call('x'.repeat(limits.linkMethodBytes + 1), empty), RangeError);
    await assert.rejects(peer.call('x', empty, { body: [Buffer.alloc(limits.linkBodyBytes + 1)] }), RangeError);
    assert.deepEqual(reported(), []);
    for (const method of ['head', 'body'])
      await assert.rejects(peer.call(method, empty), refusal('InternalError'), method);
    assert.deepEqual(reported(), ['RangeError', 'RangeError']);
    await peer.call('fine', empty);
  });

  it('refuses more calls at once than a link may carry', async () => {
    let release = () => {};
    let held = 0;
    const gate = new Promise<void>((resolve) => (release = resolve));
    const { peer } = await pair(async () => {
      held++;
      await gate;
      return { head: empty };
    });
    const calls = Array.from({ length: limits.linkCalls }, () => peer.call('held', empty));
    await until(() => held === limits.linkCalls, 'all calls arrived');
    await assert.rejects(peer.call('one more', empty), refusal('SlowDown'));
    release();
    await Promise.all(calls);
    await peer.call('again', empty);
  });

  it('refuses a stream where a whole answer was asked for', async () => {
    const { peer } = await pair(async () => ({
      head: empty,
      stream: (async function* () {
        yield empty;
      })(),
    }));
    await assert.rejects(peer.call('stream', empty), refusal('InternalError'));
  });
}
