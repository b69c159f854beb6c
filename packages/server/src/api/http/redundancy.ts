import { redundancyText } from '../../durability/index.ts';
import { StoreError } from '../../errors.ts';
import type { Policy, Redundancy } from '../../metadata/index.ts';
import type { Stored } from '../../objects/index.ts';

const copiesText = /^(?:copies\s*=\s*)?([0-9]{1,3})$/;
const codeText = /^([0-9]{1,3})\s*\+\s*([0-9]{1,3})$/;

const hybridText = /^([^/{}]+)\/([^/{}]+)\/([^/{}]+)$/;
const durationText = /^([0-9]{1,6})(ms|s|m|h|d|w)$/;
const unitsMs = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000, w: 604_800_000 } as const;

/** A policy as JSON says it: what bytes are kept with, or hot, cold and the idle time as `7d`, `36h`, `90s`. */
export type PolicyJson =
  | Redundancy
  | { readonly hot: Redundancy; readonly cold: Redundancy; readonly afterIdle: string };

/** The form of an idle time; units from ms to w. */
export const durationForm = durationText;

/**
 * The value of x-dsom-redundancy: `copies=3` or `3`, `8+3` for a code of eight data and three parity fragments, `copies=2/8+3/7d` for copies that
 * become a code after seven idle days, or the JSON of the native interface, `{"copies":3}`, `{"data":8,"parity":3}` and
 * `{"hot":{"copies":2},"cold":{"data":8,"parity":3},"afterIdle":"7d"}`. Whether the layout can give it is not asked here.
 * @throws StoreError InvalidArgument
 */
export function parsePolicy(text: string): Policy {
  const given = text.trim();
  const hybrid = hybridText.exec(given);
  if (hybrid) {
    const [hot, cold, afterIdleMs] = [part(hybrid[1]), part(hybrid[2]), duration(hybrid[3])];
    return hot && cold && afterIdleMs !== undefined ? { hot, cold, afterIdleMs } : invalid(text);
  }
  return part(given) ?? fromJson(given) ?? invalid(text);
}

function part(text = ''): Redundancy | undefined {
  const given = text.trim();
  const copies = copiesText.exec(given);
  if (copies) return { copies: Number(copies[1]) };
  const code = codeText.exec(given);
  return code ? { data: Number(code[1]), parity: Number(code[2]) } : undefined;
}

function duration(text = ''): number | undefined {
  const found = durationText.exec(text.trim());
  return found ? Number(found[1]) * unitsMs[found[2] as keyof typeof unitsMs] : undefined;
}

/** @throws StoreError InvalidArgument for an idle time that is none */
export function policyOf(json: PolicyJson): Policy {
  if (!('hot' in json)) return json;
  const afterIdleMs = duration(json.afterIdle);
  return afterIdleMs === undefined ? invalid(JSON.stringify(json)) : { hot: json.hot, cold: json.cold, afterIdleMs };
}

/** The idle time in the largest unit that says it exactly. */
export function policyJson(policy: Policy): PolicyJson {
  if (!('hot' in policy)) return policy;
  const { hot, cold, afterIdleMs } = policy;
  const unit = (['w', 'd', 'h', 'm', 's', 'ms'] as const).find((one) => afterIdleMs % unitsMs[one] === 0) ?? 'ms';
  return { hot, cold, afterIdle: `${afterIdleMs / unitsMs[unit]}${unit}` };
}

function fromJson(text: string): Policy | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  const one = redundancyOfJson(value);
  if (one) return one;
  if (typeof value !== 'object' || value === null) return undefined;
  const { hot, cold, afterIdle, ...others } = value as Record<string, unknown>;
  const [warm, cool] = [redundancyOfJson(hot), redundancyOfJson(cold)];
  const afterIdleMs = typeof afterIdle === 'string' ? duration(afterIdle) : undefined;
  if (!warm || !cool || afterIdleMs === undefined || Object.keys(others).length > 0) return undefined;
  return { hot: warm, cold: cool, afterIdleMs };
}

function redundancyOfJson(value: unknown): Redundancy | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  const names = Object.keys(value).sort().join();
  const numbers = value as Record<string, unknown>;
  if (Object.values(numbers).some((one) => !Number.isSafeInteger(one))) return undefined;
  if (names === 'copies') return { copies: numbers['copies'] as number };
  if (names === 'data,parity') return { data: numbers['data'] as number, parity: numbers['parity'] as number };
  return undefined;
}

function invalid(text: string): never {
  throw new StoreError('InvalidArgument', {
    message:
      'The redundancy is given as copies=N, as K+M (for example 8+3), as HOT/COLD/IDLE (for example copies=2/8+3/7d), or as {"copies":N}, {"data":K,"parity":M} or {"hot":…,"cold":…,"afterIdle":"7d"}.',
    detail: { ArgumentName: 'x-dsom-redundancy', ArgumentValue: text },
  });
}

/**
 * What an answer says in x-dsom-redundancy: `copies=2` or `8+3`, with `; missing=1` where so many copies or fragments are not there, or
 * `; missing=unknown` where it would take long to find out.
 */
export function storedText({ redundancy, missing }: Stored): string {
  const text = redundancyText(redundancy);
  return missing === 0 ? text : `${text}; missing=${missing ?? 'unknown'}`;
}
