import type { Fault, Operation, OperationKind, Scenario, Settings, TimedFault } from './scenario.ts';
import { markBytes } from './world/content.ts';
import { Dice } from './world/dice.ts';
import { type DiskFault, lyingFaults } from './world/disk.ts';

/*
 * What a seed decides. Swarm testing (Groce et al., ISSTA'12): each seed takes a subset of what can go wrong and of what clients do, because
 * some bugs show only where some other thing does not happen.
 *
 * Not everything may go wrong together; what must be survived stands in world/disk.ts. Here it means: one device of a seed (the sick one)
 * may lie or stop for good, the others only refuse for a while; and no device lies where stripes have one copy.
 */

export const buckets = ['plain', 'kept'] as const;

const mean = (dice: Dice, milliseconds: number): number => Math.round(-Math.log(1 - dice.float()) * milliseconds);

function settingsOf(dice: Dice, large: boolean): Settings {
  const devices = dice.weighted([
    [1, 2],
    [2, 4],
    [3, 4],
    [4, 2],
    [6, 2],
  ]);
  const code =
    devices > 2 && dice.chance(0.35) ? dice.pick(codes.filter(([data, parity]) => data + parity <= devices)) : [0, 0];
  return {
    devices,
    data: code[0] as number,
    parity: code[1] as number,
    threads: dice.between(1, 2),
    copies: code[0] > 0 || dice.chance(0.5) ? 0 : dice.between(1, Math.min(3, devices)),
    slabBytes: large ? 32 * 2 ** 20 : 2 ** 20,
    deviceBytes: large || dice.chance(0.7) ? 2 ** 30 : dice.pick([4, 6, 10]) * 2 ** 20,
    logBytes: dice.chance(0.85) ? 2 ** 30 : 2 * 2 ** 20,
    cacheBytes: dice.chance(0.5) ? 0 : 2 ** 20,
    plain: dice.chance(0.2) ? 1 : 0,
    paceMs: dice.pick([0.1, 0.5, 2]),
  };
}

const codes = [
  [2, 1],
  [2, 2],
  [3, 2],
  [4, 2],
] as const;

/** Devices that may lose what they have of a stripe. */
const spare = ({ copies, devices, parity }: Settings): number =>
  parity > 0 ? parity : (copies > 0 ? copies : Math.min(2, devices)) - 1;

type Draw = (dice: Dice) => Fault;

/** Every kind of fault that this world can have, with the mean time between two, ms. */
function faultKinds(settings: Settings, sick: string): (readonly [Draw, number])[] {
  const disks = ['log', ...Array.from({ length: settings.devices }, (_, i) => `d${i + 1}`)];
  const share = (dice: Dice): number => dice.pick([0.02, 0.1, 0.5]);
  const spell = (fault: DiskFault, on: readonly string[]): Draw => {
    return (dice) => ({ kind: 'disk', disk: dice.pick(on), fault, ms: 20 + mean(dice, 400), share: share(dice) });
  };
  const devices = disks.slice(1);
  const kinds: (readonly [Draw, number])[] = [
    [() => ({ kind: 'power' }), 1500],
    [() => ({ kind: 'kill' }), 1500],
    [() => ({ kind: 'stop' }), 4000],
    [(dice) => ({ kind: 'pause', ms: 10 + mean(dice, 800) }), 1500],
    [(dice) => ({ kind: 'clock', ms: dice.pick([-86_400_000, -60_000, -5, 5, 60_000, 86_400_000]) }), 2000],
    [spell('read-error', devices), 1500],
    [spell('write-error', disks), 2500],
    [spell('sync-error', ['log', sick]), 4000],
    [spell('full', disks), 2500],
    [spell('slow', disks), 2500],
    [() => ({ kind: 'index', disk: sick }), 4000],
  ];
  if (spare(settings) > 0) {
    for (const fault of [...lyingFaults, 'start-error'] as const) kinds.push([spell(fault, [sick]), 2500]);
  }
  return kinds;
}

function faultsOf(dice: Dice, settings: Settings, milliseconds: number): TimedFault[] {
  const sick = `d${dice.between(1, settings.devices)}`;
  const share = dice.pick([0.15, 0.4, 0.7]);
  const faults: TimedFault[] = [];
  for (const [draw, between] of faultKinds(settings, sick)) {
    if (!dice.chance(share)) continue;
    for (let at = mean(dice, between); at < milliseconds; at += 50 + mean(dice, between)) {
      faults.push({ at, fault: draw(dice) });
    }
  }
  return faults.sort((a, b) => a.at - b.at);
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

function detailsOf(dice: Dice, kind: OperationKind, keys: readonly string[], settings: Settings, large: boolean) {
  const size = (): string => String(sizeOf(dice, large));
  const mode = (): string => dice.pick(['whole', 'stream', 'stream', 'slow']);
  switch (kind) {
    case 'put':
      return {
        size: size(),
        mode: dice.chance(0.05) ? 'broken' : mode(),
        ...(dice.chance(0.15) && { guard: 'absent' }),
        ...(dice.chance(0.1) && settings.devices > 1 && { copies: String(dice.between(2, settings.devices)) }),
      };
    case 'append':
      return { size: size(), mode: mode(), ...(dice.chance(0.4) && { offset: 'known' }) };
    case 'get':
      return {
        ...(dice.chance(0.2) && { pace: 'slow' }),
        ...(dice.chance(0.2) && { slice: String(dice.below(1000)) }),
        ...(dice.chance(0.25) && { version: 'old' }),
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

/** The scenario of a seed. @param operations things done by all clients together */
export function planScenario(seed: number, operations = 320): Scenario {
  const dice = new Dice(seed, 'plan');
  const large = dice.chance(0.04);
  const settings = settingsOf(dice, large);
  const clients = dice.between(2, 8);
  const keys = Array.from({ length: dice.between(2, 8) }, (_, i) => `k${i + 1}`);
  const weights = usualWeights.map(
    ([kind, weight]) => [kind, kind === 'put' || kind === 'get' || dice.chance(0.75) ? weight : 0] as const,
  );
  const think = dice.pick([2, 10, 40]);
  const list: Operation[] = [];
  for (let i = 0; i < (large ? operations / 4 : operations); i++) {
    const kind = dice.weighted(weights);
    list.push({
      client: `c${1 + (i % clients)}`,
      wait: mean(dice, think),
      kind,
      write: i + 1,
      bucket: kind === 'delete-old' ? 'kept' : dice.pick(buckets),
      key: dice.pick(keys),
      with: detailsOf(dice, kind, keys, settings, large),
    });
  }
  // About as long as the clients need when nothing goes wrong, twice.
  const milliseconds = 2000 + (list.length / clients) * (think + 40);
  return { seed, settings, faults: faultsOf(dice, settings, milliseconds), operations: list };
}
