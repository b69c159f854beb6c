import type { Answer } from '../answer.ts';
import { area } from '../case.ts';
import type { Code } from '../errors.ts';
import { header, ok, refused, same } from '../expect.ts';
import type { Options, Steps } from '../steps.ts';

const { cases, rule } = area('lifecycle', 'API/API_PutBucketLifecycleConfiguration');
const elements = { source: 'userguide/intro-lifecycle-rules' };
const reading = { source: 'API/API_GetBucketLifecycleConfiguration' };

const document = (rules: string): string =>
  `<LifecycleConfiguration xmlns="http://s3.amazonaws.com/doc/2006-03-01/">${rules}</LifecycleConfiguration>`;
const one = (actions: string, filter = '<Filter><Prefix>logs/</Prefix></Filter>', id = '<ID>rule</ID>'): string =>
  `<Rule>${id}${filter}<Status>Enabled</Status>${actions}</Rule>`;
const days = (count: number | string): string => `<Expiration><Days>${count}</Days></Expiration>`;
const tag = (key: string, value = 'v'): string => `<Tag><Key>${key}</Key><Value>${value}</Value></Tag>`;
const noncurrent = (inner: string): string => `<NoncurrentVersionExpiration>${inner}</NoncurrentVersionExpiration>`;
const abort = (count: number | string): string =>
  `<AbortIncompleteMultipartUpload><DaysAfterInitiation>${count}</DaysAfterInitiation></AbortIncompleteMultipartUpload>`;
const marker = (flag: string): string =>
  `<Expiration><ExpiredObjectDeleteMarker>${flag}</ExpiredObjectDeleteMarker></Expiration>`;
const move = (when: string, storageClass: string): string =>
  `<Transition>${when}<StorageClass>${storageClass}</StorageClass></Transition>`;

const put = (t: Steps, bucket: string, rules: string, options: Options = {}): Promise<Answer> =>
  t.document('PUT', bucket, 'lifecycle', document(rules), options);
const get = (t: Steps, bucket: string): Promise<Answer> => t.send('GET', bucket, '', { query: { lifecycle: '' } });
const flat = (answer: Answer): string => answer.body.toString('utf8').replace(/>\s+</g, '><');

/* What is taken is answered. */
const taken: readonly (readonly [string, string, readonly string[]])[] = [
  ['Expiration with Days', one(days(365)), ['<Days>365</Days>']],
  [
    'Expiration with a Date at midnight',
    one('<Expiration><Date>2031-02-01T00:00:00.000Z</Date></Expiration>'),
    ['2031-02-01T00:00:00'],
  ],
  ['ExpiredObjectDeleteMarker', one(marker('true')), ['<ExpiredObjectDeleteMarker>true</ExpiredObjectDeleteMarker>']],
  [
    'NoncurrentVersionExpiration',
    one(noncurrent('<NoncurrentDays>30</NoncurrentDays>')),
    ['<NoncurrentDays>30</NoncurrentDays>'],
  ],
  [
    'NewerNoncurrentVersions',
    one(noncurrent('<NoncurrentDays>30</NoncurrentDays><NewerNoncurrentVersions>5</NewerNoncurrentVersions>')),
    ['<NewerNoncurrentVersions>5</NewerNoncurrentVersions>'],
  ],
  ['AbortIncompleteMultipartUpload', one(abort(7)), ['<DaysAfterInitiation>7</DaysAfterInitiation>']],
  [
    'Transition',
    one(move('<Days>30</Days>', 'STANDARD_IA')),
    ['<StorageClass>STANDARD_IA</StorageClass>', '<Days>30</Days>'],
  ],
  [
    'NoncurrentVersionTransition',
    one(
      '<NoncurrentVersionTransition><NoncurrentDays>30</NoncurrentDays><StorageClass>STANDARD_IA</StorageClass></NoncurrentVersionTransition>',
    ),
    ['<NoncurrentVersionTransition>', '<NoncurrentDays>30</NoncurrentDays>'],
  ],
  ['a Filter with a Prefix', one(days(1)), ['<Prefix>logs/</Prefix>']],
  ['a Filter with a Tag', one(days(1), `<Filter>${tag('k')}</Filter>`), ['<Tag><Key>k</Key><Value>v</Value></Tag>']],
  [
    'a Filter with ObjectSizeGreaterThan',
    one(days(1), '<Filter><ObjectSizeGreaterThan>500</ObjectSizeGreaterThan></Filter>'),
    ['<ObjectSizeGreaterThan>500</ObjectSizeGreaterThan>'],
  ],
  [
    'a Filter with ObjectSizeLessThan',
    one(days(1), '<Filter><ObjectSizeLessThan>500</ObjectSizeLessThan></Filter>'),
    ['<ObjectSizeLessThan>500</ObjectSizeLessThan>'],
  ],
  [
    'a Filter with And',
    one(days(1), `<Filter><And><Prefix>logs/</Prefix>${tag('k')}${tag('l')}</And></Filter>`),
    ['<And>', '<Key>k</Key>', '<Key>l</Key>'],
  ],
  ['an empty Filter, which is about all objects', one(days(1), '<Filter/>'), ['<Days>1</Days>']],
  ['a Prefix without a Filter', one(days(1), '<Prefix>logs/</Prefix>'), ['<Prefix>logs/</Prefix>']],
  ['a rule that is Disabled', one(days(1)).replace('Enabled', 'Disabled'), ['<Status>Disabled</Status>']],
  [
    'several rules for one prefix',
    one(days(1), undefined, '<ID>a</ID>') + one(days(2), undefined, '<ID>b</ID>'),
    ['<ID>a</ID>', '<ID>b</ID>'],
  ],
  ['an ID of 255 characters', one(days(1), undefined, `<ID>${'i'.repeat(255)}</ID>`), [`<ID>${'i'.repeat(255)}</ID>`]],
];
for (const [what, rules, found] of taken)
  rule(
    `PutBucketLifecycleConfiguration takes ${what}, and GetBucketLifecycleConfiguration answers it`,
    async (t) => {
      const bucket = await t.bucket();
      ok(await put(t, bucket, rules));
      const answer = ok(await get(t, bucket));
      same(answer.xml.name, 'LifecycleConfiguration', 'root element', answer);
      for (const text of found) same(flat(answer).includes(text), true, `there is ${text}`, answer);
    },
    elements,
  );

