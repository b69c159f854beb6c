import { StoreError } from '../errors.ts';
import { FifoMap } from '../fifo.ts';
import type { Host } from '../host/index.ts';
import type { KeyService } from '../keys/index.ts';
import { limits } from '../limits.ts';
import type { BucketRecord, Guard, MetadataReader } from '../metadata/index.ts';
import {
  checkRead,
  type ObjectListQuery,
  type ObjectService,
  type ReadRequest,
  type ReadResult,
} from '../objects/index.ts';
import type { Described } from './described.ts';
import { listThrough } from './listing.ts';
import { openedSource } from './settings.ts';
import { Source, type SourceOptions } from './source.ts';

/*
 * The object service of a bucket that has a source, the old store that it moves away from. What is here counts, markers too; what nothing is here of is
 * read there. Three rules make the two look like one bucket:
 *
 * - Nothing that was once written or deleted here is read there again: a deletion leaves a marker (`leaving` in objects/rooms.ts), in a bucket without
 *   versions too.
 * - What comes from the source is written only where nothing of its key is here, which the owner of the shard decides (`Guard.ifUntouched`). So a write
 *   or delete of the same moment wins.
 * - That an object is not there is said only where the source says so; everything else that goes wrong there is an error.
 *
 * Whatever else is done with an object that has not moved (conditions on a write, tags, lists, a copy, another name, an append) has it here first.
 */

export interface ReadThroughOptions extends Omit<SourceOptions, 'objects' | 'reader'> {
  readonly reader: MetadataReader;
  readonly keys: KeyService;
  readonly host: Host;
}

/** The newest version, whatever it is. */
type Which = Pick<ReadRequest, 'bucket' | 'key' | 'versionId'>;

const isMissing = (error: unknown): boolean =>
  error instanceof StoreError && error.code === 'NoSuchKey' && error.detail?.['DeleteMarker'] === undefined;

/** Whether a condition is about what has not moved, too. */
const saysSomething = (guard: Guard | undefined): boolean =>
  guard !== undefined && Object.keys(guard).some((name) => name !== 'ifUntouched');

/** The sources that a thread has open, each with the document that it was opened by. */
class Sources {
  readonly #options: ReadThroughOptions & SourceOptions;
  readonly #open = new FifoMap<number, { readonly document: Buffer; readonly source: Promise<Source> }>(
    limits.sourcesOpen,
  );

  constructor(options: ReadThroughOptions & SourceOptions) {
    this.#options = options;
  }

  /** @returns undefined where the bucket has none */
  of(bucket: BucketRecord): Promise<Source> | undefined {
    const document = this.#options.reader.source(bucket.id);
    if (!document) return undefined;
    const known = this.#open.get(bucket.id);
    if (known?.document.equals(document)) return known.source;
    void known?.source.then((source) => source.close()).catch(() => {});
    const { keys } = this.#options;
    const source = openedSource(keys, bucket.name, document).then(
      (made) => new Source(bucket.name, made, this.#options),
    );
    source.catch(() => {});
    this.#open.set(bucket.id, { document, source });
    return source;
  }
}

class Reading implements ReadResult {
  readonly bucket: BucketRecord;
  readonly version: ReadResult['version'];
  readonly position: number;
  readonly open: ReadResult['open'];
  /** What is archived there, the source says when it is read. */
  readonly archived = false;

  constructor(bucket: BucketRecord, position: number, key: Buffer, source: Source, found: Described) {
    this.bucket = bucket;
    this.version = found.version;
    this.position = position;
    this.open = (slice) => source.open(key, found, slice);
  }

  immediate(): undefined {
    return undefined;
  }

  parts(after: number, limit: number) {
    const { partSizes } = this.version;
    const sizes = partSizes.slice(after, after + limit);
    return sizes.map((size, at) => ({ number: after + at + 1, size, checksum: undefined }));
  }
}

/**
 * The service over `objects`, for buckets with a source and for others.
 * @param objects announces nothing: an object that arrives was written by nobody
 */
export function createReadThrough(objects: ObjectService, options: ReadThroughOptions): ObjectService {
  const sources = new Sources({ ...options, objects });
  return over(objects, options.reader, sources);
}

