import { type Checksum, createChecksum, digestOf } from '../codec/index.ts';
import type { StoreError } from '../errors.ts';
import type { Described } from './described.ts';

/** Digests an object of parts as its ETag is made. */
class PartDigest {
  readonly #sizes: readonly number[];
  readonly #md5s: Buffer[] = [];
  #current: Checksum = createChecksum('MD5');
  #left: number;

  constructor(sizes: readonly number[]) {
    this.#sizes = sizes;
    this.#left = sizes[0] ?? 0;
  }

  update(bytes: Uint8Array): void {
    let rest = bytes;
    while (rest.length > 0) {
      if (this.#left === 0) this.#next();
      const taken = rest.subarray(0, Math.min(rest.length, this.#left));
      this.#current.update(taken);
      this.#left -= taken.length;
      rest = rest.subarray(taken.length);
    }
  }

  digest(): Buffer {
    this.#md5s.push(this.#current.digest());
    return digestOf('MD5', Buffer.concat(this.#md5s));
  }

  #next(): void {
    this.#md5s.push(this.#current.digest());
    this.#current = createChecksum('MD5');
    this.#left = this.#sizes[this.#md5s.length] ?? Number.POSITIVE_INFINITY;
  }
}

/** What a whole body is held against: its ETag where that is of the bytes, and its checksum where there is one. */
function digestsOf({ version, provable }: Described): readonly { readonly digest: Checksum; readonly value: Buffer }[] {
  const { etag, etagParts, partSizes, checksum } = version;
  const found: { digest: Checksum; value: Buffer }[] = [];
  if (provable) found.push({ digest: etagParts > 0 ? new PartDigest(partSizes) : createChecksum('MD5'), value: etag });
  if (checksum) found.push({ digest: createChecksum(checksum.algorithm), value: checksum.value });
  return found;
}

/**
 * The bytes of a source as they may be sent: exactly as many as were announced, and of a whole object the last chunk only when all of them were
 * verified. What is short, long or other than announced ends in an error, so that no client takes it for whole.
 * @param length bytes that must come
 * @param against what they are held against; absent: they are a part of an object, of which only the length is known
 * @param failed makes the error
 * @param whole called when all of them came and were verified, before the last chunk is given: who takes as many as were announced asks for no more
 */
export async function* proven(
  chunks: AsyncIterable<Buffer>,
  length: number,
  against: Described | undefined,
  failed: (why: string) => StoreError,
  whole?: () => void,
): AsyncGenerator<Buffer> {
  const digests = against ? digestsOf(against) : [];
  let seen = 0;
  let held: Buffer | undefined;
  for await (const chunk of chunks) {
    seen += chunk.length;
    if (seen > length) throw failed(`it sends more than the ${length} bytes that it announced`);
    for (const { digest } of digests) digest.update(chunk);
    if (held) yield held;
    held = chunk;
  }
  if (seen < length) throw failed(`it sends ${seen} of ${length} bytes`);
  for (const { digest, value } of digests)
    if (!digest.digest().equals(value)) throw failed('it sends other bytes than its ETag or checksum says');
  whole?.();
  if (held) yield held;
}
