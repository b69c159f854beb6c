import { type JobProgress, ProgressMeter } from '../../durability/index.ts';
import { StoreError } from '../../errors.ts';
import { limits } from '../../limits.ts';
import type { BucketRecord, MetadataReader, ScanCursor, VersionScan } from '../../metadata/index.ts';
import type { Rooms } from '../rooms.ts';
import {
  Actor,
  type ActorOptions,
  addCounts,
  type Counting,
  countFound,
  type LifecycleCounts,
  noCounts,
} from './act.ts';
import type { CompiledLifecycle } from './compile.ts';
import { digestOfRules, freshPlaces, type LifecyclePlaces, type PlaceMemory, signatureOf } from './place.ts';
import type { Found, FoundUpload, UploadCursor } from './walk.ts';
import { momentOf, walkUploads, walkVersions } from './walk.ts';

/*
 * The pass of the lifecycle: once a day, and when the rules of a bucket have changed, every version of it is looked at. In a cluster each shard is walked by its
 * owner alone, on his own state and clock.
 *
 * Everything that is due became so at a midnight, so one pass after each midnight misses nothing. Doing it twice does nothing more: what was done is not found
 * again. So nothing has to be remembered; the place where a walk was is kept all the same, so that a server that is started often comes to the end of a
 * large store, and looking costs a bounded share of the thread: a slice of work, then a rest.
 *
 * Rejected: an index of what is due by day (a change of rules would write a row for every version), and marks on versions (the same).
 */

/** A shard that this process has open. */
export interface PassShard {
  readonly number: number;
  readonly scan: VersionScan;
  readonly reader: Pick<MetadataReader, 'listUploads'>;
  /** Whether it is for this process to walk it; asked again and again. */
  leads(): boolean;
}

export interface PassOptions {
  readonly rooms: Pick<Rooms, 'reader' | 'proposer' | 'host'>;
  /** Whether other nodes may own shards: then all of them must know feature `lifecycle`. */
  readonly shared: boolean;
  /** Asked for again and again: there may be more of them later. */
  readonly shards: readonly PassShard[];
  /** The rules that a document of kind `lifecycle` holds. */
  readonly compiled: (bucket: BucketRecord, document: Buffer) => CompiledLifecycle;
  readonly dayMs: number;
  readonly memory: PlaceMemory;
  readonly onDone?: ActorOptions['onDone'];
  readonly onError: (cause: unknown, what: { readonly bucket: string; readonly key: string }) => void;
}

/** The last whole pass of all shards, or the one that runs. Times on the wall clock, ms since 1970. */
export interface PassReport {
  readonly beganMs: number;
  readonly endedMs: number | undefined;
  readonly counts: LifecycleCounts;
}

/** One action of a survey. */
export interface SurveyedAction {
  readonly action: 'expire' | 'remove' | 'marker' | 'transition' | 'abort';
  readonly key: Buffer;
  readonly rule: string;
  readonly dueMs: number;
  readonly size: number;
  readonly storageClass?: string;
}

export interface LifecyclePass {
  /** Walks what is due. @throws the signal's reason, when it was cancelled; StoreError when a shard's owner cannot be asked now */
  run(signal: AbortSignal): Promise<void>;
  /** One bucket now, on all shards as they are here. `dry`: looks only. @throws StoreError NoSuchBucket, NoSuchLifecycleConfiguration */
  bucket(
    name: string,
    dry: boolean,
    signal: AbortSignal,
    tell: (one: SurveyedAction) => void,
  ): Promise<LifecycleCounts>;
  progress(): JobProgress;
  /** Since the start. */
  totals(): LifecycleCounts;
  last(): PassReport | undefined;
}

interface Configured {
  readonly bucket: BucketRecord;
  readonly document: Buffer;
  /** Of the document. */
  readonly digest: string;
}

const nameOf = (shard: number, { bucket }: Configured): string => `${shard}.${bucket.id}`;

/** A slice of work, then a rest that is longer: foreground work has most of the thread. */
class Slices {
  readonly #host: Rooms['host'];
  readonly #signal: AbortSignal;
  #began: number;

  constructor(host: Rooms['host'], signal: AbortSignal) {
    this.#host = host;
    this.#signal = signal;
    this.#began = host.clock.monotonic();
  }

