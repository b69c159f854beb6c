import { area } from '../case.ts';
import type { Code } from '../errors.ts';
import { ok, refused, same, shape } from '../expect.ts';
import type { Options, Steps } from '../steps.ts';
import { all, find } from '../xml.ts';
import { nobody } from './accounts.ts';

const { cases, rule } = area('configurations by id', 'API/API_PutBucketMetricsConfiguration');

/** A kind of configuration of which a bucket has many, each under its id. */
interface Kind {
  readonly subresource: string;
  /** As the operations call it: Put`name`, Get`name` … */
  readonly name: string;
  readonly list: string;
  readonly root: string;
  /** What a document must have beside its id. */
  readonly rest: string;
  readonly good: readonly (readonly [what: string, inner: string, element: string, ...texts: string[]])[];
  /** Contents beside the id. */
  readonly bad: readonly (readonly [what: string, inner: string, ...codes: Code[]])[];
}
const tag = (key: string, value: string) => `<Tag><Key>${key}</Key><Value>${value}</Value></Tag>`;
const filter = (inner: string) => `<Filter>${inner}</Filter>`;
const tiering = (tier: string, days: number | string) =>
  `<Tiering><AccessTier>${tier}</AccessTier><Days>${days}</Days></Tiering>`;
const enabled = '<Status>Enabled</Status>';
const analysis = (inner: string) => `<StorageClassAnalysis>${inner}</StorageClassAnalysis>`;
const exported = analysis(
  '<DataExport><OutputSchemaVersion>V_1</OutputSchemaVersion><Destination><S3BucketDestination><Format>CSV</Format><Bucket>arn:aws:s3:::reports</Bucket><Prefix>p/</Prefix></S3BucketDestination></Destination></DataExport>',
);
const inventory = (change: (text: string) => string = (text) => text) =>
  change(
    '<Destination><S3BucketDestination><Bucket>arn:aws:s3:::reports</Bucket><Format>CSV</Format></S3BucketDestination></Destination><IsEnabled>true</IsEnabled><IncludedObjectVersions>All</IncludedObjectVersions><Schedule><Frequency>Daily</Frequency></Schedule>',
  );
const replaced = (from: string | RegExp, to: string) => inventory((text) => text.replace(from, to));

