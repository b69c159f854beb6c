import { CorruptionError } from '../../errors.ts';
import type { FragmentWriter } from '../../fragments/index.ts';
import type { Code, GroupRecord } from '../../metadata/index.ts';
import type { FragmentAccess } from '../access.ts';
import { fragmentId } from '../address.ts';
import type { Whereabouts } from '../whereabouts.ts';
import { type CodedStripe, fromWords, type Word, wordOrNone } from './sources.ts';
import { fragmentBytes, unitBytes } from './striping.ts';
import { decodeTrailer, encodeTrailer, trailerBytes } from './trailer.ts';
import { roundRows } from './writer.ts';

/** A fragment whose trailer was read: how long its stripe is, and who can help to make another. */
interface Known {
  readonly stripe: CodedStripe;
  /** Other fragments that are there with the length that they should have, those of this machine first. */
  readonly sources: readonly number[];
}

/** Length of the stripe and the fragments that are there, from the first trailer that can be read; undefined when none can. */
async function look(
  where: Pick<Whereabouts, 'at'>,
  id: Buffer,
  group: GroupRecord,
  code: Code,
  except: number,
): Promise<Known | undefined> {
  const lengths = await Promise.all(
    group.devices.map(async (_, index) => {
      if (index === except) return undefined;
      const asked = where.at(group, index)?.lengths([fragmentId(id, index)]);
      const found = asked && (await asked.catch(() => undefined));
      return found?.[0];
    }),
  );
  for (const [index, length] of lengths.entries()) {
    if (typeof length !== 'number' || length < trailerBytes) continue;
    const from = where.at(group, index);
    const stored = await from
      ?.read(fragmentId(id, index), length - trailerBytes, length)
      .then((bytes) => decodeTrailer(bytes, id, index, code).stored)
      .catch(() => undefined);
    if (stored === undefined) continue;
    const sources = [...lengths.keys()].filter((at) => lengths[at] === fragmentBytes(code, stored, at) + trailerBytes);
    const isFar = (at: number): number => Number(where.at(group, at)?.remote ?? true);
    return { stripe: { id, group, code, stored }, sources: sources.sort((a, b) => isFar(a) - isFar(b) || a - b) };
  }
  return undefined;
}

/** Verified words of `count` of the sources; throws with fewer. A source that failed is not asked again. */
async function wordsOf(
  { stripe }: Known,
  where: Pick<Whereabouts, 'at'>,
  sources: Set<number>,
  count: number,
  start: number,
  end: number,
): Promise<Word[]> {
  const words: Word[] = [];
  while (words.length < count) {
    const next = [...sources].filter((index) => !words.some((word) => word.index === index));
    const asked = next.slice(0, count - words.length);
    if (asked.length === 0) throw new CorruptionError('too few good fragments are left');
    const answers = await Promise.all(asked.map((index) => wordOrNone(stripe, where, index, start, end)));
    for (const [at, answer] of answers.entries()) {
      if (answer) words.push(answer);
      else sources.delete(asked[at] as number);
    }
  }
  return words;
}

/**
 * Appends to a writer what one fragment should be, a round at a time.
 *
 * A distrusted fragment reads well, and so do the others, of which one more may be wrong: then every word of it is held against one more fragment
 * than it takes, where there is one, and nothing is written when they disagree, nor when the fragment was right.
 * @param present the fragment as it is, when it is distrusted
 * @returns false when it must not be written
 */
export async function rebuildFragment(
  where: Pick<Whereabouts, 'at'>,
  id: Buffer,
  group: GroupRecord,
  code: Code,
  index: number,
  present: FragmentAccess | undefined,
  create: (maximum: number) => Promise<FragmentWriter>,
): Promise<FragmentWriter | undefined> {
  const known = await look(where, id, group, code, index);
  if (!known) return undefined;
  const { stripe } = known;
  const length = fragmentBytes(code, stripe.stored, index);
  const sources = new Set(known.sources);
  if (sources.size < code.data) return undefined;
  const isChecked = present !== undefined && sources.size > code.data;
  const writer = await create(length + trailerBytes);
  try {
    const step = roundRows(code) * unitBytes;
    let differs = false;
    for (let at = 0; at < length; at += step) {
      const end = Math.min(length, at + step);
      const words = await wordsOf(known, where, sources, code.data + (isChecked ? 1 : 0), at, end);
      const used = words.slice(0, code.data);
      const [made] = fromWords(stripe, used, [index]);
      if (isChecked && !agrees(stripe, used, words[code.data] as Word, at, end)) return await drop(writer);
      if (present) {
        const now = await present.read(fragmentId(id, index), at, end).catch(() => undefined);
        differs ||= !now?.equals(made as Uint8Array);
      }
      await writer.append([made as Uint8Array]);
    }
    if (present && !differs) return await drop(writer);
    await writer.append([encodeTrailer(id, { stored: stripe.stored, index, code })]);
    return writer;
  } catch (error) {
    await writer.abort().catch(() => undefined);
    throw error;
  }
}

function agrees(stripe: CodedStripe, used: readonly Word[], other: Word, start: number, end: number): boolean {
  const length = Math.min(end, fragmentBytes(stripe.code, stripe.stored, other.index)) - start;
  const [right] = fromWords(stripe, used, [other.index]);
  return (
    length <= 0 || Buffer.compare((right as Uint8Array).subarray(0, length), other.bytes.subarray(0, length)) === 0
  );
}

async function drop(writer: FragmentWriter): Promise<undefined> {
  await writer.abort();
  return undefined;
}
