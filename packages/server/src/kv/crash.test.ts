import assert from 'node:assert/strict';
import * as fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, it } from 'node:test';
import fc from 'fast-check';
import { manualHost } from '../host/index.ts';
import { openKv } from './owner.ts';
import { checkKvFile } from './structure.ts';
import { listed, Model } from './suite.ts';
import type { Kv, KvChange } from './types.ts';

/*
 * Power loss under LMDB. The disk keeps what the newest completed sync of the data file covered, and of what was written after it any
 * part: each 4 KiB page of the file is the old one, the new one, or torn between two sectors. The side file is the old one or the new one.
 */

const root = fs.mkdtempSync(join(tmpdir(), 'dsom-kv-crash-'));
after(() => fs.rmSync(root, { recursive: true, force: true }));
let count = 0;

const pageBytes = 4096;
const sectorBytes = 512;

/** Numbers from a seed: `below(n)` is 0 … n - 1. */
function dice(seed: number): (below: number) => number {
  const { entropy } = manualHost(seed);
  entropy.bytes(64);
  return (below) => entropy.bytes(4).readUInt32LE() % below;
}

/** The file as it may be found: `synced` is sure, of `current` any part may be there. */
function anyPart(synced: Buffer, current: Buffer, below: (below: number) => number): Buffer {
  const length = below(3) === 0 ? synced.length : current.length;
  const found = Buffer.alloc(Math.max(length, synced.length));
  synced.copy(found);
  const odds = [0, 1, 2, 3, 4][below(5)] as number;
  for (let page = 0; page < found.length; page += pageBytes) {
    if (below(4) >= odds) continue;
    const from = below(6) === 0 ? sectorBytes * below(8) : 0;
    const to = below(6) === 0 ? sectorBytes * below(8) : pageBytes;
    if (from < to) current.copy(found, page + from, page + from, Math.min(current.length, page + to));
  }
  return found;
}

interface Durable {
  /** Files that a crash leaves at least this far. */
  readonly data: Buffer;
  readonly side: Buffer;
  readonly model: Model;
}

const keys = Array.from({ length: 400 }, (_, i) => Buffer.from(`key ${i % 20} ${i}`));

function randomBatch(below: (below: number) => number): KvChange[] {
  return Array.from({ length: 1 + below(30) }, () => {
    const key = keys[below(keys.length)] as Buffer;
    const value = below(4) === 0 ? undefined : Buffer.alloc(below(10) === 0 ? 9000 : below(1500), below(256));
    return [key, value] as const;
  });
}

class Life {
  readonly directory: string;
  readonly kv: Kv;
  readonly model: Model;
  durable: Durable;

  constructor(directory: string, kv: Kv, model: Model) {
    this.directory = directory;
    this.kv = kv;
    this.model = model;
    this.durable = { data: this.data(), side: this.side(), model: model.copy() };
  }

  data(): Buffer {
    return fs.readFileSync(join(this.directory, 'data.mdb'));
  }

  side(): Buffer {
    return fs.readFileSync(join(this.directory, 'checkpoint'));
  }

  commit(batch: KvChange[]): void {
    this.kv.commit(batch);
    this.model.commit(batch);
  }

  /** Makes a checkpoint while more is committed. Gives what may be found if the power goes just before the new side file counts. */
  async checkpoint(meanwhile: KvChange[][]): Promise<Durable> {
    const model = this.model.copy();
    const done = this.kv.checkpoint();
    const data = this.data();
    const { side, model: before } = this.durable;
    for (const batch of meanwhile) this.commit(batch);
    await done;
    this.durable = { data, side: this.side(), model };
    return { data, side, model: before };
  }
}

async function reborn(durable: Durable, current: Buffer, below: (below: number) => number): Promise<Life> {
  const directory = join(root, String(count++));
  fs.mkdirSync(directory);
  fs.writeFileSync(join(directory, 'data.mdb'), anyPart(durable.data, current, below));
  fs.writeFileSync(join(directory, 'checkpoint'), durable.side);
  if (below(2) === 0) fs.writeFileSync(join(directory, 'checkpoint.next'), Buffer.alloc(below(30_000), 1));
  // First without LMDB, which may follow a page that is not of the checkpoint for ever.
  await checkKvFile(directory);
  const kv = await openKv({ directory, host: manualHost() });
  assert.deepEqual(listed(kv), durable.model.listed());
  return new Life(directory, kv, durable.model.copy());
}

it('lmdb: whatever part of the unsynced pages a crash leaves, it opens at its newest checkpoint and goes on', () =>
  fc.assert(
    fc.asyncProperty(fc.integer({ min: 0 }), async (seed) => {
      const below = dice(seed);
      const first = join(root, String(count++));
      let life = new Life(first, await openKv({ directory: first, host: manualHost() }), new Model());
      for (let lives = 0; lives < 4; lives++) {
        let unfinished: Durable | undefined;
        for (let steps = 1 + below(40); steps > 0; steps--) {
          unfinished = undefined;
          if (below(6) > 0) life.commit(randomBatch(below));
          else unfinished = await life.checkpoint(Array.from({ length: below(4) }, () => randomBatch(below)));
          if (below(10) === 0) assert.deepEqual(listed(life.kv), life.model.listed());
        }
        const next = await reborn(unfinished ?? life.durable, life.data(), below);
        await life.kv.close();
        fs.rmSync(life.directory, { recursive: true });
        life = next;
      }
      await life.kv.close();
      fs.rmSync(life.directory, { recursive: true });
    }),
    { numRuns: 15 },
  ));
