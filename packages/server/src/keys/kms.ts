import { StoreError } from '../errors.ts';
import { FifoMap } from '../fifo.ts';
import type { Entropy } from '../host/index.ts';
import { invariant } from '../invariant.ts';
import { limits } from '../limits.ts';
import { isBlank, keyBytes } from './box.ts';
import type { KeyService, KmsKeys, OpenKmsKey } from './types.ts';

const contextOf = (id: string, version: number): Buffer => Buffer.from(`dsom kms key 1\0${id}\0${version}`, 'utf8');

interface Kept {
  readonly wrapped: Buffer;
  readonly key: OpenKmsKey;
}

class KeptKmsKeys implements KmsKeys {
  readonly #service: KeyService;
  readonly #entropy: Entropy;
  readonly #kept = new FifoMap<string, Kept>(limits.openKmsKeys);

  constructor(service: KeyService, entropy: Entropy) {
    this.#service = service;
    this.#entropy = entropy;
  }

  create(id: string, version: number): Promise<Buffer> {
    const key = this.#entropy.bytes(keyBytes);
    invariant(!isBlank(key), 'a version of a named key is 32 random bytes');
    return this.#service.wrap(key, contextOf(id, version));
  }

  opened(id: string, version: number, wrapped: Buffer): OpenKmsKey | undefined {
    const kept = this.#kept.get(`${id} ${version}`);
    return kept?.wrapped.equals(wrapped) ? kept.key : undefined;
  }

  async open(id: string, version: number, wrapped: Buffer): Promise<OpenKmsKey> {
    const kept = this.opened(id, version, wrapped);
    if (kept) return kept;
    const plain = await this.#service.unwrap(wrapped, contextOf(id, version));
    if (plain.length !== keyBytes || isBlank(plain))
      throw new StoreError('AccessDenied', { message: `Version ${version} of the key ${id} cannot be opened.` });
    const key = { id, version, key: plain };
    this.#kept.set(`${id} ${version}`, { wrapped: Buffer.from(wrapped), key });
    return key;
  }
}

/** Named keys wrapped by `service`. */
export const kmsKeys = (service: KeyService, entropy: Entropy): KmsKeys => new KeptKmsKeys(service, entropy);
