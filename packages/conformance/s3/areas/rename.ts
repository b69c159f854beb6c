import { area } from '../case.ts';
import { percent } from '../client.ts';
import type { Code } from '../errors.ts';
import { header, ok, refused, same } from '../expect.ts';
import type { Options, Steps } from '../steps.ts';
import { nobody, openBucket, second, theirAccount, withPolicy } from './accounts.ts';

const { cases, rule } = area('renaming', 'API/API_RenameObject');

const encoded = (key: string) => key.split('/').map(percent).join('/');
const rename = (
  t: Steps,
  bucket: string,
  from: string,
  to: string,
  headers: Record<string, string> = {},
  more: Options = {},
) =>
  t.send('PUT', bucket, to, {
    ...more,
    query: { renameObject: '' },
    headers: { 'x-amz-rename-source': encoded(from), ...headers },
  });
const filled = async (t: Steps) => {
  const bucket = await t.bucket();
  await t.put(bucket, 'from', 'of from');
  await t.put(bucket, 'there', 'of there');
  return bucket;
};
const content = async (t: Steps, bucket: string, key: string, expected: string | undefined) => {
  const answer = await t.get(bucket, key);
  if (expected === undefined) refused(answer, 'NoSuchKey');
  else same(ok(answer).body.toString(), expected, `content of ${key}`, answer);
};
const untouched = async (t: Steps, bucket: string) => {
  await content(t, bucket, 'from', 'of from');
  await content(t, bucket, 'there', 'of there');
};

rule('RenameObject gives an object another name, and answers nothing', async (t) => {
  const bucket = await filled(t);
  const answer = ok(await rename(t, bucket, 'from', 'to'));
  same(answer.body.length, 0, 'bytes of the body', answer);
  await content(t, bucket, 'to', 'of from');
  await content(t, bucket, 'from', undefined);
});
for (const [what, from, to] of [
  ['with spaces', 'a b', 'c d'],
  ['with a plus and a percent sign', 'a+b%', 'c%d+'],
  ['with letters of other languages', 'ä/ö', '日本/語'],
  ['in folders', 'a/b/c', 'd/e'],
  ['that begin alike', 'name', 'name2'],
  ['of 1,024 bytes', 'x'.repeat(1024), 'y'.repeat(1024)],
] as const)
  rule(`RenameObject takes keys ${what}`, async (t) => {
    const bucket = await t.bucket();
    await t.put(bucket, from, 'x');
    ok(await rename(t, bucket, from, to));
    await content(t, bucket, to, 'x');
    await content(t, bucket, from, undefined);
  });
rule('RenameObject replaces what has the name', async (t) => {
  const bucket = await filled(t);
  ok(await rename(t, bucket, 'from', 'there'));
  await content(t, bucket, 'there', 'of from');
  await content(t, bucket, 'from', undefined);
});
for (const name of [
  'etag',
  'content-type',
  'cache-control',
  'x-amz-meta-a',
  'x-amz-tagging-count',
  'x-amz-storage-class',
  'last-modified',
  'content-length',
])
  rule(`RenameObject keeps ${name}`, async (t) => {
    const bucket = await t.bucket();
    const headers = {
      'content-type': 'text/a',
      'cache-control': 'no-store',
      'x-amz-meta-a': 'b',
      'x-amz-tagging': 'a=b',
      'x-amz-storage-class': 'STANDARD_IA',
    };
    await t.put(bucket, 'from', 'x', headers);
    const before = ok(await t.get(bucket, 'from'));
    if (name === 'last-modified') await t.nextSecond();
    ok(await rename(t, bucket, 'from', 'to'));
    header(ok(await t.get(bucket, 'to')), name, before.headers[name] as string);
  });
rule('an object that was renamed is listed under its new name only', async (t) => {
  const bucket = await filled(t);
  ok(await rename(t, bucket, 'from', 'to'));
  const answer = ok(await t.get(bucket, '', { query: { 'list-type': '2' } }));
  same(answer.texts('Key'), ['there', 'to'], 'keys', answer);
});

/* What is refused. */
for (const [what, headers, ...codes] of [
  ['without a source', { 'x-amz-rename-source': '' }, 'InvalidArgument', 'InvalidRequest'],
  [
    'with a source that is no percent-encoding',
    { 'x-amz-rename-source': '%zz' },
    'InvalidArgument',
    'InvalidRequest',
    'InvalidURI',
  ],
  ['of a key that is not there', { 'x-amz-rename-source': 'none' }, 'NoSuchKey'],
  ['of a key of 1,025 bytes', { 'x-amz-rename-source': 'x'.repeat(1025) }, 'KeyTooLongError'],
  ['with a client token that is none', { 'x-amz-client-token': 'x'.repeat(65) }, 'InvalidArgument', 'InvalidRequest'],
  ['with x-amz-write-offset-bytes', { 'x-amz-write-offset-bytes': '0' }, 'InvalidRequest'],
] as readonly (readonly [string, Record<string, string>, ...Code[]])[])
  rule(`RenameObject ${what} is refused with ${codes[0]}`, async (t) => {
    const bucket = await filled(t);
    refused(await rename(t, bucket, 'from', 'to', headers), ...codes);
    await untouched(t, bucket);
  });
