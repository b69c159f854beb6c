import { StoreError } from '../errors.ts';
import { limits } from '../limits.ts';
import type { Code, GroupRecord, Stripe } from '../metadata/index.ts';
import { fragmentId, storedBytes } from './address.ts';
import { asBuffer } from './coded/read.ts';
import { type CodedStripe, fromWords, type Word, wordOrNone } from './coded/sources.ts';
import { fragmentBytes, gather, runsOf } from './coded/striping.ts';
import { noGroup, type StripeReads } from './findings.ts';

/*
 * For a reader who cannot open bytes whose checksums hold: some fragment was wrong before its checksum was made. Nobody but the reader can
 * tell which, so he is shown what the stripe would be without this fragment or that one, until he opens it. What the right bytes then prove
 * wrong is reported.
 */

type Open<Opened> = (stored: Buffer) => Opened | undefined;

/**
 * @param open gives nothing when it cannot open these bytes
 * @param wrong called for each fragment that the right bytes prove wrong
 * @throws StoreError Damaged when nothing opens
 */
export async function searchStripe<Opened>(
  reads: StripeReads,
  stripe: Stripe,
  start: number,
  end: number,
  open: Open<Opened>,
  wrong: (group: GroupRecord, index: number) => void,
): Promise<Opened> {
  reads.groups.refresh();
  const group = reads.groups.byId(stripe.group);
  if (!group) throw noGroup(stripe);
  const found = group.code
    ? await searchCoded(reads, stripe, group, group.code, start, end, open)
    : await searchCopies(reads, stripe, group, start, end, open);
  if (!found) throw new StoreError('Damaged', { resource: stripe.id.toString('hex') });
  for (const index of found.wrong) wrong(group, index);
  return found.opened;
}

interface Found<Opened> {
  readonly opened: Opened;
  readonly wrong: readonly number[];
}

async function searchCopies<Opened>(
  { where }: StripeReads,
  { id }: Stripe,
  group: GroupRecord,
  start: number,
  end: number,
  open: Open<Opened>,
): Promise<Found<Opened> | undefined> {
  const wrong: number[] = [];
  for (const index of group.devices.keys()) {
    const bytes = await where
      .at(group, index)
      ?.read(fragmentId(id, index), start, end)
      .catch(() => undefined);
    if (!bytes) continue;
    const opened = open(bytes);
    if (opened !== undefined) return { opened, wrong };
    wrong.push(index);
  }
  return undefined;
}

async function searchCoded<Opened>(
  { where }: StripeReads,
  { id, ...described }: Stripe,
  group: GroupRecord,
  code: Code,
  start: number,
  end: number,
  open: Open<Opened>,
): Promise<Found<Opened> | undefined> {
  const stripe: CodedStripe = { id, group, code, stored: storedBytes(described) };
  const runs = runsOf(code, start, end);
  const touched = runs.map(({ index }) => index);
  const from = Math.min(...runs.map((run) => run.start));
  const to = Math.max(...runs.map((run) => run.end));
  const words = (await Promise.all(group.devices.map((_, index) => wordOrNone(stripe, where, index, from, to)))).filter(
    (word) => word !== undefined,
  );
  for (const suspects of combinations(words, touched, words.length - code.data)) {
    const trusted = words.filter(({ index }) => !suspects.includes(index));
    const made = fromWords(stripe, trusted, touched);
    const parts = runs.map((run, at) => ({
      ...run,
      bytes: asBuffer(made[at] as Uint8Array).subarray(run.start - from, run.end - from),
    }));
    const opened = open(Buffer.from(gather(code, start, end, parts)));
    if (opened !== undefined) return { opened, wrong: wrongAmong(stripe, trusted, words, from, to) };
  }
  return undefined;
}

/** Which of all words differ from what the trusted ones make of them. */
function wrongAmong(
  stripe: CodedStripe,
  trusted: readonly Word[],
  words: readonly Word[],
  from: number,
  to: number,
): number[] {
  const sources = trusted.slice(0, stripe.code.data);
  return words
    .filter((word) => {
      if (sources.includes(word)) return false;
      const length = Math.min(to, fragmentBytes(stripe.code, stripe.stored, word.index)) - from;
      const [right] = fromWords(stripe, sources, [word.index]);
      return (
        length > 0 &&
        !asBuffer(right as Uint8Array)
          .subarray(0, length)
          .equals(word.bytes.subarray(0, length))
      );
    })
    .map(({ index }) => index);
}

/** Sets of suspects, small ones and those with fragments that hold the bytes first; at most `limits.codeTrials`. */
function* combinations(words: readonly Word[], touched: readonly number[], most: number): Generator<readonly number[]> {
  const order = words.map(({ index }) => index);
  order.sort((a, b) => Number(touched.includes(b)) - Number(touched.includes(a)) || a - b);
  let left: number = limits.codeTrials;
  function* choose(size: number, first: number): Generator<readonly number[]> {
    if (size === 0) {
      yield [];
      return;
    }
    for (let at = first; at < order.length; at++) {
      for (const rest of choose(size - 1, at + 1)) yield [order[at] as number, ...rest];
    }
  }
  for (let size = 0; size <= most; size++) {
    for (const set of choose(size, 0)) {
      if (left-- <= 0) return;
      yield set;
    }
  }
}
