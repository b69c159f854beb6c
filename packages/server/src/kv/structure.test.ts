/* A file of LMDB whose pages have changed by themselves: what is not found by the look at its structure must not lead LMDB astray. */
import assert from 'node:assert/strict';
import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, test } from 'node:test';
import fc from 'fast-check';
import { CorruptionError } from '../errors.ts';
import { manualHost } from '../host/index.ts';
import { limits } from '../limits.ts';
import { pageBytes } from './environment.ts';
import { KvDamaged } from './failures.ts';
import { suspectKv } from './lives.ts';
import { openKv } from './owner.ts';
import { checkKvFile } from './structure.ts';
import { listed } from './suite.ts';
import type { SharedKv } from './types.ts';

const root = mkdtempSync(path.join(tmpdir(), 'dsom-kv-structure-'));
after(() => rmSync(root, { recursive: true, force: true }));
let count = 0;
const fresh = (): string => path.join(root, String(count++));
const host = manualHost();
const keyOf = (n: number): Buffer => Buffer.from(`row ${String(n).padStart(5, '0')}`);
const file = (directory: string): string => path.join(directory, 'data.mdb');

/** Rows on two levels of pages, some too long for one; some were there and are not any more. */
async function filled(): Promise<{ readonly directory: string; readonly rows: string[] }> {
  const directory = fresh();
  const kv = await openKv({ directory, host });
  const commit = (from: number, to: number, step: number, value: (n: number) => Buffer | undefined): void => {
    const numbers = Array.from({ length: Math.ceil((to - from) / step) }, (_, n) => from + n * step);
    kv.commit(numbers.map((n) => [keyOf(n), value(n)] as const));
  };
  for (let n = 0; n < 200; n += 40) commit(n, n + 40, 1, (at) => Buffer.alloc(at % 40 === 0 ? 20_000 : 500, at));
  await kv.checkpoint();
  commit(0, 200, 3, () => undefined);
  await kv.checkpoint();
  commit(0, 30, 1, (at) => Buffer.alloc(700, at));
  const rows = listed(kv);
  await kv.close();
  return { directory, rows };
}

/** A copy with other bytes in a page. */
function hurt(directory: string, change: (bytes: Buffer) => void): string {
  const copy = fresh();
  cpSync(directory, copy, { recursive: true });
  const bytes = readFileSync(file(copy));
  change(bytes);
  writeFileSync(file(copy), bytes);
  return copy;
}

const runs = (numRuns: number) => ({
  numRuns: Number(process.env['DSOM_RUNS'] ?? numRuns),
  ...(process.env['DSOM_SEED'] && { seed: Number(process.env['DSOM_SEED']) }),
});

const isDamaged = (directory: string): Promise<boolean> =>
  checkKvFile(directory).then(
    () => false,
    (cause: unknown) => {
      assert.ok(cause instanceof KvDamaged);
      return true;
    },
  );

/** Keys, and how long their values are: what is within a value is no matter of structure. */
const shapeOf = (rows: readonly string[]): string =>
  rows.map((row) => `${row.slice(0, row.indexOf('='))} ${row.length}`).join();

/** As it was, for reading and for writing. */
async function assertWell(directory: string, rows: readonly string[]): Promise<void> {
  const kv = await openKv({ directory, host });
  assert.ok(shapeOf(listed(kv)) === shapeOf(rows), 'keys and lengths of values are what they were');
  kv.commit(Array.from({ length: 40 }, (_, n) => [keyOf(1000 + n), Buffer.alloc(900)] as const));
  await kv.close();
  await checkKvFile(directory);
}

