import { StoreError } from '../../../errors.ts';
import type { Host } from '../../../host/index.ts';
import { limits } from '../../../limits.ts';
import type { BucketRecord, ListedVersion } from '../../../metadata/index.ts';
import { type ObjectService, versionIdText } from '../../../objects/index.ts';
import { ownershipOf } from '../bucket-rules.ts';
import type { Inventory } from '../configurations/inventory.ts';
import { csvMember, fileSchema, parquetFile } from './files.ts';
import { type Column, columnsOf, type Source, type Value } from './row.ts';

/*
 * Writes one inventory into its bucket, as AWS lays it out (https://docs.aws.amazon.com/AmazonS3/latest/userguide/storage-inventory-location.html): data files first, then
 * the list for Hive, the manifest, and its checksum last. So what has a manifest is whole, and what a crash leaves are data files that nothing names.
 *
 * Each page of the listing is of one moment, and the pages of moments one after the other: what is there all the time is in the list once; what came or went meanwhile is in it or not.
 */

export interface ReportOptions {
  readonly objects: ObjectService;
  readonly host: Host;
  /** Bucket that is listed. */
  readonly bucket: string;
  readonly inventory: Inventory;
  readonly signal: AbortSignal;
  /** Whether the time in names has seconds: days are short. */
  readonly seconds: boolean;
  readonly onRows?: (rows: number) => void;
}

export interface Report {
  readonly manifest: string;
  readonly files: number;
  readonly rows: number;
}

const none = Buffer.alloc(0);

/** The rows of a bucket, page by page, with rests between them: requests come first. */
class Rows {
  done = false;
  readonly #options: ReportOptions;
  readonly #source: Source;
  readonly #columns: readonly Column[];
  #last: ListedVersion | undefined;

  constructor(options: ReportOptions, bucket: BucketRecord, columns: readonly Column[]) {
    this.#options = options;
    this.#source = { bucket, lists: ownershipOf(options.objects, bucket.name) !== 'BucketOwnerEnforced' };
    this.#columns = columns;
  }

