import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { createCache } from '../cache/index.ts';
import { StoreError } from '../errors.ts';
import { limits } from '../limits.ts';
import type { Piece } from '../metadata/index.ts';
import { takeBody } from './intake.ts';
import { chunksOf, gathered, type Pipeline, pipeline } from './pipeline.fixture.ts';
import { noise } from './stripes.fixture.ts';

const frame = limits.frameBytes;
const stripe = limits.stripeBytes;
const fails = (code: string) => (error: unknown) => error instanceof StoreError && error.code === code;

function take(p: Pipeline, body: Buffer): Promise<Piece> {
  return takeBody(p.rooms, { stream: chunksOf(body, [65_536]), length: body.length }, p.plan);
}

for (const plain of [false, true])
  test(`any slice of any pieces is the slice of their bytes, with and without the cache, ${plain ? 'plain' : 'sealed'}`, async () => {
    // Half prose, half noise, so that stripes hold packed frames and others.
    const body = Buffer.concat([noise(2 * frame, 1), Buffer.alloc(stripe, 'words, words; '), noise(frame + 99, 2)]);
    for (const bytes of [0, 2 ** 22]) {
      const p = pipeline({ cache: createCache({ bytes }), plain });
      const pieces = [
        await take(p, body),
        await take(p, noise(10, 3)),
        await take(p, noise(5000, 4)),
        await take(p, body),
      ];
      const whole = Buffer.concat([body, noise(10, 3), noise(5000, 4), body]);
      const version = p.version(pieces);
      const place = fc.oneof(fc.nat(whole.length), fc.constantFrom(...edges(whole.length, body.length)));
      await fc.assert(
        fc.asyncProperty(place, fc.oneof(place, fc.nat(3 * frame)), async (a, b) => {
          const start = Math.min(a, b);
          const end = Math.max(a, b);
          const given = await gathered(p.open(version, start, end));
          assert.ok(given.equals(whole.subarray(start, end)), `${start} to ${end}`);
        }),
        { numRuns: 15 },
      );
    }
  });

function edges(whole: number, body: number): number[] {
  const around = [0, frame, 2 * frame, stripe, body, body + 10, body + 5010, whole];
  return around.flatMap((at) => [at - 1, at, at + 1]).filter((at) => at >= 0 && at <= whole);
}

test('only the frames that a slice touches are read', async () => {
  const p = pipeline();
  const body = noise(stripe + 5 * frame, 5);
  const version = p.version([await take(p, body)]);
  const sealed = frame + 16;
  const reads: [start: number, end: number, expected: [number, number][]][] = [
    [0, 1, [[0, sealed]]],
    [frame - 1, frame + 1, [[0, 2 * sealed]]],
    [3 * frame, 4 * frame, [[3 * sealed, 4 * sealed]]],
    [
      stripe - 1,
      stripe + 1,
      [
        [127 * sealed, 128 * sealed],
        [0, sealed],
      ],
    ],
    [
      0,
      9 * frame,
      [
        [0, 8 * sealed],
        [8 * sealed, 9 * sealed],
      ],
    ],
  ];
  for (const [start, end, expected] of reads) {
    p.stripes.reads.length = 0;
    assert.equal((await gathered(p.open(version, start, end))).length, end - start);
    assert.deepEqual(
      p.stripes.reads.map((read) => [read.start, read.end]),
      expected,
      `${start} to ${end}`,
    );
  }
});

test('a packed frame is kept although what it was packed in came from the same pool of memory', async () => {
  const cache = createCache({ bytes: 2 ** 24 });
  const p = pipeline({ cache });
  const { fetch } = p.stripes;
  p.stripes.fetch = async (...which) => Buffer.from(await fetch.apply(p.stripes, which));
  for (let i = 0; i < 20; i++) {
    const version = p.version([await take(p, Buffer.alloc(15_000, `over and over ${i} `))]);
    await gathered(p.open(version, 0, 15_000));
    assert.equal(cache.statistics().entries, i + 1);
  }
});

test('small reads are served from the cache the second time, and large ones do not fill it', async () => {
  const cache = createCache({ bytes: 2 ** 22 });
  const p = pipeline({ cache });
  const version = p.version([await take(p, noise(2 * stripe, 6))]);
  await gathered(p.open(version, 0, 2 * stripe));
  assert.equal(cache.statistics().entries, 0);
  for (const [start, end] of [
    [10, frame + 10],
    [0, frame],
    [frame + 5, frame + 6],
    [0, 2 * frame],
  ] as const) {
    p.stripes.reads.length = 0;
    const bytes = await gathered(p.open(version, start, end));
    assert.ok(bytes.equals(noise(2 * stripe, 6).subarray(start, end)));
    assert.equal(p.stripes.reads.length, start === 10 ? 1 : 0);
  }
  p.stripes.reads.length = 0;
  await gathered(p.open(version, 0, 3 * frame));
  assert.deepEqual(
    p.stripes.reads.map(({ start }) => start),
    [2 * (frame + 16)],
    'only the missing frame is read',
  );
});

