import type { Registry } from './registry.ts';

/** Upper bounds of the latency buckets, in seconds: from what a cached small object takes to what a large part takes. */
const latencyBounds = [
  0.00025, 0.0005, 0.001, 0.002, 0.004, 0.008, 0.016, 0.032, 0.064, 0.128, 0.256, 0.512, 1, 2, 4, 8, 16, 32,
];

/** One finished request. */
interface RequestSample {
  readonly operation: string;
  /** HTTP status. */
  readonly status: number;
  readonly milliseconds: number;
  readonly bytesIn: number;
  readonly bytesOut: number;
}

/** Totals of one thread that something else counts; each is asked for when a snapshot is taken. */
interface ThreadSources {
  readonly cache: () => { readonly hits: number; readonly misses: number; readonly bytes: number };
  readonly stripes: () => {
    readonly missing: number;
    readonly damaged: number;
    readonly unreadable: number;
    readonly repaired: number;
    readonly lost: number;
    readonly failed: number;
    readonly degraded: number;
  };
}

interface ThreadMetrics {
  /** A request began. */
  started(): void;
  /** Its connection is done with it, however it was answered: each one that began ends once, also those that nobody samples (health, metrics). */
  ended(): void;
  finished(sample: RequestSample): void;
}

/** What every thread that serves requests measures. */
export function threadMetrics(registry: Registry, sources: ThreadSources): ThreadMetrics {
  const requests = registry.counter('dsom_requests_total', 'Requests answered, by operation and HTTP status.', [
    'operation',
    'code',
  ]);
  const seconds = registry.histogram(
    'dsom_request_seconds',
    'Time from the request to the end of its answer.',
    ['operation'],
    latencyBounds,
  );
  const bytes = registry.counter('dsom_request_bytes_total', 'Bytes of request and response bodies.', ['direction']);
  const underWay = registry.gauge('dsom_requests_in_flight', 'Requests under way.');
  const hits = registry.counter('dsom_cache_reads_total', 'Look-ups in the read cache.', ['outcome']);
  const cached = registry.gauge('dsom_cache_bytes', 'Bytes held by the read cache.');
  const bad = registry.counter('dsom_bad_copies_total', 'Copies of stripes that were found bad, by what was wrong.', [
    'reason',
  ]);
  const repaired = registry.counter('dsom_repaired_copies_total', 'Bad copies that were rewritten from another copy.');
  const lost = registry.counter('dsom_lost_reads_total', 'Reads of stripes that found no good copy.');
  const failed = registry.counter(
    'dsom_failed_stripe_writes_total',
    'Stripes that could not be written to their write quorum.',
  );
  const degraded = registry.counter(
    'dsom_degraded_stripe_writes_total',
    'Stripes written with fewer copies than their placement group has devices.',
  );
  const incoming = bytes.at('in');
  const outgoing = bytes.at('out');
  const flying = underWay.at();
  registry.refresh(() => {
    const cache = sources.cache();
    hits.mirror(hits.at('hit'), cache.hits);
    hits.mirror(hits.at('miss'), cache.misses);
    cached.set(cached.at(), cache.bytes);
    const stripes = sources.stripes();
    for (const reason of ['missing', 'damaged', 'unreadable'] as const) bad.mirror(bad.at(reason), stripes[reason]);
    repaired.mirror(repaired.at(), stripes.repaired);
    lost.mirror(lost.at(), stripes.lost);
    failed.mirror(failed.at(), stripes.failed);
    degraded.mirror(degraded.at(), stripes.degraded);
  });
  return {
    started: () => underWay.add(flying, 1),
    ended: () => underWay.add(flying, -1),
    finished(sample) {
      requests.add(requests.at(sample.operation, String(sample.status)));
      seconds.observe(seconds.at(sample.operation), sample.milliseconds / 1000);
      if (sample.bytesIn > 0) bytes.add(incoming, sample.bytesIn);
      if (sample.bytesOut > 0) bytes.add(outgoing, sample.bytesOut);
    },
  };
}

