import { StoreError } from '../errors.ts';
import type { Host } from '../host/index.ts';
import { limits } from '../limits.ts';
import type { BucketRecord, MetadataReader } from '../metadata/index.ts';
import type { ObjectService, Outgoing, Slice } from '../objects/index.ts';
import { SourceClient } from './client.ts';
import { type Described, describedSource } from './described.ts';
import { Feed } from './feed.ts';
import { keep } from './keep.ts';
import { proven } from './proof.ts';
import type { NewSource } from './settings.ts';

/** How often what became of objects of sources. */
export interface SourceTotals {
  /** Kept here on their way. */
  kept: number;
  /** Sent on, whole or in part, without being kept. */
  passed: number;
  /** Whole and provable, and not kept: why is in the log. */
  unkept: number;
}

export interface SourceOptions {
  readonly host: Host;
  /** The service that has what is here, and announces nothing. */
  readonly objects: ObjectService;
  readonly reader: Pick<MetadataReader, 'nodes' | 'features'>;
  readonly totals: SourceTotals;
  /** An object could not be kept, for another reason than that something of its key is here by now. */
  readonly onUnkept: (bucket: string, key: Buffer, cause: unknown) => void;
}

/** Concurrent work on one key is done once. */
class Shared<Result> {
  readonly #running = new Map<string, Promise<Result>>();

  once(key: Buffer, work: () => Promise<Result>): Promise<Result> {
    const name = key.toString('latin1');
    let running = this.#running.get(name);
    if (!running) {
      running = work().finally(() => this.#running.delete(name));
      this.#running.set(name, running);
    }
    return running;
  }

  has(key: Buffer): boolean {
    return this.#running.has(key.toString('latin1'));
  }
}

async function gathered(chunks: AsyncIterable<Buffer>): Promise<Buffer> {
  const found: Buffer[] = [];
  for await (const chunk of chunks) found.push(chunk);
  return Buffer.concat(found);
}

/** The old store of one bucket, as this thread reads it. Nothing is remembered of an object: what is asked for is asked there, as long as it has not moved. */
export class Source {
  readonly client: SourceClient;
  readonly #bucket: string;
  readonly #options: SourceOptions;
  readonly #looks = new Shared<Described | undefined>();
  readonly #wholes = new Shared<Buffer>();
  readonly #arrivals = new Shared<void>();
  readonly #keeping = new Shared<void>();

  constructor(bucket: string, settings: NewSource, options: SourceOptions) {
    this.#bucket = bucket;
    this.#options = options;
    this.client = new SourceClient(settings, options.host);
  }

