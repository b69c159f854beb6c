/*
 * What is configured about a bucket, brought to the target: what says who may read before there is anything to read, the rest when the objects are
 * there. A target is never open wider than its source: where the source's public access block is not known to be at the target, nothing is set that
 * could grant anything to everybody.
 */
import { DsomError } from '@dsom/sdk';
import { type Accounts, grantsHere, isPlain, listDocument, readList } from './acl.ts';
import {
  afterObjects,
  beforeObjects,
  type Configuration,
  deleteConfiguration,
  denies,
  type Listed,
  listed,
  type Read,
  readConfiguration,
  readListed,
  renamed,
  writeConfiguration,
} from './configurations.ts';
import type { S3Connection } from './connection.ts';
import type { Report } from './report.ts';
import { elements, textOf } from './xml.ts';

export interface SettingsTask {
  readonly source: S3Connection;
  readonly target: S3Connection;
  readonly bucket: string;
  readonly targetBucket: string;
  readonly dryRun: boolean;
  readonly withConfigurations: boolean;
  readonly report: Report;
  /** Ids of accounts here, by those at the source; undefined: lists are not copied. */
  readonly accounts: ReadonlyMap<string, string> | undefined;
  /** What was written in earlier passes, by bucket and configuration. */
  readonly written: Map<string, string>;
}

export class Settings {
  readonly #task: SettingsTask;
  /** Whether the source's public access block is at the target, if it has one. */
  #screened = false;
  #early: Configuration | undefined;
  /** Whether lists count at the target, which takes none else: asked once, after what is set before the objects. */
  #listsHere: Promise<boolean> | undefined;

  constructor(task: SettingsTask) {
    this.#task = task;
  }

  /** Sets what has to be there before the objects are. */
  async before(): Promise<void> {
    for (const name of beforeObjects) {
      const done = await this.#copy(name);
      if (name === 'publicAccessBlock') this.#screened = done;
    }
    const policy = await this.#read('policy');
    if (policy?.state !== 'set' || !denies(policy.text)) return;
    this.#early = 'policy';
    await this.#copy('policy');
  }

  /** Sets the rest, but for what names other buckets. */
  async after(): Promise<void> {
    for (const name of afterObjects) if (name !== this.#early) await this.#copy(name);
    for (const name of Object.keys(listed) as Listed[]) if (name !== 'inventory') await this.#copyListed(name);
    const { report, source, bucket } = this.#task;
    const replication = await readConfiguration(source, bucket, 'replication').catch(() => undefined);
    if (replication?.state === 'set')
      report.note(
        'replication of a bucket, left out: its destinations are of the old store; `dsom replication target add` defines those of this one',
      );
    await this.#copyList();
  }

  /** Sets what names other buckets, which are there by now. */
  async last(): Promise<void> {
    await this.#copy('logging');
    await this.#copyListed('inventory');
  }

  /** Whether lists are to be copied, and count at the source. Where that cannot be read, none is. */
  async listsOfSource(): Promise<boolean> {
    const { source, bucket, accounts, report, withConfigurations } = this.#task;
    if (accounts === undefined) return false;
    try {
      return await listsCount(source, bucket);
    } catch (cause) {
      // Where configurations are copied, this one is read again, and told.
      if (!withConfigurations) report.fail(`${bucket}?ownershipControls`, cause);
      return false;
    }
  }

  /** How accounts in lists of objects are called here; undefined: no list is copied, since the source has none that count, or the target takes none. */
  async accounts(): Promise<Accounts | undefined> {
    const { source, target, bucket, accounts, report } = this.#task;
    if (accounts === undefined) return undefined;
    if (!(await this.#listsOfTarget())) {
      report.note('access control lists, not looked at: the bucket of the target has them off');
      return undefined;
    }
    const list = await readList(source, bucket);
    if (!list) return undefined;
    const { text } = await target.send({ method: 'GET', bucket: '', query: { 'max-buckets': '1' } });
    const self = textOf(elements(text, 'Owner')[0]?.inner ?? '', 'ID') ?? '';
    return { owner: list.owner, self, named: accounts, blocksPublic: await this.#blocksPublic() };
  }

  #listsOfTarget(): Promise<boolean> {
    const { target, targetBucket } = this.#task;
    this.#listsHere ??= listsCount(target, targetBucket);
    return this.#listsHere;
  }

  /** Whether grants to everybody count for nothing at the source, or would be refused by the target. What cannot be read may say so. */
  async #blocksPublic(): Promise<boolean> {
    const { source, target, bucket, targetBucket } = this.#task;
    try {
      const [there, here] = await Promise.all([
        readConfiguration(source, bucket, 'publicAccessBlock'),
        readConfiguration(target, targetBucket, 'publicAccessBlock'),
      ]);
      const ignored = there.state === 'set' && /<IgnorePublicAcls>\s*true/i.test(there.text);
      return ignored || (here.state === 'set' && /<BlockPublicAcls>\s*true/i.test(here.text));
    } catch {
      return true;
    }
  }

  /** Reads a configuration; what cannot be read is told, and undefined. */
  async #read(name: Configuration): Promise<Read | undefined> {
    const { source, bucket, report } = this.#task;
    try {
      return await readConfiguration(source, bucket, name);
    } catch (cause) {
      report.fail(`${bucket}?${name}`, cause);
      return undefined;
    }
  }

