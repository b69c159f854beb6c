/*
 * Reed–Solomon on one core, with what it costs to copy fragments into WebAssembly and results out of it, beside a plain copy of the data.
 * Every stripe is touched once in a turn, and all together are larger than a third-level cache, as in a store that never codes a stripe twice.
 */
import { type Code, createCode, lendFragments } from '../src/durability/erasure/index.ts';
import { MiB, median } from './rig.ts';

export interface ErasureResult {
  readonly work: string;
  /** GB of data (k fragments) per second. */
  readonly rate: number;
  /** The plain copy's, in the same turns. */
  readonly copy: number;
  /** The share of it that is wanted. */
  readonly least: number;
}

const totalBytes = 96 * MiB;
const fragmentBytes = MiB;
const turns = 12;

const fragment = (seed: number): Uint8Array => {
  const bytes = new Uint8Array(fragmentBytes);
  for (let at = 0; at < bytes.length; at++) bytes[at] = Math.imul(at + seed, 0x9e3779b1) >>> 24;
  return bytes;
};

const pieceBytes = 256 * 1024;
function addPieces(code: Code, data: readonly Uint8Array[], parity: readonly Uint8Array[]): void {
  for (const [index, each] of data.entries())
    for (let at = 0; at < fragmentBytes; at += pieceBytes)
      code.add(
        index,
        each.subarray(at, at + pieceBytes),
        parity.map((room) => room.subarray(at, at + pieceBytes)),
      );
}

/** Seconds that each work takes for one stripe: the median over all turns, works taking turns with each other. */
function secondsOf(works: readonly ((stripe: number) => void)[], stripes: number): number[] {
  const taken = works.map((): number[] => []);
  for (let turn = -2; turn < turns; turn++)
    for (const [index, work] of works.entries())
      for (let stripe = 0; stripe < stripes; stripe++) {
        const began = process.hrtime.bigint();
        work(stripe);
        if (turn >= 0) taken[index]?.push(Number(process.hrtime.bigint() - began) / 1e9);
      }
  return taken.map(median);
}

export function measureErasure(): ErasureResult[] {
  return [
    { k: 8, m: 3, least: 0.5 },
    { k: 4, m: 2, least: 0.8 },
  ].flatMap(({ k, m, least }) => {
    const code = createCode(k, m);
    const stripes = Array.from({ length: Math.ceil(totalBytes / fragmentBytes / (k + m)) }, (_, stripe) => {
      const data = Array.from({ length: k }, (_, j) => fragment(stripe * k + j));
      const parity = Array.from({ length: m }, () => fragment(0));
      code.encode(data, parity);
      const room = Array.from({ length: k }, () => fragment(0));
      const without = (count: number) => [...data, ...parity].map((each, i) => (i < count ? undefined : each));
      return { data, parity, room, oneLost: without(1), mostLost: without(m) };
    });
    const lent = lendFragments(k + m, fragmentBytes);
    const lentParity = lent.fragments.slice(k);
    const all = Array.from({ length: m }, (_, index) => index);
    const on = (work: (stripe: (typeof stripes)[number]) => void) => (index: number) => work(stripes[index]!);
    const [copied, encoded, half, whole, added, one, most] = secondsOf(
      [
        on(({ data, room }) => {
          for (const [j, each] of data.entries()) room[j]?.set(each);
        }),
        on(({ data, parity }) => code.encode(data, parity)),
        on(({ data }) => code.encode(data, lentParity)),
        on(() => code.encode(lent.fragments.slice(0, k), lentParity)),
        on(({ data }) => addPieces(code, data, lentParity)),
        on(({ oneLost, room }) => void code.reconstruct(oneLost, [0], room)),
        on(({ mostLost, room }) => void code.reconstruct(mostLost, all, room)),
      ],
      stripes.length,
    ).map((seconds) => (k * fragmentBytes) / seconds / 1e9) as [number, number, number, number, number, number, number];
    lent.give();
    return [
      { work: `code ${k}+${m}, 1 MiB fragments`, rate: encoded, copy: copied, least },
      { work: `code ${k}+${m}, parities lent`, rate: half, copy: copied, least },
      { work: `code ${k}+${m}, all lent, one stripe`, rate: whole, copy: copied, least },
      {
        work: `add ${pieceBytes / 1024} KiB pieces to lent parities of ${k}+${m}`,
        rate: added,
        copy: copied,
        least: least / 2,
      },
      { work: `reconstruct 1 fragment of ${k}+${m}`, rate: one, copy: copied, least: least / 2 },
      { work: `reconstruct ${m} fragments of ${k}+${m}`, rate: most, copy: copied, least: least / 2 },
    ];
  });
}
