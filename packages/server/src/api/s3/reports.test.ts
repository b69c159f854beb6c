/* Configurations of which a bucket has many, each under its id: metrics, analytics, intelligent tiering; and what little there is of others. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import fc from 'fast-check';
import { StoreError } from '../../errors.ts';
import { limits } from '../../limits.ts';
import type { ListedForm } from './configurations/listed.ts';
import { analyticsForm, intelligentTieringForm, metricsForm } from './configurations/reports.ts';
import { type Answer, type Harness, serveFake, startHarness } from './harness.support.ts';
import { fakeObjects } from './objects.support.ts';
import { type CountedRequest, RequestMetrics } from './request-metrics.ts';
import { type MemoryStore, openMemoryStore } from './store.support.ts';
import { parseXml } from './xml/parser.ts';

const { s3 } = await serveFake(async (harness) => {
  for (const bucket of ['bucket', 'other']) await harness.send('PUT', `/${bucket}`);
});

const put = (kind: string, id: string | undefined, body: string, bucket = 'bucket'): Promise<Answer> =>
  s3.send('PUT', `/${bucket}`, { query: { [kind]: '', ...(id !== undefined && { id }) }, body });
const get = (kind: string, id?: string, bucket = 'bucket') =>
  s3.send('GET', `/${bucket}`, { query: { [kind]: '', ...(id !== undefined && { id }) } });
const remove = (kind: string, id?: string) =>
  s3.send('DELETE', '/bucket', { query: { [kind]: '', ...(id !== undefined && { id }) } });
const outcome = ({ status, code }: Answer) => [status, code];

const tag = (key: string, value: string) => `<Tag><Key>${key}</Key><Value>${value}</Value></Tag>`;
const filter = (inner: string) => `<Filter>${inner}</Filter>`;
const tiering = (tier: string, days: number) =>
  `<Tiering><Days>${days}</Days><AccessTier>${tier}</AccessTier></Tiering>`;
const exported = (bucket: string) =>
  `<StorageClassAnalysis><DataExport><OutputSchemaVersion>V_1</OutputSchemaVersion><Destination><S3BucketDestination><Format>CSV</Format><Bucket>${bucket}</Bucket><Prefix>p/</Prefix></S3BucketDestination></Destination></DataExport></StorageClassAnalysis>`;
const enabled = '<Status>Enabled</Status>';

/** Query, root, root of the list, and what a document must have beside its id. */
const kinds = [
  ['metrics', 'MetricsConfiguration', 'ListMetricsConfigurationsResult', ''],
  ['analytics', 'AnalyticsConfiguration', 'ListBucketAnalyticsConfigurationResult', '<StorageClassAnalysis/>'],
  [
    'intelligent-tiering',
    'IntelligentTieringConfiguration',
    'ListBucketIntelligentTieringConfigurationsOutput',
    `${enabled}${tiering('ARCHIVE_ACCESS', 90)}`,
  ],
] as const;