for (const plain of [false, true])
  test(`no corruption ever gives a wrong byte: the good copy is found, or the read fails, ${plain ? 'plain' : 'sealed'}`, async () => {
    const body = Buffer.concat([noise(3 * frame, 7), Buffer.alloc(4 * frame, 'to be packed, '), noise(1000, 8)]);
    const place = fc.record({ copy: fc.nat(1), at: fc.nat(3 * frame + 2000), flip: fc.integer({ min: 1, max: 255 }) });
    let damaged = 0;
    let healed = 0;
    await fc.assert(
      fc.asyncProperty(fc.array(place, { minLength: 1, maxLength: 6 }), async (places) => {
        const p = pipeline({ copies: 2, plain });
        const version = p.version([await take(p, body)]);
        const [copies] = [...p.stripes.held.values()] as [Buffer[]];
        for (const { copy, at, flip } of places) {
          const bytes = copies[copy] as Buffer;
          bytes[at % bytes.length]! ^= flip;
        }
        try {
          const given = await gathered(p.open(version, 0, body.length));
          assert.ok(given.equals(body));
          if (p.stripes.distrusted.length > 0) healed++;
        } catch (error) {
          assert.ok(error instanceof StoreError && error.code === 'Damaged');
          damaged++;
        }
      }),
      { numRuns: 60, seed: 3 },
    );
    assert.ok(damaged > 3 && healed > 3, `${damaged} damaged, ${healed} healed`);
  });

test('a copy that does not open is reported, the good one serves, and a missing one hides none', async () => {
  const p = pipeline({ copies: 3 });
  const body = noise(2 * frame, 9);
  const version = p.version([await take(p, body)]);
  const [[id, copies]] = [...p.stripes.held.entries()] as [[string, Buffer[]]];
  copies[0]![5]! ^= 1;
  copies[1] = Buffer.alloc(0);
  assert.ok((await gathered(p.open(version, 0, body.length))).equals(body));
  assert.deepEqual(p.stripes.distrusted, [`${id}/0`]);
  copies[2]![5]! ^= 1;
  await assert.rejects(gathered(p.open(version, 0, 10)), fails('Damaged'));
});

for (const plain of [false, true])
  test(`frames given back while others are read spoil nothing, ${plain ? 'plain' : 'sealed'}`, async () => {
    const p = pipeline({ plain, cache: createCache({ bytes: 2 ** 20 }) });
    const body = Buffer.concat([noise(2 * stripe + 5, 13), Buffer.alloc(9 * frame, 'packed, ')]);
    const version = p.version([await take(p, body), await take(p, noise(10, 14))]);
    /** Reads as a slow socket does: what was given is given back two chunks later, and must be whole until then. */
    const read = async (start: number, end: number): Promise<void> => {
      const outlet = p.outlet(version, start, end);
      const under: { chunk: Buffer; at: number }[] = [];
      const settle = () => {
        const { chunk, at } = under.shift() as { chunk: Buffer; at: number };
        assert.ok(chunk.length > 0 && chunk.equals(body.subarray(at, at + chunk.length)), `chunk at ${at}`);
        outlet.release(chunk);
      };
      let at = start;
      for await (const chunk of outlet) {
        under.push({ chunk, at });
        at += chunk.length;
        if (under.length > 2) settle();
      }
      while (under.length > 0) settle();
      assert.equal(at, end);
    };
    const ranges = [0, 1, 2, 3].map((i) => read(i * frame + 100, (i + 2) * frame));
    await Promise.all([read(0, body.length), read(frame - 1, 20 * frame + 1), ...ranges]);
    for (let i = 0; i < 100; i++) await read((i * 7 * frame) % stripe, ((i * 7 * frame) % stripe) + frame + 50);
    await Promise.all([0, 0, 0].map(() => read(50, 2 * frame)));
  });

