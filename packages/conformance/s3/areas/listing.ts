import type { Answer } from '../answer.ts';
import { area } from '../case.ts';
import { header, holds, ok, refused, same, shape } from '../expect.ts';
import type { Steps } from '../steps.ts';
import { all, find } from '../xml.ts';

const { cases, rule } = area('listing', 'API/API_ListObjectsV2');

const keys = [
  'a',
  'a/',
  'a/b',
  'a/c/1',
  'a/c/2',
  'a/d//e',
  'b',
  'b+c',
  'b c',
  'b/1',
  'c/',
  'c/x',
  'd-1',
  'd-2',
  'e',
  'ä',
  '😀',
];
const byBytes = (x: string, y: string) => Buffer.compare(Buffer.from(x), Buffer.from(y));
const made = (t: Steps) =>
  t.shared('a bucket to list', async (keeper) => {
    const bucket = await keeper.bucket();
    await Promise.all(keys.map((key) => keeper.put(bucket, key, key)));
    return bucket;
  });

/** One page of both operations in the same form. */
interface Form {
  readonly operation: string;
  readonly source: string;
  readonly query: Record<string, string>;
  /** Parameter that says after which key to begin. */
  readonly after: string;
}
const forms: readonly Form[] = [
  { operation: 'ListObjects', source: 'API/API_ListObjects', query: {}, after: 'marker' },
  { operation: 'ListObjectsV2', source: 'API/API_ListObjectsV2', query: { 'list-type': '2' }, after: 'start-after' },
];

const keysOf = (answer: Answer) => all(answer.xml, 'Contents').map((one) => find(one, 'Key')?.text ?? '');
const prefixesOf = (answer: Answer) => all(answer.xml, 'CommonPrefixes').map((one) => find(one, 'Prefix')?.text ?? '');

/** What is asked for; the keys and the common prefixes of the answer, in order. */
type Row = readonly [
  what: string,
  ask: { prefix?: string; delimiter?: string; after?: string },
  keys: readonly string[],
  prefixes: readonly string[],
];
const rows: readonly Row[] = [
  ['without parameters gives every key in the order of its bytes', {}, keys.toSorted(byBytes), []],
  ['with a prefix gives the keys that begin with it', { prefix: 'a/c/' }, ['a/c/1', 'a/c/2'], []],
  ['with a prefix gives the key that is the prefix', { prefix: 'd-1' }, ['d-1'], []],
  ['with a prefix that is part of a name gives all that begin so', { prefix: 'd' }, ['d-1', 'd-2'], []],
  ['with a prefix of which nothing begins is empty', { prefix: 'zz' }, [], []],
  ['with a prefix with a plus sign takes it as it is', { prefix: 'b+' }, ['b+c'], []],
  ['with a prefix with a space takes it as it is', { prefix: 'b ' }, ['b c'], []],
  ['with a prefix beyond ASCII', { prefix: 'ä' }, ['ä'], []],
  ['with a prefix of four bytes', { prefix: '😀' }, ['😀'], []],
  ['with an empty prefix is as without', { prefix: '' }, keys.toSorted(byBytes), []],
  [
    'with a delimiter rolls up what has it',
    { delimiter: '/' },
    ['a', 'b', 'b c', 'b+c', 'd-1', 'd-2', 'e', 'ä', '😀'],
    ['a/', 'b/', 'c/'],
  ],
  [
    'with prefix and delimiter rolls up behind the prefix',
    { prefix: 'a/', delimiter: '/' },
    ['a/', 'a/b'],
    ['a/c/', 'a/d/'],
  ],
  [
    'with prefix and delimiter rolls up an empty name between two delimiters',
    { prefix: 'a/d/', delimiter: '/' },
    [],
    ['a/d//'],
  ],
  ['with a prefix without the delimiter at its end rolls up the whole', { prefix: 'a', delimiter: '/' }, ['a'], ['a/']],
  ['with a delimiter that is in no key rolls up nothing', { delimiter: '|' }, keys.toSorted(byBytes), []],
  [
    'with a delimiter of another character',
    { delimiter: '-' },
    keys.filter((key) => !key.includes('-')).toSorted(byBytes),
    ['d-'],
  ],
  [
    'with a delimiter of several characters',
    { delimiter: '/c/' },
    keys.filter((key) => !key.includes('/c/')).toSorted(byBytes),
    ['a/c/'],
  ],
  ['with a delimiter that is a letter', { prefix: 'a', delimiter: 'c' }, ['a', 'a/', 'a/b', 'a/d//e'], ['a/c']],
  ['with an empty delimiter is as without', { delimiter: '' }, keys.toSorted(byBytes), []],
  ['begins behind the key that is given', { after: 'd-1' }, ['d-2', 'e', 'ä', '😀'], []],
  ['begins behind a key that is not there', { after: 'd' }, ['d-1', 'd-2', 'e', 'ä', '😀'], []],
  ['begins behind the last key: empty', { after: '😀' }, [], []],
  ['with a prefix begins behind a key before the prefix', { prefix: 'd', after: 'a' }, ['d-1', 'd-2'], []],
  ['with a prefix begins behind a key within it', { prefix: 'd', after: 'd-1' }, ['d-2'], []],
  ['with a prefix and a key behind all that have it is empty', { prefix: 'a', after: 'b' }, [], []],
  [
    'with a delimiter begins behind a key within a common prefix, which stays',
    { delimiter: '/', after: 'a/b' },
    ['b', 'b c', 'b+c', 'd-1', 'd-2', 'e', 'ä', '😀'],
    ['a/', 'b/', 'c/'],
  ],
];

