import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { Answer } from './answer.ts';
import { type Account, type Draft, type Endpoint, exchange, md5, pathOf, type Signing, sign } from './client.ts';
import { header, ok } from './expect.ts';
import { all, escapeXml, find } from './xml.ts';

/** What a store is tested with. */
export interface Store extends Endpoint {
  readonly account: Account;
  readonly second?: Account | undefined;
  /** The second account may make buckets. */
  readonly tenant?: true | undefined;
  /** Name below which buckets stand. */
  readonly domain?: string | undefined;
  /** Name below which buckets are read as websites. */
  readonly website?: string | undefined;
  /** Ids or ARNs of two keys of its KMS. */
  readonly kms?: readonly [string, string] | undefined;
  /** Storage class that is an archive, from which a restore takes minutes at least. */
  readonly archive?: string | undefined;
  /** Its buckets may be replicated to each other. */
  readonly replicates?: true | undefined;
  /** Buckets stay; for stores that are thrown away. */
  readonly keep?: boolean;
}

export interface Options {
  readonly query?: Readonly<Record<string, string>>;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Uint8Array | string;
  readonly signing?: Signing;
}

/** What all cases of a run have together. */
export class Run {
  readonly store: Store;
  /** Steps whose buckets live until the run has ended. */
  readonly keeper: Steps;
  readonly #made = new Map<string, Promise<unknown>>();

  constructor(store: Store) {
    this.store = store;
    this.keeper = new Steps(this);
  }

  /** What is made once under this name. */
  once<Value>(name: string, make: (steps: Steps) => Promise<Value>): Promise<Value> {
    const known = this.#made.get(name) as Promise<Value> | undefined;
    const made = known ?? make(this.keeper);
    this.#made.set(name, made);
    return made;
  }
}

/** What one case does: its requests, and buckets of its own that are removed when it has ended. */
export class Steps {
  readonly store: Store;
  readonly #run: Run;
  readonly #buckets: string[] = [];

  constructor(run: Run) {
    this.#run = run;
    this.store = run.store;
  }

  /** A name that no bucket has. */
  newName(): string {
    return `dsomc-${randomBytes(9).toString('hex')}`;
  }

  /** Sends a request to a path as it is on the wire. */
  async at(method: string, path: string, options: Options = {}): Promise<Answer> {
    const draft: Draft = { method, path, ...options };
    const { sent } = sign(draft, this.store, this.store.account);
    return this.raw(draft, sent);
  }

  /** Sends what was signed before. */
  async raw(draft: Draft, sent: ReturnType<typeof sign>['sent']): Promise<Answer> {
    const reply = await exchange(this.store, sent);
    const query = Object.keys(draft.query ?? {}).join('&');
    return new Answer(sent.method, `${draft.method} ${draft.path}${query ? `?${query}` : ''}`.slice(0, 160), reply);
  }

  /** Sends a request to a bucket, or with a key to an object. */
  send(method: string, bucket: string, key = '', options: Options = {}): Promise<Answer> {
    return this.at(method, pathOf(bucket, key), options);
  }

  /** A new bucket. */
  async bucket(options: Options = {}): Promise<string> {
    const name = this.newName();
    ok(await this.send('PUT', name, '', options));
    this.#buckets.push(name);
    return name;
  }

  /** A new bucket that keeps versions. */
  async versioned(): Promise<string> {
    const bucket = await this.bucket();
    await this.versioning(bucket, 'Enabled');
    return bucket;
  }

  async versioning(bucket: string, status: 'Enabled' | 'Suspended'): Promise<void> {
    ok(
      await this.document(
        'PUT',
        bucket,
        'versioning',
        `<VersioningConfiguration><Status>${status}</Status></VersioningConfiguration>`,
      ),
    );
  }

  /** Remembers a bucket that the case made by itself. */
  mine(bucket: string): string {
    this.#buckets.push(bucket);
    return bucket;
  }

  /** Sends a document to a subresource of a bucket, with the Content-MD5 that several operations want. */
  document(
    method: string,
    bucket: string,
    subresource: string,
    text: string,
    options: Options & { key?: string } = {},
  ): Promise<Answer> {
    return this.send(method, bucket, options.key ?? '', {
      ...options,
      query: { [subresource]: '', ...options.query },
      body: text,
      headers: { 'content-md5': md5(text).toString('base64'), ...options.headers },
    });
  }

  /** Writes an object. @returns the answer, which was 200 and names the object's ETag */
  async put(
    bucket: string,
    key: string,
    body: Uint8Array | string = 'content',
    headers: Readonly<Record<string, string>> = {},
  ): Promise<Answer> {
    return header(ok(await this.send('PUT', bucket, key, { body, headers })), 'etag', /^".+"$/);
  }

  get(bucket: string, key: string, options: Options = {}): Promise<Answer> {
    return this.send('GET', bucket, key, options);
  }

  head(bucket: string, key: string, options: Options = {}): Promise<Answer> {
    return this.send('HEAD', bucket, key, options);
  }

  remove(bucket: string, key: string, options: Options = {}): Promise<Answer> {
    return this.send('DELETE', bucket, key, options);
  }

  /** The same thing for all cases that name it: made once, given to all; it is not to be changed. */
  shared<Value>(name: string, make: (steps: Steps) => Promise<Value>): Promise<Value> {
    return this.#run.once(name, make);
  }

  /** Waits until the next second: dates in HTTP have no parts of one. */
  nextSecond(): Promise<void> {
    return sleep(1050 - (Date.now() % 1000));
  }

  /** Removes the buckets of this case and what is in them. */
  async clean(): Promise<void> {
    for (const bucket of this.#buckets.splice(0)) if (!this.store.keep) await this.#empty(bucket);
  }

  async #empty(bucket: string): Promise<void> {
    for (let round = 0; round < 20; round++) {
      const gone = await this.send('DELETE', bucket);
      if (gone.code !== 'BucketNotEmpty') return;
      const uploads = await this.send('GET', bucket, '', { query: { uploads: '', 'encoding-type': 'url' } });
      for (const upload of all(uploads.xml, 'Upload'))
        await this.at('DELETE', `/${bucket}/${find(upload, 'Key')?.text.replaceAll('+', '%20')}`, {
          query: { uploadId: find(upload, 'UploadId')?.text ?? '' },
        });
      const listed = await this.send('GET', bucket, '', { query: { versions: '', 'encoding-type': 'url' } });
      const versions = [...all(listed.xml, 'Version'), ...all(listed.xml, 'DeleteMarker')].map((one) => ({
        key: (find(one, 'Key')?.text ?? '').replaceAll('+', '%20'),
        versionId: find(one, 'VersionId')?.text ?? 'null',
      }));
      // XML cannot carry every key.
      const [odd, plain] = [
        versions.filter(({ key }) => /%[01][0-9A-F]/.test(key)),
        versions.filter(({ key }) => !/%[01][0-9A-F]/.test(key)),
      ];
      for (const { key, versionId } of odd) await this.at('DELETE', `/${bucket}/${key}`, { query: { versionId } });
      const rows = plain.map(
        ({ key, versionId }) =>
          `<Object><Key>${escapeXml(decodeURIComponent(key))}</Key><VersionId>${versionId}</VersionId></Object>`,
      );
      if (rows.length > 0)
        await this.document('POST', bucket, 'delete', `<Delete><Quiet>true</Quiet>${rows.join('')}</Delete>`);
    }
  }
}