  /** @returns undefined where the source has no such object. @throws StoreError ServiceUnavailable, SlowDown */
  look(bucket: BucketRecord, key: Buffer): Promise<Described | undefined> {
    return this.#looks.once(key, async () => {
      const headers = await this.client.head(key);
      if (!headers) return undefined;
      const tagged = headers['x-amz-tagging-count'];
      const tags = tagged === undefined || tagged === '0' ? [] : await this.client.tags(key);
      const parts = /-\d+"?$/.test(headers['etag'] ?? '') ? await this.client.parts(key) : undefined;
      try {
        return describedSource(bucket, headers, tags, parts);
      } catch (cause) {
        throw this.client.unavailable('what it says of the object cannot be said here', cause);
      }
    });
  }

  /** The bytes of an object that was found; kept here where they are all of it and can be proven. */
  open(key: Buffer, found: Described, slice: Slice): Outgoing {
    const { size } = found.version;
    if (slice.start > 0 || slice.end < size) return this.#part(key, found, slice);
    if (!found.provable || size > limits.sourceKeepBytes) return this.#passed(key, found);
    return size <= limits.sourceWholeBytes ? this.#whole(key, found) : this.#kept(key, found);
  }

  /**
   * Has it here before anything else is done with it.
   * @throws StoreError InvalidRequest where it cannot be kept; ServiceUnavailable
   */
  arrive(key: Buffer, found: Described): Promise<void> {
    const { size, etagParts } = found.version;
    if (!found.provable || size > limits.sourceKeepBytes)
      throw new StoreError('InvalidRequest', {
        message: `The object has not moved here yet, and cannot be kept on the way because ${
          found.provable
            ? `it is larger than ${limits.sourceKeepBytes} bytes`
            : etagParts > 0
              ? 'its store does not tell the parts that its ETag is of'
              : 'its ETag is not of its bytes'
        }: move it with \`dsom migrate\`, or read it.`,
      });
    return this.#arrivals.once(key, async () => {
      const feed = new Feed();
      const both = await Promise.allSettled([this.#drained(key, found, feed), this.#keep(key, found, feed)]);
      // What breaks off the body ends the other as well, so it is the reason.
      for (const one of both) if (one.status === 'rejected') throw one.reason;
    });
  }

  close(): void {
    this.client.close();
  }

  async #drained(key: Buffer, found: Described, feed: Feed): Promise<void> {
    for await (const _ of this.#proven(key, found, feed)) if (!feed.wanted) return;
  }

  /** Writes what the feed is given. @throws StoreError but for a key of which something is here by now */
  async #keep(key: Buffer, found: Described, feed: Feed): Promise<void> {
    const { objects, reader, totals } = this.#options;
    try {
      await keep(objects, reader, { bucket: this.#bucket, key, found }, feed);
      totals.kept += 1;
    } catch (error) {
      if (!(error instanceof StoreError && error.code === 'PreconditionFailed')) throw error;
    } finally {
      feed.giveUp();
    }
  }

  /** The same, of an object that is on its way to somebody whatever becomes of this. */
  async #keepAside(key: Buffer, found: Described, feed: Feed): Promise<void> {
    try {
      await this.#keep(key, found, feed);
    } catch (error) {
      this.#options.totals.unkept += 1;
      this.#options.onUnkept(this.#bucket, key, error);
    }
  }

  async *#proven(key: Buffer, found: Described, feed?: Feed): AsyncGenerator<Buffer> {
    try {
      const body = await this.client.open(key, found.etag, undefined);
      try {
        const given = feed ? giving(body.chunks, feed) : body.chunks;
        const failed = (why: string) => this.client.unavailable(why);
        yield* proven(given, found.version.size, found, failed, () => feed?.end());
      } finally {
        body.close();
      }
    } finally {
      feed?.giveUp();
    }
  }

  /** Verified before its first byte is sent, and read once for all who ask for it meanwhile. */
  async *#whole(key: Buffer, found: Described): AsyncGenerator<Buffer> {
    const name = Buffer.concat([found.version.etag, key]);
    const bytes = await this.#wholes.once(name, async () => {
      const whole = await gathered(this.#proven(key, found));
      const feed = new Feed();
      void feed.give(whole);
      feed.end();
      await this.#keepAside(key, found, feed);
      return whole;
    });
    yield bytes;
  }

  /** Sent as it comes, and kept meanwhile by the first who asks. */
  async *#kept(key: Buffer, found: Described): AsyncGenerator<Buffer> {
    if (this.#keeping.has(key)) return yield* this.#passed(key, found);
    const feed = new Feed();
    void this.#keeping.once(key, () => this.#keepAside(key, found, feed));
    yield* this.#proven(key, found, feed);
  }

  async *#passed(key: Buffer, found: Described): AsyncGenerator<Buffer> {
    this.#options.totals.passed += 1;
    yield* this.#proven(key, found);
  }

  async *#part(key: Buffer, found: Described, slice: Slice): AsyncGenerator<Buffer> {
    this.#options.totals.passed += 1;
    const body = await this.client.open(key, found.etag, slice);
    try {
      yield* proven(body.chunks, slice.end - slice.start, undefined, (why) => this.client.unavailable(why));
    } finally {
      body.close();
    }
  }
}

async function* giving(chunks: AsyncIterable<Buffer>, feed: Feed): AsyncGenerator<Buffer> {
  for await (const chunk of chunks) {
    const wait = feed.give(chunk);
    if (wait) await wait;
    yield chunk;
  }
}
