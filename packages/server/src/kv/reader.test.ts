import assert from 'node:assert/strict';
import * as fs from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, it } from 'node:test';
import { Worker } from 'node:worker_threads';
import { realHost } from '../host/index.ts';
import { openKv } from './owner.ts';
import { openKvReader } from './reader.ts';
import type { Question } from './reader.worker.ts';

const root = await fs.mkdtemp(join(tmpdir(), 'dsom-kv-reader-'));
after(() => fs.rm(root, { recursive: true, force: true }));
const key = Buffer.from('key');

const running = new Set<Worker>();
after(() => Promise.all(Array.from(running, (worker) => worker.terminate())));

class Other {
  readonly #worker: Worker;
  readonly #waiting: ((answer: unknown) => void)[] = [];
  readonly ready: Promise<unknown>;

  constructor(directory: string, counts?: Int32Array) {
    this.#worker = new Worker(new URL('./reader.worker.ts', import.meta.url), { workerData: { directory, counts } });
    running.add(this.#worker);
    this.#worker.on('exit', () => running.delete(this.#worker));
    this.#worker.on('message', (answer) => this.#waiting.shift()?.(answer));
    this.ready = new Promise((resolve) => this.#waiting.push(resolve));
  }

  ask(question: Question): Promise<unknown> {
    this.#worker.postMessage(question);
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  /** Ends the thread without a word to it. */
  end(): Promise<number> {
    return this.#worker.terminate();
  }
}

it('lmdb: another thread sees a commit as soon as it is told of it', async () => {
  const directory = join(root, 'a');
  const kv = await openKv({ directory, host: realHost() });
  const others = [new Other(directory), new Other(directory, kv.counts)];
  await Promise.all(others.map((other) => other.ready));
  for (let turn = 0; turn < 300; turn++) {
    // Several questions at once: they arrive in one turn of the other thread's event loop.
    const answers: [Promise<unknown>, string][] = [];
    for (let i = 0; i < 4; i++) {
      const text = `${turn} ${i}`;
      kv.commit([[key, Buffer.from(text)]]);
      for (const other of others)
        for (const question of ['kept', 'get', 'range'] as const) answers.push([other.ask(question), text]);
      // Of something else: what is kept stays.
      kv.commit([[Buffer.from('other'), Buffer.from(text)]]);
      if (i % 2) await Promise.all(answers.map(([answer]) => answer));
    }
    // Newer than it was told is right as well; older never.
    for (const [answer, text] of answers) {
      const seen = String(await answer);
      assert.ok(seen === text || Number(seen.split(' ')[1]) > Number(text.split(' ')[1]), `${seen}, not ${text}`);
    }
    if (turn % 50 === 0) await kv.checkpoint();
  }
  for (const other of others) await other.ask('close');
  await kv.close();
});

it('lmdb: what another thread keeps is never older than what it reads, while commits come as fast as they can', async () => {
  const directory = join(root, 'race');
  const kv = await openKv({ directory, host: realHost() });
  const other = new Other(directory, kv.counts);
  await other.ready;
  const commit = (text: string) => kv.commit(['key', 'kept'].map((name) => [Buffer.from(name), Buffer.from(text)]));
  commit('0');
  const raced = other.ask('race');
  for (let i = 1; i <= 1000; i++) {
    commit(String(i));
  }
  commit('end');
  assert.equal(await raced, 'as it should');
  await other.ask('close');
  await kv.close();
});

it('lmdb: a snapshot of another thread stays, whatever is committed', async () => {
  const directory = join(root, 'b');
  const kv = await openKv({ directory, host: realHost() });
  const other = new Other(directory, kv.counts);
  await other.ready;
  kv.commit([[key, Buffer.from('old')]]);
  await other.ask('hold');
  for (let i = 0; i < 200; i++) {
    kv.commit(Array.from({ length: 20 }, (_, j) => [Buffer.from(`key${j}`), Buffer.alloc(500, i)] as const));
    kv.commit([[key, Buffer.from(`new ${i}`)]]);
    if (i % 20 === 0) {
      await kv.checkpoint();
      assert.equal(await other.ask('held'), 'old');
      assert.equal(await other.ask('get'), `new ${i}`);
    }
  }
  await other.ask('release');
  await other.ask('close');
  await kv.close();
});

it('lmdb: outlives a reading thread that ends without closing', async () => {
  const directory = join(root, 'c');
  const kv = await openKv({ directory, host: realHost() });
  kv.commit([[key, Buffer.from('1')]]);
  for (let i = 0; i < 3; i++) {
    const other = new Other(directory);
    await other.ready;
    await other.ask('hold');
    await other.end();
    kv.commit([[key, Buffer.from(String(i))]]);
    await kv.checkpoint();
  }
  assert.equal(kv.get(key)?.toString(), '2');
  await kv.close();
});

it('lmdb: a reader in the owner’s own thread sees every commit too', async () => {
  const directory = join(root, 'd');
  const kv = await openKv({ directory, host: realHost() });
  const readers = [{}, { counts: kv.counts }].map((more) => openKvReader({ directory, host: realHost(), ...more }));
  for (let i = 0; i < 100; i++) {
    kv.commit([[key, Buffer.from(String(i))]]);
    for (const reader of readers) assert.equal(reader.get(key)?.toString(), String(i));
  }
  for (const reader of readers) await reader.close();
  await kv.close();
});
