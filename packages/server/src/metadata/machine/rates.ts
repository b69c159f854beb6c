import { ByteReader, ByteWriter } from '../../codec/index.ts';
import { CorruptionError, StoreError } from '../../errors.ts';
import { limits } from '../../limits.ts';
import type { Command } from '../types.ts';
import { type Decision, done, type Stamp } from './deciding.ts';
import type { Effect } from './effects.ts';
import { ended, format } from './fields.ts';
import { IdentityView } from './identity-view.ts';
import type { View } from './view.ts';

/*
 * How much tenants, access keys and anonymous readers may ask. Kept in the system shard, so that every node has them; what a limit means
 * is known to `access/rates`.
 */

/** The figures of a limit, each a whole number above 0; what is absent has no limit. */
export interface RateFigures {
  readonly requestsPerSecond?: number;
  /** Of bodies of requests. */
  readonly bytesInPerSecond?: number;
  /** Of bodies of answers. */
  readonly bytesOutPerSecond?: number;
  /** Requests under way at the same time. */
  readonly concurrentRequests?: number;
  /** Connections open at the same time, to each node; of tenants only. */
  readonly connections?: number;
}

/** In the order of their bits in the row. A new one goes to the end. */
export const rateFigures = [
  'requestsPerSecond',
  'bytesInPerSecond',
  'bytesOutPerSecond',
  'concurrentRequests',
  'connections',
] as const satisfies readonly (keyof RateFigures)[];

export interface RateLimits extends RateFigures {
  /** `tenant/` and an account, `key/` and an access key id, or `anonymous`: every source address by itself. */
  readonly subject: string;
  /** Which of the places where threads count is its own, below `limits.rateSubjects`. */
  readonly slot: number;
  /** When it was set, ms since 1970; of two limits that had the same slot the later one has the higher. */
  readonly changedMs: number;
}

export interface RateReader {
  /** Limits of tenants, access keys and anonymous readers, by subject. */
  rates(): readonly RateLimits[];
}

export type RateCommand =
  /** The limits of a subject from now on, whole. @throws StoreError InvalidArgument, NotFound (tenant or key), LimitExceeded */
  | { readonly type: 'rates.write'; readonly subject: string; readonly figures: RateFigures }
  /** @throws StoreError NotFound where it has none */
  | { readonly type: 'rates.remove'; readonly subject: string };

/** Row of table `rates`: 01, slot, changedMs, a bit for each figure that is there, then these, all varints but the bits; the subject is the key. */
function writeRow(out: ByteWriter, limit: RateLimits): ByteWriter {
  out.u8(1).varint(limit.slot).varint(limit.changedMs);
  const given = rateFigures.filter((name) => limit[name] !== undefined);
  out.u8(given.reduce((bits, name) => bits | (1 << rateFigures.indexOf(name)), 0));
  for (const name of given) out.varint(limit[name] as number);
  return out;
}

export const encodeRateLimits = (limit: RateLimits): Buffer => writeRow(new ByteWriter(48), limit).finish();

export function decodeRateLimits(subject: string, row: Buffer): RateLimits {
  const from = new ByteReader(row);
  format(from, 1, 'limits of rates');
  const slot = from.varint();
  const changedMs = from.varint();
  const bits = from.u8();
  if (bits >> rateFigures.length !== 0) throw new CorruptionError('unknown figure in limits of rates');
  const figures: { -readonly [Name in keyof RateFigures]: number } = {};
  rateFigures.forEach((name, bit) => {
    if (bits & (1 << bit)) figures[name] = from.varint();
  });
  return ended(from, { subject, slot, changedMs, ...figures });
}

