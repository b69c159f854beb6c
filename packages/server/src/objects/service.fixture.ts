import { createCache } from '../cache/index.ts';
import { digestOf } from '../codec/index.ts';
import { StoreError } from '../errors.ts';
import { manualHost } from '../host/index.ts';
import { bucketKeys, type KeyService, kmsKeys } from '../keys/index.ts';
import { memoryKv } from '../kv/index.ts';
import type { Log, LogEntry } from '../log/index.ts';
import { joinShards, type Metadata, openMetadata, type Proposer } from '../metadata/index.ts';
import { chunksOf, gathered } from './pipeline.fixture.ts';
import { createObjectService } from './service.ts';
import { type MemoryStripes, memoryStripes } from './stripes.fixture.ts';
import type { Describing, Incoming, ObjectService, PutRequest } from './types.ts';

/** A log in memory: every entry is durable at once. */
export function memoryLog(): Log {
  const entries: LogEntry[] = [];
  return {
    get head() {
      return entries.length;
    },
    tail: 1,
    epoch: 1,
    bytes: 0,
    roomy: true,
    async append(payload) {
      const before = entries.at(-1)?.hash ?? Buffer.alloc(16);
      const hash = digestOf('MD5', Buffer.concat([before, payload]));
      const entry = { position: entries.length + 1, epoch: 1, hash, payload: Buffer.from(payload) };
      entries.push(entry);
      return entry;
    },
    async *read(from) {
      for (let at = from; at <= entries.length; at++) yield entries[at - 1] as LogEntry;
    },
    async reached() {},
    follow: () => ({ acknowledge() {}, lost: false, close() {} }),
    async trim() {},
    async close() {},
  };
}

/** A key service that hides nothing: what matters here is that a key opens only with its own context. */
export function plainKeys(): KeyService {
  return {
    async wrap(plain, context) {
      return Buffer.concat([digestOf('SHA256', context), plain]);
    },
    async unwrap(wrapped, context) {
      if (!digestOf('SHA256', context).equals(wrapped.subarray(0, 32))) throw new StoreError('AccessDenied');
      return Buffer.from(wrapped.subarray(32));
    },
  };
}

/** The object service over the real metadata, with stripes in memory. */
export interface Service {
  readonly objects: ObjectService;
  readonly metadata: Metadata;
  /** By number. */
  readonly shards: readonly Metadata[];
  readonly stripes: MemoryStripes;
  readonly host: ReturnType<typeof manualHost>;
  /** Puts bytes with nothing said of them but what `more` says. */
  readonly put: (
    bucket: string,
    key: string,
    bytes: Buffer,
    more?: Partial<PutRequest>,
  ) => ReturnType<ObjectService['put']>;
  readonly get: (bucket: string, key: string, versionId?: string) => Promise<Buffer>;
}

export const plain: Describing = { headers: {}, metadata: [], tags: [], storageClass: 'STANDARD' };

/** A body in chunks of odd sizes, or whole when it is small and `whole` says so. */
export function bodyOf(bytes: Buffer, whole = false): Incoming {
  const stream = chunksOf(bytes, [65_536, 1000, 33_333]);
  return whole ? { whole: bytes, stream, length: bytes.length } : { stream, length: bytes.length };
}

/** @param options `shards`: that hold objects, besides the system shard; none when left out. `through`: what the service proposes goes through it */
export async function openService(
  options: { copies?: number; cacheBytes?: number; shards?: number; through?: (proposer: Proposer) => Proposer } = {},
): Promise<Service> {
  const host = manualHost(11);
  const shards: Metadata[] = [];
  for (let shard = 0; shard <= (options.shards ?? 0); shard++)
    shards.push(await openMetadata({ log: memoryLog(), kv: memoryKv(host), host, shard }));
  const metadata = joinShards(shards);
  const stripes = memoryStripes(options.copies);
  const objects = createObjectService({
    reader: metadata.reader,
    proposer: options.through?.(metadata) ?? metadata,
    stripes,
    bucketKeys: bucketKeys(plainKeys(), host.entropy),
    kmsKeys: kmsKeys(plainKeys(), host.entropy),
    cache: createCache({ bytes: options.cacheBytes ?? 0 }),
    host,
  });
  // The fixture's stripes are numbered under one intent for each shard, as those of a real writer are.
  for (const shard of shards.keys())
    await metadata.propose({ type: 'intent.open', prefix: stripes.prefixOf(shard), shard });
  return {
    objects,
    metadata,
    shards,
    stripes,
    host,
    put: (bucket, key, bytes, more) =>
      objects.put({
        ...plain,
        bucket,
        key: Buffer.from(key),
        owner: 'owner',
        body: bodyOf(bytes),
        expected: {},
        guard: undefined,
        redundancy: undefined,
        ...more,
      }),
    async get(bucket, key, versionId) {
      const reading = await objects.read({ bucket, key: Buffer.from(key), versionId, guard: undefined });
      return gathered(reading.open({ start: 0, end: reading.version.size }));
    },
  };
}

/** The code that a call fails with; fails itself when it does not. */
export async function codeOf(call: () => unknown): Promise<string> {
  try {
    await call();
  } catch (error) {
    if (error instanceof StoreError) return error.code;
    throw error;
  }
  return 'no error';
}
