import { StoreError } from '../../errors.ts';
import type { Entropy } from '../../host/index.ts';
import { limits } from '../../limits.ts';
import type {
  AccessKeyRecord,
  AccountRecord,
  IdentityKind,
  IdentityOf,
  IdentityReader,
  IdentityRecord,
  KeyUse,
  MetadataReader,
  Proposer,
  RateFigures,
  RateLimits,
} from '../../metadata/index.ts';
import { canonicalIdOf, firstAccount, ownerOf } from '../account.ts';
import { builtInPolicies, builtInPolicy } from './built-in.ts';

/* What is done to accounts and identities, whatever API it comes by. Who may do it was asked before. */

export interface AdministrationOptions {
  readonly reader: Pick<MetadataReader, 'accessKey' | 'identities' | 'keyUse' | 'rates'>;
  readonly proposer: Proposer;
  readonly sealSecret: (accessKeyId: string, secret: string) => Promise<Buffer>;
  readonly entropy: Entropy;
}

const prefixes: Readonly<Record<IdentityKind, string>> = { user: 'AIDA', group: 'AGPA', role: 'AROA', policy: 'ANPA' };
const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567';

/** What a caller says of a new identity. */
export type IdentityDraft<Kind extends IdentityKind> = Omit<
  IdentityOf<Kind>,
  'kind' | 'id' | 'createdMs' | 'revision' | 'accessKeys'
>;

export interface MadeKey {
  readonly record: AccessKeyRecord;
  readonly secretAccessKey: string;
}

const nouns: Readonly<Record<IdentityKind, string>> = { user: 'user', group: 'group', role: 'role', policy: 'policy' };

export const noSuchEntity = (kind: IdentityKind, name: string): StoreError =>
  new StoreError('NoSuchEntity', { message: `The ${nouns[kind]} with name ${name} cannot be found.` });

const isStale = (error: unknown): boolean => error instanceof StoreError && error.code === 'ConcurrentModification';

export class Administration {
  readonly #options: AdministrationOptions;

  constructor(options: AdministrationOptions) {
    this.#options = options;
  }

  get identities(): IdentityReader {
    return this.#options.reader.identities;
  }

  /** When an access key was used last, as far as that is written. */
  keyUse(id: string): KeyUse | undefined {
    return this.#options.reader.keyUse(id);
  }

  /** So many letters and digits, 5 bits each. */
  random(length: number): string {
    return Array.from(this.#options.entropy.bytes(length), (byte) => alphabet[byte & 31]).join('');
  }

  /** By its name in the case that it was made with: another case is another name, so that no policy is passed by. */
  find<Kind extends IdentityKind>(account: string, kind: Kind, name: string): IdentityOf<Kind> | undefined {
    const found = this.identities.named(account, kind, name);
    return found?.name === name ? found : undefined;
  }

  /** @throws StoreError NoSuchEntity */
  get<Kind extends IdentityKind>(account: string, kind: Kind, name: string): IdentityOf<Kind> {
    const found = this.find(account, kind, name);
    if (!found) throw noSuchEntity(kind, name);
    return found;
  }

  /** @throws StoreError EntityAlreadyExists, LimitExceeded, NoSuchEntity (a policy or group that it names) */
  async create<Kind extends IdentityKind>(kind: Kind, draft: IdentityDraft<Kind>): Promise<IdentityOf<Kind>> {
    // Keys with a scope of their own are users too, called as they are.
    if (kind === 'user' && draft.account === firstAccount && this.key(draft.name))
      throw new StoreError('EntityAlreadyExists', {
        message: `User with name ${draft.name} already exists: it is an access key with that id.`,
      });
    const id = `${prefixes[kind]}${this.random(17)}`;
    const identity = { ...draft, kind, id, createdMs: 0, revision: 0, ...(kind === 'user' && { accessKeys: [] }) };
    await this.#options.proposer.propose({ type: 'identity.write', identity: identity as unknown as IdentityRecord });
    const made = this.identities.identity(id);
    if (made?.kind !== kind) throw new StoreError('InternalError', { message: 'It was made and deleted at once.' });
    return made as IdentityOf<Kind>;
  }

  /** Does something to an identity as it is, again when it changed meanwhile. */
  async #settled<Result>(attempt: () => Promise<Result>): Promise<Result> {
    for (let left: number = limits.identityRetries; ; left--)
      try {
        return await attempt();
      } catch (error) {
        if (left <= 1 || !isStale(error)) throw error;
      }
  }