/** Of the effects, for `entry.ts`. */
export const rateCodecs = {
  'rates.write': {
    code: 83,
    write: (out: ByteWriter, { rates }: { readonly rates: RateLimits }) =>
      out.string(rates.subject).bytes(encodeRateLimits(rates)),
    read: (from: ByteReader) => ({ rates: decodeRateLimits(from.string(), from.bytes()) }),
  },
  'rates.remove': {
    code: 84,
    write: (out: ByteWriter, { subject }: { readonly subject: string }) => out.string(subject),
    read: (from: ByteReader) => ({ subject: from.string() }),
  },
};

type Of<Type extends Command['type']> = Extract<Command, { type: Type }>;

const least: Readonly<Record<(typeof rateFigures)[number], number>> = {
  requestsPerSecond: 1,
  bytesInPerSecond: limits.rateBytesLeast,
  bytesOutPerSecond: limits.rateBytesLeast,
  concurrentRequests: 1,
  connections: 1,
};

function checkFigures(subject: string, figures: RateFigures): void {
  const given = rateFigures.filter((name) => figures[name] !== undefined);
  if (given.length === 0)
    throw new StoreError('InvalidArgument', {
      message: `A limit has at least one of ${rateFigures.join(', ')}. To have none, clear it.`,
    });
  if (figures.connections !== undefined && !subject.startsWith('tenant/'))
    throw new StoreError('InvalidArgument', {
      message: 'Connections are limited of tenants only: leave `connections` out, or set it for the tenant of the key.',
      detail: { ArgumentName: 'connections', ArgumentValue: String(figures.connections) },
    });
  for (const name of given) {
    const value = figures[name] as number;
    if (!Number.isSafeInteger(value) || value < least[name] || value > limits.rateMost)
      throw new StoreError('InvalidArgument', {
        message: `${name} is a whole number from ${least[name]} to ${limits.rateMost}.`,
        detail: { ArgumentName: name, ArgumentValue: String(value) },
      });
  }
}

/** Whom a limit is for must be there: a name that is mistyped would look like a limit that holds. */
function checkSubject(view: View, subject: string): void {
  const [kind, name = ''] = subject.split('/');
  const known =
    subject === 'anonymous' ||
    (kind === 'tenant' && (new IdentityView(view.rows).account(name) !== undefined || /^0{12}$/.test(name))) ||
    (kind === 'key' && view.accessKey(name) !== undefined);
  if (!known)
    throw new StoreError('NotFound', {
      message: `There is no ${kind === 'key' ? 'access key' : 'tenant'} ${name}: \`dsom tenant list\` and \`dsom user list\` show those that there are.`,
    });
}

export function decideRates(view: View, { subject, figures }: Of<'rates.write'>, stamp: Stamp): Decision {
  checkFigures(subject, figures);
  checkSubject(view, subject);
  const all = view.rates();
  const before = all.find((one) => one.subject === subject);
  if (!before && all.length >= limits.rateSubjects)
    throw new StoreError('LimitExceeded', {
      message: `There are ${limits.rateSubjects} limits. Clear one first: \`dsom limit show\` lists them.`,
    });
  const taken = new Set(all.map(({ slot }) => slot));
  let slot = before?.slot ?? 0;
  while (!before && taken.has(slot)) slot++;
  const changedMs = all.reduce((newest, one) => Math.max(newest, one.changedMs + 1), stamp.now);
  const kept = Object.fromEntries(
    rateFigures.flatMap((name) => (figures[name] === undefined ? [] : [[name, figures[name]]])),
  );
  return done({ type: 'rates.write', rates: { subject, slot, changedMs, ...kept } });
}

export function decideRatesGone(view: View, { subject }: Of<'rates.remove'>): Decision {
  const effects = withoutRates(view, subject);
  if (effects.length === 0)
    throw new StoreError('NotFound', {
      message: `There is no limit for ${subject}: \`dsom limit show\` lists those that there are.`,
    });
  return done(...effects);
}

/** A tenant or key that goes takes its limits along. */
export const withoutRates = (view: View, subject: string): Effect[] =>
  view.rates().some((one) => one.subject === subject) ? [{ type: 'rates.remove', subject }] : [];
