import { CorruptionError } from '../../errors.ts';
import type {
  BucketRecord,
  MetadataReader,
  ScanCursor,
  ScannedPlace,
  VersionRow,
  VersionScan,
} from '../../metadata/index.ts';
import { storageClassesOf } from '../policy.ts';
import type { Rooms } from '../rooms.ts';
import type { CompiledLifecycle } from './compile.ts';
import { type Action, abortionOf, type Candidate, evaluate, type Moment, type Standing } from './evaluate.ts';
import type { LifecycleRule } from './rules.ts';

/* Looks at what one shard has of a bucket, and finds what its lifecycle asks for now. Changes nothing. */

/** What is to be done with one version, with what was seen of it. Nothing in it is a view of a row. */
export interface Found {
  readonly key: Buffer;
  readonly action: Action;
  readonly sequence: number;
  readonly nonce: Buffer;
  readonly isNull: boolean;
  readonly size: number;
  readonly standing: Standing;
  /** Where the rule asked for tags: those that it had. */
  readonly tags: readonly (readonly [string, string])[] | undefined;
}

export interface FoundUpload {
  readonly key: Buffer;
  readonly upload: Buffer;
  readonly rule: LifecycleRule;
  readonly dueMs: number;
}

/** A row of the scan as a candidate; one for all rows, filled anew for each. */
class ScannedCandidate implements Candidate {
  key: Buffer = Buffer.alloc(0);
  #row: VersionRow | undefined;
  #place: ScannedPlace | undefined;

  at(key: Buffer, row: VersionRow, place: ScannedPlace): this {
    this.key = key;
    this.#row = row;
    this.#place = place;
    return this;
  }
  get isMarker(): boolean {
    return this.#row!.isMarker;
  }
  get isNull(): boolean {
    return this.#row!.isNull;
  }
  get modifiedMs(): number {
    return this.#row!.modifiedMs;
  }
  get size(): number {
    return this.#row!.size;
  }
  get storageClass(): string {
    return this.#row!.storageClass;
  }
  get tags(): readonly (readonly [string, string])[] {
    const record = this.#row!.record();
    return record.kind === 'object' ? record.tags : [];
  }
  get standing(): Standing {
    const { isCurrent, isAlone, sinceMs, newer } = this.#place!;
    return isCurrent ? { place: 'current', alone: isAlone } : { place: 'noncurrent', sinceMs, newer };
  }
}

export type WalkRooms = Pick<Rooms, 'reader'>;

/** What holds for one bucket while it is walked. */
export function momentOf(rooms: WalkRooms, bucket: BucketRecord, nowMs: number, dayMs: number): Moment {
  const classes = new Set(storageClassesOf(rooms));
  return { nowMs, dayMs, versioning: bucket.versioning, isClass: (name) => classes.has(name) };
}

export interface WalkVisitor {
  found(one: Found): void;
  /** A version whose row cannot be read. */
  unreadable(key: Buffer, cause: CorruptionError): void;
}

/**
 * Looks at up to `limit` versions.
 * @returns how many, and where it goes on
 */
export function walkVersions(
  scan: VersionScan,
  bucket: number,
  after: ScanCursor | undefined,
  limit: number,
  compiled: CompiledLifecycle,
  moment: Moment,
  visitor: WalkVisitor,
): { readonly versions: number; readonly next: ScanCursor | undefined } {
  const candidate = new ScannedCandidate();
  let versions = 0;
  const next = scan.versions(bucket, after, limit, (key, row, place) => {
    versions += 1;
    const one = lookAt(compiled, candidate.at(key, row, place), row, moment, visitor);
    if (one) visitor.found(one);
  });
  return { versions, next };
}

/** One that cannot be read is left as it is, and the others are looked at. */
function lookAt(
  compiled: CompiledLifecycle,
  candidate: Candidate,
  row: VersionRow,
  moment: Moment,
  { unreadable }: WalkVisitor,
): Found | undefined {
  try {
    const action = evaluate(compiled, candidate, moment);
    if (!action) return undefined;
    return {
      key: Buffer.from(candidate.key),
      action,
      sequence: row.sequence,
      nonce: Buffer.from(row.nonce),
      isNull: row.isNull,
      size: row.size,
      standing: candidate.standing,
      tags: action.rule.filter.tags.length > 0 ? candidate.tags : undefined,
    };
  } catch (error) {
    if (!(error instanceof CorruptionError)) throw error;
    unreadable(candidate.key, error);
    return undefined;
  }
}

export type UploadCursor = { readonly key: Buffer; readonly upload: Buffer };

/** The same for open uploads. */
export function walkUploads(
  reader: Pick<MetadataReader, 'listUploads'>,
  bucket: number,
  after: UploadCursor | undefined,
  limit: number,
  compiled: CompiledLifecycle,
  moment: Moment,
  found: (one: FoundUpload) => void,
): { readonly uploads: number; readonly next: UploadCursor | undefined } {
  const none = Buffer.alloc(0);
  const query = { bucket, prefix: none, delimiter: none, start: after?.key ?? none, limit, after };
  const { items, truncated } = reader.listUploads(query);
  let last = after;
  for (const item of items) {
    if ('prefix' in item) continue;
    last = { key: item.key, upload: item.id };
    const set = compiled.at(item.key);
    const due = set && abortionOf(set, item.initiatedMs, moment.dayMs);
    if (due && due.dueMs <= moment.nowMs) found({ key: item.key, upload: item.id, ...due });
  }
  return { uploads: items.length, next: truncated ? last : undefined };
}
