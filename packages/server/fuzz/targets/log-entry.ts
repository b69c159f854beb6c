import assert from 'node:assert/strict';
import { crc32c } from '../../src/codec/index.ts';
import type { VolumeFile } from '../../src/device/index.ts';
import { CorruptionError } from '../../src/errors.ts';
import { headBytes, type SegmentHead } from '../../src/log/embedded/format.ts';
import { firstPlace, RecordReader } from '../../src/log/embedded/records.ts';
import { findTail } from '../../src/log/embedded/recovery.ts';
import { Segment, segmentName } from '../../src/log/embedded/segment.ts';
import { firstHash, identitySeed, putRecord, recordHash, recordHeadBytes } from '../../src/log/record.ts';
import type { Target } from '../target.ts';

/*
 * The records of a segment. Nothing but what was appended is ever read as an entry, in its order from the start; with checksums that
 * were made to fit, positions still follow each other and no length is believed.
 */

const identity = Buffer.alloc(16, 'identity of fuzz');
const seed = identitySeed(identity);
const before = firstHash(identity);
const head: SegmentHead = { identity, first: 1, before, epoch: 0, previousFirst: 0, previousEnd: 0 };

/** Groups of payload sizes, each group durable before the next. */
function records(groups: readonly (readonly number[])[], session: number): Buffer {
  const out: Buffer[] = [];
  let hash = before;
  let position = 0;
  for (const group of groups) {
    const durable = position;
    for (const size of group) {
      const record = Buffer.alloc(recordHeadBytes + size);
      const payload = Buffer.alloc(size, `${session} ${position} `);
      hash = putRecord(record, payload, ++position, durable, hash, {
        seed,
        epoch: 1,
        session: Buffer.alloc(8, session),
      });
      out.push(record);
    }
  }
  return Buffer.concat(out);
}

const logs = [
  records([[10], [0, 200], [40]], 1),
  records([[10, 20, 30]], 2),
  records([[500], [1], [1], [1]], 3),
  Buffer.concat([records([[64], [64], [64]], 4), Buffer.alloc(300)]),
];

/** Hashes of all entries that were ever appended. */
const known = new Set<string>();
for (const log of logs) {
  for (let at = 0; at + recordHeadBytes <= log.length && log.readUInt32LE(at + 4) !== 0; ) {
    const end = at + recordHeadBytes + log.readUInt32LE(at + 12);
    known.add(recordHash(log.subarray(at, end)).toString('hex'));
    at = end;
  }
}

/** A file that holds the records behind its head. */
function fileOf(bytes: Buffer): VolumeFile {
  const refuse = (): Promise<never> => Promise.reject(new Error('the file is read only'));
  return {
    async read(into, position) {
      assert.ok(position >= headBytes, 'only records are read here');
      return bytes.copy(into, 0, position - headBytes, position - headBytes + into.length);
    },
    size: async () => headBytes + bytes.length,
    close: async () => {},
    write: refuse,
    sync: refuse,
    truncate: refuse,
  };
}

export const target: Target = {
  name: 'log-entry',
  maximum: 4096,
  words: ['LOGR', 'LOGR\x01\0\0\0', '\0\0\0\0', '\xff\xff\xff\xff'],
  seeds: () => logs,
  reseal(input) {
    const out = Buffer.from(input);
    let hash = before;
    for (let at = 0; at + recordHeadBytes <= out.length; ) {
      const end = Math.min(out.length, at + recordHeadBytes + out.readUInt32LE(at + 12));
      hash.copy(out, at + 48);
      out.writeUInt32LE(crc32c(out.subarray(at + 4, end), seed), at);
      hash = recordHash(out.subarray(at, end));
      at = end;
    }
    return out;
  },
  async check(input, _dice, resealed) {
    const file = fileOf(input);
    const size = headBytes + input.length;
    const reader = new RecordReader(file, firstPlace(1, before), size, seed);
    let bytes = 0;
    let position = 0;
    for (let found = await reader.next(); found; found = await reader.next()) {
      bytes += recordHeadBytes + found.payload.length;
      assert.equal(found.position, ++position);
      assert.equal(found.end, headBytes + bytes);
      if (!resealed) assert.ok(known.has(found.hash.toString('hex')), 'an entry that nobody appended');
    }
    assert.ok(bytes <= input.length && reader.why !== '');
    try {
      const segment = new Segment(segmentName(1), head, file, size, undefined);
      assert.deepEqual((await findTail(segment, seed)).place, reader.place);
    } catch (error) {
      if (!(error instanceof CorruptionError)) throw error;
    }
  },
};