rule('RenameObject of an object to its own name is refused with InvalidRequest', async (t) => {
  const bucket = await filled(t);
  refused(await rename(t, bucket, 'from', 'from'), 'InvalidRequest');
  await untouched(t, bucket);
});
rule('RenameObject to a key of 1,025 bytes is refused with KeyTooLongError', async (t) => {
  const bucket = await filled(t);
  refused(await rename(t, bucket, 'from', 'x'.repeat(1025)), 'KeyTooLongError');
  await untouched(t, bucket);
});
rule('RenameObject in a bucket that is not there is refused with NoSuchBucket', async (t) => {
  refused(await rename(t, t.newName(), 'from', 'to'), 'NoSuchBucket');
});

/* Conditions on the target and on the source. */
const soon = () => new Date(Date.now() + 3_600_000).toUTCString();
const before = () => new Date(Date.now() - 3_600_000).toUTCString();
type Value = (etags: { readonly from: string; readonly there: string }) => string;
const conditions: readonly (readonly [header: string, what: string, value: Value, holds: boolean])[] = [
  ['if-match', 'the ETag of the target', ({ there }) => there, true],
  ['if-match', 'another ETag', ({ from }) => from, false],
  ['if-none-match', 'another ETag', ({ from }) => from, true],
  ['if-none-match', 'the ETag of the target', ({ there }) => there, false],
  ['if-none-match', '*', () => '*', false],
  ['if-modified-since', 'a time before', before, true],
  ['if-modified-since', 'a time to come', soon, false],
  ['if-unmodified-since', 'a time to come', soon, true],
  ['if-unmodified-since', 'a time before', before, false],
  ['x-amz-rename-source-if-match', 'the ETag of the source', ({ from }) => from, true],
  ['x-amz-rename-source-if-match', 'another ETag', ({ there }) => there, false],
  ['x-amz-rename-source-if-none-match', 'another ETag', ({ there }) => there, true],
  ['x-amz-rename-source-if-none-match', 'the ETag of the source', ({ from }) => from, false],
  ['x-amz-rename-source-if-modified-since', 'a time before', before, true],
  ['x-amz-rename-source-if-modified-since', 'a time to come', soon, false],
  ['x-amz-rename-source-if-unmodified-since', 'a time to come', soon, true],
  ['x-amz-rename-source-if-unmodified-since', 'a time before', before, false],
];
for (const [name, what, value, holds] of conditions)
  rule(`RenameObject with ${name} of ${what} is ${holds ? 'done' : 'refused with PreconditionFailed'}`, async (t) => {
    const bucket = await filled(t);
    const etags = { from: (await t.head(bucket, 'from')).etag, there: (await t.head(bucket, 'there')).etag };
    const answer = await rename(t, bucket, 'from', 'there', { [name]: value(etags) });
    if (holds) {
      ok(answer);
      await content(t, bucket, 'there', 'of from');
    } else {
      refused(answer, 'PreconditionFailed');
      await untouched(t, bucket);
    }
  });
rule('RenameObject with If-None-Match: * to a name that is free is done', async (t) => {
  const bucket = await filled(t);
  ok(await rename(t, bucket, 'from', 'to', { 'if-none-match': '*' }));
  await content(t, bucket, 'to', 'of from');
});
rule('of renames of the same moment to one name with If-None-Match: * one is done', async (t) => {
  const bucket = await t.bucket();
  const keys = ['1', '2', '3', '4', '5'];
  for (const key of keys) await t.put(bucket, key);
  const all = await Promise.all(keys.map((key) => rename(t, bucket, key, 'one', { 'if-none-match': '*' })));
  same(all.filter(({ status }) => status === 200).length, 1, 'renames that were done', all[0]!);
  const listed = ok(await t.get(bucket, ''));
  same(listed.texts('Key').length, keys.length, 'keys', listed);
});
rule('RenameObject again with the same client token answers alike, and changes nothing more', async (t) => {
  const bucket = await filled(t);
  const token = { 'x-amz-client-token': `token-${t.newName()}` };
  ok(await rename(t, bucket, 'from', 'to', token));
  await t.put(bucket, 'from', 'another');
  ok(await rename(t, bucket, 'from', 'to', token));
  await content(t, bucket, 'from', 'another');
  await content(t, bucket, 'to', 'of from');
});

/* Who may. */
rule('RenameObject by an anonymous request is refused with AccessDenied', async (t) => {
  const bucket = await filled(t);
  refused(await rename(t, bucket, 'from', 'to', {}, { signing: nobody }), 'AccessDenied');
  await untouched(t, bucket);
});
for (const action of ['s3:PutObject', 's3:GetObject'])
  rule(
    `RenameObject by another account that is allowed ${action} alone is refused with AccessDenied`,
    async (t) => {
      const bucket = await openBucket(t);
      await t.put(bucket, 'from', 'of from');
      await withPolicy(t, bucket, { Action: action, Principal: { AWS: await theirAccount(t) } });
      refused(await rename(t, bucket, 'from', 'to', {}, { signing: second(t) }), 'AccessDenied');
      await content(t, bucket, 'from', 'of from');
    },
    { needs: ['second'] },
  );

export const renameCases = cases;
