import { repeat } from '../../src/durability/index.ts';
import type { Host } from '../../src/host/index.ts';
import type { Kv } from '../../src/kv/index.ts';
import { type MetadataReader, openMetadataReader, type Proposer, versionScan } from '../../src/metadata/index.ts';
import { compileLifecycle, createLifecyclePass, type Lifecycle, type LifecycleRule } from '../../src/objects/index.ts';
import type { Sometimes } from '../coverage.ts';

/* Lifecycles, as daemon/lifecycle.ts runs them: each node walks the shards that it owns. Days are short, so that a run sees many. */

/** A day of lifecycles, ms. */
export const lifecycleDayMs = 3000;
/** What of the bucket `fading` its lifecycle takes away. */
export const fadingPrefix = 'x';

const lookMs = 500;

const ruleOf = (prefix: string, more: Partial<LifecycleRule>): LifecycleRule => ({
  id: 'rule',
  enabled: true,
  filter: { prefix: Buffer.from(prefix), tags: [], sizeAbove: undefined, sizeBelow: undefined },
  expiration: { days: 1 },
  transitions: [],
  noncurrentExpiration: undefined,
  noncurrentTransitions: [],
  abortDays: undefined,
  ...more,
});

/** The rules of each bucket that has any. */
const lifecycles: ReadonlyMap<string, Lifecycle> = new Map(
  Object.entries({
    fading: ruleOf(fadingPrefix, {}),
    // Whatever is not locked goes; what is locked may not.
    locked: ruleOf('', { noncurrentExpiration: { days: 1, newer: 0 } }),
  }).map(([bucket, rule]) => [bucket, { minimum: 'all_storage_classes_128K', rules: [rule] }]),
);

/** Those buckets, and the document that stands for their rules. */
export const lifecycleBuckets: readonly (readonly [bucket: string, document: Buffer])[] = [...lifecycles.keys()].map(
  (bucket) => [bucket, Buffer.from(bucket)],
);

export interface LifecycleSite {
  readonly reader: MetadataReader;
  readonly proposer: Proposer;
  readonly host: Host;
  /** Whether other nodes may own shards. */
  readonly shared: boolean;
  /** By number, as they are now. */
  readonly shards: () => readonly { readonly kv: Kv; leads(): boolean }[];
  readonly onEvent: (what: Sometimes) => void;
  readonly onError: (cause: unknown) => void;
}

export function startLifecycles(site: LifecycleSite): { stop(): Promise<void> } {
  const { reader, proposer, host, onEvent } = site;
  const pass = createLifecyclePass({
    rooms: { reader, proposer, host },
    shared: site.shared,
    get shards() {
      return site.shards().map(({ kv, leads }, number) => ({
        number,
        scan: versionScan(kv),
        reader: openMetadataReader(kv),
        leads,
      }));
    },
    compiled(_, document) {
      const lifecycle = lifecycles.get(document.toString());
      if (!lifecycle) throw new Error(`nobody has given the rules ${document}`);
      return compileLifecycle(lifecycle);
    },
    dayMs: lifecycleDayMs,
    // Losing it costs looking once more, nothing else.
    memory: { load: async () => undefined, save: async () => {} },
    onDone: (bucket) =>
      onEvent(
        bucket.name === 'locked' ? 'a lifecycle took away what is not locked' : 'a lifecycle took an object away',
      ),
    onError: site.onError,
  });
  return repeat({
    host,
    everyMs: lookMs,
    async run(signal) {
      const before = pass.totals().refused;
      await pass.run(signal);
      if (pass.totals().refused > before) onEvent('a lifecycle left what is locked');
    },
    onError: site.onError,
  });
}
