import { type JobProgress, Pace, ProgressMeter, redundancyText, spareCount } from '../durability/index.ts';
import { StoreError } from '../errors.ts';
import { InvariantError } from '../invariant.ts';
import { limits } from '../limits.ts';
import {
  type BucketRecord,
  lastUseMs,
  lentTo,
  mayBeEmbedded,
  type ObjectVersion,
  type PlacedPiece,
  type Policy,
  type Redundancy,
  type Stripe,
  type StripeSwap,
  shardOfNumber,
} from '../metadata/index.ts';
import type { ReadHorizon } from './horizon.ts';
import { keptWith, namedPolicies, recodeSetting } from './policy.ts';
import { publish } from './publish.ts';
import { moveStripe } from './restripe.ts';
import type { Rooms } from './rooms.ts';

/*
 * Keeps versions as they are to be kept: after a bucket's redundancy, an object's own or a storage class has changed, and by how long bytes of a hybrid
 * policy have been idle. It walks through all versions, compares each stripe's placement group with what is wanted, and has those that differ
 * written anew. A stripe is written whole and durable first; then one entry gives its place to the new one and makes the old one garbage. So
 * a version never has less than the weaker of the two, and a read goes on with what it found.
 *
 * Nothing is remembered between walks: what is done needs no work, so whoever leads next goes on where the last one stopped. Looking costs a look-up of the
 * version and none of data.
 *
 * The stored bytes are copied as they are. They are sealed with the piece's salt and the frame's place in it, neither of which changes: no key is needed.
 *
 * Bytes that several versions share have one redundancy: among those that their versions want, the one that survives most losses. They only become
 * safer while they are shared, so two versions that want different things do not undo each other's work for ever.
 *
 * Rejected: a queue of what is to be done in the state (a change of a bucket would write a row for each of its versions), and a mark on the bucket how far
 * the work is (a version that was changed behind it would be missed).
 */

export interface RecodeOptions {
  readonly rooms: Pick<Rooms, 'reader' | 'proposer' | 'stripes' | 'host'>;
  /** Keeps what is being read from the collector. */
  readonly horizon: Pick<ReadHorizon, 'enter' | 'leave'>;
  /** Bytes written in a second; asked again and again. */
  readonly bytesPerSecond: () => number;
  /** Whether it is still for this one to do; asked again and again. Absent: it always is. */
  readonly leads?: () => boolean;
  /** A version could not be kept in another way; it is tried again by the next walk. */
  readonly onError: (cause: unknown, version: { readonly bucket: string; readonly key: string }) => void;
}

export interface RecodeTotals {
  /** Stripes since the start, and their stored bytes. */
  readonly stripes: number;
  readonly bytes: number;
  /** Pieces that the last walk could not move, and those that it left because versions that want other things share them. */
  readonly failed: number;
  readonly shared: number;
  /** Versions found so far by this walk, or by the last one, that are to be kept in another way than they were. */
  readonly found: number;
  /** Whether the last walk left nothing to do, and no policy has changed since it began. */
  readonly complete: boolean;
}

export interface Recoder {
  /** One walk, when one is due. @throws the signal's reason, when it was cancelled */
  run(signal?: AbortSignal): Promise<void>;
  progress(): JobProgress;
  totals(): RecodeTotals;
}

/** What a version is to be kept with now. */
interface Target {
  readonly redundancy: Redundancy;
  /** Only as long as the version stays idle for so long. */
  readonly idleMs?: number;
}

/** Reads that were noted one soon after the other, which make cold bytes hot again. */
const hotAgain = 2;

/**
 * By how long it was not used; what is cold comes back when it is read again and again.
 * @param isCold all its stripes are kept with the cold code
 */
function targetOf(
  policy: Policy,
  version: Pick<ObjectVersion, 'modifiedMs' | 'use'>,
  isCold: boolean,
  now: number,
): Target {
  if (!('hot' in policy)) return { redundancy: policy };
  const { hot, cold, afterIdleMs } = policy;
  if (now - lastUseMs(version) >= afterIdleMs) return { redundancy: cold, idleMs: afterIdleMs };
  return { redundancy: isCold && (version.use?.heat ?? 0) < hotAgain ? cold : hot };
}

