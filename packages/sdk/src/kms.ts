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

/** The master key, which seals keys of buckets and all secrets that the store keeps. It never leaves the servers. */
export interface MasterKeyStatus {
  /** Of the newest one, from 1. */
  readonly number: number;
  /** `sealed`: no rotation is under way. */
  readonly state: 'spreading' | 'sealing' | 'resealing' | 'sealed' | 'removing';
  /** Of the first one that was not removed. */
  readonly oldest: number;
  /** How much was sealed by older ones than the newest: by what it is, and in all. */
  readonly hanging: Readonly<Record<string, number>> & { readonly total: number };
  /** Ids of the nodes that have not done yet what the state asks for. */
  readonly waitsFor: readonly string[];
  /** From when on the older ones can be removed without ending a session; undefined: there are none, or a rotation is under way. */
  readonly removableAt: Date | undefined;
}

const masterKeyOf = (row: Json): MasterKeyStatus => ({
  number: Number(row['number']),
  state: textField(row, 'state') as MasterKeyStatus['state'],
  oldest: Number(row['oldest']),
  hanging: row['hanging'] as MasterKeyStatus['hanging'],
  waitsFor: listField(row, 'waitsFor') as unknown as readonly string[],
  removableAt: timeField(row, 'removableAt'),
});

const masterKeyPath = '/-/admin/v1/master-key';

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

  masterKey(options: CallOptions = {}): Promise<MasterKeyStatus> {
    const read = async (response: Parameters<typeof readJson>[0]) => masterKeyOf(await readJson<Json>(response));
    return this.#transport.send({ ...options, method: 'GET', path: masterKeyPath, read });
  }

  /** Begins to put a new master key in the place of the present one. */
  rotateMasterKey(options: CallOptions = {}): Promise<MasterKeyStatus> {
    return this.#change({ action: 'rotate' }, options);
  }

  /** Begins to remove the older master keys, on which nothing may hang any more. `endSessions`: also while temporary credentials may be good that they sealed. */
  removeOldMasterKeys(
    how: { readonly endSessions?: boolean } = {},
    options: CallOptions = {},
  ): Promise<MasterKeyStatus> {
    return this.#change({ action: 'remove', endSessions: how.endSessions === true }, options);
  }

  #change(body: object, options: CallOptions): Promise<MasterKeyStatus> {
    return this.#send(masterKeyPath, body, options, masterKeyOf);
  }

  #post(action: string, body: object, options: CallOptions): Promise<KmsKey> {
    return this.#send(restPath('kms', action), body, options, keyOf);
  }

  #send<Result>(path: string, body: object, options: CallOptions, resultOf: (answer: Json) => Result): Promise<Result> {
    return this.#transport.send({
      ...options,
      method: 'POST',
      path,
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
      repeatable: false,
      read: async (response) => resultOf(await readJson<Json>(response)),
    });
  }
}
