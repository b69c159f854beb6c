import type { ReplicationRule } from '../api/index.ts';
import { element } from '../api/index.ts';
import { digestOf } from '../codec/index.ts';
import { StoreError } from '../errors.ts';
import type { Host } from '../host/index.ts';
import { invariant } from '../invariant.ts';
import { limits } from '../limits.ts';
import type { ObjectVersion } from '../metadata/index.ts';
import { type Message, RefusalError, type Sender, type TargetSecret } from '../notifications/index.ts';
import { etagText, type ObjectService, type ReadResult, versionIdText } from '../objects/index.ts';
import { hasTags, isThere, replicaHeaders, taggingDocument } from './replica.ts';
import {
  codeOf,
  elementOf,
  failureOf,
  OvertakenError,
  ReplicaStore,
  type StoreAnswer,
  type StoreRequest,
} from './store.ts';

/*
 * Writes what has changed in a bucket once more, to another store. What is to be done comes as the events of the bucket, one of a key at a time and in the order of its log
 * (notifications/follower.ts): so the versions of a key arrive in their order, at least once.
 *
 * What comes a second time, after a crash, must not take the other store back: a version that is there already is not written again, nor is an older one over the newest, nor over its marker.
 * Each write and deletion holds only for what was seen there before (If-Match, If-None-Match): a request of an owner that has died may arrive behind those of the next one.
 */

export interface ReplicatorOptions {
  readonly host: Host;
  readonly objects: Pick<ObjectService, 'read' | 'look' | 'listVersions'>;
  /** The rule that counts for an object now; undefined: none does any more. @param place of the notice */
  readonly rule: (
    bucket: string,
    place: string,
    key: string,
    tags: ObjectVersion['tags'],
  ) => ReplicationRule | undefined;
  /** What the log could not keep: all that should be at the store is looked at once more. */
  readonly resync: (signal: AbortSignal) => Promise<void>;
}

/** What became of a version. */
export type Replicated = 'sent' | 'there' | 'left';

const MiB = 1024 * 1024;
const leastPart = 5 * MiB;
const mostParts = 10_000;

/** What a message of notifications/record.ts says. */
interface Told {
  readonly event: string;
  readonly bucket: string;
  readonly key: Buffer;
  readonly versionId: string | undefined;
  readonly place: string;
}

/** A key as records have it: encoded as in a form. */
const keyOf = (text: string): Buffer =>
  Buffer.from(
    text
      .replaceAll('+', ' ')
      .replace(/%([0-9A-Fa-f]{2})/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16))),
    'latin1',
  );

/** What is read of a message. */
interface Document {
  readonly Event?: string;
  readonly Records?: readonly {
    readonly eventName: string;
    readonly s3: {
      readonly configurationId: string;
      readonly bucket: { readonly name: string };
      readonly object: { readonly key: string; readonly versionId?: string };
    };
  }[];
}

function toldBy({ Records: [record] = [] }: Document): Told {
  invariant(record, 'a message has a record');
  const { eventName, s3 } = record;
  return {
    event: eventName,
    bucket: s3.bucket.name,
    key: keyOf(s3.object.key),
    versionId: s3.object.versionId,
    place: s3.configurationId,
  };
}

/** Sizes of the parts in which an object is written; undefined: in one piece. Parts of its own stay, and with them its ETag. */
export function partsOf({
  size,
  etagParts,
  partSizes,
}: Pick<ObjectVersion, 'size' | 'etagParts' | 'partSizes'>): readonly number[] | undefined {
  const sum = partSizes.reduce((total, one) => total + one, 0);
  const fit =
    partSizes.slice(0, -1).every((one) => one >= leastPart) && partSizes.every((one) => one <= limits.replicaPutBytes);
  if (etagParts > 0 && sum === size && fit && partSizes.length <= mostParts) return partSizes;
  if (size <= limits.replicaPutBytes) return undefined;
  const part = Math.max(limits.replicaPartBytes, Math.ceil(size / mostParts / MiB) * MiB);
  return Array.from({ length: Math.ceil(size / part) }, (_, at) => Math.min(part, size - at * part));
}

const gone: ReadonlySet<string> = new Set(['NoSuchBucket', 'NoSuchKey', 'NoSuchVersion', 'MethodNotAllowed']);

/** What is not there any more has nothing to be replicated. */
async function unlessGone<Result>(ask: () => Result | Promise<Result>): Promise<Result | undefined> {
  try {
    return await ask();
  } catch (error) {
    if (error instanceof StoreError && gone.has(error.code)) return undefined;
    throw error;
  }
}

const isSame = (a: ObjectVersion | undefined, b: ObjectVersion | undefined): boolean =>
  a === b || (a !== undefined && b !== undefined && a.sequence === b.sequence && a.nonce.equals(b.nonce));

/** Headers with which a change holds only for what was seen of a key. */
type Condition = Readonly<Record<string, string>>;
const conditionOf = ({ status, headers: { etag } }: StoreAnswer): Condition =>
  status === 404 ? { 'if-none-match': '*' } : etag === undefined ? {} : { 'if-match': etag };

