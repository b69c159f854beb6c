import { hash } from 'node:crypto';
import { FifoMap } from '../fifo.ts';
import { limits } from '../limits.ts';
import { firstAccount } from '../metadata/index.ts';
import { isAccount } from './policy/index.ts';

/*
 * Accounts: whom a bucket and an identity belong to. Twelve digits, as in ARNs.
 */

export { firstAccount };

/** The account behind an owner as buckets and access keys name him: an account says itself, every older name is of the first one. */
export const accountOf = (owner: string): string => (isAccount(owner) ? owner : firstAccount);

/** Under which name an account owns what it makes: the first one as before there were others. */
export const ownerOf = (account: string): string => (account === firstAccount ? 'root' : account);

/** Every line of a listing names one. */
const canonicalIds = new FifoMap<string, string>(limits.accounts);

/** How S3 names an account as an owner: 64 hexadecimal digits, which follow from its id. */
export function canonicalIdOf(account: string): string {
  let id = canonicalIds.get(account);
  if (id === undefined) {
    id = hash('sha256', `dsom account ${account}`, 'hex');
    canonicalIds.set(account, id);
  }
  return id;
}
