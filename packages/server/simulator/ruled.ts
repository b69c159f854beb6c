import { StoreError } from '../src/errors.ts';
import type { Redundancy } from '../src/metadata/index.ts';
import type { Place } from './place.ts';
import type { Operation } from './scenario.ts';
import type { Dice } from './world/dice.ts';
import { fadingPrefix, lifecycleBuckets } from './world/lifecycle.ts';
import type { Scheduler } from './world/scheduler.ts';

/*
 * Buckets that promise more than to keep what they were given: one locks its versions, one has a quota, and of one (and of the one that locks) a lifecycle
 * takes things away. Clients of their own work in them, beside the others, and claim keys that only one of them may have.
 */

export const ruledBuckets = ['locked', 'capped', 'fading'] as const;

/** What the bucket `capped` may hold. */
export const cap = { objects: 5, bytes: 100_000 } as const;

/** Keys that are written only where there is nothing, and never deleted: one write of all wins. */
export const claimPrefix = 'claim';

/** Whether a lifecycle may take a key away. */
export const isFading = (bucket: string, key: string): boolean => bucket === 'fading' && key.startsWith(fadingPrefix);

/** Whether a key shows what was written last. Where the newest version may be deleted by its id it does not: the one before it shows again. */
export const isRegister = (bucket: string): boolean => bucket !== 'locked';

/** Asks until it is done: the features of a cluster are turned on once it runs. */
async function insist<Result>(scheduler: Scheduler, ask: () => Promise<Result>): Promise<Result> {
  for (;;) {
    try {
      return await ask();
    } catch (cause) {
      if (!(cause instanceof StoreError)) throw cause;
      scheduler.note(`not yet: ${cause.message}`);
      await scheduler.sleep(200, 'operator');
    }
  }
}

export async function makeRuledBuckets(
  scheduler: Scheduler,
  place: Place,
  redundancy: Redundancy | undefined,
): Promise<void> {
  const door = place.door();
  if (!door) throw new Error('a place that is ready has a door');
  const { objects, proposer } = door;
  for (const name of ruledBuckets) {
    const locks = name === 'locked';
    const request = { name, owner: 'o', region: 'r', versioning: locks ? 'enabled' : 'off', locks } as const;
    await insist(scheduler, () => objects.createBucket(request));
    if (redundancy) await insist(scheduler, () => objects.updateBucket(name, { redundancy }));
  }
  for (const [name, document] of lifecycleBuckets)
    await insist(scheduler, () => objects.configure(name, 'lifecycle', document));
  const subject = { kind: 'bucket', bucket: objects.bucket('capped').id } as const;
  await insist(scheduler, () => proposer.propose({ type: 'quota.write', subject, quota: cap }));
}

type Drawn = Pick<Operation, 'kind' | 'bucket' | 'key'> & { readonly with?: Operation['with'] };

const sizeOf = (dice: Dice): string => String(dice.pick([50, 3000, 9000, 40_000]) + dice.below(900));

const draws: readonly (readonly [(dice: Dice) => Drawn, number])[] = [
  [
    (dice) => ({
      ...locked(dice, 'put'),
      with: { size: sizeOf(dice), mode: 'whole', lock: dice.pick(['none', 'governance', 'compliance', 'hold']) },
    }),
    8,
  ],
  [
    (dice) => ({
      ...locked(dice, 'lock'),
      with: {
        to: dice.pick(['governance', 'compliance', 'hold', 'release', 'unlock']),
        bypass: dice.pick(['yes', 'no']),
      },
    }),
    6,
  ],
  [(dice) => ({ ...locked(dice, 'delete-version'), with: { bypass: dice.pick(['yes', 'no']) } }), 8],
  [(dice) => locked(dice, dice.pick(['delete', 'get'])), 3],
  [(dice) => ({ ...capped(dice, 'put'), with: { size: sizeOf(dice), mode: 'stream' } }), 8],
  [(dice) => ({ ...capped(dice, 'append'), with: { size: sizeOf(dice), mode: 'whole' } }), 3],
  [(dice) => ({ ...capped(dice, 'upload'), with: { size: sizeOf(dice), parts: '2', end: endOf(dice) } }), 3],
  [(dice) => capped(dice, dice.pick(['delete', 'get'])), 4],
  [(dice) => ({ ...fading(dice, 'put'), with: { size: sizeOf(dice), mode: 'whole' } }), 5],
  [(dice) => fading(dice, 'get'), 6],
  [(dice) => ({ ...claim(dice, 'put'), with: { size: '70', mode: 'whole', guard: 'absent' } }), 4],
  [(dice) => claim(dice, 'get'), 1],
];

const locked = (dice: Dice, kind: Drawn['kind']) => ({ kind, bucket: 'locked', key: `l${dice.between(1, 3)}` });
const capped = (dice: Dice, kind: Drawn['kind']) => ({ kind, bucket: 'capped', key: `k${dice.between(1, 7)}` });
const fading = (dice: Dice, kind: Drawn['kind']) => ({
  kind,
  bucket: 'fading',
  key: dice.pick([`${fadingPrefix}1`, `${fadingPrefix}2`, 'k1', 'y1']),
});
const claim = (dice: Dice, kind: Drawn['kind']) => ({
  kind,
  bucket: dice.pick(['plain', 'kept']),
  key: `${claimPrefix}${dice.between(1, 6)}`,
});
const endOf = (dice: Dice): string => dice.pick(['complete', 'complete', 'abort', 'leave']);

const firstWrite = 500_000;

/** What the clients of these buckets do, in a run of so many operations of the others. */
export function ruledOperations(dice: Dice, operations: number): Operation[] {
  const clients = dice.between(2, 4);
  const think = dice.pick([20, 100]);
  return Array.from({ length: Math.ceil(operations / 3) }, (_, i) => {
    const { with: given = {}, ...drawn } = dice.weighted(draws)(dice);
    const wait = Math.round(-Math.log(1 - dice.float()) * think);
    return { client: `r${1 + (i % clients)}`, wait, write: firstWrite + i, ...drawn, with: given };
  });
}
