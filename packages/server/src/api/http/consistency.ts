import { StoreError } from '../../errors.ts';
import type { Position } from '../../log/index.ts';
import type { HeaderList } from './exchange.ts';
import { parseToken } from './token.ts';

/** A consistency level is only the answer to: which log position must this replica have reached before it replies? */
const consistencies = ['strong', 'causal', 'eventual'] as const;
export type Consistency = (typeof consistencies)[number];

export const isConsistency = (text: string): text is Consistency => (consistencies as readonly string[]).includes(text);

/** The replica behind this server's answers. */
export interface Freshness {
  /** Newest position that answers are read at. */
  position(): Position;
  /** Where several nodes share the log; absent where this server is the only one that writes, and so always has the newest state. */
  readonly shared?:
    | undefined
    | {
        /** Resolves when all that was answered before this call, by any node, can be read here. @throws StoreError ServiceUnavailable */
        latest(): Promise<void>;
        /** Resolves when `position` can be read here. @throws StoreError InvalidToken when the log has not got that far, ServiceUnavailable */
        reached(position: Position): Promise<void>;
        /** The level that a bucket's requests have by default. */
        levelOf(bucket: string): Consistency;
        /** Milliseconds for which this replica may be behind without knowing; 0 while it hears from the log. */
        staleMs(): number;
      };
}

/**
 * Says at which level an answer was given.
 * @param staleMs age of an answer at `eventual` from a replica that is cut off from the log
 */
export function pushLevel(headers: HeaderList, level: string, staleMs: number | undefined): void {
  headers.push('x-dsom-consistency', level);
  if (level === 'eventual' && staleMs) headers.push('x-dsom-stale-ms', String(staleMs));
}

/**
 * Waits until this server may answer at the level that a request asks for. Undefined: at once.
 * @param level as in the header; undefined: the bucket's default, which is strong unless it was set
 * @throws StoreError InvalidToken
 */
export function fresh(
  freshness: Freshness,
  level: Consistency | undefined,
  token: string | undefined,
  bucket: string | undefined,
): Promise<void> | undefined {
  const named = token === undefined || token === '' ? undefined : parseToken(token);
  const { shared } = freshness;
  let wanted: Position = 0;
  for (const [shard, position] of named ?? []) {
    if (shard !== 0 || (!shared && position > freshness.position())) throw beyond(shard, position);
    wanted = position;
  }
  if (!shared) return undefined;
  const at = level ?? (bucket === undefined ? 'strong' : shared.levelOf(bucket));
  if (at === 'strong') {
    const latest = shared.latest();
    return wanted > freshness.position() ? latest.then(() => shared.reached(wanted)) : latest;
  }
  // A token binds at every level but the one that asks for whatever is here.
  return at === 'causal' && wanted > freshness.position() ? shared.reached(wanted) : undefined;
}

function beyond(shard: number, position: Position): StoreError {
  return new StoreError('InvalidToken', {
    message: `x-dsom-token names position ${position} of shard ${shard}, which this store has not reached: it comes from another store, or from before a restore.`,
  });
}
