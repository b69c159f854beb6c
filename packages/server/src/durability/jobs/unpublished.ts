import type { Clock } from '../../host/index.ts';
import { limits } from '../../limits.ts';

/**
 * Copies that were left out of stripes that no version points to: a write under way may still publish them; one that failed, or whose version was
 * deleted since, never does. Which of them it will be nobody can say, so they are kept, and looked up by every run of the mender:
 * `limits.mendUnpublished` at most, the oldest go first.
 */
export class Unpublished<Copy extends { readonly stripe: Buffer }> {
  readonly #owned: (stripe: Buffer) => boolean;
  readonly #clock: Pick<Clock, 'monotonic'>;
  readonly #copies = new Map<string, { readonly copy: Copy; readonly since: number }>();

  constructor(owned: (stripe: Buffer) => boolean, clock: Pick<Clock, 'monotonic'>) {
    this.#owned = owned;
    this.#clock = clock;
  }

  /** @returns false when another one was forgotten for it that was here for less than `limits.mendAgainMs`: it may be published yet */
  add(name: string, copy: Copy): boolean {
    const now = this.#clock.monotonic();
    this.#copies.set(name, { copy, since: now });
    if (this.#copies.size <= limits.mendUnpublished) return true;
    for (const [oldest, { since }] of this.#copies) {
      this.#copies.delete(oldest);
      return now - since >= limits.mendAgainMs;
    }
    return true;
  }

  /** Takes out those whose stripe has an owner by now. */
  published(): Copy[] {
    const found: Copy[] = [];
    for (const [name, { copy }] of this.#copies) {
      if (!this.#owned(copy.stripe)) continue;
      this.#copies.delete(name);
      found.push(copy);
    }
    return found;
  }
}
