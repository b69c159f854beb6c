import type { Answer } from '../answer.ts';
import { area } from '../case.ts';
import { holds, ok, refused, same, shape } from '../expect.ts';
import type { Steps } from '../steps.ts';
import { all, find } from '../xml.ts';

const { cases, rule } = area('pages', 'API/API_ListObjectsV2');
const first = { source: 'API/API_ListObjects' };

const keys = ['a', 'b/1', 'b/2', 'b/3', 'c', 'd/1', 'd/2', 'e', 'f g', 'ö'];
const made = (t: Steps) =>
  t.shared('a bucket to page through', async (keeper) => {
    const bucket = await keeper.bucket();
    await Promise.all(keys.map((key) => keeper.put(bucket, key)));
    return bucket;
  });
const names = (answer: Answer) => [
  ...all(answer.xml, 'Contents').map((one) => find(one, 'Key')?.text ?? ''),
  ...all(answer.xml, 'CommonPrefixes').map((one) => find(one, 'Prefix')?.text ?? ''),
];
const list = async (t: Steps, query: Record<string, string>) =>
  shape(ok(await t.get(await made(t), '', { query })), 'ListBucketResult');
const second = (t: Steps, query: Record<string, string> = {}) => list(t, { 'list-type': '2', ...query });

/** All names, page by page; each page has `size` of them but for the last. */
async function pages(
  t: Steps,
  size: number,
  query: Record<string, string>,
  next: (answer: Answer) => Record<string, string>,
): Promise<string[]> {
  const found: string[] = [];
  let more: Record<string, string> = {};
  for (let page = 0; page < 20; page++) {
    const answer = await list(t, { ...query, 'max-keys': String(size), ...more });
    const here = names(answer);
    found.push(...here);
    if (answer.text('IsTruncated') === 'false') return found;
    same(here.length, size, 'names of a page that is truncated', answer);
    more = next(answer);
  }
  holds(false, 'the pages do not end');
  return found;
}

const rolled = ['a', 'c', 'e', 'f g', 'ö', 'b/', 'd/'];
for (const size of [1, 2, 3, 5, 9]) {
  for (const [what, query, expected] of [
    ['keys', {}, keys],
    ['keys and common prefixes', { delimiter: '/' }, rolled],
  ] as const) {
    rule(`pages of ${size} by ListObjectsV2 give all ${what} once`, async (t) => {
      const found = await pages(t, size, { 'list-type': '2', ...query }, (answer) => ({
        'continuation-token': answer.text('NextContinuationToken') ?? '',
      }));
      holds(JSON.stringify(found.toSorted()) === JSON.stringify(expected.toSorted()), `found ${found.join(', ')}`);
    });
    rule(
      `pages of ${size} by ListObjects give all ${what} once`,
      async (t) => {
        const found = await pages(t, size, query, (answer) => ({
          marker:
            answer.text('NextMarker') ??
            all(answer.xml, 'Contents')
              .at(-1)
              ?.children.find(({ name }) => name === 'Key')?.text ??
            '',
        }));
        holds(JSON.stringify(found.toSorted()) === JSON.stringify(expected.toSorted()), `found ${found.join(', ')}`);
      },
      first,
    );
  }
}

