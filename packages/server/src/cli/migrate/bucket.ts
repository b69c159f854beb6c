/* One bucket: made at the target if need be, its objects, then its configurations. */
import { DsomError } from '@dsom/sdk';
import { CommandError, exitCode } from '../exit.ts';
import { forEachParallel } from '../pool.ts';
import { readConfiguration } from './configurations.ts';
import type { S3Connection } from './connection.ts';
import { type BucketOrder, copyKey } from './key.ts';
import { migrateLimits } from './limits.ts';
import { Settings } from './settings.ts';
import { merged, walkVersions } from './versions.ts';
import { textOf } from './xml.ts';

export interface BucketTask extends Omit<BucketOrder, 'versioned' | 'locks' | 'accounts' | 'ahead'> {
  readonly prefix: string;
  readonly parallel: number;
  readonly withConfigurations: boolean;
  /** Whether access control lists are copied. */
  readonly lists: boolean;
  /** Ids of accounts here, by those at the source. */
  readonly named: ReadonlyMap<string, string>;
  /** Called when the bucket of the target is there, before anything is copied. */
  readonly made: () => Promise<void>;
  /** What was written in an earlier pass, by bucket and configuration. */
  readonly written: Map<string, string>;
}

type Versioning = '' | 'Enabled' | 'Suspended';

const statusIn = (text: string): Versioning => (textOf(text, 'Status') ?? '') as Versioning;

async function statusOf(store: S3Connection, bucket: string): Promise<Versioning> {
  return statusIn((await store.send({ method: 'GET', bucket, query: { versioning: '' } })).text);
}

async function versioningOf({ source, bucket, report }: BucketTask): Promise<Versioning> {
  const { text } = await source.send({ method: 'GET', bucket, query: { versioning: '' } }).catch((cause: unknown) => {
    if (!(cause instanceof DsomError) || cause.code !== 'NoSuchBucket') throw cause;
    throw new CommandError(
      exitCode.notFound,
      `the source ${source.endpoint.origin} has no bucket ${bucket}`,
      'Is this its name there, and the profile that of the old store? `s3://PROFILE@` without a name copies all of its buckets.',
    );
  });
  if (textOf(text, 'MfaDelete') === 'Enabled')
    report.note('MFA delete of a bucket, left out: lock its objects instead');
  return statusIn(text);
}

async function setVersioning({ target, targetBucket }: BucketTask, status: Versioning): Promise<void> {
  const body = `<VersioningConfiguration xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Status>${status}</Status></VersioningConfiguration>`;
  await target.send({ method: 'PUT', bucket: targetBucket, query: { versioning: '' }, body });
}

async function exists(store: S3Connection, bucket: string): Promise<boolean> {
  try {
    await store.send({ method: 'HEAD', bucket });
    return true;
  } catch (cause) {
    if (cause instanceof DsomError && cause.status === 404) return false;
    throw cause;
  }
}

async function copyObjects(order: BucketOrder, task: BucketTask, nullOnly: boolean): Promise<void> {
  const pairs = merged(
    walkVersions(task.source, task.bucket, task.prefix, 'fails'),
    walkVersions(task.target, task.targetBucket, task.prefix, task.dryRun ? 'empty' : 'fails'),
  );
  await forEachParallel(pairs, task.parallel, (pair) => copyKey(order, pair, nullOnly));
}

/** By how much the clock of the source is ahead, where that is more than what comes of slow answers and whole seconds. */
function aheadOf({ source, target, report }: BucketTask): number {
  const ahead = source.ahead - target.ahead;
  if (Number.isNaN(ahead) || Math.abs(ahead) <= migrateLimits.clockMs) return 0;
  report.note(
    `clocks of the two stores differ, by about ${Math.round(Math.abs(ahead) / 1000)} s: which of two objects without versions is newer is told with that in mind`,
  );
  return ahead;
}

/**
 * Brings a bucket of the target up to the source's. What cannot be copied is in the report.
 * @returns what remains to be done once all other buckets are there
 * @throws what other buckets would fail with, too
 */
export async function migrateBucket(task: BucketTask): Promise<() => Promise<void>> {
  const { source, target, bucket, targetBucket, dryRun } = task;
  const versioning = await versioningOf(task);
  // A lock that cannot be read may be one: then nothing is copied.
  const lock = (await readConfiguration(source, bucket, 'object-lock')).state === 'set';
  const settings = new Settings({ ...task, accounts: task.lists ? task.named : undefined });
  const lists = await settings.listsOfSource();
  const there = await exists(target, targetBucket);
  if (!there && !dryRun) {
    const headers = {
      ...(lock && { 'x-amz-bucket-object-lock-enabled': 'true' }),
      // As it is there, where nothing else is said.
      ...(lists && { 'x-amz-object-ownership': 'ObjectWriter' }),
    };
    await target.send({ method: 'PUT', bucket: targetBucket, headers });
  }
  if (task.withConfigurations) await settings.before();
  if (!dryRun) await task.made();
  const targetLock = there ? await readConfiguration(target, targetBucket, 'object-lock') : undefined;
  const locks = targetLock ? targetLock.state === 'set' : lock;
  const before = !there && dryRun ? '' : await statusOf(target, targetBucket);
  const accounts = lists && !dryRun ? await settings.accounts() : undefined;
  const order: BucketOrder = { ...task, versioned: versioning !== '', locks, accounts, ahead: aheadOf(task) };
  if (versioning !== '' && !dryRun) {
    // What the source had before it kept versions stays what it is, the version `null`: written while the target keeps none either.
    if (before === '') await copyObjects(order, task, true);
    if (before !== 'Enabled') await setVersioning(task, 'Enabled');
  }
  try {
    await copyObjects(order, task, false);
  } finally {
    if (versioning === 'Suspended' && !dryRun) await setVersioning(task, 'Suspended');
  }
  task.report.buckets++;
  if (!task.withConfigurations) return async () => {};
  await settings.after();
  return () => settings.last();
}