rule('a rule without an ID gets one', async (t) => {
  const bucket = await t.bucket();
  ok(await put(t, bucket, one(days(1), undefined, '')));
  const answer = ok(await get(t, bucket));
  same(/<ID>[^<]+<\/ID>/.test(flat(answer)), true, 'there is an ID', answer);
});
rule('PutBucketLifecycleConfiguration takes the place of the configuration that is there', async (t) => {
  const bucket = await t.bucket();
  ok(await put(t, bucket, one(days(1), undefined, '<ID>first</ID>')));
  ok(await put(t, bucket, one(days(2), undefined, '<ID>second</ID>')));
  const answer = ok(await get(t, bucket));
  same(flat(answer).includes('<ID>second</ID>'), true, 'the second is there', answer);
  same(flat(answer).includes('first'), false, 'the first is there', answer);
});
rule('a configuration may have 1,000 rules', async (t) => {
  const bucket = await t.bucket();
  const rules = Array.from({ length: 1000 }, (_, at) =>
    one(days(1), `<Filter><Prefix>${at}/</Prefix></Filter>`, `<ID>${at}</ID>`),
  );
  ok(await put(t, bucket, rules.join('')));
  const answer = ok(await get(t, bucket));
  same(flat(answer).split('<Rule>').length - 1, 1000, 'rules', answer);
});
rule('the minimum size for transitions is 128 KB for all classes when nothing is said', async (t) => {
  const bucket = await t.bucket();
  header(
    ok(await put(t, bucket, one(days(1)))),
    'x-amz-transition-default-minimum-object-size',
    'all_storage_classes_128K',
  );
  header(ok(await get(t, bucket)), 'x-amz-transition-default-minimum-object-size', 'all_storage_classes_128K');
});
rule('the minimum size for transitions is kept as it is said', async (t) => {
  const bucket = await t.bucket();
  const headers = { 'x-amz-transition-default-minimum-object-size': 'varies_by_storage_class' };
  ok(await put(t, bucket, one(days(1)), { headers }));
  header(ok(await get(t, bucket)), 'x-amz-transition-default-minimum-object-size', 'varies_by_storage_class');
});
rule(
  'GetBucketLifecycleConfiguration of a bucket without one is NoSuchLifecycleConfiguration',
  async (t) => refused(await get(t, await t.bucket()), 'NoSuchLifecycleConfiguration'),
  reading,
);
rule(
  'DeleteBucketLifecycle takes all rules away, and succeeds when there are none',
  async (t) => {
    const bucket = await t.bucket();
    ok(await put(t, bucket, one(days(1))));
    for (let times = 0; times < 2; times++) ok(await t.send('DELETE', bucket, '', { query: { lifecycle: '' } }), 204);
    refused(await get(t, bucket), 'NoSuchLifecycleConfiguration');
  },
  { source: 'API/API_DeleteBucketLifecycle' },
);
for (const method of ['GET', 'DELETE'])
  rule(`${method} of the lifecycle of a bucket that is not there is NoSuchBucket`, async (t) =>
    refused(await t.send(method, t.newName(), '', { query: { lifecycle: '' } }), 'NoSuchBucket'),
  );
