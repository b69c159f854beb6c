/** How fresh an answer must be: at least the newest state, at least what this session has seen, or whatever is at hand. */
export type Consistency = 'strong' | 'causal' | 'eventual';

/**
 * The positions that a session has seen, as opaque tokens. An answer's token covers those that its request carried, and replaces just them: requests
 * that run side by side leave one token each, the next request carries them all and its answer merges them. So there are never more tokens than there
 * were requests at the same time.
 */
export class TokenJar {
  readonly #consistency: Consistency | undefined;
  #tokens: readonly string[];

  constructor(consistency: Consistency | undefined, tokens: readonly string[] = []) {
    this.#consistency = consistency;
    this.#tokens = tokens;
  }

  /** What the next request carries; hand it back to {@link put}. */
  take(): readonly string[] {
    return this.#tokens;
  }

  headers(taken: readonly string[] | undefined): Record<string, string> {
    const headers: Record<string, string> = {};
    if (this.#consistency !== undefined) headers['x-dsom-consistency'] = this.#consistency;
    if (taken !== undefined && taken.length > 0) headers['x-dsom-token'] = taken.join(',');
    return headers;
  }

  put(taken: readonly string[] | undefined, token: string | null): void {
    if (token === null || token === '') return;
    const rest = this.#tokens.filter((one) => one !== token && !taken?.includes(one));
    this.#tokens = [...rest, token];
  }

  /** To carry the session on elsewhere, for example in the next page of a web application. */
  toString(): string {
    return this.#tokens.join(',');
  }
}
