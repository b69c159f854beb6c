import type { Code, GroupRecord } from '../../metadata/index.ts';
import { fragmentId } from '../address.ts';
import { createCode } from '../erasure/index.ts';
import type { Hedging } from '../hedge.ts';
import type { FragmentSource, Whereabouts } from '../whereabouts.ts';
import { fragmentBytes } from './striping.ts';

/** A coded stripe: where its fragments are and how long it is. */
export interface CodedStripe {
  readonly id: Buffer;
  readonly group: GroupRecord;
  readonly code: Code;
  /** Stored bytes. */
  readonly stored: number;
}

/** A run of one fragment, in words of the code: bytes behind the end of a fragment are zeros. */
export interface Word {
  readonly index: number;
  readonly bytes: Uint8Array;
}

export interface Search {
  readonly where: Pick<Whereabouts, 'at'>;
  /** Fragments to ask, the best ones first. */
  readonly order: readonly number[];
  readonly hedging: Hedging;
  readonly failed: (index: number, device: string, error: unknown) => void;
  readonly away: (device: string) => void;
}

/** Verified bytes [start, end) of one fragment, filled up with zeros; undefined when its device is not there. */
export function readWord(
  { id, group, code, stored }: CodedStripe,
  where: Pick<Whereabouts, 'at'>,
  index: number,
  start: number,
  end: number,
): { readonly word: Promise<Word>; readonly from: FragmentSource | undefined } | undefined {
  const there = Math.min(end, fragmentBytes(code, stored, index));
  if (there <= start) return { word: Promise.resolve({ index, bytes: Buffer.alloc(end - start) }), from: undefined };
  const from = where.at(group, index);
  if (!from) return undefined;
  const word = from.read(fragmentId(id, index), start, there).then((bytes) => {
    if (there === end) return { index, bytes };
    const whole = Buffer.alloc(end - start);
    whole.set(bytes);
    return { index, bytes: whole };
  });
  return { word, from };
}

/** As {@link readWord}, undefined too when it cannot be had. */
export async function wordOrNone(...asked: Parameters<typeof readWord>): Promise<Word | undefined> {
  try {
    return await readWord(...asked)?.word;
  } catch {
    return undefined;
  }
}

/**
 * Reads words of `count` fragments, those that come first in the order; one that fails or is late is made up for by the next.
 * @returns as many as were wanted, or all that can be had
 */
export function readWords(
  stripe: CodedStripe,
  search: Search,
  count: number,
  start: number,
  end: number,
): Promise<Word[]> {
  const words: Word[] = [];
  let next = 0;
  let running = 0;
  let done = false;
  return new Promise((resolve, reject) => {
    const settle = (): void => {
      if (words.length < count && running > 0) return;
      done = true;
      resolve(words.slice(0, count));
    };
    const begin = (): void => {
      while (!done && next < search.order.length) {
        const index = search.order[next++] as number;
        const device = stripe.group.devices[index] as string;
        const reading = readWord(stripe, search.where, index, start, end);
        if (!reading) {
          search.away(device);
          continue;
        }
        running += 1;
        const { word, from } = reading;
        const cancel = from ? search.hedging.whenLate(from, begin) : () => undefined;
        (from ? search.hedging.watch(from, word) : word).then(
          (good) => {
            cancel();
            running -= 1;
            words.push(good);
            settle();
          },
          (error) => {
            cancel();
            running -= 1;
            try {
              search.failed(index, device, error);
            } catch (broken) {
              reject(broken);
              return;
            }
            begin();
            settle();
          },
        );
        return;
      }
    };
    for (let started = 0; started < count; started++) begin();
    settle();
  });
}

/** The bytes of fragments out of words of at least as many others as the code has data fragments. */
export function fromWords(
  { code, group }: CodedStripe,
  words: readonly Word[],
  wanted: readonly number[],
): Uint8Array[] {
  const given = new Map(words.map(({ index, bytes }) => [index, bytes]));
  const fragments = group.devices.map((_, index) => given.get(index));
  return createCode(code.data, code.parity).reconstruct(fragments, wanted);
}
