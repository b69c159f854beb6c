import { invariant } from '../invariant.ts';
import type { Layout } from './layout.ts';
import { toleranceOf, widthOf } from './scheme.ts';

/*
 * How likely it is that a year takes objects away, as a model says it.
 *
 * One group of n members that may lose m is a chain of states "i members lost": losses at rate (n - i)λ, repairs at rate μ_i. The mean time until
 * m + 1 are lost, MTTDL = Σ h_i with h_0 = 1 / nλ and h_i = 1 / f_i + (μ_i / f_i) · h_(i-1), f_i = (n - i)λ. (This recursion only adds: solving the
 * chain by matrices loses every digit at 16 nines.) In the last state before loss a repair may meet bytes that cannot be read.
 *
 * That model takes losses to be independent, and so says more nines than anybody has. Its answer is capped: by what the loss of the largest
 * domain and of one device more does, which no repair outruns; and by what no model of devices sees at all.
 */

/** What goes into the model. */
export interface RiskInput {
  readonly layout: Layout;
  /** Different sets of devices that hold stripes: all groups of the scheme. */
  readonly groups: number;
  /** Share of devices that are lost in a year, between 0 and 1. */
  readonly deviceLosses: number;
  /** Share of the largest kind of domain (zones, else nodes) that are lost for good in a year. */
  readonly domainLosses: number;
  /** From the loss of a device until the last of its fragments is back: as measured. */
  readonly repairHours: number;
  /** Chance that a repair with nothing to spare meets a fragment that cannot be read. */
  readonly unreadable: number;
  /** Whether several lost members of a group are repaired at the same time. */
  readonly parallel: boolean;
}

/** Probabilities within a year, and nines: -log10 of them. */
export interface Risk {
  /** One group loses stripes to independent losses of devices. */
  readonly groupLoss: number;
  /** Any group does. */
  readonly deviceLoss: number;
  /** The largest domain is lost, and, where the scheme survives that, one device more before all is repaired. */
  readonly domainLoss: number;
  /** Of both together, as the model has it, and as may be told to anybody. */
  readonly modelledNines: number;
  readonly nines: number;
  /** What holds the nines down most. */
  readonly cappedBy: 'devices' | 'largest domain plus one' | 'what no model sees';
}

const hoursOfYear = 8766;
/** Beyond this, bugs and operators lose more than devices do. */
const mostNines = 12;

/** Losses per device and hour, from the share lost in a year. */
const rateOf = (yearly: number): number => -Math.log1p(-yearly) / hoursOfYear;

/** At least one of `count` independent events, without losing the digits of small ones. */
const anyOf = (probability: number, count: number): number => -Math.expm1(count * Math.log1p(-probability));

/**
 * Mean hours until a group of `members` has lost more than `tolerance`.
 * @param lossRate losses of one device in an hour
 */
export function meanHoursToLoss(
  members: number,
  tolerance: number,
  lossRate: number,
  { repairHours, parallel, unreadable }: Pick<RiskInput, 'repairHours' | 'parallel' | 'unreadable'>,
): number {
  let before = 1 / (members * lossRate);
  let sum = before;
  for (let lost = 1; lost <= tolerance; lost++) {
    let failing = (members - lost) * lossRate;
    let repaired = (parallel ? lost : 1) / repairHours;
    if (lost === tolerance) {
      failing += repaired * unreadable;
      repaired *= 1 - unreadable;
    }
    before = 1 / failing + (repaired / failing) * before;
    sum += before;
  }
  return sum;
}

/** What a year does to the stripes of a layout. */
export function riskOf(input: RiskInput): Risk {
  const { layout, groups, deviceLosses, domainLosses, repairHours } = input;
  for (const share of [deviceLosses, domainLosses, input.unreadable])
    invariant(share >= 0 && share < 1, 'a share lies between 0 and 1');
  invariant(deviceLosses > 0 && repairHours > 0 && groups >= 1, 'devices fail, and repairs take time');
  const tolerance = toleranceOf(layout.scheme);
  const members = widthOf(layout.scheme);
  const rate = rateOf(deviceLosses);
  const groupLoss = -Math.expm1(-hoursOfYear / meanHoursToLoss(members, tolerance, rate, input));
  const deviceLoss = anyOf(groupLoss, groups);

  let domainLoss = 0;
  const { zones, nodes, devices } = layout.counts;
  const domains = zones > 0 ? zones : nodes;
  if (domains > 0 && !layout.survivesLargestAndOne) {
    const lost = anyOf(domainLosses, domains);
    const others = devices - Math.ceil(devices / domains);
    const survived = (zones > 0 ? layout.survives.zones : layout.survives.nodes) > 0;
    domainLoss = survived ? lost * anyOf(-Math.expm1(-rate * repairHours), others) : lost;
  }
  const modelled = 1 - (1 - deviceLoss) * (1 - domainLoss);
  // Of small numbers the sum is exact where the product of complements is not.
  const modelledNines = -Math.log10(modelled > 1e-9 ? modelled : deviceLoss + domainLoss);
  return {
    groupLoss,
    deviceLoss,
    domainLoss,
    modelledNines,
    nines: Math.min(mostNines, modelledNines),
    cappedBy:
      modelledNines > mostNines
        ? 'what no model sees'
        : domainLoss > deviceLoss
          ? 'largest domain plus one'
          : 'devices',
  };
}
