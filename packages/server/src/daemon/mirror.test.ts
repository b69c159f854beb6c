/* The metadata of a store with two directories, when one of them is lost between two starts. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { type TestContext, test } from 'node:test';
import { until } from '../host/patience.support.ts';
import { rotated } from '../keys/rotating.support.ts';
import { metadataTexts } from './banner.ts';
import { ConfigError } from './config.ts';
import { damagedLogText } from './damaged-log.ts';
import { folders } from './directories.ts';
import { decodeIdentity } from './identity.ts';
import { makeBucket, type OpenStore, openStore, putObject, readObject, scratch } from './store.support.ts';

const roleOf = (data: string) => decodeIdentity(readFileSync(path.join(data, 'identity'), 'utf8')).role;
const refused = (data: readonly string[], message: RegExp) =>
  assert.rejects(openStore(...data), (error) => error instanceof ConfigError && message.test(error.message));
const statesOf = ({ metadataEvents }: OpenStore) => new Set(metadataEvents.map(({ state }) => state));

/** A store with objects within rows and in stripes; knows what it must hold. */
class Filled {
  readonly expected = new Map<string, Buffer>();
  readonly data: readonly [string, string];
  #number = 0;

  constructor(data: readonly [string, string]) {
    this.data = data;
  }

  static async made(t: TestContext): Promise<Filled> {
    const folder = scratch(t);
    const filled = new Filled([path.join(folder, 'a'), path.join(folder, 'b')]);
    const store = await openStore(...filled.data);
    await makeBucket(store);
    await filled.put(store);
    await store.close();
    return filled;
  }

  async put(store: OpenStore, count = 20): Promise<void> {
    // No more at once than bodies may be under way.
    for (let left = count; left > 0; left -= 200) await this.#putAtOnce(store, Math.min(left, 200));
  }

  async #putAtOnce(store: OpenStore, count: number): Promise<void> {
    const all = Array.from({ length: count }, async () => {
      const key = `key-${this.#number++}`;
      const bytes = randomBytes(this.#number % 10 === 0 ? 50_000 : 3000);
      await putObject(store, key, bytes);
      this.expected.set(key, bytes);
    });
    await Promise.all(all);
  }

  async check(store: OpenStore): Promise<void> {
    for (const [key, bytes] of this.expected) assert.ok((await readObject(store, key)).equals(bytes), key);
  }

  /** Opens, compares, writes more, and closes. */
  async live(...data: string[]): Promise<OpenStore> {
    const store = await openStore(...data);
    await this.check(store);
    await this.put(store);
    await this.check(store);
    await store.close();
    return store;
  }
}

test('either directory may be lost, again and again', async (t) => {
  const filled = await Filled.made(t);
  const [a, b] = filled.data;
  assert.deepEqual([roleOf(a), roleOf(b)], ['primary', 'mirror']);

  rmSync(a, { recursive: true });
  const promoted = await filled.live(a, b);
  assert.deepEqual([roleOf(a), roleOf(b)], ['mirror', 'primary']);
  assert.ok(statesOf(promoted).has('promoted') && statesOf(promoted).has('copying'));

  rmSync(b, { recursive: true });
  mkdirSync(b);
  // Large objects of before have no copy on the new first directory until the repair has written it.
  for (const [key, bytes] of filled.expected) if (bytes.length > 4096) filled.expected.delete(key);
  const again = await filled.live(a, b);
  assert.deepEqual([roleOf(a), roleOf(b)], ['primary', 'mirror']);
  assert.ok(statesOf(again).has('promoted'));

  const quiet = await filled.live(a, b);
  assert.deepEqual(quiet.metadataEvents, []);
  assert.ok(quiet.mirror().whole);
});

test('the mirror alone is the store, the primary alone too, and they find together again', async (t) => {
  const filled = await Filled.made(t);
  const [a, b] = filled.data;
  const only = await filled.live(b);
  assert.deepEqual([roleOf(a), roleOf(b)], ['primary', 'primary']);
  assert.equal(only.roles.mirror, undefined);
  const both = await filled.live(a, b);
  assert.equal(both.roles.primary, b, 'the one with the newest log');
  assert.ok(statesOf(both).has('copying'));
  assert.deepEqual([roleOf(a), roleOf(b)], ['mirror', 'primary']);
  await filled.live(b);
  const last = await filled.live(a, b);
  assert.equal(last.roles.primary, b);
  rmSync(b, { recursive: true });
  // What b alone took in stripes is gone with it; what lies in metadata is not.
  for (const [key, bytes] of filled.expected) if (bytes.length > 4096) filled.expected.delete(key);
  await filled.live(a);
});

