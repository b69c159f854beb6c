import { migrateLimits } from './limits.ts';
import type { Version } from './versions.ts';

/**
 * The objects without versions that this run wrote, the latest of them. One that was rewritten at the source while it was copied looks older there than
 * its copy here, as does one that a user has written here since; that it is the copy, only who wrote it knows.
 */
export class OwnCopies {
  readonly #made = new Map<string, string>();
  readonly #most: number;

  constructor(most: number = migrateLimits.ownCopies) {
    this.#most = most;
  }

  add(bucket: string, key: string, version: Version): void {
    const name = `${bucket}/${key}`;
    this.#made.delete(name);
    this.#made.set(name, mark(version));
    const [oldest] = this.#made.keys();
    if (oldest !== undefined && this.#made.size > this.#most) this.#made.delete(oldest);
  }

  has(bucket: string, key: string, version: Version): boolean {
    return this.#made.get(`${bucket}/${key}`) === mark(version);
  }
}

/** Headers and listings tell whole seconds. */
const mark = ({ etag, size, modified }: Version): string => `${etag} ${size} ${Math.floor(modified / 1000)}`;
