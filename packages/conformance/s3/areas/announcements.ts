import { area } from '../case.ts';
import type { Code } from '../errors.ts';
import { ok, refused, same, shape } from '../expect.ts';
import type { Steps } from '../steps.ts';
import { find } from '../xml.ts';
import { second } from './accounts.ts';

const { cases, rule } = area('logging and notifications', 'API/API_PutBucketLogging');
const reading = { source: 'API/API_GetBucketLogging' };
const notifying = { source: 'API/API_PutBucketNotificationConfiguration' };
const filtering = { source: 'userguide/notification-how-to-filtering' };

/* Logging. */
const logging = (inner: string) =>
  `<BucketLoggingStatus xmlns="http://doc.s3.amazonaws.com/2006-03-01">${inner}</BucketLoggingStatus>`;
const to = (bucket: string, more = '') =>
  logging(
    `<LoggingEnabled><TargetBucket>${bucket}</TargetBucket><TargetPrefix>logs/</TargetPrefix>${more}</LoggingEnabled>`,
  );
const put = (t: Steps, bucket: string, text: string) => t.document('PUT', bucket, 'logging', text);
const get = (t: Steps, bucket: string) => t.get(bucket, '', { query: { logging: '' } });
rule(
  'GetBucketLogging of a new bucket answers that nothing is logged',
  async (t) => {
    const answer = shape(ok(await get(t, await t.bucket())), 'BucketLoggingStatus');
    same(answer.text('LoggingEnabled'), undefined, 'LoggingEnabled', answer);
  },
  reading,
);
rule('PutBucketLogging reads back', async (t) => {
  const [bucket, target] = [await t.bucket(), await t.bucket()];
  ok(await put(t, bucket, to(target)));
  const answer = ok(await get(t, bucket));
  same(
    [answer.text('LoggingEnabled', 'TargetBucket'), answer.text('LoggingEnabled', 'TargetPrefix')],
    [target, 'logs/'],
    'target',
    answer,
  );
});
rule('PutBucketLogging with an empty status turns logging off', async (t) => {
  const bucket = await t.bucket();
  ok(await put(t, bucket, to(bucket)));
  ok(await put(t, bucket, logging('')));
  const answer = ok(await get(t, bucket));
  same(answer.text('LoggingEnabled'), undefined, 'LoggingEnabled', answer);
});
rule('PutBucketLogging to the bucket itself is taken', async (t) => {
  const bucket = await t.bucket();
  ok(await put(t, bucket, to(bucket)));
});
for (const [what, inner, element, text] of [
  ['simple keys', '<SimplePrefix/>', 'SimplePrefix', ''],
  [
    'keys by the time of events',
    '<PartitionedPrefix><PartitionDateSource>EventTime</PartitionDateSource></PartitionedPrefix>',
    'PartitionDateSource',
    'EventTime',
  ],
  [
    'keys by the time of delivery',
    '<PartitionedPrefix><PartitionDateSource>DeliveryTime</PartitionDateSource></PartitionedPrefix>',
    'PartitionDateSource',
    'DeliveryTime',
  ],
] as const)
  rule(`PutBucketLogging with ${what} reads back`, async (t) => {
    const bucket = await t.bucket();
    ok(await put(t, bucket, to(bucket, `<TargetObjectKeyFormat>${inner}</TargetObjectKeyFormat>`)));
    const answer = ok(await get(t, bucket));
    same(answer.texts(element), [text], element, answer);
  });
const format = (inner: string) => to('self', `<TargetObjectKeyFormat>${inner}</TargetObjectKeyFormat>`);
for (const [what, text, ...codes] of [
  ['a target that is not there', to('no-bucket-of-this-name-at-all'), 'InvalidTargetBucketForLogging'],
  ['no target', logging('<LoggingEnabled><TargetPrefix>a</TargetPrefix></LoggingEnabled>'), 'MalformedXML'],
  ['no prefix', logging('<LoggingEnabled><TargetBucket>self</TargetBucket></LoggingEnabled>'), 'MalformedXML'],
  ['both forms of keys', format('<SimplePrefix/><PartitionedPrefix/>'), 'MalformedXML'],
  ['no form of keys', format(''), 'MalformedXML'],
  [
    'a source of dates that there is not',
    format('<PartitionedPrefix><PartitionDateSource>Noon</PartitionDateSource></PartitionedPrefix>'),
    'MalformedXML',
  ],
  ['an element that is not known', logging('<Other/>'), 'MalformedXML'],
  ['another root', '<Other/>', 'MalformedXML'],
  ['XML that ends early', '<BucketLoggingStatus', 'MalformedXML'],
  ['nothing', '', 'MissingRequestBodyError', 'MalformedXML'],
] as readonly (readonly [string, string, ...Code[]])[])
  rule(`PutBucketLogging with ${what} is refused with ${codes[0]}`, async (t) => {
    const bucket = await t.bucket();
    refused(await put(t, bucket, text.replace('>self<', `>${bucket}<`)), ...codes);
    const answer = ok(await get(t, bucket));
    same(answer.text('LoggingEnabled'), undefined, 'LoggingEnabled', answer);
  });
rule(
  'PutBucketLogging of a bucket that is not there is refused with NoSuchBucket',
  async (t) => void refused(await put(t, t.newName(), logging('')), 'NoSuchBucket'),
);
rule(
  'PutBucketLogging to a bucket of another account is refused with InvalidTargetBucketForLogging',
  async (t) => {
    const target = t.newName();
    ok(await t.send('PUT', target, '', { signing: second(t) }));
    const answer = await put(t, await t.bucket(), to(target));
    ok(await t.send('DELETE', target, '', { signing: second(t) }), 204);
    refused(answer, 'InvalidTargetBucketForLogging', 'AccessDenied');
  },
  { needs: ['second', 'tenant'] },
);

