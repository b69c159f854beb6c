/* Two stores in memory with real HTTP between them, each of which replicates buckets to the other: from its log, as a server does. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { buffer } from 'node:stream/consumers';
import { after, before } from 'node:test';
import { replicationOf, replicationRule } from '../api/index.ts';
import { type Answer, type Harness, secret, startHarness } from '../api/s3/harness.support.ts';
import { type MemoryStore, openMemoryStore } from '../api/s3/store.support.ts';
import { realHost } from '../host/index.ts';
import { until } from '../host/patience.support.ts';
import {
  type Deliverer,
  type FollowedShard,
  startDeliverer,
  type TargetSecret,
  targetRecord,
} from '../notifications/index.ts';
import type { ObjectService } from '../objects/index.ts';
import { Replicator } from './replicator.ts';

const host = realHost();
const enabled = '<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>';

/** One store, with what replicates its buckets to the other one. */
export interface Side {
  readonly store: MemoryStore;
  readonly s3: Harness;
  replicator: Replicator;
  deliverer: Deliverer;
  /** Requests that it was sent, as `METHOD path`. */
  readonly seen: string[];
  /** Answered with 503 instead. */
  failing: boolean;
  /** It knows no writes with conditions. */
  unconditional: boolean;
  /** Status and code with which it refuses a request; undefined: it does not. */
  refused: ((request: http.IncomingMessage) => readonly [number, string] | undefined) | undefined;
  /** What it says is changed on the way, by `METHOD path`; undefined: it is not. */
  misreports: ((request: string) => ((text: string) => string) | undefined) | undefined;
  /** Whether the last byte of a body is changed on the way, by `METHOD path`. */
  spoils: ((request: string) => boolean) | undefined;
  /** What a request waits for before it is let in, by `METHOD path`. */
  gate: ((request: string) => Promise<void> | undefined) | undefined;
  readonly said: string[];
}

export let here: Side;
export let there: Side;

function shardOf({ metadata, log }: MemoryStore): FollowedShard {
  return {
    number: 0,
    tail: () => log.tail,
    head: () => log.head,
    followers: () => metadata.reader.followers(),
    failed: (target) =>
      new Map(
        [...metadata.reader.memos('failedEvents', `${target}/`)].map(([name, event]) => [
          name.slice(target.length + 1),
          event,
        ]),
      ),
    feed: (name, from) => metadata.feed(name, from),
    propose: (command) => metadata.propose(command),
    leads: () => true,
  };
}

function spoilt(body: Buffer): Buffer {
  body.writeUInt8(body.readUInt8(body.length - 1) ^ 1, body.length - 1);
  return body;
}

async function open(other: () => Side): Promise<Side> {
  const store = await openMemoryStore();
  const seen: string[] = [];
  const s3 = await startHarness(store.objects, {
    position: store.position,
    notifications: {
      targets: () => new Map([['dr', { eventBridge: false, kind: 's3' }]]),
      ready: () => true,
      test: async () => [],
      replicates: () => true,
      tellsReplicas: () => true,
      lacks: ({ bucket }) => side.replicator.lacks(bucket),
    },
  });
  const pass = async (request: http.IncomingMessage, response: http.ServerResponse): Promise<void> => {
    const { method = '', url = '', headers } = request;
    const what = `${method} ${url}`;
    seen.push(what);
    await side.gate?.(what);
    if (response.destroyed) return;
    const unknown = side.unconditional && (headers['if-match'] ?? headers['if-none-match']) !== undefined;
    const no = unknown ? ([501, 'NotImplemented'] as const) : side.refused?.(request);
    if (no || side.failing) {
      request.resume();
      const [status, code] = no ?? [503, 'SlowDown'];
      response.writeHead(status).end(`<Error><Code>${code}</Code></Error>`);
      return;
    }
    const onward = http.request({ host: '127.0.0.1', port: s3.port, method, path: url, headers });
    onward.once('error', () => response.destroy());
    onward.once('response', (answer) => {
      const change = side.misreports?.(what);
      const { 'content-length': _, ...others } = answer.headers;
      response.writeHead(answer.statusCode ?? 500, change ? others : answer.headers);
      if (!change) answer.pipe(response);
      else void buffer(answer).then((body) => response.end(change(body.toString('utf8'))));
    });
    if (side.spoils?.(what)) onward.end(spoilt(await buffer(request)));
    else request.pipe(onward);
  };
  // What stands between: it says what came, and may be in trouble.
  const front = http.createServer((request, response) => void pass(request, response));
  await new Promise<void>((resolve) => front.listen(0, '127.0.0.1', resolve));
  const side = { store, s3, seen, failing: false, unconditional: false, said: [] as string[] } as unknown as Side;
  sides.push({ side, front, other });
  return side;
}

const sides: { readonly side: Side; readonly front: http.Server; readonly other: () => Side }[] = [];
export const portOf = (side: Side): number =>
  (sides.find((one) => one.side === side)!.front.address() as AddressInfo).port;

const secretOf = (side: Side, accessKeyId = 'key-root'): TargetSecret => ({
  url: `http://127.0.0.1:${portOf(side === here ? there : here)}/`,
  headers: [],
  subject: undefined,
  token: undefined,
  keys: { accessKeyId, secretAccessKey: secret, region: 'us-east-1' },
});