  async step(): Promise<void> {
    this.#signal.throwIfAborted();
    if (this.#host.clock.monotonic() - this.#began < limits.lifecycleSliceMs) return;
    await this.#host.timers.sleep(limits.lifecycleRestMs, this.#signal);
    this.#began = this.#host.clock.monotonic();
  }
}

export function createLifecyclePass(options: PassOptions): LifecyclePass {
  const { rooms, dayMs, memory } = options;
  const { reader, host } = rooms;
  const meter = new ProgressMeter(host.clock);
  const totals = noCounts();
  let last: PassReport | undefined;
  let running: LifecycleCounts | undefined;
  /** Of this day, by shard and bucket: the digest of the rules that it was walked by to its end. */
  let done = { day: Number.NaN, digests: new Map<string, string>() };
  let places: LifecyclePlaces | undefined;
  let savedAt = host.clock.monotonic();
  let lookAt = savedAt;

  const today = (): number => Math.floor(host.clock.now() / dayMs);
  const ready = (): boolean => !options.shared || reader.features().includes('lifecycle');

  const configurationOf = (bucket: BucketRecord | undefined): Configured | undefined => {
    const document = bucket && reader.configuration(bucket.id, 'lifecycle');
    return document && document.length > 0 ? { bucket, document, digest: digestOfRules(document) } : undefined;
  };

  /** In order of id. */
  const configured = async (slices: Slices): Promise<Configured[]> => {
    const found: Configured[] = [];
    for (let start = ''; ; ) {
      const page = reader.buckets(start, limits.jobPage);
      for (const bucket of page.items) {
        const one = configurationOf(bucket);
        if (one) found.push(one);
      }
      await slices.step();
      const end = page.items.at(-1);
      if (!page.truncated || !end) return found.sort((a, b) => a.bucket.id - b.bucket.id);
      start = `${end.name}\0`;
    }
  };

  const save = async (force: boolean): Promise<void> => {
    const now = host.clock.monotonic();
    if (!places || (!force && now - savedAt < limits.lifecycleSaveMs)) return;
    savedAt = now;
    await memory.save(places);
  };

  /** Undefined where a later version has written what this one cannot read: that is left to it. */
  const understood = (bucket: BucketRecord, document: Buffer, counts: Counting): CompiledLifecycle | undefined => {
    try {
      return options.compiled(bucket, document);
    } catch (error) {
      if (!(error instanceof StoreError)) throw error;
      counts.failed += 1;
      options.onError(error, { bucket: bucket.name, key: '' });
      return undefined;
    }
  };

  /** @returns false when another one has to go on */
  const walk = async (
    shard: PassShard,
    { bucket, document }: Configured,
    counts: Counting,
    slices: Slices,
    from: ScanCursor | undefined,
    place: (cursor: ScanCursor) => Promise<void>,
    survey?: (found: Found | FoundUpload) => void,
  ): Promise<boolean> => {
    const compiled = understood(bucket, document, counts);
    if (!compiled) return true;
    const moment = momentOf(rooms, bucket, host.clock.now(), dayMs);
    const actor = new Actor(options, bucket, counts, moment.nowMs);
    if (compiled.ofVersions) {
      let cursor = from;
      do {
        const found: Found[] = [];
        const step = walkVersions(shard.scan, bucket.id, cursor, limits.lifecycleRows, compiled, moment, {
          found: (one) => found.push(one),
          unreadable(key, cause) {
            counts.failed += 1;
            options.onError(cause, { bucket: bucket.name, key: key.toString('utf8') });
          },
        });
        counts.versions += step.versions;
        meter.advance(step.versions);
        if (survey) found.forEach(survey);
        else if (found.length > 0) await actor.act(found);
        cursor = step.next;
        // Within a key it cannot go on later: what is newer there is not known any more.
        if (cursor && !cursor.within) await place(cursor);
        await slices.step();
        if (!survey && !shard.leads()) return false;
      } while (cursor);
    }
    if (compiled.ofUploads) {
      let cursor: UploadCursor | undefined;
      do {
        const found: FoundUpload[] = [];
        const step = walkUploads(shard.reader, bucket.id, cursor, limits.lifecycleRows, compiled, moment, (one) =>
          found.push(one),
        );
        counts.uploads += step.uploads;
        if (survey) found.forEach(survey);
        else await actor.abort(found);
        cursor = step.next;
        await slices.step();
        if (!survey && !shard.leads()) return false;
      } while (cursor);
    }
    return true;
  };

  /**
   * Walks one bucket in one shard to its end, and remembers that.
   * @param again it goes by the rules of before, and so on from where it was, maybe in an earlier process
   * @returns false when another one has to go on
   */
  const finish = async (
    shard: PassShard,
    one: Configured,
    again: boolean,
    counts: Counting,
    slices: Slices,
  ): Promise<boolean> => {
    const at = places?.shards.get(shard.number);
    const from = again && at?.bucket === one.bucket.id && at.key ? { key: at.key } : undefined;
    const whole = await walk(shard, one, counts, slices, from, async ({ key }) => {
      places?.shards.set(shard.number, { bucket: one.bucket.id, key });
      await save(false);
    });
    if (!whole) return false;
    places?.shards.set(shard.number, { bucket: one.bucket.id + 1, key: undefined });
    done.digests.set(nameOf(shard.number, one), one.digest);
    await save(false);
    return true;
  };

  const isDue = (shard: PassShard, one: Configured): boolean =>
    done.digests.get(nameOf(shard.number, one)) !== one.digest;

  /** What an earlier process has done of this day's pass is done. */
  const recall = async (all: readonly Configured[], day: number): Promise<void> => {
    if (done.day !== day) done = { day, digests: new Map() };
    const signature = signatureOf(all.map(({ bucket, digest }) => [bucket.id, digest]));
    if (places?.day === day && places.signature === signature) return;
    const kept = places === undefined ? await memory.load() : undefined;
    places = kept?.day === day && kept.signature === signature ? kept : freshPlaces(day, signature);
    for (const [shard, { bucket }] of places.shards)
      for (const one of all) if (one.bucket.id < bucket) done.digests.set(nameOf(shard, one), one.digest);
  };

  return {
    async run(signal) {
      const at = host.clock.monotonic();
      const { shards } = options;
      if (at < lookAt || !shards.some((shard) => shard.leads()) || !ready()) return;
      const slices = new Slices(host, signal);
      const all = await configured(slices);
      // With many buckets, asking all of them for rules takes longer than a moment.
      lookAt = at + (all.length > limits.jobPage ? limits.lifecycleLookMs : 0);
      const day = today();
      if (all.length === 0) return;
      await recall(all, day);
      const due = shards.flatMap((shard) =>
        shard.leads() ? all.filter((one) => isDue(shard, one)).map((one) => ({ shard, one })) : [],
      );
      if (due.length === 0) return;
      const counts = noCounts();
      const beganMs = host.clock.now();
      last = { beganMs, endedMs: undefined, counts };
      running = counts;
      meter.start();
      meter.phase(
        'looking at versions',
        due.reduce((sum, { one }) => sum + one.bucket.counts.versions, 0),
      );
      /** Those that another one owns by now: if they come back, the next run begins where this one has left them. */
      const left = new Set<number>();
      try {
        for (const { shard, one } of due) {
          if (left.has(shard.number)) continue;
          // Rules and bucket may have changed or gone since the pass began.
          const now = configurationOf(reader.bucketById(one.bucket.id));
          if (!now) continue;
          const whole = shard.leads() && (await finish(shard, now, now.digest === one.digest, counts, slices));
          if (!whole) left.add(shard.number);
        }
        last = { beganMs, endedMs: host.clock.now(), counts };
      } finally {
        meter.end();
        running = undefined;
        addCounts(totals, counts);
        await save(true);
      }
    },
    async bucket(name, dry, signal, tell) {
      const bucket = reader.bucket(name);
      if (!bucket) throw new StoreError('NoSuchBucket', { resource: name });
      const configuration = configurationOf(bucket);
      if (!configuration) throw new StoreError('NoSuchLifecycleConfiguration', { resource: name });
      if (!dry && !ready())
        throw new StoreError('NotImplemented', {
          message: 'Not every node of the cluster knows lifecycles yet: see `dsom cluster features`.',
        });
      const counts = noCounts();
      const slices = new Slices(host, signal);
      const survey = (found: Found | FoundUpload): void => {
        if ('upload' in found) {
          counts.aborted += 1;
          return tell({ action: 'abort', key: found.key, rule: found.rule.id, dueMs: found.dueMs, size: 0 });
        }
        countFound(counts, found);
        const { action, key, size } = found;
        const about = { action: action.type, key, rule: action.rule.id, dueMs: action.dueMs, size };
        tell(action.type === 'transition' ? { ...about, storageClass: action.storageClass } : about);
      };
      const nowhere = async (): Promise<void> => undefined;
      for (const shard of options.shards)
        await walk(
          { ...shard, leads: () => true },
          configuration,
          counts,
          slices,
          undefined,
          nowhere,
          dry ? survey : undefined,
        );
      if (!dry) addCounts(totals, counts);
      return counts;
    },
    progress: () => meter.snapshot(),
    totals() {
      const sum = noCounts();
      addCounts(sum, totals);
      if (running) addCounts(sum, running);
      return sum;
    },
    last: () => last,
  };
}
