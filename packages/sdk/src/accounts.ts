import { type Json, listField, textField, timeField } from './description.ts';
import { restPath } from './encode.ts';
import { type CallOptions, readJson, readNothing, type Transport } from './request.ts';

/** What owns buckets and users. */
export interface Tenant {
  readonly name: string;
  /** 12 digits. */
  readonly account: string;
  /** How S3 names it as an owner: 64 hexadecimal digits. */
  readonly canonicalId: string;
  readonly createdAt: Date | undefined;
}

export interface User {
  readonly name: string;
  readonly tenant: string;
  readonly account: string;
  /** Of his account. */
  readonly canonicalId: string;
  readonly arn: string;
  readonly id: string;
  readonly email: string;
  /** ARNs of managed policies. */
  readonly policies: readonly string[];
  readonly accessKeyIds: readonly string[];
  readonly createdAt: Date | undefined;
}

/** A user just made: the only time that the secret of his key can be seen. */
export interface CreatedUser extends User {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
}

export interface CreateUserRequest {
  readonly name: string;
  /** Name of a tenant, or its account; the first account when left out. */
  readonly tenant?: string | undefined;
  readonly email?: string | undefined;
  /** Managed policies: names or ARNs. */
  readonly policies?: readonly string[] | undefined;
  /** Keys that clients have already; made by the server when not given. */
  readonly accessKeyId?: string | undefined;
  readonly secretAccessKey?: string | undefined;
}

const tenantOf = (row: Json): Tenant => ({
  name: textField(row, 'name') ?? '',
  account: textField(row, 'account') ?? '',
  canonicalId: textField(row, 'canonicalId') ?? '',
  createdAt: timeField(row, 'createdAt'),
});

const userOf = (row: Json): User => ({
  name: textField(row, 'name') ?? '',
  tenant: textField(row, 'tenant') ?? '',
  account: textField(row, 'account') ?? '',
  canonicalId: textField(row, 'canonicalId') ?? '',
  arn: textField(row, 'arn') ?? '',
  id: textField(row, 'id') ?? '',
  email: textField(row, 'email') ?? '',
  policies: (row['policies'] as string[] | undefined) ?? [],
  accessKeyIds: (row['accessKeyIds'] as string[] | undefined) ?? [],
  createdAt: timeField(row, 'createdAt'),
});

/** Tenants: `client.tenants`. */
export class Tenants {
  readonly #transport: Transport;

  constructor(transport: Transport) {
    this.#transport = transport;
  }

  create(name: string, options: CallOptions = {}): Promise<Tenant> {
    return this.#transport.send({
      ...options,
      method: 'POST',
      path: restPath('tenants'),
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ name }),
      repeatable: false,
      read: async (response) => tenantOf(await readJson<Json>(response)),
    });
  }

  async list(options: CallOptions = {}): Promise<Tenant[]> {
    const read = readJson<Json>;
    const page = await this.#transport.send({ ...options, method: 'GET', path: restPath('tenants'), read });
    return listField(page, 'tenants').map(tenantOf);
  }

  /** Refused while the tenant owns anything. */
  async delete(name: string, options: CallOptions = {}): Promise<void> {
    await this.#transport.send({ ...options, method: 'DELETE', path: restPath('tenants', name), read: readNothing });
  }
}

/** Users of tenants: `client.users`. What is not here is IAM's, which any client of AWS speaks. */
export class Users {
  readonly #transport: Transport;

  constructor(transport: Transport) {
    this.#transport = transport;
  }

  create(request: CreateUserRequest, options: CallOptions = {}): Promise<CreatedUser> {
    return this.#transport.send({
      ...options,
      method: 'POST',
      path: restPath('users'),
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(request),
      repeatable: false,
      async read(response) {
        const row = await readJson<Json>(response);
        const [accessKeyId, secretAccessKey] = ['accessKeyId', 'secretAccessKey'].map(
          (name) => textField(row, name) ?? '',
        );
        return { ...userOf(row), accessKeyId: accessKeyId as string, secretAccessKey: secretAccessKey as string };
      },
    });
  }

  /** @param tenant name of one, or its account; the first account when left out */
  async list(tenant?: string, options: CallOptions = {}): Promise<User[]> {
    const query = tenant === undefined ? {} : { query: { tenant } };
    const read = readJson<Json>;
    const page = await this.#transport.send({ ...options, ...query, method: 'GET', path: restPath('users'), read });
    return listField(page, 'users').map(userOf);
  }

  /** With his keys, policies and places in groups. */
  async delete(name: string, tenant?: string, options: CallOptions = {}): Promise<void> {
    const query = tenant === undefined ? {} : { query: { tenant } };
    const path = restPath('users', name);
    await this.#transport.send({ ...options, ...query, method: 'DELETE', path, read: readNothing });
  }

  /** @param policies managed policies, names or ARNs: in the place of those he had */
  setPolicies(name: string, policies: readonly string[], tenant?: string, options: CallOptions = {}): Promise<User> {
    return this.#transport.send({
      ...options,
      ...(tenant === undefined ? {} : { query: { tenant } }),
      method: 'PUT',
      path: `${restPath('users', name)}/policies`,
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ policies }),
      repeatable: true,
      read: async (response) => userOf(await readJson<Json>(response)),
    });
  }
}
