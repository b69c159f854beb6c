import { StoreError } from '../../errors.ts';
import type { Position } from '../../log/index.ts';
import { numberOf } from '../../metadata/index.ts';
import type { HeaderList } from './exchange.ts';
import { parseToken } from './token.ts';

/** A consistency level is only the answer to: which log position must this replica have reached before it replies? */
const consistencies = ['strong', 'causal', 'eventual'] as const;
export type Consistency = (typeof consistencies)[number];

export const isConsistency = (text: string): text is Consistency => (consistencies as readonly string[]).includes(text);

/** What a request is about: one key, all keys of a bucket, or (without a bucket) anything. */
export interface Scope {
  readonly bucket?: string | undefined;
  readonly key?: Buffer | undefined;
  /** Besides the bucket it is about anything. */
  readonly wide?: boolean;
}

/** The replicas behind this server's answers. */
export interface Freshness {
  /** Newest position of a shard (default: the system shard) that answers are read at. */
  position(shard?: number): Position;
  /** How many shards there are. Absent: one. */
  readonly shards?: number;
  /** Where several nodes share the log; absent where this server is the only one that writes, and so always has the newest state. */
  readonly shared?:
    | undefined
    | {
        /** Resolves when all that was answered about this before the call, by any node, can be read here. @throws StoreError ServiceUnavailable */
        latest(scope: Scope): Promise<void>;
        /** Resolves when `position` can be read here. @throws StoreError InvalidToken when the log has not got that far, ServiceUnavailable */
        reached(position: Position): Promise<void>;
        /** Whether keys may be in other shards than they were, so that a token, which names `shards`, does not name all that a session depends on. */
        moves(scope: Scope, shards: Iterable<number>): boolean;
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
 * @param scope what it is about
 * @throws StoreError InvalidToken
 */
export function fresh(
  freshness: Freshness,
  level: Consistency | undefined,
  token: string | undefined,
  scope: Scope,
): Promise<void> | undefined {
  const named = token === undefined || token === '' ? undefined : parseToken(token);
  const { shared } = freshness;
  const { shards = 1 } = freshness;
  const wanted: Position[] = [];
  for (const [shard, position] of named ?? []) {
    if (shard >= shards) throw beyond(shard, position);
    const global = numberOf(shard, position);
    if (global <= freshness.position(shard)) continue;
    if (!shared) throw beyond(shard, position);
    wanted.push(global);
  }
  if (!shared) return undefined;
  const at = level ?? (scope.bucket === undefined ? 'strong' : shared.levelOf(scope.bucket));
  const reached = (): Promise<void> => Promise.all(wanted.map((position) => shared.reached(position))).then(() => {});
  if (at === 'strong') {
    const latest = shared.latest(scope);
    return wanted.length > 0 ? latest.then(reached) : latest;
  }
  // A token binds at every level but the one that asks for whatever is here.
  if (at !== 'causal' || !named) return undefined;
  // A session that has seen a key in one shard may know nothing of the entry that took it out of another (decision 0015). That keys move, it knows.
  const moved = (): Promise<void> | undefined => (shared.moves(scope, named.keys()) ? shared.latest(scope) : undefined);
  return wanted.length > 0 ? reached().then(moved) : moved();
}

/**
 * As {@link fresh}, for what tells how the servers are, which is asked for when the log is silent above all: then what this server knows is the answer.
 * A level or a token that the request names binds all the same.
 */
export function freshIfHeard(...[freshness, level, token, scope]: Parameters<typeof fresh>): Promise<void> | undefined {
  if (level !== undefined || token) return fresh(freshness, level, token, scope);
  if (freshness.shared?.staleMs()) return undefined;
  return fresh(freshness, level, token, scope)?.catch((error: unknown) => {
    if (!(error instanceof StoreError) || error.code !== 'ServiceUnavailable') throw error;
  });
}

function beyond(shard: number, position: Position): StoreError {
  return new StoreError('InvalidToken', {
    message: `x-dsom-token names position ${position} of shard ${shard}, which this store has not reached: it comes from another store, or from before a restore.`,
  });
}
