import { type Json, listField, textField, timeField } from './description.ts';
import { type CallOptions, readJson, readNothing, type Transport } from './request.ts';

/** Whom a limit is for: a tenant by name or account, an access key, or each address that sends requests without credentials. */
export type LimitSubject = { readonly tenant: string } | { readonly key: string } | { readonly anonymous: true };

/** What may be asked; what is left out has no limit. */
export interface LimitFigures {
  readonly requestsPerSecond?: number | undefined;
  /** Of bodies of requests. */
  readonly bytesInPerSecond?: number | undefined;
  /** Of bodies of answers. */
  readonly bytesOutPerSecond?: number | undefined;
  /** Requests under way at the same time. */
  readonly concurrentRequests?: number | undefined;
  /** Connections open at the same time, to each node; of tenants only. */
  readonly connections?: number | undefined;
}

export interface Limit extends LimitFigures {
  readonly subject: LimitSubject;
  /** Of a tenant: 12 digits. */
  readonly account: string | undefined;
  readonly changedAt: Date | undefined;
}

const limitsPath = '/-/admin/v1/limits';

const number = (row: Json, name: string): number | undefined => {
  const value = row[name];
  return typeof value === 'number' ? value : undefined;
};

function limitOf(row: Json): Limit {
  const tenant = textField(row, 'tenant');
  const key = textField(row, 'key');
  return {
    subject: tenant !== undefined ? { tenant } : key !== undefined ? { key } : { anonymous: true },
    account: textField(row, 'account'),
    requestsPerSecond: number(row, 'requestsPerSecond'),
    bytesInPerSecond: number(row, 'bytesInPerSecond'),
    bytesOutPerSecond: number(row, 'bytesOutPerSecond'),
    concurrentRequests: number(row, 'concurrentRequests'),
    connections: number(row, 'connections'),
    changedAt: timeField(row, 'changedAt'),
  };
}

function pathOf(subject: LimitSubject): string {
  if ('tenant' in subject) return `${limitsPath}/tenants/${encodeURIComponent(subject.tenant)}`;
  return 'key' in subject ? `${limitsPath}/keys/${encodeURIComponent(subject.key)}` : `${limitsPath}/anonymous`;
}

/** Limits of rates, set by whoever administers the server: `client.limits`. */
export class Limits {
  readonly #transport: Transport;

  constructor(transport: Transport) {
    this.#transport = transport;
  }

  async list(options: CallOptions = {}): Promise<readonly Limit[]> {
    const answer = await this.#transport.send({ ...options, method: 'GET', path: limitsPath, read: readJson<Json> });
    return listField(answer, 'limits').map(limitOf);
  }

  /** What a subject may from now on, in the place of what was set before. */
  async set(subject: LimitSubject, figures: LimitFigures, options: CallOptions = {}): Promise<Limit> {
    const row = await this.#transport.send({
      ...options,
      method: 'PUT',
      path: pathOf(subject),
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(figures),
      read: readJson<Json>,
    });
    return limitOf(row);
  }

  clear(subject: LimitSubject, options: CallOptions = {}): Promise<void> {
    return this.#transport.send({ ...options, method: 'DELETE', path: pathOf(subject), read: readNothing });
  }
}
