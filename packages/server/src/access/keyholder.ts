import { createSecretKey, hash, type KeyObject } from 'node:crypto';
import { limits } from '../limits.ts';
import type { AccessKeyRecord } from '../metadata/index.ts';
import { deriveSigningKey } from './signature.ts';

interface Held {
  /** The sealed secret it came from: a key made again under the same id has another one. */
  readonly sealed: Buffer;
  readonly key: KeyObject;
}

/**
 * Derived keys, bounded, so that a secret is opened once a day and not once a request. Secrets themselves are not kept.
 * Whoever uses a held key has just read the record, so a revoked key stops at once.
 */
export class Keyholder {
  readonly #open: (record: AccessKeyRecord) => Promise<string>;
  readonly #held = new Map<string, Held>();

  constructor(open: (record: AccessKeyRecord) => Promise<string>) {
    this.#open = open;
  }

  /** The key that signs requests of `date` (yyyyMMdd) and `region`; a promise only when the secret has to be opened. */
  signingKey(record: AccessKeyRecord, date: string, region: string): KeyObject | Promise<KeyObject> {
    return this.#get(record, `${date}/${region}`, (secret) => deriveSigningKey(secret, date, region));
  }

  /** SHA-256 of the secret, for comparison with a bearer's. */
  bearerHash(record: AccessKeyRecord): KeyObject | Promise<KeyObject> {
    return this.#get(record, 'bearer', (secret) => createSecretKey(hash('sha256', secret, 'buffer')));
  }

  #get(record: AccessKeyRecord, use: string, make: (secret: string) => KeyObject): KeyObject | Promise<KeyObject> {
    const name = `${use}\0${record.id}`;
    const held = this.#held.get(name);
    if (held?.sealed.equals(record.sealedSecret)) return held.key;
    return this.#open(record).then((secret) => {
      const key = make(secret);
      this.#hold(name, { sealed: record.sealedSecret, key });
      return key;
    });
  }

  /** First in, first out: a hit moves nothing. */
  #hold(name: string, held: Held): void {
    this.#held.delete(name);
    if (this.#held.size >= limits.signingKeys) {
      for (const oldest of this.#held.keys()) {
        this.#held.delete(oldest);
        break;
      }
    }
    this.#held.set(name, held);
  }
}
