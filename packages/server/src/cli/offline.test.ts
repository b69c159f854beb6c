import assert from 'node:assert/strict';
import { test } from 'node:test';
import { StoreError } from '../errors.ts';
import type { Services } from './command.ts';
import { exitCode } from './exit.ts';
import { runCli } from './index.ts';
import { keepingTerminal } from './terminal.fixture.ts';

/* What the commands make of directories of a server that does not run. */

class Refused extends Error {}

interface Ran {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

async function run(parameters: readonly string[], services: Partial<Services>): Promise<Ran> {
  const { said, terminal } = keepingTerminal();
  const all = { serve: async () => 0, isUsageError: (cause: unknown) => cause instanceof Refused, ...services };
  return { code: await runCli(parameters, all, terminal), ...said };
}

const summary = { type: 'summary', counts: {}, totals: { objects: 2 }, unchecked: [] };
const lines = [
  {
    type: 'index',
    device: 'd1',
    state: 'put aside',
    reason: 'its checksum is wrong',
    kept: '/data/device/index.damaged',
  },
  { type: 'progress', phase: 'making the index of device d1 anew', done: 1, total: 2, bytes: 0 },
  { type: 'index', device: 'd1', state: 'rebuilt', fragments: 12, damaged: 1, readBytes: 4096, unreadableBytes: 0 },
];

function checking(...more: readonly Readonly<Record<string, unknown>>[]) {
  const asked: (readonly string[])[][] = [];
  async function* offlineCheck(directories: readonly string[], rebuild: readonly string[]) {
    asked.push([directories, rebuild]);
    yield* [...lines, ...more];
  }
  return { asked, offlineCheck };
}

test('fsck --data tells what became of an index, and passes on which to make anew', async () => {
  const { asked, offlineCheck } = checking(summary);
  const human = await run(['fsck', '--data', 'a', '--data', 'b', '--rebuild-index', 'b'], { offlineCheck });
  assert.equal(human.code, 0, human.stderr);
  assert.deepEqual(asked, [[['a', 'b'], ['b']]]);
  assert.equal(human.stdout, 'no findings: objects 2\n');
  assert.match(
    human.stderr,
    /index of device d1 is put aside as \/data\/device\/index\.damaged: its checksum is wrong/,
  );
  assert.match(human.stderr, /index of device d1 was made anew: fragments 12, damaged 1, read bytes 4\.00 KiB/);
  const json = await run(['fsck', '--data', 'a', '--json'], { offlineCheck });
  assert.deepEqual(asked[1], [['a'], []]);
  assert.deepEqual(
    json.stdout
      .trim()
      .split('\n')
      .slice(0, 4)
      .map((line) => JSON.parse(line) as unknown),
    [...lines, summary],
  );
});

test('findings of an index are counted and printed like all others', async () => {
  const finding = {
    type: 'finding',
    kind: 'index-space',
    where: 'bitmap 0 of slab 3 on device d1',
    what: 'The index row of bitmap 000000030000 is damaged.',
    remedy: 'Run it.',
  };
  const { offlineCheck } = checking(finding, { ...summary, counts: { 'index-space': 1, 'index-row': 2 } });
  const human = await run(['fsck', '--data', 'a'], { offlineCheck });
  assert.equal(human.code, exitCode.damaged);
  assert.equal(
    human.stdout,
    'index-space  bitmap 0 of slab 3 on device d1  The index row of bitmap 000000030000 is damaged.\n  Run it.\n',
  );
  assert.match(human.stderr, /3 findings: 1 index-space, 2 index-row/);
});

test('a refused store is told in words, and an index is made anew only with the server stopped', async () => {
  async function* offlineCheck() {
    yield { type: 'progress' };
    throw new Refused('This keyring (00) belongs to another store. Put the newest backup back.');
  }
  const refused = await run(['fsck', '--data', 'a'], { offlineCheck });
  assert.equal(refused.code, exitCode.failed);
  assert.equal(refused.stderr, 'dsom: This keyring (00) belongs to another store. Put the newest backup back.\n');
  const online = await run(['fsck', '--rebuild-index', 'a'], { offlineCheck });
  assert.equal(online.code, exitCode.usage);
  assert.match(online.stderr, /--rebuild-index needs --data, and the server stopped/);
});

test('doctor --data shows what was looked at, and fails where something keeps a server from starting', async () => {
  async function* examine(directories: readonly string[]) {
    yield { test: 'directories', outcome: 'ok' as const, detail: `${directories.join(' and ')} of store s` };
    yield { test: 'keyring', outcome: 'failed' as const, detail: 'This keyring (00) belongs to another store.' };
    yield {
      test: 'index',
      outcome: 'warning' as const,
      detail: 'data.mdb missing',
      advice: 'The next start makes it.',
    };
  }
  const human = await run(['doctor', '--data', 'a', '--data', 'b'], { examine });
  assert.equal(human.code, exitCode.failed);
  assert.match(human.stdout, /✓ directories {2}a and b of store s\n/);
  assert.match(human.stdout, /✗ keyring {6}This keyring \(00\) belongs to another store\.\n/);
  assert.match(human.stdout, /! index {8}data\.mdb missing\n {15}The next start makes it\.\n/);
  assert.doesNotMatch(human.stdout, /endpoint/);
  async function* well() {
    yield { test: 'directories', outcome: 'ok' as const, detail: 'fine' };
  }
  assert.equal((await run(['doctor', '--data', 'a'], { examine: well })).code, 0);
});

test('a server that is refused its start says why, and shows a stack only where the program is at fault', async () => {
  const refused = new StoreError('ServiceUnavailable', { message: 'etcd is too old: install a newer one.' });
  const fails = (cause: Error) => run(['server', '--data', 'd'], { serve: () => Promise.reject(cause) });
  const told = await fails(refused);
  assert.equal(told.code, 1);
  assert.equal(told.stderr, 'dsom: the server could not start: etcd is too old: install a newer one.\n');
  assert.match((await fails(new TypeError('x is not a function'))).stderr, /x is not a function\n +at /);
});
