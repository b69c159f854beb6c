import type { KeyUse } from '../memos.ts';
import type { AccountRecord, IdentityRecord } from './identities.ts';
import type { RateCommand } from './rates.ts';
import type { AccessKeyRecord } from './records.ts';

/** What may be asked about accounts, identities and access keys; decide-identities.ts says what is refused. */
export type IdentityCommand =
  | RateCommand
  /** `createdMs` is decided. @throws StoreError EntityAlreadyExists (id, canonical id or name); LimitExceeded */
  | { readonly type: 'account.create'; readonly account: Omit<AccountRecord, 'createdMs'> }
  /** @throws StoreError NoSuchEntity; DeleteConflict while it owns a bucket, a key, or an identity */
  | { readonly type: 'account.remove'; readonly id: string }
  /**
   * A new identity (`revision` 0), or one in the place of that with the same id, which must have this revision. Revision and, of a new one, the time of
   * its creation are decided; the access keys of a user stay as they are.
   * @throws StoreError EntityAlreadyExists; NoSuchEntity (itself, a policy or a group); ConcurrentModification; LimitExceeded
   */
  | { readonly type: 'identity.write'; readonly identity: IdentityRecord }
  /** @throws StoreError NoSuchEntity; ConcurrentModification; DeleteConflict while something uses it or belongs to it */
  | { readonly type: 'identity.remove'; readonly id: string; readonly revision: number }
  | { readonly type: 'key.create'; readonly record: Omit<AccessKeyRecord, 'createdMs'> }
  | { readonly type: 'key.revoke'; readonly id: string }
  /** Of keys that are there; the later use of a key stays. */
  | { readonly type: 'key.used'; readonly uses: readonly (KeyUse & { readonly id: string })[] }
  /** @throws StoreError NoSuchEntity where the key is gone, or is no user's */
  | { readonly type: 'key.update'; readonly id: string; readonly status: 'active' | 'inactive' };
