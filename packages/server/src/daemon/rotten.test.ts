/* Bytes of the metadata that change by themselves: small objects lie there, and no checksum of their own says that they are what was written. */
import assert from 'node:assert/strict';
import { closeSync, openSync, readFileSync, renameSync, writeSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { CorruptionError } from '../errors.ts';
import { realHost } from '../host/index.ts';
import { memoryKv } from '../kv/index.ts';
import type { Log } from '../log/index.ts';
import { type Metadata, writeSnapshot } from '../metadata/index.ts';
import { folders } from './directories.ts';
import { StateSnapshots } from './snapshots.ts';
import { checkOf, makeBucket, type OpenStore, openStore, putObject, readObject, scratch } from './store.support.ts';

const small = (text: string): Buffer => Buffer.alloc(3000, text);

/** Changes a bit of the stored bytes of a small object, wherever the file has them. */
function rot({ thread, kvs }: OpenStore, key: string): void {
  const bucket = thread.reader.bucket('bucket');
  const version = bucket && thread.reader.version(bucket.id, Buffer.from(key), undefined);
  assert.ok(version?.kind === 'object' && version.manifest.embedded && 'inline' in version.manifest.embedded.body);
  const stored = version.manifest.embedded.body.inline;
  const file = path.join((kvs[0] as OpenStore['kvs'][number]).directory, 'data.mdb');
  const bytes = readFileSync(file);
  const open = openSync(file, 'r+');
  let found = 0;
  for (let at = bytes.indexOf(stored); at >= 0; at = bytes.indexOf(stored, at + 1), found++)
    writeSync(open, Buffer.from([(bytes[at + 20] as number) ^ 1]), 0, 1, at + 20);
  closeSync(open);
  assert.ok(found > 0, 'the bytes are in the file');
}

async function filled(data: readonly string[]): Promise<OpenStore> {
  const store = await openStore(...data);
  await makeBucket(store);
  for (const key of ['one', 'two', 'three']) await putObject(store, key, small(key));
  await store.metadata.checkpoint();
  return store;
}

test('fsck names a small object whose bytes have changed, and the metadata are made anew', async (t) => {
  const data = ['a', 'b'].map((name) => path.join(scratch(t), name));
  const store = await filled(data);
  rot(store, 'two');
  await assert.rejects(readObject(store, 'two'), { code: 'Damaged' });
  await store.close();

  const found = await checkOf(data);
  assert.deepEqual(found.counts, { 'metadata-rows': 1, 'inline-damaged': 1 });
  const where = found.findings.map((finding) => String(finding['where']));
  assert.equal(where[0], `the metadata in ${folders.kv(data[0] as string)}`);
  assert.match(where[1] ?? '', /^bucket\/two version/);

  // As the finding says.
  const kv = folders.kv(data[0] as string);
  renameSync(kv, `${kv}.aside`);
  const again = await openStore(...data);
  for (const key of ['one', 'two', 'three']) assert.ok((await readObject(again, key)).equals(small(key)), key);
  await again.close();
  assert.deepEqual((await checkOf(data)).counts, {});
});

test('a state that has rotted takes the place of no snapshot, and the log is kept behind the one that is there', async (t) => {
  const data = ['a', 'b'].map((name) => path.join(scratch(t), name));
  const store = await filled(data);
  const { snapshots, metadata, kv } = store;
  const make = () => snapshots?.make(metadata, kv, new AbortController().signal);
  await make();
  const { tail } = store.log;
  await putObject(store, 'later', small('later'));
  rot(store, 'two');
  await assert.rejects(make() as Promise<void>, CorruptionError);
  await metadata.checkpoint();
  assert.equal(store.log.tail, tail);
  await store.close();

  const folder = folders.kv(data[0] as string);
  renameSync(folder, `${folder}.aside`);
  const again = await openStore(...data);
  for (const key of ['one', 'two', 'three', 'later']) assert.ok((await readObject(again, key)).equals(small(key)), key);
  await again.close();
});

for (const { roomy, trimmable } of [
  { roomy: true, trimmable: 0 },
  { roomy: false, trimmable: 50 },
])
  test(`the log behind a state that has rotted is kept while there is room: ${roomy ? 'room' : 'none'}`, async (t) => {
    const data = ['a', 'b'].map((name) => path.join(scratch(t), name)) as [string, string];
    const log = { tail: 11, bytes: 0, roomy } as Log;
    const roles = { primary: data[0], mirror: data[1] };
    const snapshots = await StateSnapshots.open({ roles, log, host: realHost(), mirrored: () => true });
    const kv = memoryKv(realHost());
    kv.commit([[Buffer.from([7, 1]), Buffer.from('a row of no digest')]]);
    const metadata = { snapshot: () => writeSnapshot(kv) } as unknown as Metadata;
    const failure = await new Promise((resolve) => snapshots.start(metadata, kv, resolve));
    await snapshots.stop();
    assert.ok(failure instanceof CorruptionError);
    assert.equal(snapshots.trimmable(50), trimmable);
  });
