import { z } from 'zod';
import { StoreError } from '../../../errors.ts';
import { limits } from '../../../limits.ts';
import { versionIdText } from '../../../objects/index.ts';
import { type RestCall, type Route, route } from '../route.ts';
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

export const listingRoutes: readonly Route[] = [
  route({
    method: 'GET',
    path: 'v1/buckets/{bucket}/objects',
    id: 'listObjects',
    summary: 'Objects in order of key; with a delimiter, keys that share a prefix up to it are one entry',
    kind: 'read',
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
    run(call) {
      const { prefix, delimiter, after, from, limit } = call.query;
      const position = call.service.position();
      const found = call.service.objects.list({
        bucket: bucketOf(call),
        prefix: bytes(prefix),
        delimiter: bytes(delimiter),
        after: bytes(from === undefined ? after : decodeNext(from)[0]),
        limit,
      });
      const objects: z.input<typeof listedObjectShape>[] = [];
      const prefixes: string[] = [];
      for (const item of found.items) {
        if ('prefix' in item) prefixes.push(item.prefix.toString('utf8'));
        else objects.push(listedObjectJson(item));
      }
      const last = found.items.at(-1);
      const next =
        found.truncated && last
          ? encodeNext([('prefix' in last ? last.prefix : last.key).toString('utf8'), undefined])
          : undefined;
      call.json(200, { objects, prefixes, ...(next !== undefined && { next }) }, call.headers(position));
    },
  }),
  route({
    method: 'GET',
    path: 'v1/buckets/{bucket}/versions',
    id: 'listVersions',
    summary: 'All versions and delete markers, keys in order, newest first',
    kind: 'read',
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
      const position = call.service.position();
      const [start, versionMarker] = from === undefined ? [after, undefined] : decodeNext(from);
      const found = call.service.objects.listVersions({
        bucket: bucketOf(call),
        prefix: bytes(prefix),
        delimiter: bytes(delimiter),
        after: bytes(start),
        versionMarker,
        limit,
      });
      const versions: z.input<typeof listedVersionShape>[] = [];
      const prefixes: string[] = [];
      for (const item of found.items) {
        if ('prefix' in item) prefixes.push(item.prefix.toString('utf8'));
        else versions.push(listedVersionJson(item));
      }
      const last = found.items.at(-1);
      const next =
        found.truncated && last
          ? encodeNext(
              'prefix' in last
                ? [last.prefix.toString('utf8'), undefined]
                : [last.key.toString('utf8'), versionIdText(last.record)],
            )
          : undefined;
      call.json(200, { versions, prefixes, ...(next !== undefined && { next }) }, call.headers(position));
    },
  }),
];
