import { element } from '../api/index.ts';
import { limits } from '../limits.ts';
import type { ObjectVersion } from '../metadata/index.ts';
import { RefusalError } from '../notifications/index.ts';
import { etagText, type ReadResult } from '../objects/index.ts';
import { type ChecksumSaid, checksumSaid } from './checksum.ts';
import { type Condition, elementOf, type ReplicaStore, type StoreAnswer } from './store.ts';

/* How the bytes of a version come to a store, in one piece or in parts. For stores that do not know checksums these are left out. */

const MiB = 1024 * 1024;
const leastPart = 5 * MiB;
const mostParts = 10_000;

/** Sizes of the parts in which an object is written; undefined: in one piece. Parts of its own stay, and with them its ETag. */
export function partsOf({
  size,
  etagParts,
  partSizes,
}: Pick<ObjectVersion, 'size' | 'etagParts' | 'partSizes'>): readonly number[] | undefined {
  const sum = partSizes.reduce((total, one) => total + one, 0);
  const fit =
    partSizes.slice(0, -1).every((one) => one >= leastPart) && partSizes.every((one) => one <= limits.replicaPutBytes);
  if (etagParts > 0 && sum === size && fit && partSizes.length <= mostParts) return partSizes;
  if (size <= limits.replicaPutBytes) return undefined;
  const part = Math.max(limits.replicaPartBytes, Math.ceil(size / mostParts / MiB) * MiB);
  return Array.from({ length: Math.ceil(size / part) }, (_, at) => Math.min(part, size - at * part));
}

/** A version, and where it goes. */
export interface Write {
  readonly bucket: string;
  readonly key: Buffer;
  readonly read: ReadResult;
  readonly headers: Readonly<Record<string, string>>;
  readonly condition: Condition;
}

export class VersionWriter {
  readonly #store: ReplicaStore;
  /** Algorithms of checksums with which it has refused a version, and taken it without. */
  readonly #unknown = new Set<string>();

  constructor(store: ReplicaStore) {
    this.#store = store;
  }

  async write(write: Write): Promise<void> {
    const { version } = write.read;
    const sizes = partsOf(version);
    const algorithm = version.checksum?.algorithm ?? '';
    const checksum = this.#unknown.has(algorithm) ? undefined : checksumSaid(write.read, sizes);
    if (checksum)
      try {
        return await this.#write(write, sizes, checksum);
      } catch (cause) {
        // Bytes that do not fit their checksum are none of them: they are sent again as they were.
        if (!(cause instanceof RefusalError)) throw cause;
      }
    await this.#write(write, sizes, undefined);
    if (checksum) this.#unknown.add(algorithm);
  }

  async #write(write: Write, sizes: readonly number[] | undefined, checksum: ChecksumSaid | undefined): Promise<void> {
    if (sizes) return this.#writeParts(write, sizes, checksum);
    const { bucket, key, read, headers, condition } = write;
    const { size, etag, etagParts } = read.version;
    // Held against its digest where it arrives, whatever happens on the way.
    const md5 = etagParts === 0 ? { 'content-md5': etag.toString('base64') } : {};
    await this.#store.changed(condition, 'a write', {
      method: 'PUT',
      bucket,
      key,
      headers: { ...headers, ...md5, ...checksum?.headers },
      body: { chunks: () => read.open({ start: 0, end: size }), length: size },
    });
  }

  /** A radosgw 16 has the element, and nothing in it. */
  async #etagOf(
    what: string,
    answer: StoreAnswer,
    { bucket, key }: Pick<Write, 'bucket' | 'key'>,
  ): Promise<string | undefined> {
    if (!/<ETag *\/>|<ETag><\/ETag>/.test(answer.text))
      return elementOf(what, answer, 'CompleteMultipartUploadResult', 'ETag');
    const versionId = answer.headers['x-amz-version-id'];
    const query = typeof versionId === 'string' ? [['versionId', versionId] as const] : [];
    return (await this.#store.done('a look at what was written', { method: 'HEAD', bucket, key, query })).headers.etag;
  }

  async #writeParts(
    { bucket, key, read, headers, condition }: Write,
    sizes: readonly number[],
    checksum: ChecksumSaid | undefined,
  ): Promise<void> {
    const begun = await this.#store.done('the beginning of an upload', {
      method: 'POST',
      bucket,
      key,
      query: [['uploads', '']],
      headers: { ...headers, ...checksum?.headers },
    });
    const upload = elementOf('the beginning of an upload', begun, 'InitiateMultipartUploadResult', 'UploadId');
    const at = [['uploadId', upload]] as const;
    try {
      let listed = '';
      let start = 0;
      for (const [index, size] of sizes.entries()) {
        const slice = { start, end: start + size };
        const number = String(index + 1);
        const known = checksum?.part(index);
        const answer = await this.#store.done('a part', {
          method: 'PUT',
          bucket,
          key,
          query: [['partNumber', number], ...at],
          ...(checksum && known !== undefined && { headers: { [checksum.header]: known } }),
          body: { chunks: () => read.open(slice), length: size },
        });
        listed += `<Part>${element('PartNumber', number)}${element('ETag', answer.headers.etag)}${checksum?.listed(known) ?? ''}</Part>`;
        start = slice.end;
      }
      const what = 'the end of an upload';
      const answer = await this.#store.changed(condition, what, {
        method: 'POST',
        bucket,
        key,
        query: at,
        headers: { 'x-dsom-replica': 'true', ...checksum?.end },
        body: Buffer.from(
          `<CompleteMultipartUpload xmlns="http://s3.amazonaws.com/doc/2006-03-01/">${listed}</CompleteMultipartUpload>`,
          'utf8',
        ),
      });
      const etag = await this.#etagOf(what, answer, { bucket, key });
      const { version } = read;
      // With a key of its KMS a store may give ETags that say nothing of the bytes.
      const kms = String(answer.headers['x-amz-server-side-encryption'] ?? '').startsWith('aws:kms');
      if (version.etagParts > 0 && sizes === version.partSizes && !kms && etag !== etagText(version))
        throw new Error(`the parts have arrived as ${etag}, and are ${etagText(version)}`);
    } catch (cause) {
      await this.#store.send({ method: 'DELETE', bucket, key, query: at }).catch(() => {});
      throw cause;
    }
  }
}
