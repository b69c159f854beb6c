/* The lifecycle of a bucket: what is taken and answered, what is refused and with which words, and what answers say of it. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { StoreError } from '../../errors.ts';
import { limits } from '../../limits.ts';
import { lifecycleArbitrary } from '../../objects/lifecycle/arbitrary.support.ts';
import { documentOf } from './configurations/form.ts';
import { lifecycleForm } from './configurations/lifecycle.ts';
import { type Answer, serveFake } from './harness.support.ts';
import { parseXml } from './xml/parser.ts';

const { s3 } = await serveFake(async (harness) => {
  for (const bucket of ['bucket', 'other']) await harness.send('PUT', `/${bucket}`);
});

const md5 = (body: string) => createHash('md5').update(body).digest('base64');
const query = { lifecycle: '' };
const root = (inner: string) => `<LifecycleConfiguration>${inner}</LifecycleConfiguration>`;
const put = (inner: string, headers: Record<string, string> = {}): Promise<Answer> => {
  const body = root(inner);
  return s3.send('PUT', '/bucket', { query, body, headers: { 'content-md5': md5(body), ...headers } });
};
const get = (bucket = 'bucket') => s3.send('GET', `/${bucket}`, { query });
const rule = (actions: string, filter = '<Filter/>', more = '<ID>r</ID>') =>
  `<Rule>${more}${filter}<Status>Enabled</Status>${actions}</Rule>`;
const days = (count: number | string) => `<Expiration><Days>${count}</Days></Expiration>`;
const move = (when: string, to: string) => `<Transition>${when}<StorageClass>${to}</StorageClass></Transition>`;
const tag = (key: string, value = 'v') => `<Tag><Key>${key}</Key><Value>${value}</Value></Tag>`;
const prefixed = '<Filter><Prefix>logs/</Prefix></Filter>';

/** The code and message that a document is refused with, without a server. */
function refusal(inner: string): readonly [string, string] {
  try {
    lifecycleForm.parse(parseXml(Buffer.from(root(inner))));
  } catch (error) {
    assert.ok(error instanceof StoreError, `${error}`);
    return [error.code, error.message];
  }
  return ['taken', ''];
}

