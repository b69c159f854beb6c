import type { Steps } from './steps.ts';

/** What a case needs besides an endpoint and one account. */
export type Need =
  /** A second account, whose buckets are its own. */
  | 'second'
  /** That the second account may make buckets of its own. */
  | 'tenant'
  /** A name below which buckets stand (virtual-host style). */
  | 'domain'
  /** A name below which buckets are websites. */
  | 'website'
  /** Two keys of its KMS. */
  | 'kms'
  /** A storage class that is an archive, from which a restore takes minutes at least. */
  | 'archive'
  /** That its buckets may be replicated to each other, by ARNs of AWS. */
  | 'replicates';

/** One rule of the documentation, and how it is seen from outside. */
export interface Case {
  readonly area: string;
  /** The rule, as a sentence. */
  readonly name: string;
  /** Page of the documentation that states it. */
  readonly source: string;
  readonly needs: readonly Need[];
  /** Rejects when the store does not keep to the rule. */
  readonly run: (steps: Steps) => Promise<unknown>;
}

/** Pages of the S3 documentation by a short name: `API/…` and `userguide/…`; anything else is a whole address. */
const page = (source: string): string =>
  source.startsWith('https://')
    ? source
    : `https://docs.aws.amazon.com/AmazonS3/latest/${source.replace(/^(API\/API_\w+|userguide\/[\w-]+|API\/[\w-]+)$/, '$1.html')}`;

export interface Area {
  readonly cases: Case[];
  /** Adds a case. @param source its page, when it is not the area's */
  readonly rule: (
    name: string,
    run: (steps: Steps) => Promise<unknown>,
    more?: { readonly source?: string; readonly needs?: readonly Need[] },
  ) => void;
}

/** Begins a group of cases. @param source the page that states most of its rules */
export function area(name: string, source: string): Area {
  const cases: Case[] = [];
  return {
    cases,
    rule(rule, run, more = {}) {
      cases.push({ area: name, name: rule, source: page(more.source ?? source), needs: more.needs ?? [], run });
    },
  };
}