  async next(): Promise<Value[][]> {
    const { objects, host, bucket, inventory, signal, onRows } = this.#options;
    const began = host.clock.monotonic();
    const { items, truncated } = objects.listVersions({
      bucket,
      prefix: Buffer.from(inventory.prefix ?? '', 'utf8'),
      delimiter: none,
      after: this.#last?.key ?? none,
      versionMarker: this.#last && versionIdText(this.#last.record),
      limit: limits.listPage,
    });
    const listed = items.filter((item) => 'record' in item);
    this.#last = listed.at(-1);
    this.done = !truncated || this.#last === undefined;
    const wanted =
      inventory.versions === 'All'
        ? listed
        : listed.filter(({ isLatest, record }) => isLatest && record.kind === 'object');
    const rows = wanted.map((one) => this.#columns.map(({ of }) => of(one, this.#source)));
    onRows?.(rows.length);
    await host.timers.sleep(host.clock.monotonic() - began, signal);
    signal.throwIfAborted();
    return rows;
  }
}

const two = (value: number): string => String(value).padStart(2, '0');

/** `2026-11-29T10-30Z`. */
function folderOf(ms: number, seconds: boolean): string {
  const time = new Date(ms);
  const day = `${time.getUTCFullYear()}-${two(time.getUTCMonth() + 1)}-${two(time.getUTCDate())}`;
  const rest = seconds ? `-${two(time.getUTCSeconds())}` : '';
  return `${day}T${two(time.getUTCHours())}-${two(time.getUTCMinutes())}${rest}Z`;
}

/** The time that a folder is named after; undefined: it is another one. */
function timeOfFolder(name: string): number | undefined {
  const parts = /^(\d{4})-(\d\d)-(\d\d)T(\d\d)-(\d\d)(?:-(\d\d))?Z$/.exec(name);
  if (!parts) return undefined;
  const [year, month, day, hour, minute, second] = parts.slice(1).map((part) => Number(part ?? 0)) as number[];
  return Date.UTC(year!, month! - 1, day, hour, minute, second);
}

/** Below it lies all that a configuration of a bucket has written. */
const homeOf = (bucket: string, { targetPrefix, id }: Pick<Inventory, 'targetPrefix' | 'id'>): string =>
  `${targetPrefix ? `${targetPrefix.replace(/\/$/, '')}/` : ''}${bucket}/${id}/`;

interface DataFile {
  readonly key: string;
  readonly size: number;
  readonly MD5checksum: string;
}

async function putObject(
  { objects }: ReportOptions,
  target: BucketRecord,
  key: string,
  contentType: string,
  body: Buffer | AsyncIterable<Uint8Array>,
): Promise<DataFile> {
  const whole = Buffer.isBuffer(body) ? body : undefined;
  const { version } = await objects.put({
    bucket: target.name,
    key: Buffer.from(key, 'utf8'),
    owner: target.owner,
    headers: { contentType },
    metadata: [],
    tags: [],
    storageClass: 'STANDARD',
    body: {
      ...(whole && { whole }),
      stream: whole ? once(whole) : (body as AsyncIterable<Uint8Array>),
      length: whole?.length,
    },
    expected: {},
    guard: undefined,
    redundancy: undefined,
  });
  return { key, size: version.size, MD5checksum: version.etag.toString('hex') };
}

async function* once(bytes: Buffer): AsyncGenerator<Uint8Array> {
  yield bytes;
}

/** @throws StoreError NoSuchBucket, or InvalidS3DestinationBucket when the destination belongs to somebody else now */
export async function writeInventory(options: ReportOptions): Promise<Report> {
  const { objects, host, inventory, bucket: name } = options;
  const source = objects.bucket(name);
  const target = objects.bucket(inventory.bucket);
  if (target.owner !== source.owner)
    throw new StoreError('InvalidS3DestinationBucket', { message: 'The destination belongs to another owner.' });
  const createdMs = host.clock.now();
  const columns = columnsOf(inventory);
  const rows = new Rows(options, source, columns);
  const home = homeOf(name, inventory);
  const files: DataFile[] = [];
  let count = 0;

  /** Pages of one file; the rest is for the next. */
  async function* pages(most: number): AsyncGenerator<Value[][]> {
    for (let inFile = 0; inFile < most && !rows.done; ) {
      const page = await rows.next();
      inFile += page.length;
      count += page.length;
      if (page.length > 0) yield page;
    }
  }
  async function* compressed(): AsyncGenerator<Uint8Array> {
    let empty = true;
    for await (const page of pages(limits.inventoryCsvRows)) {
      empty = false;
      yield await csvMember(columns, page);
    }
    // A file without a member is none.
    if (empty) yield await csvMember(columns, []);
  }
  while (!rows.done) {
    const unique = host.entropy
      .bytes(16)
      .toString('hex')
      .replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-');
    if (inventory.format === 'CSV')
      files.push(await putObject(options, target, `${home}data/${unique}.csv.gz`, 'application/gzip', compressed()));
    else {
      const all: Value[][] = [];
      for await (const page of pages(limits.inventoryParquetRows)) all.push(...page);
      const body = await parquetFile(columns, all);
      files.push(
        await putObject(options, target, `${home}data/${unique}.parquet`, 'application/vnd.apache.parquet', body),
      );
    }
  }

  const folder = folderOf(createdMs, options.seconds);
  const links = files.map(({ key }) => `s3://${target.name}/${key}`).join('\n');
  const hive = folder.replace('T', '-').replace('Z', '');
  await putObject(options, target, `${home}hive/dt=${hive}/symlink.txt`, 'text/plain', Buffer.from(links));
  const manifest = Buffer.from(
    JSON.stringify({
      sourceBucket: name,
      destinationBucket: `arn:aws:s3:::${target.name}`,
      version: '2016-11-30',
      creationTimestamp: String(createdMs),
      fileFormat: inventory.format,
      fileSchema: fileSchema(inventory.format, columns),
      files,
    }),
  );
  const key = `${home}${folder}/manifest.json`;
  const { MD5checksum } = await putObject(options, target, key, 'application/json', manifest);
  await putObject(options, target, `${home}${folder}/manifest.checksum`, 'text/plain', Buffer.from(MD5checksum));
  return { manifest: key, files: files.length, rows: count };
}

/** When the newest inventory of a configuration was written; undefined: there is none in its destination. */
export function lastWritten(objects: ObjectService, bucket: string, inventory: Inventory): number | undefined {
  const home = homeOf(bucket, inventory);
  let last: number | undefined;
  for (let after = none as Buffer; ; ) {
    const { items, truncated } = objects.list({
      bucket: inventory.bucket,
      prefix: Buffer.from(home, 'utf8'),
      delimiter: Buffer.from('/'),
      after,
      limit: limits.listPage,
    });
    for (const item of items) {
      if (!('prefix' in item)) continue;
      const folder = item.prefix.toString('utf8').slice(home.length, -1);
      const time = timeOfFolder(folder);
      if (time === undefined || (last !== undefined && time <= last)) continue;
      const whole = objects.list({
        bucket: inventory.bucket,
        prefix: Buffer.from(`${home}${folder}/manifest.checksum`, 'utf8'),
        delimiter: none,
        after: none,
        limit: 1,
      });
      if (whole.items.length > 0) last = time;
    }
    const end = items.at(-1);
    if (!truncated || !end) return last;
    after = 'prefix' in end ? end.prefix : end.key;
  }
}
