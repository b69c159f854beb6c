import type { Piece, Versioning } from './machine/records.ts';
import type { Guard } from './types.ts';

/*
 * S3's versions as plain lists, newest first. Written from the S3 documentation, not from the machine: nothing here knows of rows.
 */

export interface ModelVersion {
  readonly sequence: number;
  readonly nonce: Buffer;
  readonly isNull: boolean;
  readonly marker: boolean;
  readonly etag: string;
  readonly size: number;
  readonly modifiedMs: number;
  tags: readonly (readonly [string, string])[];
  /** MD5s of the pieces, in order. */
  readonly pieces: readonly string[];
  readonly pieceSizes: readonly number[];
  /** Known to the copy that wants to share it. */
  manifest: Buffer;
}

export interface ModelUpload {
  readonly id: Buffer;
  readonly key: string;
  readonly parts: Map<number, Piece>;
}

export class ModelBucket {
  versioning: Versioning;
  /** Keys as latin1 text: one character a byte. */
  readonly keys = new Map<string, ModelVersion[]>();
  readonly uploads: ModelUpload[] = [];

  constructor(versioning: Versioning) {
    this.versioning = versioning;
  }

  of(key: string): ModelVersion[] {
    return this.keys.get(key) ?? [];
  }

  newest(key: string): ModelVersion | undefined {
    return this.of(key)[0];
  }

  live(key: string): ModelVersion | undefined {
    const newest = this.newest(key);
    return newest?.marker ? undefined : newest;
  }

  /** A put, copy, append, completion or marker. */
  add(key: string, version: ModelVersion): void {
    const kept = this.versioning === 'enabled' ? this.of(key) : this.of(key).filter((each) => !each.isNull);
    this.keys.set(key, [version, ...kept]);
  }

  /** A delete that names no version: true when a marker is to be added. */
  marks(key: string): boolean {
    if (this.versioning !== 'off') return true;
    this.keys.delete(key);
    return false;
  }

  removeVersion(key: string, gone: ModelVersion): void {
    const kept = this.of(key).filter((each) => each !== gone);
    if (kept.length > 0) this.keys.set(key, kept);
    else this.keys.delete(key);
  }

  sortedKeys(): string[] {
    return [...this.keys.keys()].sort((a, b) => (a < b ? -1 : a > b ? 1 : 0));
  }

  counts() {
    const all = [...this.keys.values()];
    return {
      objects: all.filter((versions) => !versions[0]!.marker).length,
      versions: all.reduce((sum, versions) => sum + versions.length, 0),
      uploads: this.uploads.length,
      bytes: all.flat().reduce((sum, version) => sum + version.size, 0),
    };
  }
}

/** What a write's guard answers: undefined when it may go on. */
export function refusal(guard: Guard | undefined, current: ModelVersion | undefined): string | undefined {
  if (guard?.ifMatch !== undefined) {
    if (!current) return 'NoSuchKey';
    if (guard.ifMatch !== '*' && guard.ifMatch !== `"${current.etag}"`) return 'PreconditionFailed';
  }
  if (guard?.ifNoneMatch !== undefined && current) {
    if (guard.ifNoneMatch === '*' || guard.ifNoneMatch === `"${current.etag}"`) return 'PreconditionFailed';
  }
  if (guard?.ifUnmodifiedSinceMs !== undefined && guard.ifMatch === undefined && current) {
    if (Math.floor(current.modifiedMs / 1000) > Math.floor(guard.ifUnmodifiedSinceMs / 1000))
      return 'PreconditionFailed';
  }
  return undefined;
}

/** Items of a listing in order: a key or a common prefix. */
export function fold(
  keys: readonly string[],
  prefix: string,
  delimiter: string,
  start: string,
): { key?: string; prefix?: string }[] {
  const items: { key?: string; prefix?: string }[] = [];
  for (const key of keys) {
    if (!key.startsWith(prefix) || key < start) continue;
    const at = delimiter === '' ? -1 : key.indexOf(delimiter, prefix.length);
    if (at < 0) items.push({ key });
    else {
      const common = key.slice(0, at + delimiter.length);
      if (items.at(-1)?.prefix !== common) items.push({ prefix: common });
    }
  }
  return items;
}