const isMarker = ({ status, headers }: StoreAnswer): boolean =>
  status === 404 && headers['x-amz-delete-marker'] === 'true';

function succeeded(what: string, answer: StoreAnswer): StoreAnswer {
  if (answer.status < 200 || answer.status > 299) throw failureOf(what, answer);
  return answer;
}

export class Replicator implements Sender {
  readonly patient = true;
  readonly #options: ReplicatorOptions;
  readonly #store: ReplicaStore;
  /** Whether it knows writes with conditions: until it has refused one, and taken it without. */
  #conditional = true;

  constructor({ url, keys }: TargetSecret, options: ReplicatorOptions) {
    if (!keys) throw new StoreError('InvalidRequest', { message: 'The store has no keys: define it anew.' });
    this.#options = options;
    this.#store = new ReplicaStore(url, keys, options.host);
  }

  async send({ body }: Message): Promise<void> {
    const document = JSON.parse(body.toString('utf8')) as Document;
    if (document.Event === 's3:TestEvent') return this.#reach();
    if (document.Event === 'dsom:EventsLost') return this.#options.resync(this.#store.closed);
    const told = toldBy(document);
    if (told.event === 'ObjectRemoved:DeleteMarkerCreated') await this.removed(told.bucket, told.place, told.key);
    else if (!told.event.startsWith('ObjectRemoved:'))
      await this.made(told.bucket, told.place, told.key, told.versionId, told.event.startsWith('ObjectTagging:'));
  }

  async close(): Promise<void> {
    this.#store.close();
  }

  /** In the words of AWS, what a bucket of the store lacks to be replicated to; undefined: nothing. */
  async lacks(bucket: string): Promise<string | undefined> {
    const what = `a look at the bucket ${bucket}`;
    const answer = await this.#store.send({ method: 'GET', bucket, query: [['versioning', '']] });
    if (answer.status === 404 && codeOf(answer.text) === 'NoSuchBucket') return 'Destination bucket must exist.';
    if (answer.status !== 200) throw failureOf(what, answer);
    return /<Status>\s*Enabled\s*<\/Status>/.test(answer.text)
      ? undefined
      : 'Destination bucket must have versioning enabled.';
  }