for (const [kind, root, listing, rest] of kinds) {
  const document = (id: string, inner = '') => `<${root}><Id>${id}</Id>${inner}${rest}</${root}>`;

  describe(`configurations of ${kind}`, () => {
    it('are put, read, replaced, listed in order, and deleted, each under its id', async () => {
      for (const id of ['b', 'a', 'A.z_9-'])
        assert.deepEqual(outcome(await put(kind, id, document(id))), [200, undefined]);
      const replaced = await put(kind, 'a', document('a', filter('<Prefix>logs/&amp;</Prefix>')));
      assert.equal(replaced.status, 200, replaced.text);
      const one = await get(kind, 'a');
      assert.deepEqual([one.status, one.xml('Id'), one.xml('Prefix')], [200, 'a', 'logs/&amp;']);
      assert.ok(one.text.includes(`<${root} xmlns=`));
      const all = await get(kind);
      assert.deepEqual(all.all('Id'), ['A.z_9-', 'a', 'b']);
      assert.equal(all.xml('IsTruncated'), 'false');
      assert.ok(all.text.includes(`<${listing} xmlns=`) && all.all(root).length === 3);
      assert.deepEqual(outcome(await remove(kind, 'b')), [204, undefined]);
      assert.deepEqual(outcome(await get(kind, 'b')), [404, 'NoSuchConfiguration']);
      assert.deepEqual(outcome(await remove(kind, 'b')), [404, 'NoSuchConfiguration']);
      assert.deepEqual((await get(kind)).all('Id'), ['A.z_9-', 'a']);
      assert.deepEqual((await get(kind, undefined, 'other')).all('Id'), []);
    });

    it('need a bucket, an id that is one, and the same id in the document', async () => {
      for (const answer of [await put(kind, 'a', document('a'), 'missing'), await get(kind, 'a', 'missing')])
        assert.deepEqual(outcome(answer), [404, 'NoSuchBucket']);
      for (const id of [undefined, '', 'a b', 'ä', 'x'.repeat(65)])
        assert.deepEqual(outcome(await put(kind, id, document('a'))), [400, 'InvalidArgument'], String(id));
      assert.deepEqual(outcome(await put(kind, 'a', document('b'))), [400, 'InvalidArgument']);
      assert.deepEqual(outcome(await remove(kind)), [400, 'InvalidArgument']);
      const longest = 'x'.repeat(64);
      assert.equal((await put(kind, longest, document(longest))).status, 200);
      await remove(kind, longest);
    });

    it('are refused malformed, with unknown elements, without what they must have, and from who may not', async () => {
      for (const body of [
        document('a').slice(0, -3),
        '<Other/>',
        `<${root}>${rest}</${root}>`,
        document('a', '<Other/>'),
        document('a', '<Filter/>'),
        document('a', filter('<Prefix>a</Prefix><Prefix>b</Prefix>')),
        document('a', filter('<Prefix>a</Prefix>') + filter('<Prefix>a</Prefix>')),
        document('a', filter(`<And>${tag('k', 'v')}</And>`)),
        document('a', filter('<Tag><Key>k</Key></Tag>')),
        document('a', filter('<And><Other/></And>')),
      ])
        assert.deepEqual(outcome(await put(kind, 'a', body)), [400, 'MalformedXML'], body);
      for (const inner of [
        filter(tag('', 'v')),
        filter(tag('k'.repeat(129), 'v')),
        filter(tag('k', 'v'.repeat(257))),
        filter(`<And>${tag('k', '1')}${tag('k', '2')}</And>`),
        filter(`<Prefix>${'p'.repeat(1025)}</Prefix>`),
        filter(`<And>${Array.from({ length: 11 }, (_, i) => tag(`k${i}`, 'v')).join('')}</And>`),
      ])
        assert.deepEqual(outcome(await put(kind, 'a', document('a', inner))), [400, 'InvalidArgument'], inner);
      assert.deepEqual(outcome(await put(kind, 'a', '')), [400, 'MissingRequestBodyError']);
      for (const as of ['anonymous', 'readonly', 'scoped'] as const)
        assert.deepEqual(
          outcome(await s3.send('PUT', '/bucket', { query: { [kind]: '', id: 'a' }, body: document('a'), as })),
          [403, 'AccessDenied'],
        );
    });

    it('keep a filter of several conditions', async () => {
      const inner = filter(`<And><Prefix>p/</Prefix>${tag('a', '1')}${tag('b', '2')}</And>`);
      assert.equal((await put(kind, 'several', document('several', inner))).status, 200);
      const got = await get(kind, 'several');
      assert.deepEqual([got.xml('Prefix'), got.all('Key'), got.all('Value')], ['p/', ['a', 'b'], ['1', '2']]);
      assert.equal(got.all('And').length, 1);
      await remove(kind, 'several');
    });
  });
}

describe('metrics', () => {
  it('of an access point are refused by name: there are none here', async () => {
    const point = '<AccessPointArn>arn:aws:s3:us-east-1:1:accesspoint/x</AccessPointArn>';
    for (const inner of [point, `<And><Prefix>a</Prefix>${point}</And>`])
      assert.deepEqual(
        outcome(await put('metrics', 'a', `<MetricsConfiguration><Id>a</Id>${filter(inner)}</MetricsConfiguration>`)),
        [501, 'NotImplemented'],
      );
    const analytics = `<AnalyticsConfiguration><Id>a</Id>${filter(point)}<StorageClassAnalysis/></AnalyticsConfiguration>`;
    assert.deepEqual(outcome(await put('analytics', 'a', analytics)), [400, 'MalformedXML']);
  });
});

