import assert from 'node:assert/strict';
import { StoreError } from '../../src/errors.ts';
import { limits } from '../../src/limits.ts';
import {
  FrameDecoder,
  frameFlags,
  frameTypes,
  headerBytes,
  LinkError,
  putHeader,
  smallFrame,
} from '../../src/transport/frames.ts';
import { encodeHello, ownHello } from '../../src/transport/hello.ts';
import { encodeAnswer, encodeCall, encodeCredit, encodeFailure } from '../../src/transport/messages.ts';
import { newPools } from '../../src/transport/pool.ts';
import { calleeOn, callerOn, RawEnd, simulation } from '../../src/transport/simulated.fixture.ts';
import { MemoryWire } from '../../src/transport/wire.fixture.ts';
import type { Dice } from '../dice.ts';
import type { Target } from '../target.ts';

/*
 * What another node sends over a link, behind a byte that says whether it is sent to the side that serves or to the one that calls. Frames do not
 * depend on how the stream was cut; whatever comes ends at most the link; no call is served twice, no answer is taken for another call's, and no
 * memory stays behind.
 */

const empty = Buffer.alloc(0);
const toCallee = 0;
const toCaller = 1;

/** In pieces of all sizes, but not too many. */
function cut(stream: Buffer, dice: Dice): Buffer[] {
  const chunks: Buffer[] = [];
  const least = Math.ceil(stream.length / 60);
  for (let at = 0; at < stream.length; ) {
    const end = Math.min(stream.length, at + least + dice.below(dice.pick([1, 13, 100, 5000])));
    chunks.push(stream.subarray(at, end));
    at = end;
  }
  return chunks;
}

/** The frames of a stream, and what ended it. */
function framesOf(chunks: readonly Buffer[]): unknown[] {
  const found: unknown[] = [];
  let body: Buffer[] = [];
  let announced = 0;
  const decoder = new FrameDecoder({
    frame: (type, flags, id, payload) => {
      assert.ok(payload.length <= limits.linkFrameBytes);
      found.push([type, flags, id, payload.toString('latin1')]);
    },
    body: (flags, id, bytes, rest) => {
      if (body.length === 0) announced = bytes.length + rest;
      assert.ok(announced <= limits.linkFrameBytes);
      body.push(bytes);
      if (rest > 0) return;
      const whole = Buffer.concat(body);
      assert.equal(whole.length, announced);
      found.push([frameTypes.body, flags, id, whole.toString('latin1')]);
      body = [];
    },
  });
  try {
    for (const chunk of chunks) decoder.push(chunk);
  } catch (error) {
    assert.ok(error instanceof LinkError, String(error));
    found.push(error.message);
  }
  return found;
}

async function intoCallee(chunks: readonly Buffer[]): Promise<void> {
  const simulated = simulation();
  const [near, far] = MemoryWire.pair(simulated.host.timers);
  const served = new Set<Buffer>();
  let running = 0;
  const { pools, errors } = calleeOn(near, simulated, async ({ head, body, method, signal }) => {
    assert.ok(!served.has(head), 'served twice');
    served.add(head);
    running++;
    if (method === 'wait') await simulated.host.timers.sleep(3, signal);
    running--;
    if (method === 'fail') throw new StoreError('NoSuchKey');
    const stream = (async function* () {
      yield* [head, body];
    })();
    return method === 'stream' ? { head, stream } : { head, body: [body] };
  });
  const raw = new RawEnd(far);
  for (const chunk of chunks) raw.send(chunk);
  await simulated.pass(6);
  raw.wire.destroy();
  await simulated.pass(6);
  assert.deepEqual([pools.first.used, pools.rest.used, running], [0, 0, 0]);
  for (const error of errors) assert.match(String(error), /for a whole answer/);
}

