/* Bytes of a log that go bad in one of two copies while nobody looks. */
import assert from 'node:assert/strict';
import { it } from 'node:test';
import { memoryVolume, type Volume } from '../../device/index.ts';
import { CorruptionError } from '../../errors.ts';
import { recordHeadBytes } from '../record.ts';
import { entries } from '../suite.ts';
import { headBytes } from './format.ts';
import type { MirrorEvent } from './mirrored.ts';
import { appendAll, assertEqual, openSides, segmentsOf } from './sides.support.ts';

it('an entry that went bad in the side that serves reads is read from the other one, and told of once', async () => {
  const volumes = [memoryVolume(), memoryVolume()] as const;
  const made = await openSides(volumes);
  await appendAll(made.log, 1, 60);
  const expected = await entries(made.log);
  await made.log.close();
  const [name] = await segmentsOf(volumes[0]);
  /** Each of these records is damaged in its middle. */
  const harm = async (volume: Volume, records: readonly number[]): Promise<void> => {
    const file = await volume.open(name as string, 'existing');
    for (const record of records)
      await file.write([Buffer.alloc(8, 1)], headBytes + record * (600 + recordHeadBytes) + 300);
    await file.close();
  };
  await harm(volumes[0], [0, 2, 3]);

  const events: MirrorEvent[] = [];
  const { log, damaged } = await openSides(volumes, (event) => events.push(event));
  const told = { side: 'side-0', other: 'side-1', segment: name };
  for (const _ of [1, 2]) {
    assert.deepEqual(await entries(log), expected);
    assert.deepEqual(damaged(), [told]);
    assert.deepEqual(events, [{ state: 'damaged', position: 1, reason: 'its checksum is wrong', ...told }]);
  }
  await log.close();

  // As the operator is told to: a segment that is not there is written anew.
  await volumes[0].remove(name as string);
  const mended = await openSides(volumes);
  assert.deepEqual(await entries(mended.log), expected);
  assert.deepEqual(mended.damaged(), []);
  await mended.log.close();
  await assertEqual(...volumes);

  await harm(volumes[0], [3, 5]);
  await harm(volumes[1], [5]);
  const both = await openSides(volumes);
  await assert.rejects(
    entries(both.log),
    (error) => error instanceof CorruptionError && /position 6:/.test(error.message),
  );
  await both.log.close();
});