/** Filters of metrics, analytics and tiering are one. */
const filters = (rest: string): Pick<Kind, 'good' | 'bad'> => ({
  good: [
    ['a prefix', filter('<Prefix>logs/</Prefix>') + rest, 'Filter/Prefix', 'logs/'],
    ['a tag', filter(tag('a', 'b')) + rest, 'Filter/Tag/Key', 'a'],
    [
      'a prefix and a tag',
      filter(`<And><Prefix>logs/</Prefix>${tag('a', 'b')}</And>`) + rest,
      'Filter/And/Prefix',
      'logs/',
    ],
    ['two tags', filter(`<And>${tag('a', '1')}${tag('b', '2')}</And>`) + rest, 'Filter/And/Tag/Value', '1', '2'],
  ],
  bad: [
    ['an empty filter', filter('') + rest, 'MalformedXML'],
    ['a prefix and a tag without And', filter(`<Prefix>a</Prefix>${tag('a', 'b')}`) + rest, 'MalformedXML'],
    ['a filter by what is not known', filter('<Size>1</Size>') + rest, 'MalformedXML'],
    ['two filters', filter('<Prefix>a</Prefix>').repeat(2) + rest, 'MalformedXML'],
    ['a tag without a value', filter('<Tag><Key>a</Key></Tag>') + rest, 'MalformedXML'],
    ['an And of one', filter(`<And>${tag('a', 'b')}</And>`) + rest, 'MalformedXML'],
    [
      'a key of a tag of 129 characters',
      filter(tag('k'.repeat(129), 'v')) + rest,
      'InvalidArgument',
      'InvalidTag',
      'MalformedXML',
    ],
    [
      'one key of a tag twice',
      filter(`<And>${tag('a', '1')}${tag('a', '2')}</And>`) + rest,
      'InvalidArgument',
      'MalformedXML',
    ],
    [
      'a prefix of 1,025 bytes',
      filter(`<Prefix>${'p'.repeat(1025)}</Prefix>`) + rest,
      'InvalidArgument',
      'MalformedXML',
    ],
  ],
});
const tiers = `${enabled}${tiering('ARCHIVE_ACCESS', 90)}`;
const kinds: readonly Kind[] = [
  {
    subresource: 'metrics',
    name: 'BucketMetricsConfiguration',
    list: 'ListMetricsConfigurationsResult',
    root: 'MetricsConfiguration',
    rest: '',
    ...filters(''),
  },
  {
    subresource: 'analytics',
    name: 'BucketAnalyticsConfiguration',
    list: 'ListBucketAnalyticsConfigurationResult',
    root: 'AnalyticsConfiguration',
    rest: analysis(''),
    good: [
      ...filters(analysis('')).good,
      [
        'an export',
        exported,
        'StorageClassAnalysis/DataExport/Destination/S3BucketDestination/Bucket',
        'arn:aws:s3:::reports',
      ],
    ],
    bad: [
      ...filters(analysis('')).bad,
      ['no analysis', '', 'MalformedXML'],
      [
        'an export without a destination',
        analysis('<DataExport><OutputSchemaVersion>V_1</OutputSchemaVersion></DataExport>'),
        'MalformedXML',
      ],
      ['an export in a form that there is not', exported.replace('CSV', 'XLS'), 'MalformedXML'],
      ['a version of the export that there is not', exported.replace('V_1', 'V_2'), 'MalformedXML'],
      ['a destination that is no ARN', exported.replace('arn:aws:s3:::', ''), 'InvalidArgument', 'MalformedXML'],
    ],
  },
  {
    subresource: 'intelligent-tiering',
    name: 'BucketIntelligentTieringConfiguration',
    list: 'ListBucketIntelligentTieringConfigurationsOutput',
    root: 'IntelligentTieringConfiguration',
    rest: tiers,
    good: [
      ...filters(tiers).good,
      ['two tiers', `${tiers}${tiering('DEEP_ARCHIVE_ACCESS', 180)}`, 'Tiering/Days', '90', '180'],
      ['Disabled', tiers.replace('Enabled', 'Disabled'), 'Status', 'Disabled'],
    ],
    bad: [
      ...filters(tiers).bad,
      ['no status', tiering('ARCHIVE_ACCESS', 90), 'MalformedXML'],
      ['a status that there is not', tiers.replace('Enabled', 'On'), 'MalformedXML'],
      ['no tier', enabled, 'MalformedXML'],
      ['a tier that there is not', enabled + tiering('FROZEN', 90), 'MalformedXML'],
      ['days that are no number', enabled + tiering('ARCHIVE_ACCESS', 'many'), 'MalformedXML'],
      ['89 days of ARCHIVE_ACCESS', enabled + tiering('ARCHIVE_ACCESS', 89), 'InvalidArgument'],
      ['179 days of DEEP_ARCHIVE_ACCESS', enabled + tiering('DEEP_ARCHIVE_ACCESS', 179), 'InvalidArgument'],
      ['731 days', enabled + tiering('ARCHIVE_ACCESS', 731), 'InvalidArgument'],
      ['one tier twice', `${tiers}${tiering('ARCHIVE_ACCESS', 91)}`, 'InvalidArgument', 'MalformedXML'],
    ],
  },
  {
    subresource: 'inventory',
    name: 'BucketInventoryConfiguration',
    list: 'ListInventoryConfigurationsResult',
    root: 'InventoryConfiguration',
    rest: inventory(),
    good: [
      ['CSV', inventory(), 'Destination/S3BucketDestination/Format', 'CSV'],
      ['Parquet', replaced('CSV', 'Parquet'), 'Destination/S3BucketDestination/Format', 'Parquet'],
      ['the current versions', replaced('All', 'Current'), 'IncludedObjectVersions', 'Current'],
      ['a week', replaced('Daily', 'Weekly'), 'Schedule/Frequency', 'Weekly'],
      ['what is turned off', replaced('true', 'false'), 'IsEnabled', 'false'],
      ['a prefix', inventory() + filter('<Prefix>logs/</Prefix>'), 'Filter/Prefix', 'logs/'],
      [
        'fields',
        `${inventory()}<OptionalFields><Field>Size</Field><Field>ETag</Field></OptionalFields>`,
        'OptionalFields/Field',
        'Size',
        'ETag',
      ],
    ],
    bad: [
      ['no destination', replaced(/<Destination>.*<\/Destination>/, ''), 'MalformedXML'],
      ['no schedule', replaced(/<Schedule>.*<\/Schedule>/, ''), 'MalformedXML'],
      ['no IsEnabled', replaced(/<IsEnabled>.*<\/IsEnabled>/, ''), 'MalformedXML'],
      ['no versions', replaced(/<Included.*Versions>/, ''), 'MalformedXML'],
      ['versions that there are not', replaced('All', 'Old'), 'MalformedXML'],
      ['a frequency that there is not', replaced('Daily', 'Hourly'), 'MalformedXML'],
      ['a format that there is not', replaced('CSV', 'XLS'), 'MalformedXML'],
      ['IsEnabled that is neither true nor false', replaced('true', 'maybe'), 'MalformedXML'],
      [
        'a field that there is not',
        `${inventory()}<OptionalFields><Field>Color</Field></OptionalFields>`,
        'MalformedXML',
      ],
      ['a destination that is no ARN', replaced('arn:aws:s3:::', ''), 'InvalidS3DestinationBucket', 'InvalidArgument'],
    ],
  },
];

