import type { Authenticated } from '../../access/index.ts';
import { StoreError } from '../../errors.ts';
import { type Freshness, fresh } from './consistency.ts';

/** What is answered about credentials that are not known here, or not any more. */
const unknown: ReadonlySet<string> = new Set(['InvalidAccessKeyId', 'InvalidToken']);

/**
 * Who sends a request. Credentials that this node does not know may have been made by another one a moment ago: where several nodes share the log, it
 * gets as fresh as it can and looks once more.
 * @param attempt asks the authenticator
 */
export function authenticated(
  freshness: Freshness,
  attempt: () => Authenticated | Promise<Authenticated>,
): Authenticated | Promise<Authenticated> {
  return freshness.shared ? lookedForTwice(freshness, attempt) : attempt();
}

async function lookedForTwice(
  freshness: Freshness,
  attempt: () => Authenticated | Promise<Authenticated>,
): Promise<Authenticated> {
  try {
    return await attempt();
  } catch (error) {
    if (!(error instanceof StoreError) || !unknown.has(error.code)) throw error;
    await fresh(freshness, 'strong', undefined, {});
    return attempt();
  }
}
