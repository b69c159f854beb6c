import type { Entropy } from '../host/index.ts';
import { type KeyService, openSecret, sealSecret } from '../keys/index.ts';
import type { AccessKeyRecord, Metadata } from '../metadata/index.ts';
import type { Config } from './config.ts';

const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567';

/** A new key pair: 20 characters of id and 40 of secret, 5 bits each. */
export function newKeyPair(entropy: Entropy): { readonly accessKeyId: string; readonly secretAccessKey: string } {
  const text = (length: number) => Array.from(entropy.bytes(length), (byte) => alphabet[byte & 31]).join('');
  return { accessKeyId: text(20), secretAccessKey: text(40) };
}

/** The root key of this run. */
export interface RootKey {
  /** Given by the environment: known to this run only, never stored. */
  readonly given: AccessKeyRecord | undefined;
  /** Made and stored by this start: to be printed once. */
  readonly made: { readonly accessKeyId: string; readonly secretAccessKey: string } | undefined;
  /** This node knows no root key: those of the other nodes were given to them alone. */
  readonly lacking: boolean;
}

const rootOwner = 'root';

/** Takes the root key from the configuration, or makes one when the store has none, and no other nodes. */
export async function openRootKey(
  config: Config,
  metadata: Metadata,
  service: KeyService,
  host: { readonly entropy: Entropy; readonly now: number },
): Promise<RootKey> {
  const record = async (id: string, secret: string): Promise<AccessKeyRecord> => ({
    id,
    sealedSecret: await sealSecret(service, id, secret),
    owner: rootOwner,
    name: 'root',
    createdMs: host.now,
    role: 'root',
    buckets: [],
  });
  if (config.rootAccessKeyId !== undefined && config.rootSecretAccessKey !== undefined)
    return { given: await record(config.rootAccessKeyId, config.rootSecretAccessKey), made: undefined, lacking: false };
  if (metadata.reader.accessKeys().some((key) => key.role === 'root' && key.account === undefined))
    return { given: undefined, made: undefined, lacking: false };
  // A node that joins makes none: whoever runs the cluster gave his own to the others, and would have another one that he never asked for, on all of them.
  if (metadata.reader.nodes().length > 1) return { given: undefined, made: undefined, lacking: true };
  const made = newKeyPair(host.entropy);
  await metadata.propose({ type: 'key.create', record: await record(made.accessKeyId, made.secretAccessKey) });
  return { given: undefined, made, lacking: false };
}

/** The root key that the environment gave this run, as one thread has it: no row has it, so nobody else seals it anew when the master key is rotated. */
export class GivenRoot {
  readonly #service: KeyService;
  #record: AccessKeyRecord | undefined;

  constructor(service: KeyService, record: AccessKeyRecord | undefined) {
    this.#service = service;
    this.#record = record;
  }

  named(id: string): AccessKeyRecord | undefined {
    return this.#record?.id === id ? this.#record : undefined;
  }

  async rekey(): Promise<void> {
    const record = this.#record;
    if (!record) return;
    const secret = await openSecret(this.#service, record.id, record.sealedSecret);
    this.#record = { ...record, sealedSecret: await sealSecret(this.#service, record.id, secret) };
  }
}
