import type { Redundancy } from '../src/metadata/index.ts';
import { growthFaults, growthOf, zoneFaults } from './further.ts';
import { type FaultMix, faultsOf, overShards, redundanciesOf } from './mix.ts';
import { renamedBucket, renameOperations } from './renames.ts';
import { ruledBuckets, ruledOperations } from './ruled.ts';
import type { Operation, OperationKind, Scenario, Settings } from './scenario.ts';
import { markBytes } from './world/content.ts';
import { Dice } from './world/dice.ts';

/*
 * What a seed decides. Swarm testing (Groce et al., ISSTA'12): each seed takes a subset of what can go wrong and of what clients do, because
 * some bugs show only where some other thing does not happen. What may go wrong together is decided in mix.ts.
 */

export const buckets = ['plain', 'kept'] as const;

const codes = [
  [2, 1],
  [2, 2],
  [3, 2],
  [4, 2],
] as const;

/** Where two fragments of a stripe never lie together. */
const domainsOf = ({ nodes, devices }: Pick<Settings, 'nodes' | 'devices'>): number => (nodes > 1 ? nodes : devices);

/** Domains that may lose what they have of a stripe. */
const spareOf = (settings: Settings): number =>
  settings.parity > 0
    ? settings.parity
    : (settings.copies > 0 ? settings.copies : Math.min(settings.nodes > 1 ? 3 : 2, domainsOf(settings))) - 1;

/** All that can be kept where there are so many domains. */
const redundanciesFor = (domains: number): Redundancy[] => [
  ...[1, 2, 3].filter((copies) => copies <= domains).map((copies) => ({ copies })),
  ...codes.filter(([data, parity]) => data + parity <= domains).map(([data, parity]) => ({ data, parity })),
];

function settingsOf(
  dice: Dice,
  large: boolean,
): Omit<Settings, 'shards' | 'further' | 'keysPerShard' | 'zones' | 'ruled' | 'renamed'> {
  const nodes = large
    ? 1
    : dice.weighted([
        [1, 5],
        [3, 4],
        [5, 1],
      ]);
  const devices =
    nodes > 1
      ? dice.between(1, 2)
      : dice.weighted([
          [1, 2],
          [2, 4],
          [3, 4],
          [4, 2],
          [6, 2],
        ]);
  const domains = domainsOf({ nodes, devices });
  const fitting = codes.filter(([data, parity]) => data + parity <= domains);
  const [data, parity] = fitting.length > 0 && dice.chance(0.35) ? dice.pick(fitting) : [0, 0];
  return {
    nodes,
    devices,
    threads: nodes > 1 ? 1 : dice.between(1, 2),
    copies: data > 0 || dice.chance(0.5) ? 0 : dice.between(1, Math.min(3, domains)),
    data,
    parity,
    slabBytes: large ? 32 * 2 ** 20 : 2 ** 20,
    deviceBytes: large || dice.chance(0.7) ? 2 ** 30 : dice.pick([4, 6, 10]) * 2 ** 20,
    logBytes: dice.chance(0.85) ? 2 ** 30 : 2 * 2 ** 20,
    cacheBytes: dice.chance(0.5) ? 0 : 2 ** 20,
    plain: dice.chance(0.2) ? 1 : 0,
    paceMs: dice.pick([0.1, 0.5, 2]),
    networkMs: dice.pick([0.2, 1, 5]),
  };
}

const usualWeights: readonly (readonly [OperationKind, number])[] = [
  ['put', 10],
  ['get', 12],
  ['delete', 3],
  ['delete-old', 2],
  ['append', 4],
  ['copy', 3],
  ['patch', 2],
  ['list', 2],
  ['upload', 2],
];

function sizeOf(dice: Dice, large: boolean): number {
  if (large && dice.chance(0.05)) return dice.pick([5, 9]) * 2 ** 20 + dice.below(1000);
  return dice.weighted([
    [markBytes + dice.below(300), 4],
    [4085 + dice.below(24), 2],
    [4100 + dice.below(16_000), 8],
    [65_500 + dice.below(80), 1],
    [100_000 + dice.below(100_000), 1],
  ]);
}

function detailsOf(
  dice: Dice,
  kind: OperationKind,
  {
    keys,
    settings,
    large,
    late,
  }: {
    readonly keys: readonly string[];
    readonly settings: Settings;
    readonly large: boolean;
    /** Share of the slow reads that look up and begin much later. */
    readonly late: number;
  },
) {
  const size = (): string => String(sizeOf(dice, large));
  const mode = (): string => dice.pick(['whole', 'stream', 'stream', 'slow']);
  switch (kind) {
    case 'put':
      return {
        size: size(),
        mode: dice.chance(0.05) ? 'broken' : mode(),
        ...(dice.chance(0.15) && { guard: 'absent' }),
        ...(dice.chance(0.1) &&
          domainsOf(settings) > 1 && { copies: String(dice.between(2, Math.min(4, domainsOf(settings)))) }),
      };
    case 'append':
      return { size: size(), mode: mode(), ...(dice.chance(0.4) && { offset: 'known' }) };
    case 'get':
      return {
        ...(dice.chance(0.2) && { pace: dice.chance(late) ? 'late' : 'slow' }),
        ...(dice.chance(0.2) && { slice: String(dice.below(1000)) }),
        ...(dice.chance(0.25) && { version: 'old' }),
        ...(dice.chance(0.4) && { level: 'causal' }),
      };
    case 'copy':
      return { from: `${dice.pick(buckets)}/${dice.pick(keys)}` };
    case 'list':
      return { limit: String(dice.pick([1, 2, 1000])) };
    case 'upload':
      return {
        parts: String(dice.between(1, 3)),
        size: size(),
        end: dice.weighted([
          ['complete', 5],
          ['abort', 1],
          ['leave', 1],
        ]),
      };
    default:
      return {};
  }
}

