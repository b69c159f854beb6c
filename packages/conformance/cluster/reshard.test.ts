/*
 * A cluster that was begun with one object shard gets four while it runs, and a bucket gets more shards, twice, while clients write, delete, read and list
 * through all nodes; at the end one node is killed in the middle. Some objects are registers that many write, whose histories must be those of a
 * register; some have one client each, which deletes them and makes them again, so that they leave their shard, and knows what it must see.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Answer, pathOf, send } from '../src/request.ts';
import { Cluster, dsom, etcdMissing, until } from './cluster.support.ts';
import { anomaly, initial, type Operation } from './history.ts';
import { scratchFolder } from './scratch.ts';

const nodes = 3;
const registers = 6;
const writers = 4;
const owned = 8;
const large = 40_000;

const lacksShard = /have shard \d+ open|opened all shards|NotInThisShard/;

interface Counted {
  readonly shard: number;
  readonly objects: number;
}

test('a bucket gets more shards, and the cluster too, while clients use it', {
  skip: etcdMissing,
  timeout: 900_000,
}, async (t) => {
  const cluster = await Cluster.start(scratchFolder('cluster-reshard'), nodes);
  t.after(() => cluster.stop('SIGKILL'));
  /** What is asked of a node that is not there is of unknown outcome, and would be of no use. */
  let away: number | undefined;
  const any = (): string => {
    const here = Array.from({ length: nodes }, (_, index) => index).filter((index) => index !== away);
    return cluster.endpoint(here[Math.floor(Math.random() * here.length)] as number);
  };
  assert.equal((await send(cluster.endpoint(0), 'PUT', '/grown')).status, 200);
  // Keys from before, which stay where they are.
  const old = Array.from({ length: 40 }, (_, i) => `old-${String(i).padStart(2, '0')}`);
  for (const key of old) assert.equal((await send(any(), 'PUT', pathOf('grown', key), { body: key })).status, 200);

  let running = true;
  /** Answers that say that a shard was asked for too early. */
  const lacking: string[] = [];
  const counts = { writes: 0, reads: 0, deletions: 0, lists: 0, unknown: 0 };
  const ask = async (...asked: Parameters<typeof send>): Promise<Answer | undefined> => {
    const late = sleep(15_000, undefined, { ref: false });
    const answer = await Promise.race([send(...asked).catch(() => undefined), late]);
    if (answer && answer.status >= 500 && lacksShard.test(answer.text())) lacking.push(answer.text());
    return answer === undefined || answer.status >= 500 || !answer.complete ? undefined : answer;
  };
  const histories = Array.from({ length: registers }, (): Operation[] => []);
  const write = async (number: number): Promise<void> => {
    for (let i = 0; running; i++) {
      const at = Math.floor(Math.random() * registers);
      const history = histories[at] as Operation[];
      const path = pathOf('grown', `register-${at}`);
      const beganAt = performance.now();
      if (Math.random() < 0.5) {
        const value = `${number}-${i}`;
        const answer = await ask(any(), 'PUT', path, { body: Math.random() < 0.3 ? value.padEnd(large, '.') : value });
        if (answer) assert.equal(answer.status, 200, answer.text());
        history.push({ kind: 'write', value, beganAt, endedAt: answer ? performance.now() : Infinity });
        counts[answer ? 'writes' : 'unknown'] += 1;
      } else {
        const answer = await ask(any(), 'GET', path);
        const value = answer?.status === 404 ? initial : answer?.text().replace(/\.+$/, '');
        if (value !== undefined) history.push({ kind: 'read', value, beganAt, endedAt: performance.now() });
        counts.reads += 1;
      }
      await sleep(10);
    }
  };

  /** What each of these objects may hold: the last that was acknowledged, or what nobody answered. */
  const known = Array.from({ length: owned }, () => ({
    is: undefined as string | undefined,
    maybe: new Set<string | undefined>(),
  }));
  const keyOf = (at: number): string => `owned-${at}`;
  const seen = (answer: Answer): string | undefined =>
    answer.status === 404 ? undefined : answer.text().replace(/\.+$/, '');
  const own = async (at: number): Promise<void> => {
    const mine = known[at] as (typeof known)[number];
    const path = pathOf('grown', keyOf(at));
    for (let i = 0; running; i++) {
      const turn = Math.random();
      if (turn < 0.6) {
        const deletes = turn < 0.25;
        const value = deletes ? undefined : `${at}-${i}`;
        const body = value?.padEnd(Math.random() < 0.3 ? large : 0, '.');
        const answer = await (deletes ? ask(any(), 'DELETE', path) : ask(any(), 'PUT', path, { body: body as string }));
        if (answer) {
          assert.equal(answer.status, deletes ? 204 : 200, answer.text());
          mine.is = value;
          counts[deletes ? 'deletions' : 'writes'] += 1;
        } else {
          mine.maybe.add(value);
          counts.unknown += 1;
        }
      } else {
        const answer = await ask(any(), 'GET', path);
        const found = answer && seen(answer);
        if (answer)
          assert.ok(found === mine.is || mine.maybe.has(found), `${keyOf(at)}: ${found} instead of ${mine.is}`);
        counts.reads += 1;
      }
      await sleep(10);
    }
  };

  /** All keys, page by page, each from another node. */
  const listed = async (prefix: string): Promise<string[] | undefined> => {
    const keys: string[] = [];
    for (let token: string | undefined, page = 0; ; page++) {
      const answer = await ask(cluster.endpoint(page % nodes), 'GET', '/grown', {
        query: {
          'list-type': '2',
          'max-keys': '13',
          prefix,
          ...(token !== undefined && { 'continuation-token': token }),
        },
      });
      if (!answer) return undefined;
      assert.equal(answer.status, 200, answer.text());
      keys.push(...answer.elements('Key'));
      token = answer.element('NextContinuationToken');
      if (token === undefined) return keys;
    }
  };
  const list = async (): Promise<void> => {
    while (running) {
      const found = await listed('old-');
      if (found) assert.deepEqual(found, old);
      const all = await listed('');
      if (all) assert.equal(new Set(all).size, all.length, 'a key is listed once');
      counts.lists += 1;
      await sleep(100);
    }
  };

  const working = Promise.all([
    ...Array.from({ length: writers }, (_, i) => write(i)),
    ...known.keys().map((at) => own(at)),
    list(),
  ]);
  working.catch(() => {});
  const steps = (async () => {
    await until('the feature is on', 60_000, async () => {
      const features = (await cluster.status(0))['features'] as { name: string; on: boolean }[];
      return features.some(({ name, on }) => name === 'reshard' && on);
    });
    const [asked] = await dsom(cluster.endpoint(0), 'cluster', 'shards', 'grow', '4');
    assert.equal(asked?.['objectShards'], 4);
    await until('all four are in use', 60_000, async () => {
      const [found] = await dsom(cluster.endpoint(1), 'cluster', 'shards', 'use');
      return found?.['inUse'] === 4;
    });
    const more = async (): Promise<void> => {
      const enough = counts.writes + 50;
      await until('clients write', 60_000, async () => counts.writes > enough);
    };
    for (const [turn, shards] of [2, 4].entries()) {
      await more();
      const began = performance.now();
      const [found] = await dsom(cluster.endpoint(turn), 'bucket', 'reshard', 'grown');
      t.diagnostic(`${shards} shards after ${Math.round(performance.now() - began)} ms`);
      assert.equal((found as { shards: Counted[] }).shards.length, shards);
      await more();
      if (turn === 0) {
        await cluster.end(2);
        away = 2;
        await sleep(1000);
        await cluster.restart(2);
        away = undefined;
      }
    }
    await until('the workload got through', 180_000, async () => {
      const { writes: written, deletions, lists } = counts;
      return written > 200 && deletions > 50 && lists > 10;
    });
  })();
  try {
    await Promise.race([steps, working]);
  } finally {
    running = false;
    await Promise.allSettled([steps, working]);
  }
  await working;
  await steps;
  assert.deepEqual(lacking, [], 'no request fails because a shard is not open everywhere');

  // Three of four have their new name in another shard.
  for (let i = 0; i < 12; i++) {
    const [from, to] = [pathOf('grown', `from-${i}`), pathOf('grown', `to-${i}`)];
    const body = `renamed-${i}`.padEnd(i % 3 === 0 ? large : 0, '.');
    assert.equal((await send(any(), 'PUT', from, { body })).status, 200);
    const headers = { 'x-amz-rename-source': `from-${i}` };
    const renamed = await send(any(), 'PUT', to, { query: { renameObject: '' }, headers });
    assert.equal(renamed.status, 200, renamed.text());
    for (const endpoint of cluster.endpoints()) {
      const [there, gone] = await Promise.all([send(endpoint, 'GET', to), send(endpoint, 'GET', from)]);
      assert.deepEqual([there.status, there.text() === body, gone.status], [200, true, 404]);
    }
  }

  for (const at of known.keys()) {
    const mine = known[at] as (typeof known)[number];
    for (const endpoint of cluster.endpoints()) {
      const found = seen(await send(endpoint, 'GET', pathOf('grown', keyOf(at))));
      assert.ok(found === mine.is || mine.maybe.has(found), `${keyOf(at)}: ${found} instead of ${mine.is}`);
    }
  }
  for (const [at, history] of histories.entries()) {
    const beganAt = performance.now();
    for (const endpoint of cluster.endpoints()) {
      const answer = await send(endpoint, 'GET', pathOf('grown', `register-${at}`));
      const value = answer.status === 404 ? initial : answer.text().replace(/\.+$/, '');
      history.push({ kind: 'read', value, beganAt, endedAt: performance.now() });
    }
    assert.equal(anomaly(history), undefined, `register-${at}`);
  }
  // New keys are spread, those from before are where they were, and the bucket has each of them once.
  const fresh = Array.from({ length: 60 }, (_, i) => `new-${String(i).padStart(2, '0')}`);
  for (const key of fresh) {
    const put = await send(any(), 'PUT', pathOf('grown', key), { body: key });
    assert.equal(put.status, 200);
    const headers = { 'x-dsom-consistency': 'causal', 'x-dsom-token': String(put.headers['x-dsom-token']) };
    assert.equal((await send(any(), 'GET', pathOf('grown', key), { headers })).text(), key);
  }
  assert.deepEqual(await listed('new-'), fresh);
  assert.deepEqual(await listed('old-'), old);
  const [found] = await dsom(cluster.endpoint(2), 'bucket', 'shards', 'grown');
  const held = (found as { shards: Counted[] }).shards;
  assert.equal(
    held.reduce((sum, { objects }) => sum + objects, 0),
    (await listed(''))?.length,
  );
  for (const { objects } of held.slice(1)) assert.ok(objects >= 4, JSON.stringify(held));
  for (const key of [...old, ...fresh]) assert.equal((await send(any(), 'GET', pathOf('grown', key))).text(), key);
  // What goes on beside requests goes on in the further shards as well: their owners walk them, and collect what was replaced and deleted there.
  await until('each shard has an owner that walks it', 60_000, async () => {
    const walked = new Set<unknown>();
    for (const endpoint of cluster.endpoints()) {
      const [status] = await dsom(endpoint, 'lifecycle', 'status');
      for (const shard of (status?.['shards'] ?? []) as unknown[]) walked.add(shard);
    }
    return walked.size === 5;
  });
  await until('no garbage is left', 120_000, async () => {
    const metrics = (await send(cluster.endpoint(0), 'GET', '/-/metrics')).text();
    return /^dsom_garbage_rows 0$/m.test(metrics);
  });
  t.diagnostic(
    `${counts.writes} writes, ${counts.deletions} deletions, ${counts.reads} reads and ${counts.lists} listings, ${counts.unknown} of unknown outcome, 0 anomalies; ${held.map(({ shard, objects }) => `${objects} in shard ${shard}`).join(', ')}`,
  );
});
