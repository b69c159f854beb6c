import { spareCount } from '../src/durability/index.ts';
import type { Redundancy } from '../src/metadata/index.ts';
import type { Fault, Settings, TimedFault } from './scenario.ts';
import type { Dice } from './world/dice.ts';
import { type DiskFault, lyingFaults } from './world/disk.ts';

/*
 * What breaks in a seed, and when. Not everything may go wrong together; what must be survived stands in world/disk.ts. Here it means: one
 * domain of a seed (the sick one: a device of one machine, a node of a cluster) may lie, or stop for good, or lose its index; the others
 * only refuse for a while, lose their power and are cut off. And no device lies where a stripe has nothing to spare.
 */

export interface FaultMix {
  readonly settings: Settings;
  /** Domains that may lose what they have of a stripe. */
  readonly spare: number;
  readonly milliseconds: number;
  readonly buckets: readonly string[];
  /** Ways to keep bytes that the machines have places for. */
  readonly redundancies: readonly Redundancy[];
}

type Draw = (dice: Dice) => Fault | readonly Fault[];

/** A time until something happens, about so long. */
export const mean = (dice: Dice, milliseconds: number): number =>
  Math.round(-Math.log(1 - dice.float()) * milliseconds);

/** Every kind of fault that a place can have, with the mean time between two, ms. */
function kindsOf({ settings, spare }: FaultMix, dice: Dice): (readonly [Draw, number])[] {
  const nodes = Array.from({ length: settings.nodes }, (_, i) => `n${i + 1}`);
  const many = settings.nodes > 1;
  const devicesOf = (node: string): string[] =>
    Array.from({ length: settings.devices }, (_, i) => (many ? `${node}.d${i + 1}` : `d${i + 1}`));
  const devices = nodes.flatMap(devicesOf);
  const sickNode = dice.pick(nodes);
  const sick = many ? devicesOf(sickNode) : [dice.pick(devices)];
  const log = many ? [] : ['log'];
  const share = (one: Dice): number => one.pick([0.02, 0.1, 0.5]);
  const spell = (fault: DiskFault, on: readonly string[]): Draw => {
    return (one) => ({ kind: 'disk', disk: one.pick(on), fault, ms: 20 + mean(one, 400), share: share(one) });
  };
  const jumps = [-86_400_000, -60_000, -5, 5, 60_000, 86_400_000];
  const kinds: (readonly [Draw, number])[] = [
    [(one) => ({ kind: 'power', node: one.pick(nodes) }), 1500],
    [(one) => ({ kind: 'kill', node: one.pick(nodes) }), 1500],
    [(one) => ({ kind: 'stop', node: one.pick(nodes) }), 4000],
    [(one) => ({ kind: 'pause', node: one.pick(nodes), ms: 10 + mean(one, 800) }), 1500],
    [(one) => ({ kind: 'clock', node: one.pick(nodes), ms: one.pick(jumps) }), 2000],
    [spell('read-error', devices), 1500],
    [spell('write-error', [...log, ...devices]), 2500],
    [spell('sync-error', [...log, ...sick]), 4000],
    [spell('full', [...log, ...devices]), 2500],
    [spell('slow', [...log, ...devices]), 2500],
    [(one) => ({ kind: 'index', disk: one.pick(sick) }), 4000],
  ];
  if (spare > 0) for (const fault of [...lyingFaults, 'start-error'] as const) kinds.push([spell(fault, sick), 2500]);
  if (many) kinds.push(...clusterKinds(nodes, sickNode));
  return kinds;
}

function clusterKinds(nodes: readonly string[], sickNode: string): (readonly [Draw, number])[] {
  return [
    [(one) => partition(one, nodes), 1200],
    [(one) => ({ kind: 'unlog', node: one.pick(nodes), ms: 50 + mean(one, 2500) }), 1500],
    [() => ({ kind: 'depose' }), 1500],
    [(one) => ({ kind: 'checkpoint', node: one.pick(nodes) }), 120],
    [() => ({ kind: 'forget', node: sickNode }), 5000],
  ];
}

