import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { CorruptionError } from '../errors.ts';
import { manualHost } from '../host/index.ts';
import { InvariantError } from '../invariant.ts';
import { limits } from '../limits.ts';
import { frameTagBytes, openFrame, saltBytes, sealFrame, sealFramePieces } from './index.ts';

const { entropy } = manualHost();
const key = entropy.bytes(32);
const salt = entropy.bytes(saltBytes);

function seal(plain: Uint8Array, index = 0, plainLength = plain.length): Buffer {
  const out = Buffer.alloc(plain.length + frameTagBytes + 5);
  assert.equal(sealFrame(key, salt, index, plain, plainLength, out, 3), plain.length + frameTagBytes);
  return out.subarray(3, 3 + plain.length + frameTagBytes);
}

describe('frames', () => {
  it('open to what was sealed, in one piece or several', () => {
    fc.assert(
      fc.property(
        fc.array(fc.uint8Array({ maxLength: 300 }), { maxLength: 5 }),
        fc.nat(2 ** 32 - 1),
        fc.nat(50),
        (pieces, index, saved) => {
          const plain = Buffer.concat(pieces);
          const stored = seal(plain, index, plain.length + saved);
          assert.deepEqual(Buffer.concat(sealFramePieces(key, salt, index, pieces, plain.length + saved)), stored);
          assert.deepEqual(openFrame(key, salt, index, stored, plain.length + saved), plain);
          if (plain.length >= 8) assert.ok(!stored.includes(plain));
        },
      ),
      { numRuns: 200 },
    );
  });

  it('take a whole frame', () => {
    const plain = entropy.bytes(limits.frameBytes);
    assert.deepEqual(openFrame(key, salt, 7, seal(plain, 7), plain.length), plain);
  });

  it('do not open when a bit, the length, the index, the salt or the key is another', () => {
    const plain = entropy.bytes(120);
    const stored = seal(plain, 5);
    const refused = (run: () => unknown) => assert.throws(run, CorruptionError);
    for (let bit = 0; bit < stored.length * 8; bit += 3) {
      const changed = Buffer.from(stored);
      changed[bit >> 3]! ^= 1 << (bit & 7);
      refused(() => openFrame(key, salt, 5, changed, 120));
    }
    for (let length = 0; length < stored.length; length++)
      refused(() => openFrame(key, salt, 5, stored.subarray(0, length), 120));
    refused(() => openFrame(key, salt, 4, stored, 120));
    refused(() => openFrame(key, salt, 5, stored, 121));
    refused(() => openFrame(key, salt, 5, stored, 119));
    refused(() => openFrame(key, entropy.bytes(saltBytes), 5, stored, 120));
    refused(() => openFrame(entropy.bytes(32), salt, 5, stored, 120));
    refused(() => openFrame(key, salt, 5, stored, limits.frameBytes + 1));
  });

  it('do not open for another plaintext length, also when compressed', () => {
    const stored = seal(entropy.bytes(50), 0, 120);
    assert.equal(openFrame(key, salt, 0, stored, 120).length, 50);
    for (const length of [50, 51, 119, 121])
      assert.throws(() => openFrame(key, salt, 0, stored, length), CorruptionError);
  });

  it('never share a key stream: equal frames look different at every index and in every piece', () => {
    const plain = Buffer.alloc(64, 'x');
    const seen = new Set<string>();
    for (let index = 0; index < 300; index++) seen.add(seal(plain, index).subarray(0, 64).toString('hex'));
    const other = Buffer.alloc(80);
    sealFrame(key, entropy.bytes(saltBytes), 0, plain, 64, other, 0);
    seen.add(other.subarray(0, 64).toString('hex'));
    assert.equal(seen.size, 301);
  });

  it('are stored as they are without a key, and still tell any other byte, length, place and piece', () => {
    const plain = entropy.bytes(120);
    const stored = Buffer.alloc(120 + frameTagBytes);
    assert.equal(sealFrame(undefined, salt, 5, plain, 120, stored, 0), stored.length);
    assert.deepEqual(stored.subarray(0, 120), plain);
    const parts = [plain.subarray(0, 7), plain.subarray(7)];
    assert.deepEqual(Buffer.concat(sealFramePieces(undefined, salt, 5, parts, 120)), stored);
    assert.deepEqual(openFrame(undefined, salt, 5, stored, 120), plain);
    const refused = (run: () => unknown) => assert.throws(run, CorruptionError);
    for (let bit = 0; bit < stored.length * 8; bit++) {
      const changed = Buffer.from(stored);
      changed[bit >> 3]! ^= 1 << (bit & 7);
      refused(() => openFrame(undefined, salt, 5, changed, 120));
    }
    for (let length = 0; length < stored.length; length++)
      refused(() => openFrame(undefined, salt, 5, stored.subarray(0, length), 120));
    refused(() => openFrame(undefined, salt, 4, stored, 120));
    refused(() => openFrame(undefined, salt, 5, stored, 121));
    refused(() => openFrame(undefined, entropy.bytes(saltBytes), 5, stored, 120));
    refused(() => openFrame(key, salt, 5, stored, 120));
    refused(() => openFrame(undefined, salt, 5, seal(plain, 5), 120));
  });

  it('refuse to be sealed beyond their bounds', () => {
    const out = Buffer.alloc(100);
    const refused = (run: () => unknown) => assert.throws(run, InvariantError);
    refused(() => sealFrame(key, salt, 2 ** 32, Buffer.alloc(1), 1, out, 0));
    refused(() => sealFrame(key, salt, 0, Buffer.alloc(2), 1, out, 0));
    refused(() => sealFrame(key, salt, 0, Buffer.alloc(85), 85, out, 0));
    refused(() => sealFrame(key, salt.subarray(1), 0, Buffer.alloc(1), 1, out, 0));
    refused(() => sealFramePieces(key, salt, 0, [Buffer.alloc(limits.frameBytes + 1)], limits.frameBytes + 1));
  });
});