rule('PutBucketLifecycleConfiguration to a bucket that is not there is NoSuchBucket', async (t) =>
  refused(await put(t, t.newName(), one(days(1))), 'NoSuchBucket'),
);

/* What is refused. */
const wrong: readonly (readonly [string, string, ...Code[]])[] = [
  ['without rules', '', 'MalformedXML'],
  ['whose rule has no action', one(''), 'InvalidRequest'],
  ['whose rule has neither Filter nor Prefix', one(days(1), ''), 'MalformedXML'],
  ['whose rule has Filter and Prefix', one(days(1), '<Prefix>a</Prefix><Filter/>'), 'MalformedXML'],
  [
    'whose Filter has two conditions without And',
    one(days(1), `<Filter><Prefix>a</Prefix>${tag('k')}</Filter>`),
    'MalformedXML',
  ],
  [
    'whose And names one tag twice',
    one(days(1), `<Filter><And>${tag('k')}${tag('k', 'w')}</And></Filter>`),
    'InvalidRequest',
  ],
  ['without a Status', one(days(1)).replace('<Status>Enabled</Status>', ''), 'MalformedXML'],
  ['with an unknown Status', one(days(1)).replace('Enabled', 'enabled'), 'MalformedXML'],
  ['with an ID of 256 characters', one(days(1), undefined, `<ID>${'i'.repeat(256)}</ID>`), 'InvalidArgument'],
  ['with one ID twice', one(days(1)) + one(days(2)), 'InvalidArgument'],
  ['with Days of 0', one(days(0)), 'InvalidArgument'],
  ['with negative Days', one(days(-1)), 'InvalidArgument'],
  ['with Days that are no number', one(days('many')), 'MalformedXML'],
  [
    'with Days and Date',
    one('<Expiration><Days>1</Days><Date>2031-01-01T00:00:00Z</Date></Expiration>'),
    'MalformedXML',
  ],
  [
    'with a Date that is not at midnight',
    one('<Expiration><Date>2031-01-01T10:00:00Z</Date></Expiration>'),
    'InvalidArgument',
  ],
  ['with a Date that is none', one('<Expiration><Date>tomorrow</Date></Expiration>'), 'MalformedXML'],
  [
    'with ExpiredObjectDeleteMarker and Days',
    one('<Expiration><Days>1</Days><ExpiredObjectDeleteMarker>true</ExpiredObjectDeleteMarker></Expiration>'),
    'MalformedXML',
  ],
  ['with ExpiredObjectDeleteMarker and a tag', one(marker('true'), `<Filter>${tag('k')}</Filter>`), 'InvalidRequest'],
  ['with AbortIncompleteMultipartUpload and a tag', one(abort(1), `<Filter>${tag('k')}</Filter>`), 'InvalidRequest'],
  [
    'with AbortIncompleteMultipartUpload and a size',
    one(abort(1), '<Filter><ObjectSizeLessThan>5</ObjectSizeLessThan></Filter>'),
    'InvalidRequest',
  ],
  ['with DaysAfterInitiation of 0', one(abort(0)), 'InvalidArgument'],
  ['with NoncurrentDays of 0', one(noncurrent('<NoncurrentDays>0</NoncurrentDays>')), 'InvalidArgument'],
  [
    'with NoncurrentVersionExpiration without NoncurrentDays',
    one(noncurrent('<NewerNoncurrentVersions>1</NewerNoncurrentVersions>')),
    'MalformedXML',
  ],
  ['with a transition to STANDARD_IA before 30 days', one(move('<Days>29</Days>', 'STANDARD_IA')), 'InvalidArgument'],
  ['with a transition without a class', one('<Transition><Days>30</Days></Transition>'), 'MalformedXML'],
  ['with a transition to a class that does not exist', one(move('<Days>30</Days>', 'BEST')), 'MalformedXML'],
  ['with a transition to STANDARD', one(move('<Days>30</Days>', 'STANDARD')), 'MalformedXML'],
  [
    'with two transitions to one class',
    one(move('<Days>30</Days>', 'STANDARD_IA') + move('<Days>60</Days>', 'STANDARD_IA')),
    'InvalidRequest',
  ],
  ['that expires objects before they move', one(move('<Days>60</Days>', 'STANDARD_IA') + days(30)), 'InvalidArgument'],
  [
    'that moves by Days and expires by Date',
    one(`${move('<Days>30</Days>', 'STANDARD_IA')}<Expiration><Date>2031-01-01T00:00:00Z</Date></Expiration>`),
    'InvalidRequest',
  ],
  ['with an unknown element', one(`${days(1)}<Other/>`), 'MalformedXML'],
];
for (const [what, rules, ...codes] of wrong)
  rule(
    `a lifecycle configuration ${what} is refused, and the one that is there stays`,
    async (t) => {
      const bucket = await t.bucket();
      ok(await put(t, bucket, one(days(9), undefined, '<ID>stays</ID>')));
      refused(await put(t, bucket, rules), ...codes);
      const answer = ok(await get(t, bucket));
      same(flat(answer).includes('<ID>stays</ID>'), true, 'the first one is there', answer);
    },
    elements,
  );

