import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { StoreError } from '../errors.ts';
import { limits } from '../limits.ts';
import { frameFlags, frameTypes, headerBytes, putHeader, smallFrame } from './frames.ts';
import { encodeHello, ownHello } from './hello.ts';
import { encodeAnswer, encodeCall, encodeCredit } from './messages.ts';
import { newPools } from './pool.ts';
import { calleeOn, callerOn, RawEnd, simulation } from './simulated.fixture.ts';
import type { Answer } from './types.ts';
import { MemoryWire } from './wire.fixture.ts';

const empty = Buffer.alloc(0);
const never = () => new Promise<Answer>(() => {});
const callFrame = (id: number, bodyBytes: number, body: readonly Uint8Array[] = [], deadlineMs = 0) =>
  encodeCall(id, false, { method: 'm', head: empty, body, bodyBytes, window: 1000, deadlineMs }).pieces;
const bodyFrame = (id: number, bytes: Uint8Array, flags = 0): Buffer => {
  const frame = Buffer.alloc(headerBytes + bytes.length);
  putHeader(frame, 0, frameTypes.body, flags, id, bytes.length);
  frame.set(bytes, headerBytes);
  return frame;
};

/** A callee whose caller is driven by hand. */
async function served(serve = never as () => Promise<Answer>, pools = newPools()) {
  const simulated = simulation();
  const [near, far] = MemoryWire.pair(simulated.host.timers);
  const callee = calleeOn(near, simulated, serve, pools);
  const raw = new RawEnd(far);
  raw.hello();
  await simulated.pass(5);
  return { ...simulated, ...callee, raw };
}

/** A caller whose callee is driven by hand. */
async function calling(validUntilMs?: number) {
  const simulated = simulation();
  const [near, far] = MemoryWire.pair(simulated.host.timers);
  const caller = callerOn(near, simulated, newPools(), validUntilMs);
  const raw = new RawEnd(far);
  raw.hello();
  await simulated.pass(5);
  return { ...simulated, ...caller, raw };
}

