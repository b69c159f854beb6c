import { type Json, listField, numberField, recordField, textField, timeField } from './description.ts';
import { restPath } from './encode.ts';
import { DsomError } from './error.ts';
import type { Policy } from './put.ts';
import { type CallOptions, readJson, readNothing, type Transport } from './request.ts';
import type { Consistency } from './session.ts';

export type Versioning = 'off' | 'enabled' | 'suspended';

export interface BucketInfo {
  readonly name: string;
  readonly createdAt: Date | undefined;
  readonly versioning: Versioning;
  readonly consistency: Consistency;
  readonly redundancy: Policy | undefined;
  readonly tags: Readonly<Record<string, string>>;
  /** Objects whose newest version is not a delete marker. */
  readonly objects: number;
  /** All versions and markers. */
  readonly versions: number;
  /** Bytes of all versions. */
  readonly bytes: number;
}

/** What can be set on a bucket; what is left out stays as it is. */
export interface BucketSettings {
  readonly versioning?: Versioning | undefined;
  readonly consistency?: Consistency | undefined;
  readonly redundancy?: Policy | null | undefined;
  readonly tags?: Readonly<Record<string, string>> | undefined;
}

/** As {@link BucketSettings}, for a bucket that is there. */
export interface BucketChange extends BucketSettings {
  /** Tags to set, or with null to remove; the others stay, and no change of the same moment is lost. */
  readonly tagChange?: Readonly<Record<string, string | null>> | undefined;
}

const path = (name: string) => restPath('buckets', name);
const json = { 'content-type': 'application/json' };

function bucketOf(row: Json): BucketInfo {
  return {
    name: textField(row, 'name') ?? '',
    createdAt: timeField(row, 'createdAt'),
    versioning: (textField(row, 'versioning') ?? 'off') as Versioning,
    consistency: (textField(row, 'consistency') ?? 'strong') as Consistency,
    redundancy: (row['redundancy'] as Policy | null | undefined) ?? undefined,
    tags: recordField(row, 'tags') ?? {},
    objects: numberField(row, 'objects') ?? 0,
    versions: numberField(row, 'versions') ?? 0,
    bytes: numberField(row, 'bytes') ?? 0,
  };
}

/** Buckets: `client.buckets`. */
export class Buckets {
  readonly #transport: Transport;

  constructor(transport: Transport) {
    this.#transport = transport;
  }

  /** @throws DsomError BucketAlreadyOwnedByYou, BucketAlreadyExists, InvalidBucketName */
  async create(name: string, settings: BucketSettings = {}, options: CallOptions = {}): Promise<BucketInfo> {
    try {
      return await this.#transport.send({
        ...options,
        method: 'PUT',
        path: path(name),
        headers: json,
        body: JSON.stringify(settings),
        read: async (response) => bucketOf(await readJson<Json>(response)),
      });
    } catch (cause) {
      // The first try made it and its answer was lost.
      if (cause instanceof DsomError && cause.attempts > 1 && cause.code === 'BucketAlreadyOwnedByYou')
        return this.get(name, options);
      throw cause;
    }
  }

  get(name: string, options: CallOptions = {}): Promise<BucketInfo> {
    return this.#transport.send({
      ...options,
      method: 'GET',
      path: path(name),
      read: async (response) => bucketOf(await readJson<Json>(response)),
    });
  }

  update(name: string, settings: BucketChange, options: CallOptions = {}): Promise<BucketInfo> {
    return this.#transport.send({
      ...options,
      method: 'PATCH',
      path: path(name),
      headers: json,
      body: JSON.stringify(settings),
      read: async (response) => bucketOf(await readJson<Json>(response)),
    });
  }

  /** Deletes an empty bucket. @throws DsomError BucketNotEmpty, NoSuchBucket */
  async delete(name: string, options: CallOptions = {}): Promise<void> {
    try {
      await this.#transport.send({ ...options, method: 'DELETE', path: path(name), read: readNothing });
    } catch (cause) {
      if (!(cause instanceof DsomError && cause.attempts > 1 && cause.code === 'NoSuchBucket')) throw cause;
    }
  }

  /** All buckets in the order of their names. */
  async *list(options: CallOptions = {}): AsyncGenerator<BucketInfo> {
    let start: string | undefined;
    do {
      const page: Json = await this.#transport.send({
        ...options,
        method: 'GET',
        path: restPath('buckets'),
        query: { start },
        read: readJson<Json>,
      });
      for (const row of listField(page, 'buckets')) yield bucketOf(row);
      start = textField(page, 'next');
    } while (start !== undefined);
  }
}
