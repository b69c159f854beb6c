import assert from 'node:assert/strict';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, before, beforeEach } from 'node:test';
import { type Answer, type Harness, secret, startHarness } from '../api/s3/harness.support.ts';
import { type MemoryStore, openMemoryStore } from '../api/s3/store.support.ts';
import { realHost } from '../host/index.ts';
import { createReadThrough, type NewSource, type SourceTotals, sourceDocument } from './index.ts';

/*
 * An old store, what stands between it and us, and a new store that reads through. The old one is this program, so it answers as S3 does; what stands
 * between can delay an answer, break it off, spoil it, or say something else.
 */

/** What becomes of an answer of the old store. */
export interface Fault {
  /** Which requests; all that it answers true for. */
  readonly when: (method: string, url: string) => boolean;
  /** How many of them; absent: every one. */
  times?: number;
  readonly status?: number;
  readonly body?: string;
  /** Only so many bytes are sent, then the connection breaks. */
  readonly cut?: number;
  /** This byte is another one. */
  readonly spoil?: number;
  /** So many bytes more than announced. */
  readonly longer?: number;
  readonly headers?: Readonly<Record<string, string>>;
  /** Answered when this resolves. */
  readonly hold?: Promise<void>;
}

export interface Between {
  readonly port: number;
  /** `METHOD path?query` of all that came. */
  readonly seen: string[];
  readonly faults: Fault[];
  /** Requests under way, and the most at once. */
  readonly load: { now: number; most: number };
  close(): Promise<void>;
}

async function startBetween(to: number): Promise<Between> {
  const seen: string[] = [];
  const faults: Fault[] = [];
  const load = { now: 0, most: 0 };
  const server = http.createServer((request, response) => {
    const { method = '', url = '' } = request;
    seen.push(`${method} ${url}`);
    load.now += 1;
    load.most = Math.max(load.most, load.now);
    response.once('close', () => (load.now -= 1));
    const found = faults.find((fault) => fault.when(method, url) && fault.times !== 0);
    if (found?.times) found.times -= 1;
    if (found?.status !== undefined) {
      response.writeHead(found.status, found.headers).end(method === 'HEAD' ? undefined : (found.body ?? ''));
      return;
    }
    const onward = http.request({ host: '127.0.0.1', port: to, method, path: url, headers: request.headers });
    onward.once('error', () => response.destroy());
    const pass = async (answer: http.IncomingMessage): Promise<void> => {
      await found?.hold;
      const chunks: Buffer[] = [];
      for await (const chunk of answer as AsyncIterable<Buffer>) chunks.push(chunk);
      let body = Buffer.concat(chunks);
      if (found?.spoil !== undefined && found.spoil < body.length) {
        body = Buffer.from(body);
        body[found.spoil]! ^= 1;
      }
      const headers = { ...answer.headers, ...found?.headers };
      if (found?.longer !== undefined) {
        delete headers['content-length'];
        body = Buffer.concat([body, Buffer.alloc(found.longer)]);
      }
      response.writeHead(answer.statusCode ?? 500, headers);
      if (found?.cut === undefined) response.end(body);
      else response.write(body.subarray(0, found.cut), () => response.destroy());
    };
    onward.once('response', (answer) => void pass(answer).catch(() => response.destroy()));
    request.pipe(onward);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    port: (server.address() as AddressInfo).port,
    seen,
    faults,
    load,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

export interface Rig {
  readonly old: Harness;
  readonly between: Between;
  readonly here: Harness;
  readonly store: MemoryStore;
  readonly totals: SourceTotals;
  readonly unkept: unknown[];
  /** Gives a bucket that is here a source. */
  setSource(bucket: string, change?: Partial<NewSource>): Promise<void>;
  clearSource(bucket: string): Promise<void>;
  close(): Promise<void>;
}

export async function startRig(): Promise<Rig> {
  const [oldStore, store] = [await openMemoryStore(), await openMemoryStore()];
  const old = await startHarness(oldStore.objects, { position: oldStore.position });
  const between = await startBetween(old.port);
  const totals = { kept: 0, passed: 0, unkept: 0 };
  const unkept: unknown[] = [];
  const objects = createReadThrough(store.objects, {
    reader: store.metadata.reader,
    keys: store.keyring,
    host: realHost(),
    totals,
    onUnkept: (_bucket, _key, cause) => void unkept.push(cause),
  });
  const here = await startHarness(objects, { position: store.position });
  return {
    old,
    between,
    here,
    store,
    totals,
    unkept,
    async setSource(bucket, change = {}) {
      const source: NewSource = {
        endpoint: `http://127.0.0.1:${between.port}`,
        bucket: 'old',
        prefix: '',
        region: 'us-east-1',
        accessKeyId: 'key-root',
        secretAccessKey: secret,
        linkLocal: false,
        ...change,
      };
      const document = await sourceDocument(store.keyring, bucket, source, 0);
      await store.metadata.propose({ type: 'bucket.source', name: bucket, document });
    },
    async clearSource(bucket) {
      await store.metadata.propose({ type: 'bucket.source', name: bucket, document: null });
    },
    async close() {
      await here.close();
      await between.close();
      await old.close();
      await store.close();
      await oldStore.close();
    },
  };
}

/** What a test has: the rig of its file, and a bucket of its own here and at the old store. */
export interface Scene extends Rig {
  readonly bucket: string;
  /** Puts an object into the old store. @returns its ETag */
  putOld(key: string, body: Buffer | string, headers?: Record<string, string>): Promise<string>;
  get(key: string, headers?: Record<string, string>): Promise<Answer>;
  head(key: string): Promise<Answer>;
  /** Whether something of the key is here, whatever the old store has. */
  isHere(key: string): boolean;
  /** Requests that the old store had for the bytes of a key. */
  bodies(key: string): string[];
}

/** One rig for all tests of a file. @returns what the test that runs has */
export function sceneOfTests(): () => Scene {
  let rig: Rig;
  let scene: Scene;
  let count = 0;
  before(async () => {
    rig = await startRig();
  });
  after(() => rig.close());
  beforeEach(async () => {
    const bucket = `bucket-${++count}`;
    const { old, here, between, store } = rig;
    await old.send('PUT', `/${bucket}`);
    await here.send('PUT', `/${bucket}`);
    await rig.setSource(bucket, { bucket });
    between.faults.length = 0;
    between.seen.length = 0;
    rig.unkept.length = 0;
    scene = {
      ...rig,
      bucket,
      async putOld(key, body, headers = {}) {
        const answer = await old.send('PUT', `/${bucket}/${key}`, { body, headers });
        assert.equal(answer.status, 200, answer.text);
        return answer.headers.etag as string;
      },
      get: (key, headers = {}) => here.send('GET', `/${bucket}/${key}`, { headers }),
      head: (key) => here.send('HEAD', `/${bucket}/${key}`),
      isHere(key) {
        const { reader } = store.metadata;
        const found = reader.bucket(bucket);
        return found !== undefined && reader.version(found.id, Buffer.from(key), undefined) !== undefined;
      },
      bodies: (key) => between.seen.filter((one) => one.startsWith(`GET /${bucket}/${key}`)),
    };
  });
  return () => scene;
}