describe('a link', () => {
  it('ends at whatever a caller must not send', async () => {
    const large = Buffer.alloc(limits.linkFrameBytes);
    const violations: Record<string, readonly Uint8Array[]> = {
      'a second hello': [encodeHello(ownHello)],
      'an answer': encodeAnswer(1, false, empty, [], 0).pieces,
      'a call twice': [...callFrame(5, 0), ...callFrame(5, 0)],
      'a call with an older id': [...callFrame(5, 0), ...callFrame(4, 0)],
      'a frame of a call never made': [smallFrame(frameTypes.cancel, 9)],
      'a body never announced': [...callFrame(1, 0), bodyFrame(1, Buffer.alloc(1))],
      'a body longer than announced': [...callFrame(1, 100_000), bodyFrame(1, large), bodyFrame(1, large)],
      'a body beyond its window': [...callFrame(1, limits.linkWindowBytes * 8), ...Array(9).fill(bodyFrame(1, large))],
      'an empty piece of a body': [...callFrame(1, 100_000), bodyFrame(1, empty)],
      'a body beyond all bounds': callFrame(1, limits.linkBodyBytes + 1),
      'half a body in its call': [withLength(callFrame(1, 4, [Buffer.alloc(4)]), -2)],
      'a frame of an unknown type': [smallFrame(77 as never, 1)],
      'a frame that is too long': [header(frameTypes.body, 1, limits.linkFrameBytes + 1)],
    };
    for (const [what, bytes] of Object.entries(violations)) {
      // No room beyond first windows: what is above them must wait.
      const pools = { first: newPools().first, rest: newPools(1).rest };
      const { raw, link, ends, pass } = await served(never, pools);
      assert.equal(link.closed, false);
      raw.send(...bytes);
      await pass(10);
      assert.equal(link.closed, true, `${what} did not end the link`);
      assert.equal(ends.length, 1);
      assert.ok(ends[0] instanceof StoreError && ends[0].code === 'ServiceUnavailable');
      assert.equal(pools.first.used + pools.rest.used, 0, `${what} left memory behind`);
    }
  });

  it('ends at whatever a callee must not send', async () => {
    const violations: Record<string, readonly Uint8Array[]> = {
      'a call': callFrame(1, 0),
      'an answer to no call': encodeAnswer(2, false, empty, [], 0).pieces,
      'two answers': [
        ...encodeAnswer(1, false, empty, [], 70_000).pieces,
        ...encodeAnswer(1, false, empty, [], 0).pieces,
      ],
      'a stream that was not asked for': encodeAnswer(1, true, empty, [], 0).pieces,
      'the end of no stream': [smallFrame(frameTypes.end, 1)],
      'a body without an answer': [bodyFrame(1, Buffer.alloc(1))],
      'a body longer than said': [
        ...encodeAnswer(1, false, empty, [], 70_000).pieces,
        ...Array(2).fill(bodyFrame(1, Buffer.alloc(60_000))),
      ],
    };
    for (const [what, bytes] of Object.entries(violations)) {
      const { raw, side, link, pools, pass } = await calling();
      const call = side.call('m', empty, {});
      call.catch(() => {});
      raw.send(...bytes);
      await pass(10);
      assert.equal(link.closed, true, `${what} did not end the link`);
      await assert.rejects(call, (cause) => cause instanceof StoreError && cause.code === 'ServiceUnavailable');
      assert.equal(pools.first.used + pools.rest.used, 0, `${what} left memory behind`);
    }
  });

  it('holds a stream to its window, empty pieces too', async () => {
    for (const size of [0, 50_000]) {
      const { raw, side, link, pass } = await calling();
      const { answer, cancel } = side.stream('m', empty, {});
      raw.send(...encodeAnswer(1, true, empty, [], 0).pieces);
      const frame = bodyFrame(1, Buffer.alloc(size), frameFlags.last);
      const fitting = Math.floor(limits.linkWindowBytes / frame.length);
      raw.send(...Array(fitting).fill(frame));
      await pass(5);
      assert.equal(link.closed, false);
      raw.send(frame);
      await pass(5);
      assert.equal(link.closed, true, `more than a window of pieces of ${size} bytes was taken`);
      assert.equal((await answer.next())?.length, size);
      cancel();
    }
  });

  it('sends of a body what its window and credit allow, and no more', async () => {
    const { raw, side, pass } = await calling();
    const whole = limits.linkWindowBytes + 100_000;
    const call = side.call('m', empty, { body: [Buffer.alloc(whole)] });
    const sent = () => raw.of(frameTypes.body).reduce((sum, { payload }) => sum + payload.length, 0);
    await pass(20);
    assert.equal(sent(), limits.linkWindowBytes);
    raw.send(encodeCredit(1, 5));
    await pass(20);
    assert.equal(sent(), limits.linkWindowBytes + 5);
    raw.send(encodeCredit(1, 99_995));
    await pass(20);
    assert.equal(sent(), whole);
    raw.send(...encodeAnswer(1, false, empty, [], 0).pieces);
    await pass(5);
    await call;
  });

  it('hears nothing of a call that was given up, and everything of the others', async () => {
    const { raw, side, pass, link } = await calling();
    const control = new AbortController();
    const first = side.call('m', empty, { signal: control.signal });
    const second = side.call('m', empty, {});
    control.abort(new Error('enough'));
    await assert.rejects(first, /enough/);
    await pass(5);
    assert.deepEqual(
      raw.of(frameTypes.cancel).map(({ id }) => id),
      [1],
    );
    raw.send(...encodeAnswer(1, false, Buffer.from('late'), [], 0).pieces);
    raw.send(...encodeAnswer(2, false, Buffer.from('right'), [], 0).pieces);
    await pass(5);
    assert.equal(String((await second).head), 'right');
    assert.equal(link.closed, false);
  });

  it('gives each call a deadline that the other side keeps too', async () => {
    const { raw, pass, pools } = await served();
    raw.send(...callFrame(1, 10, [Buffer.alloc(10)], 50), ...callFrame(2, 70_000, [], 80));
    await pass(45);
    assert.deepEqual(raw.of(frameTypes.fail), []);
    await pass(10);
    assert.deepEqual(
      raw.of(frameTypes.fail).map(({ id }) => id),
      [1],
    );
    await pass(40);
    assert.deepEqual(
      raw.of(frameTypes.fail).map(({ id }) => id),
      [1, 2],
    );
    // The first is still being served, and its body in use; the second never arrived.
    assert.equal(pools.first.used, 10);
  });

  it('says how much is left of a deadline', async () => {
    const { raw, side, pass } = await calling();
    const call = side.call('m', empty, { deadlineMs: 1234 });
    call.catch(() => {});
    await pass(5);
    const [frame] = raw.of(frameTypes.call);
    assert.ok(frame?.payload.includes(Buffer.from([1, 109, 0xd2, 0x09])), 'method m, 1234 ms as a varint');
    await pass(1300);
    await assert.rejects(call, /did not answer within 1234 ms/);
  });

  it('is dead after silence, and not before', async () => {
    const { raw, link, pass } = await calling();
    raw.wire.frozen = true;
    await pass(limits.linkDeadMs - limits.linkPingMs, 10);
    assert.equal(link.closed, false);
    await pass(3 * limits.linkPingMs, 10);
    assert.equal(link.closed, true);
    assert.ok(raw.of(frameTypes.ping).length >= 2);
  });

  it('lives as long as the other side answers', async () => {
    const simulated = simulation();
    const [near, far] = MemoryWire.pair(simulated.host.timers);
    const caller = callerOn(near, simulated);
    const callee = calleeOn(far, simulated, never);
    await simulated.pass(20 * limits.linkDeadMs, 20);
    assert.deepEqual([caller.link.closed, callee.link.closed], [false, false]);
  });

  it('is not dead because this thread paused', async () => {
    const { host, link, pass, raw } = await calling();
    await pass(2 * limits.linkPingMs, 10);
    // A pause: time went on, and what arrived meanwhile was not read yet when the timer ran.
    const { monotonic } = host.clock;
    host.clock.monotonic = () => monotonic() + 10 * limits.linkDeadMs;
    await pass(limits.linkPingMs, 10);
    assert.equal(link.closed, false);
    raw.send(smallFrame(frameTypes.pong, 0, Buffer.alloc(8)));
    await pass(limits.linkPingMs, 10);
    assert.equal(link.closed, false);
  });

  it('ends when nobody says hello, and when the certificate of the other side expires', async () => {
    const simulated = simulation();
    const [near] = MemoryWire.pair(simulated.host.timers);
    const silent = callerOn(near, simulated);
    await simulated.pass(limits.linkConnectMs + 5, 5);
    assert.match(silent.ends[0]?.message ?? '', /did not say hello/);
    const { host } = simulation();
    const { link, ends, raw, pass } = await calling(host.clock.now() + 10_000);
    for (let i = 0; i < 6 && !link.closed; i++) {
      raw.send(smallFrame(frameTypes.ping, 0, Buffer.alloc(8)));
      await pass(limits.linkPingMs, 10);
    }
    assert.match(ends[0]?.message ?? '', /certificate of the other side has expired/);
  });

  it('answers pings one at a time, and reads no more calls than it can answer', async () => {
    const { raw, pass, link } = await served(async () => ({ head: Buffer.alloc(40_000) }));
    raw.wire.pause();
    const before = raw.frames.length;
    raw.send(...Array(10_000).fill(smallFrame(frameTypes.ping, 0, Buffer.alloc(8))));
    let id = 1;
    for (let round = 0; round < 60; round++) {
      for (let i = 0; i < 20; i++) raw.send(...callFrame(id++, 0));
      await pass(5);
    }
    const unread = Number(id) - 1;
    raw.wire.resume();
    await pass(2000);
    assert.ok(raw.of(frameTypes.pong).length < 50, `${raw.of(frameTypes.pong).length} pongs`);
    assert.equal(raw.of(frameTypes.answer).length + raw.of(frameTypes.fail).length, unread);
    assert.ok(raw.frames.length > before && !link.closed);
  });

  it('lets a body wait for memory, and refuses it when there is none for its beginning', async () => {
    const bytes = limits.linkWindowBytes + 100_000;
    const pools = { first: newPools(limits.linkWindowBytes + 100).first, rest: newPools(150_000).rest };
    const { raw, pass } = await served(async () => ({ head: empty }), pools);
    raw.send(...callFrame(1, bytes), ...callFrame(2, 1000, [Buffer.alloc(1000)]), ...callFrame(3, 0));
    await pass(5);
    assert.deepEqual(
      raw.of(frameTypes.credit).map(({ id, payload }) => [id, payload.readUInt32LE()]),
      [[1, 100_000]],
    );
    assert.deepEqual(
      raw.of(frameTypes.fail).map(({ id }) => id),
      [2],
    );
    assert.deepEqual(
      raw.of(frameTypes.answer).map(({ id }) => id),
      [3],
    );
    for (let sent = 0; sent < bytes; sent += 60_000)
      raw.send(bodyFrame(1, Buffer.alloc(Math.min(60_000, bytes - sent))));
    await pass(5);
    assert.deepEqual(
      raw.of(frameTypes.answer).map(({ id }) => id),
      [3, 1],
    );
    assert.deepEqual([pools.first.used, pools.rest.used], [0, 0]);
  });
});

function header(type: 4, id: number, length: number): Buffer {
  const bytes = Buffer.alloc(headerBytes);
  putHeader(bytes, 0, type, 0, id, length);
  return bytes;
}

/** The frame with its payload made longer or shorter. */
function withLength(pieces: readonly Uint8Array[], change: number): Buffer {
  const frame = Buffer.concat(pieces);
  const payload = frame.subarray(headerBytes, frame.length + Math.min(0, change));
  const out = Buffer.concat([frame.subarray(0, headerBytes), payload]);
  out.writeUInt32LE(payload.length, 8);
  return out;
}
