import assert from 'node:assert/strict';
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { rotated } from '../keys/rotating.support.ts';
import { ConfigError } from './config.ts';
import { decodeIdentity } from './identity.ts';
import { checkOf, makeBucket, openStore, putObject, readObject, scratch } from './store.support.ts';

const textOf = (data: string): string => readFileSync(path.join(data, 'identity'), 'utf8');
const keyringOf = (data: string): string => path.join(data, 'keys/keyring');

async function made(...data: string[]): Promise<void> {
  const store = await openStore(...data);
  await store.close();
}

const refused = (data: readonly string[], message: RegExp) =>
  assert.rejects(openStore(...data), (error) => error instanceof ConfigError && message.test(error.message));

test('the identities of primary and mirror name the keyring, those of other members do not', async (t) => {
  const folder = scratch(t);
  const all = ['a', 'b', 'c'].map((name) => path.join(folder, name)) as [string, string, string];
  const [a, b] = all;
  await made(...all);
  const identities = all.map((data) => decodeIdentity(textOf(data)));
  const [first, second, third] = identities;
  assert.match(first?.keyring ?? '', /^1-[0-9a-f]{32}$/);
  assert.deepEqual([second?.keyring, third?.keyring], [first?.keyring, undefined]);
  assert.deepEqual(
    identities.map(({ role }) => role),
    ['primary', 'mirror', 'member'],
  );
  assert.equal(new Set(identities.map(({ store }) => store)).size, 1);
  assert.deepEqual(readFileSync(keyringOf(a)), readFileSync(keyringOf(b)));
  assert.ok(!existsSync(keyringOf(all[2])));
  const key = readFileSync(keyringOf(a)).subarray(-36, -4);
  assert.ok(!textOf(a).includes(key.toString('hex').slice(0, 8)), 'nothing of the key');
  const before = all.map(textOf);
  await made(...all);
  assert.deepEqual(all.map(textOf), before);
});

test("a store without buckets: a missing, another store's or an older keyring is refused before anything is opened", async (t) => {
  const folder = scratch(t);
  const [a, b] = ['a', 'b'].map((name) => path.join(folder, name)) as [string, string];
  const store = await openStore(a);
  const old = readFileSync(keyringOf(a));
  await rotated(store.keyring);
  await store.close();
  await made(b);
  await made(a);
  assert.match(decodeIdentity(textOf(a)).keyring ?? '', /^2-/, 'the rotation is remembered by the next start');
  const right = readFileSync(keyringOf(a));

  // Nothing of this can be read, so whoever gets that far fails otherwise.
  const log = path.join(a, 'metadata/log');
  const kept = path.join(folder, 'log');
  cpSync(log, kept, { recursive: true });
  for (const name of readdirSync(log)) writeFileSync(path.join(log, name), 'nonsense');
  const kv = readdirSync(path.join(a, 'metadata/kv'));

  rmSync(keyringOf(a));
  await refused([a], /no keyring file.*Put your backup of keys\/keyring back/);
  assert.ok(!existsSync(keyringOf(a)), 'none is made');
  cpSync(keyringOf(b), keyringOf(a));
  await refused(
    [a],
    /belongs to another store|holds 1 of the 2 keys.*Put the newest backup of this store's keys\/keyring back/,
  );
  writeFileSync(keyringOf(a), old);
  await refused([a], /holds 1 of the 2 keys.*old backup.*Put the newest backup/);
  await assert.rejects(checkOf([a]), /old backup/);
  assert.deepEqual(readdirSync(path.join(a, 'metadata/kv')), kv);

  writeFileSync(keyringOf(a), right);
  await assert.rejects(openStore(a), (error) => !(error instanceof ConfigError && /keyring/.test(error.message)));
  rmSync(log, { recursive: true });
  cpSync(kept, log, { recursive: true });
  await made(a);
});

test('an identity without a keyring gets it at the next start, once the keyring has opened what is there', async (t) => {
  const folder = scratch(t);
  const [a, b] = ['a', 'b'].map((name) => path.join(folder, name)) as [string, string];
  const store = await openStore(a);
  await makeBucket(store);
  await putObject(store, 'key', Buffer.from('text'));
  await store.close();
  await made(b);
  const { store: uuid, keyring } = decodeIdentity(textOf(a));
  const before = `${JSON.stringify({ format: 1, store: uuid, primary: true })}\n`;
  writeFileSync(path.join(a, 'identity'), before);
  const right = readFileSync(keyringOf(a));
  cpSync(keyringOf(b), keyringOf(a));
  await refused([a], /does not open bucket "bucket"/);
  assert.equal(textOf(a), before, 'a wrong keyring is not remembered');
  rmSync(keyringOf(a));
  await refused([a], /no keyring file/);
  writeFileSync(keyringOf(a), right);
  const again = await openStore(a);
  assert.equal((await readObject(again, 'key')).toString(), 'text');
  await again.close();
  assert.equal(decodeIdentity(textOf(a)).keyring, keyring);
});

test('an identity that is torn, changed or unreadable is refused', async (t) => {
  const data = path.join(scratch(t), 'data');
  await made(data);
  const file = path.join(data, 'identity');
  const good = textOf(data);
  const bad = [
    ...Array.from({ length: good.length - 1 }, (_, length) => good.slice(0, length)),
    ...Array.from({ length: good.length - 1 }, (_, at) => {
      const bytes = Buffer.from(good);
      bytes[at] = (bytes[at] as number) ^ 1;
      return bytes.toString('latin1');
    }),
    good.replace('"format":3', '"format":4'),
    good.replace('"role":"primary"', '"role":"primary","more":1'),
  ];
  for (const text of bad) assert.throws(() => decodeIdentity(text), text);
  for (const text of ['', good.slice(0, 60), good.replace(/-[0-9a-f]/, '-z'), bad.at(-2) as string]) {
    writeFileSync(file, text);
    await refused([data], /is not an identity file this version can read \(.*\)\. Restore it from a backup/);
    assert.equal(textOf(data), text);
  }
  await assert.rejects(openStore(data), /a newer version of DSOM wrote it/);
  rmSync(file);
  mkdirSync(file);
  await assert.rejects(openStore(data), Error);
  rmSync(file, { recursive: true });
  writeFileSync(file, good);
  await made(data);
});

test('a first start that breaks off anywhere goes on at the next one', async (t) => {
  const folder = scratch(t);
  const whole = ['a', 'b'].map((name) => path.join(folder, 'whole', name)) as [string, string];
  await made(...whole);
  /** What is on disk after each step of a first start, in order. */
  const steps = [[], ['a/keys'], ['a/identity'], ['b/identity'], ['a/device/identity'], ['b/device/identity']].map(
    (_, i, all) => all.slice(0, i + 1).flat(),
  );
  for (const [number, there] of steps.entries()) {
    const at = path.join(folder, String(number));
    for (const one of there) cpSync(path.join(folder, 'whole', one), path.join(at, one), { recursive: true });
    const data = ['a', 'b'].map((name) => path.join(at, name));
    const store = await openStore(...data);
    await makeBucket(store);
    await putObject(store, 'key', Buffer.alloc(10_000, number));
    await store.close();
    const again = await openStore(...data);
    assert.deepEqual(await readObject(again, 'key'), Buffer.alloc(10_000, number), there.join());
    await again.close();
    assert.deepEqual((await checkOf(data)).counts, {});
  }
});
