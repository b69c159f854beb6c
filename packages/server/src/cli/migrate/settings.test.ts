/* What is configured about a bucket, and what its lists grant: from the bucket of one account to that of another, at one store. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { after, before, test } from 'node:test';
import { runHere } from '../stub.fixture.ts';
import { clientOf, environment, gateTo, migrate, put, putParts, type Store, startStore } from './process.fixture.ts';
import type { Report } from './report.ts';
import { Settings } from './settings.ts';

const movers = { accessKeyId: 'MOVERSKEY', secretAccessKey: 'movers-secret-key' };
let store: Store;
let old: ReturnType<typeof clientOf>;
let partner: string;
let root: string;

before(async () => {
  store = await startStore();
  old = clientOf(store.endpoint, movers);
  const dsom = (...parameters: string[]) =>
    runHere([...parameters, '--json'], environment(store.endpoint, store.endpoint));
  await dsom('tenant', 'create', 'mover');
  partner = (await dsom('tenant', 'create', 'partner')).rows[0]?.['canonicalId'] as string;
  const flags = ['--access-key-id', movers.accessKeyId, '--secret-access-key', movers.secretAccessKey];
  await dsom('user', 'create', 'm', '--tenant', 'mover', '--policy', 'AmazonS3FullAccess', ...flags);
  const { text } = await store.s3.send({ method: 'GET', bucket: '' });
  root = /<ID>(\w+)</.exec(text)?.[1] as string;
});
after(async () => {
  old.close();
  await store.stop();
});

const run = (bucket: string, as: string, ...more: string[]) =>
  migrate(store.endpoint, store.endpoint, [`s3://${bucket}`, '--as', as, ...more], movers);
const make = (bucket: string, headers: Record<string, string> = {}) => old.send({ method: 'PUT', bucket, headers });
const md5 = (body: string) => ({ 'content-md5': createHash('md5').update(body).digest('base64') });
const configure = (bucket: string, name: string, body: string, id?: string) =>
  old.send({ method: 'PUT', bucket, query: { [name]: '', id }, headers: md5(body), body });
const read = async (bucket: string, name: string, key?: string, id?: string) =>
  (await store.s3.send({ method: 'GET', bucket, query: { [name]: '', id }, ...(key !== undefined && { key }) })).text;
const grants = async (bucket: string, key?: string) =>
  [...(await read(bucket, 'acl', key)).matchAll(/<(?:ID|URI)>([^<]+)<\/\w+>(?:(?!<ID>).)*?<Permission>(\w+)</g)]
    .map(
      ([, who = '', what]) => `${who.replace(/^.*\//, '').replace(root, 'root').replace(partner, 'partner')} ${what}`,
    )
    .sort();
const anonymous = async (bucket: string, key: string) => (await fetch(`${store.endpoint}/${bucket}/${key}`)).status;
const lists = { 'x-amz-object-ownership': 'ObjectWriter' };
const tagging = '<Tagging><TagSet><Tag><Key>team</Key><Value>a</Value></Tag></TagSet></Tagging>';
const open = { 'x-amz-acl': 'public-read' };

test('access control lists come with buckets and objects, to accounts that were named', async () => {
  await make('lists', { ...lists, 'x-amz-grant-read': `id="${partner}"` });
  await put(old, 'lists', 'plain', 'x');
  await put(old, 'lists', 'open', 'x', open);
  await put(old, 'lists', 'shared', 'x', { 'x-amz-grant-read-acp': `id="${partner}"` });
  await putParts(old, 'lists', 'parts', ['x']);
  await old.send({ method: 'PUT', bucket: 'lists', key: 'parts', query: { acl: '' }, headers: open });
  const ran = await run('lists', 'lists-unnamed');
  assert.equal(ran.code, 0, ran.stderr);
  assert.deepEqual(await grants('lists-unnamed', 'shared'), ['root FULL_CONTROL']);
  assert.deepEqual(await grants('lists-unnamed'), ['root FULL_CONTROL']);
  assert.match(JSON.stringify(ran.rows[0]?.['notes']), new RegExp(`of a bucket: grant to the account ${partner}`));
  for (const [key, status] of [
    ['open', 200],
    ['parts', 200],
    ['plain', 403],
    ['shared', 403],
  ] as const)
    assert.equal(await anonymous('lists-unnamed', key), status, key);
  const named = await run('lists', 'lists-named', '--account', `${partner}=${partner}`);
  assert.equal(named.code, 0, named.stderr);
  assert.deepEqual(await grants('lists-named', 'shared'), ['partner READ_ACP']);
  assert.deepEqual(await grants('lists-named'), ['partner READ']);
  assert.deepEqual(await grants('lists-named', 'open'), ['AllUsers READ', 'root FULL_CONTROL']);
  assert.deepEqual(named.rows[0]?.['notes'], {});
  const without = await run('lists', 'lists-without', '--no-acls');
  assert.equal(without.code, 0, without.stderr);
  assert.equal(await anonymous('lists-without', 'open'), 403);
  const wrong = await run('lists', 'lists-named', '--account', 'x=partner');
  assert.match(wrong.stderr, /canonical id here, of 64 hexadecimal digits/);
});

test('the target is at no moment open wider than the source', async () => {
  await make('closed', lists);
  await put(old, 'closed', 'open', 'x', open);
  const block =
    '<PublicAccessBlockConfiguration><IgnorePublicAcls>true</IgnorePublicAcls></PublicAccessBlockConfiguration>';
  await configure('closed', 'publicAccessBlock', block);
  const deny = (bucket: string) =>
    `{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Principal":"*","Action":"s3:GetObject","Resource":"arn:aws:s3:::${bucket}/secret"}]}`;
  await configure('closed', 'policy', deny('closed'));
  const seen: string[] = [];
  const way = await gateTo(store, async ({ method, url }) => {
    if (method === 'PUT') seen.push(url ?? '');
    return undefined;
  });
  const ran = await migrate(store.endpoint, way.endpoint, ['s3://closed', '--as', 'closed-here'], movers);
  way.close();
  assert.equal(ran.code, 0, ran.stderr);
  const order = ['', '?publicAccessBlock=', '?ownershipControls=', '?encryption=', '?policy=', '/open'];
  assert.deepEqual(
    seen,
    order.map((one) => `/closed-here${one}`),
  );
  assert.equal(await read('closed-here', 'policy'), deny('closed-here'));
  // A list that counts for nothing there would count here, once the block was taken away.
  assert.deepEqual(await grants('closed-here', 'open'), ['root FULL_CONTROL']);
  // A radosgw calls the document by another name; and what cannot be read may close everything.
  for (const [as, said] of [
    ['closed-radosgw', { status: 200, body: block.replaceAll('PublicAccessBlock', 'BlockPublicAccessBlock') }],
    ['closed-veiled', { status: 403, body: '' }],
  ] as const) {
    const veiled = await gateTo(store, async ({ url }) => (url?.includes('publicAccessBlock') ? said : undefined));
    const told = await migrate(veiled.endpoint, store.endpoint, ['s3://closed', '--as', as], movers);
    veiled.close();
    assert.equal(told.code === 0, said.status === 200, told.stderr);
    assert.equal(await anonymous(as, 'open'), 403, as);
    if (said.status === 200) assert.match(await read(as, 'publicAccessBlock'), /<IgnorePublicAcls>true</);
    else await assert.rejects(read(as, 'policy'), { code: 'NoSuchBucketPolicy' });
  }
});

test('what else is configured comes along, and what cannot is named', async () => {
  await make('busy');
  await put(old, 'busy', 'k', 'x');
  const documents: Record<string, string> = {
    accelerate: '<AccelerateConfiguration><Status>Enabled</Status></AccelerateConfiguration>',
    requestPayment: '<RequestPaymentConfiguration><Payer>Requester</Payer></RequestPaymentConfiguration>',
    tagging,
  };
  const byId: Record<string, string> = {
    metrics: '<MetricsConfiguration><Id>one</Id></MetricsConfiguration>',
    analytics:
      '<AnalyticsConfiguration><Id>one</Id><StorageClassAnalysis></StorageClassAnalysis></AnalyticsConfiguration>',
    'intelligent-tiering':
      '<IntelligentTieringConfiguration><Id>one</Id><Status>Enabled</Status><Tiering><Days>90</Days><AccessTier>ARCHIVE_ACCESS</AccessTier></Tiering></IntelligentTieringConfiguration>',
    inventory:
      '<InventoryConfiguration><Id>one</Id><IsEnabled>false</IsEnabled><Destination><S3BucketDestination><Bucket>arn:aws:s3:::busy</Bucket><Format>CSV</Format></S3BucketDestination></Destination><Schedule><Frequency>Daily</Frequency></Schedule><IncludedObjectVersions>All</IncludedObjectVersions></InventoryConfiguration>',
  };
  for (const [name, body] of Object.entries(documents)) await configure('busy', name, body);
  for (const [name, body] of Object.entries(byId)) await configure('busy', name, body, 'one');
  const logging =
    '<BucketLoggingStatus><LoggingEnabled><TargetBucket>busy</TargetBucket><TargetPrefix>log/</TargetPrefix></LoggingEnabled></BucketLoggingStatus>';
  await configure('busy', 'logging', logging);
  const answers: Record<string, string> = {
    notification:
      '<NotificationConfiguration><TopicConfiguration><Id>t</Id><Topic>arn:aws:sns:default::elsewhere</Topic><Event>s3:ObjectCreated:*</Event></TopicConfiguration></NotificationConfiguration>',
    replication:
      '<ReplicationConfiguration><Role>r</Role><Rule><Status>Enabled</Status></Rule></ReplicationConfiguration>',
  };
  const way = await gateTo(store, async ({ method, url = '' }) => {
    const name = Object.keys(answers).find((one) => method === 'GET' && url.includes(`?${one}=`));
    return name === undefined ? undefined : { status: 200, body: answers[name] ?? '' };
  });
  const ran = await migrate(way.endpoint, store.endpoint, ['s3://busy', '--as', 'busy-here'], movers);
  way.close();
  assert.equal(ran.code, 0, ran.stderr);
  assert.match(await read('busy-here', 'accelerate'), /Enabled/);
  assert.match(await read('busy-here', 'requestPayment'), /Requester/);
  for (const name of Object.keys(byId)) assert.match(await read('busy-here', name, undefined, 'one'), /<Id>one</, name);
  assert.match(await read('busy-here', 'inventory', undefined, 'one'), /arn:aws:s3:::busy-here</);
  assert.match(await read('busy-here', 'logging'), /<TargetBucket>busy-here</);
  const notes = JSON.stringify(ran.rows[0]?.['notes']);
  for (const said of [/notifications of a bucket, left out/, /replication of a bucket, left out/])
    assert.match(notes, said);
});

test('what the source has no longer goes away where an earlier pass had set it', async () => {
  await make('waning', lists);
  await store.s3.send({ method: 'PUT', bucket: 'waning-here', headers: lists });
  const policy =
    '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":"*","Action":"s3:GetObject","Resource":"arn:aws:s3:::waning/*"}]}';
  await configure('waning', 'policy', policy);
  await old.send({ method: 'PUT', bucket: 'waning', query: { acl: '' }, headers: open });
  const report = { note() {}, fail: (_: string, cause: unknown) => assert.fail(String(cause)), configurations: 0 };
  const sides = { source: old, target: store.s3, bucket: 'waning', targetBucket: 'waning-here' };
  const written = new Map<string, string>();
  const pass = async () => {
    const task = {
      ...sides,
      dryRun: false,
      withConfigurations: true,
      report: report as unknown as Report,
      accounts: new Map(),
      written,
    };
    const settings = new Settings(task);
    await settings.before();
    await settings.after();
  };
  await store.s3.send({ method: 'PUT', bucket: 'waning-here', query: { tagging: '' }, body: tagging });
  await pass();
  assert.match(await read('waning-here', 'policy'), /waning-here/);
  assert.deepEqual(await grants('waning-here'), ['AllUsers READ', 'root FULL_CONTROL']);
  await old.send({ method: 'DELETE', bucket: 'waning', query: { policy: '' } });
  await old.send({ method: 'PUT', bucket: 'waning', query: { acl: '' }, headers: { 'x-amz-acl': 'private' } });
  await pass();
  await assert.rejects(read('waning-here', 'policy'), { code: 'NoSuchBucketPolicy' });
  assert.deepEqual(await grants('waning-here'), ['root FULL_CONTROL']);
  assert.match(await read('waning-here', 'tagging'), /team/, 'what only the target has stays');
});
