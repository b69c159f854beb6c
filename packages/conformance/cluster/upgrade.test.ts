/*
 * A cluster is upgraded node by node while it serves: no request is lost, what came with the new version is used only once every node knows it, and
 * from then on nobody goes back.
 */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import path from 'node:path';
import { type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { pathOf, send } from '../src/request.ts';
import { Cluster, etcdMissing, until } from './cluster.support.ts';
import { scratchFolder } from './scratch.ts';
import { firstVersion, historyMissing, versionBefore } from './versions.ts';

const KiB = 1024;
const sizes = [100, 3000, 20 * KiB, 300 * KiB];

interface Feature {
  readonly name: string;
  readonly on: boolean;
  readonly heldBackBy: readonly { readonly node: string; readonly version: string }[];
}

const featuresOf = async (cluster: Cluster, index: number): Promise<readonly Feature[]> =>
  ((await cluster.status(index))['features'] ?? []) as readonly Feature[];

/** Writes and reads at every node that serves until it is stopped; a node that goes away is passed over, as any client does. */
class Load {
  readonly kept = new Map<string, Buffer>();
  readonly failures: string[] = [];
  /** Answers that were neither success nor "try again". */
  readonly odd: string[] = [];
  requests = 0;
  readonly #endpoints: readonly string[];
  readonly #running: Promise<unknown>;
  #stopped = false;

  constructor(endpoints: readonly string[], writers: number) {
    this.#endpoints = endpoints;
    this.#running = Promise.all(Array.from({ length: writers }, (_, writer) => this.#run(writer)));
  }

  async #ask(turn: number, method: string, key: string, body?: Buffer) {
    const began = performance.now();
    for (let i = turn; performance.now() - began < 30_000; i++) {
      const endpoint = this.#endpoints[i % this.#endpoints.length] as string;
      const answer = await send(endpoint, method, pathOf('load', key), body ? { body } : {}).catch(() => undefined);
      this.requests++;
      if (answer?.status === 200 && answer.complete) return answer;
      if (answer && answer.status !== 503)
        this.odd.push(`${method} ${key}: ${answer.status} ${answer.text().slice(0, 300)}`);
      await sleep(50);
    }
    this.failures.push(`${method} ${key}: not within 30 s`);
    return undefined;
  }

  async #run(writer: number): Promise<void> {
    for (let i = 0; !this.#stopped; i++) {
      const key = `w${writer}-${i}`;
      const body = randomBytes(sizes[i % sizes.length] as number);
      if (await this.#ask(i + writer, 'PUT', key, body)) this.kept.set(key, body);
      const got = await this.#ask(i + writer + 1, 'GET', key);
      if (got && !got.body.equals(body)) this.failures.push(`GET ${key}: other bytes`);
    }
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#running;
  }
}

async function readAll(cluster: Cluster, kept: ReadonlyMap<string, Buffer>): Promise<void> {
  for (const [i, endpoint] of cluster.endpoints().entries())
    for (const [key, body] of [...kept].filter((_, n) => n % 3 === i)) {
      const got = await send(endpoint, 'GET', pathOf('load', key));
      assert.equal(got.status, 200, `${key} at ${endpoint}: ${got.text().slice(0, 300)}`);
      assert.ok(got.body.equals(body), key);
    }
}

/**
 * @param newest a feature that the version before does not know
 * @param refusal what that version says when it is started again afterwards
 */
async function upgrade(t: TestContext, name: string, before: string, newest: string, refusal: RegExp): Promise<void> {
  const cluster = await Cluster.start(scratchFolder(name), 3, undefined, () => ({ program: before }));
  t.after(() => cluster.stop('SIGKILL'));
  assert.equal((await send(cluster.endpoint(0), 'PUT', '/load')).status, 200);
  const load = new Load(cluster.endpoints(), 4);
  for (const index of [0, 1, 2]) {
    await sleep(1000);
    await cluster.end(index, 'SIGTERM');
    cluster.install(index);
    await cluster.restart(index);
    const features = await featuresOf(cluster, index);
    const found = features.find((one) => one.name === newest);
    assert.ok(found, JSON.stringify(features));
    if (index === 2) break;
    assert.deepEqual([found.on, found.heldBackBy.length], [false, 2 - index], JSON.stringify(found));
  }
  await until('the features come on', 30_000, async () => (await featuresOf(cluster, 0)).every(({ on }) => on));
  await sleep(1000);
  await load.stop();
  t.diagnostic(`${load.requests} requests, ${load.kept.size} objects`);
  assert.deepEqual([load.failures, load.odd], [[], []]);
  assert.ok(load.kept.size > 50, `${load.kept.size} objects`);
  for (const index of [0, 1, 2]) assert.ok((await featuresOf(cluster, index)).every(({ on }) => on));
  await readAll(cluster, load.kept);

  await cluster.end(1, 'SIGTERM');
  cluster.install(1, before);
  await assert.rejects(cluster.restart(1), refusal);
  cluster.install(1);
  await cluster.restart(1);
  await readAll(cluster, load.kept);
}

test('from the version before the newest feature', { skip: etcdMissing }, async (t) => {
  const before = versionBefore(path.join(scratchFolder('version-before')));
  await upgrade(
    t,
    'upgrade',
    before,
    'authorities',
    /does not know authorities, which is in use here: start a version that does/,
  );
});

test('from the first version that had clusters', { skip: etcdMissing || historyMissing }, async (t) => {
  const before = firstVersion(path.join(scratchFolder('version-first')));
  await upgrade(
    t,
    'upgrade-first',
    before,
    'settings',
    /does not know .*settings.*, which is turned on: start a newer version/,
  );
});
