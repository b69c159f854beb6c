import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type MemoryVolume, memoryVolume, type Volume } from '../../device/index.ts';
import { CorruptionError } from '../../errors.ts';
import { manualHost } from '../../host/index.ts';
import { recordHeadBytes } from '../record.ts';
import { entries, payload, suiteLimits } from '../suite.ts';
import type { Log, LogEntry } from '../types.ts';
import { headBytes } from './format.ts';
import { openEmbeddedLog } from './open.ts';

const host = manualHost(3);
const open = (volume: Volume): Promise<Log> => openEmbeddedLog({ volume, host, limits: suiteLimits });

async function flip(volume: Volume, name: string, bit: number): Promise<void> {
  const file = await volume.open(name, 'existing');
  const byte = Buffer.alloc(1);
  await file.read(byte, bit >>> 3);
  byte[0] = (byte[0] as number) ^ (1 << (bit & 7));
  await file.write([byte], bit >>> 3);
  await file.close();
}

async function patch(volume: Volume, name: string, bytes: Buffer, at: number): Promise<void> {
  const file = await volume.open(name, 'existing');
  await file.write([bytes], at);
  await file.close();
}

/** A log of small entries, each in a group of its own; not closed, as after a crash. */
async function filled(count: number, length = 40): Promise<{ volume: MemoryVolume; all: LogEntry[] }> {
  const volume = memoryVolume();
  const log = await open(volume);
  for (let i = 1; i <= count; i++) await log.append(payload(i, length));
  return { volume, all: await entries(log) };
}

const first = 'segment-0000000000000001';
const recordBytes = recordHeadBytes + 40;

describe('damage', () => {
  it('is noticed wherever it is in an entry that was acknowledged, and named', async () => {
    const { volume } = await filled(5);
    for (const record of [0, 2, 3]) {
      for (let byte = 0; byte < recordBytes; byte++) {
        const at = headBytes + record * recordBytes + byte;
        const bit = at * 8 + (byte % 8);
        await flip(volume, first, bit);
        await assert.rejects(open(volume), (error) => {
          assert.ok(error instanceof CorruptionError);
          assert.match(
            error.message,
            new RegExp(`segment ${first} is damaged at offset ${headBytes + record * recordBytes},`),
          );
          assert.match(error.message, new RegExp(`position ${record + 1}:`));
          return true;
        });
        await flip(volume, first, bit);
      }
    }
    assert.equal((await open(volume)).head, 5);
  });

  it('in the last group is a torn tail after a crash', async () => {
    const { volume, all } = await filled(5);
    for (let byte = 0; byte < recordBytes; byte++) {
      const bit = (headBytes + 4 * recordBytes + byte) * 8 + (byte % 8);
      await flip(volume, first, bit);
      const log = await open(volume);
      assert.equal(log.head, 4);
      assert.deepEqual(await entries(log), all.slice(0, 4));
      await flip(volume, first, bit);
    }
  });

  it('in the last group is damage after a clean close', async () => {
    const { volume } = await filled(4);
    const log = await open(volume);
    await log.append(payload(5, 40));
    await log.close();
    for (let byte = 0; byte < recordBytes; byte++) {
      const bit = (headBytes + 4 * recordBytes + byte) * 8 + (byte % 8);
      await flip(volume, first, bit);
      await assert.rejects(open(volume), /position 5: .*, though the log was closed at 5/);
      await flip(volume, first, bit);
    }
  });

  it('in an older segment is noticed when it is read', async () => {
    const { volume, all } = await filled(40, 1000);
    const bytes = recordHeadBytes + 1000;
    for (const byte of [0, 5, 13, 20, 33, 45, 50, recordHeadBytes + 500]) {
      const bit = (headBytes + 3 * bytes + byte) * 8;
      await flip(volume, first, bit);
      const log = await open(volume);
      assert.deepEqual(await entries(log, 20), all.slice(19));
      const seen: number[] = [];
      await assert.rejects(async () => {
        for await (const { position } of log.read(1)) seen.push(position);
      }, /segment-0000000000000001 is damaged at offset 7288, position 4/);
      assert.deepEqual(seen, [1, 2, 3]);
      await flip(volume, first, bit);
    }
  });

  it('of a head is noticed, and so is a missing segment', async () => {
    const { volume } = await filled(40, 1000);
    const names = (await volume.list()).filter((name) => name.startsWith('segment-'));
    assert.ok(names.length >= 4);
    for (let byte = 0; byte < 84; byte++) {
      await flip(volume, names[1] as string, byte * 8 + (byte % 8));
      await assert.rejects(open(volume), new RegExp(`log segment ${names[1]} cannot be used: `));
      await flip(volume, names[1] as string, byte * 8 + (byte % 8));
    }
    await volume.remove(names[2] as string);
    await assert.rejects(open(volume), new RegExp(`the log segment before ${names[3]} is missing`));
    await volume.rename(names[1] as string, names[2] as string);
    await assert.rejects(open(volume), /it begins at position/);
  });

  it('is told from a torn tail by an entry far behind it', async () => {
    const large = { segmentBytes: 2 ** 23, tailBytes: 2 ** 24, entryBytes: 2 ** 22 };
    for (const length of [2 ** 20 - headBytes, 2 ** 20 - 96, 2 ** 20 + 100, 3_000_000, 4_000_000]) {
      const volume = memoryVolume();
      const log = await openEmbeddedLog({ volume, host, limits: large });
      for (const size of [length, 10]) await log.append(Buffer.alloc(size));
      await flip(volume, first, headBytes * 8);
      await assert.rejects(
        openEmbeddedLog({ volume, host, limits: large }),
        /position 1: its checksum is wrong, though the entry/,
      );
    }
  });

  it('cannot be faked by what a payload holds', async () => {
    const { volume } = await filled(5, 1000);
    // The bytes of a whole later record, as a payload of the torn last entry.
    const file = await volume.open(first, 'read');
    const record = Buffer.alloc(recordHeadBytes + 1000);
    await file.read(record, headBytes + 4 * record.length);
    record.writeUInt32LE(1000, 16);
    record.writeUInt32LE(999, 32);
    const log = await open(volume);
    await log.append(Buffer.concat([Buffer.alloc(100), record, Buffer.alloc(100)]));
    await flip(volume, first, (headBytes + 5 * record.length + recordHeadBytes + 20) * 8);
    assert.equal((await open(volume)).head, 5);
  });

  it('is noticed when a write was lost or went elsewhere though its sync succeeded', async () => {
    const { volume, all } = await filled(6);
    const zeros = Buffer.alloc(recordBytes);
    await patch(volume, first, zeros, headBytes + 3 * recordBytes);
    await assert.rejects(open(volume), /damaged at offset 4408, position 4: no record begins here/);
    const file = await volume.open(first, 'read');
    await file.read(zeros, headBytes + 2 * recordBytes);
    await patch(volume, first, zeros, headBytes + 3 * recordBytes);
    await assert.rejects(open(volume), /damaged at offset 4408, position 4: its position is 3, not 4/);
    assert.equal(all.length, 6);
  });
});
