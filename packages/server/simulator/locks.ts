/*
 * What clients know of the locks of versions, and so which of them must still be there. A version that is locked for certain stays: whoever is answered
 * that it was deleted has found a bug. What may have been loosened, by a request that is under way or whose answer was lost, may go.
 */

export type LockMode = 'GOVERNANCE' | 'COMPLIANCE';

/** Long after the end of every run, also by clocks that were set forward. */
export const lockedUntilMs = Date.UTC(2046, 0, 1);

/** How a put asks for a lock: a mode, `hold`, or `none`. */
export const lockAsked = (
  asked: string | undefined,
): { readonly mode: LockMode | undefined; readonly held: boolean } => ({
  mode: asked === 'governance' ? 'GOVERNANCE' : asked === 'compliance' ? 'COMPLIANCE' : undefined,
  held: asked === 'hold',
});

export class LockedVersion {
  readonly id: string;
  readonly value: string;
  /** For certain. */
  mode: LockMode | undefined;
  held: boolean;
  /** Somebody may have deleted it for good, or may yet: nothing is known of it any more. */
  mayGo = false;
  /** Requests to delete it that are not known to have been refused. */
  #tries = 0;
  /** Requests that may take a lock away and have no answer; how many there have been. */
  #loosening = 0;
  #loosened = 0;

  constructor(id: string, value: string, mode: LockMode | undefined, held: boolean) {
    this.id = id;
    this.value = value;
    this.mode = mode;
    this.held = held;
  }

  /** Whether it must be there, whatever is asked. */
  stays(bypasses: boolean): boolean {
    return !this.mayGo && (this.held || this.mode === 'COMPLIANCE' || (this.mode === 'GOVERNANCE' && !bypasses));
  }

  /** A request to delete it begins. What it gives is told how that ended: whether it was refused, undefined when nobody knows. @throws Error when it was done, and may not be */
  remove(bypasses: boolean): (refused: boolean | undefined) => void {
    if (!this.stays(bypasses)) {
      this.mayGo = true;
      return () => {};
    }
    this.#tries++;
    return (refused) => {
      if (refused) this.#tries--;
      if (refused === false && this.stays(bypasses))
        throw new Error(`version ${this.id} was deleted, and is locked: ${this.mode ?? ''}${this.held ? ' hold' : ''}`);
    };
  }

  /** A request begins that may take the lock away. What it gives is told when the answer is known. */
  loosen(what: 'mode' | 'held'): () => void {
    // A delete that is still on its way may come behind it.
    if (this.#tries > 0) this.mayGo = true;
    if (what === 'mode') this.mode = undefined;
    else this.held = false;
    this.#loosening++;
    this.#loosened++;
    return () => void this.#loosening--;
  }

  /** A request to lock it begins. What it gives is called when that is done. */
  tighten(what: LockMode | 'held'): () => void {
    const loosened = this.#loosened;
    const isAlone = this.#loosening === 0;
    return () => {
      if (!isAlone || loosened !== this.#loosened) return;
      if (what === 'held') this.held = true;
      else if (this.mode !== 'COMPLIANCE') this.mode = what;
    };
  }
}
