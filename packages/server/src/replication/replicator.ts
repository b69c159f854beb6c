import type { ReplicationRule } from '../api/index.ts';
import { digestOf } from '../codec/index.ts';
import { StoreError } from '../errors.ts';
import type { Host } from '../host/index.ts';
import { invariant } from '../invariant.ts';
import { limits } from '../limits.ts';
import { type ObjectVersion, type ReplicationOutcome, replicatedTo } from '../metadata/index.ts';
import { type Message, RefusalError, type Sender, type TargetSecret } from '../notifications/index.ts';
import { type ObjectService, versionIdText } from '../objects/index.ts';
import { hasTags, isThere, replicaHeaders, taggingDocument } from './replica.ts';
import { type Condition, codeOf, failureOf, OvertakenError, ReplicaStore, type StoreAnswer } from './store.ts';
import { VersionWriter } from './writer.ts';

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
  /** Keeps what has become of a version at a place; resolves when that is durable. */
  readonly note: (noted: {
    readonly bucket: string;
    readonly key: Buffer;
    readonly version: ObjectVersion;
    readonly place: string;
    readonly outcome: ReplicationOutcome;
  }) => Promise<unknown>;
  /** What the log could not keep: all that should be at the store is looked at once more. */
  readonly resync: (signal: AbortSignal) => Promise<void>;
}

/** What became of a version. */
export type Replicated = 'sent' | 'there' | 'left';

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

const documentOf = ({ body }: Message): Document => JSON.parse(body.toString('utf8')) as Document;

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

const conditionOf = ({ status, headers: { etag } }: StoreAnswer): Condition =>
  status === 404 ? { 'if-none-match': '*' } : etag === undefined ? {} : { 'if-match': etag };

const isMarker = ({ status, headers }: StoreAnswer): boolean =>
  status === 404 && headers['x-amz-delete-marker'] === 'true';

export class Replicator implements Sender {
  readonly patient = true;
  readonly #options: ReplicatorOptions;
  readonly #store: ReplicaStore;
  readonly #writer: VersionWriter;

  constructor({ url, keys }: TargetSecret, options: ReplicatorOptions) {
    if (!keys) throw new StoreError('InvalidRequest', { message: 'The store has no keys: define it anew.' });
    this.#options = options;
    this.#store = new ReplicaStore(url, keys, options.host);
    this.#writer = new VersionWriter(this.#store);
  }

  async send(message: Message): Promise<void> {
    const document = documentOf(message);
    if (document.Event === 's3:TestEvent') return this.#reach();
    if (document.Event === 'dsom:EventsLost') return this.#options.resync(this.#store.closed);
    const told = toldBy(document);
    if (told.event === 'ObjectRemoved:DeleteMarkerCreated') await this.removed(told.bucket, told.place, told.key);
    else if (!told.event.startsWith('ObjectRemoved:'))
      await this.made(told.bucket, told.place, told.key, told.versionId, told.event.startsWith('ObjectTagging:'));
  }

  /** It says so itself from now on, until it is sent again after all. */
  async gaveUp(message: Message): Promise<void> {
    const document = documentOf(message);
    if (!document.Records) return;
    const { bucket, key, versionId, event, place } = toldBy(document);
    if (!event.startsWith('ObjectCreated:')) return;
    const found = await unlessGone(() => this.#options.objects.look({ bucket, key, versionId }));
    if (found) await this.#note({ bucket, key, place }, found.version, 'failed');
  }

  /** Nobody brings this version there any more: what is newer is there, or will be. */
  async passedOver(bucket: string, place: string, key: Buffer, version: ObjectVersion): Promise<void> {
    await this.#note({ bucket, key, place }, version, 'left');
  }

  async #note(
    where: { readonly bucket: string; readonly key: Buffer; readonly place: string },
    version: ObjectVersion,
    outcome: ReplicationOutcome,
  ): Promise<void> {
    if (replicatedTo(version.replication, where.place, outcome) === version.replication) return;
    await this.#options.note({ ...where, version, outcome });
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
    const where = { bucket, key, place };
    if (!headers) {
      await this.#note(where, version, 'left');
      return 'left';
    }
    if (tagging && version.replication?.kind === 'replica' && !rule.replicaChanges) return 'left';
    const newest = await this.#newest(bucket, key);
    const isNewest = isSame(newest, version);
    if (tagging && !isNewest) return 'left';
    const there = await this.#head(rule.bucket, key);
    const now = host.clock.now();
    if (isThere(there, version, now)) {
      const done = !isNewest || (!tagging && (await this.#isTagged(rule.bucket, key, there, version.tags)));
      if (!done) await this.#tag(rule.bucket, key, version.tags);
      await this.#note(where, version, 'completed');
      return done ? 'there' : 'sent';
    }
    // It came a second time: what came after it is there already. Whether it came the first time, nobody knows.
    if (!isNewest && (newest ? isThere(there, newest, now) : rule.deleteMarkers && isMarker(there))) {
      await this.#note(where, version, 'left');
      return 'there';
    }
    const read = await unlessGone(() => objects.read({ ...which, guard: undefined }));
    if (!read) return 'left';
    if (read.archived) throw new RefusalError('it is archived: restore it, and send it again');
    await this.#writer.write({ bucket: rule.bucket, key, read, headers, condition: conditionOf(there) });
    // Not before: what it says must be so.
    await this.#note(where, read.version, 'completed');
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
    await this.#store.changed(conditionOf(there), 'a deletion', {
      method: 'DELETE',
      bucket: rule.bucket,
      key,
      headers,
    });
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
        if (cause instanceof RefusalError && now) await this.#note({ bucket, key, place }, now, 'failed');
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
      await this.#store.done('a look at the tags', { method: 'GET', bucket, key, query: [['tagging', '']] }),
      tags,
    );
  }

  #tag(bucket: string, key: Buffer, tags: ObjectVersion['tags']): Promise<unknown> {
    const body = taggingDocument(tags);
    return this.#store.done('a change of tags', {
      method: 'PUT',
      bucket,
      key,
      query: [['tagging', '']],
      headers: { 'x-dsom-replica': 'true', 'content-md5': digestOf('MD5', body).toString('base64') },
      body,
    });
  }
}
