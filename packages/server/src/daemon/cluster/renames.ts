import { repeat } from '../../durability/index.ts';
import { StoreError } from '../../errors.ts';
import type { Host } from '../../host/index.ts';
import { limits } from '../../limits.ts';
import type { MetadataReader, Proposer } from '../../metadata/index.ts';

/*
 * Renames between two shards whose process is gone, or does not get through (decision 0016). The shard of the new name decides what became of each, by the one proposal
 * to give it up: so it does not matter how many nodes finish a rename at once, or whether its process is there after all.
 */

/** What became of the renames that a look has found. */
export interface RenamesLeft {
  readonly finished: number;
  readonly aborted: number;
  /** Why not all were: the next look goes on. */
  readonly failure?: unknown;
}

/** Whether a rename has been found here by each look for so long, ms. Clocks of other nodes have no say in it. */
export type IsOld = (rename: Buffer, ms: number) => boolean;

/**
 * Finishes, or gives up, what is left of renames out of a shard and into it.
 * @param shard as its owner has it
 * @param all shards as one
 */
export async function finishRenames(
  number: number,
  { renames }: Pick<MetadataReader, 'renames'>,
  all: Proposer,
  isOld: IsOld,
): Promise<RenamesLeft> {
  let [finished, aborted] = [0, 0];
  let failure: unknown;
  /** Where one shard does not answer, the renames of the others need not wait. */
  const each = async <Left>(left: readonly Left[], finish: (one: Left) => Promise<void>): Promise<void> => {
    for (const one of left)
      await finish(one).catch((cause: unknown) => {
        failure ??= cause;
      });
  };
  /** @returns whether it can never be done any more; false: it is done */
  const abort = (rename: Buffer): Promise<boolean> =>
    all.propose({ type: 'rename.abort', rename }).then(
      () => true,
      (error: unknown) => {
        if (error instanceof StoreError && error.code === 'ConditionalRequestConflict') return false;
        throw error;
      },
    );
  await each(renames.holds(), async ({ rename, bucket, key }) => {
    if (!isOld(rename, limits.renameHoldMs)) return;
    const isOver = await abort(rename);
    await all.propose({ type: isOver ? 'rename.unhold' : 'rename.release', rename, bucket, key, shard: number });
    if (!isOver) await all.propose({ type: 'rename.forget', rename });
    if (isOver) aborted++;
    else finished++;
  });
  await each(renames.all(), async ({ id: rename, bucket, source, state, from }) => {
    if (!isOld(rename, state === 'done' ? limits.renameHoldMs : limits.renamePrepareMs)) return;
    if (state === 'prepared') {
      if (await abort(rename)) aborted++;
      return;
    }
    await all.propose({ type: 'rename.release', rename, bucket, key: source, shard: from });
    await all.propose({ type: 'rename.forget', rename });
    finished++;
  });
  return { finished, aborted, ...(failure !== undefined && { failure }) };
}

/** Does so while this node owns the shard. @param all absent while the others are being opened */
export function keepRenames(
  number: number,
  shard: Pick<MetadataReader, 'renames'>,
  all: () => Proposer | undefined,
  host: Host,
  onFinished: (left: RenamesLeft) => void,
  onError: (cause: unknown) => void,
): { stop(): Promise<void> } {
  let seen = new Map<string, number>();
  const run = async (signal: AbortSignal): Promise<void> => {
    const proposer = all();
    const now = host.clock.monotonic();
    const { renames } = shard;
    const there = [...renames.holds().map(({ rename }) => rename), ...renames.all().map(({ id }) => id)];
    seen = new Map(there.map((id) => id.toString('latin1')).map((name) => [name, seen.get(name) ?? now] as const));
    if (!proposer || seen.size === 0) return;
    const isOld: IsOld = (rename, ms) => now - (seen.get(rename.toString('latin1')) ?? now) >= ms;
    const { failure, ...left } = await finishRenames(number, shard, proposer, isOld);
    if (left.finished + left.aborted > 0) onFinished(left);
    if (failure !== undefined && !signal.aborted) onError(failure);
  };
  return repeat({ host, everyMs: limits.renameLookMs, run, onError });
}