describe('analytics', () => {
  const document = (analysis: string) => `<AnalyticsConfiguration><Id>a</Id>${analysis}</AnalyticsConfiguration>`;
  it('are exported to a bucket, named by its ARN, in the one form there is', async () => {
    assert.equal((await put('analytics', 'a', document(exported('arn:aws:s3:::other')))).status, 200);
    const got = await get('analytics', 'a');
    assert.deepEqual([got.xml('Bucket'), got.xml('Format'), got.xml('Prefix')], ['arn:aws:s3:::other', 'CSV', 'p/']);
    for (const bucket of ['other', 'arn:aws:s3:::', 'arn:aws:s3:::Other/x'])
      assert.deepEqual(outcome(await put('analytics', 'a', document(exported(bucket)))), [400, 'InvalidArgument']);
    for (const odd of [
      exported('arn:aws:s3:::other').replace('CSV', 'ORC'),
      exported('arn:aws:s3:::other').replace('V_1', 'V_2'),
      '<StorageClassAnalysis><DataExport/></StorageClassAnalysis>',
      '',
    ])
      assert.deepEqual(outcome(await put('analytics', 'a', document(odd))), [400, 'MalformedXML'], odd);
  });
});

describe('intelligent tiering', () => {
  const document = (inner: string) =>
    `<IntelligentTieringConfiguration><Id>a</Id>${inner}</IntelligentTieringConfiguration>`;
  it('has days within the bounds of each tier, each tier once, the deeper one later', async () => {
    for (const inner of [
      tiering('ARCHIVE_ACCESS', 90) + tiering('DEEP_ARCHIVE_ACCESS', 180),
      tiering('DEEP_ARCHIVE_ACCESS', 730),
    ])
      assert.equal((await put('intelligent-tiering', 'a', document(enabled + inner))).status, 200);
    for (const inner of [
      tiering('ARCHIVE_ACCESS', 89),
      tiering('DEEP_ARCHIVE_ACCESS', 179),
      tiering('ARCHIVE_ACCESS', 731),
      tiering('ARCHIVE_ACCESS', 90) + tiering('ARCHIVE_ACCESS', 91),
      tiering('ARCHIVE_ACCESS', 200) + tiering('DEEP_ARCHIVE_ACCESS', 200),
    ])
      assert.deepEqual(outcome(await put('intelligent-tiering', 'a', document(enabled + inner))), [
        400,
        'InvalidArgument',
      ]);
    for (const inner of [
      enabled,
      tiering('ARCHIVE_ACCESS', 90),
      `<Status>On</Status>${tiering('ARCHIVE_ACCESS', 90)}`,
      enabled + tiering('GLACIER', 90),
      enabled + tiering('ARCHIVE_ACCESS', 90).replace('90', 'many'),
    ])
      assert.deepEqual(outcome(await put('intelligent-tiering', 'a', document(inner))), [400, 'MalformedXML'], inner);
  });
});

