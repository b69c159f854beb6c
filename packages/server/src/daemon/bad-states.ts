/**
 * What scrubs, cross-checks and snapshots of this process have found of the metadata: the folders whose rows are not those that were
 * written, until one of them finds all rows good again. A start begins with nothing; folders are as many as shards.
 */
export class BadStates {
  readonly #damaged = new Set<string>();

  /** @param damage undefined: all rows were good */
  note(directory: string, damage: string | undefined): void {
    if (damage === undefined) this.#damaged.delete(directory);
    else this.#damaged.add(directory);
  }

  list(): readonly string[] {
    return [...this.#damaged];
  }
}

/** What an operator should know of one, as a sentence. */
export const badStateText = (directory: string): string =>
  `the metadata in ${directory} are damaged: \`dsom fsck\` names the objects within them, and says what to do`;
