import { percentEncode, queryDecode } from './percent.ts';

/**
 * A parsed query. `a`, `a=` and `a=b` are all parameters (the first two with an empty value); names are case-sensitive;
 * nothing is dropped or merged, so that what was signed is what is acted on. `;` separates nothing.
 */
export class Query {
  readonly pairs: readonly (readonly [name: string, value: string])[];

  /** @throws StoreError InvalidURI */
  constructor(rawQuery: string) {
    if (rawQuery === '') {
      this.pairs = none;
      return;
    }
    const pairs: [string, string][] = [];
    for (const piece of rawQuery.split('&')) {
      if (piece === '') continue;
      const equals = piece.indexOf('=');
      if (equals < 0) pairs.push([queryDecode(piece), '']);
      else pairs.push([queryDecode(piece.slice(0, equals)), queryDecode(piece.slice(equals + 1))]);
    }
    this.pairs = pairs;
  }

  /** The value of the first parameter of this name. */
  get(name: string): string | undefined {
    for (const pair of this.pairs) if (pair[0] === name) return pair[1];
    return undefined;
  }

  has(name: string): boolean {
    return this.get(name) !== undefined;
  }

  /** A name that was given more than once, whatever its values. */
  get repeated(): string | undefined {
    if (this.pairs.length < 2) return undefined;
    const seen = new Set<string>();
    for (const [name] of this.pairs) {
      if (seen.has(name)) return name;
      seen.add(name);
    }
    return undefined;
  }

  /** The form that is signed: encoded, sorted by name and then by value, without `except`. */
  canonical(except?: string): string {
    if (this.pairs.length === 0) return '';
    const encoded: [string, string][] = [];
    for (const [name, value] of this.pairs)
      if (name !== except) encoded.push([percentEncode(name), percentEncode(value)]);
    if (encoded.length > 1) encoded.sort((a, b) => compare(a[0], b[0]) || compare(a[1], b[1]));
    let out = '';
    for (const [name, value] of encoded) out += out === '' ? `${name}=${value}` : `&${name}=${value}`;
    return out;
  }
}

const none: readonly (readonly [string, string])[] = [];

/** Encoded text is ASCII: code units are bytes. */
function compare(a: string, b: string): number {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}
