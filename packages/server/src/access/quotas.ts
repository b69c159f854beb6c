import { StoreError } from '../errors.ts';
import type { MetadataReader, Proposer, Quota, QuotaSubject, Usage } from '../metadata/index.ts';
import type { Administration } from './identities/index.ts';

/** What a quota is of, by its name. */
export type QuotaHolder =
  | { readonly bucket: string }
  | { readonly tenant: string }
  /** `tenant`: the first account when left out. */
  | { readonly user: string; readonly tenant?: string | undefined };

export interface QuotaStatus {
  readonly holder: QuotaHolder;
  /** Empty where there is none. */
  readonly quota: Quota;
  readonly usage: Usage;
}

/** Quotas by the names of what they are of, whatever API asks. Who may was asked before. */
export class Quotas {
  readonly #reader: Pick<MetadataReader, 'bucket' | 'bucketById' | 'quotas'>;
  readonly #proposer: Proposer;
  readonly #accounts: Pick<Administration, 'account' | 'get' | 'identities'>;

  constructor(
    reader: Pick<MetadataReader, 'bucket' | 'bucketById' | 'quotas'>,
    proposer: Proposer,
    accounts: Pick<Administration, 'account' | 'get' | 'identities'>,
  ) {
    this.#reader = reader;
    this.#proposer = proposer;
    this.#accounts = accounts;
  }

  /** @throws StoreError NoSuchBucket, NoSuchEntity */
  of(holder: QuotaHolder): QuotaStatus {
    return this.#status(this.#subject(holder));
  }

  /** @param quota in the place of what was there; null: there is none any more. @throws StoreError NoSuchBucket, NoSuchEntity, InvalidArgument */
  async set(holder: QuotaHolder, quota: Quota | null): Promise<QuotaStatus> {
    const subject = this.#subject(holder);
    await this.#proposer.propose({ type: 'quota.write', subject, quota });
    return this.#status(subject);
  }

  /** Those that there are: buckets in the order in which they were made, then tenants, then users. */
  list(
    after: QuotaHolder | undefined,
    limit: number,
  ): { readonly items: readonly QuotaStatus[]; readonly truncated: boolean } {
    const { items, truncated } = this.#reader.quotas.list(after && this.#subject(after), limit);
    return { items: items.map(({ subject }) => this.#status(subject)), truncated };
  }

  #subject(holder: QuotaHolder): QuotaSubject {
    if ('user' in holder) {
      const { id } = this.#accounts.account(holder.tenant);
      return { kind: 'user', user: this.#accounts.get(id, 'user', holder.user).id };
    }
    if ('tenant' in holder) return { kind: 'tenant', account: this.#accounts.account(holder.tenant).id };
    const bucket = this.#reader.bucket(holder.bucket);
    if (!bucket) throw new StoreError('NoSuchBucket', { resource: holder.bucket });
    return { kind: 'bucket', bucket: bucket.id };
  }

  #status(subject: QuotaSubject): QuotaStatus {
    const { quotas } = this.#reader;
    return { holder: this.#holder(subject), quota: quotas.of(subject) ?? {}, usage: quotas.usage(subject) };
  }

  #holder(subject: QuotaSubject): QuotaHolder {
    if (subject.kind === 'bucket') return { bucket: this.#reader.bucketById(subject.bucket)?.name ?? '' };
    if (subject.kind === 'tenant') return { tenant: this.#accounts.account(subject.account).name };
    const user = this.#accounts.identities.identity(subject.user);
    return { user: user?.name ?? '', tenant: user && this.#accounts.account(user.account).name };
  }
}
