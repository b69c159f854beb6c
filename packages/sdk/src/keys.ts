import { type Json, listField, textField, timeField } from './description.ts';
import { restPath } from './encode.ts';
import { type CallOptions, readJson, readNothing, type Transport } from './request.ts';

export interface AccessKey {
  readonly accessKeyId: string;
  readonly name: string;
  readonly role: string;
  /** Buckets that it may touch; empty: all. */
  readonly buckets: readonly string[];
  readonly createdAt: Date | undefined;
  /** Right to a quarter of an hour; undefined: never, as far as the server has written it. */
  readonly lastUsedAt: Date | undefined;
  /** `s3`, `iam` or `sts`. */
  readonly lastUsedService: string | undefined;
}

/** A key just made: the only time that its secret can be seen. */
export interface CreatedKey extends AccessKey {
  readonly secretAccessKey: string;
}

export interface CreateKeyRequest {
  readonly name: string;
  readonly role?: 'readwrite' | 'readonly' | undefined;
  readonly buckets?: readonly string[] | undefined;
  /** Keys that clients have already; made by the server when not given. */
  readonly accessKeyId?: string | undefined;
  readonly secretAccessKey?: string | undefined;
}

function keyOf(row: Json): AccessKey {
  return {
    accessKeyId: textField(row, 'accessKeyId') ?? textField(row, 'id') ?? '',
    name: textField(row, 'name') ?? '',
    role: textField(row, 'role') ?? '',
    buckets: (row['buckets'] as string[] | undefined) ?? [],
    createdAt: timeField(row, 'createdAt'),
    lastUsedAt: timeField(row, 'lastUsedAt'),
    lastUsedService: textField(row, 'lastUsedService'),
  };
}

/** Access keys: `client.keys`. */
export class Keys {
  readonly #transport: Transport;

  constructor(transport: Transport) {
    this.#transport = transport;
  }

  create(request: CreateKeyRequest, options: CallOptions = {}): Promise<CreatedKey> {
    return this.#transport.send({
      ...options,
      method: 'POST',
      path: restPath('keys'),
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(request),
      repeatable: false,
      async read(response) {
        const row = await readJson<Json>(response);
        return { ...keyOf(row), secretAccessKey: textField(row, 'secretAccessKey') ?? '' };
      },
    });
  }

  async list(options: CallOptions = {}): Promise<AccessKey[]> {
    const page = await this.#transport.send({
      ...options,
      method: 'GET',
      path: restPath('keys'),
      read: readJson<Json>,
    });
    return listField(page, 'keys').map(keyOf);
  }

  /** From now on requests signed with this key are refused. */
  async revoke(accessKeyId: string, options: CallOptions = {}): Promise<void> {
    await this.#transport.send({
      ...options,
      method: 'DELETE',
      path: restPath('keys', accessKeyId),
      read: readNothing,
    });
  }
}
