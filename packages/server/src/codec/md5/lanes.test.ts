import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import fc from 'fast-check';
import { limits } from '../../limits.ts';
import { type LaneStream, Md5Lanes } from './lanes.ts';

/** Lanes whose turns the test takes itself; `turn` gives false when nothing was waiting for one. */
function manualLanes() {
  let due: (() => void)[] = [];
  const lanes = new Md5Lanes({ soon: (run) => void due.push(run) });
  const turn = (): boolean => {
    const now = due;
    due = [];
    for (const run of now) run();
    return now.length > 0;
  };
  return { lanes, turn };
}

const md5 = (bytes: Uint8Array) => createHash('md5').update(bytes).digest('hex');
const hex = async (digest: Promise<Buffer>) => (await digest).toString('hex');

/** Bytes that differ everywhere, the same for the same seed. */
function pattern(length: number, seed: number): Buffer {
  const out = Buffer.allocUnsafe(length);
  for (let i = 0, value = seed; i < length; i++) {
    value = (Math.imul(value, 1_664_525) + 1_013_904_223) >>> 0;
    out[i] = value >>> 24;
  }
  return out;
}
const source = pattern(1 << 20, 7);

/** Whether a promise is settled once all that is due now has run. */
async function settled(promise: Promise<unknown>): Promise<boolean> {
  let done = false;
  void promise.then(() => {
    done = true;
  });
  await new Promise(setImmediate);
  return done;
}

test('the test suite of RFC 1321, A.5', async () => {
  const vectors = {
    '': 'd41d8cd98f00b204e9800998ecf8427e',
    a: '0cc175b9c0f1b6a831c399e269772661',
    abc: '900150983cd24fb0d6963f7d28e17f72',
    'message digest': 'f96b697d7cb7938d525a2f31aaf161d0',
    abcdefghijklmnopqrstuvwxyz: 'c3fcd3d76192e4007dfb496cca67e13b',
    ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789: 'd174ab98d277d9f5a5611c2c9f419d9f',
    '12345678901234567890123456789012345678901234567890123456789012345678901234567890':
      '57edf4a22be3c955ac49da2e2107b67a',
  };
  const { lanes, turn } = manualLanes();
  const digests = Object.entries(vectors).map(([text, expected]) => {
    const stream = lanes.open();
    void stream.update(Buffer.from(text));
    return [stream.digest(), expected] as const;
  });
  while (turn());
  for (const [digest, expected] of digests) assert.equal(await hex(digest), expected);
});

test('every length around the ends of blocks, in every number of lanes', async () => {
  const { lanes, turn } = manualLanes();
  for (let count = 1; count <= 9; count++) {
    const digests: [Promise<Buffer>, Buffer][] = [];
    for (let lane = 0; lane < count; lane++) {
      const bytes = source.subarray(lane, lane + 48 + 9 * count + lane);
      const stream = lanes.open();
      void stream.update(bytes);
      digests.push([stream.digest(), bytes]);
    }
    while (turn());
    for (const [digest, bytes] of digests) assert.equal(await hex(digest), md5(bytes), `${bytes.length} bytes`);
  }
});

test('any cuts and any interleaving of one to nine streams give what node:crypto gives', async () => {
  const sizes = fc.oneof(
    fc.integer({ min: 0, max: 200 }),
    fc.integer({ min: 0, max: 3 * limits.digestLaneBytes }),
    fc.constantFrom(64, limits.digestLaneBytes, 65_536, limits.digestWaitingBytes + 1),
  );
  const deeds = fc.array(
    fc.record({
      stream: fc.nat(8),
      deed: fc.oneof(
        { weight: 8, arbitrary: sizes },
        { weight: 4, arbitrary: fc.constant('turn' as const) },
        { weight: 1, arbitrary: fc.constantFrom('end' as const, 'abandon' as const) },
      ),
    }),
    { maxLength: 60 },
  );
  await fc.assert(
    fc.asyncProperty(fc.integer({ min: 1, max: 9 }), deeds, async (count, list) => {
      const { lanes, turn } = manualLanes();
      const runs = Array.from({ length: count }, () => ({
        stream: lanes.open(),
        check: createHash('md5'),
        digest: undefined as Promise<Buffer> | undefined,
        over: false,
      }));
      const end = (run: (typeof runs)[number]) => {
        run.digest = run.stream.digest();
        run.over = true;
      };
      for (const [index, { stream, deed }] of list.entries()) {
        const run = runs[stream % count] as (typeof runs)[number];
        if (deed === 'turn') turn();
        else if (run.over) continue;
        else if (deed === 'end') end(run);
        else if (deed === 'abandon') {
          run.stream.abandon();
          run.over = true;
        } else {
          const bytes = source.subarray(index, index + deed);
          void run.stream.update(bytes);
          run.check.update(bytes);
        }
      }
      for (const run of runs) if (!run.over) end(run);
      while (turn());
      for (const { digest, check } of runs) if (digest) assert.equal(await hex(digest), check.digest('hex'));
    }),
    { numRuns: 150 },
  );
});