  /** @param next the record after the change; the same one: nothing is to be done */
  change<Kind extends IdentityKind>(
    account: string,
    kind: Kind,
    name: string,
    next: (before: IdentityOf<Kind>) => IdentityOf<Kind>,
  ): Promise<void> {
    return this.#settled(async () => {
      const before = this.get(account, kind, name);
      const identity = next(before);
      if (identity !== before) await this.#options.proposer.propose({ type: 'identity.write', identity });
    });
  }

  /** @throws StoreError DeleteConflict while it is in use */
  remove(account: string, kind: IdentityKind, name: string): Promise<void> {
    return this.#settled(async () => {
      const { id, revision } = this.get(account, kind, name);
      await this.#options.proposer.propose({ type: 'identity.remove', id, revision });
    });
  }

  /** An access key of a user. `given`: one that clients have already. */
  async createKey(
    account: string,
    userName: string,
    given?: { readonly accessKeyId: string; readonly secretAccessKey: string },
  ): Promise<MadeKey> {
    const user = this.get(account, 'user', userName);
    const { reader, proposer, sealSecret } = this.#options;
    const id = given?.accessKeyId ?? `AKIA${this.random(16)}`;
    const secret = given?.secretAccessKey ?? this.random(40);
    if (reader.accessKey(id))
      throw new StoreError('EntityAlreadyExists', {
        message: `The Access Key with id ${id} already exists. Choose another id, or delete it first.`,
      });
    const sealedSecret = await sealSecret(id, secret);
    const record: Omit<AccessKeyRecord, 'createdMs'> = {
      id,
      sealedSecret,
      owner: ownerOf(account),
      name: userName,
      role: 'readonly',
      buckets: [],
      account,
      user: user.id,
      status: 'active',
    };
    await proposer.propose({ type: 'key.create', record });
    const made = reader.accessKey(id);
    if (!made) throw new StoreError('InternalError', { message: 'The key was made and deleted at once.' });
    return { record: made, secretAccessKey: secret };
  }

  /** An access key, whoever has it. */
  key(id: string): AccessKeyRecord | undefined {
    return this.#options.reader.accessKey(id);
  }

  /** Keys of a user, as they are. */
  keysOf(account: string, userName: string): AccessKeyRecord[] {
    const { accessKeys } = this.get(account, 'user', userName);
    return accessKeys.flatMap((id) => this.#options.reader.accessKey(id) ?? []);
  }

  /** @throws StoreError NoSuchEntity when it is no key of this user */
  #keyOf(account: string, userName: string, id: string): AccessKeyRecord {
    const found = this.keysOf(account, userName).find((key) => key.id === id);
    if (!found) throw new StoreError('NoSuchEntity', { message: `The Access Key with id ${id} cannot be found.` });
    return found;
  }

  async updateKey(account: string, userName: string, id: string, status: 'active' | 'inactive'): Promise<void> {
    this.#keyOf(account, userName, id);
    await this.#options.proposer.propose({ type: 'key.update', id, status });
  }

  async deleteKey(account: string, userName: string, id: string): Promise<void> {
    this.#keyOf(account, userName, id);
    await this.#options.proposer.propose({ type: 'key.revoke', id });
  }

  /** A user with all that is his: keys, policies, places in groups. */
  async removeUser(account: string, name: string): Promise<void> {
    for (const { id } of this.keysOf(account, name)) await this.deleteKey(account, name, id);
    await this.change(account, 'user', name, (user) => ({
      ...user,
      attached: [],
      inline: [],
      groups: [],
      boundary: undefined,
    }));
    await this.remove(account, 'user', name);
  }

  /** The ARN of a managed policy by what an operator calls it: its ARN, its name in the account, or the name of one that every account has. */
  policyNamed(account: string, name: string): string {
    const arn = name.startsWith('arn:')
      ? name
      : this.find(account, 'policy', name)
        ? `arn:aws:iam::${account}:policy${this.get(account, 'policy', name).path}${name}`
        : `arn:aws:iam::aws:policy/${name}`;
    if (!builtInPolicy(arn) && !this.identities.policy(arn))
      throw new StoreError('NoSuchEntity', {
        message: `There is no policy ${name}: make it first, or name one of ${builtInPolicies.map((one) => one.name).join(', ')}.`,
      });
    return arn;
  }

  /** All accounts, the first one included. */
  accounts(): AccountRecord[] {
    const first = { id: firstAccount, canonicalId: canonicalIdOf(firstAccount), name: 'root', createdMs: 0 };
    return [first, ...this.identities.accounts()];
  }

  /** @param name of an account, or its id; absent: the first one. @throws StoreError NoSuchEntity */
  account(name: string | undefined): AccountRecord {
    const all = this.accounts();
    const found = name === undefined ? all[0] : all.find((one) => one.name === name || one.id === name);
    if (!found)
      throw new StoreError('NoSuchEntity', {
        message: `There is no tenant ${name}: make it with \`dsom tenant create\`, or look at \`dsom tenant list\`.`,
      });
    return found;
  }

  /** What tenants, access keys and others may ask, by subject. */
  rates(): readonly RateLimits[] {
    return this.#options.reader.rates();
  }

  /** @throws StoreError InvalidArgument, NotFound, LimitExceeded */
  async setRates(subject: string, figures: RateFigures): Promise<RateLimits> {
    await this.#options.proposer.propose({ type: 'rates.write', subject, figures });
    const made = this.rates().find((one) => one.subject === subject);
    if (!made) throw new StoreError('ConcurrentModification');
    return made;
  }

  /** @throws StoreError NotFound where there is none */
  async clearRates(subject: string): Promise<void> {
    await this.#options.proposer.propose({ type: 'rates.remove', subject });
  }

  async createAccount(name: string): Promise<AccountRecord> {
    if (this.accounts().some((one) => one.name === name))
      throw new StoreError('EntityAlreadyExists', {
        message: `There is a tenant ${name} already: choose another name.`,
      });
    const id = Array.from(this.#options.entropy.bytes(12), (byte, at) => (at === 0 ? 1 + (byte % 9) : byte % 10)).join(
      '',
    );
    await this.#options.proposer.propose({
      type: 'account.create',
      account: { id, canonicalId: canonicalIdOf(id), name },
    });
    return this.account(id);
  }

  async removeAccount(name: string): Promise<void> {
    const { id } = this.account(name);
    if (id === firstAccount)
      throw new StoreError('DeleteConflict', { message: 'The first account belongs to the server itself: it stays.' });
    await this.#options.proposer.propose({ type: 'account.remove', id });
  }
}
