import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { CorruptionError } from '../../errors.ts';
import { limits } from '../../limits.ts';
import { keys, parse, successorOfPrefix, tables, textOf } from './keys.ts';

/** Keys that share beginnings, with the bytes that break naive encodings. */
const key = fc
  .array(fc.constantFrom(0x00, 0x01, 0x08, 0x2f, 0x61, 0xfe, 0xff), { minLength: 1, maxLength: 30 })
  .map((bytes) => Buffer.from(bytes));
const id = fc.uint8Array({ minLength: 16, maxLength: 16 }).map((bytes) => Buffer.from(bytes));
const order = (a: Buffer, b: Buffer): number => Math.sign(Buffer.compare(a, b));

describe('row keys', () => {
  it('of sources are those of the first', () => {
    assert.equal(keys.source(300).toString('hex'), '440000012c');
  });

  it('keep the order of object keys, whatever their bytes', () => {
    fc.assert(
      fc.property(key, key, (a, b) => {
        assert.equal(order(keys.object(7, a), keys.object(7, b)), order(a, b));
        assert.equal(order(keys.uploadStart(7, a), keys.uploadStart(7, b)), order(a, b));
      }),
      { numRuns: 2000 },
    );
  });

  it('keep uploads of a key together, by id, before those of the next key', () => {
    fc.assert(
      fc.property(key, key, id, id, (a, b, x, y) => {
        const expected = order(a, b) || order(x, y);
        assert.equal(order(keys.upload(7, a, x), keys.upload(7, b, y)), expected);
        assert.deepEqual(parse.upload(keys.upload(7, a, x)), { key: a, upload: x });
      }),
      { numRuns: 2000 },
    );
  });

  it('put newer versions first', () => {
    const guk = Buffer.alloc(16, 5);
    fc.assert(
      fc.property(fc.maxSafeNat(), fc.maxSafeNat(), (a, b) => {
        assert.equal(order(keys.history(guk, a), keys.history(guk, b)), Math.sign(b - a));
        assert.equal(parse.sequence(keys.history(guk, a)), a);
        assert.ok(order(keys.historyStart(guk), keys.history(guk, a)) < 0);
        assert.ok(a === 0 || order(keys.history(guk, a), keys.historyEnd(guk)) < 0);
      }),
    );
  });

  it('put older garbage first', () => {
    fc.assert(
      fc.property(fc.maxSafeNat(), fc.maxSafeNat(), fc.nat(), (a, b, ordinal) => {
        assert.equal(order(keys.garbage(a, ordinal), keys.garbage(b, ordinal)), Math.sign(a - b));
        assert.deepEqual(parse.garbage(keys.garbage(a, ordinal)), { position: a, ordinal });
      }),
    );
  });

  it('fit the ordered KV with the longest object key', () => {
    const longest = Buffer.alloc(limits.keyBytes, 0xff);
    assert.ok(keys.object(0xffff_ffff, longest).length <= limits.kvKeyBytes);
    assert.ok(keys.upload(0xffff_ffff, longest, Buffer.alloc(16)).length <= limits.kvKeyBytes);
  });

  it('name their tables by different bytes', () => {
    assert.equal(new Set(Object.values(tables)).size, Object.values(tables).length);
  });

  it('are refused when they cannot be of their table', () => {
    for (const read of [parse.objectKey, parse.bucketId, parse.sequence, parse.index, parse.garbage, parse.upload]) {
      assert.throws(() => read(Buffer.from([7, 1])), CorruptionError);
    }
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 60 }), (bytes) => {
        try {
          parse.upload(Buffer.from(bytes));
        } catch (error) {
          assert.ok(error instanceof CorruptionError);
        }
      }),
    );
  });

  it('have a successor above everything that begins alike', () => {
    fc.assert(
      fc.property(key, key, (prefix, rest) => {
        const next = successorOfPrefix(prefix);
        if (next === undefined) assert.ok(prefix.every((byte) => byte === 0xff));
        else {
          assert.ok(order(Buffer.concat([prefix, rest]), next) < 0);
          assert.ok(order(Buffer.concat([prefix, Buffer.alloc(40, 0xff)]), next) < 0);
          assert.ok(!next.subarray(0, prefix.length).equals(prefix));
        }
      }),
    );
    assert.equal(successorOfPrefix(Buffer.alloc(0)), undefined);
  });

  it('sort as text as they do as bytes', () => {
    fc.assert(
      fc.property(key, key, (a, b) => {
        const [x, y] = [textOf(a), textOf(b)];
        assert.equal(x < y ? -1 : x > y ? 1 : 0, order(a, b));
      }),
    );
  });
});
