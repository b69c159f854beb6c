import type { Code, GroupRecord, Stripe } from '../../metadata/index.ts';
import { fragmentId, storedBytes } from '../address.ts';
import { Findings, type How, lost, noGroup, type StripeReads } from '../findings.ts';
import { fromWords, readWords } from './sources.ts';
import { type FragmentRun, gather, runsOf } from './striping.ts';

/**
 * Reads just the data fragments that a range touches. One that fails, or on another node is late, is computed from any k others, which are
 * verified whatever was asked for: a reader who checks himself would not tell which of them was wrong.
 */
export function readCoded(
  reads: StripeReads,
  how: How,
  stripe: Stripe,
  group: GroupRecord,
  code: Code,
  start: number,
  end: number,
): Promise<Buffer> {
  const runs = runsOf(code, start, end);
  const read = new CodedRead(reads, how, stripe, group, code);
  const [only] = runs;
  if (only && runs.length === 1) return read.run(only);
  return Promise.all(runs.map(async (run) => ({ ...run, bytes: await read.run(run) }))).then((parts) =>
    gather(code, start, end, parts),
  );
}

class CodedRead {
  readonly #reads: StripeReads;
  readonly #how: How;
  readonly #stripe: Stripe;
  readonly #group: GroupRecord;
  readonly #code: Code;
  readonly #findings = new Findings();
  #reported = 0;

  constructor(reads: StripeReads, how: How, stripe: Stripe, group: GroupRecord, code: Code) {
    this.#reads = reads;
    this.#how = how;
    this.#stripe = stripe;
    this.#group = group;
    this.#code = code;
  }

  run({ index, start, end }: FragmentRun): Promise<Buffer> {
    const device = this.#group.devices[index] as string;
    const access = this.#reads.where.at(this.#group, index);
    if (!access || !this.#reads.condition(device).healthy) {
      if (!access) this.#findings.away.add(device);
      return this.#rebuild(index, start, end, true);
    }
    const reading = access[this.#how](fragmentId(this.#stripe.id, index), start, end);
    return this.#reads.hedging.race(access, reading, (failure) => {
      if (failure) this.#findings.failed(index, device, failure.error);
      return this.#rebuild(index, start, end, false);
    });
  }

  /** @param asLast with too few others, the fragment itself is tried: its device is there, but does not do well */
  async #rebuild(index: number, start: number, end: number, asLast: boolean): Promise<Buffer> {
    const { where, groups, hedging } = this.#reads;
    groups.refresh();
    const group = groups.byId(this.#stripe.group);
    if (!group?.code) throw noGroup(this.#stripe);
    const findings = this.#findings;
    const stripe = { id: this.#stripe.id, group, code: this.#code, stored: storedBytes(this.#stripe) };
    const order = this.#order(group, index);
    const search = {
      where,
      hedging,
      order,
      failed: (other: number, device: string, error: unknown) => findings.failed(other, device, error),
      away: (device: string) => void findings.away.add(device),
    };
    let words = await readWords(stripe, search, this.#code.data, start, end);
    if (words.length < this.#code.data) {
      const itself = () => readWords(stripe, { ...search, order: [index] }, 1, start, end);
      let [own] = asLast ? await itself() : [];
      const elsewhere = own ? undefined : await where.find(stripe.id, group);
      for (const device of elsewhere?.away ?? []) findings.away.add(device);
      if (elsewhere?.found) {
        [own] = await itself();
        if (!own) words = await readWords(stripe, search, this.#code.data, start, end);
      }
      if (words.length < this.#code.data) {
        this.#report(group, own !== undefined);
        if (own) return asBuffer(own.bytes);
        throw lost(this.#stripe.id, findings);
      }
    }
    this.#report(group, true);
    const [bytes] = fromWords(stripe, words, [index]);
    return asBuffer(bytes as Uint8Array);
  }

  /** The other fragments: those near first, those on sick devices last. */
  #order(group: GroupRecord, except: number): number[] {
    const { where, condition } = this.#reads;
    const rank = (index: number): number => {
      const device = group.devices[index] as string;
      return (condition(device).healthy ? 0 : 2) + (where.at(group, index)?.remote ? 1 : 0);
    };
    const others = [...group.devices.keys()].filter((index) => index !== except);
    return others.sort((a, b) => rank(a) - rank(b) || a - b);
  }

  #report(group: GroupRecord, good: boolean): void {
    const fresh = this.#findings.bad.slice(this.#reported);
    this.#reported = this.#findings.bad.length;
    if (fresh.length > 0) this.#reads.onBad(this.#stripe.id, group, fresh, good);
  }
}

export const asBuffer = (bytes: Uint8Array): Buffer => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
