import type { KvReader } from '../../kv/index.ts';
import {
  type AccountRecord,
  decodeAccount,
  decodeIdentity,
  type IdentityKind,
  type IdentityRecord,
  type IdentityUse,
  identityKinds,
  identityUses,
  type ManagedPolicyRecord,
  policyArn,
  type RoleRecord,
  type UserGroupRecord,
  type UserRecord,
} from './identities.ts';
import { keys, tableEnd, tableStart } from './keys.ts';
import { decodeNumber } from './rows.ts';

/** The record of an identity of a kind. */
export type IdentityOf<Kind extends IdentityKind> = {
  readonly user: UserRecord;
  readonly group: UserGroupRecord;
  readonly role: RoleRecord;
  readonly policy: ManagedPolicyRecord;
}[Kind];

const arnForm = /^arn:aws:iam::(\d{12}):policy\/(?:.*\/)?([^/]+)$/;

/** Accounts and identities as values: what deciding, applying and readers look at. */
export class IdentityView {
  readonly #rows: KvReader;

  constructor(rows: KvReader) {
    this.#rows = rows;
  }

  account(id: string): AccountRecord | undefined {
    const row = this.#rows.get(keys.account(id));
    return row && decodeAccount(row);
  }

  accounts(): AccountRecord[] {
    const range = { start: tableStart('accounts'), end: tableEnd('accounts') };
    return Array.from(this.#rows.range(range), ({ value }) => decodeAccount(value));
  }

  /** By the id that is never used again. */
  identity(id: string): IdentityRecord | undefined {
    const row = this.#rows.get(keys.identity(id));
    return row && decodeIdentity(row);
  }

  /** By its name, in whatever case: who shows it to somebody compares. */
  named<Kind extends IdentityKind>(account: string, kind: Kind, name: string): IdentityOf<Kind> | undefined {
    const id = this.#rows.get(keys.identityName(account, identityKinds.indexOf(kind), name));
    const found = id && this.identity(id.toString());
    return found?.kind === kind ? (found as IdentityOf<Kind>) : undefined;
  }

  /** A managed policy of an account. */
  policy(arn: string): ManagedPolicyRecord | undefined {
    const [, account, name] = arnForm.exec(arn) ?? [];
    const found = account === undefined || name === undefined ? undefined : this.named(account, 'policy', name);
    return found && policyArn(found) === arn ? found : undefined;
  }

  /** Of one account and kind in order of name, those behind `after`. */
  identities<Kind extends IdentityKind>(
    account: string,
    kind: Kind,
    after: string,
    limit: number,
  ): { readonly items: readonly IdentityOf<Kind>[]; readonly truncated: boolean } {
    const number = identityKinds.indexOf(kind);
    const start =
      after === '' ? keys.identityName(account, number, '') : keys.identityNameBehind(account, number, after);
    const range = { start, end: keys.identityNamesEnd(account, number), limit: limit + 1 };
    const items: IdentityOf<Kind>[] = [];
    for (const { value } of this.#rows.range(range)) {
      if (items.length === limit) return { items, truncated: true };
      const found = this.identity(value.toString());
      // Of two reads the first may see one that is gone for the second.
      if (found?.kind === kind) items.push(found as IdentityOf<Kind>);
    }
    return { items, truncated: false };
  }

  /** Ids of the identities of an account that use a policy (by its ARN) or are in a group (by its id), in order. */
  users(account: string, target: string, use: IdentityUse, limit?: number): string[] {
    const start = keys.identityUse(account, target, identityUses.indexOf(use), '');
    const end = keys.identityUse(account, target, identityUses.indexOf(use), '\xff');
    const range = limit === undefined ? { start, end } : { start, end, limit };
    return Array.from(this.#rows.range(range), ({ key }) => key.toString('utf8', start.length));
  }

  count(account: string, kind: IdentityKind): number {
    const row = this.#rows.get(keys.identityCount(account, identityKinds.indexOf(kind)));
    return row ? decodeNumber(row) : 0;
  }

  /** Grows with every change of an account or identity: what was made of them before is out of date. */
  generation(): number {
    const row = this.#rows.get(keys.identityGeneration());
    return row ? decodeNumber(row) : 0;
  }
}

/** Reads of accounts and identities. */
export type IdentityReader = Pick<
  IdentityView,
  'account' | 'accounts' | 'identity' | 'named' | 'policy' | 'identities' | 'users' | 'count' | 'generation'
>;