describe('over the real store', () => {
  let store: MemoryStore;
  let real: Harness;
  /** What changes wait for before they are proposed. */
  let gate = () => Promise.resolve();
  /** All of the next `count` changes are worked out before the first of them is made. */
  const meet = (count: number) => {
    let come = 0;
    const met = Promise.withResolvers<void>();
    gate = () => {
      if (++come === count) met.resolve();
      return met.promise;
    };
  };
  before(async () => {
    store = await openMemoryStore();
    real = await startHarness({
      ...store.objects,
      configure: (...change) => gate().then(() => store.objects.configure(...change)),
    });
    await real.send('PUT', '/bucket');
  });
  after(async () => {
    await real.close();
    await store.close();
  });
  const metrics = (id: string) =>
    real.send('PUT', '/bucket', {
      query: { metrics: '', id },
      body: `<MetricsConfiguration><Id>${id}</Id></MetricsConfiguration>`,
    });

  it('changes of the same moment are all kept', async () => {
    const ids = Array.from({ length: 12 }, (_, i) => `id-${String(i).padStart(2, '0')}`);
    meet(ids.length);
    for (const answer of await Promise.all(ids.map(metrics))) assert.equal(answer.status, 200, answer.text);
    const listed = async () => (await real.send('GET', '/bucket', { query: { metrics: '' } })).all('Id');
    assert.deepEqual(await listed(), ids);
    const gone = (id: string) => real.send('DELETE', '/bucket', { query: { metrics: '', id } });
    meet(ids.length - 2);
    for (const answer of await Promise.all(ids.slice(2).map(gone))) assert.equal(answer.status, 204, answer.text);
    assert.deepEqual(await listed(), ids.slice(0, 2));
    await Promise.all(ids.slice(0, 2).map(gone));
    assert.deepEqual(await listed(), []);
  });

  it('there are a thousand at most, listed by a hundred', async () => {
    const ids = Array.from({ length: limits.listedConfigurations }, (_, i) => `id-${String(i).padStart(4, '0')}`);
    const form = (id: string) => `<MetricsConfiguration><Id>${id}</Id></MetricsConfiguration>`;
    const kept = `<MetricsConfigurations>${ids.slice(1).map(form).join('')}</MetricsConfigurations>`;
    await store.objects.configure('bucket', 'metrics', Buffer.from(kept));
    assert.equal((await metrics(ids[0]!)).status, 200);
    const over = await metrics('more');
    assert.deepEqual([over.status, over.code], [400, 'TooManyConfigurations']);
    assert.equal((await metrics(ids[7]!)).status, 200, 'one that is there can be replaced');
    const seen: string[] = [];
    let token: string | undefined;
    for (let pages = 1; ; pages++) {
      const query = { metrics: '', ...(token !== undefined && { 'continuation-token': token }) };
      const page = await real.send('GET', '/bucket', { query });
      assert.equal(page.xml('ContinuationToken'), token);
      seen.push(...page.all('Id'));
      token = page.xml('NextContinuationToken');
      assert.equal(page.xml('IsTruncated'), String(token !== undefined));
      if (token === undefined) {
        assert.equal(pages, 10);
        break;
      }
    }
    assert.deepEqual(seen, ids);
    for (const odd of ['?', 'aWQ', `${Buffer.from('id-0001').toString('base64url')}=`]
      .slice(0, 1)
      .concat('aWQtMDAwMQ=='))
      assert.equal(
        (await real.send('GET', '/bucket', { query: { metrics: '', 'continuation-token': odd } })).code,
        'InvalidArgument',
      );
  });
});

describe('access by tags, and directory buckets', () => {
  it('are not here: off, and none', async () => {
    const abac = (status: string) =>
      s3.send('PUT', '/bucket', { query: { abac: '' }, body: `<AbacStatus><Status>${status}</Status></AbacStatus>` });
    assert.equal((await abac('Disabled')).status, 200);
    assert.deepEqual(outcome(await abac('Enabled')), [501, 'NotImplemented']);
    assert.deepEqual(outcome(await abac('Perhaps')), [400, 'MalformedXML']);
    assert.equal((await s3.send('GET', '/bucket', { query: { abac: '' } })).xml('Status'), 'Disabled');
    assert.equal((await s3.send('GET', '/missing', { query: { abac: '' } })).code, 'NoSuchBucket');
    const listed = await s3.send('GET', '/', { query: { 'max-directory-buckets': '10' } });
    assert.deepEqual([listed.status, listed.all('Bucket').length, listed.all('Buckets').length], [200, 0, 1]);
    for (const query of [{ 'max-directory-buckets': 'x' }, { 'max-directory-buckets': '1', 'continuation-token': 'x' }])
      assert.deepEqual(outcome(await s3.send('GET', '/', { query })), [400, 'InvalidArgument']);
    assert.equal((await s3.send('GET', '/', { query: { 'max-directory-buckets': '1' }, as: 'anonymous' })).status, 403);
  });
});

