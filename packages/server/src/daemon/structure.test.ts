/* Databases whose file contradicts itself: they are made anew before LMDB follows them, and what cannot be made anew is read as it is. */
import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { realHost } from '../host/index.ts';
import { suspectKv } from '../kv/index.ts';
import type { Log } from '../log/index.ts';
import { folders } from './directories.ts';
import { examineDirectories } from './examine.ts';
import { openState } from './state.ts';
import { checkOf, makeBucket, openStore, putObject, readObject, scratch } from './store.support.ts';

const keys = Array.from({ length: 60 }, (_, n) => `key ${n}`);
const bytesOf = (key: string): Buffer => Buffer.alloc(key.endsWith('0') ? 100_000 : 1500, key);
const pageBytes = 8192;

async function filled(t: Parameters<typeof scratch>[0], ...names: string[]): Promise<string[]> {
  const data = names.map((name) => path.join(scratch(t), name));
  const store = await openStore(...data);
  await makeBucket(store);
  for (const key of keys) await putObject(store, key, bytesOf(key));
  await store.close();
  return data;
}

/** Every page but those of the meta data says that it is another one. LMDB itself does not look at that. */
function hurt(folder: string): void {
  const file = path.join(folder, 'data.mdb');
  const bytes = readFileSync(file);
  for (let at = 2 * pageBytes; at < bytes.length; at += pageBytes) bytes[at] = (bytes[at] as number) ^ 0x80;
  writeFileSync(file, bytes);
}

async function assertWhole(data: readonly string[]): Promise<void> {
  const store = await openStore(...data);
  for (const key of keys) assert.ok((await readObject(store, key)).equals(bytesOf(key)), key);
  await store.close();
  assert.deepEqual((await checkOf(data)).counts, {});
}

const statesOf = (events: readonly { readonly state: string }[]): string[] => events.map(({ state }) => state);

for (const names of [['a'], ['a', 'b']])
  test(`metadata in ${names.length} directories whose file contradicts itself are made anew`, async (t) => {
    const data = await filled(t, ...names);
    const kv = folders.kv(data[0] as string);
    hurt(kv);
    suspectKv(kv);
    const store = await openStore(...data);
    const states = statesOf(store.metadataEvents);
    assert.deepEqual([...states.slice(0, 2), states.at(-1)], ['looking', 'put aside', 'rebuilt']);
    assert.match(store.rebuilt ?? '', /page \d+ of .*data\.mdb is damaged: it is another page/);
    await store.close();
    await assertWhole(data);
  });

test('a check of a stopped store looks without being asked to, and makes the metadata and the index anew', async (t) => {
  const data = await filled(t, 'a', 'b');
  hurt(folders.kv(data[0] as string));
  const index = path.join(data[1] as string, 'device/index');
  hurt(index);
  const found: { readonly test: string; readonly outcome: string; readonly detail: string }[] = [];
  for await (const one of examineDirectories(data)) if (one.outcome === 'failed') found.push(one);
  assert.deepEqual(
    found.map((one) => one.test),
    ['metadata', 'index'],
  );
  for (const { detail } of found) assert.match(detail, /page \d+ of .* is damaged/);
  assert.deepEqual((await checkOf(data)).counts, {});
  assert.ok(readdirSync(path.dirname(index)).includes('index.damaged'));
  await assertWhole(data);
});

test('metadata that nothing else has are opened as they are, each time', async (t) => {
  const data = await filled(t, 'a');
  const kv = folders.kv(data[0] as string);
  const store = await openStore(...data);
  hurt(kv);
  const folder = mkdtempSync(path.join(scratch(t), 'copy-'));
  for (const name of readdirSync(kv)) writeFileSync(path.join(folder, name), readFileSync(path.join(kv, name)));
  suspectKv(folder);
  // As if the log had been trimmed.
  const trimmed = new Proxy(store.log as Log, {
    get(log, name) {
      if (name === 'tail') return 2;
      const value: unknown = Reflect.get(log, name, log);
      return typeof value === 'function' ? value.bind(log) : value;
    },
  });
  for (let times = 0; times < 2; times++) {
    const events: string[] = [];
    const opened = await openState({
      host: realHost(),
      log: trimmed,
      kv: folder,
      snapshots: [],
      trimmable: () => 0,
      onEvent: ({ state }) => events.push(state),
    });
    assert.deepEqual(
      events.filter((state) => state !== 'looking'),
      ['opened as it is'],
    );
    assert.equal(opened.metadata.reader.bucket('bucket')?.name, 'bucket');
    await opened.metadata.close();
    await opened.kv.close();
  }
  rmSync(folder, { recursive: true, force: true });
  await store.close();
});
