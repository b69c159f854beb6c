import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { cpSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { examineDirectories } from './examine.ts';
import { makeBucket, openStore, putObject, scratch } from './store.support.ts';

async function examined(...data: string[]) {
  const all = [];
  for await (const one of examineDirectories(data)) all.push(one);
  return all;
}

const outcomes = (all: Awaited<ReturnType<typeof examined>>) =>
  all.map(({ test: name, outcome }) => `${name} ${outcome}`);

function stateOf(folder: string): string[] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .sort()
    .map((name) => {
      const file = path.join(folder, name);
      if (!statSync(file).isFile()) return name;
      return `${name} ${createHash('md5').update(readFileSync(file)).digest('hex')}`;
    });
}

async function filled(...data: string[]): Promise<void> {
  const store = await openStore(...data);
  await makeBucket(store);
  await putObject(store, 'key', Buffer.alloc(50_000, 1));
  await store.close();
}

test('a sound store has nothing to tell, also while it is open', async (t) => {
  const folder = scratch(t);
  const data = ['a', 'b'].map((name) => path.join(folder, name)) as [string, string];
  await filled(...data);
  const device = ['device ok', 'index ok'];
  const sound = ['directories ok', 'keyring ok', 'log ok', ...device, 'metadata ok', ...device];
  assert.deepEqual(outcomes(await examined(...data)), sound);
  const open = await openStore(...data);
  assert.deepEqual(outcomes(await examined(...data)), sound);
  await open.close();
});

test('everything that keeps a store from starting, or makes it slow, is told, and nothing is changed', async (t) => {
  const folder = scratch(t);
  const [whole, other] = ['whole', 'other'].map((name) => path.join(folder, name)) as [string, string];
  await filled(whole);
  await filled(other);
  const keyring = 'keys/keyring';
  const cases: readonly (readonly [string, (data: string) => void, string, RegExp])[] = [
    [
      'index gone',
      (data) => rmSync(path.join(data, 'device/index'), { recursive: true }),
      'index warning',
      /data\.mdb and checkpoint missing.*next start makes it anew.*One from a backup.*no help/,
    ],
    [
      'checkpoint gone',
      (data) => rmSync(path.join(data, 'device/index/checkpoint')),
      'index warning',
      /: checkpoint missing/,
    ],
    [
      'put aside',
      (data) => mkdirSync(path.join(data, 'device/index.damaged')),
      'index warning',
      /put aside as .*index\.damaged.*Delete it/,
    ],
    ['keyring gone', (data) => rmSync(path.join(data, keyring)), 'keyring failed', /no keyring file.*Put your backup/],
    [
      'keys gone',
      (data) => rmSync(path.join(data, 'keys'), { recursive: true }),
      'keyring failed',
      /There is no .*keys.*Put your backup/,
    ],
    [
      'keyring torn',
      (data) => writeFileSync(path.join(data, keyring), 'DSOMKEYS'),
      'keyring failed',
      /cannot be read.*Put your backup/,
    ],
    [
      'keyring of another',
      (data) => cpSync(path.join(other, keyring), path.join(data, keyring)),
      'keyring failed',
      /belongs to another store.*Put the newest backup/,
    ],
    [
      'identity torn',
      (data) => writeFileSync(path.join(data, 'identity'), '{'),
      'directories failed',
      /is not an identity file.*Restore it/,
    ],
    [
      'identity of before',
      (data) => {
        const { store } = JSON.parse(readFileSync(path.join(data, 'identity'), 'utf8')) as { store: string };
        writeFileSync(path.join(data, 'identity'), JSON.stringify({ format: 1, store, primary: true }));
      },
      'keyring warning',
      /does not say yet which keyring is its own/,
    ],
    [
      'device not mounted',
      (data) => {
        rmSync(path.join(data, 'device'), { recursive: true });
        mkdirSync(path.join(data, 'device'));
      },
      'device failed',
      /no device in .*Mount the right disk/,
    ],
    [
      'device without identity',
      (data) => rmSync(path.join(data, 'device/identity')),
      'device failed',
      /slabs and no identity file.*Restore/,
    ],
    [
      'device with a damaged identity',
      (data) => {
        const file = path.join(data, 'device/identity');
        const bytes = readFileSync(file);
        bytes[30]! ^= 1;
        writeFileSync(file, bytes);
      },
      'device failed',
      /identity file of this device is damaged.*Restore the file/,
    ],
    [
      'device of another store',
      (data) => cpSync(path.join(other, 'device/identity'), path.join(data, 'device/identity')),
      'device failed',
      /belongs to another store/,
    ],
    [
      'log gone',
      (data) => rmSync(path.join(data, 'metadata/log'), { recursive: true }),
      'log failed',
      /log of this store is gone from .*restore metadata\/ from a backup/,
    ],
    [
      'log cut short',
      (data) => truncateSync(path.join(data, 'metadata/log/segment-0000000000000001'), 4200),
      'log failed',
      /is damaged at offset \d+, position \d+: .*restore metadata\/ from a backup/,
    ],
    [
      'nothing at all',
      (data) => {
        rmSync(data, { recursive: true });
        mkdirSync(data);
      },
      'directories failed',
      /no store is in/,
    ],
  ];
  for (const [number, [what, harm, outcome, words]] of cases.entries())
    await t.test(what, async () => {
      const data = path.join(folder, String(number));
      cpSync(whole, data, { recursive: true });
      harm(data);
      const before = stateOf(data);
      const all = await examined(data);
      const found = all.find((one) => `${one.test} ${one.outcome}` === outcome);
      assert.ok(found, outcomes(all).join());
      assert.match(`${found.detail} ${found.advice ?? ''}`, words);
      const sound = ['directories ok', 'keyring ok', 'log ok', 'device ok', 'index ok', 'metadata ok'];
      assert.deepEqual(
        outcomes(all).filter((one) => one !== outcome && !sound.includes(one)),
        [],
      );
      assert.deepEqual(stateOf(data), before);
    });
  const empty = path.join(folder, 'empty');
  mkdirSync(empty);
  assert.deepEqual(outcomes(await examined(whole, empty)).at(-1), 'device warning');
  assert.deepEqual(outcomes(await examined(whole, other)), ['directories failed']);
});