/** What writes from a store to the other one. @param read in the place of the store's */
export function replicatorOf(
  side: Side,
  { read, accessKeyId }: { readonly read?: ObjectService['read']; readonly accessKeyId?: string } = {},
): Replicator {
  const { objects } = side.store;
  return new Replicator(secretOf(side, accessKeyId), {
    host,
    objects: {
      read: read ?? ((request) => objects.read(request)),
      look: (request) => objects.look(request),
      listVersions: (query) => objects.listVersions(query),
    },
    rule: (bucket, place, key, tags) => {
      const document = objects.configuration(bucket, 'replication');
      return document && replicationRule(replicationOf(bucket, document), place, key, tags);
    },
    note: async ({ bucket, key, version: { sequence, nonce }, place, outcome }) => {
      const { id } = side.store.metadata.reader.bucket(bucket)!;
      await side.store.metadata.propose({
        type: 'object.replicated',
        bucket: id,
        key,
        version: { sequence, nonce },
        place,
        outcome,
      });
    },
    resync: async () => void side.said.push('resync'),
  });
}

before(async () => {
  here = await open(() => there);
  there = await open(() => here);
  for (const { side } of sides) {
    const { metadata } = side.store;
    side.replicator = replicatorOf(side);
    const record = await targetRecord(side.store.keyring, {
      name: 'dr',
      kind: 's3',
      secret: secretOf(side),
      eventBridge: false,
      createdMs: 0,
    });
    await metadata.propose({ type: 'target.write', name: 'dr', record });
    follow(side);
  }
});

function follow(side: Side): void {
  const { store, said } = side;
  side.deliverer = startDeliverer({
    shards: [shardOf(store)],
    targets: () => store.metadata.reader.targets(),
    open: async () => side.replicator,
    host,
    onEvent: (text) => void said.push(text),
  });
}

/** What replicates is ended, and begins anew from what is written of how far it was. */
export async function restart(side: Side): Promise<void> {
  await side.deliverer.stop();
  side.replicator = replicatorOf(side);
  follow(side);
}
after(async () => {
  for (const { side, front } of sides) {
    await side.deliverer.stop();
    front.close();
    front.closeAllConnections();
    await side.s3.close();
    await side.store.close();
  }
});

/** What is done meanwhile is announced to nobody. */
export async function untold(bucket: string, act: () => Promise<unknown>): Promise<void> {
  await here.s3.send('DELETE', `/${bucket}`, { query: { replication: '' } });
  await act();
  await rules(here, bucket);
}

const markers = (on: boolean) =>
  `<DeleteMarkerReplication><Status>${on ? 'Enabled' : 'Disabled'}</Status></DeleteMarkerReplication>`;
let names = 0;

/** Two buckets, the first replicated to the second. @param filter of the rule */
export async function pair({
  filter = '<Filter/>',
  deletes = true,
  from = here,
  to = there,
  more = '',
  locking = false,
} = {}): Promise<string> {
  const bucket = `bucket-${(names += 1)}`;
  for (const { s3 } of [from, to]) {
    await s3.send('PUT', `/${bucket}`, locking ? { headers: { 'x-amz-bucket-object-lock-enabled': 'true' } } : {});
    await s3.send('PUT', `/${bucket}`, { query: { versioning: '' }, body: enabled });
  }
  await rules(from, bucket, filter, deletes, more);
  return bucket;
}

export async function rules(
  from: Side,
  bucket: string,
  filter = '<Filter/>',
  deletes = true,
  more = '',
): Promise<void> {
  const body = `<ReplicationConfiguration><Role/><Rule><Status>Enabled</Status>${more}<Priority>1</Priority>${filter}${markers(deletes)}<Destination><Bucket>arn:dsom:s3::dr:${bucket}</Bucket></Destination></Rule></ReplicationConfiguration>`;
  const headers = { 'content-md5': createHash('md5').update(body).digest('base64') };
  const done = await from.s3.send('PUT', `/${bucket}`, { query: { replication: '' }, body, headers });
  assert.equal(done.status, 200, done.text);
}

/** Writes an object in parts. @param headers of the beginning */
export async function upload(
  bucket: string,
  key: string,
  parts: readonly Buffer[],
  headers: Record<string, string> = {},
): Promise<void> {
  const path = `/${bucket}/${key}`;
  const uploadId = (await here.s3.send('POST', path, { query: { uploads: '' }, headers })).xml('UploadId') as string;
  let list = '';
  for (const [at, body] of parts.entries()) {
    const done = await here.s3.send('PUT', path, { query: { uploadId, partNumber: String(at + 1) }, body });
    list += `<Part><PartNumber>${at + 1}</PartNumber><ETag>${done.headers.etag}</ETag></Part>`;
  }
  const body = `<CompleteMultipartUpload>${list}</CompleteMultipartUpload>`;
  const done = await here.s3.send('POST', path, { query: { uploadId }, body });
  assert.equal(done.status, 200, done.text);
}

/** All that is to be told has been, and was taken: what was written last has arrived, and nothing waits. */
export async function settled(side = here): Promise<void> {
  const other = side === here ? there : here;
  const bucket = await pair({ from: side, to: other });
  await side.s3.send('PUT', `/${bucket}/last`, { body: 'x' });
  await arrived(bucket, 'last', 200, other);
  await until(() => side.deliverer.status().every(({ waiting }) => waiting === 0), 'nothing that waits');
}

export const get = (side: Side, bucket: string, key: string, query: Record<string, string> = {}) =>
  side.s3.send('GET', `/${bucket}/${key}`, { query });
export const arrived = (bucket: string, key: string, status = 200, side = there) =>
  until(async () => (await get(side, bucket, key)).status === status, `${key} with ${status}`);
export const versions = async (side: Side, bucket: string): Promise<Answer> =>
  side.s3.send('GET', `/${bucket}`, { query: { versions: '' } });
export const tagsOf = async (side: Side, bucket: string, key: string) => {
  const { text } = await get(side, bucket, key, { tagging: '' });
  return [...text.matchAll(/<Key>(.*?)<\/Key><Value>(.*?)<\/Value>/g)].map(([, name, value]) => `${name}=${value}`);
};
