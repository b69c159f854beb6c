/* What two buckets hold, key by key: two walks over the listings of versions, merged. */
import { compareKeys, DsomError } from '@dsom/sdk';
import type { S3Connection } from './connection.ts';
import { migrateLimits } from './limits.ts';
import { elements, textOf } from './xml.ts';

/** A version or a delete marker, as a listing tells it. */
export interface Version {
  readonly id: string;
  readonly marker: boolean;
  /** Without quotes; '' of a marker. */
  readonly etag: string;
  readonly size: number;
  /** Milliseconds since 1970. */
  readonly modified: number;
}

/** All versions of a key, the oldest first. `overfull`: there are more than `migrateLimits.keyVersions`, and the rest was passed over. */
export interface KeyVersions {
  readonly key: string;
  readonly versions: Version[];
  overfull: boolean;
}

function decodeKey(text: string, encoded: boolean): string {
  if (!encoded) return text;
  try {
    return decodeURIComponent(text.replaceAll('+', ' '));
  } catch {
    const message = `The key ${text} is no UTF-8, which cannot be copied. Give it another name at the source.`;
    throw new DsomError('InvalidKey', { message });
  }
}

/** Every key of a bucket below `prefix`, in the order of its UTF-8 bytes; nothing of a bucket that is not there, where `missing` allows it. */
export async function* walkVersions(
  store: S3Connection,
  bucket: string,
  prefix: string,
  missing: 'empty' | 'fails',
): AsyncGenerator<KeyVersions> {
  let current: KeyVersions | undefined;
  let markers: { keyMarker?: string; idMarker?: string } = {};
  for (;;) {
    const query = {
      versions: '',
      'encoding-type': 'url',
      prefix: prefix === '' ? undefined : prefix,
      'key-marker': markers.keyMarker,
      'version-id-marker': markers.idMarker,
    };
    let page: string;
    try {
      page = (await store.send({ method: 'GET', bucket, query })).text;
    } catch (cause) {
      if (missing === 'empty' && cause instanceof DsomError && cause.code === 'NoSuchBucket') return;
      throw cause;
    }
    const encoded = textOf(page, 'EncodingType') === 'url';
    for (const { name, inner } of elements(page, 'Version', 'DeleteMarker')) {
      const key = decodeKey(textOf(inner, 'Key') ?? '', encoded);
      if (current?.key !== key) {
        if (current && compareKeys(current.key, key) > 0)
          throw new DsomError('InvalidResponse', {
            message: `${store.endpoint.origin} lists ${bucket} in an order that is not S3's: ${JSON.stringify(key)} after ${JSON.stringify(current.key)}. What it has cannot be compared with what the target has.`,
          });
        if (current) yield ordered(current);
        current = { key, versions: [], overfull: false };
      }
      if (current.versions.length >= migrateLimits.keyVersions) current.overfull = true;
      else
        current.versions.push({
          id: textOf(inner, 'VersionId') ?? 'null',
          marker: name === 'DeleteMarker',
          etag: (textOf(inner, 'ETag') ?? '').replaceAll('"', ''),
          size: Number(textOf(inner, 'Size') ?? 0),
          modified: Date.parse(textOf(inner, 'LastModified') ?? '') || 0,
        });
    }
    if (textOf(page, 'IsTruncated') !== 'true') break;
    const keyMarker = decodeKey(textOf(page, 'NextKeyMarker') ?? '', encoded);
    const idMarker = textOf(page, 'NextVersionIdMarker') ?? '';
    if (keyMarker === '' || (keyMarker === markers.keyMarker && idMarker === (markers.idMarker ?? '')))
      throw new DsomError('InvalidResponse', {
        message: `${store.endpoint.origin} lists ${bucket} without coming further. Try again; if it stays so, the store cannot be migrated from.`,
      });
    markers = { keyMarker, ...(idMarker !== '' && { idMarker }) };
  }
  if (current) yield ordered(current);
}

/** S3 lists the newest first. */
function ordered(key: KeyVersions): KeyVersions {
  key.versions.reverse();
  return key;
}

/** One key of either side. */
export interface Pair {
  readonly key: string;
  readonly source: KeyVersions | undefined;
  readonly target: KeyVersions | undefined;
}

/** Two walks in the same order, as one. */
export async function* merged(
  source: AsyncGenerator<KeyVersions>,
  target: AsyncGenerator<KeyVersions>,
): AsyncGenerator<Pair> {
  try {
    let [left, right] = await Promise.all([source.next(), target.next()]);
    while (!left.done || !right.done) {
      const order = left.done ? 1 : right.done ? -1 : compareKeys(left.value.key, right.value.key);
      const mine: KeyVersions | undefined = order <= 0 && !left.done ? left.value : undefined;
      const theirs: KeyVersions | undefined = order >= 0 && !right.done ? right.value : undefined;
      yield { key: (mine ?? theirs)?.key ?? '', source: mine, target: theirs };
      if (mine) left = await source.next();
      if (theirs) right = await target.next();
    }
  } finally {
    await Promise.all([source.return(undefined), target.return(undefined)]);
  }
}
