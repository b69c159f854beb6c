/* The bytes of renames between two shards, as they were first written: see golden.test.ts. */
import assert from 'node:assert/strict';
import { it } from 'node:test';
import type { Effect } from './effects.ts';
import { decodeEntry, encodeEntry } from './entry.ts';
import { at, noticed, run } from './golden.support.ts';
import { keys } from './keys.ts';
import { renameId, shardOfRename } from './renames.ts';

const id = renameId(300, run(14, 20));
const about = { id, ...at, source: Buffer.from('old'), ticket: run(8, 60) };
const announce = {
  origin: noticed.origin,
  destinations: [{ event: 'ObjectRemoved:Delete', shape: 'eventBridge', target: 'bus', configuration: '' }],
} as const;
const effects: readonly Effect[] = [
  { type: 'rename.write', rename: { ...about, state: 'prepared', from: 0 } },
  { type: 'rename.write', rename: { ...about, state: 'done', from: 2 } },
  { type: 'rename.remove', id },
  { type: 'hold.write', ...at, hold: { rename: id, owner: 'owner', leaves: false, announce: undefined } },
  { type: 'hold.write', ...at, hold: { rename: id, owner: 'owner', leaves: true, announce } },
  { type: 'hold.remove', ...at },
];

it('the bytes of renames between shards are those that were first written', () => {
  const hex =
    '015c012c1415161718191a1b1c1d1e1f20211501003c3d3e3f404142430007000000016b036f6c645c012c1415161718191a1b1c1d1e1f20211501013c3d3e3f404142430207000000016b036f6c645d012c1415161718191a1b1c1d1e1f20215e07000000016b180100012c1415161718191a1b1c1d1e1f2021056f776e65725e07000000016b4d0103012c1415161718191a1b1c1d1e1f2021056f776e65720152016802414b0831302e302e302e310a436f70794f626a6563740670686f746f73056f776e65720465752d3101040103627573005f07000000016b';
  assert.equal(encodeEntry(effects).toString('hex'), hex);
  assert.deepEqual(decodeEntry(Buffer.from(hex, 'hex')), effects);
  assert.equal(shardOfRename(id), 300);
  assert.equal(keys.rename(id).toString('hex'), '4700012c1415161718191a1b1c1d1e1f2021');
  assert.equal(keys.renamedInto(7).toString('hex'), '470100000007');
  assert.equal(keys.hold(7, Buffer.from('k')).toString('hex'), '48000000076b');
});
