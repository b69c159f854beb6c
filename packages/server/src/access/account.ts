/*
 * Accounts: whom a bucket and an identity belong to. Twelve digits, as in ARNs.
 */

const accountForm = /^\d{12}$/;

/** The account that owns what was made before there were others, and the server itself: only its identities may administer it. */
export const firstAccount = '000000000000';

/** The account behind an owner as buckets and access keys name him: an account says itself, every older name is of the first one. */
export const accountOf = (owner: string): string => (accountForm.test(owner) ? owner : firstAccount);
