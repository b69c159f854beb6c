import type { DamageReport } from '../durability/index.ts';
import { limits } from '../limits.ts';
import type { MetadataReader } from '../metadata/index.ts';

/** A copy that cannot be read, and that nothing could write again. */
export interface BadCopy {
  readonly stripe: Buffer;
  readonly device: string;
  readonly reason: DamageReport['reason'];
}

/**
 * What reads and scrubs of this process have found damaged and could not repair, `limits.reportedFindings` copies at most. A copy is forgotten when it was
 * written again, when no version needs its stripe there any more, or when a whole scrub did not meet it again. Missing copies are not
 * among them: the index and the mender know those.
 */
export class BadCopies {
  readonly #reader: Pick<MetadataReader, 'stripeOwner' | 'groups'>;
  readonly #found = new Map<string, BadCopy & { readonly pass: number }>();
  #pass = 0;

  constructor(reader: Pick<MetadataReader, 'stripeOwner' | 'groups'>) {
    this.#reader = reader;
  }

  note({ stripe: given, device, reason, repaired }: DamageReport): void {
    // From other threads it comes as plain bytes.
    const stripe = Buffer.from(given);
    const name = `${stripe.toString('hex')} ${device}`;
    if (repaired) this.#found.delete(name);
    else if (reason !== 'missing' && (this.#found.has(name) || this.#found.size < limits.reportedFindings))
      this.#found.set(name, { stripe, device, reason, pass: this.#pass });
  }

  /** Call when a scrub of everything begins. @returns what to call when it has read everything */
  scrubbed(): () => void {
    const pass = ++this.#pass;
    return () => {
      for (const [name, found] of this.#found) if (found.pass < pass) this.#found.delete(name);
    };
  }

  /** Those that a version needs. */
  list(): readonly BadCopy[] {
    if (this.#found.size === 0) return [];
    const groups = new Map(this.#reader.groups().map((group) => [group.id, group]));
    for (const [name, { stripe, device }] of this.#found) {
      const owner = this.#reader.stripeOwner(stripe);
      if (!owner || groups.get(owner.group)?.devices.includes(device) !== true) this.#found.delete(name);
    }
    return [...this.#found.values()];
  }
}

const copiesAre = (count: number, more = ''): string =>
  count === 1 ? 'a copy of a stripe is' : `${count}${more} copies of stripes are`;

/** What an operator should know of them, as a sentence. */
export const badCopiesText = (count: number): string =>
  `${copiesAre(count, count >= limits.reportedFindings ? ' or more' : '')} damaged, and could not be written again: \`dsom fsck\` names the objects`;

/** The same of copies that are not there, and that nothing is left to be written from. */
export const lostCopiesText = (count: number): string =>
  `${copiesAre(count)} gone, and nothing is left to write ${count === 1 ? 'it' : 'them'} from: \`dsom fsck\` names the objects`;
