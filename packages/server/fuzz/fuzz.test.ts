/*
 * Spoiled inputs for everything that takes bytes from outside. `npm run fuzz`.
 *
 *   DSOM_FUZZ_SECONDS  for each target, 6 when left out
 *   DSOM_FUZZ_SEED     decides every input; a failure prints the one that led to it
 *   DSOM_FUZZ_ONLY     the name of one target
 *
 * An input that showed a bug belongs into `corpus/<target>/` once the bug is mended: what lies there is tried first, each time.
 */
import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import path from 'node:path';
import { it } from 'node:test';
import { Worker } from 'node:worker_threads';
import type { Order, Report } from './thread.ts';

const milliseconds = Number(process.env['DSOM_FUZZ_SECONDS'] ?? 6) * 1000;
const seed = Number(process.env['DSOM_FUZZ_SEED'] ?? Math.floor(Math.random() * 2 ** 31));
const only = process.env['DSOM_FUZZ_ONLY'];
/** An input of a few kilobytes that takes longer than this hangs. */
const patienceMs = 20_000;
/** Memory that a thread may take beyond what it begins with. */
const memoryBytes = 512 * 1024 * 1024;
const inputBytes = 1024 * 1024;

const targets = readdirSync(path.join(import.meta.dirname, 'targets')).map((file) => path.basename(file, '.ts'));

/** Runs a target; an end without a report is one too. */
function run(name: string): Promise<Report> {
  const shared = new SharedArrayBuffer(8 + inputBytes);
  const counters = new Uint32Array(shared, 0, 2);
  const order: Order = { name, seed, milliseconds, shared };
  const thread = new Worker(new URL('./thread.ts', import.meta.url), {
    workerData: order,
    resourceLimits: { maxOldGenerationSizeMb: 256 },
  });
  return new Promise((resolve) => {
    const cut = (failure: string): void => {
      clearInterval(watch);
      const input = Uint8Array.from(new Uint8Array(shared, 8, counters[1]));
      resolve({ tried: counters[0] as number, failure, input });
      void thread.terminate();
    };
    let seen = -1;
    let since = performance.now();
    const before = process.memoryUsage.rss();
    const watch = setInterval(() => {
      const now = counters[0] as number;
      if (now !== seen) since = performance.now();
      seen = now;
      if (performance.now() - since > patienceMs + (now === 0 ? 10_000 : 0)) cut(`hangs for ${patienceMs} ms`);
      else if (process.memoryUsage.rss() - before > memoryBytes) cut('takes more memory than it should');
    }, 100);
    thread.on('message', (report: Report) => {
      clearInterval(watch);
      resolve(report);
    });
    thread.on('error', (error: Error) => cut(error.stack ?? error.message));
    thread.on('exit', () => cut('the thread ended'));
  });
}

for (const name of targets) {
  if (only !== undefined && name !== only) continue;
  it(`${name} (DSOM_FUZZ_SEED=${seed})`, async (test) => {
    const { tried, failure, input = new Uint8Array() } = await run(name);
    test.diagnostic(`${name}: ${tried} inputs`);
    const bytes = Buffer.from(input);
    assert.equal(
      failure,
      undefined,
      `seed ${seed}, input of ${bytes.length} bytes, in base64: ${bytes.toString('base64')}\n${failure}`,
    );
    assert.ok(tried > 0);
  });
}