describe('the lifecycle configuration', () => {
  it('is taken, answered as it was given, and deleted', async () => {
    const inner =
      rule(
        `${move('<Days>30</Days>', 'STANDARD_IA')}${days(365)}`,
        `<Filter><And><Prefix>a&amp;b/</Prefix>${tag('k')}${tag('l', '')}<ObjectSizeGreaterThan>500</ObjectSizeGreaterThan><ObjectSizeLessThan>64000</ObjectSizeLessThan></And></Filter>`,
        '<ID>one</ID>',
      ) +
      rule(
        '<NoncurrentVersionTransition><NoncurrentDays>30</NoncurrentDays><NewerNoncurrentVersions>3</NewerNoncurrentVersions><StorageClass>STANDARD_IA</StorageClass></NoncurrentVersionTransition><NoncurrentVersionExpiration><NoncurrentDays>60</NoncurrentDays><NewerNoncurrentVersions>100</NewerNoncurrentVersions></NoncurrentVersionExpiration>',
        '<Filter/>',
        '<ID>two</ID>',
      ) +
      rule(
        '<Expiration><Date>2031-02-01T00:00:00Z</Date></Expiration>',
        `<Filter>${tag('x')}</Filter>`,
        '<ID>three</ID>',
      ) +
      rule(
        '<Expiration><ExpiredObjectDeleteMarker>true</ExpiredObjectDeleteMarker></Expiration><AbortIncompleteMultipartUpload><DaysAfterInitiation>7</DaysAfterInitiation></AbortIncompleteMultipartUpload>',
        prefixed,
        '<ID>four</ID>',
      );
    const done = await put(inner, { 'x-amz-transition-default-minimum-object-size': 'varies_by_storage_class' });
    assert.deepEqual([done.status, done.body.length], [200, 0], done.text);
    assert.equal(done.headers['x-amz-transition-default-minimum-object-size'], 'varies_by_storage_class');
    const got = await get();
    assert.equal(got.status, 200);
    assert.equal(got.headers['x-amz-transition-default-minimum-object-size'], 'varies_by_storage_class');
    assert.ok(!got.text.includes('TransitionDefaultMinimumObjectSize'), got.text);
    const again = await put(/<LifecycleConfiguration[^>]*>(.*)<\/LifecycleConfiguration>/s.exec(got.text)![1]!);
    assert.equal(again.status, 200);
    assert.equal((await get()).text, got.text, 'what is answered can be put again');
    assert.equal((await get()).headers['x-amz-transition-default-minimum-object-size'], 'all_storage_classes_128K');
    assert.deepEqual(got.all('ID'), ['one', 'two', 'three', 'four']);
    assert.deepEqual(got.all('Prefix'), ['a&amp;b/', 'logs/']);
    assert.deepEqual(got.all('Date'), ['2031-02-01T00:00:00Z']);
    const removed = await s3.send('DELETE', '/bucket', { query });
    assert.equal(removed.status, 204);
    assert.deepEqual([(await get()).status, (await get()).code], [404, 'NoSuchLifecycleConfiguration']);
    assert.equal((await get()).xml('BucketName'), 'bucket');
    assert.equal((await s3.send('DELETE', '/bucket', { query })).status, 204);
  });

  it('is for who may, for a bucket that is there, and with a digest', async () => {
    assert.equal((await get('missing')).code, 'NoSuchBucket');
    const body = root(rule(days(1)));
    const headers = { 'content-md5': md5(body) };
    assert.equal((await s3.send('PUT', '/missing', { query, body, headers })).code, 'NoSuchBucket');
    assert.equal((await s3.send('DELETE', '/missing', { query })).code, 'NoSuchBucket');
    for (const as of ['anonymous', 'readonly', 'scoped'] as const) {
      assert.equal((await s3.send('PUT', '/bucket', { query, body, headers, as })).code, 'AccessDenied');
      assert.equal((await s3.send('DELETE', '/bucket', { query, as })).code, 'AccessDenied');
    }
    assert.equal((await s3.send('GET', '/bucket', { query, as: 'anonymous' })).code, 'AccessDenied');
    assert.equal((await s3.send('PUT', '/bucket', { query, body })).code, 'InvalidRequest');
    assert.equal(
      (await s3.send('PUT', '/bucket', { query, body, headers: { 'content-md5': md5('x') } })).code,
      'BadDigest',
    );
    const odd = await put(rule(days(1)), { 'x-amz-transition-default-minimum-object-size': 'none' });
    assert.deepEqual([odd.status, odd.code], [400, 'InvalidArgument']);
  });

  it('is refused malformed, empty, too long, with what it does not know, or with what only the store writes', async () => {
    for (const inner of [
      '',
      '<Other/>',
      rule('<Other/>'),
      'text',
      `<TransitionDefaultMinimumObjectSize>varies_by_storage_class</TransitionDefaultMinimumObjectSize>${rule(days(1))}`,
    ])
      assert.deepEqual([(await put(inner)).status, (await put(inner)).code], [400, 'MalformedXML'], inner);
    const cut = root(rule(days(1))).slice(0, -3);
    for (const [body, code] of [
      [cut, 'MalformedXML'],
      ['<Other/>', 'MalformedXML'],
      ['', 'MissingRequestBodyError'],
      [root(' '.repeat(600_000)), 'MaxMessageLengthExceeded'],
    ] as const)
      assert.equal(
        (await s3.send('PUT', '/bucket', { query, body, headers: { 'content-md5': md5(body) } })).code,
        code,
      );
    const many = Array.from({ length: limits.lifecycleRules + 1 }, (_, at) =>
      rule(days(1), '<Filter/>', `<ID>${at}</ID>`),
    );
    assert.deepEqual(refusal(many.join(''))[0], 'InvalidRequest');
    assert.deepEqual(refusal(many.slice(1).join(''))[0], 'taken', 'a thousand rules are');
    assert.equal((await put(many.slice(1).join(''))).status, 200);
  });

  it('moves objects to classes that stand for something here only', async () => {
    const glacier = await put(rule(move('<Days>1</Days>', 'GLACIER')));
    assert.deepEqual([glacier.status, glacier.code], [400, 'InvalidStorageClass']);
    assert.match(glacier.xml('Message')!, /dsom policy set GLACIER/);
    assert.equal((await put(rule(move('<Days>1</Days>', 'NOWHERE')))).code, 'MalformedXML');
    assert.equal((await put(rule(move('<Days>30</Days>', 'STANDARD_IA')))).status, 200);
  });

  it('says what is wrong as AWS does', () => {
    const noncurrent = (inner: string) => `<NoncurrentVersionExpiration>${inner}</NoncurrentVersionExpiration>`;
    const abort = (inner: string) => `<AbortIncompleteMultipartUpload>${inner}</AbortIncompleteMultipartUpload>`;
    const marker = '<Expiration><ExpiredObjectDeleteMarker>true</ExpiredObjectDeleteMarker></Expiration>';
    const filter = "'(prefix=logs/)'";
    const rows: readonly (readonly [string, string, RegExp | string])[] = [
      [rule(''), 'InvalidRequest', 'At least one action needs to be specified in a rule.'],
      [rule(days(1), ''), 'MalformedXML', /Filter/],
      [rule(days(1), '<Prefix>a</Prefix><Filter/>'), 'MalformedXML', /not both/],
      [rule(days(1), `<Filter><Prefix>a</Prefix>${tag('k')}</Filter>`), 'MalformedXML', /And/],
      [rule(days(1), '<Filter><And><Prefix>a</Prefix></And></Filter>'), 'MalformedXML', /two conditions/],
      [
        rule(days(1), `<Filter><And>${tag('k')}${tag('k')}</And></Filter>`),
        'InvalidRequest',
        'Duplicate Tag Keys are not allowed.',
      ],
      [rule(days(1), `<Filter>${tag('')}</Filter>`), 'InvalidTag', /TagKey/],
      [rule(days(1), `<Filter>${tag('k'.repeat(129))}</Filter>`), 'InvalidTag', /TagKey/],
      [rule(days(1), `<Filter>${tag('k', 'v'.repeat(257))}</Filter>`), 'InvalidTag', /TagValue/],
      [rule(days(1), '<Filter><Tag><Key>k</Key></Tag></Filter>'), 'MalformedXML', /Value/],
      [
        rule(days(1), `<Filter><Prefix>${'p'.repeat(1025)}</Prefix></Filter>`),
        'InvalidRequest',
        'The maximum size of a prefix is 1024.',
      ],
      [
        rule(days(1), '<Filter><ObjectSizeGreaterThan>-1</ObjectSizeGreaterThan></Filter>'),
        'InvalidArgument',
        /ObjectSizeGreaterThan/,
      ],
      [rule(days(1), '<Filter><ObjectSizeLessThan>x</ObjectSizeLessThan></Filter>'), 'MalformedXML', /whole number/],
      [
        rule(
          days(1),
          '<Filter><And><ObjectSizeGreaterThan>5</ObjectSizeGreaterThan><ObjectSizeLessThan>5</ObjectSizeLessThan></And></Filter>',
        ),
        'InvalidRequest',
        "'ObjectSizeLessThan' has to be a value greater than 'ObjectSizeGreaterThan'.",
      ],
      [`<Rule><Filter/>${days(1)}</Rule>`, 'MalformedXML', /Status/],
      [`<Rule><Filter/><Status>enabled</Status>${days(1)}</Rule>`, 'MalformedXML', /Status/],
      [
        rule(days(1), '<Filter/>', `<ID>${'i'.repeat(256)}</ID>`),
        'InvalidArgument',
        'ID length should not exceed allowed limit of 255',
      ],
      [
        rule(days(1)) + rule(days(2)),
        'InvalidArgument',
        'Rule ID must be unique. Found same ID for more than one rule',
      ],
      [
        rule(days(1), '<Prefix>a</Prefix>', '<ID>1</ID>') + rule(days(1), '<Filter/>', '<ID>2</ID>'),
        'InvalidRequest',
        /Base level prefix cannot be used in Lifecycle V2/,
      ],
      [rule(days(0)), 'InvalidArgument', "'Days' for Expiration action must be a positive integer"],
      [rule(days(-3)), 'InvalidArgument', "'Days' for Expiration action must be a positive integer"],
      [rule(days('1.5')), 'MalformedXML', /whole number/],
      [rule(days(2 ** 31)), 'MalformedXML', /at most/],
      [rule('<Expiration/>'), 'MalformedXML', /one of/],
      [rule('<Expiration><Days>1</Days><Date>2031-01-01T00:00:00Z</Date></Expiration>'), 'MalformedXML', /one of/],
      [
        rule('<Expiration><Days>1</Days><ExpiredObjectDeleteMarker>true</ExpiredObjectDeleteMarker></Expiration>'),
        'MalformedXML',
        /one of/,
      ],
      [
        rule('<Expiration><ExpiredObjectDeleteMarker>yes</ExpiredObjectDeleteMarker></Expiration>'),
        'MalformedXML',
        /true or false/,
      ],
      [
        rule('<Expiration><Date>2031-01-01T10:00:00Z</Date></Expiration>'),
        'InvalidArgument',
        "'Date' must be at midnight GMT",
      ],
      [rule('<Expiration><Date>soon</Date></Expiration>'), 'MalformedXML', /ISO 8601/],
      [rule('<Expiration><Date>2031-13-01T00:00:00Z</Date></Expiration>'), 'MalformedXML', /ISO 8601/],
      [
        rule(marker, `<Filter>${tag('k')}</Filter>`),
        'InvalidRequest',
        'ExpiredObjectDeleteMarker cannot be specified with Tags.',
      ],
      [
        rule(abort('<DaysAfterInitiation>1</DaysAfterInitiation>'), `<Filter>${tag('k')}</Filter>`),
        'InvalidRequest',
        'AbortIncompleteMultipartUpload cannot be specified with Tags.',
      ],
      [
        rule(
          abort('<DaysAfterInitiation>1</DaysAfterInitiation>'),
          '<Filter><ObjectSizeLessThan>9</ObjectSizeLessThan></Filter>',
        ),
        'InvalidRequest',
        'AbortIncompleteMultipartUpload cannot be specified with Object Size.',
      ],
      [rule(abort('')), 'MalformedXML', /DaysAfterInitiation/],
      [
        rule(abort('<DaysAfterInitiation>0</DaysAfterInitiation>')),
        'InvalidArgument',
        "'DaysAfterInitiation' for AbortIncompleteMultipartUpload action must be a positive integer",
      ],
      [rule(noncurrent('<NewerNoncurrentVersions>1</NewerNoncurrentVersions>')), 'MalformedXML', /NoncurrentDays/],
      [
        rule(noncurrent('<NoncurrentDays>0</NoncurrentDays>')),
        'InvalidArgument',
        "'NoncurrentDays' for NoncurrentVersionExpiration action must be a positive integer",
      ],
      [
        rule(noncurrent('<NoncurrentDays>1</NoncurrentDays><NewerNoncurrentVersions>101</NewerNoncurrentVersions>')),
        'InvalidArgument',
        /between 1 and 100/,
      ],
      [
        rule(noncurrent('<NoncurrentDays>1</NoncurrentDays><NewerNoncurrentVersions>0</NewerNoncurrentVersions>')),
        'InvalidArgument',
        /between 1 and 100/,
      ],
      [rule(move('', 'GLACIER')), 'MalformedXML', /Days or Date/],
      [rule(move('<Days>1</Days><Date>2031-01-01T00:00:00Z</Date>', 'GLACIER')), 'MalformedXML', /not both/],
      [rule(move('<Days>-1</Days>', 'GLACIER')), 'InvalidArgument', "'Days' in Transition action must be nonnegative"],
      [rule('<Transition><Days>1</Days></Transition>'), 'MalformedXML', /StorageClass/],
      [
        rule(move('<Days>29</Days>', 'STANDARD_IA')),
        'InvalidArgument',
        "'Days' in Transition action must be greater than or equal to 30 for storageClass 'STANDARD_IA'",
      ],
      [rule(move('<Days>1</Days>', 'STANDARD')), 'MalformedXML', /STANDARD/],
      [rule(move('<Days>1</Days>', 'REDUCED_REDUNDANCY')), 'MalformedXML', /REDUCED_REDUNDANCY/],
      [
        rule(move('<Days>30</Days>', 'GLACIER') + move('<Days>60</Days>', 'GLACIER'), prefixed),
        'InvalidRequest',
        `'StorageClass' must be different for 'Transition' actions in same 'Rule' with filter ${filter}`,
      ],
      [
        rule(move('<Days>90</Days>', 'STANDARD_IA') + move('<Days>60</Days>', 'GLACIER'), prefixed),
        'InvalidArgument',
        /must be greater than 'Days' in the 'Transition' action for StorageClass 'STANDARD_IA'/,
      ],
      [
        rule(move('<Days>30</Days>', 'GLACIER') + move('<Date>2031-01-01T00:00:00Z</Date>', 'DEEP_ARCHIVE'), prefixed),
        'InvalidRequest',
        `Found mixed 'Date' and 'Days' based Transition actions in lifecycle rule for filter ${filter}`,
      ],
      [
        rule(
          `${move('<Days>30</Days>', 'GLACIER')}<Expiration><Date>2031-01-01T00:00:00Z</Date></Expiration>`,
          prefixed,
        ),
        'InvalidRequest',
        `Found mixed 'Date' and 'Days' based Expiration and Transition actions in lifecycle rule for filter ${filter}`,
      ],
      [
        rule(move('<Days>30</Days>', 'GLACIER') + days(30), prefixed),
        'InvalidArgument',
        `'Days' in the Expiration action for filter ${filter} must be greater than 'Days' in the Transition action`,
      ],
      [
        rule(
          `<NoncurrentVersionTransition><NoncurrentDays>5</NoncurrentDays><StorageClass>GLACIER</StorageClass></NoncurrentVersionTransition>${noncurrent('<NoncurrentDays>5</NoncurrentDays>')}`,
          `<Filter><And><Prefix>test/</Prefix>${tag('archive', 'true')}<ObjectSizeGreaterThan>500</ObjectSizeGreaterThan></And></Filter>`,
        ),
        'InvalidArgument',
        "'NoncurrentDays' in the NoncurrentVersionExpiration action for filter '(prefix=test/ and tag={key=archive, value=true} and objectsizegreaterthan=500)' must be greater than 'NoncurrentDays' in the NoncurrentVersionTransition action",
      ],
      [
        rule('<NoncurrentVersionTransition><StorageClass>GLACIER</StorageClass></NoncurrentVersionTransition>'),
        'MalformedXML',
        /NoncurrentDays/,
      ],
    ];
    for (const [inner, code, message] of rows) {
      const [gotCode, gotMessage] = refusal(inner);
      assert.equal(gotCode, code, inner);
      if (typeof message === 'string') assert.equal(gotMessage, message);
      else assert.match(gotMessage, message, inner);
    }
  });

  it('gives rules without an ID one of their own, the same each time', () => {
    const parse = () =>
      lifecycleForm.parse(
        parseXml(Buffer.from(root(rule(days(1), '<Filter/>', '') + rule(days(1), '<Filter/>', '<ID></ID>')))),
      );
    const ids = parse().rules.map(({ id }) => id);
    assert.equal(new Set(ids).size, 2);
    assert.ok(ids.every((id) => /^[\w-]{20,48}$/.test(id)));
    assert.deepEqual(
      parse().rules.map(({ id }) => id),
      ids,
    );
  });

  it('reads what it has written as the same, whatever the rules', () => {
    fc.assert(
      fc.property(lifecycleArbitrary, (lifecycle) => {
        let read: unknown;
        const document = documentOf(lifecycleForm, lifecycle);
        try {
          read = lifecycleForm.parse(parseXml(document));
        } catch (error) {
          assert.ok(error instanceof StoreError);
          return;
        }
        assert.ok(documentOf(lifecycleForm, read as typeof lifecycle).equals(document));
      }),
      { numRuns: 1000 },
    );
  });
});
