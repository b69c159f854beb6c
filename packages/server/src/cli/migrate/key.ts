/*
 * One key of a bucket: which of its versions the target lacks, and their copies in order.
 *
 * Version ids and times are given by the store that has the version, so they are other ones at the target. What identifies a copy is its place: the
 * target's versions of a key, oldest first, are those that the source has, or had, up to some point; what comes after that point is to be copied. The
 * target's own state is therefore the journal of a migration: a run that was killed is gone on with by the next, from whatever machine.
 */
import { DsomError } from '@dsom/sdk';
import type { Accounts } from './acl.ts';
import type { S3Connection } from './connection.ts';
import { migrateLimits } from './limits.ts';
import { copyVersion, sourceEtagHeader, writtenMeanwhile } from './object.ts';
import type { OwnCopies } from './own.ts';
import type { Report } from './report.ts';
import { type KeyVersions, type Pair, type Version, walkVersions } from './versions.ts';

/** What all keys of a bucket share. */
export interface BucketOrder {
  readonly source: S3Connection;
  readonly target: S3Connection;
  readonly bucket: string;
  readonly targetBucket: string;
  /** Whether the source keeps versions, or did. */
  readonly versioned: boolean;
  readonly locks: boolean;
  readonly dryRun: boolean;
  /** What the source says counts, even where the target has something else. */
  readonly overwrite: boolean;
  /** What the target has of a key counts, for clients use it already and read there, at the source, what has not moved. */
  readonly keeps: boolean;
  /** What the source does not have is deleted at the target. */
  readonly remove: boolean;
  /** How accounts of access control lists are called here; undefined: lists are not copied. */
  readonly accounts: Accounts | undefined;
  /** By how much the clock of the source is ahead of the target's, ms; 0 when by no more than `migrateLimits.clockMs`. */
  readonly ahead: number;
  /** What this run wrote in places where no versions are kept. */
  readonly own: OwnCopies;
  readonly report: Report;
  now(): number;
  advance(bytes: number): void;
  expect(bytes: number): void;
  finish(): void;
}

const conflict = (message: string) => new DsomError('TargetDiffers', { message });

/** Whether a version of the target is the copy of one of the source. */
async function isCopy(order: BucketOrder, key: string, ours: Version, theirs: Version): Promise<boolean> {
  if (ours.marker || theirs.marker) return ours.marker && theirs.marker;
  if (ours.size !== theirs.size) return false;
  if (ours.etag === theirs.etag) return true;
  const query = { versionId: theirs.id === 'null' ? undefined : theirs.id };
  const { headers } = await order.target.send({ method: 'HEAD', bucket: order.targetBucket, key, query });
  return headers[sourceEtagHeader] === ours.etag;
}

/**
 * How many versions of the source, from the oldest on, the target has.
 * @throws DsomError TargetDiffers when the target has what the source never had, or has it no longer
 */
export async function copiedVersions(
  order: Pick<BucketOrder, 'versioned' | 'overwrite'> & Partial<Pick<BucketOrder, 'keeps' | 'ahead'>>,
  ours: readonly Version[],
  theirs: readonly Version[],
  same: (one: Version, other: Version) => Promise<boolean>,
  /** Whether a version of the target is what this run wrote there. */
  isOwn: (version: Version) => boolean = () => false,
): Promise<number> {
  const newest = theirs.at(-1);
  if (!newest) return 0;
  if (!order.versioned) {
    const only = ours.at(-1);
    if (!only || (await same(only, newest))) return ours.length;
    if (!order.keeps && (order.overwrite || isOwn(newest) || isOlder(newest, only, order.ahead))) return 0;
    throw conflict('The target has other bytes under this key, and they may be newer: --overwrite replaces them.');
  }
  // The source may have lost its oldest versions since they were copied, as lifecycles do: then the target begins with more.
  for (let more = Math.max(0, theirs.length - ours.length); more < theirs.length; more++) {
    let overlap = 0;
    while (more + overlap < theirs.length) {
      if (!(await same(ours[overlap] as Version, theirs[more + overlap] as Version))) break;
      overlap++;
    }
    if (more + overlap === theirs.length) return overlap;
  }
  if (!order.overwrite)
    throw conflict(
      'The target has versions of this key that are not those of the source: remove them there, or --overwrite puts the versions of the source on top.',
    );
  return 0;
}

/** Times are told in whole seconds: within the same one nobody knows, and what is at the target stays. */
function isOlder(theirs: Version, ours: Version, ahead = 0): boolean {
  const doubt = 1000 + (ahead === 0 ? 0 : migrateLimits.clockMs);
  return theirs.modified + doubt <= ours.modified - ahead;
}

/** The condition under which something is written on top of what was seen: that it is still the newest. */
function conditionOf({ overwrite }: BucketOrder, seen: Version | undefined): Record<string, string> {
  if (overwrite) return {};
  // Unlike If-None-Match, it says nothing of what has not moved yet, in a bucket that is read through to its source.
  if (!seen) return { 'x-dsom-if-untouched': 'true' };
  return seen.marker ? { 'if-none-match': '*' } : { 'if-match': `"${seen.etag}"` };
}

