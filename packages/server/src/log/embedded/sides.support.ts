/* Two sides of a log, opened and compared as its tests need it. */
import assert from 'node:assert/strict';
import type { Volume } from '../../device/index.ts';
import { manualHost } from '../../host/index.ts';
import { entries, payload, suiteLimits } from '../suite.ts';
import type { Log } from '../types.ts';
import type { LogSide } from './examine.ts';
import { LogCopies, type MirrorEvent, type MirroredLog } from './mirrored.ts';
import { openEmbeddedLog } from './open.ts';

const host = manualHost(11);

/** Opens what is given; a side that is undefined is away. The first that is there is the primary. */
export async function openSides(
  volumes: readonly (Volume | undefined)[],
  onEvent: (event: MirrorEvent) => void = () => {},
): Promise<MirroredLog> {
  const sides = volumes.flatMap((volume, index): LogSide[] => (volume ? [{ name: `side-${index}`, volume }] : []));
  const copies = await LogCopies.examine(sides, []);
  const [primary, mirror] = sides.map(({ name }) => name);
  return copies.open({ primary: primary as string, mirror, host, limits: suiteLimits, onEvent });
}

/** What an embedded log finds in one side by itself. */
export async function alone(volume: Volume) {
  const log = await openEmbeddedLog({ volume, host, limits: suiteLimits });
  const all = await entries(log);
  await log.close();
  return { head: log.head, all };
}

export async function appendAll(log: Log, from: number, to: number, size = 600): Promise<void> {
  for (let i = from; i <= to; i++) await log.append(payload(i, size));
}

/** Segments only: spares and marks are not the log. */
export const segmentsOf = async (volume: Volume) => (await volume.list()).filter((name) => name.startsWith('segment-'));

export async function assertEqual(a: Volume, b: Volume): Promise<void> {
  const [mine, others] = [await a.list(), await b.list()];
  assert.deepEqual(mine, others);
  assert.ok(!mine.includes('behind') && !mine.includes('alone'));
  assert.deepEqual(await alone(a), await alone(b));
}