test('any work leaves a file that hangs together, at each checkpoint', async () => {
  const work = fc.array(
    fc.tuple(fc.nat(400), fc.oneof(fc.constant(undefined), fc.constantFrom(0, 40, 900, 3000, 9000, 40_000))),
    { minLength: 50, maxLength: 600 },
  );
  await fc.assert(
    fc.asyncProperty(
      work,
      fc.integer({ min: 5, max: 90 }),
      fc.integer({ min: 1, max: 9 }),
      async (all, each, batch) => {
        const directory = fresh();
        let kv: SharedKv = await openKv({ directory, host });
        for (let n = 0; n < all.length; n += batch) {
          const changes = all.slice(n, n + batch);
          kv.commit(
            changes.map(([key, size]) => [keyOf(key), size === undefined ? undefined : Buffer.alloc(size)] as const),
          );
          if ((n / batch) % each !== 0) continue;
          if (n % 2 === 0) await kv.checkpoint();
          else {
            await kv.close();
            kv = await openKv({ directory, host });
          }
          await checkKvFile(directory);
        }
        await kv.close();
        await checkKvFile(directory);
      },
    ),
    runs(15),
  );
});

test('a page that is empty, or another one, or in which a bit has changed, is found, or does nothing', async () => {
  const { directory, rows } = await filled();
  const pages = readFileSync(file(directory)).length / pageBytes;
  const followed: number[] = [];
  const holds = async (change: (bytes: Buffer) => void): Promise<boolean> => {
    const copy = hurt(directory, change);
    const found = await isDamaged(copy);
    if (!found) await assertWell(copy, rows);
    rmSync(copy, { recursive: true, force: true });
    return found;
  };
  for (let page = 2; page < pages; page++) {
    const at = page * pageBytes;
    const from = (2 + ((page * 7) % (pages - 2))) * pageBytes;
    const isEmpty = page % 2 === 0 || from === at;
    if (await holds((all) => (isEmpty ? all.fill(0, at, at + pageBytes) : all.copy(all, at, from, from + pageBytes))))
      followed.push(page);
  }
  assert.ok(followed.length > 15, `${followed.length} of ${pages} pages`);
  const place = fc.record({ page: fc.constantFrom(...followed), at: fc.integer({ min: 0, max: 60 }), bit: fc.nat(7) });
  await fc.assert(
    fc.asyncProperty(place, async ({ page, at, bit }) => {
      await holds((all) => {
        all[page * pageBytes + at] = (all[page * pageBytes + at] as number) ^ (1 << bit);
      });
    }),
    runs(40),
  );
});

test('a page that is in use and counts as free is found: the next commits would overwrite it', async () => {
  const { directory } = await filled();
  const bytes = readFileSync(file(directory));
  const numbers = Array.from({ length: bytes.length / pageBytes }, (_, page) => page);
  const newest = Math.max(bytes.readUInt32LE(152), bytes.readUInt32LE(pageBytes + 152));
  const meta = bytes.readUInt32LE(152) === newest ? 0 : pageBytes;
  const [free, root] = [meta + 48 + 40, meta + 96 + 40].map((at) => bytes.readUInt32LE(at)) as [number, number];
  assert.ok(numbers.includes(free) && bytes.readUInt16LE(free * pageBytes + 18) === 2, 'one page lists the free ones');
  const node = free * pageBytes + 24 + bytes.readUInt16LE(free * pageBytes + 24);
  // Its key has 8 bytes; a count comes before the numbers.
  const copy = hurt(directory, (all) => all.writeBigInt64LE(BigInt(root), node + 8 + 8 + 8));
  await assert.rejects(checkKvFile(copy), { message: /it is in use, and counts as free/ });
});

test('a file that was cut short is damaged', async () => {
  const { directory } = await filled();
  const copy = hurt(directory, () => {});
  writeFileSync(file(copy), readFileSync(file(copy)).subarray(0, 6 * pageBytes));
  assert.ok(await isDamaged(copy));
  await assert.rejects(openKv({ directory: copy, host }), CorruptionError);
});

/** The state in which `kill -9` would leave it. */
async function killed(directory: string, afterMs = 0): Promise<string> {
  const copy = fresh();
  const kv = await openKv({ directory, host });
  host.advance(afterMs);
  cpSync(directory, copy, { recursive: true });
  await kv.close();
  return copy;
}

