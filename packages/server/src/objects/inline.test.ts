import assert from 'node:assert/strict';
import { test } from 'node:test';
import { StoreError } from '../errors.ts';
import { limits } from '../limits.ts';
import type { Piece } from '../metadata/index.ts';
import { openInline, sealInline } from './inline.ts';
import { noise } from './stripes.fixture.ts';

const [key, salt] = [noise(32, 1), noise(8, 2)];

function records(length: number): Buffer {
  let text = '';
  for (let i = 0; text.length < length; i++) {
    const id = noise(12, i).toString('hex');
    text += JSON.stringify({ id, at: 1_700_000_000_000 + i * 7919, state: i % 3 ? 'shipped' : 'open', sum: i * 1.37 });
  }
  return Buffer.from(text.slice(0, length));
}

function sealed(plain: Buffer, pack = true): Piece {
  const inline = sealInline(key, salt, plain, pack);
  const compressed = plain.length > 0 && inline.length < plain.length + 16;
  return {
    salt,
    size: plain.length,
    md5: noise(16, 3),
    checksum: undefined,
    compressed,
    sealed: true,
    body: { inline },
  };
}

const storedBytes = (piece: Piece): number => ('inline' in piece.body ? piece.body.inline.length : 0);
const damaged = (error: unknown) => error instanceof StoreError && error.code === 'Damaged';

test('small bodies of every size and kind come back as they went in', () => {
  const sizes = [0, 1, 15, 127, 128, 1000, 1023, 1024, 1025, 2048, 3000, limits.inlineBytes];
  for (const size of sizes) {
    for (const plain of [records(size), noise(size, size), Buffer.alloc(size, 'a')]) {
      for (const pack of [true, false]) assert.ok(openInline(sealed(plain, pack), key).equals(plain), `${size}`);
    }
  }
});

test('records shrink, from the bound on; noise, and what says it is packed, is not tried', () => {
  for (const size of [limits.inlinePackBytes, 2048, limits.inlineBytes]) {
    const piece = sealed(records(size));
    assert.ok(piece.compressed && storedBytes(piece) < size * 0.7, `${storedBytes(piece)} of ${size}`);
    for (const other of [sealed(records(size), false), sealed(noise(size, 4))]) {
      assert.deepEqual([other.compressed, storedBytes(other)], [false, size + 16]);
    }
  }
  assert.equal(sealed(records(limits.inlinePackBytes - 1)).compressed, false);
  // Half of it is noise: what would be saved is not worth what every read pays.
  const mixed = Buffer.concat([noise(3200, 5), Buffer.alloc(896, 'a')]);
  assert.equal(sealed(mixed).compressed, false);
});

test('a packed body that was changed, cut or mislabelled is damaged', () => {
  const piece = sealed(records(2000));
  assert.ok('inline' in piece.body);
  const { inline } = piece.body;
  for (let at = 0; at < inline.length; at += 7) {
    const changed = Buffer.from(inline);
    changed[at]! ^= 0x10;
    assert.throws(() => openInline({ ...piece, body: { inline: changed } }, key), damaged);
  }
  for (const wrong of [
    { ...piece, sealed: true, compressed: false },
    { ...piece, size: 1999 },
    { ...piece, size: inline.length - 16 },
    { ...piece, body: { inline: inline.subarray(0, 10) } },
    { ...sealed(noise(2000, 6)), compressed: true },
  ])
    assert.throws(() => openInline(wrong, key), damaged);
});
