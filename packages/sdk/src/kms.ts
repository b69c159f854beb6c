import { type Json, listField, textField, timeField } from './description.ts';
import { restPath } from './encode.ts';
import { type CallOptions, readJson, type Transport } from './request.ts';

/** A named key of the server (SSE-KMS). The key itself never leaves it. */
export interface KmsKey {
  readonly id: string;
  readonly arn: string;
  /** `alias/` and its name. */
  readonly alias: string;
  readonly state: 'enabled' | 'disabled';
  /** Each rotation adds one; the newest encrypts. */
  readonly versions: number;
  readonly createdAt: Date | undefined;
}

const keyOf = (row: Json): KmsKey => ({
  id: textField(row, 'id') ?? '',
  arn: textField(row, 'arn') ?? '',
  alias: textField(row, 'alias') ?? '',
  state: textField(row, 'state') === 'enabled' ? 'enabled' : 'disabled',
  versions: Number(row['versions']),
  createdAt: timeField(row, 'createdAt'),
});

/** Named keys: `client.kms`. A key is named by its id, its ARN or `alias/NAME`. */
export class KmsKeys {
  readonly #transport: Transport;

  constructor(transport: Transport) {
    this.#transport = transport;
  }

  create(name: string, options: CallOptions = {}): Promise<KmsKey> {
    return this.#post('keys', { name }, options);
  }

  async list(options: CallOptions = {}): Promise<KmsKey[]> {
    const page = await this.#transport.send({
      ...options,
      method: 'GET',
      path: restPath('kms', 'keys'),
      read: readJson<Json>,
    });
    return listField(page, 'keys').map(keyOf);
  }

  /** From now on nothing is encrypted or opened with it. */
  disable(key: string, options: CallOptions = {}): Promise<KmsKey> {
    return this.#post('disable', { key }, options);
  }

  enable(key: string, options: CallOptions = {}): Promise<KmsKey> {
    return this.#post('enable', { key }, options);
  }

  /** A new version for new objects. */
  rotate(key: string, options: CallOptions = {}): Promise<KmsKey> {
    return this.#post('rotate', { key }, options);
  }

  #post(action: string, body: object, options: CallOptions): Promise<KmsKey> {
    return this.#transport.send({
      ...options,
      method: 'POST',
      path: restPath('kms', action),
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
      repeatable: false,
      read: async (response) => keyOf(await readJson<Json>(response)),
    });
  }
}
