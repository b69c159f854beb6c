import { invariant } from '../invariant.ts';
import type { Follower, Position } from './types.ts';

interface State {
  position: Position;
  lost: boolean;
}

/** Who still needs entries, and from where on. */
export class Followers {
  readonly #states = new Map<string, State>();

  /** @param tail position of the oldest entry kept */
  add(name: string, from: Position, tail: Position): Follower {
    invariant(!this.#states.has(name), 'a follower of a log registers once at a time');
    const state: State = { position: from, lost: from < tail };
    this.#states.set(name, state);
    return {
      acknowledge(position) {
        if (!state.lost && position > state.position) state.position = position;
      },
      get lost() {
        return state.lost;
      },
      close: () => {
        if (this.#states.get(name) === state) this.#states.delete(name);
      },
    };
  }

  /** The oldest position that one of them needs; Infinity when there is none. */
  get slowest(): Position {
    let slowest = Number.POSITIVE_INFINITY;
    for (const state of this.#states.values()) if (!state.lost) slowest = Math.min(slowest, state.position);
    return slowest;
  }

  /** Entries below `tail` are gone. */
  passedBy(tail: Position): void {
    for (const state of this.#states.values()) if (state.position < tail) state.lost = true;
  }
}
