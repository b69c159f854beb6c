/*
 * A disk that fills up: the server refuses what adds, by name, and goes on with the rest; space that was freed is used again.
 *
 * Needs a file system of its own, so root (or a mount namespace in which mounting is permitted).
 */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import {
  closeSync,
  existsSync,
  ftruncateSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  rmSync,
  statfsSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { atEnd } from '../src/ending.ts';
import { type Answer, pathOf, send } from '../src/request.ts';
import { patienceMs, type Server, startServer } from '../src/server.ts';
import { bearer, dsom, fsck } from './process.support.ts';

const MiB = 1 << 20;
/** Small, so that it is soon full. */
const diskMiB = 96;
const big = randomBytes(MiB);
const small = randomBytes(4000);
const bodyOf = (key: string) => (key.startsWith('big') ? big : small);

const run = (command: string, ...args: string[]) => spawnSync(command, args, { encoding: 'utf8' });

/** Mounts a small file system; undefined (and the test skipped, saying why) where that is not permitted. */
function smallDisk(test: TestContext, kind: 'tmpfs' | 'ext4', sizeMiB = diskMiB): string | undefined {
  const folder = mkdtempSync(path.join(process.env['DSOM_SCRATCH'] ?? tmpdir(), `dsom-full-${kind}-`));
  const disk = path.join(folder, 'disk');
  mkdirSync(disk);
  let mounted: ReturnType<typeof run>;
  if (kind === 'tmpfs') mounted = run('mount', '-t', 'tmpfs', '-o', `size=${sizeMiB}m`, 'tmpfs', disk);
  else {
    const image = path.join(folder, 'image');
    const fd = openSync(image, 'w');
    ftruncateSync(fd, sizeMiB * MiB);
    closeSync(fd);
    const made = run('mkfs.ext4', '-q', '-m', '0', '-F', image);
    mounted = made.status === 0 ? run('mount', '-o', 'loop', image, disk) : made;
  }
  if (mounted.status !== 0) {
    rmSync(folder, { recursive: true, force: true });
    test.skip(`a ${kind} cannot be mounted here: ${mounted.error?.message ?? mounted.stderr.trim()}`);
    return undefined;
  }
  // In a failed test too; lazily, because a killed server may still hold files.
  const clear = () => {
    run('umount', '-l', disk);
    rmSync(folder, { recursive: true, force: true });
  };
  const isClear = atEnd(clear);
  test.after(() => {
    isClear();
    clear();
  });
  return disk;
}

/** Eight at a time. */
async function inParallel<Item>(items: readonly Item[], work: (item: Item) => Promise<unknown>): Promise<void> {
  let next = 0;
  const lane = async () => {
    while (next < items.length) await work(items[next++] as Item);
  };
  await Promise.all(Array.from({ length: 8 }, lane));
}

class Store {
  server: Server;
  readonly #data: readonly string[];
  readonly kept = new Set<string>();

  constructor(data: readonly string[], server: Server) {
    this.#data = data;
    this.server = server;
  }

  static async start(data: readonly string[]): Promise<Store> {
    const store = new Store(data, await startServer(data, { until: 'live' }));
    assert.equal((await send(store.server.endpoint, 'PUT', '/full')).status, 200);
    return store;
  }

  async restart(signal: NodeJS.Signals): Promise<void> {
    const code = await this.server.stop(signal);
    if (signal === 'SIGTERM') assert.equal(code, 0, this.server.output());
    this.server = await startServer(this.#data, { until: 'live' });
  }

  async put(key: string): Promise<Answer> {
    const answer = await send(this.server.endpoint, 'PUT', pathOf('full', key), { body: bodyOf(key) });
    if (answer.status === 200) this.kept.add(key);
    return answer;
  }

  async remove(key: string): Promise<void> {
    const answer = await send(this.server.endpoint, 'DELETE', pathOf('full', key));
    assert.equal(answer.status, 204, `DELETE ${key} while full: ${answer.text()}`);
    this.kept.delete(key);
  }

  async removeSome(prefix: string, count: number): Promise<void> {
    const keys = [...this.kept].filter((key) => key.startsWith(prefix)).slice(0, count);
    await inParallel(keys, (key) => this.remove(key));
  }

  /** Puts until one is refused, eight at a time; every refusal is the right one. */
  async fill(prefix: string): Promise<number> {
    for (let count = 0; count < 10_000; count += 8) {
      const answers = await Promise.all(Array.from({ length: 8 }, (_, index) => this.put(`${prefix}${count + index}`)));
      const refused = answers.filter(({ status }) => status !== 200);
      for (const answer of refused)
        assert.deepEqual([answer.status, answer.element('Code')], [507, 'StorageFull'], answer.text());
      if (refused.length > 0) return count;
    }
    throw new Error('the disk never filled up');
  }

  async until(what: string, done: () => Promise<boolean>): Promise<void> {
    const deadline = performance.now() + patienceMs;
    while (!(await done())) {
      assert.ok(performance.now() < deadline, `${what}: not within ${patienceMs} ms; ${await this.readiness()}`);
      await sleep(250);
    }
  }

  async readiness(): Promise<string> {
    const answer = await send(this.server.endpoint, 'GET', '/-/health/ready', { anonymous: true });
    return `${answer.status} ${answer.text().trim()}`;
  }

  async verify(): Promise<void> {
    await inParallel([...this.kept], async (key) => {
      const answer = await send(this.server.endpoint, 'GET', pathOf('full', key));
      assert.equal(answer.status, 200, `${key} was acknowledged: ${answer.text().slice(0, 300)}`);
      assert.ok(answer.complete, `${key} was broken off after ${answer.body.length} bytes; ${this.server.output()}`);
      assert.ok(answer.body.equals(bodyOf(key)), `${key} has other bytes`);
    });
  }
}

async function startOn(test: TestContext, disk: string): Promise<Store> {
  const store = await Store.start([path.join(disk, 'data')]);
  test.after(async () => void (await store.server.stop('SIGKILL').catch(() => {})));
  return store;
}

for (const kind of ['tmpfs', 'ext4'] as const)
  test(`a full disk (${kind}): writes are refused, everything else works, nothing is lost`, {
    timeout: 600_000,
  }, async (t) => {
    const disk = smallDisk(t, kind);
    if (disk === undefined) return;
    const store = await startOn(t, disk);
    assert.ok((await store.fill('big')) > diskMiB / 3, 'a good part of the disk holds objects');
    await store.fill('small');
    await store.until('not ready', async () => (await store.readiness()).startsWith('503'));

    const { endpoint } = store.server;
    // A checkpoint may have made room for a few small ones meanwhile.
    let refusal = '';
    for (let more = 0; refusal === ''; more++) {
      assert.ok(more < 20, 'the native API refuses too');
      await store.fill(`small-more-${more}-`);
      const native = await fetch(`${endpoint}/-/v1/buckets/full/objects/native`, {
        method: 'PUT',
        headers: { authorization: bearer },
        body: small,
      });
      const text = await native.text();
      assert.ok([200, 507].includes(native.status), text);
      if (native.status === 507) refusal = text;
    }
    assert.match(refusal, /StorageFull/);
    const [first] = store.kept;
    assert.equal((await send(endpoint, 'HEAD', pathOf('full', first))).status, 200);
    const listed = await send(endpoint, 'GET', '/full', { query: { 'list-type': '2' } });
    assert.equal(listed.elements('Key').length, Math.min(1000, store.kept.size));
    assert.equal((await send(endpoint, 'GET', '/-/health/live', { anonymous: true })).status, 200);

    await store.restart('SIGTERM');
    assert.match(await store.readiness(), /^503/);
    await store.restart('SIGKILL');
    assert.match(await store.readiness(), /^503/);
    await store.verify();

    // Large objects go: there is room for both kinds again, though they lay between others.
    const third = (key: string) => key.startsWith('big') && Number(key.slice(3)) % 3 === 0;
    await inParallel([...store.kept].filter(third), (key) => store.remove(key));
    await store.until('a small write after deletes of large objects', async () => {
      return (await store.put('small-again')).status === 200;
    });
    await store.until('a large write after deletes', async () => (await store.put('big-again')).status === 200);
    await store.until('ready again', async () => (await store.readiness()).startsWith('200'));

    // And once more to the brim, in the space that was freed; small ones can go then, too.
    await store.fill('small-second');
    await store.fill('big-second');
    await store.removeSome('small', Math.ceil(store.kept.size / 2));
    await store.restart('SIGKILL');
    await store.verify();
    assert.deepEqual((await fsck(store.server.endpoint)).counts, {});
    assert.equal(await store.server.stop(), 0);
  });

test('somebody else fills the disk to its last byte: no answer lies, and it goes on when there is space', {
  timeout: 600_000,
}, async (t) => {
  const disk = smallDisk(t, 'tmpfs');
  if (disk === undefined) return;
  const store = await startOn(t, disk);
  for (let i = 0; i < 200; i++) await store.put(`small${i}`);
  for (let i = 0; i < 8; i++) await store.put(`big${i}`);
  const foreign = path.join(disk, 'foreign');
  // Under load, so that it strikes between the log and the state, too.
  let going = true;
  const statuses = new Map<number, number>();
  const load = Array.from({ length: 4 }, async (_, writer) => {
    for (let i = 0; going; i++) {
      const { status } = await store.put(`${i % 20 === 0 ? 'big' : 'small'}-load-${writer}-${i}`);
      statuses.set(status, (statuses.get(status) ?? 0) + 1);
    }
  });
  const fill = async (milliseconds: number) => {
    const fd = openSync(foreign, 'a');
    const end = performance.now() + milliseconds;
    do {
      try {
        writeSync(fd, big);
      } catch {
        try {
          for (;;) writeSync(fd, Buffer.alloc(4096));
        } catch {
          await sleep(20);
        }
      }
    } while (performance.now() < end);
    closeSync(fd);
  };
  await store.until('ballast', async () => existsSync(path.join(disk, 'data/ballast')));
  await fill(4000);
  going = false;
  await Promise.all(load);
  assert.ok((statuses.get(507) ?? 0) > 0, JSON.stringify([...statuses]));
  assert.deepEqual(
    [...statuses.keys()].filter((status) => ![200, 507].includes(status)),
    [],
    JSON.stringify([...statuses]),
  );
  assert.ok(statfsSync(disk).bavail * statfsSync(disk).bsize < MiB);
  assert.match(await store.readiness(), /^503/);
  await store.verify();

  // It starts without a byte left, and objects can be deleted.
  assert.equal(await store.server.stop('SIGKILL'), null);
  await fill(0);
  assert.equal(statfsSync(disk).bavail, 0);
  await store.restart('SIGKILL');
  assert.match(await store.readiness(), /^503/);
  await store.verify();
  await store.removeSome('small', 50);
  rmSync(foreign);
  await store.until('ready again', async () => (await store.readiness()).startsWith('200'));
  assert.equal((await store.put('small-after')).status, 200);
  assert.equal((await store.put('big-after')).status, 200);
  await store.restart('SIGKILL');
  await store.verify();
  assert.deepEqual((await fsck(store.server.endpoint)).counts, {});
  assert.equal(await store.server.stop(), 0);
});

test('the smallest disk (64 MiB): small objects alone make room for as many again, and a smaller one is refused', {
  timeout: 600_000,
}, async (t) => {
  const tiny = smallDisk(t, 'tmpfs', 48);
  const disk = smallDisk(t, 'tmpfs', 64);
  if (tiny === undefined || disk === undefined) return;
  const refused = await dsom(['server', '--data', path.join(tiny, 'data'), '--address', '127.0.0.1:0']);
  assert.notEqual(refused.code, 0);
  assert.match(
    refused.output,
    /has 48 MiB, and a store needs at least 64 MiB: give a --data directory on a larger one/,
  );
  assert.deepEqual(readdirSync(tiny), [], 'nothing was written');

  const store = await Store.start([path.join(disk, 'data')]);
  t.after(async () => void (await store.server.stop('SIGKILL').catch(() => {})));
  await store.fill('big');
  for (let round = 0; round < 3; round++) {
    const prefix = `small-${round}-`;
    // Space that was freed is used again behind the next checkpoint.
    let count = 0;
    for (let part = 0; count < 200; part++) {
      assert.ok(part < 60, `round ${round}: room for ${count} only`);
      count += await store.fill(`${prefix}${part}-`);
      if (count < 200) await sleep(250);
    }
    await store.removeSome(prefix, Number.POSITIVE_INFINITY);
    await store.until('a small write after deletes of small objects', async () => {
      return (await store.put(`small-after-${round}`)).status === 200;
    });
    if (round === 1) await store.restart('SIGKILL');
  }
  await store.verify();
  assert.deepEqual((await fsck(store.server.endpoint)).counts, {});
  assert.equal(await store.server.stop(), 0);
});

for (const ballast of [true, false])
  test(`a server ends in order on a disk without a byte left ${ballast ? 'but its ballast' : 'and no ballast'}, and the next one has everything`, {
    timeout: 600_000,
  }, async (t) => {
    const disk = smallDisk(t, 'tmpfs');
    if (disk === undefined) return;
    const store = await startOn(t, disk);
    for (let i = 0; i < 50; i++) await store.put(`small${i}`);
    for (let i = 0; i < 4; i++) await store.put(`big${i}`);
    const file = path.join(disk, 'data/ballast');
    await store.until('ballast', async () => existsSync(file));
    const fd = openSync(path.join(disk, 'foreign'), 'a');
    if (!ballast) rmSync(file);
    for (const size of [MiB, 4096])
      try {
        for (;;) writeSync(fd, Buffer.alloc(size));
      } catch {
        // To the last byte.
      }
    closeSync(fd);
    assert.equal(statfsSync(disk).bavail, 0);
    assert.equal(await store.server.stop('SIGTERM'), 0, store.server.output());
    const leftOut = /"event":"the disk is full: not written at the end","what":\[[^\]]*"a checkpoint of the metadata"/;
    assert.equal(leftOut.test(store.server.output()), !ballast, store.server.output());
    rmSync(path.join(disk, 'foreign'));
    await store.restart('SIGKILL');
    await store.verify();
    await store.until('ready again', async () => (await store.readiness()).startsWith('200'));
    assert.deepEqual((await fsck(store.server.endpoint)).counts, {});
    assert.equal(await store.server.stop(), 0);
  });
