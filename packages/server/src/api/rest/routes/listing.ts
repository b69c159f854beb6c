import { z } from 'zod';
import { StoreError } from '../../../errors.ts';
import { limits } from '../../../limits.ts';
import type { ListedObject, ListedVersion, Page } from '../../../metadata/index.ts';
import { versionIdText } from '../../../objects/index.ts';
import { asFor, type RestCall, type Route, route } from '../route.ts';
import { listedObjectJson, listedObjectShape, listedVersionJson, listedVersionShape } from '../shapes.ts';

const page = {
  prefix: z.string().default(''),
  delimiter: z.string().default(''),
  after: z.string().default('').describe('keys above this one'),
  from: z.string().optional().describe('`next` of the page before'),
  limit: z.coerce.number().int().min(1).max(limits.listPage).default(limits.listPage),
};
const bytes = (text: string) => Buffer.from(text, 'utf8');
const bucketOf = (call: RestCall) => call.path['bucket'] as string;

/** `next` of a page is the last thing on it, as base64url JSON: [key or prefix, version id]. */
const encodeNext = (last: readonly [string, string | undefined]) =>
  Buffer.from(JSON.stringify(last)).toString('base64url');
function decodeNext(text: string): readonly [string, string | undefined] {
  try {
    const parsed: unknown = JSON.parse(Buffer.from(text, 'base64url').toString('utf8'));
    return z
      .union([
        z.tuple([z.string(), z.string()]),
        z.tuple([z.string()]).transform(([key]) => [key, undefined] as const),
        z.tuple([z.string(), z.null()]).transform(([key]) => [key, undefined] as const),
      ])
      .parse(parsed);
  } catch (cause) {
    throw new StoreError('InvalidToken', { message: '`from` is not the `next` of a page.', cause });
  }
}

type Prefix = { readonly prefix: Buffer };

/** A page as JSON wants it: items and common prefixes apart, and where the next page goes on. */
function split<Item extends { readonly key: Buffer }, Shown>(
  found: Page<Item | Prefix>,
  show: (item: Item) => Shown,
  versionOf: (item: Item) => string | undefined,
): { readonly items: Shown[]; readonly prefixes: string[]; readonly next?: string } {
  const items: Shown[] = [];
  const prefixes: string[] = [];
  for (const item of found.items) {
    if ('key' in item) items.push(show(item));
    else prefixes.push(item.prefix.toString('utf8'));
  }
  const last = found.truncated ? found.items.at(-1) : undefined;
  if (!last) return { items, prefixes };
  const next = 'key' in last ? ([last.key, versionOf(last)] as const) : ([last.prefix, undefined] as const);
  return { items, prefixes, next: encodeNext([next[0].toString('utf8'), next[1]]) };
}

export const listingRoutes: readonly Route[] = [
  route({
    method: 'GET',
    path: 'v1/buckets/{bucket}/objects',
    id: 'listObjects',
    summary: 'Objects in order of key; with a delimiter, keys that share a prefix up to it are one entry',
    access: asFor('ListObjectsV2'),
    query: z.strictObject(page),
    body: 'none',
    answer: {
      status: 200,
      body: z.object({
        objects: z.array(listedObjectShape),
        prefixes: z.array(z.string()),
        next: z.string().optional(),
      }),
    },
    async run(call) {
      const { prefix, delimiter, after, from, limit } = call.query;
      const positions = call.service.objects.positions(bucketOf(call));
      const found = await call.service.objects.listThrough({
        bucket: bucketOf(call),
        prefix: bytes(prefix),
        delimiter: bytes(delimiter),
        after: bytes(from === undefined ? after : decodeNext(from)[0]),
        limit,
      });
      const { items: objects, ...rest } = split<ListedObject, ReturnType<typeof listedObjectJson>>(
        found,
        listedObjectJson,
        () => undefined,
      );
      call.json(200, { objects, ...rest }, call.headers(...positions));
    },
  }),
  route({
    method: 'GET',
    path: 'v1/buckets/{bucket}/versions',
    id: 'listVersions',
    summary: 'All versions and delete markers, keys in order, newest first',
    access: asFor('ListObjectVersions'),
    query: z.strictObject(page),
    body: 'none',
    answer: {
      status: 200,
      body: z.object({
        versions: z.array(listedVersionShape),
        prefixes: z.array(z.string()),
        next: z.string().optional(),
      }),
    },
    run(call) {
      const { prefix, delimiter, after, from, limit } = call.query;
      const positions = call.service.objects.positions(bucketOf(call));
      const [start, versionMarker] = from === undefined ? [after, undefined] : decodeNext(from);
      const found = call.service.objects.listVersions({
        bucket: bucketOf(call),
        prefix: bytes(prefix),
        delimiter: bytes(delimiter),
        after: bytes(start),
        versionMarker,
        limit,
      });
      const { items: versions, ...rest } = split<ListedVersion, ReturnType<typeof listedVersionJson>>(
        found,
        listedVersionJson,
        ({ record }) => versionIdText(record),
      );
      call.json(200, { versions, ...rest }, call.headers(...positions));
    },
  }),
];