test('more than 2^32 bits', async () => {
  const { lanes, turn } = manualLanes();
  const stream = lanes.open();
  const zeros = Buffer.alloc(1 << 20);
  for (let mebibytes = 0; mebibytes < 513; mebibytes++) {
    void stream.update(zeros);
    turn();
  }
  const digest = stream.digest();
  while (turn());
  // head -c 513M /dev/zero | md5sum
  assert.equal(await hex(digest), 'f3a8799d64129a6fd8a5aa56f199ac54');
});

test('a stream that is given up leaves the others alone, and nobody waits for it', async () => {
  const { lanes, turn } = manualLanes();
  const streams = Array.from({ length: 4 }, () => lanes.open());
  const [first, gone, , last] = streams as [LaneStream, LaneStream, LaneStream, LaneStream];
  for (const stream of streams) void stream.update(source.subarray(0, 100_000));
  turn();
  for (const stream of streams) void stream.update(source.subarray(100_000, 200_001));
  const given = gone.update(source.subarray(0, limits.digestWaitingBytes));
  assert.ok(given);
  gone.abandon();
  gone.abandon();
  assert.ok(await settled(given), 'whoever waits to give more to a stream that was given up goes on');
  const digest = last.digest();
  last.abandon();
  const kept = [first, streams[2] as LaneStream].map((stream) => stream.digest());
  assert.ok(turn());
  assert.ok(!turn(), 'all that is left went in one turn');
  for (const each of kept) assert.equal(await hex(each), md5(source.subarray(0, 200_001)));
  assert.ok(!(await settled(digest)));
});

test('a lone stream goes on in the next turn, and one with idle peers in the turn after', async () => {
  const { lanes, turn } = manualLanes();
  const lone = lanes.open();
  void lone.update(source.subarray(0, 1000));
  const digest = lone.digest();
  turn();
  assert.ok(await settled(digest));

  const idle = lanes.open();
  const busy = lanes.open();
  void busy.update(source.subarray(0, 1000));
  const waited = busy.digest();
  turn();
  assert.ok(!(await settled(waited)), 'it waits one turn for the other');
  turn();
  assert.ok(await settled(waited));
  assert.ok(!turn());

  idle.abandon();
  const late = lanes.open().digest();
  turn();
  assert.ok(await settled(late), 'and for none that is gone');
});

test('a queue that is full asks the giver to wait until some of it was hashed', async () => {
  const { lanes, turn } = manualLanes();
  const stream = lanes.open();
  assert.equal(stream.update(source.subarray(0, limits.digestWaitingBytes - 1)), undefined);
  const wait = stream.update(source.subarray(0, 1));
  assert.ok(wait);
  assert.equal(stream.update(source.subarray(0, 5)), wait);
  assert.ok(!(await settled(wait)));
  turn();
  assert.ok(await settled(wait));
  assert.equal(stream.update(source.subarray(0, 100)), undefined);
  stream.abandon();
});

test('a stream that has ended takes no more', () => {
  const { lanes } = manualLanes();
  const stream = lanes.open();
  void stream.digest();
  assert.throws(() => stream.update(Buffer.from('more')), { name: 'InvariantError' });
  assert.throws(() => stream.digest(), { name: 'InvariantError' });
});
