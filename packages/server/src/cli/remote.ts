import type { ListedObject } from '@dsom/sdk';
import type { RemoteAddress } from './address.ts';
import type { Context } from './context.ts';
import { CommandError, exitCode, UsageError } from './exit.ts';
import { hasWildcard, literalPrefix, patternToRegExp, unescapePattern } from './glob.ts';

/** An object that an address stands for. */
export interface RemoteItem {
  readonly key: string;
  readonly size: number;
  readonly etag: string;
  readonly modifiedAt: Date | undefined;
  /** Its name below the address: what is kept when it is copied elsewhere. */
  readonly relative: string;
}

/** The key that an address without wildcards stands for. */
export function plainKey(address: RemoteAddress): string {
  if (hasWildcard(address.key))
    throw new UsageError(
      `"${address.key}" holds wildcards, and exactly one object is needed (\\ before one takes it literally)`,
    );
  return unescapePattern(address.key);
}

/** A key as a folder: empty, or with a slash behind it. */
export const folderPrefix = (key: string) => (key === '' || key.endsWith('/') ? key : `${key}/`);

const baseName = (key: string) => key.slice(key.replace(/\/+$/, '').lastIndexOf('/') + 1);

const itemOf = (object: ListedObject, base: number): RemoteItem => ({ ...object, relative: object.key.slice(base) });

/** How an address is to be listed: a prefix, which keys below it belong, and where their relative names begin. */
export interface Selection {
  readonly prefix: string;
  readonly base: number;
  readonly matches: (key: string) => boolean;
}

/** Keys that a pattern matches; `below` adds everything in folders that it matches. Without wildcards: everything in the folder. */
export function selectionOf(key: string, below: boolean): Selection {
  if (!hasWildcard(key)) {
    const prefix = folderPrefix(unescapePattern(key));
    return { prefix, base: prefix.length, matches: () => true };
  }
  const prefix = literalPrefix(key);
  const whole = patternToRegExp(key);
  const folder = below ? patternToRegExp(`${folderPrefix(key)}**`) : undefined;
  return { prefix, base: prefix.lastIndexOf('/') + 1, matches: (one) => whole.test(one) || folder?.test(one) === true };
}

/** An object that tells of itself only to who has its key (SSE-C), as a listing shows it. Of the keys that begin with its name it is the first. */
async function firstFrom(client: ReturnType<Context['client']>, bucket: string, key: string, signal: AbortSignal) {
  for await (const entry of client.list(bucket, { prefix: key, signal }))
    return entry.kind === 'object' && entry.key === key ? entry : undefined;
  return undefined;
}

/** Whether there is anything below a key; no when that cannot be told. */
async function isFolder(client: ReturnType<Context['client']>, bucket: string, key: string, signal: AbortSignal) {
  const below = client.list(bucket, { prefix: folderPrefix(key), signal });
  return (await below.next().catch(() => ({ done: true }))).done !== true;
}

/** The objects that an address stands for: one, those that a pattern matches, or with `recursive` everything below. */
export async function* expand(
  context: Context,
  address: RemoteAddress,
  recursive: boolean,
): AsyncGenerator<RemoteItem> {
  const { bucket, key } = address;
  if (bucket === '') throw new UsageError('the address names no bucket: write s3://BUCKET/KEY');
  const client = context.client(address);
  const { signal } = context;
  if (!recursive && !hasWildcard(key)) {
    if (key === '') throw new UsageError(`s3://${bucket} is a bucket: add a key, or -r for everything in it`);
    const named = plainKey(address);
    const { size, etag, modifiedAt } = await client.head(bucket, named, { signal }).catch(async (error: unknown) => {
      const listed =
        (error as { status?: number }).status === 400 &&
        (await firstFrom(client, bucket, named, signal).catch(() => undefined));
      if (listed) return listed;
      if ((error as { status?: number }).status === 404 && (await isFolder(client, bucket, named, signal)))
        throw new CommandError(
          exitCode.notFound,
          'there is no object of this name, but there are objects below it',
          'cp, mv and rm take all of them with -r; `dsom ls` shows them.',
        );
      throw error;
    });
    yield { key: named, size, etag, modifiedAt, relative: baseName(named) };
    return;
  }
  const { prefix, base, matches } = selectionOf(key, recursive);
  for await (const entry of client.list(bucket, { prefix, signal }))
    if (entry.kind === 'object' && matches(entry.key)) yield itemOf(entry, base);
}
