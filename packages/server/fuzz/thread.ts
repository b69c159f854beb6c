/* One target in a thread of its own: what hangs or eats memory there can be ended, and its input is known. */
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { parentPort, workerData } from 'node:worker_threads';
import { Dice } from './dice.ts';
import { spoiled } from './spoil.ts';
import type { Target } from './target.ts';

export interface Order {
  readonly name: string;
  readonly seed: number;
  readonly milliseconds: number;
  /** Inputs tried so far (u32), bytes of the current one (u32), and the bytes. */
  readonly shared: SharedArrayBuffer;
}

/** What a thread answers. `failure` is the text of an error, `input` what led to it. */
export interface Report {
  readonly tried: number;
  readonly failure?: string;
  readonly input?: Uint8Array;
}

const { name, seed, milliseconds, shared } = workerData as Order;
const counters = new Uint32Array(shared, 0, 2);
const current = Buffer.from(shared, 8);

const { target } = (await import(`./targets/${name}.ts`)) as { target: Target };
const folder = path.join(import.meta.dirname, 'corpus', name);
const saved = readdirSync(folder)
  .sort()
  .map((file) => readFileSync(path.join(folder, file)));
const inputs = [...saved, ...((await target.seeds?.()) ?? [])];
const dice = new Dice(seed);

async function tried(input: Buffer, resealed: boolean): Promise<void> {
  counters[0] = (counters[0] as number) + 1;
  counters[1] = input.length;
  current.set(input);
  const checking = target.check(input, dice, resealed);
  if (checking) await checking;
}

async function run(): Promise<Report> {
  let input: Buffer = Buffer.alloc(0);
  let count = 0;
  try {
    // What is in the corpus must hold as it is.
    for (input of inputs) await tried(input, false);
    const end = performance.now() + milliseconds;
    while (performance.now() < end) {
      for (let i = 0; i < 32; i++, count++) {
        input = spoiled(inputs, target.words, target.maximum, dice);
        const resealed = target.reseal !== undefined && dice.once(2);
        if (resealed) input = target.reseal(input);
        await tried(input, resealed);
      }
    }
    return { tried: count };
  } catch (error) {
    const failure = error instanceof Error ? (error.stack ?? error.message) : String(error);
    return { tried: count, failure, input: Uint8Array.from(input) };
  }
}

parentPort?.postMessage(await run());
