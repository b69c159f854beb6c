import { digestOf } from '../../codec/index.ts';

/** How far the pass of one day has come. */
export interface LifecyclePlaces {
  readonly day: number;
  /** Of the rules that it goes by. */
  readonly signature: string;
  /** By shard: buckets with a smaller id are done, and so are keys up to `key` of this one. */
  readonly shards: Map<number, { readonly bucket: number; readonly key: Buffer | undefined }>;
}

/** What a pass remembers over restarts. Losing it costs looking once more, nothing else. */
export interface PlaceMemory {
  load(): Promise<LifecyclePlaces | undefined>;
  save(places: LifecyclePlaces): Promise<void>;
}

/** A memory that lasts as long as the process. */
export function processPlaceMemory(): PlaceMemory {
  let kept: string | undefined;
  return {
    load: async () => (kept === undefined ? undefined : parsePlaces(kept)),
    async save(places) {
      kept = writePlaces(places);
    },
  };
}

export const freshPlaces = (day: number, signature: string): LifecyclePlaces => ({ day, signature, shards: new Map() });

/** SHA-256 of a document, hexadecimal. */
export const digestOfRules = (document: Buffer): string => digestOf('SHA256', document).toString('hex');

/** The same for the same rules of the same buckets. @param rules ids of buckets and digests of documents, in order of id */
export function signatureOf(rules: readonly (readonly [bucket: number, digest: string])[]): string {
  const lines = rules.map(([bucket, digest]) => `${bucket} ${digest}\n`);
  return digestOf('SHA256', Buffer.from(lines.join(''))).toString('hex');
}

/** `{"format":1,"day":…,"signature":hex,"shards":[[shard,bucket,key as hex or null]…]}`. */
export const writePlaces = ({ day, signature, shards }: LifecyclePlaces): string =>
  JSON.stringify({
    format: 1,
    day,
    signature,
    shards: Array.from(shards, ([shard, { bucket, key }]) => [shard, bucket, key?.toString('hex') ?? null]),
  });

/** Undefined where the text cannot be understood: looking once more is always right. */
export function parsePlaces(text: string): LifecyclePlaces | undefined {
  let value: { format?: unknown; day?: unknown; signature?: unknown; shards?: unknown };
  try {
    value = JSON.parse(text) as typeof value;
  } catch {
    return undefined;
  }
  const { format, day, signature, shards } = value ?? {};
  if (format !== 1 || typeof day !== 'number' || typeof signature !== 'string' || !Array.isArray(shards))
    return undefined;
  const places = freshPlaces(day, signature);
  for (const [shard, bucket, key] of shards as unknown[][]) {
    if (typeof shard !== 'number' || typeof bucket !== 'number') return undefined;
    if (key !== null && (typeof key !== 'string' || !/^(?:[0-9a-f]{2})*$/.test(key))) return undefined;
    places.shards.set(shard, { bucket, key: key === null ? undefined : Buffer.from(key, 'hex') });
  }
  return places;
}
