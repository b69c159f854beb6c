import type { Authenticated } from '../../access/index.ts';
import { StoreError } from '../../errors.ts';
import type { Position } from '../../log/index.ts';
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

/**
 * The verdict on credentials after the server got as fresh as the request asks for. It rests on rows of the system shard alone (access keys, users, roles, groups and their policies), so it
 * is asked for again where that shard has gone on meanwhile, and nowhere else: what another node has taken away counts at once, and a signature is computed once.
 * @param position of the system shard now
 * @param at what it was before the first verdict was asked for; undefined: nobody has looked
 */
export const confirmed = (
  position: (() => Position) | undefined,
  at: Position | undefined,
  verdict: Authenticated,
  attempt: () => Authenticated | Promise<Authenticated>,
): Authenticated | Promise<Authenticated> => (at !== undefined && position?.() === at ? verdict : attempt());

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
