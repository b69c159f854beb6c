import { Renamed } from './checks/renamed.ts';
import type { LockedVersion } from './locks.ts';
import { type KeyHistory, never, type Read, type Write } from './seen.ts';

/** A version that the store acknowledged in the bucket that keeps them. */
export interface KeptVersion {
  readonly id: string;
  readonly value: string;
  readonly sequence: number;
  /** Somebody asked to delete it for good. */
  condemned: boolean;
}

/** What a list said of a key. Copies of the same bytes have the same ETag, so that which value it spoke of is clear only when all have been learned. */
interface Line {
  readonly etag: string;
  readonly size: number;
  readonly read: Omit<Read, 'value'>;
}

/** It writes bytes that are there already. */
const repeats = ({ what }: Write): boolean => / (copy|patch) /.test(what);

/** Bytes of a value, as the numbers of the writes that it is made of. */
type Made = string;

export class History {
  readonly keys = new Map<string, KeyHistory>();
  /** Objects that get other names. */
  readonly renamed = new Renamed();
  /** By bucket/key. */
  readonly versions = new Map<string, KeptVersion[]>();
  /** Versions of the bucket that locks, by bucket/key. */
  readonly locked = new Map<string, LockedVersion[]>();
  /** When the newest put of a key that was acknowledged began, simulated ms: of keys that a lifecycle takes away. */
  readonly puts = new Map<string, number>();
  readonly #made = new Map<string, { made: Made; by: string }>();
  /** Values by bucket/key and ETag. */
  readonly #etags = new Map<string, Set<string>>();
  /** By bucket/key. */
  readonly #lines = new Map<string, Line[]>();

  of(bucket: string, key: string): KeyHistory {
    const name = `${bucket}/${key}`;
    let found = this.keys.get(name);
    if (!found) {
      found = { name, writes: [], reads: [] };
      this.keys.set(name, found);
    }
    return found;
  }

  /** The bytes of a value are the same whenever they are read. @throws Error when they are not */
  learnBytes(name: string, value: string, writes: readonly number[], by: string): void {
    const made = writes.join();
    const known = this.#made.get(`${name} ${value}`);
    if (!known) this.#made.set(`${name} ${value}`, { made, by });
    else if (known.made !== made) {
      throw new Error(`${name} ${value} is made of the writes ${made} for ${by}, and of ${known.made} for ${known.by}`);
    }
  }

  bytesOf(name: string, value: string): string | undefined {
    return this.#made.get(`${name} ${value}`)?.made;
  }

  learnEtag(name: string, etag: string, value: string): void {
    const at = `${name} ${etag}`;
    const values = this.#etags.get(at) ?? new Set();
    this.#etags.set(at, values.add(value));
  }

  sawListed(name: string, line: Line): void {
    const lines = this.#lines.get(name) ?? [];
    this.#lines.set(name, lines);
    lines.push(line);
  }

  /** At the end: makes reads of the lines of lists that can speak of one value only. */
  settleLists(): void {
    for (const [name, lines] of this.#lines) {
      const key = this.keys.get(name);
      const unlearned = key?.writes.filter((one) => one.end === never && !one.refused) ?? [];
      for (const { etag, size, read } of lines) {
        const values = [...(this.#etags.get(`${name} ${etag}`) ?? [])].filter((value) => value.endsWith(`/${size}`));
        const [value] = values;
        if (value === undefined || values.length > 1) continue;
        // What nobody learned of may have made the same bytes, or this value was made of it.
        const hidden = unlearned.filter(({ start }) => start < read.end);
        const write = key?.writes.find((one) => value.startsWith(`w${one.write}/`));
        if (hidden.some(repeats) || (hidden.length > 0 && (!write || repeats(write)))) continue;
        key?.reads.push({ ...read, value });
      }
    }
    this.#lines.clear();
  }

  lock(name: string, version: LockedVersion): void {
    const versions = this.locked.get(name) ?? [];
    this.locked.set(name, versions);
    versions.push(version);
  }

  keep(name: string, version: KeptVersion): void {
    const versions = this.versions.get(name) ?? [];
    this.versions.set(name, versions);
    versions.push(version);
  }
}
