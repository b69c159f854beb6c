/* Notification configurations: what is taken, what is answered, what is refused, and which changes are announced to whom. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { canonicalIdOf, firstAccount } from '../../access/index.ts';
import type { Announcement } from '../../metadata/index.ts';
import type { ObjectService } from '../../objects/index.ts';
import type { Notifications } from './announce.ts';
import { documentOf } from './configurations/form.ts';
import { type NotificationRule, notificationForm, rulesFor } from './configurations/notification.ts';
import { type Answer, serveFake } from './harness.support.ts';
import { parseXml } from './xml/parser.ts';

const tested: { targets: readonly string[]; bucket: string }[] = [];
let refusing: string | undefined;
let ready = true;
const notifications: Notifications = {
  targets: () =>
    new Map([
      ['hook', { eventBridge: false, kind: 'webhook' }],
      ['other', { eventBridge: false, kind: 'webhook' }],
      ['bus', { eventBridge: true, kind: 'nats' }],
      ['store', { eventBridge: false, kind: 's3' }],
    ]),
  ready: () => ready,
  replicates: () => true,
  tellsReplicas: () => true,
  lacks: async () => undefined,
  async test({ targets, bucket }) {
    tested.push({ targets, bucket });
    return targets.map((target) => (target === refusing ? { target, failure: 'it is away' } : { target }));
  },
};

const { s3, fake } = await serveFake(
  async (harness) => {
    await harness.send('PUT', '/bucket');
  },
  { notifications },
);

const query = { notification: '' };
const put = (body: string, headers: Record<string, string> = {}, bucket = 'bucket'): Promise<Answer> =>
  s3.send('PUT', `/${bucket}`, { query, body, headers });
const get = () => s3.send('GET', '/bucket', { query });
const whole = (inner: string) => `<NotificationConfiguration>${inner}</NotificationConfiguration>`;
const arn = 'arn:dsom:sqs::hook:webhook';
const queue = (more: string, at = arn) => `<QueueConfiguration>${more}<Queue>${at}</Queue></QueueConfiguration>`;
const event = (name: string) => `<Event>${name}</Event>`;
const created = event('s3:ObjectCreated:*');
const filter = (...rules: (readonly [string, string])[]) =>
  `<Filter><S3Key>${rules.map(([name, value]) => `<FilterRule><Name>${name}</Name><Value>${value}</Value></FilterRule>`).join('')}</S3Key></Filter>`;

describe('a notification configuration', () => {
  it('is kept as it was given, with an id for each rule, and is empty before and after', async () => {
    assert.equal((await get()).xml('NotificationConfiguration'), '');
    const rules =
      queue(`<Id>one</Id>${created}${filter(['prefix', 'images/'], ['suffix', '.jpg'])}`) +
      '<TopicConfiguration><Topic>arn:aws:sns:us-east-1:123456789012:other</Topic><Event>s3:ObjectRemoved:Delete</Event></TopicConfiguration>' +
      '<CloudFunctionConfiguration><CloudFunction>arn:aws:lambda:us-east-1:123456789012:function:hook</CloudFunction><Event>s3:ObjectTagging:*</Event></CloudFunctionConfiguration>' +
      '<EventBridgeConfiguration/>';
    tested.length = 0;
    const done = await put(whole(rules));
    assert.deepEqual([done.status, done.text], [200, '']);
    // Each target once; EventBridge is not tested, as in AWS.
    assert.deepEqual(tested, [{ targets: ['other', 'hook'], bucket: 'bucket' }]);
    const kept = await get();
    assert.deepEqual(kept.all('Id').length, 3);
    assert.ok(kept.all('Id').every((id) => id.length > 0) && kept.all('Id').includes('one'));
    assert.deepEqual(kept.all('Value'), ['images/', '.jpg']);
    assert.equal(kept.all('EventBridgeConfiguration').length, 1);
    assert.equal((await put(whole(''))).status, 200);
    assert.equal((await get()).xml('NotificationConfiguration'), '');
  });

  it('is refused as AWS refuses it', async () => {
    const message = 'A specified destination ARN does not exist or is not well-formed. Verify the destination ARN.';
    const cases: readonly (readonly [string, string, RegExp])[] = [
      [whole(queue(event('s3:Nothing'))), 'InvalidArgument', /A specified event is not supported/],
      [whole(queue(event('s3:TestEvent'))), 'InvalidArgument', /A specified event is not supported/],
      [whole(queue(created, 'hook')), 'InvalidArgument', new RegExp(message)],
      [whole(queue(created, 'arn:aws:sns:us-east-1:1:hook')), 'InvalidArgument', new RegExp(message)],
      [whole(queue(created, 'arn:dsom:sqs::ho ok:webhook')), 'InvalidArgument', new RegExp(message)],
      [whole(queue(created, 'arn:dsom:sqs::hook')), 'InvalidArgument', new RegExp(message)],
      [
        whole(queue(created, 'arn:dsom:sqs::unknown:webhook')),
        'InvalidArgument',
        /Unable to validate the following destination configurations/,
      ],
      [whole(queue(created + filter(['infix', 'a']))), 'InvalidArgument', /must be either prefix or suffix/],
      [
        whole(queue(created + filter(['prefix', 'a'], ['Prefix', 'b']))),
        'InvalidArgument',
        /Cannot specify more than one prefix rule in a filter/,
      ],
      [whole(queue(created + filter(['suffix', 'x'.repeat(1025)]))), 'InvalidArgument', /cannot exceed 1024 bytes/],
      [whole(queue(`<Id>${'i'.repeat(256)}</Id>${created}`)), 'InvalidArgument', /255 characters/],
      [whole(queue(created) + queue(created)), 'InvalidArgument', /Configurations overlap/],
      [
        whole(queue(created) + queue(event('s3:ObjectCreated:Put') + filter(['prefix', 'a']))),
        'InvalidArgument',
        /ambiguously defined/,
      ],
      [
        whole(
          queue(created + filter(['prefix', 'a'], ['suffix', 'jpg'])) +
            queue(created + filter(['prefix', 'ab'], ['suffix', 'pg'])),
        ),
        'InvalidArgument',
        /Cannot have overlapping suffixes/,
      ],
      [
        whole(queue(`<Id>a</Id>${created}`) + queue(`<Id>a</Id>${event('s3:ObjectRemoved:*')}`)),
        'InvalidArgument',
        /Same ID used/,
      ],
      [whole(queue('')), 'MalformedXML', /Event/],
      [whole(`<QueueConfiguration>${created}</QueueConfiguration>`), 'MalformedXML', /Queue/],
      [whole('<Other/>'), 'MalformedXML', /./],
      [whole(queue(`${created}<Other/>`)), 'MalformedXML', /./],
      [whole(queue(`<Event><a/></Event>`)), 'MalformedXML', /./],
      [whole('<EventBridgeConfiguration><a/></EventBridgeConfiguration>'), 'MalformedXML', /./],
      ['<Other/>', 'MalformedXML', /./],
      [whole(queue(created)).slice(0, -3), 'MalformedXML', /./],
      ['', 'MissingRequestBodyError', /./],
      [
        whole(Array.from({ length: 101 }, (_, at) => queue(created + filter(['prefix', `${at}/`]))).join('')),
        'InvalidArgument',
        /100/,
      ],
    ];
    for (const [body, code, text] of cases) {
      const answer = await put(body);
      assert.deepEqual([answer.code, answer.status], [code, 400], `${body.slice(0, 300)} ${answer.text}`);
      assert.match(answer.xml('Message') ?? '', text, body.slice(0, 300));
    }
    assert.equal((await get()).xml('NotificationConfiguration'), '');
    assert.equal((await put(whole(queue(created)), {}, 'missing')).code, 'NoSuchBucket');
    assert.equal((await s3.send('GET', '/missing', { query })).code, 'NoSuchBucket');
    for (const as of ['anonymous', 'readonly', 'scoped'] as const)
      assert.equal((await s3.send('PUT', '/bucket', { query, body: whole(''), as })).code, 'AccessDenied');
    assert.equal((await put(whole(''), { 'content-md5': 'AAAAAAAAAAAAAAAAAAAAAA==' })).code, 'BadDigest');
    assert.equal((await put(whole(''), { 'x-amz-skip-destination-validation': 'maybe' })).code, 'InvalidArgument');
  });

  it('is not taken when a target does not take a test event, unless the client asks not to try', async () => {
    refusing = 'hook';
    const refused = await put(whole(queue(created)));
    assert.deepEqual([refused.code, refused.xml('ArgumentName')], ['InvalidArgument', arn]);
    assert.match(refused.text, /Unable to validate the following destination configurations.*it is away/s);
    tested.length = 0;
    assert.equal((await put(whole(queue(created)), { 'x-amz-skip-destination-validation': 'true' })).status, 200);
    assert.deepEqual(tested, []);
    refusing = undefined;
    await put(whole(''));
  });

  it('waits until every node of the cluster can read what is announced', async () => {
    ready = false;
    const refused = await put(whole(queue(created)));
    assert.deepEqual([refused.code, refused.status], ['NotImplemented', 501]);
    assert.match(refused.text, /dsom cluster features/);
    assert.equal((await put(whole(''))).status, 200);
    ready = true;
  });

  it('is read by the parser that took it in, and says the same again', () => {
    const word = fc.stringMatching(/^[a-z]{1,6}$/);
    const kinds = ['TopicConfiguration', 'QueueConfiguration', 'CloudFunctionConfiguration'] as const;
    const rule = fc.record({
      kind: fc.constantFrom(...kinds),
      events: fc.uniqueArray(fc.constantFrom('s3:ObjectCreated:Put', 's3:ObjectAcl:Put'), { minLength: 1 }),
      suffix: fc.option(word, { nil: undefined }),
    });
    fc.assert(
      fc.property(fc.array(rule, { maxLength: 5 }), fc.boolean(), (drawn, eventBridge) => {
        const rules = kinds.flatMap((kind) =>
          drawn.flatMap((one, at): NotificationRule[] =>
            one.kind === kind
              ? [{ ...one, id: `id${at}`, prefix: `${at}/`, arn: 'arn:minio:sqs::hook:webhook', target: 'hook' }]
              : [],
          ),
        );
        const value = { rules, eventBridge };
        const document = documentOf(notificationForm, value);
        const again = notificationForm.parse(parseXml(document));
        assert.deepEqual(again, value);
        assert.deepEqual(documentOf(notificationForm, again), document);
      }),
    );
  });

  it('never has two rules for one event of one key', () => {
    const part = fc.stringMatching(/^[ab]{0,2}$/);
    const rule = fc.record({ prefix: part, suffix: part });
    fc.assert(
      fc.property(fc.array(rule, { minLength: 2, maxLength: 3 }), fc.stringMatching(/^[ab]{0,5}$/), (drawn, key) => {
        const body = drawn.map(({ prefix, suffix }) => queue(created + filter(['prefix', prefix], ['suffix', suffix])));
        let rules: ReturnType<typeof notificationForm.parse>;
        try {
          rules = notificationForm.parse(parseXml(Buffer.from(whole(body.join('')))));
        } catch {
          return;
        }
        assert.ok(rulesFor(rules, 'ObjectCreated:Put', key).length <= 1);
      }),
      { numRuns: 1000 },
    );
  });
});

describe('what is announced', () => {
  const announced: Announcement[] = [];
  const service = fake.service as { -readonly [Name in keyof ObjectService]: ObjectService[Name] };
  service.announcing = (announcer) => {
    for (const key of ['images/a.jpg', 'text/a.txt']) {
      const found = announcer(Buffer.from(key));
      if (found) announced.push(found);
    }
    return fake.service;
  };

  it('is each change that a rule fits, once for each target, with who asked', async () => {
    const rules = queue(`<Id>made</Id>${created}${filter(['prefix', 'images/'])}`);
    const gone = queue(`<Id>gone</Id>${event('s3:ObjectRemoved:DeleteMarkerCreated')}`, 'arn:dsom:sqs::other:webhook');
    assert.equal((await put(whole(rules + gone))).status, 200);
    announced.length = 0;
    const done = await s3.send('PUT', '/bucket/images/a.jpg', { body: 'x' });
    assert.equal(done.status, 200);
    assert.deepEqual(announced, [
      {
        origin: {
          requestId: done.headers['x-amz-request-id'],
          hostId: 'dsom',
          principal: `${firstAccount}/${canonicalIdOf(firstAccount)}`,
          region: 'us-east-1',
          address: '127.0.0.1',
          reason: 'PutObject',
          bucketName: 'bucket',
          bucketOwner: 'owner',
        },
        destinations: [{ event: 'ObjectCreated:Put', target: 'hook', configuration: 'made', shape: 's3' }],
      },
    ]);
    announced.length = 0;
    await s3.send('DELETE', '/bucket/images/a.jpg');
    assert.deepEqual(
      announced.map(({ destinations }) => destinations),
      Array(2).fill([
        { event: 'ObjectRemoved:DeleteMarkerCreated', target: 'other', configuration: 'gone', shape: 's3' },
      ]),
    );
    announced.length = 0;
    await s3.send('GET', '/bucket/images/a.jpg');
    assert.deepEqual(announced, []);
  });

  it('goes to every target of EventBridge, whatever the key', async () => {
    assert.equal((await put(whole('<EventBridgeConfiguration/>'))).status, 200);
    announced.length = 0;
    await s3.send('PUT', '/bucket/text/a.txt', { body: 'x' });
    assert.deepEqual(
      announced.map(({ destinations }) => destinations),
      Array(2).fill([{ event: 'ObjectCreated:Put', target: 'bus', configuration: '', shape: 'eventBridge' }]),
    );
    await put(whole(''));
    announced.length = 0;
    await s3.send('PUT', '/bucket/text/a.txt', { body: 'x' });
    assert.deepEqual(announced, []);
  });
});