  /** Whether the store answers at all and knows the key. */
  async #reach(): Promise<void> {
    const answer = await this.#store.send({ method: 'GET', bucket: '' });
    // A key may be allowed to write into some buckets only.
    if (answer.status !== 200 && !(answer.status === 403 && codeOf(answer.text) === 'AccessDenied'))
      throw failureOf('a list of buckets', answer);
  }

  /** @param tagging only its tags have changed */
  async made(
    bucket: string,
    place: string,
    key: Buffer,
    versionId: string | undefined,
    tagging = false,
  ): Promise<Replicated> {
    const { objects, host, rule: ruleOf } = this.#options;
    const which = { bucket, key, versionId };
    const found = await unlessGone(() => objects.look(which));
    if (!found) return 'left';
    const { version } = found;
    const rule = ruleOf(bucket, place, key.toString('utf8'), version.tags);
    const headers = rule && replicaHeaders(version, rule, host.clock.now());
    if (!headers) return 'left';
    const newest = await this.#newest(bucket, key);
    const isNewest = isSame(newest, version);
    if (tagging && !isNewest) return 'left';
    const there = await this.#head(rule.bucket, key);
    const now = host.clock.now();
    if (isThere(there, version, now)) {
      if (!isNewest || (!tagging && (await this.#isTagged(rule.bucket, key, there, version.tags)))) return 'there';
      await this.#tag(rule.bucket, key, version.tags);
      return 'sent';
    }
    // It came a second time: what came after it is there already.
    if (!isNewest && (newest ? isThere(there, newest, now) : rule.deleteMarkers && isMarker(there))) return 'there';
    const read = await unlessGone(() => objects.read({ ...which, guard: undefined }));
    if (!read) return 'left';
    if (read.archived) throw new RefusalError('it is archived: restore it, and send it again');
    await this.#write(rule.bucket, key, read, headers, conditionOf(there));
    return 'sent';
  }

  async removed(bucket: string, place: string, key: Buffer): Promise<Replicated> {
    const rule = this.#options.rule(bucket, place, key.toString('utf8'), []);
    if (!rule?.deleteMarkers) return 'left';
    // Written again since: what is written comes behind.
    if (await this.#newest(bucket, key)) return 'left';
    const there = await this.#head(rule.bucket, key);
    if (there.status === 404) return 'there';
    const headers = { 'x-dsom-replica': 'true' };
    await this.#doneIf(conditionOf(there), 'a deletion', { method: 'DELETE', bucket: rule.bucket, key, headers });
    return 'sent';
  }

  /** Brings what a key is now there, while events of it may be on their way: what came later is the newest there as well. */
  async settle(bucket: string, place: string, key: Buffer): Promise<Replicated> {
    for (let tries = 1; ; tries++) {
      const now = await this.#newest(bucket, key);
      try {
        const what = now
          ? await this.made(bucket, place, key, versionIdText(now))
          : await this.removed(bucket, place, key);
        if (what !== 'sent' || isSame(now, await this.#newest(bucket, key))) return what;
      } catch (cause) {
        if (!(cause instanceof OvertakenError) || tries >= limits.replicaTries) throw cause;
      }
    }
  }

  /** undefined: there is none, or it is a marker. */
  async #newest(bucket: string, key: Buffer): Promise<ObjectVersion | undefined> {
    return (await unlessGone(() => this.#options.objects.look({ bucket, key, versionId: undefined })))?.version;
  }

  async #head(bucket: string, key: Buffer) {
    const answer = await this.#store.send({ method: 'HEAD', bucket, key });
    if (answer.status !== 200 && answer.status !== 404) throw failureOf('a look at the object', answer);
    return answer;
  }

  /** Whether what is there has these tags. */
  async #isTagged(bucket: string, key: Buffer, there: StoreAnswer, tags: ObjectVersion['tags']): Promise<boolean> {
    if (Number(there.headers['x-amz-tagging-count'] ?? 0) !== tags.length) return false;
    if (tags.length === 0) return true;
    return hasTags(
      await this.#done('a look at the tags', { method: 'GET', bucket, key, query: [['tagging', '']] }),
      tags,
    );
  }

  /** A change that holds only where the key is as it was seen. Stores that know no such thing change it all the same. */
  async #doneIf(condition: Condition, what: string, request: StoreRequest): Promise<StoreAnswer> {
    if (this.#conditional) {
      const answer = await this.#store.send({ ...request, headers: { ...request.headers, ...condition } });
      if (answer.status !== 501) return succeeded(what, answer);
    }
    const answer = await this.#done(what, request);
    this.#conditional = false;
    return answer;
  }

  async #done(what: string, request: StoreRequest): Promise<StoreAnswer> {
    return succeeded(what, await this.#store.send(request));
  }

  #tag(bucket: string, key: Buffer, tags: ObjectVersion['tags']): Promise<unknown> {
    const body = taggingDocument(tags);
    return this.#done('a change of tags', {
      method: 'PUT',
      bucket,
      key,
      query: [['tagging', '']],
      headers: { 'x-dsom-replica': 'true', 'content-md5': digestOf('MD5', body).toString('base64') },
      body,
    });
  }

  async #write(
    bucket: string,
    key: Buffer,
    read: ReadResult,
    headers: Readonly<Record<string, string>>,
    condition: Condition,
  ): Promise<void> {
    const { version } = read;
    const parts = partsOf(version);
    if (parts) return this.#writeParts(bucket, key, read, { headers, condition, sizes: parts });
    const { size, etag, etagParts } = version;
    // Held against its digest where it arrives, whatever happens on the way.
    const md5 = etagParts === 0 ? { 'content-md5': etag.toString('base64') } : {};
    await this.#doneIf(condition, 'a write', {
      method: 'PUT',
      bucket,
      key,
      headers: { ...headers, ...md5 },
      body: { chunks: () => read.open({ start: 0, end: size }), length: size },
    });
  }

  async #writeParts(
    bucket: string,
    key: Buffer,
    read: ReadResult,
    {
      headers,
      condition,
      sizes,
    }: {
      readonly headers: Readonly<Record<string, string>>;
      readonly condition: Condition;
      readonly sizes: readonly number[];
    },
  ): Promise<void> {
    const begun = await this.#done('the beginning of an upload', {
      method: 'POST',
      bucket,
      key,
      query: [['uploads', '']],
      headers,
    });
    const upload = elementOf('the beginning of an upload', begun, 'InitiateMultipartUploadResult', 'UploadId');
    const at = [['uploadId', upload]] as const;
    try {
      let listed = '';
      let start = 0;
      for (const [index, size] of sizes.entries()) {
        const slice = { start, end: start + size };
        const number = String(index + 1);
        const answer = await this.#done('a part', {
          method: 'PUT',
          bucket,
          key,
          query: [['partNumber', number], ...at],
          body: { chunks: () => read.open(slice), length: size },
        });
        listed += `<Part>${element('PartNumber', number)}${element('ETag', answer.headers.etag)}</Part>`;
        start = slice.end;
      }
      const what = 'the end of an upload';
      const answer = await this.#doneIf(condition, what, {
        method: 'POST',
        bucket,
        key,
        query: at,
        headers: { 'x-dsom-replica': 'true' },
        body: Buffer.from(
          `<CompleteMultipartUpload xmlns="http://s3.amazonaws.com/doc/2006-03-01/">${listed}</CompleteMultipartUpload>`,
          'utf8',
        ),
      });
      const etag = elementOf(what, answer, 'CompleteMultipartUploadResult', 'ETag');
      const { version } = read;
      // With a key of its KMS a store may give ETags that say nothing of the bytes.
      const kms = String(answer.headers['x-amz-server-side-encryption'] ?? '').startsWith('aws:kms');
      if (version.etagParts > 0 && sizes === version.partSizes && !kms && etag !== etagText(version))
        throw new Error(`the parts have arrived as ${etag}, and are ${etagText(version)}`);
    } catch (cause) {
      await this.#store.send({ method: 'DELETE', bucket, key, query: at }).catch(() => {});
      throw cause;
    }
  }
}
