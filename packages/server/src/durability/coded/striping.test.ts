import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { CorruptionError } from '../../errors.ts';
import { sameBytes } from '../memory.fixture.ts';
import { fragmentBytes, gather, runsOf, unitBytes } from './striping.ts';
import { decodeTrailer, encodeTrailer, trailerBytes } from './trailer.ts';

const codeArbitrary = fc.record({ data: fc.integer({ min: 2, max: 32 }), parity: fc.integer({ min: 1, max: 8 }) });

/** Every byte dealt out one by one: slow, and plainly what the format says. */
function dealt(data: number, bytes: Buffer): Buffer[] {
  const fragments: Buffer[][] = Array.from({ length: data }, () => []);
  for (let unit = 0; unit * unitBytes < bytes.length; unit++)
    fragments[unit % data]?.push(bytes.subarray(unit * unitBytes, (unit + 1) * unitBytes));
  return fragments.map((units) => Buffer.concat(units));
}

test('fragments hold every byte once, and a range is put together from the runs that it touches', () => {
  fc.assert(
    fc.property(codeArbitrary, fc.nat(40 * unitBytes), fc.nat(), fc.nat(3 * unitBytes), (code, stored, at, length) => {
      const bytes = Buffer.alloc(stored);
      for (let i = 0; i < stored; i += 997) bytes[i] = i % 251;
      const fragments = dealt(code.data, bytes);
      for (const [index, fragment] of fragments.entries())
        assert.equal(fragmentBytes(code, stored, index), fragment.length);
      for (let index = 0; index < code.parity; index++)
        assert.equal(fragmentBytes(code, stored, code.data + index), fragments[0]?.length);
      const start = stored === 0 ? 0 : at % stored;
      const end = Math.min(stored, start + length);
      const runs = runsOf(code, start, end).map((run) => ({
        ...run,
        bytes: fragments[run.index]?.subarray(run.start, run.end) as Buffer,
      }));
      for (const run of runs) assert.equal(run.bytes.length, run.end - run.start);
      sameBytes(gather(code, start, end, runs), bytes.subarray(start, end));
    }),
    { numRuns: 60 },
  );
});

test('a frame that did not shrink is in one fragment, and in one checksum block of it', () => {
  fc.assert(
    fc.property(codeArbitrary, fc.nat(200), (code, frame) => {
      const runs = runsOf(code, frame * unitBytes, (frame + 1) * unitBytes);
      assert.equal(runs.length, 1);
      assert.equal((runs[0]?.start as number) % unitBytes, 0);
      assert.equal(runs[0]?.index, frame % code.data);
    }),
  );
});

test('a trailer is that of one fragment of one stripe', () => {
  const code = { data: 4, parity: 2 };
  const stripe = Buffer.alloc(16, 7);
  stripe[15] = 0;
  const bytes = encodeTrailer(stripe, { stored: 123_456, index: 3, code });
  assert.equal(bytes.length, trailerBytes);
  sameBytes(decodeTrailer(bytes, stripe, 3, code), { stored: 123_456, index: 3, code });
  const other = Buffer.from(stripe);
  other[0] = 8;
  assert.throws(() => decodeTrailer(bytes, other, 3, code), CorruptionError);
  assert.throws(() => decodeTrailer(bytes, stripe, 2, code), CorruptionError);
  assert.throws(() => decodeTrailer(bytes, stripe, 3, { data: 5, parity: 1 }), CorruptionError);
  for (let at = 0; at < trailerBytes; at++) {
    const bad = Buffer.from(bytes);
    bad[at] = (bad[at] as number) ^ 1;
    assert.throws(() => decodeTrailer(bad, stripe, 3, code), CorruptionError, String(at));
  }
});

test('the bytes of the first trailer', () => {
  const bytes = encodeTrailer(Buffer.alloc(16), { stored: 8_390_656, index: 2, code: { data: 8, parity: 3 } });
  assert.equal(bytes.toString('hex'), '01080302100001000008800065e9b866');
});