test('two directories that both went on alone are refused, and nothing is changed', async (t) => {
  const filled = await Filled.made(t);
  const [a, b] = filled.data;
  await filled.live(a);
  const logs = [a, b].map((one) => readdirSync(folders.log(one)));
  const other = new Filled(filled.data);
  const store = await openStore(b);
  await other.put(store, 3);
  await store.close();
  await refused(
    [a, b],
    /went separate ways.*neither is overwritten.*Start with the directory whose state shall be kept/,
  );
  assert.deepEqual(readdirSync(folders.log(a)), logs[0]);
  await filled.live(a);
  for (const name of ['metadata', 'identity', 'device', 'keys']) rmSync(path.join(b, name), { recursive: true });
  const joined = await filled.live(a, b);
  assert.deepEqual(joined.roles, { primary: a, mirror: b });
});

test('a snapshot on the mirror lets the log be trimmed, and gives the state again with what is left of it', async (t) => {
  const filled = await Filled.made(t);
  const [a, b] = filled.data;
  let store = await openStore(...filled.data);
  await filled.put(store, 3000);
  await store.metadata.checkpoint();
  assert.equal(store.log.tail, 1, 'nothing is trimmed that the mirror would need');
  await store.snapshots?.make(store.metadata, store.kv, new AbortController().signal);
  assert.ok(store.log.tail > 1);
  await filled.put(store, 50);

  await t.test('unless it has rotted: then a look finds that, and another one is made', async () => {
    const { snapshots } = store;
    const { signal } = new AbortController();
    assert.ok(snapshots);
    assert.equal(await snapshots.check(signal), undefined);
    const file = path.join(folders.snapshot(b), 'snapshot');
    const whole = readFileSync(file);
    for (const at of [whole.length >> 1, 10, whole.length - 1]) {
      const rotten = readFileSync(file);
      rotten[at]! ^= 1;
      writeFileSync(file, rotten);
      assert.match((await snapshots.check(signal)) ?? '', /damaged/);
      assert.equal(snapshots.restorable, false);
      assert.equal(snapshots.trimmable(store.log.head), 0);
      await until(() => snapshots.restorable, 'another snapshot');
      assert.equal(await snapshots.check(signal), undefined);
    }
    rmSync(file);
    assert.match((await snapshots.check(signal)) ?? '', /gone/);
    await until(() => snapshots.restorable, 'another snapshot');
  });
  await store.close();

  await t.test('for a lost primary', async () => {
    const copy = path.join(path.dirname(a), 'copy');
    cpSync(b, copy, { recursive: true });
    const opened = await openStore(copy);
    await filled.check(opened);
    assert.ok(statesOf(opened).has('restoring') && statesOf(opened).has('rebuilt'));
    assert.match(
      opened.rebuilt ?? '',
      /there was none in .*copy.metadata.kv; it comes from the snapshot of position \d+ and the log behind it/,
    );
    await opened.close();
    rmSync(copy, { recursive: true });
  });

  const damage: readonly (readonly [string, () => void])[] = [
    ['a KV that is gone', () => rmSync(folders.kv(a), { recursive: true })],
    ['a checkpoint that is damaged', () => writeFileSync(path.join(folders.kv(a), 'checkpoint'), 'no checkpoint')],
    ['pages that are damaged', () => writeFileSync(path.join(folders.kv(a), 'data.mdb'), randomBytes(65_536))],
  ];
  for (const [what, harm] of damage)
    await t.test(`for ${what}`, async () => {
      harm();
      store = await openStore(...filled.data);
      await filled.check(store);
      assert.ok(statesOf(store).has('rebuilt'), [...statesOf(store)].join());
      assert.equal(existsSync(`${folders.kv(a)}.damaged`), !what.endsWith('gone'));
      await filled.put(store, 5);
      await store.close();
      rmSync(`${folders.kv(a)}.damaged`, { recursive: true, force: true });
    });

  await t.test('and a damaged one is refused in words, with the KV put aside', async () => {
    const snapshot = path.join(folders.snapshot(b), 'snapshot');
    const bytes = readFileSync(snapshot);
    bytes[bytes.length >> 1]! ^= 1;
    writeFileSync(snapshot, bytes);
    rmSync(path.join(folders.kv(a), 'checkpoint'));
    await refused(
      filled.data,
      /could not be made anew: a chunk of the snapshot is damaged\. Restore metadata\/ from a backup/,
    );
    rmSync(snapshot);
    await refused(filled.data, /cannot be made anew: the log begins at position \d+, and there is no snapshot/);
    assert.equal(existsSync(folders.kv(a)), false, 'nothing stands in the way of what is put back');
  });
});

test('a KV that is gone is made anew from the log alone where that goes back to the first entry, and it is said', async (t) => {
  const filled = await Filled.made(t);
  const [a, b] = filled.data;
  rmSync(folders.kv(a), { recursive: true });
  const store = await openStore(a, b);
  await filled.check(store);
  assert.deepEqual(store.metadataEvents, [
    { state: 'missing', directory: folders.kv(a) },
    { state: 'rebuilt', position: store.log.head },
  ]);
  assert.match(
    metadataTexts(store).join(),
    /made anew: there was none in .*; it comes from the log, .*first entry\. Nothing/,
  );
  await store.close();
  const next = await openStore(a, b);
  assert.deepEqual([next.metadataEvents, next.rebuilt], [[], undefined]);
  await next.close();
});

