/* The rules by which a bucket is replicated: what is taken, what is refused, and what they mean. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { describe, it } from 'node:test';
import type { Notifications } from './announce.ts';
import { documentOf } from './configurations/form.ts';
import { replicaPlaces, replicationForm, replicationRule } from './configurations/replication.ts';
import { serveFake } from './harness.support.ts';
import { parseXml } from './xml/parser.ts';

const foreign = '123456789012';
let lacking: string | undefined;
let known = true;
let tells = true;
const notifications: Notifications = {
  targets: () =>
    new Map([
      ['dr', { eventBridge: false, kind: 's3' }],
      ['default', { eventBridge: false, kind: 's3' }],
      ['shared', { eventBridge: false, kind: 's3', accounts: [foreign] }],
      ['hook', { eventBridge: false, kind: 'webhook' }],
    ]),
  ready: () => true,
  test: async () => [],
  replicates: () => known,
  tellsReplicas: () => tells,
  lacks: async () => lacking,
};
const enabled = '<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>';
const { s3 } = await serveFake(
  async (harness) => {
    for (const bucket of ['bucket', 'plain']) await harness.send('PUT', `/${bucket}`);
    await harness.send('PUT', '/bucket', { query: { versioning: '' }, body: enabled });
    await harness.send('PUT', '/tenants', { as: 'foreign' });
    await harness.send('PUT', '/tenants', { as: 'foreign', query: { versioning: '' }, body: enabled });
  },
  { notifications },
);

const query = { replication: '' };
const put = (body: string, bucket = 'bucket', as?: 'foreign') =>
  s3.send('PUT', `/${bucket}`, {
    ...(as && { as }),
    query,
    body,
    headers: { 'content-md5': createHash('md5').update(body).digest('base64') },
  });
const markers = '<DeleteMarkerReplication><Status>Disabled</Status></DeleteMarkerReplication>';
const destination = (inner = '', arn = 'arn:dsom:s3::dr:there') =>
  `<Destination><Bucket>${arn}</Bucket>${inner}</Destination>`;
const rule = (inner: string): string => `<Rule><Status>Enabled</Status>${inner}</Rule>`;
const document = (...rules: string[]): string =>
  `<ReplicationConfiguration><Role>arn:aws:iam::1:role/r</Role>${rules.join('')}</ReplicationConfiguration>`;
const usual = `<Priority>1</Priority><Filter/>${markers}${destination()}`;
const parse = (text: string) => replicationForm.parse(parseXml(Buffer.from(text)));

describe('PutBucketReplication', () => {
  it('keeps the rules, which are read, replaced and taken away', async () => {
    assert.equal((await s3.send('GET', '/bucket', { query })).code, 'ReplicationConfigurationNotFoundError');
    const done = await put(document(rule(`<ID>one</ID>${usual}`)));
    assert.equal(done.status, 200, done.text);
    const got = await s3.send('GET', '/bucket', { query });
    assert.deepEqual(
      [got.xml('ID'), got.xml('Role'), got.xml('Bucket'), got.all('Status')],
      ['one', 'arn:aws:iam::1:role/r', 'arn:dsom:s3::dr:there', ['Enabled', 'Disabled']],
    );
    await put(document(rule(usual)));
    assert.match((await s3.send('GET', '/bucket', { query })).xml('ID') ?? '', /.-1$/);
    const suspended = enabled.replace('Enabled', 'Suspended');
    const stopped = await s3.send('PUT', '/bucket', { query: { versioning: '' }, body: suspended });
    assert.deepEqual([stopped.status, stopped.code], [409, 'InvalidBucketState']);
    assert.equal((await s3.send('DELETE', '/bucket', { query })).status, 204);
    assert.equal((await s3.send('DELETE', '/bucket', { query })).status, 204);
    assert.equal((await s3.send('GET', '/bucket', { query })).status, 404);
  });

  it('is refused where it could not be done', async () => {
    const one = document(rule(usual));
    assert.match((await put(one, 'plain')).text, /InvalidRequest.*Versioning must be .*Enabled/s);
    assert.equal((await put(one, 'missing')).code, 'NoSuchBucket');
    for (const arn of ['arn:dsom:s3::nowhere:there', 'arn:dsom:s3::hook:there'])
      assert.match(
        (await put(one.replace('arn:dsom:s3::dr:there', arn))).text,
        /Destination bucket must exist.*replication target add/s,
      );
    lacking = 'Destination bucket must have versioning enabled.';
    assert.match((await put(one)).text, /must have versioning enabled\. \(arn:dsom:s3::dr:there\)/);
    lacking = undefined;
    known = false;
    assert.deepEqual((await put(one)).code, 'NotImplemented');
    known = true;
    tells = false;
    const both = one.replace(
      '<Priority>',
      '<SourceSelectionCriteria><ReplicaModifications><Status>Enabled</Status></ReplicaModifications></SourceSelectionCriteria><Priority>',
    );
    assert.match((await put(both)).text, /NotImplemented.*ReplicaModifications needs the feature replicationStatus/s);
    assert.equal(
      (await put(both.replace('Modifications><Status>Enabled', 'Modifications><Status>Disabled'))).status,
      200,
    );
    tells = true;
    assert.equal((await put(both)).status, 200);
    assert.match((await s3.send('GET', '/bucket', { query })).text, /<ReplicaModifications><Status>Enabled</);
    await s3.send('DELETE', '/bucket', { query });
    const bare = await s3.send('PUT', '/bucket', { query, body: one });
    assert.equal(bare.code, 'InvalidRequest', 'nothing vouches for it');
  });

  it('is for the buckets of an account when the operator has given it the store', async () => {
    const one = document(rule(usual));
    const none = await put(one, 'tenants', 'foreign');
    assert.deepEqual([none.status, none.code], [403, 'AccessDenied']);
    assert.match(none.text, new RegExp(`replication target add dr PROFILE --account ${foreign}`));
    const both = one.replace(
      '</ReplicationConfiguration>',
      `${rule(usual.replace('s3::dr', 's3::shared').replace('>1<', '>2<'))}</ReplicationConfiguration>`,
    );
    assert.equal((await put(both, 'tenants', 'foreign')).code, 'AccessDenied', 'each destination counts');
    const given = await put(one.replace('s3::dr', 's3::shared'), 'tenants', 'foreign');
    assert.equal(given.status, 200, given.text);
    assert.equal((await put(one.replace('s3::dr', 's3::shared'))).status, 200, 'the first account needs no leave');
  });

  const cases: readonly (readonly [string, string, string, RegExp])[] = [
    ['no rule', document(), 'MalformedXML', /has a Rule/],
    ['no role', `<ReplicationConfiguration>${rule(usual)}</ReplicationConfiguration>`, 'MalformedXML', /Role/],
    ['an unknown element', document(rule(`${usual}<X/>`)), 'MalformedXML', /X is not known/],
    ['an unknown status', document(rule(usual).replace('Enabled', 'On')), 'MalformedXML', /Status of a Rule/],
    ['no destination', document(rule(`<Priority>1</Priority><Filter/>${markers}`)), 'MalformedXML', /Destination/],
    [
      'a destination that is no ARN',
      document(rule(usual.replace('arn:dsom:s3::dr:there', 'there'))),
      'InvalidArgument',
      /Invalid bucket ARN/,
    ],
    [
      'an ARN with a path',
      document(rule(usual.replace('dr:there', 'dr:there/x'))),
      'InvalidArgument',
      /Invalid bucket ARN/,
    ],
    [
      'a filter without a priority',
      document(rule(`<Filter/>${markers}${destination()}`)),
      'InvalidRequest',
      /Priority must be specified/,
    ],
    [
      'a filter and no word on delete markers',
      document(rule(`<Priority>1</Priority><Filter/>${destination()}`)),
      'InvalidRequest',
      /DeleteMarkerReplication must be specified/,
    ],
    [
      'a prefix with a priority',
      document(rule(`<Priority>1</Priority><Prefix>a</Prefix>${destination()}`)),
      'InvalidRequest',
      /Priority cannot be used/,
    ],
    [
      'a prefix and a word on delete markers',
      document(rule(`<Prefix>a</Prefix>${markers}${destination()}`)),
      'InvalidRequest',
      /DeleteMarkerReplication cannot be used/,
    ],
    ['a prefix and a filter', document(rule(`<Prefix/>${usual}`)), 'MalformedXML', /a Filter or a Prefix/],
    ['neither', document(rule(destination())), 'MalformedXML', /has a Filter/],
    [
      'delete markers by tag',
      document(
        rule(
          usual
            .replace('<Filter/>', '<Filter><Tag><Key>a</Key><Value>b</Value></Tag></Filter>')
            .replace('Disabled', 'Enabled'),
        ),
      ),
      'InvalidRequest',
      /not supported if any Tag filter/,
    ],
    ['one priority twice', document(rule(usual), rule(usual)), 'InvalidRequest', /duplicate priority 1/],
    [
      'one id twice',
      document(rule(`<ID>a</ID>${usual}`), rule(`<ID>a</ID>${usual.replace('>1<', '>2<')}`)),
      'InvalidArgument',
      /ID must be unique/,
    ],
    ['both forms', document(rule(usual), rule(`<Prefix/>${destination()}`)), 'MalformedXML', /All rules have a Filter/],
    [
      'named keys without one',
      document(
        rule(
          `<SourceSelectionCriteria><SseKmsEncryptedObjects><Status>Enabled</Status></SseKmsEncryptedObjects></SourceSelectionCriteria>${usual}`,
        ),
      ),
      'InvalidRequest',
      /ReplicaKmsKeyID must be specified/,
    ],
    [
      'a named key for nothing',
      document(
        rule(
          `<Prefix/>${destination('<EncryptionConfiguration><ReplicaKmsKeyID>k</ReplicaKmsKeyID></EncryptionConfiguration>')}`,
        ),
      ),
      'InvalidRequest',
      /SseKmsEncryptedObjects must be specified/,
    ],
    [
      'replication time control',
      document(
        rule(
          `<Prefix/>${destination('<ReplicationTime><Status>Enabled</Status><Time><Minutes>15</Minutes></Time></ReplicationTime>')}`,
        ),
      ),
      'NotImplemented',
      /ReplicationTime/,
    ],
    [
      'what is there already',
      document(rule(`<ExistingObjectReplication><Status>Enabled</Status></ExistingObjectReplication>${usual}`)),
      'InvalidRequest',
      /replication resync/,
    ],
    [
      'another owner without his account',
      document(
        rule(
          `<Prefix/>${destination('<AccessControlTranslation><Owner>Destination</Owner></AccessControlTranslation>')}`,
        ),
      ),
      'InvalidRequest',
      /Account must be specified/,
    ],
    ['too long an id', document(rule(`<ID>${'x'.repeat(256)}</ID>${usual}`)), 'InvalidArgument', /255/],
    [
      'more than 1,000 rules',
      document(...Array.from({ length: 1001 }, (_, at) => rule(usual.replace('>1<', `>${at}<`)))),
      'InvalidRequest',
      /1000 rules/,
    ],
  ];
  for (const [what, body, code, says] of cases)
    it(`${what}: ${code}`, async () => {
      const refused = await put(body);
      assert.deepEqual([refused.code, says.test(refused.text)], [code, true], refused.text);
    });
});

describe('replication rules', () => {
  const whole = document(
    rule(
      `<ID>k</ID><SourceSelectionCriteria><SseKmsEncryptedObjects><Status>Enabled</Status></SseKmsEncryptedObjects></SourceSelectionCriteria><Priority>3</Priority><Filter><And><Prefix>a/</Prefix><Tag><Key>t</Key><Value>v</Value></Tag></And></Filter>${markers}${destination('<Account>123456789012</Account><StorageClass>STANDARD_IA</StorageClass><AccessControlTranslation><Owner>Destination</Owner></AccessControlTranslation><EncryptionConfiguration><ReplicaKmsKeyID>key</ReplicaKmsKeyID></EncryptionConfiguration><Metrics><Status>Enabled</Status></Metrics>')}`,
    ),
    rule(
      `<ID>all</ID><Priority>2</Priority><Filter><Prefix>a</Prefix></Filter>${markers.replace('Dis', 'En')}${destination()}`,
    ),
    rule(`<ID>else</ID>${usual.replace('arn:dsom:s3::dr:there', 'arn:aws:s3:::plain-name')}`),
    rule(
      `<ID>other</ID>${usual.replace('>1<', '>5<').replace('arn:dsom:s3::dr:there', 'arn:minio:replication::dr:more')}`,
    ),
    rule(`<ID>off</ID>${usual.replace('>1<', '>9<')}`).replace('Enabled', 'Disabled'),
  );

  it('are read as they were written', () => {
    const rules = parse(whole);
    assert.deepEqual(replicationForm.parse(parseXml(documentOf(replicationForm, rules))), rules);
    const first = parse(document(rule(`<ID>v1</ID><Prefix>logs/</Prefix>${destination()}`)));
    assert.deepEqual(replicationForm.parse(parseXml(documentOf(replicationForm, first))), first);
    assert.deepEqual([first.rules[0]?.deleteMarkers, first.rules[0]?.prefix], [true, 'logs/']);
  });

  it('name the places of a key, and the one with the highest priority counts', () => {
    const rules = parse(whole);
    const places = (key: string) => replicaPlaces(rules, key).map(({ target, bucket }) => `${target}/${bucket}`);
    assert.deepEqual(places('a/x'), ['dr/there', 'default/plain-name', 'dr/more']);
    assert.deepEqual(places('b'), ['default/plain-name', 'dr/more']);
    const counts = (key: string, tags: [string, string][] = [], place = 'arn:dsom:s3::dr:there') =>
      replicationRule(rules, place, key, tags)?.id;
    assert.equal(counts('a/x', [['t', 'v']]), 'k');
    assert.equal(counts('a/x', [['t', 'w']]), 'all');
    assert.equal(counts('b'), undefined, 'a rule that is off replicates nothing');
    assert.equal(counts('b', [], 'arn:dsom:s3::default:plain-name'), 'else');
    assert.equal(counts('b', [], 'arn:dsom:s3::dr:more'), 'other');
  });
});
