import type { Thread } from '../../src/daemon/thread.ts';
import { redundancyText, spareCount } from '../../src/durability/index.ts';
import {
  type BucketRecord,
  lentTo,
  type MetadataReader,
  type ObjectVersion,
  type PlacedPiece,
  type Redundancy,
} from '../../src/metadata/index.ts';

/*
 * What bytes are kept with, held against what was asked for. While redundancies change, what takes the place of a stripe survives no less than the weakest
 * of it and of all that its bucket was ever given. In the end each is as its bucket, or the version itself, says. Bytes that several versions share are
 * kept by one of their wishes, so of them it is only held that they survive what the weakest of all wishes does.
 */

/** Redundancies that each bucket was given, by name, from the first on; undefined: what the layout usually gives. */
export type Wishes = ReadonlyMap<string, readonly (Redundancy | undefined)[]>;

type Site = Pick<Thread, 'reader' | 'stripes'>;

/** What a replica has applied of each shard: while that is the same, looking again shows nothing new. */
export const positionsOf = (reader: MetadataReader): string =>
  Array.from({ length: reader.shards }, (_, shard) => reader.position(shard)).join();

interface Kept {
  readonly bucket: BucketRecord;
  readonly key: Buffer;
  readonly version: ObjectVersion;
  readonly placed: PlacedPiece;
}

function* allKept(reader: MetadataReader): Iterable<Kept> {
  const none = Buffer.alloc(0);
  for (const bucket of reader.buckets('', 1000).items) {
    const query = { bucket: bucket.id, prefix: none, delimiter: none, start: none, limit: 1000, after: undefined };
    const { items, truncated } = reader.listVersions(query);
    if (truncated) throw new Error('a run has fewer versions than one page');
    for (const item of items) {
      if (!('record' in item) || item.record.kind !== 'object') continue;
      const version = item.record;
      for (const row of reader.placedPieces(version.manifest, 0, 10_000))
        for (const placed of lentTo(reader, row)) yield { bucket, key: item.key, version, placed };
    }
  }
}

/** Losses that a wish survives at least. Usual are as many copies as there are places for: two, where there are two. */
const spareOf = (wish: Redundancy | undefined): number => (wish ? spareCount(wish) : 0);

/**
 * Looks again and again at what the stripes of versions are kept with. What a stripe begins with may come from elsewhere: a copy shares the bytes of its
 * source. From then on what takes its place survives no less than the weakest of it and of all that its bucket was given.
 */
export class StripeWatch {
  /** What each replica had applied when it was looked at last, and how often a redundancy had been given: the same again shows nothing new. */
  readonly #looked = new WeakMap<MetadataReader, string>();
  /** Losses that the stripes at each place of a version survived when it was looked at last, as each replica had it. */
  readonly #before = new WeakMap<MetadataReader, Map<string, number>>();

  /** A stripe that survives less than it did or should, as a sentence; undefined when there is none. */
  look({ reader, stripes }: Site, wishes: Wishes): string | undefined {
    const given = [...wishes.values()].map((some) => some.length);
    const state = `${given.join()} ${positionsOf(reader)}`;
    if (this.#looked.get(reader) === state) return undefined;
    this.#looked.set(reader, state);
    const before = this.#before.get(reader) ?? new Map<string, number>();
    this.#before.set(reader, before);
    const least = (some: readonly (Redundancy | undefined)[]): number => Math.min(...some.map(spareOf));
    // Whoever puts an object may ask for two copies.
    const weakest = Math.min(1, least([...wishes.values()].flat()));
    for (const { bucket, key, version, placed } of allKept(reader)) {
      if (!('stripes' in placed.piece.body)) continue;
      const own = version.policy && !('hot' in version.policy) ? [version.policy] : (wishes.get(bucket.name) ?? []);
      for (const [at, { id, group }] of placed.piece.body.stripes.entries()) {
        const place = `${bucket.name}/${key} ${version.sequence} ${version.manifest.id.toString('hex')} ${placed.place?.manifest.toString('hex')} ${placed.place?.index} ${at}`;
        const survived = before.get(place);
        const bound = placed.isShared || survived === undefined ? weakest : Math.min(survived, least(own));
        const now = stripes.redundancyOf(group);
        const survives = now ? spareCount(now) : -1;
        before.set(place, survives);
        if (survives >= bound) continue;
        const kept = now ? redundancyText(now) : 'nothing';
        return `stripe ${id.toString('hex')} of ${bucket.name}/${key} is kept with ${kept}, and should survive ${bound} losses`;
      }
    }
    return undefined;
  }
}

/** A stripe that is not kept as it should be by now, as a sentence; empty when there is none. */
export function notAsAsked({ reader, stripes }: Site): string {
  for (const { bucket, key, version, placed } of allKept(reader)) {
    const wish = version.policy ?? bucket.redundancy;
    if (!('stripes' in placed.piece.body) || placed.isShared || !wish || 'hot' in wish) continue;
    for (const stripe of placed.piece.body.stripes) {
      const now = stripes.redundancyOf(stripe.group);
      const asked = redundancyText(stripes.redundancyFor(stripe, wish));
      const kept = now ? redundancyText(now) : 'nothing';
      if (kept !== asked)
        return `stripe ${stripe.id.toString('hex')} of ${bucket.name}/${key} is kept with ${kept}, and should be with ${asked}`;
    }
  }
  return '';
}
