/*
 * Bugs that a store must never have, each planted alone and caught by some test: a test suite that passes with them is no proof.
 * `npm run test:planted`; `DSOM_PLANT_ONLY=word` runs those with that word in their names, `DSOM_PLANT_PART=1/2` every second one from the second on, and `DSOM_PLANT_SEED` changes
 * what properties draw.
 */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import path from 'node:path';
import { describe, it } from 'node:test';
import type { Plant } from './plant.ts';
import { plants } from './plants.ts';

const root = path.resolve(import.meta.dirname, '..');
const only = process.env['DSOM_PLANT_ONLY'];
const [part, parts] = (process.env['DSOM_PLANT_PART'] ?? '0/1').split('/').map(Number) as [number, number];
/** Far more than any takes: no plant is to be noticed because a machine was slow. */
const timeoutMs = 300_000;

/** How the tests of a plant ended with the bug in place. */
function runWith({
  file,
  find,
  replace,
  tests,
  pattern,
  env: own,
}: Plant): Promise<{ code: number | null; output: string }> {
  return new Promise((resolve) => {
    const folder = mkdtempSync(path.join(tmpdir(), 'dsom-planted-'));
    const planted = { DSOM_PLANT: JSON.stringify({ file, find, replace }), TMPDIR: folder };
    const env: NodeJS.ProcessEnv = { ...process.env, ...own, ...planted };
    delete env['NODE_TEST_CONTEXT'];
    const imports = [path.join(root, 'src/daemon/imports.ts'), path.join(import.meta.dirname, 'hook.ts')];
    const args = [...imports.flatMap((one) => ['--import', one]), '--test', '--test-force-exit'];
    args.push('--test-isolation=none', `--test-timeout=${timeoutMs / 2}`);
    args.push(`--test-reporter=${path.join(import.meta.dirname, 'first.ts')}`, '--test-reporter-destination=stdout');
    if (pattern !== undefined) args.push(`--test-name-pattern=${pattern}`);
    const child = spawn(process.execPath, [...args, ...tests.map((one) => path.join(root, one))], {
      cwd: root,
      env,
      stdio: ['ignore', 'pipe', 'pipe'],
      // A group of its own, so that nothing which it started outlives it.
      detached: true,
    });
    let output = '';
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (piece) => (output += piece));
    const end = () => {
      try {
        process.kill(-(child.pid as number), 'SIGKILL');
      } catch {
        // Nothing is left of it.
      }
    };
    const timer = setTimeout(() => {
      output += `\nkilled after ${timeoutMs} ms`;
      end();
    }, timeoutMs);
    child.on('exit', (code) => {
      clearTimeout(timer);
      end();
      child.once('close', () => {
        // What was killed may still be ending.
        rmSync(folder, { recursive: true, force: true, maxRetries: 20, retryDelay: 50 });
        resolve({ code, output });
      });
    });
  });
}

/** A plant that does not load shows nothing. */
const broken = /not exactly once in|SyntaxError|ERR_INVALID_TYPESCRIPT|is not defined|is not a function|^killed after/m;

// More than cores, as half of them mostly wait.
describe('planted bugs', { concurrency: Math.max(3, availableParallelism()) }, () => {
  it('are many, and their names differ', () => {
    assert.ok(plants.length >= 20, `${plants.length} planted bugs`);
    assert.equal(new Set(plants.map(({ name }) => name)).size, plants.length);
  });

  it('each fits the code, those that are not planted now too', () => {
    const sources = new Map<string, string>();
    for (const { name, file, find } of plants) {
      const source = sources.get(file) ?? readFileSync(path.join(root, file), 'utf8');
      sources.set(file, source);
      assert.equal(source.split(find).length, 2, `${name}: its text is to be exactly once in ${file}`);
    }
  });

  for (const [at, plant] of plants.entries()) {
    if (at % parts !== part || (only !== undefined && !plant.name.includes(only))) continue;
    it(plant.name, async (test) => {
      for (let run = 1; ; run++) {
        const { code, output } = await runWith(plant);
        assert.doesNotMatch(output, broken, `${plant.file}: the plant itself does not work`);
        if (code !== 0) return;
        // What rests on a race may win it once; it is said, so that the test gets better.
        assert.ok(run < 2, `no test of ${plant.tests.join(', ')} noticed it, twice`);
        test.diagnostic('not noticed the first time');
      }
    });
  }
});