async function intoCaller(chunks: readonly Buffer[]): Promise<void> {
  const simulated = simulation();
  const [near, far] = MemoryWire.pair(simulated.host.timers);
  const pools = newPools();
  const { side } = callerOn(near, simulated, pools);
  const raw = new RawEnd(far);
  raw.hello();
  await simulated.pass(3);
  let settled = 0;
  const known = (error: unknown) => assert.ok(error instanceof StoreError, String(error));
  const whole = side.call('whole', empty, {}).then(() => {}, known);
  const { answer, cancel } = side.stream('stream', empty, {});
  const read = async () => {
    for (let piece = await answer.next(); piece; piece = await answer.next())
      assert.ok(piece.length <= limits.linkPieceBytes);
  };
  const stream = read().catch(known).finally(cancel);
  for (const one of [whole, stream]) void one.finally(() => settled++);
  for (const chunk of chunks) raw.send(chunk);
  await simulated.pass(5);
  raw.wire.destroy();
  await simulated.pass(5);
  await Promise.all([whole, stream]);
  assert.equal(settled, 2);
  assert.deepEqual([pools.first.used, pools.rest.used], [0, 0]);
}

function body(id: number, bytes: Uint8Array, flags = 0): Buffer {
  const frame = Buffer.alloc(headerBytes + bytes.length);
  putHeader(frame, 0, frameTypes.body, flags, id, bytes.length);
  frame.set(bytes, headerBytes);
  return frame;
}

function call(id: number, method: string, bodyBytes: number, given: readonly Uint8Array[] = [], deadlineMs = 0) {
  const stream = method === 'stream';
  return encodeCall(id, stream, { method, head: Buffer.from('head'), body: given, bodyBytes, window: 5000, deadlineMs })
    .pieces;
}

export const target: Target = {
  name: 'link',
  maximum: 3 * limits.linkFrameBytes,
  words: [
    'DSOMLINK',
    '\x02\0\0\0',
    '\x04\0\0\0',
    '\x04\x02\0\0',
    '\x08\0\0\0',
    '\xff\xff\xff\xff',
    '\0\0\x01\0',
    'stream',
    'wait',
  ],
  seeds() {
    const hello = encodeHello(ownHello);
    const mib = 1024 * 1024;
    const streams: readonly (readonly Uint8Array[])[] = [
      [hello, ...call(1, 'echo', 4, [Buffer.from('body')]), ...call(2, 'fail', 0), ...call(3, 'stream', 0)],
      [hello, ...call(1, 'wait', 0, [], 2), smallFrame(frameTypes.cancel, 1), smallFrame(frameTypes.goodbye, 0)],
      [hello, ...call(1, 'echo', 70_000), body(1, Buffer.alloc(40_000)), body(1, Buffer.alloc(30_000))],
      [
        hello,
        ...call(1, 'stream', 70_000),
        body(1, Buffer.alloc(60_000)),
        encodeCredit(1, 9),
        smallFrame(frameTypes.ping, 0, Buffer.alloc(8)),
      ],
      [hello, ...call(7, 'echo', mib), body(7, Buffer.alloc(500)), smallFrame(frameTypes.cancel, 7)],
    ];
    const answers: readonly (readonly Uint8Array[])[] = [
      [...encodeAnswer(1, false, empty, [Buffer.from('all')], 3).pieces, ...encodeAnswer(2, true, empty, [], 0).pieces],
      [
        ...encodeAnswer(1, false, empty, [], 70_000).pieces,
        body(1, Buffer.alloc(60_000)),
        body(1, Buffer.alloc(10_000)),
      ],
      [
        ...encodeAnswer(2, true, empty, [], 0).pieces,
        body(2, Buffer.from('pie')),
        body(2, Buffer.from('ce'), frameFlags.last),
        body(2, empty, frameFlags.last),
        smallFrame(frameTypes.end, 2),
      ],
      [
        encodeFailure(1, { code: 'Damaged', message: 'm', resource: 'r', detail: { a: 'b' }, retryAfter: 1 }),
        smallFrame(frameTypes.goodbye, 0),
        encodeCredit(2, 4),
      ],
    ];
    const all = (kind: number, list: readonly (readonly Uint8Array[])[]) =>
      list.map((pieces) => Buffer.concat([Buffer.from([kind]), ...pieces]));
    return [...all(toCallee, streams), ...all(toCaller, answers)];
  },
  async check(input, dice) {
    const stream = input.subarray(1);
    const chunks = cut(stream, dice);
    assert.deepEqual(framesOf(chunks), framesOf([stream]));
    if (((input[0] ?? toCallee) & 1) === toCallee) await intoCallee(chunks);
    else await intoCaller(chunks);
  },
};