for (const { operation, source, query, after } of forms) {
  const where = { source };
  const list = async (t: Steps, more: Record<string, string> = {}) =>
    t.get(await made(t), '', { query: { ...query, ...more } });

  for (const [what, ask, expectedKeys, expectedPrefixes] of rows) {
    const differsInV1 = ask.delimiter === '/' && ask.after === 'a/b' && operation === 'ListObjects';
    rule(
      `${operation} ${what}`,
      async (t) => {
        const { after: key, ...others } = ask;
        const answer = ok(await list(t, { ...others, ...(key === undefined ? {} : { [after]: key }) }));
        same(keysOf(answer), expectedKeys, 'keys', answer);
        // AWS does not say whether the marker of version 1 cuts into a common prefix; both are read by clients alike.
        if (!differsInV1) same(prefixesOf(answer), expectedPrefixes, 'common prefixes', answer);
        same(answer.text('IsTruncated'), 'false', 'IsTruncated', answer);
      },
      where,
    );
  }

  for (const [name, value] of [
    ['Prefix', 'a/'],
    ['Delimiter', '/'],
    ['MaxKeys', '7'],
  ] as const)
    rule(
      `${operation} repeats ${name}`,
      async (t) => {
        const answer = ok(await list(t, { prefix: 'a/', delimiter: '/', 'max-keys': '7' }));
        shape(answer, 'ListBucketResult', { [name]: value });
      },
      where,
    );
  rule(
    `${operation} names the bucket`,
    async (t) => {
      shape(ok(await list(t)), 'ListBucketResult', { Name: await made(t) });
    },
    where,
  );
  rule(
    `${operation} without max-keys says that the page has at most 1,000`,
    async (t) => {
      shape(ok(await list(t)), 'ListBucketResult', { MaxKeys: '1000' });
    },
    where,
  );
  rule(
    `${operation} without delimiter has no Delimiter`,
    async (t) => {
      const answer = ok(await list(t));
      same(answer.text('Delimiter'), undefined, 'Delimiter', answer);
    },
    where,
  );
  rule(
    `${operation} gives size, ETag, class and time of each object`,
    async (t) => {
      const answer = ok(await list(t, { prefix: 'a/b' }));
      const row = all(answer.xml, 'Contents')[0];
      same(
        ['Size', 'StorageClass'].map((name) => find(row, name)?.text),
        ['3', 'STANDARD'],
        'Size and StorageClass',
        answer,
      );
      same(find(row, 'ETag')?.text, ok(await t.head(await made(t), 'a/b')).etag, 'ETag', answer);
      holds(
        /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{3})?Z$/.test(find(row, 'LastModified')?.text ?? ''),
        'LastModified is no date',
      );
    },
    where,
  );
  rule(
    `${operation} of a bucket that is not there is refused with NoSuchBucket`,
    async (t) => {
      refused(await t.get(t.newName(), '', { query }), 'NoSuchBucket');
    },
    where,
  );
  rule(
    `${operation} of an empty bucket is empty`,
    async (t) => {
      const answer = ok(await t.get(await t.bucket(), '', { query }));
      same([keysOf(answer), prefixesOf(answer), answer.text('IsTruncated')], [[], [], 'false'], 'keys', answer);
    },
    where,
  );
  rule(
    `${operation} answers application/xml`,
    async (t) => {
      header(ok(await list(t)), 'content-type', /^application\/xml/);
    },
    where,
  );
  rule(
    `${operation} does not give objects that are deleted`,
    async (t) => {
      const bucket = await t.bucket();
      await t.put(bucket, 'a');
      await t.put(bucket, 'b');
      ok(await t.remove(bucket, 'a'), 204);
      const answer = ok(await t.get(bucket, '', { query }));
      same(keysOf(answer), ['b'], 'keys', answer);
    },
    where,
  );
  rule(
    `${operation} gives an object that was written just before`,
    async (t) => {
      const bucket = await t.bucket();
      for (const key of ['1', '2', '3']) {
        await t.put(bucket, key);
        const answer = ok(await t.get(bucket, '', { query }));
        same(keysOf(answer).at(-1), key, 'last key', answer);
      }
    },
    where,
  );

  /* max-keys. */
  rule(
    `${operation} with max-keys=0 is empty and not truncated`,
    async (t) => {
      const answer = ok(await list(t, { 'max-keys': '0' }));
      same([keysOf(answer), answer.text('IsTruncated'), answer.text('MaxKeys')], [[], 'false', '0'], 'keys', answer);
    },
    where,
  );
  rule(
    `${operation} with max-keys of as many as there are is not truncated`,
    async (t) => {
      const answer = ok(await list(t, { 'max-keys': String(keys.length) }));
      same([keysOf(answer).length, answer.text('IsTruncated')], [keys.length, 'false'], 'keys', answer);
    },
    where,
  );
  rule(
    `${operation} with max-keys of one less is truncated`,
    async (t) => {
      const answer = ok(await list(t, { 'max-keys': String(keys.length - 1) }));
      same([keysOf(answer).length, answer.text('IsTruncated')], [keys.length - 1, 'true'], 'keys', answer);
    },
    where,
  );
  rule(
    `${operation} with max-keys above 1,000 gives pages of 1,000`,
    async (t) => {
      shape(ok(await list(t, { 'max-keys': '5000' })), 'ListBucketResult', { MaxKeys: '1000' });
    },
    where,
  );
  rule(
    `${operation} counts a common prefix as one of max-keys`,
    async (t) => {
      const answer = ok(await list(t, { delimiter: '/', 'max-keys': '2' }));
      same([keysOf(answer), prefixesOf(answer), answer.text('IsTruncated')], [['a'], ['a/'], 'true'], 'page', answer);
    },
    where,
  );
  for (const [what, value] of [
    ['negative', '-1'],
    ['no number', 'many'],
    ['a fraction', '1.5'],
    ['beyond 32 bits', '99999999999'],
  ] as const)
    rule(
      `${operation} with max-keys that is ${what} is refused with InvalidArgument`,
      async (t) => {
        refused(await list(t, { 'max-keys': value }), 'InvalidArgument');
      },
      where,
    );

  /* encoding-type. */
  rule(
    `${operation} with encoding-type=url says so`,
    async (t) => {
      shape(ok(await list(t, { 'encoding-type': 'url' })), 'ListBucketResult', { EncodingType: 'url' });
    },
    where,
  );
  rule(
    `${operation} with encoding-type=url encodes keys, and slashes stay`,
    async (t) => {
      const answer = ok(await list(t, { 'encoding-type': 'url', prefix: 'ä' }));
      same(keysOf(answer), ['%C3%A4'], 'keys', answer);
      same(keysOf(ok(await list(t, { 'encoding-type': 'url', prefix: 'a/c' }))), ['a/c/1', 'a/c/2'], 'keys', answer);
    },
    where,
  );
  rule(
    `${operation} with encoding-type=url encodes a plus sign`,
    async (t) => {
      const answer = ok(await list(t, { 'encoding-type': 'url', prefix: 'b+' }));
      same(keysOf(answer), ['b%2Bc'], 'keys', answer);
    },
    where,
  );
  rule(
    `${operation} with encoding-type=url writes a space as a plus sign`,
    async (t) => {
      const answer = ok(await list(t, { 'encoding-type': 'url', prefix: 'b ' }));
      same(keysOf(answer), ['b+c'], 'keys', answer);
    },
    where,
  );
  rule(
    `${operation} with encoding-type=url encodes Prefix, Delimiter and common prefixes`,
    async (t) => {
      const answer = ok(await list(t, { 'encoding-type': 'url', prefix: 'ä', delimiter: '|' }));
      same([answer.text('Prefix'), answer.text('Delimiter')], ['%C3%A4', '%7C'], 'Prefix and Delimiter', answer);
    },
    where,
  );
  rule(
    `${operation} without encoding-type has no EncodingType`,
    async (t) => {
      const answer = ok(await list(t));
      same(answer.text('EncodingType'), undefined, 'EncodingType', answer);
    },
    where,
  );
  rule(
    `${operation} with another encoding-type is refused with InvalidArgument`,
    async (t) => {
      refused(await list(t, { 'encoding-type': 'base64' }), 'InvalidArgument');
    },
    where,
  );
}

export const listingCases = cases;