/* ListObjectsV2. */
rule('ListObjectsV2 counts keys and common prefixes in KeyCount', async (t) => {
  shape(await second(t, { delimiter: '/' }), 'ListBucketResult', { KeyCount: '7' });
});
rule('ListObjectsV2 of nothing has a KeyCount of 0', async (t) => {
  shape(await second(t, { prefix: 'nothing' }), 'ListBucketResult', { KeyCount: '0' });
});
rule('a page that is truncated has a NextContinuationToken', async (t) => {
  shape(await second(t, { 'max-keys': '1' }), 'ListBucketResult', { NextContinuationToken: /./ });
});
rule('a page that is not truncated has no NextContinuationToken', async (t) => {
  const answer = await second(t);
  same(answer.text('NextContinuationToken'), undefined, 'NextContinuationToken', answer);
});
rule('ListObjectsV2 repeats the ContinuationToken', async (t) => {
  const token = (await second(t, { 'max-keys': '1' })).text('NextContinuationToken') ?? '';
  shape(await second(t, { 'continuation-token': token }), 'ListBucketResult', { ContinuationToken: token });
});
rule('a continuation token goes before start-after', async (t) => {
  const token = (await second(t, { 'max-keys': '1' })).text('NextContinuationToken') ?? '';
  const answer = await second(t, { 'continuation-token': token, 'start-after': 'd/2' });
  same(names(answer)[0], 'b/1', 'first key', answer);
});
rule('a continuation token may be used twice', async (t) => {
  const token = (await second(t, { 'max-keys': '2' })).text('NextContinuationToken') ?? '';
  const [one, two] = [
    await second(t, { 'continuation-token': token }),
    await second(t, { 'continuation-token': token }),
  ];
  same(names(two), names(one), 'keys', two);
});
rule('a continuation token may be used with another max-keys', async (t) => {
  const token = (await second(t, { 'max-keys': '1' })).text('NextContinuationToken') ?? '';
  const answer = await second(t, { 'continuation-token': token, 'max-keys': '3' });
  same(names(answer), ['b/1', 'b/2', 'b/3'], 'keys', answer);
});
rule('a continuation token that was not given by the store is refused with InvalidArgument', async (t) => {
  refused(
    await t.get(await made(t), '', { query: { 'list-type': '2', 'continuation-token': 'made-up!' } }),
    'InvalidArgument',
  );
});
rule('ListObjectsV2 repeats StartAfter', async (t) => {
  shape(await second(t, { 'start-after': 'c' }), 'ListBucketResult', { StartAfter: 'c' });
});
rule('ListObjectsV2 with encoding-type=url encodes StartAfter', async (t) => {
  shape(await second(t, { 'start-after': 'ö', 'encoding-type': 'url' }), 'ListBucketResult', { StartAfter: '%C3%B6' });
});
rule('ListObjectsV2 without StartAfter has no such element', async (t) => {
  const answer = await second(t);
  same(answer.text('StartAfter'), undefined, 'StartAfter', answer);
});
rule('ListObjectsV2 does not name owners', async (t) => {
  const answer = await second(t);
  same(answer.texts('Owner').length, 0, 'owners', answer);
});
rule('ListObjectsV2 with fetch-owner=true names the owner of each object', async (t) => {
  const answer = await second(t, { 'fetch-owner': 'true' });
  same(
    all(answer.xml, 'Contents').filter((one) => find(one, 'Owner', 'ID') === undefined).length,
    0,
    'objects without an owner',
    answer,
  );
});
rule('ListObjectsV2 with fetch-owner=false does not name owners', async (t) => {
  const answer = await second(t, { 'fetch-owner': 'false' });
  same(answer.texts('Owner').length, 0, 'owners', answer);
});
rule('ListObjectsV2 has no Marker', async (t) => {
  const answer = await second(t);
  same(answer.text('Marker'), undefined, 'Marker', answer);
});
rule(
  'list-type other than 2 is answered by version 1',
  async (t) => {
    const answer = ok(await t.get(await made(t), '', { query: { 'list-type': '1' } }));
    same(answer.text('KeyCount'), undefined, 'KeyCount', answer);
  },
  first,
);

/* ListObjects. */
rule(
  'ListObjects repeats the Marker',
  async (t) => {
    shape(await list(t, { marker: 'c' }), 'ListBucketResult', { Marker: 'c' });
  },
  first,
);
rule(
  'ListObjects without a marker has an empty Marker',
  async (t) => {
    shape(await list(t, {}), 'ListBucketResult', { Marker: '' });
  },
  first,
);
rule(
  'ListObjects with a delimiter that is truncated has a NextMarker',
  async (t) => {
    shape(await list(t, { delimiter: '/', 'max-keys': '2' }), 'ListBucketResult', { NextMarker: 'b/' });
  },
  first,
);
rule(
  'ListObjects goes on behind a common prefix that is the marker',
  async (t) => {
    const answer = await list(t, { delimiter: '/', marker: 'b/' });
    same(names(answer), ['c', 'e', 'f g', 'ö', 'd/'], 'names', answer);
  },
  first,
);
rule(
  'ListObjects without a delimiter has no NextMarker: the last key is it',
  async (t) => {
    const answer = await list(t, { 'max-keys': '2' });
    same(answer.text('NextMarker'), undefined, 'NextMarker', answer);
  },
  first,
);
rule(
  'ListObjects that is not truncated has no NextMarker',
  async (t) => {
    const answer = await list(t, { delimiter: '/' });
    same(answer.text('NextMarker'), undefined, 'NextMarker', answer);
  },
  first,
);
rule(
  'ListObjects names the owner of each object',
  async (t) => {
    const answer = await list(t, {});
    same(
      all(answer.xml, 'Contents').filter((one) => find(one, 'Owner', 'ID') === undefined).length,
      0,
      'objects without an owner',
      answer,
    );
  },
  first,
);
rule(
  'ListObjects with encoding-type=url encodes Marker and NextMarker',
  async (t) => {
    const answer = await list(t, { delimiter: 'g', marker: 'e', 'max-keys': '1', 'encoding-type': 'url' });
    same(answer.text('Marker'), 'e', 'Marker', answer);
    same((answer.text('NextMarker') ?? '').replaceAll('%20', '+'), 'f+g', 'NextMarker', answer);
  },
  first,
);

export const pageCases = cases;
