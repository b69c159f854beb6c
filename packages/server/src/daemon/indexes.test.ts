import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { cpSync, existsSync, readdirSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { CorruptionError } from '../errors.ts';
import { realHost } from '../host/index.ts';
import { type KvChange, openKv } from '../kv/index.ts';
import { ConfigError } from './config.ts';
import { lostText } from './lost-slabs.ts';
import {
  checkOf,
  collect,
  deleteObject,
  makeBucket,
  openStore,
  putObject,
  readObject,
  scratch,
} from './store.support.ts';

const sizes = [100, 4097, 70_000, 1_500_000];

/** A stopped store with a bit of everything: what was deleted, replaced, uploaded and given up lies on its devices too. */
async function filled(...data: string[]): Promise<Map<string, Buffer>> {
  const contents = new Map<string, Buffer>();
  const store = await openStore(...data);
  await makeBucket(store);
  for (const round of [0, 1])
    for (const size of sizes) {
      await putObject(store, `gone/${round}/${size}`, randomBytes(size));
      await putObject(store, `replaced/${size}`, randomBytes(size));
      const bytes = randomBytes(size);
      await putObject(store, `${round}/${size}`, bytes);
      contents.set(`${round}/${size}`, bytes);
    }
  for (const size of sizes) {
    const bytes = randomBytes(size);
    await putObject(store, `replaced/${size}`, bytes);
    contents.set(`replaced/${size}`, bytes);
    await deleteObject(store, `gone/0/${size}`);
  }
  // What was deleted so far is collected, and leaves its headers; what is deleted now waits on the garbage list; one stripe is never published.
  assert.ok((await collect(store)).fragments > 0);
  for (const size of sizes) await deleteObject(store, `gone/1/${size}`);
  const writer = await store.thread.stripes.create(undefined, 10_000);
  await writer.append([randomBytes(10_000)]);
  await writer.seal();
  await store.close();
  return contents;
}

const indexOf = (data: string): string => path.join(data, 'device/index');

async function change(
  data: string,
  changes: (rows: readonly (readonly [Buffer, Buffer])[]) => KvChange[],
): Promise<void> {
  const kv = await openKv({ directory: indexOf(data), host: realHost() });
  const rows = [...kv.range({ start: Buffer.from([1]), end: Buffer.from([9]) })].map(
    ({ key, value }) => [key, value] as const,
  );
  kv.commit(changes(rows));
  await kv.close();
}

const flipped = (bytes: Buffer): Buffer => {
  const bad = Buffer.from(bytes);
  bad[bad.length >> 1] = (bad[bad.length >> 1] as number) ^ 1;
  return bad;
};

async function allRight(data: readonly string[], contents: ReadonlyMap<string, Buffer>, what: string) {
  const store = await openStore(...data);
  try {
    for (const [key, bytes] of contents) assert.ok((await readObject(store, key)).equals(bytes), `${what}: ${key}`);
    for (const size of sizes)
      await putObject(store, `new/${size}`, createHash('shake256', { outputLength: size }).update(what).digest());
    for (const [key, bytes] of contents)
      assert.ok((await readObject(store, key)).equals(bytes), `${what}: ${key}, after new writes`);
  } finally {
    await store.close();
  }
  return store;
}

const harms: Readonly<Record<string, (index: string) => void>> = {
  'the folder is gone': (index) => rmSync(index, { recursive: true }),
  'its files are gone': (index) => {
    for (const name of readdirSync(index)) rmSync(path.join(index, name));
  },
  'the data file is gone': (index) => rmSync(path.join(index, 'data.mdb')),
  'the checkpoint is gone': (index) => rmSync(path.join(index, 'checkpoint')),
  'the checkpoint is torn': (index) => truncateSync(path.join(index, 'checkpoint'), 5000),
  'the checkpoint is rotten': (index) =>
    writeFileSync(path.join(index, 'checkpoint'), flipped(readFileSync(path.join(index, 'checkpoint')))),
  'the data file is cut short': (index) => truncateSync(path.join(index, 'data.mdb'), 16_384),
};

test('one device: whatever happens to the index, everything reads back and nothing is overwritten', async (t) => {
  const folder = scratch(t);
  const whole = path.join(folder, 'whole');
  const contents = await filled(whole);
  const before = await checkOf([whole]);
  assert.deepEqual(before.counts, {}, JSON.stringify(before.lines));
  const { fragments, fragmentBytes: bytes } = before.totals as { fragments: number; fragmentBytes: number };
  assert.equal(before.totals['unpublished'], 1);
  let number = 0;
  for (const [what, harm] of Object.entries(harms))
    await t.test(what, async () => {
      const data = path.join(folder, `copy${number++}`);
      cpSync(whole, data, { recursive: true });
      harm(indexOf(data));
      const after = await checkOf([data]);
      const states = after.lines.flatMap(({ type, state }) => (type === 'index' ? [state] : []));
      assert.equal(states.at(-1), 'rebuilt', states.join());
      assert.deepEqual(after.counts, {}, JSON.stringify(after.lines));
      assert.deepEqual(after.totals, {
        ...before.totals,
        unpublished: 0,
        fragments: fragments - 1,
        fragmentBytes: bytes - 10_000,
      });
      const { events } = await allRight([data], contents, what);
      assert.deepEqual(events, [], 'once is enough');
      // Everything that could still be there of the old one is kept.
      assert.equal(existsSync(`${indexOf(data)}.damaged`), states[0] === 'put aside');
      const { counts, lines } = await checkOf([data]);
      assert.deepEqual(counts, {}, JSON.stringify(lines));
    });
});

test('an index from a backup is not used: what was written since is found', async (t) => {
  const folder = scratch(t);
  const [data, backup] = ['data', 'backup'].map((name) => path.join(folder, name)) as [string, string];
  const contents = await filled(data);
  cpSync(indexOf(data), backup, { recursive: true });
  await allRight([data], contents, 'since then');
  rmSync(indexOf(data), { recursive: true });
  cpSync(backup, indexOf(data), { recursive: true });
  const after = await checkOf([data]);
  assert.deepEqual(after.counts, {}, JSON.stringify(after.lines));
  assert.match(String(after.lines[0]?.['reason']), /older than its slabs/);
  assert.equal(after.lines[1]?.['state'], 'rebuilt');
  await allRight([data], contents, 'with the backup');
});

test('two devices: the index of one is lost, then that of the other', async (t) => {
  const folder = scratch(t);
  const data = ['a', 'b'].map((name) => path.join(folder, name)) as [string, string];
  const contents = await filled(...data);
  for (const one of data) {
    rmSync(indexOf(one), { recursive: true });
    const { events } = await allRight(data, contents, one);
    assert.equal(new Set(events.map(({ device }) => device)).size, 1, 'the other one is left alone');
    assert.deepEqual((await checkOf(data)).counts, {});
  }
});

test('fsck names each damaged row, on a stopped store, and --rebuild-index mends them all', async (t) => {
  const folder = scratch(t);
  const data = path.join(folder, 'data');
  const contents = await filled(data);
  const table = (number: number) => (rows: readonly (readonly [Buffer, Buffer])[]) =>
    rows.filter(([key]) => key[0] === number);
  const cases: readonly (readonly [string, Parameters<typeof change>[1]])[] = [
    [
      'index-row',
      (rows) =>
        table(1)(rows)
          .slice(0, 1)
          .map(([key, value]) => [key, flipped(value)]),
    ],
    [
      'index-space',
      (rows) =>
        table(2)(rows)
          .slice(0, 1)
          .map(([key, value]) => [key, flipped(value)]),
    ],
    [
      'index-leak',
      (rows) =>
        table(1)(rows)
          .slice(0, 1)
          .map(([key]) => [key, undefined]),
    ],
  ];
  for (const [kind, harm] of cases) {
    await change(data, harm);
    const { counts, findings } = await checkOf([data]);
    assert.ok((counts[kind] ?? 0) > 0, `${kind}: ${JSON.stringify(counts)}`);
    const found = findings.find((one) => one['kind'] === kind);
    assert.match(String(found?.['where']), /on device [0-9a-f-]{36}$/);
    assert.match(String(found?.['remedy']), /--rebuild-index/);
    const mended = await checkOf([data], [data]);
    assert.deepEqual(mended.counts, {}, JSON.stringify(mended.findings));
    assert.deepEqual(
      mended.lines.filter(({ type }) => type === 'index').map(({ state }) => state),
      ['put aside', 'rebuilt'],
    );
  }
  await allRight([data], contents, 'after all that');
});

test('a damaged row of a slab stops no start', async (t) => {
  const data = path.join(scratch(t), 'data');
  const contents = await filled(data);
  await change(data, (rows) => rows.filter(([key]) => key[0] === 3).map(([key, value]) => [key, flipped(value)]));
  const { events } = await allRight([data], contents, 'slab row');
  assert.equal(events[0]?.state, 'put aside');
});

test("another device's index, and one of another version, are refused in words and left alone", async (t) => {
  const folder = scratch(t);
  const [a, b] = ['a', 'b'].map((name) => path.join(folder, name)) as [string, string];
  await filled(a, b);
  rmSync(indexOf(a), { recursive: true });
  cpSync(indexOf(b), indexOf(a), { recursive: true });
  await assert.rejects(
    openStore(a, b),
    (error) => error instanceof ConfigError && /belongs to device .*put each device's index back/.test(error.message),
  );
  assert.ok(!existsSync(`${indexOf(a)}.damaged`));
  await assert.rejects(checkOf([a, b], [path.join(folder, 'c')]), /is not among --data/);
  await assert.rejects(openStore(a, b), (error) => !(error instanceof CorruptionError));
});

test('a slab file that is gone is told of at the next start, and nothing is when none is', async (t) => {
  const [one, two] = [scratch(t), scratch(t)];
  await filled(one, two);
  const whole = await openStore(one, two);
  assert.equal(whole.lostSlabs.size, 0);
  const { device } = whole.sites[1]!.identity;
  await whole.close();
  rmSync(path.join(two, 'device/slab-000000'));
  const store = await openStore(one, two);
  const lost = store.lostSlabs.get(device);
  assert.deepEqual([...store.lostSlabs.keys()], [device]);
  assert.deepEqual(lost?.slabs, [0]);
  assert.ok(lost && lost.fragments > 0);
  assert.match(lostText(device, lost), /has lost a slab file \(0\) with \d+ fragments: a scrub writes them again/);
  await store.close();
  const again = await openStore(one, two);
  assert.deepEqual(again.lostSlabs.get(device)?.short, [0], 'there is one again, without what was in it');
  await again.close();
});

test('a slab file that was cut short is told of, with what was behind its end', async (t) => {
  const [one, two] = [scratch(t), scratch(t)];
  await filled(one, two);
  const whole = await openStore(one, two);
  const { device } = whole.sites[1]!.identity;
  await whole.close();
  const file = path.join(two, 'device/slab-000000');
  truncateSync(file, statSync(file).size / 2);
  const store = await openStore(one, two);
  const lost = store.lostSlabs.get(device);
  assert.deepEqual([...store.lostSlabs.keys()], [device]);
  assert.deepEqual([lost?.slabs, lost?.short], [[], [0]]);
  assert.match(
    lostText(device, lost!),
    /has lost the end of a slab file \(0\) with \d+ fragments: a scrub writes them again/,
  );
  // Another directory has nothing behind its ends, nor has a file that is longer than what is in it.
  assert.ok(lost!.fragments > 0);
  await store.close();
});