function over(objects: ObjectService, reader: MetadataReader, sources: Sources): ObjectService {
  /** What the source has of a key of which nothing is here. */
  const elsewhere = async (bucket: BucketRecord, key: Buffer, source: Promise<Source>) => {
    const opened = await source;
    const found = await opened.look(bucket, key);
    return found && { opened, found };
  };

  const readThere = async (
    request: ReadRequest,
    bucket: BucketRecord,
    source: Promise<Source>,
  ): Promise<ReadResult> => {
    const there = await elsewhere(bucket, request.key, source);
    // It may have moved, also by who asks for it at the same time, and then gone there.
    if (!there || reader.version(bucket.id, request.key, undefined)) return objects.read(request);
    if (request.customerKey)
      throw new StoreError('InvalidRequest', {
        message: 'The encryption parameters are not applicable to this object.',
      });
    const [position] = objects.positions(request.bucket);
    const reading = new Reading(bucket, position as number, request.key, there.opened, there.found);
    checkRead(request.guard, reading.version);
    return reading;
  };

  const arrive = ({ bucket: name, key, versionId }: Which): Promise<void> | undefined => {
    if (versionId !== undefined) return undefined;
    const bucket = reader.bucket(name);
    const source = bucket && sources.of(bucket);
    if (!source || reader.version(bucket.id, key, undefined)) return undefined;
    return elsewhere(bucket, key, source).then((there) => there?.opened.arrive(key, there.found));
  };

  /** Does it with what it is about here. */
  const having = <Result>(work: () => Promise<Result>, ...all: readonly Which[]): Promise<Result> => {
    const waits = all.flatMap((which) => arrive(which) ?? []);
    return waits.length === 0 ? work() : Promise.all(waits).then(work);
  };

  /** A condition on a write is about what is there, wherever that is. */
  const newest = (request: { readonly bucket: string; readonly key: Buffer }, guard: Guard | undefined): Which[] =>
    saysSomething(guard) ? [{ bucket: request.bucket, key: request.key, versionId: undefined }] : [];

  return {
    ...objects,
    read(request) {
      try {
        return objects.read(request);
      } catch (error) {
        if (request.versionId !== undefined || !isMissing(error)) throw error;
        const bucket = objects.bucket(request.bucket);
        const source = sources.of(bucket);
        if (!source) throw error;
        return readThere(request, bucket, source);
      }
    },
    listThrough(query: Omit<ObjectListQuery, 'from'>) {
      const own = objects.list(query);
      const bucket = objects.bucket(query.bucket);
      const source = sources.of(bucket);
      if (!source) return own;
      return source.then(({ client }) => listThrough({ reader, bucket, client }, query, own));
    },
    arrive,
    put: (request) => having(() => objects.put(request), ...newest(request, request.guard)),
    append: (request) => having(() => objects.append(request), { ...request, versionId: undefined }),
    copy: (request) => having(() => objects.copy(request), request.source, ...newest(request, request.guard)),
    copyPart: (request) => having(() => objects.copyPart(request), request.source),
    completeUpload: (request) => having(() => objects.completeUpload(request), ...newest(request, request.guard)),
    rename: (request) =>
      having(
        () => objects.rename(request),
        { bucket: request.bucket, key: request.source.key, versionId: undefined },
        ...newest(request, request.guard),
      ),
    rewrap: (request, kms) => having(() => objects.rewrap(request, kms), request),
    patch: (request) => having(() => objects.patch(request), request),
    setTags: (request, tags) => having(() => objects.setTags(request, tags), request),
    setAcl: (request, acl) => having(() => objects.setAcl(request, acl), request),
    setLock: (request, change, bypasses) => having(() => objects.setLock(request, change, bypasses), request),
    delete: (bucket, owner, items, bypasses) =>
      having(
        () => objects.delete(bucket, owner, items, bypasses),
        ...items.flatMap(({ key, versionId, guard }) =>
          versionId === undefined ? newest({ bucket, key }, guard) : [],
        ),
      ),
    announcing: (announcer) => over(objects.announcing(announcer), reader, sources),
    by(user) {
      const its = objects.by(user);
      return its && over(its, reader, sources);
    },
    // Of what is at the source nobody here knows how it is kept.
    stored: (what) =>
      'guk' in what && what.guk.length === 0 ? { redundancy: { copies: 1 }, missing: undefined } : objects.stored(what),
  };
}