/** @param seen the newest version of the target, as last seen @returns the newest by now */
async function copyOne(order: BucketOrder, key: string, version: Version, seen: Version | undefined): Promise<Version> {
  const { report, target, targetBucket: bucket } = order;
  let made = version;
  if (version.marker) {
    // There is no condition that a marker, or nothing, is the newest.
    const headers = seen && !seen.marker ? conditionOf(order, seen) : {};
    if (!order.dryRun) await target.sendOnce({ method: 'DELETE', bucket, key, headers }).catch(writtenMeanwhile);
    report.deleteMarkers++;
    return made;
  }
  if (!order.dryRun) {
    const byVersion = order.versioned;
    const note = (what: string) => report.note(what);
    const condition = conditionOf(order, seen);
    made = await copyVersion({ ...order, key, version, byVersion, condition, now: order.now(), note });
    if (!byVersion) order.own.add(bucket, key, made);
  }
  report.objects++;
  report.bytes += version.size;
  return made;
}

/** The target's versions of one key, as they are now. */
async function targetVersions(order: BucketOrder, key: string): Promise<readonly Version[]> {
  for await (const one of walkVersions(order.target, order.targetBucket, key, 'fails'))
    return one.key === key ? one.versions : [];
  return [];
}

/**
 * Copies what the target lacks of a key. `nullOnly`: no more than its oldest version, if that is from before the source kept versions.
 * A failure is counted in the report. @throws what all other keys would fail with
 */
export async function copyKey(order: BucketOrder, pair: Pair, nullOnly: boolean): Promise<void> {
  const { key, source, target } = pair;
  const { report } = order;
  if (!source) return nullOnly ? undefined : removeKey(order, key, target);
  if (nullOnly && (source.versions[0]?.id !== 'null' || source.versions[0].marker || target || order.keeps)) return;
  const same = (ours: Version, theirs: Version) => isCopy(order, key, ours, theirs);
  const isOwn = (version: Version) => order.own.has(order.targetBucket, key, version);
  let wanted: readonly Version[] = nullOnly ? source.versions.slice(0, 1) : source.versions;
  try {
    refuseOverfull(source, target);
    if (order.keeps) {
      const newest = source.versions.at(-1) as Version;
      const there = target?.versions.at(-1);
      if (there && (await same(newest, there))) {
        report.met += 1;
        return;
      }
      if (!there) wanted = newestOnly(report, source);
      if (wanted.length === 0) return;
    }
    let have: readonly Version[] = target?.versions ?? [];
    let done = await copiedVersions(order, wanted, have, same, isOwn);
    report.met += done;
    const met = done;
    const bytes = wanted.slice(done).reduce((sum, one) => sum + one.size, 0);
    const lacking = done < wanted.length;
    if (lacking) order.expect(bytes);
    let first = true;
    await order.target.again(async () => {
      if (!first) {
        have = await targetVersions(order, key);
        done = await copiedVersions(order, wanted, have, same, isOwn);
      }
      first = false;
      let seen = have.at(-1);
      for (; done < wanted.length; done++) seen = await copyOne(order, key, wanted[done] as Version, seen);
    });
    if (lacking) order.finish();
    if (nullOnly) report.fresh += done - met;
    if (!nullOnly && order.versioned && wanted.slice(1).some((one) => one.id === 'null'))
      report.note('null version that is not the oldest of its key, got an id');
  } catch (cause) {
    if (await counts(order, key, cause)) report.note('written or deleted at the target since, which counts');
    else report.fail(`${order.bucket}/${key}`, cause);
  }
}

/** Whether a key was not copied because something of it is at the target, from before or by now, which counts. */
async function counts(order: BucketOrder, key: string, cause: unknown): Promise<boolean> {
  if (!order.keeps || !(cause instanceof DsomError)) return false;
  if (cause.code === 'TargetDiffers') return true;
  return cause.code === 'PreconditionFailed' && (await targetVersions(order, key)).length > 0;
}

/** Of a key that is read at its source meanwhile an older version would be read for a moment, if it was copied first. */
function newestOnly(report: Report, { versions }: KeyVersions): readonly Version[] {
  if (versions.length > 1)
    report.note('key whose versions below the newest were left out: copy them before the bucket is read through');
  const newest = versions.slice(-1);
  return newest[0]?.marker ? [] : newest;
}

/** A key that the source does not have, or no longer: it stays, unless the source counts for that too. */
async function removeKey(order: BucketOrder, key: string, there: KeyVersions | undefined): Promise<void> {
  const { report } = order;
  if (!order.remove) {
    report.onlyAtTarget++;
    return;
  }
  if (there?.versions.at(-1)?.marker) return;
  try {
    const condition = conditionOf(order, there?.versions.at(-1));
    if (!order.dryRun) {
      const deletion = { method: 'DELETE', bucket: order.targetBucket, key, headers: condition } as const;
      await order.target.send(deletion).catch((cause: unknown) => {
        // As after an answer that was lost.
        if (!(cause instanceof DsomError) || cause.code !== 'NoSuchKey') writtenMeanwhile(cause);
      });
    }
    report.deleted++;
  } catch (cause) {
    report.fail(`${order.bucket}/${key}`, cause);
  }
}

function refuseOverfull(...sides: readonly (KeyVersions | undefined)[]): void {
  if (sides.some((side) => side?.overfull))
    throw new DsomError('TooManyVersions', {
      message: 'The key has more versions than can be brought into order: remove old ones at the source.',
    });
}
