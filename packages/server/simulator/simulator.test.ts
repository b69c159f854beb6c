import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, it } from 'node:test';
import { Coverage, sometimes } from './coverage.ts';
import { planScenario } from './plan.ts';
import { parseScenario, printScenario } from './scenario.ts';
import { shrink } from './shrink.ts';
import { bodyOf, writesIn } from './world/content.ts';
import { Scheduler } from './world/scheduler.ts';
import { runScenario } from './world.ts';

const seeds = [7, 8, 9];
const scenarios = path.join(import.meta.dirname, 'scenarios');

describe('the simulator', () => {
  it('goes the same way twice, seed by seed, and each seed another way', async () => {
    const hashes = new Set<string>();
    for (const seed of seeds) {
      const scenario = planScenario(seed, 80);
      const lines: string[] = [];
      const first = await runScenario(scenario, (line) => lines.push(line));
      assert.equal(first.failure, undefined, `seed ${seed}: ${first.failure?.message}`);
      let at = 0;
      const second = await runScenario(scenario, (line) => assert.equal(line, lines[at], `line ${at++}`));
      assert.deepEqual(second, first);
      hashes.add(first.hash);
    }
    assert.equal(hashes.size, seeds.length);
  });

  it('replays a seed from its text', async () => {
    const scenario = planScenario(7, 60);
    const again = parseScenario(printScenario(scenario, ['a note']));
    assert.deepEqual(again, scenario);
    assert.equal((await runScenario(again)).hash, (await runScenario(scenario)).hash);
  });

  it('says which line of a scenario it does not know', () => {
    for (const line of [
      'at 5 earthquake',
      'c1 20 put 1 plain/k',
      'c1 +x put 1 plain/k',
      'c1 +1 fly 1 plain/k',
      'at 1 disk d1 rust for 5 share 1',
      'at 1 cut n1 to n2 for',
    ])
      assert.throws(() => parseScenario(`seed 1\n${line}`), new RegExp(line.replaceAll(/[+]/g, '\\+')));
    assert.throws(() => parseScenario('set devices 1'), /seed/);
    assert.throws(() => parseScenario('seed 1'), /set nodes/);
  });

  it('makes a failing scenario small', async () => {
    // Two devices that lie at the same time are more than the store can take: an acknowledged version is lost.
    const base = planScenario(12, 60);
    const lie = (disk: string) => ({ kind: 'disk', disk, fault: 'lost', ms: 100_000, share: 1 }) as const;
    const scenario = {
      ...base,
      settings: { ...base.settings, nodes: 1, devices: 2, copies: 2, data: 0, parity: 0 },
      faults: [...base.faults.slice(0, 3), { at: 0, fault: lie('d1') }, { at: 0, fault: lie('d2') }],
    };
    const result = await runScenario(scenario);
    assert.notEqual(result.failure, undefined);
    const small = await shrink(scenario, result, () => false);
    assert.equal(small.result.failure?.check, result.failure?.check);
    assert.ok(small.scenario.operations.length <= 3, printScenario(small.scenario));
    assert.ok(small.scenario.faults.length <= 2);
  });

  for (const name of readdirSync(scenarios).filter((one) => one.endsWith('.txt'))) {
    it(`does not fail any more where it did: ${name}`, async () => {
      const result = await runScenario(parseScenario(readFileSync(path.join(scenarios, name), 'utf8')));
      assert.equal(result.failure, undefined, `${result.failure?.message}`);
    });
  }
});

describe('the parts of the simulator', () => {
  it('tell every wrong byte of a body', () => {
    const bytes = Buffer.concat([bodyOf(4, 100), bodyOf(6, 33)]);
    assert.deepEqual(writesIn(bytes), [4, 6]);
    for (let at = 0; at < bytes.length; at++) {
      const wrong = Buffer.from(bytes);
      wrong[at] = (wrong[at] as number) ^ 1;
      assert.throws(() => writesIn(wrong), /not those that were written|does not begin/);
    }
    assert.throws(() => writesIn(bytes.subarray(0, 120)));
  });

  it('count what happened, and know what did not', () => {
    const coverage = new Coverage();
    coverage.hit('the power was lost');
    coverage.add([['a sync failed', 4]]);
    const rest = sometimes.filter((name) => name !== 'the power was lost' && name !== 'a sync failed');
    assert.deepEqual(
      coverage.below(1).map(([name]) => name),
      rest,
    );
    assert.ok(coverage.below(4).some(([name, count]) => name === 'the power was lost' && count === 1));
    assert.ok(!coverage.below(4).some(([name]) => name === 'a sync failed'));
  });

  it('run events in order, and everything that follows from one before the next', async () => {
    const scheduler = new Scheduler();
    const seen: string[] = [];
    scheduler.after(2, 'b', () => seen.push('b'));
    scheduler.after(1, 'a', () => {
      seen.push('a');
      void (async () => {
        for (let i = 0; i < 500; i++) await Promise.resolve();
        seen.push('a, later');
      })();
    });
    scheduler.after(1.5, 'never', () => seen.push('never'))();
    for (let i = 0; i < 300; i++) scheduler.after(10 + ((i * 7919) % 300), 'many', () => seen.push(`${scheduler.now}`));
    assert.equal(await scheduler.run(() => false), false);
    assert.deepEqual(seen.slice(0, 3), ['a', 'a, later', 'b']);
    const times = seen.slice(3).map(Number);
    assert.deepEqual(
      times,
      times.toSorted((a, b) => a - b),
    );
    assert.equal(times.length, 300);
  });
});