  /** @returns whether the target has what the source has */
  async #copy(name: Configuration): Promise<boolean> {
    const { target, bucket, targetBucket, dryRun, report, written } = this.#task;
    const id = `${targetBucket}?${name}`;
    const read = await this.#read(name);
    if (read === undefined) return false;
    if (read.state !== 'set') return this.#takeAway(name, id);
    const text = renamed(read.text, bucket, targetBucket);
    if (written.get(id) === text) return true;
    // A lock without a default retention came with the bucket.
    if (name === 'object-lock' && textOf(text, 'Rule') === undefined) return true;
    const left = this.#leftOut(name, text);
    if (left !== undefined) {
      written.set(id, text);
      report.note(left);
      return true;
    }
    try {
      if (name === 'policy' && !this.#screened) throw unscreened();
      if (!dryRun) await writeConfiguration(target, targetBucket, { [name]: '' }, text);
      written.set(id, text);
      report.configurations++;
      return true;
    } catch (cause) {
      if (
        name === 'notification' &&
        cause instanceof DsomError &&
        ['InvalidArgument', 'NotImplemented'].includes(cause.code)
      ) {
        written.set(id, text);
        report.note(
          'notifications of a bucket, left out: their targets are not here, `dsom notify target add` makes some',
        );
        return true;
      }
      report.fail(id, cause);
      return false;
    }
  }

  /** What of a configuration cannot be meant here. */
  #leftOut(name: Configuration, text: string): string | undefined {
    // The key stays at the source: with its name in the bucket's default, nothing could be written.
    if (name === 'encryption' && textOf(text, 'KMSMasterKeyID') !== undefined)
      return 'default encryption with a named key, left out: `dsom kms create` one and put it with that';
    return undefined;
  }

  /** What the source has no longer goes away where an earlier pass had set it: a policy or a list would open what is closed there. */
  async #takeAway(name: Configuration, id: string): Promise<boolean> {
    const { target, targetBucket, report, written } = this.#task;
    if (!written.has(id)) return true;
    try {
      if (await deleteConfiguration(target, targetBucket, name)) report.configurations++;
      written.delete(id);
      return true;
    } catch (cause) {
      report.fail(id, cause);
      return false;
    }
  }

  async #copyListed(name: Listed): Promise<void> {
    const { source, target, bucket, targetBucket, dryRun, report, written } = this.#task;
    let found: Map<string, string>;
    try {
      found = await readListed(source, bucket, name);
    } catch (cause) {
      return report.fail(`${bucket}?${name}`, cause);
    }
    for (const [id, document] of found) {
      const item = `${targetBucket}?${name}&id=${id}`;
      const text = renamed(document, bucket, targetBucket);
      if (written.get(item) === text) continue;
      try {
        if (!dryRun) await writeConfiguration(target, targetBucket, { [name]: '', id }, text);
        written.set(item, text);
        report.configurations++;
      } catch (cause) {
        report.fail(item, cause);
      }
    }
  }

  /** The list of the bucket itself: read again when all objects are there, since what was taken back meanwhile must not be granted here. */
  async #copyList(): Promise<void> {
    const { source, target, bucket, targetBucket, dryRun, report, written, accounts: named } = this.#task;
    const id = `${targetBucket}?acl`;
    if (named === undefined) return;
    try {
      const list = await readList(source, bucket);
      if (!list || (!written.has(id) && isPlain(list.grants, list.owner))) return;
      if (dryRun) return void report.configurations++;
      if (!(await this.#listsOfTarget())) return;
      const here = await readList(target, targetBucket);
      if (!here) return;
      const accounts = { owner: list.owner, self: here.owner, named, blocksPublic: await this.#blocksPublic() };
      const kept = grantsHere(list, accounts, (why) => report.note(`of a bucket: ${why}`));
      const document = listDocument(here.owner, kept);
      if (written.get(id) === document || (!written.has(id) && isPlain(kept, here.owner))) return;
      await writeConfiguration(target, targetBucket, { acl: '' }, document);
      written.set(id, document);
      report.configurations++;
    } catch (cause) {
      report.fail(`${bucket}?acl`, cause);
    }
  }
}

const unscreened = () =>
  new DsomError('AccessDenied', {
    message:
      "The policy is not set, because the source's public access block could not be copied, which may forbid it: let the key of the source read it (s3:GetBucketPublicAccessBlock), and run this again.",
  });

/** Whether lists count in a bucket: everywhere but where the owner of the bucket owns everything. */
async function listsCount(store: S3Connection, bucket: string): Promise<boolean> {
  const read = await readConfiguration(store, bucket, 'ownershipControls');
  return read.state !== 'set' || !/>\s*BucketOwnerEnforced\s*</.test(read.text);
}
