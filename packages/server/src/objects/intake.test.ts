import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import { StoreError } from '../errors.ts';
import { limits } from '../limits.ts';
import { takeBody, takeSmall } from './intake.ts';
import { chunksOf, gathered, pipeline } from './pipeline.fixture.ts';
import { noise } from './stripes.fixture.ts';

const fails = (code: string) => (error: unknown) => error instanceof StoreError && error.code === code;
const frame = limits.frameBytes;
const stripe = limits.stripeBytes;
const nothing = chunksOf(Buffer.alloc(0), [1]);

function prose(length: number): Buffer {
  return Buffer.alloc(length, 'some words that come again, and again, in another order; ');
}

const sizes = [0, 1, 4095, 4096, 4097, frame - 1, frame, frame + 1, 3 * frame + 17, stripe - 1, stripe, stripe + 1];

for (const [kind, make] of [
  ['noise', (length: number) => noise(length, length)],
  ['prose', prose],
] as const) {
  test(`${kind} of every size comes back as it went in`, async () => {
    for (const size of [...sizes, 2 * stripe + 12_345]) {
      const { rooms, stripes, plan, version, open } = pipeline();
      const body = make(size);
      const cuts = size > frame * 4 ? [64_000, 65_536, 3, 200_000] : [1000, 7, 64_000];
      const piece = await takeBody(rooms, { stream: chunksOf(body, cuts), length: size }, plan);
      assert.equal(piece.size, size);
      assert.deepEqual(piece.md5, createHash('md5').update(body).digest());
      assert.equal('inline' in piece.body, size <= limits.inlineBytes, `inline at ${size}`);
      assert.equal(stripes.held.size, size <= limits.inlineBytes ? 0 : Math.ceil(size / stripe));
      assert.equal(stripes.openWriters(), 0);
      assert.ok((await gathered(open(version([piece]), 0, size))).equals(body), `${size} bytes of ${kind}`);
      if (kind === 'prose' && size > limits.inlineBytes) {
        assert.ok(piece.compressed);
        const stored = [...stripes.held.values()].reduce((sum, [copy]) => sum + (copy as Buffer).length, 0);
        assert.ok(stored < size / 10);
      }
    }
  });
}

test('what asks for as many copies as the metadata have now lies in them: they become more while a thread runs', async () => {
  const { rooms, plan } = pipeline();
  let nodes = 1;
  // As whoever announces changes takes the rooms over.
  const about = { ...rooms, metadataCopies: () => nodes };
  const isInline = async (copies: number) => {
    const wanted = { ...plan, redundancy: { copies }, mayInline: false };
    return (
      'inline' in (await takeBody({ ...about }, { stream: chunksOf(noise(100, 1), [100]), length: 100 }, wanted)).body
    );
  };
  assert.deepEqual([await isInline(1), await isInline(3)], [true, false]);
  nodes = 3;
  assert.deepEqual([await isInline(3), await isInline(4)], [true, false]);
});

test('chunks go back to their maker once, when nothing reads them any more: those that are not sealed when they are written', async () => {
  for (const plain of [false, true]) {
    const { rooms, plan, version, open, stripes } = pipeline({ plain });
    // A device reads what it was given a while later.
    stripes.gate = () => new Promise<void>((resolve) => setImmediate(resolve));
    const body = Buffer.concat([noise(stripe + 3 * frame, 21), prose(5 * frame + 77)]);
    const chunks: Uint8Array[] = [];
    let at = 0;
    for (let turn = 0; at < body.length; turn++) {
      const size = [65_536, 64_000, 3, 200_000, 2_000_000][turn % 5] as number;
      chunks.push(new Uint8Array(body.subarray(at, at + size)));
      at += size;
    }
    const back: Uint8Array[] = [];
    const release = (chunk: Uint8Array) => {
      chunk.fill(0xee);
      back.push(chunk);
    };
    async function* stream(): AsyncGenerator<Uint8Array> {
      yield* chunks;
    }
    const piece = await takeBody(rooms, { stream: stream(), release, length: body.length }, plan);
    assert.deepEqual(piece.md5, createHash('md5').update(body).digest());
    assert.ok((await gathered(open(version([piece]), 0, body.length))).equals(body));
    assert.deepEqual(back, chunks);
  }
});

test('a whole body, a stream of unknown length and one chunk for all give the same', async () => {
  for (const size of [0, 100, 5000, frame + 5, 3_000_000]) {
    const body = noise(size, 1);
    const ways = [
      { whole: body, stream: nothing, length: size },
      { whole: body, stream: nothing, length: undefined },
      { stream: chunksOf(body, [50_000]), length: undefined },
      { stream: chunksOf(body, [size + 1]), length: size },
    ];
    for (const way of ways) {
      const { rooms, plan, version, open } = pipeline();
      const piece = await takeBody(rooms, way, plan);
      assert.ok((await gathered(open(version([piece]), 0, size))).equals(body));
    }
  }
});

test('a small body in hand is taken without waiting, a larger one is not', () => {
  const { rooms, plan } = pipeline();
  const body = noise(limits.inlineBytes, 2);
  assert.equal(takeSmall(rooms, { whole: body, stream: nothing, length: body.length }, plan)?.size, body.length);
  assert.equal(takeSmall(rooms, { stream: nothing, length: 10 }, plan), undefined);
  const larger = noise(limits.inlineBytes + 1, 2);
  assert.equal(takeSmall(rooms, { whole: larger, stream: nothing, length: larger.length }, plan), undefined);
});

