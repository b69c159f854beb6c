import { type Json, listField, textField } from './description.ts';
import { restPath } from './encode.ts';
import { type CallOptions, readJson, readNothing, type Transport } from './request.ts';

/** What a quota is of, by its name. */
export type QuotaHolder =
  | { readonly bucket: string }
  | { readonly tenant: string }
  /** `tenant`: the first account when left out. */
  | { readonly user: string; readonly tenant?: string | undefined };

/** What is undefined is not limited. */
export interface Quota {
  readonly bytes?: number | undefined;
  /** Versions and delete markers. */
  readonly objects?: number | undefined;
}

export interface QuotaStatus {
  readonly kind: 'bucket' | 'tenant' | 'user';
  readonly name: string;
  /** Of a user. */
  readonly tenant?: string | undefined;
  readonly quota: Quota;
  /** Bytes of all versions and of the parts of open uploads; versions and delete markers. */
  readonly usage: { readonly bytes: number; readonly objects: number };
}

function statusOf(row: Json): QuotaStatus {
  const quota = (row['quota'] ?? {}) as Json;
  const usage = (row['usage'] ?? {}) as Json;
  const limit = (name: string): number | undefined =>
    typeof quota[name] === 'number' ? (quota[name] as number) : undefined;
  return {
    kind: row['kind'] === 'tenant' || row['kind'] === 'user' ? row['kind'] : 'bucket',
    name: textField(row, 'name') ?? '',
    ...(row['kind'] === 'user' && { tenant: textField(row, 'tenant') }),
    quota: { bytes: limit('bytes'), objects: limit('objects') },
    usage: { bytes: Number(usage['bytes'] ?? 0), objects: Number(usage['objects'] ?? 0) },
  };
}

/** Where the quota is. */
function placeOf(holder: QuotaHolder): { readonly path: string; readonly query?: { readonly tenant: string } } {
  if ('bucket' in holder) return { path: restPath('quotas', 'buckets', holder.bucket) };
  if (!('user' in holder)) return { path: restPath('quotas', 'tenants', holder.tenant) };
  const path = restPath('quotas', 'users', holder.user);
  return holder.tenant === undefined ? { path } : { path, query: { tenant: holder.tenant } };
}

/** How much buckets, tenants and users may hold, and how much they do: `client.quotas`. */
export class Quotas {
  readonly #transport: Transport;

  constructor(transport: Transport) {
    this.#transport = transport;
  }

  /** Shows what is held without a quota too. */
  get(holder: QuotaHolder, options: CallOptions = {}): Promise<QuotaStatus> {
    return this.#transport.send({
      ...options,
      method: 'GET',
      ...placeOf(holder),
      read: async (response) => statusOf(await readJson<Json>(response)),
    });
  }

  /** In the place of what was there. */
  set(holder: QuotaHolder, quota: Quota, options: CallOptions = {}): Promise<QuotaStatus> {
    return this.#transport.send({
      ...options,
      method: 'PUT',
      ...placeOf(holder),
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(quota),
      repeatable: true,
      read: async (response) => statusOf(await readJson<Json>(response)),
    });
  }

  async clear(holder: QuotaHolder, options: CallOptions = {}): Promise<void> {
    await this.#transport.send({ ...options, method: 'DELETE', ...placeOf(holder), read: readNothing });
  }

  /** All that there are, a page after the other. */
  async *list(options: CallOptions = {}): AsyncGenerator<QuotaStatus> {
    for (let after: string | undefined = ''; after !== undefined; ) {
      const query: { after?: string } = after === '' ? {} : { after };
      const page: Json = await this.#transport.send({
        ...options,
        query,
        method: 'GET',
        path: restPath('quotas'),
        read: readJson<Json>,
      });
      yield* listField(page, 'quotas').map(statusOf);
      after = textField(page, 'next');
    }
  }
}