/* Notifications: what is refused wherever they go. */
const announce = (t: Steps, bucket: string, text: string) => t.document('PUT', bucket, 'notification', text);
const announced = (t: Steps, bucket: string) => t.get(bucket, '', { query: { notification: '' } });
const whole = (inner: string) =>
  `<NotificationConfiguration xmlns="http://s3.amazonaws.com/doc/2006-03-01/">${inner}</NotificationConfiguration>`;
const arn = 'arn:aws:sqs:us-east-1:111122223333:queue';
const queue = (more: string, at = arn) => `<QueueConfiguration>${more}<Queue>${at}</Queue></QueueConfiguration>`;
const created = '<Event>s3:ObjectCreated:*</Event>';
const filter = (...rules: readonly (readonly [string, string])[]) =>
  `<Filter><S3Key>${rules.map(([name, value]) => `<FilterRule><Name>${name}</Name><Value>${value}</Value></FilterRule>`).join('')}</S3Key></Filter>`;
rule(
  'GetBucketNotificationConfiguration of a new bucket answers an empty configuration',
  async (t) => {
    const answer = shape(ok(await announced(t, await t.bucket())), 'NotificationConfiguration');
    same(answer.xml.children.length, 0, 'elements', answer);
  },
  { source: 'API/API_GetBucketNotificationConfiguration' },
);
rule(
  'PutBucketNotificationConfiguration with an empty configuration is taken',
  async (t) => void ok(await announce(t, await t.bucket(), whole(''))),
  notifying,
);
rule(
  'GetBucketNotificationConfiguration of a bucket that is not there is refused with NoSuchBucket',
  async (t) => void refused(await announced(t, t.newName()), 'NoSuchBucket'),
  { source: 'API/API_GetBucketNotificationConfiguration' },
);
rule(
  'PutBucketNotificationConfiguration of a bucket that is not there is refused with NoSuchBucket',
  async (t) => void refused(await announce(t, t.newName(), whole('')), 'NoSuchBucket'),
  notifying,
);
const images = filter(['prefix', 'images/']);
const odd: readonly (readonly [what: string, text: string, ...codes: Code[]])[] = [
  ['an event that there is not', whole(queue('<Event>s3:ObjectPainted:*</Event>')), 'InvalidArgument'],
  ['an event without s3:', whole(queue('<Event>ObjectCreated:*</Event>')), 'InvalidArgument'],
  ['s3:TestEvent', whole(queue('<Event>s3:TestEvent</Event>')), 'InvalidArgument'],
  ['no event', whole(queue('')), 'MalformedXML'],
  ['no ARN', whole(`<QueueConfiguration>${created}</QueueConfiguration>`), 'MalformedXML'],
  ['an ARN that is none', whole(queue(created, 'queue')), 'InvalidArgument'],
  ['an ARN of another service', whole(queue(created, arn.replace('sqs', 'sns'))), 'InvalidArgument'],
  ['a queue that is not there', whole(queue(created)), 'InvalidArgument'],
  ['a filter by what is neither prefix nor suffix', whole(queue(created + filter(['infix', 'a']))), 'InvalidArgument'],
  ['two prefixes', whole(queue(created + filter(['prefix', 'a'], ['prefix', 'b']))), 'InvalidArgument'],
  ['two suffixes', whole(queue(created + filter(['suffix', 'a'], ['suffix', 'b']))), 'InvalidArgument'],
  ['a prefix of 1,025 bytes', whole(queue(created + filter(['prefix', 'x'.repeat(1025)]))), 'InvalidArgument'],
  ['one event for two rules', whole(queue(created) + queue(created)), 'InvalidArgument'],
  [
    'rules that overlap by their prefixes',
    whole(queue(created + images) + queue(created + filter(['prefix', 'images/a']))),
    'InvalidArgument',
  ],
  [
    'rules that overlap, one without a filter',
    whole(queue(created + images) + queue('<Event>s3:ObjectCreated:Put</Event>')),
    'InvalidArgument',
  ],
  [
    'one id twice',
    whole(queue(`<Id>a</Id>${created}`) + queue('<Id>a</Id><Event>s3:ObjectRemoved:*</Event>')),
    'InvalidArgument',
  ],
  ['an id of 256 characters', whole(queue(`<Id>${'i'.repeat(256)}</Id>${created}`)), 'InvalidArgument'],
  ['an element that is not known', whole('<Other/>'), 'MalformedXML'],
  ['an element of a rule that is not known', whole(queue(`${created}<Other/>`)), 'MalformedXML'],
  ['another root', '<Other/>', 'MalformedXML'],
  ['XML that ends early', '<NotificationConfiguration>', 'MalformedXML'],
  ['nothing', '', 'MissingRequestBodyError', 'MalformedXML'],
];
for (const [what, text, ...codes] of odd)
  rule(
    `PutBucketNotificationConfiguration with ${what} is refused with ${codes[0]}`,
    async (t) => {
      const bucket = await t.bucket();
      refused(await announce(t, bucket, text), ...codes);
      const answer = ok(await announced(t, bucket));
      same(find(answer.xml, 'QueueConfiguration'), undefined, 'QueueConfiguration', answer);
    },
    /filter|prefix|suffix|overlap/.test(what) ? filtering : notifying,
  );

export const announcementCases = cases;