/** The state of the whole server, asked for when a snapshot is taken. */
export interface ServerState {
  /** `mirrored`: the metadata could be made anew from a second directory. */
  readonly log: { readonly position: number; readonly bytes: number; readonly mirrored: boolean };
  readonly devices: readonly {
    readonly identity: string;
    readonly health: string;
    readonly totalBytes: number;
    readonly freeBytes: number;
  }[];
  /** Since start: what the collector freed. `rows` is what waits now. */
  readonly garbage: { readonly rows: number; readonly fragments: number; readonly bytes: number };
  /** Copies that stripes were published without: written since the start, and known to be missing on devices that are here. */
  readonly copies: {
    readonly mended: number;
    readonly waiting: number;
    readonly damaged: number;
    /** Shards whose rows are not those that were written. */
    readonly damagedMetadata: number;
    /** Fragment indexes whose file contradicts itself. */
    readonly damagedIndexes: number;
  };
  /** Stripes that took the place of others because of a policy, their bytes, and whether all versions are kept as they are to be. */
  readonly recode: { readonly stripes: number; readonly bytes: number; readonly complete: boolean };
  /** What the lifecycle did since the start, by what it was, and what it left, by why. `ageSeconds`: since its last whole pass; undefined before the first one. */
  readonly lifecycle: {
    readonly versions: number;
    readonly bytes: number;
    readonly done: Readonly<Record<'expired' | 'removed' | 'markers' | 'transitioned' | 'aborted', number>>;
    readonly left: Readonly<Record<'changed' | 'refused' | 'failed', number>>;
    readonly ageSeconds: number | undefined;
  };
  readonly scrub: {
    /** Since the last full pass ended; undefined before the first one. */
    readonly ageSeconds: number | undefined;
    readonly running: boolean;
    readonly bytes: number;
  };
  readonly memory: { readonly residentBytes: number; readonly privateBytes: number | undefined };
}

const deviceStates = ['good', 'full', 'stopped', 'missing'] as const;

function lifecycleMetrics(registry: Registry): (state: ServerState['lifecycle']) => void {
  const looked = registry.counter('dsom_lifecycle_versions_total', 'Versions that passes of the lifecycle looked at.');
  const acted = registry.counter('dsom_lifecycle_actions_total', 'What the lifecycle did, by what it was.', ['action']);
  const left = registry.counter(
    'dsom_lifecycle_left_total',
    'What the lifecycle left for its next pass: changed meanwhile, refused because it is locked, or failed.',
    ['reason'],
  );
  const bytes = registry.counter(
    'dsom_lifecycle_bytes_total',
    'Bytes of versions that the lifecycle expired or removed.',
  );
  const age = registry.gauge(
    'dsom_lifecycle_age_seconds',
    'Time since the last whole pass of the lifecycle on this node; +Inf before the first.',
  );
  return (state) => {
    looked.mirror(looked.at(), state.versions);
    bytes.mirror(bytes.at(), state.bytes);
    for (const [name, count] of Object.entries(state.done)) acted.mirror(acted.at(name), count);
    for (const [name, count] of Object.entries(state.left)) left.mirror(left.at(name), count);
    age.set(age.at(), state.ageSeconds ?? Number.POSITIVE_INFINITY);
  };
}

