/* The bytes of what versions say of their replication, as they were first written: see golden.test.ts. */
import assert from 'node:assert/strict';
import { it } from 'node:test';
import { CorruptionError } from '../../errors.ts';
import { object } from './golden.support.ts';
import { noteOf, type ReplicationNote, replicatedTo } from './replicated.ts';
import { decodeVersion, encodeVersion } from './versions.ts';

const places = ['arn:dsom:s3::paris:photos', 'arn:dsom:s3::rome:photos', 'arn:dsom:s3::oslo:photos'] as const;
const pending = noteOf(places);
const golden: Record<string, readonly [note: ReplicationNote | undefined, hex: string]> = {
  replica: [
    noteOf('replica'),
    '020202010000000000f2052a010000007b68e5cf8b01000005000000000000006465666768696a6b6c6d6e6f707172733c3d3e3f40414243c8c9cacbcccdcecfd0d1d2d3d4d5d6d7056f776e657206464748494a4b32333435110a746578742f706c61696e086e6f2d73746f72650105636f6c6f7204626cc3a501016b0176800003001c0102030405060708050568656c6c6f',
  ],
  source: [
    replicatedTo(replicatedTo(pending, places[0], 'completed'), places[1], 'failed'),
    '020202010000000000f2052a010000007b68e5cf8b01000005000000000000006465666768696a6b6c6d6e6f707172733c3d3e3f40414243c8c9cacbcccdcecfd0d1d2d3d4d5d6d7056f776e657206464748494a4b32333435110a746578742f706c61696e086e6f2d73746f72650105636f6c6f7204626cc3a501016b01768001034d57475fb4f4653b00fa9e38e7ac386daf0186afbb3fd483637d0203001c0102030405060708050568656c6c6f',
  ],
};

for (const [name, [replication, hex]] of Object.entries(golden))
  it(`the bytes of a version that is a ${name} are those that were first written`, () => {
    assert.ok(replication);
    const version = { ...object, replication };
    const bytes = encodeVersion(version, false);
    assert.equal(bytes.toString('hex'), hex);
    assert.deepEqual(decodeVersion(bytes), version);
  });

it('a note of no place, or of a state that is not known, is damage', () => {
  const bytes = encodeVersion({ ...object, replication: pending! }, false);
  const at = bytes.indexOf(Buffer.from([128, 1, 3]));
  assert.ok(at > 0);
  for (const [offset, value] of [
    [1, 2],
    [2, 0],
    [2 + 1 + 8, 3],
  ] as const) {
    const other = Buffer.from(bytes);
    other[at + offset] = value;
    assert.throws(() => decodeVersion(other), CorruptionError, `${offset}: ${value}`);
  }
});
