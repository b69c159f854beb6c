/**
 * What scrubs, cross-checks and snapshots of this process have found of databases: the folders of metadata whose rows are not those that were
 * written, and of fragment indexes whose file contradicts itself, until one of them finds them good again. A start begins with nothing; folders
 * are as many as shards and devices.
 */
export class BadStates {
  readonly #damaged = new Set<string>();
  readonly #structures = new Set<string>();
  readonly #indexes = new Set<string>();

  /** @param damage of the rows; undefined: all were good */
  note(directory: string, damage: string | undefined): void {
    if (damage === undefined) this.#damaged.delete(directory);
    else this.#damaged.add(directory);
  }

  /** @param damage of the file itself; undefined: it hangs together */
  noteFile({ directory, device }: { readonly directory: string; readonly device?: string }, damage?: string): void {
    const set = device === undefined ? this.#structures : this.#indexes;
    if (damage === undefined) set.delete(directory);
    else set.add(directory);
  }

  /** Of metadata. */
  list(): readonly string[] {
    return [...this.#damaged.union(this.#structures)];
  }

  /** Of fragment indexes. */
  indexes(): readonly string[] {
    return [...this.#indexes];
  }
}

/** What an operator should know of one, as a sentence. */
export const badStateText = (directory: string): string =>
  `the metadata in ${directory} are damaged: \`dsom fsck\` names the objects within them, and says what to do`;

export const badIndexText = (directory: string): string =>
  `the fragment index in ${directory} is damaged: look at the disk, then restart the server, which makes it anew from the slabs`;