/** What only the owner's thread can tell. */
export function serverMetrics(registry: Registry, state: () => ServerState): void {
  const position = registry.gauge('dsom_log_position', 'Newest position applied from the log.');
  const logBytes = registry.gauge('dsom_log_bytes', 'Bytes of the log that are kept.');
  const mirrored = registry.gauge(
    'dsom_metadata_mirrored',
    '1 while all metadata could be made anew from a second directory.',
  );
  const health = registry.gauge('dsom_device_health', '1 for the state that the device is in.', ['device', 'state']);
  const space = registry.gauge('dsom_device_bytes', 'Space of the device.', ['device', 'kind']);
  const waiting = registry.gauge(
    'dsom_garbage_rows',
    'Pieces of deleted versions whose bytes wait to be freed, counted up to 1,000.',
  );
  const freed = registry.counter('dsom_collected_fragments_total', 'Fragments freed by the collector.');
  const freedBytes = registry.counter('dsom_collected_bytes_total', 'Data bytes freed by the collector.');
  const lacking = registry.gauge(
    'dsom_missing_copies',
    'Copies that stripes were written without, and that are known and not written yet.',
  );
  const damaged = registry.gauge(
    'dsom_damaged_copies',
    'Copies that were found damaged since the start, or gone, and that nothing could write again.',
  );
  const damagedMetadata = registry.gauge(
    'dsom_damaged_metadata_shards',
    'Shards whose metadata on this server are not those that were written, as scrubs and cross-checks since the start have found.',
  );
  const damagedIndexes = registry.gauge(
    'dsom_damaged_indexes',
    'Fragment indexes of this server whose file contradicts itself, as scrubs and cross-checks since the start have found.',
  );
  const mended = registry.counter(
    'dsom_mended_copies_total',
    'Copies written that stripes had been published without.',
  );
  const recoded = registry.counter(
    'dsom_recoded_stripes_total',
    'Stripes written anew because of a redundancy, a storage class or idleness.',
  );
  const recodedBytes = registry.counter('dsom_recoded_bytes_total', 'Stored bytes of those stripes.');
  const kept = registry.gauge(
    'dsom_recode_complete',
    '1 while all versions are kept as they are to be, as far as was looked.',
  );
  const expiring = lifecycleMetrics(registry);
  const age = registry.gauge(
    'dsom_scrub_age_seconds',
    'Time since every fragment was last verified in one pass; +Inf before the first.',
  );
  const scrubbing = registry.gauge('dsom_scrub_running', '1 while a scrub runs.');
  const scrubbed = registry.gauge('dsom_scrub_bytes', 'Bytes verified by the scrub that runs or ran last.');
  const resident = registry.gauge('dsom_resident_bytes', 'Resident memory of the process, mapped files included.');
  const own = registry.gauge('dsom_private_bytes', 'Private memory of the process.');
  registry.refresh(() => {
    const now = state();
    position.set(position.at(), now.log.position);
    logBytes.set(logBytes.at(), now.log.bytes);
    mirrored.set(mirrored.at(), now.log.mirrored ? 1 : 0);
    health.clear();
    space.clear();
    for (const device of now.devices) {
      for (const name of deviceStates) health.set(health.at(device.identity, name), name === device.health ? 1 : 0);
      space.set(space.at(device.identity, 'total'), device.totalBytes);
      space.set(space.at(device.identity, 'free'), device.freeBytes);
    }
    waiting.set(waiting.at(), now.garbage.rows);
    freed.mirror(freed.at(), now.garbage.fragments);
    freedBytes.mirror(freedBytes.at(), now.garbage.bytes);
    lacking.set(lacking.at(), now.copies.waiting);
    damaged.set(damaged.at(), now.copies.damaged);
    damagedMetadata.set(damagedMetadata.at(), now.copies.damagedMetadata);
    damagedIndexes.set(damagedIndexes.at(), now.copies.damagedIndexes);
    mended.mirror(mended.at(), now.copies.mended);
    recoded.mirror(recoded.at(), now.recode.stripes);
    recodedBytes.mirror(recodedBytes.at(), now.recode.bytes);
    kept.set(kept.at(), now.recode.complete ? 1 : 0);
    expiring(now.lifecycle);
    age.set(age.at(), now.scrub.ageSeconds ?? Number.POSITIVE_INFINITY);
    scrubbing.set(scrubbing.at(), now.scrub.running ? 1 : 0);
    scrubbed.set(scrubbed.at(), now.scrub.bytes);
    resident.set(resident.at(), now.memory.residentBytes);
    if (now.memory.privateBytes !== undefined) own.set(own.at(), now.memory.privateBytes);
  });
}
