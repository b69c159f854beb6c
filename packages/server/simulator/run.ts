/*
 * `npm run simulate -- --seeds N --from S`: runs N seeds from S on, on all cores; a seed that fails is made small and written to
 * scenarios/, and how to replay it is printed. `--scenario FILE` runs a scenario; `--trace` prints everything that happens. See README.md.
 */
import { fork } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { Coverage } from './coverage.ts';
import { planScenario } from './plan.ts';
import { parseScenario, printScenario, type Scenario } from './scenario.ts';
import type { SeedReport } from './seeds.ts';
import { shrink } from './shrink.ts';
import { runScenario } from './world.ts';

const here = import.meta.dirname;

const { values } = parseArgs({
  options: {
    seeds: { type: 'string', default: '100' },
    from: { type: 'string', default: '1' },
    operations: { type: 'string', default: '320' },
    jobs: { type: 'string', default: String(os.availableParallelism()) },
    'shrink-seconds': { type: 'string', default: '60' },
    scenario: { type: 'string' },
    trace: { type: 'boolean', default: false },
    cover: { type: 'string', default: '0' },
    record: { type: 'string' },
  },
});

const numberOf = (name: 'seeds' | 'from' | 'operations' | 'jobs' | 'shrink-seconds' | 'cover'): number => {
  const value = Number(values[name]);
  if (!Number.isSafeInteger(value) || value < 0) throw new Error(`--${name} takes a whole number, not ${values[name]}`);
  return value;
};

/** Makes it small, writes it down, and says how to run it again. */
async function explain(scenario: Scenario, name: string): Promise<void> {
  const first = await runScenario(scenario);
  if (!first.failure) {
    console.log(`${name}: it does not fail here: the run depends on something that the seed does not decide`);
    return;
  }
  const end = performance.now() + numberOf('shrink-seconds') * 1000;
  const small = await shrink(scenario, first, () => performance.now() > end);
  const folder = path.join(here, 'scenarios');
  mkdirSync(folder, { recursive: true });
  const file = path.join(folder, `${name}.txt`);
  const message = small.result.failure?.message.split('\n')[0] ?? '';
  const notes = [
    `${small.result.failure?.check}: ${message}`,
    `from seed ${scenario.seed}, of ${scenario.operations.length} operations and ${scenario.faults.length} faults`,
  ];
  writeFileSync(file, printScenario(small.scenario, notes));
  const { operations, faults } = small.scenario;
  console.log(`  small: ${operations.length} operations, ${faults.length} faults, after ${small.runs} runs`);
  console.log(`  replay: npm run simulate -- --scenario ${path.relative(process.cwd(), file)} --trace`);
}

async function runOne(scenario: Scenario): Promise<number> {
  const result = await runScenario(scenario, values.trace ? (line) => console.log(line) : undefined);
  console.log(
    `seed ${scenario.seed}: ${result.events} events in ${result.simulatedMs} simulated ms, trace ${result.hash}`,
  );
  if (result.failure) console.log(`FAILED ${result.failure.check}: ${result.failure.message}`);
  return result.failure ? 1 : 0;
}

interface Total {
  seeds: number;
  events: number;
  cpuMs: number;
  readonly failed: SeedReport[];
  readonly unequal: number[];
  readonly coverage: Coverage;
}

/** How often a long run says how far it is. */
const progressMs = 60_000;

/** Shares the seeds out to processes, one at a time. */
function runSeeds(from: number, count: number, jobs: number): Promise<Total> {
  const total: Total = { seeds: 0, events: 0, cpuMs: 0, failed: [], unequal: [], coverage: new Coverage() };
  const operations = numberOf('operations');
  let next = from;
  const began = performance.now();
  const progress = setInterval(() => {
    const minutes = Math.round((performance.now() - began) / 60_000);
    const left = Math.ceil((minutes * (count - total.seeds)) / Math.max(1, total.seeds));
    console.log(
      `${total.seeds} of ${count} seeds, ${total.events} events, ${total.failed.length} failed, after ${minutes} min; about ${left} min left`,
    );
  }, progressMs);
  const worker = (): Promise<void> =>
    new Promise((resolve, reject) => {
      const child = fork(path.join(here, 'seeds.ts'), { stdio: 'inherit' });
      const give = (): void => {
        if (next < from + count) child.send({ seed: next++, operations });
        else child.disconnect();
      };
      child.on('message', (report: SeedReport) => {
        total.seeds++;
        total.events += report.events;
        total.cpuMs += report.cpuMs;
        total.coverage.add(report.coverage);
        if (report.failure) {
          total.failed.push(report);
          console.log(`seed ${report.seed} FAILED ${report.failure.check}: ${report.failure.message}`);
        }
        if (!report.equal) {
          total.unequal.push(report.seed);
          console.log(`seed ${report.seed} FAILED: two runs of it gave different traces`);
        }
        give();
      });
      child.on('error', reject);
      child.on('exit', (code, signal) => {
        if (code !== 0) reject(new Error(`a process that ran seeds ended with ${signal ?? code}`));
        else resolve();
      });
      give();
    });
  return Promise.all(Array.from({ length: Math.max(1, jobs) }, worker))
    .then(() => total)
    .finally(() => clearInterval(progress));
}

async function runMany(): Promise<number> {
  const from = numberOf('from');
  const count = numberOf('seeds');
  const began = performance.now();
  const total = await runSeeds(from, count, numberOf('jobs'));
  const seconds = (performance.now() - began) / 1000;
  const rate = Math.round(total.events / (total.cpuMs / 1000));
  const last = from + count - 1;
  console.log(
    `${total.seeds} seeds (${from} to ${last}), ${total.events} events in ${seconds.toFixed(0)} s; ${rate} events per second of CPU; ${total.failed.length} failed`,
  );
  const least = Math.max(1, numberOf('cover'));
  const missing = total.coverage.below(least).map(([name, count]) => `${name} (${count})`);
  if (missing.length > 0) console.log(`happened less than ${least} times: ${missing.join('; ')}`);
  for (const { seed } of total.failed.slice(0, 3))
    await explain(planScenario(seed, numberOf('operations')), `seed-${seed}`);
  if (values.record !== undefined) {
    const line = { from, last, seeds: total.seeds, events: total.events, failed: total.failed.map(({ seed }) => seed) };
    writeFileSync(values.record, `${JSON.stringify(line)}\n`, { flag: 'a' });
  }
  const uncovered = numberOf('cover') > 0 && missing.length > 0;
  return total.failed.length > 0 || total.unequal.length > 0 || uncovered ? 1 : 0;
}

const { scenario } = values;
if (scenario !== undefined) process.exitCode = await runOne(parseScenario(readFileSync(scenario, 'utf8')));
else if (values.trace) process.exitCode = await runOne(planScenario(numberOf('from'), numberOf('operations')));
else process.exitCode = await runMany();
