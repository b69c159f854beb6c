import { FifoMap } from '../fifo.ts';
import type { Entropy } from '../host/index.ts';
import { invariant } from '../invariant.ts';
import { isBlank, keyBytes } from './box.ts';
import type { KeyService } from './types.ts';

export interface KeptKeysOptions {
  readonly service: KeyService;
  readonly entropy: Entropy;
  /** Opened keys that are kept. */
  readonly most: number;
}

interface Kept<Key> {
  readonly wrapped: Buffer;
  readonly key: Key;
}

/** Keys of 32 random bytes that a service wraps, each by a name of its own; those that were opened are kept in memory, as long as what wraps them is the same. */
export class KeptKeys<Key> {
  readonly #options: KeptKeysOptions;
  readonly #kept: FifoMap<string, Kept<Key>>;

  constructor(options: KeptKeysOptions) {
    this.#options = options;
    this.#kept = new FifoMap(options.most);
  }

  /** @returns a new key, wrapped */
  create(context: Buffer): Promise<Buffer> {
    const { service, entropy } = this.#options;
    const key = entropy.bytes(keyBytes);
    invariant(!isBlank(key), 'a key that others are wrapped by is 32 random bytes');
    return service.wrap(key, context);
  }

  /** The key, when it was opened before and is still kept. */
  opened(name: string, wrapped: Buffer): Key | undefined {
    const kept = this.#kept.get(name);
    return kept?.wrapped.equals(wrapped) ? kept.key : undefined;
  }

  /**
   * @param made what is kept, from the 32 bytes of the key
   * @param refused what is thrown where they are none
   */
  async open(
    name: string,
    wrapped: Buffer,
    context: Buffer,
    made: (plain: Buffer) => Key,
    refused: () => Error,
  ): Promise<Key> {
    const known = this.opened(name, wrapped);
    if (known) return known;
    const plain = await this.#options.service.unwrap(wrapped, context);
    if (plain.length !== keyBytes || isBlank(plain)) throw refused();
    const key = made(plain);
    this.#kept.set(name, { wrapped: Buffer.from(wrapped), key });
    return key;
  }
}
