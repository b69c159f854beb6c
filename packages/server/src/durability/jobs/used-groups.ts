import type { Host } from '../../host/index.ts';
import { limits } from '../../limits.ts';
import type { MetadataReader } from '../../metadata/index.ts';
import { stripeIdBytes, successor } from '../address.ts';
import { Pace } from './pace.ts';

/*
 * Which groups hold stripes. A group that holds none needs no device; one that a device is to leave, and that cannot be completed without it, is in the
 * way only while it holds some. Nothing keeps count of that: the table of stripes is walked through when somebody asks, for what was true a while ago may
 * be wrong now in both directions.
 */

export interface UsedGroupsOptions {
  readonly reader: Pick<MetadataReader, 'stripes'>;
  readonly host: Host;
  /** A walk failed; the next question begins another one. */
  readonly onError: (cause: unknown) => void;
}

export interface UsedGroups {
  /**
   * Ids of the groups that hold stripes, by a walk that this question began; where that takes longer than `limits.usedGroupsWaitMs`, by one that ended at most
   * `limits.usedGroupsAgeMs` ago. Undefined while there is none: whoever asks again and again gets an answer when a walk has ended.
   */
  now(): Promise<ReadonlySet<number> | undefined>;
  /** Cancels the walk under way, and waits for its end. */
  stop(): Promise<void>;
}

export function createUsedGroups({ reader, host, onError }: UsedGroupsOptions): UsedGroups {
  const stopping = new AbortController();
  let walking: Promise<void> | undefined;
  let known: { readonly endedAt: number; readonly groups: ReadonlySet<number> } | undefined;

  const walk = async (): Promise<void> => {
    const pace = new Pace(host, { signal: stopping.signal });
    const groups = new Set<number>();
    let next: Buffer | undefined = Buffer.alloc(stripeIdBytes);
    while (next) {
      const rows: ReturnType<MetadataReader['stripes']> = reader.stripes(next, limits.jobPage);
      for (const { group } of rows) groups.add(group);
      const last = rows.at(-1);
      next = last && successor(last.stripe);
      await pace.step();
    }
    known = { endedAt: host.clock.monotonic(), groups };
  };

  const begin = (): Promise<void> =>
    walk()
      .catch((cause: unknown) => {
        if (!stopping.signal.aborted) onError(cause);
      })
      .finally(() => {
        walking = undefined;
      });

  const wait = async (walk: Promise<void> | undefined): Promise<void> => {
    if (!walk) return;
    const over = new AbortController();
    await Promise.race([walk, host.timers.sleep(limits.usedGroupsWaitMs, over.signal)]);
    over.abort();
  };

  return {
    async now() {
      if (stopping.signal.aborted) return undefined;
      // What is under way may have passed by what was written since.
      await wait(walking);
      walking ??= begin();
      await wait(walking);
      return known && host.clock.monotonic() - known.endedAt <= limits.usedGroupsAgeMs ? known.groups : undefined;
    },
    async stop() {
      stopping.abort();
      await walking;
    },
  };
}
