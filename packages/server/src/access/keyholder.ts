import { hash } from 'node:crypto';
import type { MacKey } from '../codec/index.ts';
import { FifoMap } from '../fifo.ts';
import { limits } from '../limits.ts';
import type { AccessKeyRecord } from '../metadata/index.ts';
import type { ClaimScope } from './claim.ts';
import type { Session } from './identities/index.ts';
import { deriveSigningKey } from './signature.ts';

interface Held<Key> {
  /** The sealed secret it came from, or that of a session: a key made again under the same id has another one. */
  readonly sealed: Buffer;
  readonly key: Key;
}

const derived = (secret: string, { date, region, service }: ClaimScope): MacKey =>
  deriveSigningKey(secret, date, region, service);

/**
 * Derived keys, bounded, so that a secret is opened once a day and not once a request. Secrets themselves are not kept, but those of sessions, which their tokens hold.
 * Whoever uses a held key has just read the record, so a revoked key stops at once.
 */
export class Keyholder {
  readonly #open: (record: AccessKeyRecord) => Promise<string>;
  readonly #signing = new FifoMap<string, Held<MacKey>>(limits.signingKeys);
  readonly #bearers = new FifoMap<string, Held<Buffer>>(limits.signingKeys);

  constructor(open: (record: AccessKeyRecord) => Promise<string>) {
    this.#open = open;
  }

  /** The key that signs in a scope; a promise only when the secret has to be opened. @param record of the access key that the scope names */
  signingKey(record: AccessKeyRecord, scope: ClaimScope): MacKey | Promise<MacKey> {
    return this.#get(this.#signing, scope.signer, record, (secret) => derived(secret, scope));
  }

  /** The same for temporary credentials, whose secret is at hand and never changes. */
  sessionKey(session: Session, scope: ClaimScope): MacKey {
    const name = scope.signer;
    const sealed = Buffer.from(session.secretAccessKey);
    const held = this.#signing.get(name);
    if (held?.sealed.equals(sealed)) return held.key;
    const key = derived(session.secretAccessKey, scope);
    this.#signing.set(name, { sealed, key });
    return key;
  }

  /** SHA-256 of the secret, for comparison with a bearer's. */
  bearerHash(record: AccessKeyRecord): Buffer | Promise<Buffer> {
    return this.#get(this.#bearers, record.id, record, (secret) => hash('sha256', secret, 'buffer'));
  }

  #get<Key>(
    held: FifoMap<string, Held<Key>>,
    name: string,
    record: AccessKeyRecord,
    make: (secret: string) => Key,
  ): Key | Promise<Key> {
    const found = held.get(name);
    if (found?.sealed.equals(record.sealedSecret)) return found.key;
    return this.#open(record).then((secret) => {
      const key = make(secret);
      held.set(name, { sealed: record.sealedSecret, key });
      return key;
    });
  }
}
