/* The bytes of restores, as they were first written: see golden.test.ts. */
import assert from 'node:assert/strict';
import { it } from 'node:test';
import type { Effect } from './effects.ts';
import { decodeEntry, encodeEntry } from './entry.ts';
import { at, keptObject, noticed, object } from './golden.support.ts';
import { keys } from './keys.ts';
import { decodeNotice, encodeNotice } from './notices.ts';
import type { Restore } from './restores.ts';
import { decodeVersion, encodeVersion } from './versions.ts';

const until = 1_900_000_000_789;
const ongoing: Restore = { state: 'ongoing', tier: 'Bulk', readyMs: until, days: 300 };
const restoring = { ...keptObject, storageClass: 'GLACIER', restore: ongoing };
const restored = { ...object, restore: { state: 'restored', untilMs: until } as const };
const effects: readonly Effect[] = [
  { type: 'restore.due', dueMs: until, sequence: 300, place: at },
  { type: 'restore.due', dueMs: until, sequence: 300, place: undefined },
];
const notice = { ...noticed, restore: { storageClass: 'GLACIER', untilMs: until } };

const golden: Record<string, [bytes: Buffer, again: (bytes: Buffer) => unknown, value: unknown, hex: string]> = {
  restoring: [
    encodeVersion(restoring, false),
    decodeVersion,
    restoring,
    '020202060000000000f2052a010000007b68e5cf8b01000005000000000000006465666768696a6b6c6d6e6f707172733c3d3e3f40414243c8c9cacbcccdcecfd0d1d2d3d4d5d6d7056f776e657206464748494a4b32333435110a746578742f706c61696e086e6f2d73746f72650105636f6c6f7204626cc3a501016b0176430301020208038088b2a002c869e5cf8b0100000302153bd360ba010000ac0203001c0102030405060708050568656c6c6f',
  ],
  restored: [
    encodeVersion(restored, false),
    decodeVersion,
    restored,
    '020202010000000000f2052a010000007b68e5cf8b01000005000000000000006465666768696a6b6c6d6e6f707172733c3d3e3f40414243c8c9cacbcccdcecfd0d1d2d3d4d5d6d7056f776e657206464748494a4b32333435110a746578742f706c61696e086e6f2d73746f72650105636f6c6f7204626cc3a501016b01764000153bd360ba01000003001c0102030405060708050568656c6c6f',
  ],
  entry: [encodeEntry(effects), decodeEntry, effects, '015795f6cc86a637ac020107000000016b5795f6cc86a637ac0200'],
  notice: [
    encodeNotice(notice),
    decodeNotice,
    notice,
    '01020f07000000016bfbd095ffbc31ac023c3d3e3f40414243020152016802414b0831302e302e302e310a436f70794f626a6563740670686f746f73056f776e65720465752d31020004686f6f6b0163010362757300056465666768696a6b6c6d6e6f707172730307474c414349455295f6cc86a637',
  ],
};

it('the bytes of restores are those that were first written', () => {
  for (const [name, [bytes, again, value, hex]] of Object.entries(golden)) {
    assert.equal(bytes.toString('hex'), hex, name);
    assert.deepEqual(again(Buffer.from(hex, 'hex')), value, name);
  }
  assert.equal(keys.restore(2 ** 40, 300).toString('hex'), '450000010000000000000000000000012c');
});