test('after two lives without an end in order the next opening looks', async () => {
  const { directory, rows } = await filled();
  const spoil = (bytes: Buffer): void => {
    for (let page = 2; page < bytes.length / pageBytes; page++) bytes.fill(0, page * pageBytes, page * pageBytes + 8);
  };
  const once = await killed(directory);
  const twice = await killed(once);
  await assert.rejects(openKv({ directory: hurt(twice, spoil), host }), KvDamaged);
  // Those that were sound open as ever, and what was counted is forgotten.
  await assertWell(twice, rows);
  assert.ok(!existsSync(path.join(twice, 'lives')));
});

test('a file is looked at while it is written to, in the state that it has, and a damaged page is found before LMDB meets it', async () => {
  const { directory } = await filled();
  const kv = await openKv({ directory, host });
  // Pages of no checkpoint.
  kv.commit(Array.from({ length: 300 }, (_, n) => [keyOf(2000 + n), Buffer.alloc(900, n)] as const));
  let step = 0;
  await kv.checkFile(async () => {
    step++;
    kv.commit(Array.from({ length: 40 }, (_, n) => [keyOf(n * 7), Buffer.alloc(800, step)] as const));
    if (step % 3 === 0) await kv.checkpoint();
  });
  assert.ok(step > 3);
  const whole = readFileSync(file(directory));
  const number = (bytes: Buffer, page: number): number => Number(bytes.readBigUInt64LE(page * pageBytes));
  const used = Array.from({ length: whole.length / pageBytes }, (_, page) => page).filter(
    (page) => page > 1 && number(whole, page) === page,
  );
  const bytes = Buffer.from(whole);
  for (const page of used) bytes.writeUInt16LE(bytes.readUInt16LE(page * pageBytes + 18) ^ 0x0f, page * pageBytes + 18);
  writeFileSync(file(directory), bytes);
  await assert.rejects(
    kv.checkFile(async () => {}),
    KvDamaged,
  );
  writeFileSync(file(directory), whole);
  await kv.checkFile(async () => {});
  // The next opening looks, whatever came between.
  const looks: unknown[] = [];
  await kv.close();
  await (await openKv({ directory, host, onLook: (look) => looks.push(look) })).close();
  assert.ok(looks.length > 0);
});

test('a look that a close meets is over', async () => {
  const { directory } = await filled();
  const kv = await openKv({ directory, host });
  let closing: Promise<void> | undefined;
  const look = kv.checkFile(async () => {
    closing ??= kv.close();
  });
  await assert.rejects(look, { code: 'ServiceUnavailable' });
  await closing;
});

test('a life that lasted counts for none, and what is suspected meanwhile stays so', async () => {
  const { directory } = await filled();
  const looks: string[] = [];
  const opened = async (folder: string): Promise<readonly string[]> => {
    looks.length = 0;
    await (await openKv({ directory: folder, host, onLook: (look) => looks.push(look.directory) })).close();
    return looks;
  };
  const lasted = await killed(await killed(directory), limits.kvLifeMs);
  assert.deepEqual(await opened(lasted), []);
  const short = await killed(await killed(directory), limits.kvLifeMs - 1);
  assert.deepEqual(await opened(short), [short]);
  const kv = await openKv({ directory: short, host });
  suspectKv(short);
  host.advance(limits.kvLifeMs);
  await kv.close();
  assert.deepEqual(await opened(short), [short]);
});

test('a file that LMDB found damaged is looked at by the next opening, also after an end in order', async () => {
  const { directory } = await filled();
  const kv = await openKv({ directory, host });
  suspectKv(directory);
  await kv.close();
  const copy = hurt(directory, (bytes) => {
    for (let page = 2; page < bytes.length / pageBytes; page++) bytes.writeUInt16LE(0x40, page * pageBytes + 18);
  });
  await assert.rejects(openKv({ directory: copy, host }), KvDamaged);
  const asItIs = await openKv({ directory: copy, host, asItIs: true });
  await asItIs.close();
  await assert.rejects(openKv({ directory: copy, host }), KvDamaged);
  await (await openKv({ directory, host })).close();
  assert.ok(!existsSync(path.join(directory, 'lives')));
});
