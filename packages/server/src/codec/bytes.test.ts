import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { CorruptionError } from '../errors.ts';
import { ByteReader, ByteWriter } from './index.ts';

const whole = fc.oneof(fc.integer({ min: 0, max: 300 }), fc.maxSafeNat());

describe('bytes', () => {
  it('reads what was written', () => {
    const field = fc.record({
      a: fc.nat(255),
      b: fc.nat(0xffffffff),
      c: whole,
      d: whole,
      e: fc.uint8Array({ maxLength: 400 }),
      f: fc.string({ unit: 'grapheme' }),
    });
    fc.assert(
      fc.property(fc.array(field, { maxLength: 8 }), (fields) => {
        const writer = new ByteWriter(1);
        for (const { a, b, c, d, e, f } of fields) writer.u8(a).u32(b).u64(c).varint(d).bytes(e).string(f);
        const bytes = writer.finish();
        assert.equal(bytes.length, writer.length);
        const reader = new ByteReader(bytes);
        for (const { a, b, c, d, e, f } of fields) {
          assert.equal(reader.u8(), a);
          assert.equal(reader.u32(), b);
          assert.equal(reader.u64(), c);
          assert.equal(reader.varint(), d);
          assert.deepEqual(reader.bytes(), Buffer.from(e));
          assert.equal(reader.string(), f);
        }
        assert.equal(reader.remaining, 0);
      }),
      { numRuns: 200 },
    );
  });

  it('never reads past the end and never trusts a length', () => {
    const full = new ByteWriter()
      .u32(7)
      .u64(2 ** 40)
      .varint(2 ** 50)
      .bytes(Buffer.alloc(20))
      .string('text')
      .finish();
    for (let length = 0; length < full.length; length++) {
      const reader = new ByteReader(full.subarray(0, length));
      assert.throws(() => {
        reader.u32();
        reader.u64();
        reader.varint();
        reader.bytes();
        reader.string();
      }, CorruptionError);
    }
  });

  it('refuses numbers that are not safe integers', () => {
    assert.equal(new ByteReader(Buffer.from('ffffffffffff1f00', 'hex')).u64(), Number.MAX_SAFE_INTEGER);
    assert.throws(() => new ByteReader(Buffer.from('0000000000002000', 'hex')).u64(), CorruptionError);
    assert.throws(() => new ByteReader(Buffer.alloc(8, 0xff)).u64(), CorruptionError);
    assert.throws(() => new ByteReader(Buffer.alloc(9, 0xff)).varint(), CorruptionError);
    assert.throws(() => new ByteReader(Buffer.from('ffffffffffffff7f', 'hex')).varint(), CorruptionError);
  });

  it('reads views that start inside a larger buffer', () => {
    const large = Buffer.concat([Buffer.alloc(5), new ByteWriter().varint(300).string('x').finish()]);
    const reader = new ByteReader(large.subarray(5));
    assert.equal(reader.varint(), 300);
    assert.equal(reader.string(), 'x');
    assert.equal(reader.position, 4);
  });
});