test('the same bytes sealed twice look different, and the plaintext is not in what is stored (GHSA-xrrf)', async () => {
  const { rooms, stripes, plan } = pipeline();
  const body = Buffer.from(noise(100_000, 4));
  const first = await takeBody(rooms, { whole: body, stream: nothing, length: undefined }, plan);
  const second = await takeBody(rooms, { whole: body, stream: nothing, length: undefined }, plan);
  assert.notDeepEqual(first.salt, second.salt);
  const [[one], [two]] = [...stripes.held.values()] as [Buffer[], Buffer[]];
  assert.ok(!one?.equals(two as Buffer));
  for (const copy of [one, two]) assert.equal(copy?.indexOf(body.subarray(1000, 1032)), -1);
});

test('a checksum is kept with the piece: the one that is expected, or the one that is told to be kept', async () => {
  const { rooms, plan } = pipeline();
  const body = noise(70_000, 6);
  const take = (change: Partial<typeof plan>) =>
    takeBody(rooms, { whole: body, stream: nothing, length: undefined }, { ...plan, ...change });
  assert.equal((await take({})).checksum, undefined);
  const expected = { checksum: { algorithm: 'SHA256', value: createHash('sha256').update(body).digest() } } as const;
  const kept = await take({ expected });
  assert.deepEqual(kept.checksum, { algorithm: 'SHA256', type: 'FULL_OBJECT', value: expected.checksum.value });
  assert.equal((await take({ expected, keep: 'CRC32C' })).checksum?.algorithm, 'CRC32C');
});

test('whatever goes wrong, nothing is left', async () => {
  const size = 2 * stripe + 3 * frame;
  const body = noise(size, 7);
  const broken = new Error('the client went away');
  async function* breaking(at: number): AsyncGenerator<Buffer> {
    yield* chunksOf(body.subarray(0, at), [65_536]);
    throw broken;
  }
  const md5 = Buffer.alloc(16);
  const wrong = async (
    way: () => Promise<unknown>,
    expected: (error: unknown) => boolean,
    p: ReturnType<typeof pipeline>,
  ) => {
    await assert.rejects(way, expected);
    assert.equal(p.stripes.openWriters(), 0, 'no writer is left open');
    assert.equal(p.stripes.held.size, 0, 'no stripe is left');
  };
  for (const at of [0, 100, frame, stripe, stripe + frame, size]) {
    const p = pipeline();
    await wrong(
      () => takeBody(p.rooms, { stream: breaking(at), length: size }, p.plan),
      (e) => e === broken,
      p,
    );
  }
  for (const kind of ['create', 'append', 'seal'] as const) {
    for (const after of [0, 1, 2]) {
      const p = pipeline();
      p.stripes.failures[kind] = after;
      const way = () => takeBody(p.rooms, { stream: chunksOf(body, [65_536]), length: size }, p.plan);
      await wrong(way, fails('StorageFull'), p);
    }
  }
  const digest = pipeline();
  const plan = { ...digest.plan, expected: { md5 } };
  await wrong(
    () => takeBody(digest.rooms, { stream: chunksOf(body, [65_536]), length: size }, plan),
    fails('BadDigest'),
    digest,
  );
});

test('a body of another length than announced, or too long, is refused', async () => {
  const body = noise(200_000, 8);
  const cases: [announced: number | undefined, maximum: number, code: string][] = [
    [200_001, 2 ** 40, 'IncompleteBody'],
    [199_999, 2 ** 40, 'IncompleteBody'],
    [100, 2 ** 40, 'IncompleteBody'],
    [200_000, 199_999, 'EntityTooLarge'],
    [undefined, 199_999, 'EntityTooLarge'],
  ];
  for (const [length, maximum, code] of cases) {
    for (const whole of [false, true]) {
      const { rooms, stripes, plan } = pipeline();
      const stream = chunksOf(body, [65_536]);
      const way = takeBody(rooms, whole ? { whole: body, stream, length } : { stream, length }, { ...plan, maximum });
      await assert.rejects(way, fails(code), `${code} at ${length}`);
      assert.equal(stripes.held.size + stripes.openWriters(), 0);
    }
  }
  const small = pipeline();
  const short = { whole: body.subarray(0, 10), stream: nothing, length: 11 };
  await assert.rejects(takeBody(small.rooms, short, small.plan), fails('IncompleteBody'));
});

test('a slow device holds the client back: never more than two groups and a frame are in memory', async () => {
  const { rooms, stripes, plan } = pipeline();
  let release: (() => void)[] = [];
  stripes.gate = () => new Promise<void>((resolve) => release.push(resolve));
  const total = 5 * stripe;
  const chunk = noise(frame, 9);
  let given = 0;
  let most = 0;
  async function* endless(): AsyncGenerator<Buffer> {
    for (; given < total; given += chunk.length) yield chunk;
  }
  const taking = takeBody(rooms, { stream: endless(), length: total }, plan);
  let done = false;
  const finished = taking.finally(() => {
    done = true;
  });
  let written = 0;
  while (!done) {
    // Everything that can run without the device runs first.
    for (let i = 0; i < 200; i++) await Promise.resolve();
    const arrived = [...stripes.held.values()].reduce((sum, [copy]) => sum + (copy as Buffer).length, 0);
    most = Math.max(most, given - written);
    const next = release;
    release = [];
    written += stripes.pending();
    for (const go of next) go();
    assert.ok(arrived <= total + total / 1000);
  }
  const piece = await finished;
  assert.equal(piece.size, total);
  assert.ok(most <= 2 * limits.uploadGroupBytes + 3 * frame, `${most} bytes were held`);
  assert.ok(most >= limits.uploadGroupBytes, 'the device was slower than the client');
});
