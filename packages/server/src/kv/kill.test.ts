import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import * as fs from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { it } from 'node:test';
import { realHost } from '../host/index.ts';
import { openKv } from './owner.ts';
import { everything } from './suite.ts';

const host = realHost();
const child = new URL('./kill.child.ts', import.meta.url).pathname;

/** Runs the child until it is killed after some milliseconds; its last words of each kind. */
async function lifeOf(directory: string, milliseconds: number): Promise<{ opened: number; durable: number }> {
  const process_ = spawn(process.execPath, [child, directory], { stdio: ['ignore', 'pipe', 'inherit'] });
  const words = { opened: -1, durable: 0 };
  let rest = '';
  process_.stdout.on('data', (chunk: Buffer) => {
    const lines = (rest + chunk).split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) {
      const [kind, turn] = line.split(' ') as ['opened' | 'durable', string];
      words[kind] = Number(turn);
    }
  });
  const closed = new Promise((resolve) => process_.on('close', resolve));
  while (words.opened < 0) await host.timers.sleep(5);
  await host.timers.sleep(milliseconds);
  process_.kill('SIGKILL');
  await closed;
  return words;
}

it('lmdb: kill -9 at any moment loses nothing that a checkpoint covered, and shows no half commit', async () => {
  const directory = await fs.mkdtemp(join(tmpdir(), 'dsom-kv-kill-'));
  try {
    let durable = 0;
    for (const milliseconds of [0, 3, 20, 37, 80, 150]) {
      const words = await lifeOf(directory, milliseconds);
      assert.ok(words.opened >= durable, `opened at ${words.opened}, though ${durable} was durable`);
      durable = Math.max(words.opened, words.durable);
    }
    assert.ok(durable > 0, 'the child got somewhere');
    const kv = await openKv({ directory, host });
    const turns = new Set(Array.from(kv.range(everything), ({ value }) => value.readUInt32LE()));
    assert.equal(turns.size, 1);
    assert.ok(([...turns][0] as number) >= durable);
    assert.equal(kv.statistics().rows, 50);
    await kv.close();
  } finally {
    await fs.rm(directory, { recursive: true, force: true });
  }
});