test('the memory of a large read is given back as it goes', async () => {
  for (const plain of [false, true]) {
    const p = pipeline({ plain });
    const version = p.version([await take(p, noise(stripe, 15))]);
    const runs: Buffer[] = [];
    const { fetch } = p.stripes;
    p.stripes.fetch = async (...which) => {
      const stored = Buffer.allocUnsafeSlow(which[2] - which[1]);
      (await fetch.apply(p.stripes, which)).copy(stored);
      runs.push(stored);
      return stored;
    };
    const chunks: Buffer[] = [];
    const outlet = p.outlet(version, 0, stripe);
    let left = stripe;
    for await (const chunk of outlet) {
      for (let next: Buffer | undefined = chunk; next; next = outlet.ready()) {
        left -= next.length;
        outlet.release(next);
        chunks.push(next);
      }
      // Nobody asks for more than there is.
      if (left === 0) break;
    }
    assert.equal(chunks.length, stripe / frame);
    // The frames of a run that was not sealed share its memory.
    for (const kept of [chunks, runs]) {
      const held = kept.filter((one) => one.length > 0).length;
      assert.equal(held, 0, `${held} of ${kept.length}, ${plain ? 'plain' : 'sealed'}`);
    }
  }
});

test('frames that changed places, and stripes that did, do not open', async () => {
  const p = pipeline();
  const version = p.version([await take(p, noise(2 * stripe, 10))]);
  const [first, second] = [...p.stripes.held.values()] as [Buffer[], Buffer[]];
  const sealed = frame + 16;
  const head = Buffer.from(first[0]!.subarray(0, sealed));
  first[0]!.copy(first[0]!, 0, sealed, 2 * sealed);
  head.copy(first[0]!, sealed);
  await assert.rejects(gathered(p.open(version, 0, 10)), fails('Damaged'));
  [first[0], second[0]] = [second[0]!, first[0]!];
  await assert.rejects(gathered(p.open(version, stripe + 5 * frame, stripe + 6 * frame)), fails('Damaged'));
});

test('a damaged inline piece is damaged, whichever byte it is', async () => {
  const p = pipeline();
  const piece = await take(p, noise(50, 11));
  assert.ok('inline' in piece.body);
  for (let at = 0; at < piece.body.inline.length; at++) {
    const inline = Buffer.from(piece.body.inline);
    inline[at]! ^= 0x10;
    const version = p.version([{ ...piece, body: { inline } }]);
    await assert.rejects(gathered(p.open(version, 0, 50)), fails('Damaged'));
  }
  const short = p.version([{ ...piece, body: { inline: Buffer.alloc(3) } }]);
  await assert.rejects(gathered(p.open(short, 0, 50)), fails('Damaged'));
});

test('a read that ends early lets go of its lease, and one that fails too', async () => {
  const p = pipeline();
  const version = p.version([await take(p, noise(stripe, 12))]);
  const reading = p.open(version, 0, stripe);
  assert.equal(p.horizon.oldest(), undefined, 'nothing was asked for yet');
  await reading.next();
  assert.equal(p.horizon.oldest(), 4);
  await reading.return();
  assert.equal(p.horizon.oldest(), undefined);
  p.stripes.held.clear();
  await assert.rejects(gathered(p.open(version, 0, stripe)), fails('Damaged'));
  assert.equal(p.horizon.oldest(), undefined);
});

test('one group is read ahead, not more', async () => {
  const p = pipeline();
  const version = p.version([await take(p, noise(stripe, 13))]);
  p.stripes.reads.length = 0;
  const reading = p.open(version, 0, stripe);
  await reading.next();
  assert.equal(p.stripes.reads.length, 2);
  for (let i = 1; i < 8; i++) await reading.next();
  assert.equal(p.stripes.reads.length, 2);
  await reading.next();
  assert.equal(p.stripes.reads.length, 3);
  await reading.return();
});

test('a manifest that ends before its object does is damaged', async () => {
  const p = pipeline();
  const version = p.version([await take(p, noise(10, 14)), await take(p, noise(10, 15))]);
  const short = { ...version, size: 30 };
  await assert.rejects(gathered(p.open(short, 0, 30)), fails('Damaged'));
});

test('the one large piece of an object is decoded once for all its ranges, those of many pieces only as far as a slice needs them', async () => {
  const { rooms, plan, version, open } = pipeline();
  const bytes = noise(5 * frame, 60);
  const piece = await takeBody(rooms, { stream: chunksOf(bytes, [frame]), length: bytes.length }, plan);
  const asked: number[] = [];
  const { pieces } = rooms.reader;
  rooms.reader.pieces = (manifest, first, limit) => {
    asked.push(limit);
    return pieces(manifest, first, limit);
  };
  const whole = version([piece]);
  const alone = { ...whole, manifest: { ...whole.manifest, id: Buffer.alloc(16, 1), embedded: undefined } };
  for (const start of [0, 70_000, 3 * frame])
    assert.ok((await gathered(open(alone, start, start + 1000))).equals(bytes.subarray(start, start + 1000)));
  assert.equal(asked.length, 1);
  const many = version(Array.from({ length: 50 }, () => piece));
  asked.length = 0;
  assert.ok((await gathered(open(many, bytes.length + 5, bytes.length + 905))).equals(bytes.subarray(5, 905)));
  assert.deepEqual(asked, [2]);
});
