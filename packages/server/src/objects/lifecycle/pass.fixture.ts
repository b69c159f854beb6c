/* A pass of the lifecycle over one shard in memory, with rules given as values. */
import { StoreError } from '../../errors.ts';
import { type ObjectVersion, type VersionScan, versionScan } from '../../metadata/index.ts';
import { draftOf, inlinePiece, Rig } from '../../metadata/rig.support.ts';
import { compileLifecycle } from './compile.ts';
import { createLifecyclePass, type LifecyclePass } from './pass.ts';
import { type PlaceMemory, processPlaceMemory } from './place.ts';
import type { Lifecycle } from './rules.ts';

export interface PassRig {
  readonly rig: Rig;
  readonly bucket: number;
  readonly pass: LifecyclePass;
  readonly memory: PlaceMemory;
  readonly errors: unknown[];
  /** What was done, each as `action key`. */
  readonly done: string[];
  /** Another process over the same state, with the same memory. */
  again(): LifecyclePass;
  /** Another one that scans otherwise. */
  over(scan: VersionScan, onError: (cause: unknown) => void): LifecyclePass;
  lead(now: boolean): void;
  /** It leads as often as it is asked so many times. */
  leadFor(times: number): void;
  rules(lifecycle: Lifecycle, bucket?: string): Promise<void>;
  put(
    key: string,
    more?: { size?: number; tags?: readonly (readonly [string, string])[]; storageClass?: string },
  ): Promise<ObjectVersion>;
  /** To the next midnight, and a pass. */
  nextDay(): Promise<void>;
  versions(): { key: string; sequence: number; isMarker: boolean; isNull: boolean; storageClass: string }[];
}

export const dayMs = 1000;
export const classNames = ['COLD', 'FROZEN', 'GLACIER', 'DEEP_ARCHIVE', 'INTELLIGENT_TIERING'];

export async function openPass(versioning: 'off' | 'enabled' | 'suspended' = 'enabled', seed = 1): Promise<PassRig> {
  const rig = await Rig.open(seed, 0);
  const bucket = await rig.bucket('bucket', versioning);
  const policies = JSON.stringify(Object.fromEntries(classNames.map((name) => [name, { copies: 1 }])));
  await rig.do({ type: 'setting.write', name: 'policies', value: policies }, 'done');
  const memory = processPlaceMemory();
  const errors: unknown[] = [];
  const done: string[] = [];
  const given = new Map<string, Lifecycle>();
  /** How often it is still answered that this one leads. */
  let leads = Number.POSITIVE_INFINITY;
  const make = (
    scan: VersionScan = versionScan(rig.kv),
    onError: (cause: unknown) => void = (cause) => errors.push(cause),
  ): LifecyclePass =>
    createLifecyclePass({
      rooms: { reader: rig.reader, proposer: rig.metadata, host: rig.host },
      shared: false,
      shards: [{ number: 0, scan, reader: rig.reader, leads: () => leads-- > 0 }],
      compiled(_, document) {
        const lifecycle = given.get(document.toString());
        if (!lifecycle) throw new StoreError('MalformedXML');
        return compileLifecycle(lifecycle);
      },
      dayMs,
      memory,
      onDone: (_bucket, { action, key }) => done.push(`${action} ${key}`),
      onError,
    });
  const pass = make();
  const none = Buffer.alloc(0);
  return {
    rig,
    bucket,
    pass,
    memory,
    errors,
    done,
    again: () => make(),
    over: make,
    lead(now) {
      leads = now ? Number.POSITIVE_INFINITY : 0;
    },
    leadFor(times) {
      leads = times;
    },
    async rules(lifecycle, name = 'bucket') {
      const document = `rules ${given.size}`;
      given.set(document, lifecycle);
      await rig.do({ type: 'bucket.configure', name, kind: 'lifecycle', document: Buffer.from(document) }, 'done');
    },
    async put(key, { size = 200_000, tags = [], storageClass = 'STANDARD' } = {}) {
      const piece = { ...inlinePiece(key), size };
      return (await rig.put(bucket, key, piece, { draft: draftOf(size, piece.md5, { tags, storageClass }) })).version;
    },
    async nextDay() {
      const now = rig.host.clock.now();
      rig.host.advance((Math.floor(now / dayMs) + 1) * dayMs - now);
      await pass.run(new AbortController().signal);
    },
    versions() {
      const query = { bucket, prefix: none, delimiter: none, start: none, limit: 100_000, after: undefined };
      return rig.reader.listVersions(query).items.flatMap((item) => {
        if ('prefix' in item) return [];
        const { record, key } = item;
        return [
          {
            key: key.toString(),
            sequence: record.sequence,
            isMarker: record.kind === 'marker',
            isNull: record.isNull,
            storageClass: record.kind === 'object' ? record.storageClass : '',
          },
        ];
      });
    },
  };
}