/* What answers say. */
const midnight = /^expiry-date="\w{3}, \d\d \w{3} \d{4} 00:00:00 GMT", rule-id="rule"$/;
const expiring = { source: 'userguide/lifecycle-expire-general-considerations' };
rule(
  'answers to writes and reads of an object that expires say when, at midnight, and by which rule',
  async (t) => {
    const bucket = await t.bucket();
    ok(await put(t, bucket, one(days(3))));
    header(await t.put(bucket, 'logs/k'), 'x-amz-expiration', midnight);
    header(ok(await t.get(bucket, 'logs/k')), 'x-amz-expiration', midnight);
    header(ok(await t.head(bucket, 'logs/k')), 'x-amz-expiration', midnight);
  },
  expiring,
);
rule(
  'answers about an object that no rule expires do not speak of it',
  async (t) => {
    const bucket = await t.bucket();
    ok(await put(t, bucket, one(days(3)) + one(abort(1), '<Filter/>', '<ID>other</ID>')));
    header(await t.put(bucket, 'k'), 'x-amz-expiration', undefined);
    header(ok(await t.head(bucket, 'k')), 'x-amz-expiration', undefined);
  },
  expiring,
);
rule(
  'answers about uploads that a rule aborts say when, and by which rule',
  async (t) => {
    const bucket = await t.bucket();
    ok(await put(t, bucket, one(abort(3))));
    const begun = ok(await t.send('POST', bucket, 'logs/big', { query: { uploads: '' } }));
    const uploadId = begun.text('UploadId') ?? '';
    const listed = ok(await t.send('GET', bucket, 'logs/big', { query: { uploadId } }));
    for (const answer of [begun, listed]) {
      header(answer, 'x-amz-abort-date', /00:00:00 GMT$/);
      header(answer, 'x-amz-abort-rule-id', 'rule');
    }
    ok(await t.send('DELETE', bucket, 'logs/big', { query: { uploadId } }), 204);
  },
  { source: 'API/API_CreateMultipartUpload' },
);

/* RestoreObject. */
const restoring = { source: 'API/API_RestoreObject' };
const restore = (t: Steps, bucket: string, key: string, body = '<RestoreRequest><Days>1</Days></RestoreRequest>') =>
  t.document('POST', bucket, 'restore', body, { key });
rule(
  'RestoreObject of an object that is not archived is InvalidObjectState',
  async (t) => {
    const bucket = await t.bucket();
    await t.put(bucket, 'k');
    refused(await restore(t, bucket, 'k'), 'InvalidObjectState');
  },
  restoring,
);
rule(
  'RestoreObject of a key that is not there is NoSuchKey',
  async (t) => refused(await restore(t, await t.bucket(), 'k'), 'NoSuchKey'),
  restoring,
);
rule(
  'RestoreObject of a document that is none is MalformedXML',
  async (t) => {
    const bucket = await t.bucket();
    await t.put(bucket, 'k');
    refused(await restore(t, bucket, 'k', '<RestoreRequest><Days>'), 'MalformedXML');
  },
  restoring,
);

export const lifecycleCases = cases;