describe('every form of them', () => {
  const forms = [metricsForm, analyticsForm, intelligentTieringForm] as unknown as readonly ListedForm<{
    id: string;
  }>[];
  const parts = fc.constantFrom(
    filter('<Prefix>a&lt;</Prefix>'),
    filter(tag('k', '')),
    filter(`<And>${tag('a', 'b')}${tag('b', '')}</And>`),
    '<StorageClassAnalysis/>',
    exported('arn:aws:s3:::abc'),
    enabled,
    '<Status>Disabled</Status>',
    tiering('ARCHIVE_ACCESS', 100),
    tiering('DEEP_ARCHIVE_ACCESS', 300),
    '<Other/>',
  );
  it('takes a document and keeps what reads the same, or refuses it with a code', () => {
    let taken = 0;
    fc.assert(
      fc.property(fc.constantFrom(...forms), fc.uniqueArray(parts, { maxLength: 4 }), (form, inner) => {
        const xml = (text: string) => parseXml(Buffer.from(`<${form.root}>${text}</${form.root}>`));
        let value: { id: string };
        try {
          value = form.parse(xml(`<Id>a</Id>${inner.join('')}`));
        } catch (error) {
          assert.ok(error instanceof StoreError, `${error}`);
          return;
        }
        taken++;
        assert.deepEqual(form.parse(xml(form.write(value))), value);
      }),
      { numRuns: 1500 },
    );
    assert.ok(taken > 50, `only ${taken} documents were taken`);
  });
});

describe('requests of a bucket with metrics configurations', () => {
  it('are counted for each configuration that is about them: all, by prefix, by tags, refused ones too', async () => {
    const counted: CountedRequest[] = [];
    const { service } = fakeObjects();
    const watched = await startHarness(service, {
      requestMetrics: new RequestMetrics(service, (one) => counted.push(one)),
    });
    try {
      for (const bucket of ['watched', 'quiet']) await watched.send('PUT', `/${bucket}`);
      await watched.send('PUT', '/quiet/k', { body: 'x' });
      assert.deepEqual(counted, [], 'a bucket without a configuration');
      const configure = (id: string, inner: string) =>
        watched.send('PUT', '/watched', {
          query: { metrics: '', id },
          body: `<MetricsConfiguration><Id>${id}</Id>${inner}</MetricsConfiguration>`,
        });
      await configure('all', '');
      await configure('logs', filter('<Prefix>logs/</Prefix>'));
      await configure('red', filter(`<And><Prefix>logs/</Prefix>${tag('c', 'red')}</And>`));
      const of = async (method: string, path: string, options?: Parameters<Harness['send']>[2]) => {
        counted.length = 0;
        await watched.send(method, path, options);
        return counted.map(({ filter: id, kind, status, in: incoming, out }) => [id, kind, status, incoming, out]);
      };
      const red = { 'x-amz-tagging': 'c=red' };
      assert.deepEqual(await of('PUT', '/watched/logs/a', { body: 'abc', headers: red }), [
        ['all', 'put', 200, 3, 0],
        ['logs', 'put', 200, 3, 0],
        ['red', 'put', 200, 3, 0],
      ]);
      assert.deepEqual(await of('GET', '/watched/logs/a'), [
        ['all', 'get', 200, 0, 3],
        ['logs', 'get', 200, 0, 3],
        ['red', 'get', 200, 0, 3],
      ]);
      assert.deepEqual(await of('PUT', '/watched/log', { body: 'x', headers: red }), [['all', 'put', 200, 1, 0]]);
      const ids = (rows: readonly (readonly unknown[])[]) => rows.map(([id, kind, status]) => [id, kind, status]);
      assert.deepEqual(ids(await of('GET', '/watched/logs/none')), [
        ['all', 'get', 404],
        ['logs', 'get', 404],
      ]);
      assert.deepEqual(ids(await of('GET', '/watched/logs/a', { as: 'anonymous' })), [
        ['all', 'get', 403],
        ['logs', 'get', 403],
        ['red', 'get', 403],
      ]);
      assert.deepEqual(ids(await of('GET', '/watched', { query: { prefix: 'logs/' } })), [['all', 'list', 200]]);
      assert.deepEqual(ids(await of('DELETE', '/watched/logs/a')), [
        ['all', 'delete', 204],
        ['logs', 'delete', 204],
        ['red', 'delete', 204],
      ]);
      assert.deepEqual(ids(await of('GET', '/missing/logs/a')), []);
      await watched.send('DELETE', '/watched', { query: { metrics: '', id: 'all' } });
      assert.deepEqual(ids(await of('HEAD', '/watched/log')), []);
    } finally {
      await watched.close();
    }
  });
});
