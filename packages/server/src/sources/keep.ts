import { StoreError } from '../errors.ts';
import type { MetadataReader } from '../metadata/index.ts';
import { etagOfParts, etagText, mayKeep, type ObjectService, uploadIdText } from '../objects/index.ts';
import type { Described } from './described.ts';
import type { Feed } from './feed.ts';

/** What is to become of an object that comes from a source. */
export interface Arrival {
  readonly bucket: string;
  readonly key: Buffer;
  readonly found: Described;
}

/** Storage classes that mean the same here. Others may be archives, in which nothing is to be that was just read. */
const kept: ReadonlySet<string> = new Set(['STANDARD', 'STANDARD_IA', 'REDUCED_REDUNDANCY']);

/** Nothing of the key may be here: what was written or deleted here in the meantime is newer. */
const guard = { ifUntouched: true } as const;

const other = (): StoreError =>
  new StoreError('BadDigest', { message: 'What came from the source has another ETag than the source says.' });

/**
 * Writes an object with the bytes of the feed, as it is at its source: under the same ETag, with the same parts. It becomes visible only whole and
 * verified, and only when nothing of its key is here.
 * @param objects those that announce nothing: nobody has written an object
 * @param reader says which checksums may be kept; another one is left out: the feed was held against it
 * @throws StoreError PreconditionFailed where something of the key is here; BadDigest
 */
export async function keep(
  objects: ObjectService,
  reader: Pick<MetadataReader, 'nodes' | 'features'>,
  { bucket, key, found }: Arrival,
  feed: Feed,
): Promise<void> {
  const { version } = found;
  const { owner, headers, metadata, tags, size } = version;
  const checksum = version.checksum && mayKeep({ reader }, version.checksum.algorithm) ? version.checksum : undefined;
  const storageClass = kept.has(version.storageClass) ? version.storageClass : 'STANDARD';
  const about = { bucket, key, owner, headers, metadata, tags, storageClass, redundancy: undefined };
  if (version.etagParts === 0) {
    const body = { stream: feed.all(size), length: size };
    await objects.put({ ...about, body, expected: { md5: version.etag, ...(checksum && { checksum }) }, guard });
    return;
  }
  const upload = await objects.createUpload({ ...about, checksumAlgorithm: undefined, checksumType: undefined });
  const of = { bucket, key, uploadId: uploadIdText(upload.id) };
  try {
    const md5s: Buffer[] = [];
    for (const [at, length] of version.partSizes.entries()) {
      const { piece } = await objects.putPart({
        ...of,
        number: at + 1,
        body: { stream: feed.take(length), length },
        expected: {},
      });
      md5s.push(piece.md5);
    }
    await feed.whole();
    // The ETag of the whole follows from these, so it is known before anything can be seen.
    if (!etagOfParts(md5s).equals(version.etag)) throw other();
    const parts = md5s.map((etag, at) => ({
      number: at + 1,
      etag: etagText({ etag, etagParts: 0 }),
      checksum: undefined,
    }));
    await objects.completeUpload({ ...of, guard, parts, checksum: undefined, size });
  } catch (error) {
    await objects.abortUpload(bucket, key, of.uploadId).catch(() => {});
    throw error;
  }
}
