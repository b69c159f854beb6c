/* One bucket: made at the target if need be, its objects, then its configurations. */
import { DsomError } from '@dsom/sdk';
import { forEachParallel } from '../pool.ts';
import { type Configuration, configurations, readConfiguration, writeConfiguration } from './configurations.ts';
import type { S3Connection } from './connection.ts';
import { type BucketOrder, copyKey } from './key.ts';
import { merged, walkVersions } from './versions.ts';
import { elements, textOf } from './xml.ts';

export interface BucketTask extends Omit<BucketOrder, 'versioned' | 'locks'> {
  readonly prefix: string;
  readonly parallel: number;
  readonly withConfigurations: boolean;
  /** Called when the bucket of the target is there, before anything is copied. */
  readonly made: () => Promise<void>;
  /** What was written in an earlier pass, by bucket and configuration. */
  readonly written: Map<string, string>;
}

type Versioning = '' | 'Enabled' | 'Suspended';

async function versioningOf(store: S3Connection, bucket: string): Promise<Versioning> {
  const { text } = await store.send({ method: 'GET', bucket, query: { versioning: '' } });
  return (textOf(text, 'Status') ?? '') as Versioning;
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

/** Reads a configuration; what cannot be read is told and passed over. */
async function read(task: BucketTask, name: Configuration): Promise<string | undefined> {
  try {
    const found = await readConfiguration(task.source, task.bucket, name);
    return found.state === 'set' ? found.text : undefined;
  } catch (cause) {
    task.report.fail(`${task.bucket}?${name}`, cause);
    return undefined;
  }
}

async function copyConfiguration(task: BucketTask, name: Configuration): Promise<void> {
  const { targetBucket, written, report } = task;
  const text = await read(task, name);
  const id = `${targetBucket}?${name}`;
  if (text === undefined || written.get(id) === text) return;
  // A lock without a default retention came with the bucket.
  if (name === 'object-lock' && textOf(text, 'Rule') === undefined) return;
  // The key stays at the source: with its name in the bucket's default, nothing could be written.
  if (name === 'encryption' && textOf(text, 'KMSMasterKeyID') !== undefined) {
    written.set(id, text);
    return report.note('default encryption with a named key, left out: `dsom kms create` one and put it with that');
  }
  try {
    if (!task.dryRun) await writeConfiguration(task.target, targetBucket, name, text);
    written.set(id, text);
    report.configurations++;
  } catch (cause) {
    report.fail(id, cause);
  }
}

/** Grants name accounts, which are other ones at the target. */
async function tellGrants({ source, bucket, report }: BucketTask): Promise<void> {
  const { text } = await source.send({ method: 'GET', bucket, query: { acl: '' } }).catch(() => ({ text: '' }));
  if (elements(text, 'Grant').length > 1)
    report.note('access control list of a bucket, left out: write it as a policy');
}

async function copyObjects(order: BucketOrder, task: BucketTask, nullOnly: boolean): Promise<void> {
  const pairs = merged(
    walkVersions(task.source, task.bucket, task.prefix, 'fails'),
    walkVersions(task.target, task.targetBucket, task.prefix, task.dryRun ? 'empty' : 'fails'),
  );
  await forEachParallel(pairs, task.parallel, (pair) => copyKey(order, pair, nullOnly));
}

/** Which of them are set before the objects are written: what says how they are kept. */
const first: readonly Configuration[] = ['ownershipControls', 'encryption'];

/** Brings a bucket of the target up to the source's. What cannot be copied is in the report. @throws what other buckets would fail with, too */
export async function migrateBucket(task: BucketTask): Promise<void> {
  const { source, target, bucket, targetBucket, dryRun } = task;
  const versioning = await versioningOf(source, bucket);
  // A lock that cannot be read may be one: then nothing is copied.
  const lock = (await readConfiguration(source, bucket, 'object-lock')).state === 'set';
  const there = await exists(target, targetBucket);
  if (!there && !dryRun) {
    const headers = lock ? { 'x-amz-bucket-object-lock-enabled': 'true' } : undefined;
    await target.send({ method: 'PUT', bucket: targetBucket, ...(headers && { headers }) });
  }
  if (!dryRun) await task.made();
  const targetLock = there ? await readConfiguration(target, targetBucket, 'object-lock') : undefined;
  const locks = targetLock ? targetLock.state === 'set' : lock;
  const before = !there && dryRun ? '' : await versioningOf(target, targetBucket);
  const order: BucketOrder = { ...task, versioned: versioning !== '', locks };
  if (task.withConfigurations) for (const name of first) await copyConfiguration(task, name);
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
  if (!task.withConfigurations) return;
  for (const name of configurations) if (!first.includes(name)) await copyConfiguration(task, name);
  await tellGrants(task);
}
