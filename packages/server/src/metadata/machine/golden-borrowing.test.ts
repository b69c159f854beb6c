/* The bytes of parts that borrow, as they were first written: see golden.test.ts. */
import assert from 'node:assert/strict';
import { it } from 'node:test';
import { CorruptionError } from '../../errors.ts';
import type { Effect } from './effects.ts';
import { decodeEntry, encodeEntry } from './entry.ts';
import { run, striped } from './golden.support.ts';
import { decodePieceRow, encodePieceRow } from './pieces.ts';
import type { PieceRow } from './records.ts';

const borrowed = { manifest: run(16, 0), first: 3, end: 300, offset: 70_000, depth: 2, key: run(3, 8) };
const row: PieceRow = {
  kind: 'piece',
  modifiedMs: 5,
  start: 0,
  piece: { ...striped, compressed: false, body: { borrowed } },
};
const written =
  '010005000000000000000040090a0b0c0d0e0f1080b4c4c321030405060708090a0b0c0d0e0f101112000102030405060708090a0b0c0d0e0f03ac02f0a204020308090a';
const effects: readonly Effect[] = [{ type: 'manifest.hold', manifest: run(16, 0), held: 400, pieces: 300 }];
const entry = '013e000102030405060708090a0b0c0d0e0f9003ac02';

it('the bytes of parts that borrow are those that were first written', () => {
  assert.equal(encodePieceRow(row).toString('hex'), written);
  assert.deepEqual(decodePieceRow(Buffer.from(written, 'hex')), row);
  assert.equal(encodeEntry(effects).toString('hex'), entry);
  assert.deepEqual(decodeEntry(Buffer.from(entry, 'hex')), effects);
});

it('what borrows nothing, or has bytes of its own besides, is no piece', () => {
  const bytes = Buffer.from(written, 'hex');
  for (const flags of [0x41, 0x42, 0x60, 0x80]) {
    const other = Buffer.from(bytes);
    other[11] = flags;
    assert.throws(() => decodePieceRow(other), CorruptionError, flags.toString(16));
  }
  const nothing = { ...row, piece: { ...row.piece, body: { borrowed: { ...borrowed, first: 300 } } } };
  assert.throws(() => decodePieceRow(encodePieceRow(nothing as PieceRow)), CorruptionError);
});
