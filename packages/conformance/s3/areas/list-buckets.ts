import { area } from '../case.ts';
import { pathOf } from '../client.ts';
import { holds, ok, refused, same, shape } from '../expect.ts';
import type { Options, Steps } from '../steps.ts';
import { all, find } from '../xml.ts';

const { cases, rule } = area('listing buckets', 'API/API_ListBuckets');

/** A listing of buckets that was answered. */
const list = async (t: Steps, options: Options = {}) =>
  shape(ok(await t.at('GET', '/', options)), 'ListAllMyBucketsResult');

/* ListBuckets. */
const listing = { source: 'API/API_ListBuckets' };
const threeBuckets = (t: Steps) =>
  t.shared('three buckets', async (keeper) => {
    const prefix = keeper.newName();
    for (const end of ['a', 'b', 'c']) ok(await keeper.send('PUT', keeper.mine(`${prefix}-${end}`)));
    return prefix;
  });
rule(
  'ListBuckets answers a ListAllMyBucketsResult with the owner',
  async (t) => {
    const answer = shape(await list(t), 'ListAllMyBucketsResult');
    holds((answer.text('Owner', 'ID') ?? '') !== '', 'the owner has an ID');
  },
  listing,
);
rule(
  'ListBuckets names each bucket with the time of its creation',
  async (t) => {
    const prefix = await threeBuckets(t);
    const answer = await list(t);
    const rows = all(find(answer.xml, 'Buckets'), 'Bucket').filter((one) => find(one, 'Name')?.text.startsWith(prefix));
    same(rows.length, 3, 'buckets', answer);
    for (const row of rows)
      holds(
        /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$/.test(find(row, 'CreationDate')?.text ?? ''),
        'CreationDate is a date',
      );
  },
  listing,
);
rule(
  'ListBuckets is in the order of the names',
  async (t) => {
    await threeBuckets(t);
    const answer = await list(t);
    same(answer.texts('Name'), answer.texts('Name').toSorted(), 'order of names', answer);
  },
  listing,
);
rule(
  'ListBuckets with prefix names those that begin with it',
  async (t) => {
    const prefix = await threeBuckets(t);
    const answer = await list(t, { query: { prefix } });
    same(answer.texts('Name'), [`${prefix}-a`, `${prefix}-b`, `${prefix}-c`], 'names', answer);
    same(answer.text('Prefix'), prefix, 'Prefix', answer);
  },
  listing,
);
rule(
  'ListBuckets with prefix that nothing begins with is empty',
  async (t) => {
    const answer = await list(t, { query: { prefix: t.newName() } });
    same(answer.texts('Name'), [], 'names', answer);
  },
  listing,
);
rule(
  'ListBuckets with max-buckets gives a page and a ContinuationToken',
  async (t) => {
    const prefix = await threeBuckets(t);
    const first = await list(t, { query: { prefix, 'max-buckets': '2' } });
    same(first.texts('Name'), [`${prefix}-a`, `${prefix}-b`], 'first page', first);
    const token = first.text('ContinuationToken') ?? '';
    const second = await list(t, { query: { prefix, 'max-buckets': '2', 'continuation-token': token } });
    same(second.texts('Name'), [`${prefix}-c`], 'second page', second);
    same(second.text('ContinuationToken'), undefined, 'token of the last page', second);
  },
  listing,
);
rule(
  'a page of ListBuckets that ends with the last bucket has no ContinuationToken',
  async (t) => {
    const prefix = await threeBuckets(t);
    const answer = await list(t, { query: { prefix, 'max-buckets': '3' } });
    same(answer.text('ContinuationToken'), undefined, 'token', answer);
  },
  listing,
);
for (const [value, what] of [
  ['0', 'less than 1'],
  ['10001', 'more than 10,000'],
  ['-1', 'negative'],
  ['many', 'no number'],
] as const)
  rule(
    `ListBuckets refuses max-buckets that is ${what}`,
    async (t) => {
      refused(await t.at('GET', '/', { query: { 'max-buckets': value } }), 'InvalidArgument');
    },
    listing,
  );
rule(
  'ListBuckets refuses a continuation token that it has not given',
  async (t) => {
    refused(await t.at('GET', '/', { query: { 'continuation-token': '!!' } }), 'InvalidArgument');
  },
  listing,
);
rule(
  'ListBuckets with bucket-region of another region is empty',
  async (t) => {
    const prefix = await threeBuckets(t);
    const answer = await list(t, { query: { prefix, 'bucket-region': 'ap-south-2' } });
    same(answer.texts('Name'), [], 'names', answer);
  },
  listing,
);
rule(
  'ListBuckets asked for a page names the region of each bucket',
  async (t) => {
    const prefix = await threeBuckets(t);
    const answer = await list(t, { query: { prefix } });
    same(answer.texts('BucketRegion').length, 3, 'regions', answer);
  },
  listing,
);
rule(
  'ListBuckets of an account does not name buckets of another',
  async (t) => {
    const prefix = await threeBuckets(t);
    const answer = await list(t, { signing: { account: t.store.second! } });
    same(
      answer.texts('Name').filter((name) => name.startsWith(prefix)),
      [],
      'names',
      answer,
    );
  },
  { ...listing, needs: ['second'] },
);

/* What is said of every bucket that is not there. */
rule(
  'a bucket that is not there is named in the error',
  async (t) => {
    const bucket = t.newName();
    const answer = refused(await t.at('GET', pathOf(bucket)), 'NoSuchBucket');
    same(answer.text('BucketName'), bucket, 'BucketName', answer);
  },
  { source: 'API/ErrorResponses' },
);

export const bucketListingCases = cases;
