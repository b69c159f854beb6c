import { StoreError } from '../errors.ts';
import type { Host } from '../host/index.ts';
import { limits } from '../limits.ts';
import type { BucketRecord } from '../metadata/index.ts';
import { type NewSource, openedSource, Source, shownSource, sourceDocument } from '../sources/index.ts';
import type { Owner } from './owner.ts';

/* The sources of buckets, as an operator sets, sees and takes them away. */

interface SetCall extends NewSource {
  readonly name: string;
}

interface ClearCall {
  readonly name: string;
  /** Also when something has not moved, or nobody can tell. */
  readonly force: boolean;
}

/** What of a source has not moved, as far as it was looked at. */
interface Unmoved {
  readonly keys: number;
  /** The first of them. */
  readonly first: readonly string[];
  /** There may be more. */
  readonly more: boolean;
}

const none = Buffer.alloc(0);

async function unmovedOf(owner: Owner, bucket: BucketRecord, source: Source): Promise<Unmoved> {
  const { reader } = owner.thread;
  const first: string[] = [];
  let keys = 0;
  let after: Buffer = none;
  for (let pages = 0; pages < limits.sourceReportPages; pages++) {
    const page = await source.client.list({ prefix: none, delimiter: none, after, limit: limits.sourceListPage });
    for (const item of page.items) {
      if (!('key' in item)) continue;
      after = item.key;
      if (reader.version(bucket.id, item.key, undefined)) continue;
      keys += 1;
      if (first.length < limits.sourceNamed) first.push(item.key.toString('utf8'));
    }
    if (!page.truncated) return { keys, first, more: false };
  }
  return { keys, first, more: true };
}

/** A bucket that never kept versions has markers only for the sake of its source. */
async function takeMarkersAway(owner: Owner, bucket: BucketRecord): Promise<number> {
  const { reader, objects } = owner.thread;
  let gone = 0;
  for (let start = none as Buffer; ; ) {
    const query = {
      bucket: bucket.id,
      prefix: none,
      delimiter: none,
      start,
      limit: limits.deleteMany,
      after: undefined,
    };
    const { items, truncated } = reader.listVersions(query);
    const markers = items.flatMap((item) => ('key' in item && item.record.kind === 'marker' ? [item.key] : []));
    if (markers.length > 0)
      await objects.delete(
        bucket.name,
        bucket.owner,
        markers.map((key) => ({ key, versionId: 'null', guard: undefined })),
      );
    gone += markers.length;
    const last = items.at(-1);
    if (!truncated || !last) return gone;
    start = Buffer.concat(['key' in last ? last.key : last.prefix, Buffer.alloc(1)]);
  }
}

export function sourceMethods(owner: Owner, host: Host): Readonly<Record<string, (argument: unknown) => unknown>> {
  const { keyring, proposer } = owner;
  const { reader, objects } = owner.thread;

  const named = (name: string): BucketRecord => {
    const bucket = reader.bucket(name);
    if (!bucket) throw new StoreError('NoSuchBucket', { resource: name });
    return bucket;
  };
  const lacking = (name: string): StoreError =>
    new StoreError('NotFound', {
      message: `The bucket ${name} has no source: \`dsom bucket source set\` gives it one.`,
    });
  const using = async <Result>(
    bucket: BucketRecord,
    settings: NewSource,
    work: (source: Source) => Promise<Result>,
  ): Promise<Result> => {
    const totals = { kept: 0, passed: 0, unkept: 0 };
    const source = new Source(bucket.name, settings, { host, objects, reader, totals, onUnkept: () => {} });
    try {
      return await work(source);
    } catch (error) {
      // It is the operator's source that is wrong, and asking again does not mend it.
      if (!(error instanceof StoreError) || error.code !== 'ServiceUnavailable') throw error;
      throw new StoreError('InvalidRequest', { message: error.message, cause: error });
    } finally {
      source.close();
    }
  };

  const show = (name: string) => {
    const document = reader.source(named(name).id);
    if (!document) throw lacking(name);
    return { source: shownSource(document) };
  };

  const set = async ({ name, ...settings }: SetCall) => {
    const bucket = named(name);
    const document = await sourceDocument(keyring, name, settings, host.clock.now());
    // What cannot be read is not set: every read of something missing would fail from then on.
    await using(bucket, settings, ({ client }) =>
      client.list({ prefix: none, delimiter: none, after: none, limit: 1 }),
    );
    await proposer.propose({ type: 'bucket.source', name, document });
    return show(name);
  };

  const unmoved = async (name: string): Promise<Unmoved> => {
    const bucket = named(name);
    const document = reader.source(bucket.id);
    if (!document) throw lacking(name);
    const settings = await openedSource(keyring, name, document);
    return using(bucket, settings, (source) => unmovedOf(owner, bucket, source));
  };

  const clear = async ({ name, force }: ClearCall) => {
    const bucket = named(name);
    let left: Unmoved | undefined;
    if (reader.source(bucket.id)) {
      left = await unmoved(name).catch((error: unknown) => {
        if (!force) throw error;
        return undefined;
      });
      if (!force && left && (left.keys > 0 || left.more))
        throw new StoreError('InvalidRequest', {
          message: `${left.keys}${left.more ? ' or more' : ''} keys of the source have not moved (${left.first.join(', ')}${left.keys > left.first.length ? ', …' : ''}): copy them with \`dsom migrate\`, or give them up with --force.`,
        });
      await proposer.propose({ type: 'bucket.source', name, document: null });
    }
    // Also when it was cleared before, and that was broken off.
    const markers = bucket.versioning === 'off' ? await takeMarkersAway(owner, bucket) : 0;
    return { unmoved: left ?? null, markers };
  };

  return {
    'source.show': (argument) => show(argument as string),
    'source.unmoved': async (argument) => ({ unmoved: await unmoved(argument as string) }),
    'source.set': (argument) => set(argument as SetCall),
    'source.clear': (argument) => clear(argument as ClearCall),
  };
}