test('an entry that went bad in one log is read from the other, when the metadata are made anew; in both it is refused in words', async (t) => {
  const filled = await Filled.made(t);
  const [a, b] = filled.data;
  const segment = path.join(folders.log(a), readdirSync(folders.log(a)).find((name) => name.startsWith('segment-'))!);
  const harm = (file: string) => {
    const bytes = readFileSync(file);
    // Within the first entries of twenty, far before the end, which a start looks at.
    bytes[9000]! ^= 1;
    writeFileSync(file, bytes);
  };
  harm(segment);
  rmSync(folders.kv(a), { recursive: true });
  const store = await openStore(a, b);
  await filled.check(store);
  assert.ok(statesOf(store).has('damaged'));
  const told = store.mirror().damaged.map(damagedLogText);
  assert.equal(told.length, 1);
  assert.match(told[0]!, /segment-0000000000000001 in .*\/a\/metadata\/log is damaged, and was read from .*\/b/);
  await filled.put(store, 3);
  await store.close();

  rmSync(segment);
  const mended = await openStore(a, b);
  await filled.check(mended);
  await mended.close();
  rmSync(folders.kv(a), { recursive: true });
  const quiet = await filled.live(a, b);
  assert.deepEqual(quiet.mirror().damaged, []);

  harm(segment);
  harm(path.join(folders.log(b), path.basename(segment)));
  rmSync(folders.kv(a), { recursive: true });
  await refused(
    [a, b],
    /cannot be read, from any directory that is given: log segment .* is damaged .* restore metadata\/ from a backup/,
  );
});

test('a log that is gone from both is not begun anew', async (t) => {
  const filled = await Filled.made(t);
  for (const one of filled.data) renameSync(folders.log(one), `${one}-log`);
  await refused(filled.data, /the log of this store is gone from .*restore metadata\/ from a backup/);
  for (const one of filled.data) renameSync(`${one}-log`, folders.log(one));
  await filled.live(...filled.data);
});

test('metadata that are gone as a whole are not begun anew, and nothing is left in the way of those that are put back', async (t) => {
  const filled = await Filled.made(t);
  for (const one of filled.data) renameSync(path.join(one, 'metadata'), `${one}-metadata`);
  const [a, b] = filled.data;
  for (const given of [[a, b], [b, a], [a], [b]])
    await refused(given, /the log of this store is gone from .*restore metadata\/ from a backup/);
  for (const one of filled.data) {
    assert.ok(!existsSync(path.join(one, 'metadata')), one);
    renameSync(`${one}-metadata`, path.join(one, 'metadata'));
  }
  await filled.live(...filled.data);
});

test('a log that lacks what the metadata has applied is refused, and the metadata is not made anew from it', async (t) => {
  const filled = await Filled.made(t);
  const [a, b] = filled.data;
  const old = path.join(path.dirname(a), 'old');
  cpSync(folders.log(b), old, { recursive: true });
  await filled.live(a, b);
  for (const one of [a, b]) {
    rmSync(folders.log(one), { recursive: true });
    cpSync(old, folders.log(one), { recursive: true });
  }
  await assert.rejects(openStore(a, b), /the state is at position \d+, but the log ends at \d+: entries were lost/);
});

test('a store of one directory gets a mirror when it is given another, and a keyring is kept in both', async (t) => {
  const folder = scratch(t);
  const data = ['a', 'b'].map((name) => path.join(folder, name)) as [string, string];
  const filled = new Filled(data);
  const [a, b] = data;
  const first = await openStore(a);
  await makeBucket(first);
  await filled.put(first);
  await first.close();
  await filled.live(a, b);
  const keyrings = () => data.map((one) => readFileSync(path.join(folders.keys(one), 'keyring')));
  assert.deepEqual(keyrings()[0], keyrings()[1]);

  const rotating = await openStore(a, b);
  const before = keyrings()[0] as Buffer;
  await rotated(rotating.keyring);
  await rotating.close();
  assert.deepEqual(keyrings()[0], keyrings()[1]);
  assert.notDeepEqual(keyrings()[0], before);

  // Half a rotation, and a copy that is gone or damaged, are made good by the next start.
  for (const harm of [before, Buffer.from('damaged'), undefined]) {
    const file = path.join(folders.keys(a), 'keyring');
    if (harm) writeFileSync(file, harm);
    else rmSync(file);
    await filled.live(a, b);
    assert.deepEqual(keyrings()[0], keyrings()[1]);
    assert.notDeepEqual(keyrings()[0], before);
  }
});