/** Some uploads end with a part whose bytes are those of an object. */
const borrowing = (dice: Dice, operations: readonly Operation[], keys: readonly string[]): Operation[] =>
  operations.map((operation) =>
    operation.kind === 'upload' && dice.chance(0.5)
      ? { ...operation, with: { ...operation.with, from: `${dice.pick(buckets)}/${dice.pick(keys)}` } }
      : operation,
  );

/** Some uploads take so long that their bucket may get more shards meanwhile, and more keys go and come again: these alone change their shard. */
const growing = (dice: Dice, operations: readonly Operation[]): Operation[] =>
  operations.map((operation) => {
    if (operation.kind === 'upload' && dice.chance(0.5))
      return { ...operation, with: { ...operation.with, pause: String(dice.pick([50, 300, 1200])) } };
    if (operation.kind === 'get' && operation.bucket === 'plain' && dice.chance(0.3))
      return { ...operation, kind: 'delete', with: {} };
    return operation;
  });

/** The scenario of a seed. @param operations things done by all clients together */
export function planScenario(seed: number, operations = 320): Scenario {
  const dice = new Dice(seed, 'plan');
  const large = dice.chance(0.04);
  const drawn = settingsOf(dice, large);
  // What came later than the rest has dice of its own: the seeds that are known to find something go on doing so.
  const shardDice = new Dice(seed, 'shards');
  const shards = drawn.nodes > 1 ? shardDice.pick([0, 1, 2, 2]) : 0;
  const ruledDice = new Dice(seed, 'ruled');
  const ruled = drawn.deviceBytes === 2 ** 30 && !large && ruledDice.chance(0.3) ? 1 : 0;
  const renamedDice = new Dice(seed, 'renamed');
  const renamed = shards > 1 && drawn.deviceBytes === 2 ** 30 && renamedDice.chance(0.7) ? 1 : 0;
  const zoneDice = new Dice(seed, 'zones');
  const zones = drawn.nodes > 1 && zoneDice.chance(0.35) ? zoneDice.pick([2, 2, 3]) : 0;
  const growthDice = new Dice(seed, 'further');
  const growth = growthOf(growthDice, shards);
  const settings: Settings = { ...drawn, shards, zones, ruled, renamed, ...growth };
  const clients = dice.between(2, 8);
  const keys = Array.from({ length: dice.between(2, 8) }, (_, i) => `k${i + 1}`);
  const weights = usualWeights.map(
    ([kind, weight]) => [kind, kind === 'put' || kind === 'get' || dice.chance(0.75) ? weight : 0] as const,
  );
  const think = dice.pick([2, 10, 40]);
  const late = dice.chance(0.35) ? 0.15 : 0;
  let list: Operation[] = [];
  for (let i = 0; i < (large ? operations / 4 : operations); i++) {
    const kind = dice.weighted(weights);
    list.push({
      client: `c${1 + (i % clients)}`,
      wait: Math.round(-Math.log(1 - dice.float()) * think),
      kind,
      write: i + 1,
      bucket: kind === 'delete-old' ? 'kept' : dice.pick(buckets),
      key: dice.pick(keys),
      with: detailsOf(dice, kind, { keys, settings, large, late }),
    });
  }
  // About as long as the clients need when nothing goes wrong, twice.
  const milliseconds = 2000 + (list.length / clients) * (think + 40);
  const mix: FaultMix = {
    settings,
    spare: spareOf(settings),
    milliseconds,
    buckets,
    redundancies: redundanciesFor(domainsOf(settings)),
  };
  const faults = [
    ...overShards(shardDice, shards, faultsOf(dice, mix)),
    ...redundanciesOf(new Dice(seed, 'redundancies'), mix),
    ...zoneFaults(zoneDice, mix),
    ...growthFaults(growthDice, mix, [
      ...buckets,
      ...(ruled > 0 ? ruledBuckets : []),
      ...(renamed > 0 ? [renamedBucket] : []),
    ]),
  ].sort((a, b) => a.at - b.at);
  list = borrowing(new Dice(seed, 'borrowed'), list, keys);
  if (settings.further > 0) list = growing(growthDice, list);
  if (ruled > 0) list.push(...ruledOperations(ruledDice, operations));
  if (renamed > 0) list.push(...renameOperations(renamedDice, operations));
  return { seed, settings, faults, operations: list };
}