export function createRecoder({ rooms, horizon, bytesPerSecond, leads, onError }: RecodeOptions): Recoder {
  const { reader, stripes, host } = rooms;
  const meter = new ProgressMeter(host.clock);
  const done = { stripes: 0, bytes: 0 };
  let failed = 0;
  let shared = 0;
  let found = 0;
  /** What the last whole walk went by. */
  let walked: string | undefined;
  let complete = false;
  let dueAt = host.clock.monotonic();
  let lookAt = dueAt;

  const allBuckets = (): BucketRecord[] => {
    const all: BucketRecord[] = [];
    let start = '';
    while (true) {
      const page = reader.buckets(start, limits.jobPage);
      all.push(...page.items);
      const last = page.items.at(-1);
      if (!page.truncated || !last) return all;
      start = `${last.name}\0`;
    }
  };

  /** All that is said of policies; undefined when no version can want anything. */
  const wanted = (buckets: readonly BucketRecord[]): string | undefined => {
    const own = buckets.flatMap(({ id, redundancy }) => (redundancy ? [[id, redundancy]] : []));
    const named = [...namedPolicies(reader)];
    const asked = reader.setting(recodeSetting);
    return own.length + named.length > 0 || asked !== undefined ? JSON.stringify([own, named, asked]) : undefined;
  };

  const keptNow = (stripe: Stripe): Redundancy | undefined => stripes.redundancyOf(stripe.group);
  const isKept = (stripe: Stripe, want: Redundancy): boolean => {
    const now = keptNow(stripe);
    return now !== undefined && redundancyText(now) === redundancyText(stripes.redundancyFor(stripe, want));
  };

  /** What a version is to be kept with; undefined when nobody says. */
  const wantedOf = (
    bucket: BucketRecord,
    version: ObjectVersion,
    pieces: readonly PlacedPiece[],
  ): Target | undefined => {
    const { policy } = keptWith(rooms, bucket, version);
    if (!policy) return undefined;
    const isCold =
      'hot' in policy && pieces.every(({ piece }) => stripesOf(piece).every((one) => isKept(one, policy.cold)));
    return targetOf(policy, version, isCold, host.clock.now());
  };

  /** Whether shared bytes may be kept so: when they are safer then, or when all that share them want the same. */
  const mayChange = (
    bucket: BucketRecord,
    key: Buffer,
    version: ObjectVersion,
    { piece, place, isShared }: PlacedPiece,
    wrong: readonly Stripe[],
    { redundancy }: Target,
  ): 'yes' | 'alone' | 'no' => {
    if (!isShared) return 'yes';
    const safer = wrong.every((one) => {
      const now = keptNow(one);
      return now !== undefined && spareCount(stripes.redundancyFor(one, redundancy)) > spareCount(now);
    });
    if (place) return safer && !mayBeEmbedded(piece, place.index) ? 'yes' : 'no';
    const others = reader.embeddings(bucket.id, key, version.manifest.id);
    if (others.length < reader.references(version.manifest.id)) return safer ? 'alone' : 'no';
    const same = (other: ObjectVersion): boolean => {
      const target = wantedOf(bucket, other, [{ piece, place, isShared }]);
      return target !== undefined && redundancyText(target.redundancy) === redundancyText(redundancy);
    };
    return others.every(same) || safer ? 'yes' : 'no';
  };

  /** Whether a version still has these stripes where they were found. */
  const isThere = (
    bucket: BucketRecord,
    key: Buffer,
    { isNull, sequence, nonce }: ObjectVersion,
    place: PlacedPiece['place'],
    old: readonly Stripe[],
  ): boolean => {
    const version = reader.version(bucket.id, key, isNull ? 'null' : { sequence, nonce });
    if (version?.kind !== 'object' || version.sequence !== sequence) return false;
    const piece = place ? reader.placed(place) : version.manifest.embedded;
    const has = new Set(piece && stripesOf(piece).map(({ id }) => id.toString('latin1')));
    return old.every(({ id }) => has.has(id.toString('latin1')));
  };

  /** Has some stripes of a piece take the place of others. */
  const move = async (
    bucket: BucketRecord,
    key: Buffer,
    version: ObjectVersion,
    { piece, place }: PlacedPiece,
    old: readonly Stripe[],
    target: Target,
    alone: boolean,
    pace: Pace,
  ): Promise<void> => {
    const fresh: Stripe[] = [];
    let bytes = 0;
    // From here on nothing that is there now is removed under its reader.
    const shard = shardOfNumber(version.sequence);
    const lease = horizon.enter(reader.position(shard));
    try {
      if (!isThere(bucket, key, version, place, old)) throw new StoreError('ConditionalRequestConflict');
      for (const stripe of old) {
        pace.limit(bytesPerSecond());
        const moved = await moveStripe(stripes, stripe, stripes.redundancyFor(stripe, target.redundancy), shard, pace);
        fresh.push(moved.stripe);
        bytes += moved.bytes;
      }
    } catch (error) {
      // What cannot be removed now is found by the collector once the intent is closed.
      await stripes.remove(fresh.map(({ id }) => id)).catch(() => undefined);
      throw error;
    } finally {
      horizon.leave(lease);
    }
    const swaps = old.map(({ id }, index): StripeSwap => {
      const to = fresh[index] as Stripe;
      return { from: id, to: to.id, group: to.group };
    });
    const { sequence, manifest } = version;
    const about = { bucket: bucket.id, key, sequence, manifest: manifest.id, place, swaps, mayUnshare: alone };
    const idle = target.idleMs === undefined ? {} : { idleMs: target.idleMs };
    await publish(rooms, { type: 'object.recode', ...about, ...idle }, 'done', { ...piece, body: { stripes: fresh } });
    done.stripes += fresh.length;
    done.bytes += bytes;
    meter.advance(0, bytes);
  };

  const recode = async (bucket: BucketRecord, key: Buffer, version: ObjectVersion, pace: Pace): Promise<void> => {
    if (!keptWith(rooms, bucket, version).policy) return;
    const { pieces: total } = version.manifest;
    let isFound = false;
    for (let first = 0; first < total; ) {
      const rows = reader.placedPieces(version.manifest, first, limits.jobPage);
      if (rows.length === 0) return;
      first += rows.length;
      const page = rows.flatMap((placed) => [...lentTo(reader, placed)]);
      const target = wantedOf(bucket, version, page);
      if (!target) return;
      for (const placed of page) {
        const all = stripesOf(placed.piece);
        const wrong = all.filter((stripe) => !isKept(stripe, target.redundancy));
        if (wrong.length === 0) continue;
        const may = mayChange(bucket, key, version, placed, wrong, target);
        if (may === 'no') {
          shared += 1;
          continue;
        }
        if (!isFound) found += 1;
        isFound = true;
        const moving = may === 'alone' ? all : wrong;
        for (let at = 0; at < moving.length; at += limits.recodeStripes)
          await move(
            bucket,
            key,
            version,
            placed,
            moving.slice(at, at + limits.recodeStripes),
            target,
            may === 'alone',
            pace,
          );
      }
      await pace.step();
    }
  };

  /** @returns false when another one has to go on */
  const walk = async (buckets: readonly BucketRecord[], pace: Pace): Promise<boolean> => {
    meter.phase(
      'looking at versions',
      buckets.reduce((sum, { counts }) => sum + counts.versions, 0),
    );
    for (const bucket of buckets) {
      let after: { readonly key: Buffer; readonly sequence: number } | undefined;
      while (true) {
        const page = reader.listVersions({
          bucket: bucket.id,
          prefix: Buffer.alloc(0),
          delimiter: Buffer.alloc(0),
          start: after?.key ?? Buffer.alloc(0),
          limit: limits.jobPage,
          after,
        });
        for (const item of page.items) {
          if (!('record' in item)) continue;
          const { key, record } = item;
          after = { key, sequence: record.sequence };
          meter.advance(1);
          if (leads?.() === false) return false;
          if (record.kind !== 'object' || !mayHaveStripes(record)) continue;
          // Policies may change while it walks: each version is kept by what is said now.
          const now = reader.bucketById(bucket.id);
          if (!now) break;
          try {
            await recode(now, key, record, pace);
          } catch (error) {
            if (error instanceof InvariantError) throw error;
            pace.check();
            failed += 1;
            if (!isPassing(error)) onError(error, { bucket: bucket.name, key: key.toString('utf8') });
            if (error instanceof StoreError && error.code === 'StorageFull') throw error;
          }
        }
        await pace.step();
        if (!page.truncated) break;
      }
    }
    return true;
  };

  return {
    async run(signal) {
      const at = host.clock.monotonic();
      // With many buckets, asking all of them what they want takes longer than a moment.
      if (at < lookAt) return;
      const buckets = allBuckets();
      lookAt = at + (buckets.length > limits.jobPage ? limits.recodeAgainMs : 0);
      const now = wanted(buckets);
      if (now !== walked) complete = false;
      if (now === undefined) {
        complete = true;
        walked = now;
        return;
      }
      const began = host.clock.monotonic();
      if (now === walked && began < dueAt) return;
      failed = 0;
      shared = 0;
      found = 0;
      meter.start();
      try {
        if (await walk(buckets, new Pace(host, { signal }))) {
          walked = now;
          complete = failed === 0;
        }
      } finally {
        meter.end();
        const took = host.clock.monotonic() - began;
        dueAt =
          host.clock.monotonic() +
          Math.max(limits.recodeAgainMs, found + failed > 0 ? 0 : limits.recodeRestTimes * took);
      }
    },
    progress: () => meter.snapshot(),
    totals: () => ({ ...done, failed, shared, found, complete }),
  };
}

/** The version was written or used meanwhile: the next walk sees it as it is then. */
const isPassing = (error: unknown): boolean =>
  error instanceof StoreError && error.code === 'ConditionalRequestConflict';

const stripesOf = ({ body }: PlacedPiece['piece']): readonly Stripe[] => ('stripes' in body ? body.stripes : []);

const mayHaveStripes = ({ manifest }: ObjectVersion): boolean =>
  !manifest.embedded || 'stripes' in manifest.embedded.body;