/** Links that are cut together: one node alone, two halves, one direction, a bridge, a ring, any. */
function partition(dice: Dice, nodes: readonly string[]): readonly Fault[] {
  const ms = 50 + mean(dice, 2500);
  const pairs = nodes.flatMap((node) => nodes.filter((to) => to !== node).map((to) => [node, to] as const));
  const at = (node: string): number => nodes.indexOf(node);
  const one = dice.pick(nodes);
  const half = dice.between(1, nodes.length - 1);
  const shapes: ((node: string, to: string) => boolean)[] = [
    (node, to) => node === one || to === one,
    (node) => node === one,
    (_, to) => to === one,
    (node, to) => at(node) < half !== at(to) < half,
    (node, to) => node !== one && to !== one,
    (node, to) => ![1, nodes.length - 1].includes(Math.abs(at(node) - at(to))),
    () => dice.chance(0.3),
  ];
  const shape = dice.pick(shapes);
  return pairs.filter(([node, to]) => shape(node, to)).map(([node, to]) => ({ kind: 'cut', node, to, ms }) as const);
}

/** How the members of a cluster change. A node leaves only after another has come: what its stripes need must be there. */
function changesOf(dice: Dice, { settings, milliseconds }: FaultMix): TimedFault[] {
  const changes: TimedFault[] = [];
  let at = 200 + dice.below(milliseconds / 3);
  const add = (fault: Fault): void => {
    changes.push({ at, fault });
    at += 200 + mean(dice, milliseconds / 4);
  };
  const nodes = Array.from({ length: settings.nodes }, (_, i) => `n${i + 1}`);
  const joins = dice.weighted([
    [0, 2],
    [1, 5],
    [2, 2],
  ]);
  for (let i = 1; i <= joins; i++) {
    nodes.push(`n${settings.nodes + i}`);
    add({ kind: 'join', node: `n${settings.nodes + i}` });
    if (dice.chance(0.5)) add({ kind: 'rebalance' });
    if (dice.chance(0.7)) add({ kind: 'drain', node: nodes.splice(dice.below(nodes.length), 1)[0] as string });
  }
  // Given up at once, whatever is on it: another device of the node takes its place.
  if (settings.devices > 1 && dice.chance(0.5)) add({ kind: 'retire', disk: `${dice.pick(nodes)}.d1` });
  if (joins === 0 && dice.chance(0.5)) add({ kind: 'drain', node: dice.pick(nodes) });
  return changes;
}

/** The faults of a seed, in order of time. */
export function faultsOf(dice: Dice, mix: FaultMix): TimedFault[] {
  const share = dice.pick([0.15, 0.4, 0.7]);
  const faults: TimedFault[] = [];
  for (const [draw, between] of kindsOf(mix, dice)) {
    if (!dice.chance(share)) continue;
    for (let at = mean(dice, between); at < mix.milliseconds; at += 50 + mean(dice, between)) {
      const drawn = draw(dice);
      for (const fault of Array.isArray(drawn) ? (drawn as readonly Fault[]) : [drawn as Fault])
        faults.push({ at, fault });
    }
  }
  if (mix.settings.nodes > 1 && dice.chance(0.4)) faults.push(...changesOf(dice, mix));
  return faults.sort((a, b) => a.at - b.at);
}

/** What hits the owner of the log hits that of any shard. */
export function overShards(dice: Dice, shards: number, faults: readonly TimedFault[]): TimedFault[] {
  return faults.map(({ at, fault }) => {
    const shard = fault.kind === 'depose' ? dice.below(shards + 1) : 0;
    return { at, fault: shard > 0 ? { kind: 'depose', shard } : fault };
  });
}

/** How the buckets' redundancies change: only to such as survive what breaks in this seed, and where there is room for a stripe beside the one it replaces. */
export function redundanciesOf(
  dice: Dice,
  { settings, spare, milliseconds, buckets, redundancies }: FaultMix,
): TimedFault[] {
  if (settings.deviceBytes < 2 ** 30 || !dice.chance(0.4)) return [];
  const fitting = redundancies.filter((one) => spareCount(one) >= Math.min(1, spare));
  const changes: TimedFault[] = [];
  for (let left = dice.between(1, 4), at = 100 + mean(dice, milliseconds / 4); left > 0; left--) {
    changes.push({ at, fault: { kind: 'redundancy', bucket: dice.pick(buckets), to: dice.pick(fitting) } });
    at += 100 + mean(dice, milliseconds / 3);
  }
  return changes;
}