for (const { subresource, name, list, root, rest, good, bad } of kinds) {
  const putting = { source: `API/API_Put${name}` };
  const document = (id: string, inner = rest) =>
    `<${root} xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Id>${id}</Id>${inner}</${root}>`;
  const query = (id?: string) => ({ [subresource]: '', ...(id !== undefined && { id }) });
  const put = (t: Steps, bucket: string, id: string, text = document(id), more: Options = {}) =>
    t.send('PUT', bucket, '', { query: query(id), body: text.replace(':::reports<', `:::${bucket}<`), ...more });
  const get = (t: Steps, bucket: string, id?: string) => t.get(bucket, '', { query: query(id) });
  const remove = (t: Steps, bucket: string, id: string) => t.send('DELETE', bucket, '', { query: query(id) });

  for (const [what, inner, path, ...texts] of good)
    rule(
      `Put${name} with ${what} reads back`,
      async (t) => {
        const bucket = await t.bucket();
        ok(await put(t, bucket, 'id', document('id', inner)));
        const answer = shape(ok(await get(t, bucket, 'id')), root, { Id: 'id' });
        const steps = path.split('/');
        const parents = steps
          .slice(0, -1)
          .reduce((found, step) => found.flatMap((one) => all(one, step)), [answer.xml]);
        const found = parents.flatMap((one) => all(one, steps.at(-1)!)).map(({ text }) => text);
        same(
          found,
          texts.map((text) => text.replace(/:::reports$/, `:::${bucket}`)),
          path,
          answer,
        );
      },
      putting,
    );
  const asked: Kind['bad'] = [...bad, ['an element that is not known', `${rest}<Other/>`, 'MalformedXML']];
  for (const [what, inner, ...codes] of asked)
    rule(
      `Put${name} with ${what} is refused with ${codes[0]}`,
      async (t) => {
        const bucket = await t.bucket();
        refused(await put(t, bucket, 'id', document('id', inner)), ...codes);
        refused(await get(t, bucket, 'id'), 'NoSuchConfiguration');
      },
      putting,
    );
  for (const [what, text, ...codes] of [
    ['XML that ends early', document('id').slice(0, -3), 'MalformedXML'],
    ['another root', '<Other/>', 'MalformedXML'],
    ['no Id', document('id').replace('<Id>id</Id>', ''), 'MalformedXML', 'InvalidArgument'],
    ['another Id than in the query', document('other'), 'InvalidArgument', 'MalformedXML'],
    ['nothing', '', 'MissingRequestBodyError', 'MalformedXML'],
  ] as readonly (readonly [string, string, ...Code[]])[])
    rule(
      `Put${name} with ${what} is refused with ${codes[0]}`,
      async (t) => {
        const bucket = await t.bucket();
        refused(await put(t, bucket, 'id', text), ...codes);
        refused(await get(t, bucket, 'id'), 'NoSuchConfiguration');
      },
      putting,
    );
  rule(
    `Put${name} with an id of 65 characters is refused with InvalidArgument`,
    async (t) => {
      refused(await put(t, await t.bucket(), 'i'.repeat(65)), 'InvalidArgument', 'InvalidConfigurationId');
    },
    putting,
  );
  rule(
    `Put${name} of a bucket that is not there is refused with NoSuchBucket`,
    async (t) => void refused(await put(t, t.newName(), 'id'), 'NoSuchBucket'),
    putting,
  );
  rule(
    `Put${name} by an anonymous request is refused with AccessDenied`,
    async (t) => {
      refused(await put(t, await t.bucket(), 'id', document('id'), { signing: nobody }), 'AccessDenied');
    },
    putting,
  );
  rule(
    `Put${name} under an id that is there replaces it`,
    async (t) => {
      const bucket = await t.bucket();
      ok(await put(t, bucket, 'id'));
      ok(await put(t, bucket, 'id', document('id', good[0]![1])));
      const answer = ok(await get(t, bucket));
      same(all(answer.xml, root).length, 1, 'configurations', answer);
    },
    putting,
  );
  rule(
    `Get${name} of an id that is not there is refused with NoSuchConfiguration`,
    async (t) => void refused(await get(t, await t.bucket(), 'none'), 'NoSuchConfiguration'),
    { source: `API/API_Get${name}` },
  );
  rule(
    `Delete${name} answers 204, and it is there no more`,
    async (t) => {
      const bucket = await t.bucket();
      ok(await put(t, bucket, 'id'));
      ok(await remove(t, bucket, 'id'), 204);
      refused(await get(t, bucket, 'id'), 'NoSuchConfiguration');
    },
    { source: `API/API_Delete${name}` },
  );
  rule(
    `Delete${name} of an id that is not there is refused with NoSuchConfiguration`,
    async (t) => void refused(await remove(t, await t.bucket(), 'none'), 'NoSuchConfiguration'),
    { source: `API/API_Delete${name}` },
  );
  rule(
    `List${name}s of a new bucket answers none`,
    async (t) => {
      const answer = shape(ok(await get(t, await t.bucket())), list, { IsTruncated: 'false' });
      same(all(answer.xml, root).length, 0, 'configurations', answer);
    },
    { source: `API/API_List${name}s` },
  );
  rule(
    `List${name}s answers all, by their ids`,
    async (t) => {
      const bucket = await t.bucket();
      for (const id of ['b', 'a', 'c']) ok(await put(t, bucket, id));
      const answer = shape(ok(await get(t, bucket)), list, { IsTruncated: 'false' });
      same(
        all(answer.xml, root).map((one) => find(one, 'Id')?.text),
        ['a', 'b', 'c'],
        'ids',
        answer,
      );
    },
    { source: `API/API_List${name}s` },
  );
  rule(
    `List${name}s of a bucket that is not there is refused with NoSuchBucket`,
    async (t) => void refused(await get(t, t.newName()), 'NoSuchBucket'),
    { source: `API/API_List${name}s` },
  );
}

export const listedConfigurationCases = cases;
