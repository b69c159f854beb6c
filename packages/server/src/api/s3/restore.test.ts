/* Archived objects, over the real store: what is refused until they are restored, RestoreObject, and what answers and lists say of it. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { after, before, describe, it } from 'node:test';
import { type Command, dueRestores, type Proposer } from '../../metadata/index.ts';
import { lifecycleProposer } from './announce.ts';
import { type Answer, type Harness, startHarness } from './harness.support.ts';
import { type MemoryStore, openMemoryStore } from './store.support.ts';

const dayMs = 60_000;
let store: MemoryStore;
let s3: Harness;

const times = { Standard: 3_600_000, Bulk: 7_200_000, Expedited: 0 };
const setting = (name: string, value: unknown) =>
  store.metadata.propose({ type: 'setting.write', name, value: JSON.stringify(value) });

before(async () => {
  store = await openMemoryStore();
  s3 = await startHarness(store.objects, {
    position: store.position,
    lifecycleDayMs: dayMs,
    websites: { domains: ['site.test'], hosts: [] },
  });
  const one = { copies: 1 };
  await setting('archives', { GLACIER: times, DEEP_ARCHIVE: times });
  await setting('policies', { GLACIER: one, DEEP_ARCHIVE: one, GLACIER_IR: one });
  await s3.send('PUT', '/bucket');
});
after(async () => {
  await s3.close();
  await store.close();
});

const put = (key: string, storageClass: string, body = 'archived bytes', headers: Record<string, string> = {}) =>
  s3.send('PUT', `/bucket/${key}`, { body, headers: { 'x-amz-storage-class': storageClass, ...headers } });
const get = (key: string, headers: Record<string, string> = {}) => s3.send('GET', `/bucket/${key}`, { headers });
const head = (key: string) => s3.send('HEAD', `/bucket/${key}`);
const copy = (from: string, to: string, headers: Record<string, string> = {}) =>
  s3.send('PUT', `/bucket/${to}`, { headers: { 'x-amz-copy-source': `/bucket/${from}`, ...headers } });
const request = (inner: string) => `<RestoreRequest>${inner}</RestoreRequest>`;
const asking = (days: number, tier?: string) =>
  request(`<Days>${days}</Days>${tier ? `<GlacierJobParameters><Tier>${tier}</Tier></GlacierJobParameters>` : ''}`);
const restore = (key: string, body: string, more: Record<string, string> = {}) =>
  s3.send('POST', `/bucket/${key}`, { query: { restore: '', ...more }, body });

/** What the upkeep of the owner does. */
async function upkeep(): Promise<void> {
  const items = dueRestores(store.kv, Date.now(), 64);
  await store.metadata.propose({ type: 'restore.advance', shard: 0, dayMs, items });
}
/** Restores it at once. */
async function restored(key: string, days = 1, more: Record<string, string> = {}): Promise<void> {
  assert.equal((await restore(key, asking(days, 'Expedited'), more)).status, 202);
  await upkeep();
}
const says = (answer: Answer, status: number, code: string, message?: RegExp) => {
  assert.deepEqual([answer.status, answer.code], [status, code], answer.text);
  if (message) assert.match(answer.xml('Message')!, message);
};
const archived = (answer: Answer, message = /^The operation is not valid for the object&apos;s storage class$/) => {
  says(answer, 403, 'InvalidObjectState', message);
  assert.equal(answer.xml('StorageClass'), 'GLACIER');
  assert.equal(answer.xml('AccessTier'), undefined);
};

describe('an archived object', () => {
  it('is put and described as any other, and gives no byte before it is restored', async () => {
    for (const [key, body] of [
      ['small', 'archived bytes'],
      ['large', 'x'.repeat(100_000)],
      ['empty', ''],
    ] as const) {
      assert.equal((await put(key, 'GLACIER', body)).status, 200);
      const shown = await head(key);
      assert.deepEqual([shown.status, shown.headers['x-amz-storage-class']], [200, 'GLACIER']);
      assert.deepEqual(
        [shown.headers['content-length'], shown.headers['x-amz-restore']],
        [String(body.length), undefined],
      );
      archived(await get(key));
      archived(await get(key, { range: 'bytes=0-1' }));
      const source = /^Operation is not valid for the source object&apos;s storage class$/;
      archived(await copy(key, 'copy'), source);
      archived(await copy(key, key, { 'x-amz-storage-class': 'STANDARD' }), source);
      const started = await s3.send('POST', '/bucket/parts', { query: { uploads: '' } });
      const query = { uploadId: started.xml('UploadId')!, partNumber: '1' };
      const part = { query, headers: { 'x-amz-copy-source': `/bucket/${key}` } };
      archived(await s3.send('PUT', '/bucket/parts', part), source);
      const attributes = { 'x-amz-object-attributes': 'StorageClass,ObjectSize' };
      const asked = await s3.send('GET', `/bucket/${key}`, { query: { attributes: '' }, headers: attributes });
      assert.deepEqual([asked.xml('StorageClass'), asked.xml('ObjectSize')], ['GLACIER', String(body.length)]);
    }
    says(
      await put('small', 'GLACIER', 'more', { 'x-amz-write-offset-bytes': '14' }),
      403,
      'InvalidObjectState',
      /appended/,
    );
    await assert.rejects(
      store.objects.patch({
        bucket: 'bucket',
        key: Buffer.from('small'),
        versionId: undefined,
        guard: undefined,
        owner: 'owner',
        storageClass: 'STANDARD',
      }),
      /must be restored/,
    );
    const listed = await s3.send('GET', '/bucket', { query: { 'list-type': '2', prefix: 'small' } });
    assert.equal(listed.xml('StorageClass'), 'GLACIER');
    assert.equal(listed.xml('RestoreStatus'), undefined);
    const tags = '<Tagging><TagSet><Tag><Key>a</Key><Value>b</Value></Tag></TagSet></Tagging>';
    assert.equal((await s3.send('PUT', '/bucket/small', { query: { tagging: '' }, body: tags })).status, 200);
    assert.equal((await s3.send('DELETE', '/bucket/empty')).status, 204);
  });

  it('is refused to readers of a website, too', async () => {
    const statement = { Effect: 'Allow', Principal: '*', Action: 's3:GetObject', Resource: 'arn:aws:s3:::pages/*' };
    const policy = JSON.stringify({ Version: '2012-10-17', Statement: [statement] });
    const site = '<WebsiteConfiguration><IndexDocument><Suffix>i</Suffix></IndexDocument></WebsiteConfiguration>';
    const md5 = { 'content-md5': createHash('md5').update(site).digest('base64') };
    await s3.send('PUT', '/pages');
    assert.equal((await s3.send('DELETE', '/pages', { query: { publicAccessBlock: '' } })).status, 204);
    assert.equal((await s3.send('PUT', '/pages', { query: { policy: '' }, body: policy })).status, 204);
    assert.equal((await s3.send('PUT', '/pages', { query: { website: '' }, body: site, headers: md5 })).status, 200);
    for (const [key, body] of [
      ['cold', 'bytes'],
      ['empty', ''],
    ] as const) {
      await s3.send('PUT', `/pages/${key}`, { body, headers: { 'x-amz-storage-class': 'GLACIER' } });
      const headers = { host: 'pages.site.test' };
      const got = await s3.send('GET', `/${key}`, { as: 'anonymous', headers });
      assert.deepEqual([got.status, got.headers['x-amz-error-code']], [403, 'InvalidObjectState']);
      assert.equal((await s3.send('HEAD', `/${key}`, { as: 'anonymous', headers })).status, 200);
    }
  });

  it('of GLACIER_IR, which nobody called an archive, is read at once', async () => {
    await put('instant', 'GLACIER_IR');
    const got = await get('instant');
    assert.deepEqual([got.status, got.text], [200, 'archived bytes']);
    assert.equal(got.headers['x-amz-storage-class'], 'GLACIER_IR');
  });

  it('is read and copied while it is restored, which ends at a midnight', async () => {
    await put('k', 'GLACIER');
    const asked = await restore('k', asking(2, 'Expedited'));
    assert.deepEqual([asked.status, asked.body.length], [202, 0]);
    assert.equal((await head('k')).headers['x-amz-restore'], 'ongoing-request="true"');
    archived(await get('k'));
    await upkeep();
    const until = Math.ceil((Date.now() + 2 * dayMs) / dayMs) * dayMs;
    const shown = await get('k');
    assert.deepEqual(
      [shown.status, shown.text, shown.headers['x-amz-storage-class']],
      [200, 'archived bytes', 'GLACIER'],
    );
    const told = /^ongoing-request="false", expiry-date="(.*)"$/.exec(shown.headers['x-amz-restore'] as string)!;
    assert.ok(Math.abs(Date.parse(told[1]!) - until) <= dayMs, told[1]!);
    assert.equal(Date.parse(told[1]!) % dayMs, 0, 'a midnight');
    assert.equal((await get('k', { range: 'bytes=0-7' })).text, 'archived');
    assert.equal((await copy('k', 'free')).status, 200);
    const free = await get('free');
    assert.deepEqual(
      [free.text, free.headers['x-amz-restore'], free.headers['x-amz-storage-class']],
      ['archived bytes', undefined, undefined],
    );
    assert.equal((await copy('k', 'again', { 'x-amz-storage-class': 'GLACIER' })).status, 200);
    archived(await get('again'));
    const { version } = store.objects.look({ bucket: 'bucket', key: Buffer.from('k'), versionId: undefined });
    assert.ok(version.restore?.state === 'restored');
    const item = { dueMs: version.restore.untilMs, sequence: version.sequence, bucket: 1, key: Buffer.from('k') };
    await store.metadata.propose({ type: 'restore.advance', shard: 0, dayMs, items: [item] });
    assert.equal((await get('k')).status, 200, 'not before its time');
  });

  it('of a bucket with versions is restored version by version', async () => {
    await s3.send('PUT', '/versions');
    const body = '<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>';
    await s3.send('PUT', '/versions', { query: { versioning: '' }, body });
    const headers = { 'x-amz-storage-class': 'GLACIER' };
    const ids: string[] = [];
    for (const body of ['one', 'two'])
      ids.push((await s3.send('PUT', '/versions/k', { body, headers })).headers['x-amz-version-id'] as string);
    const ask = (query: Record<string, string>, method = 'GET') => s3.send(method, '/versions/k', { query });
    const restoring = (query: Record<string, string>) =>
      s3.send('POST', '/versions/k', { query: { restore: '', ...query }, body: asking(1, 'Expedited') });
    assert.equal((await restoring({ versionId: ids[0]! })).status, 202);
    await upkeep();
    assert.equal((await ask({ versionId: ids[0]! })).text, 'one');
    archived(await ask({}));
    const list = await s3.send('GET', '/versions', {
      query: { versions: '' },
      headers: { 'x-amz-optional-object-attributes': 'RestoreStatus' },
    });
    assert.deepEqual(list.all('IsRestoreInProgress'), ['false']);
    says(await restoring({ versionId: 'nothing' }), 400, 'InvalidArgument');
    const marker = await s3.send('DELETE', '/versions/k');
    says(await restoring({}), 404, 'NoSuchKey');
    const named = await restoring({ versionId: marker.headers['x-amz-version-id'] as string });
    says(named, 405, 'MethodNotAllowed');
  });
});

describe('RestoreObject', () => {
  it('while one is under way is refused, unless it is to be faster', async () => {
    await put('slow', 'GLACIER');
    assert.equal((await restore('slow', asking(3, 'Bulk'))).status, 202);
    says(await restore('slow', asking(3, 'Bulk')), 409, 'RestoreAlreadyInProgress', /already in progress/);
    says(await restore('slow', asking(4, 'Expedited')), 409, 'RestoreAlreadyInProgress');
    assert.equal((await restore('slow', asking(3))).status, 202, 'Standard, where it is not said');
    says(await restore('slow', asking(3, 'Bulk')), 409, 'RestoreAlreadyInProgress');
    await upkeep();
    assert.equal((await head('slow')).headers['x-amz-restore'], 'ongoing-request="true"', 'an hour has not passed');
    assert.equal((await restore('slow', asking(3, 'Expedited'))).status, 202);
    await upkeep();
    assert.equal((await get('slow')).status, 200);
  });

  it('of what is restored changes for how long, from now on', async () => {
    await put('longer', 'GLACIER');
    await restored('longer', 1);
    const until = async () =>
      Date.parse(/date="(.*)"/.exec((await head('longer')).headers['x-amz-restore'] as string)![1]!);
    const first = await until();
    const extended = await restore('longer', asking(5, 'Bulk'));
    assert.deepEqual([extended.status, extended.body.length], [200, 0]);
    assert.ok((await until()) >= first + 3 * dayMs);
    assert.equal((await restore('longer', asking(1))).status, 200);
    assert.ok((await until()) <= first + dayMs, 'shorter as well');
  });

  it('is in lists where it is asked for', async () => {
    for (const key of ['list/a', 'list/b', 'list/c']) await put(key, 'GLACIER');
    await restored('list/b');
    await restore('list/a', asking(1, 'Bulk'));
    const headers = { 'x-amz-optional-object-attributes': 'RestoreStatus' };
    const both = [{ 'list-type': '2', prefix: 'list/' }, { prefix: 'list/' }];
    for (const query of both) {
      const listed = await s3.send('GET', '/bucket', { query, headers });
      assert.deepEqual(listed.all('IsRestoreInProgress'), ['true', 'false']);
      assert.equal(listed.all('RestoreExpiryDate').length, 1);
      assert.match(listed.xml('RestoreExpiryDate')!, /^\d{4}-\d\d-\d\dT\d\d:\d\d:00.000Z$/);
      assert.equal((await s3.send('GET', '/bucket', { query })).all('RestoreStatus').length, 0);
      const wrong = { 'x-amz-optional-object-attributes': 'RestoreStatus, Color' };
      says(await s3.send('GET', '/bucket', { query, headers: wrong }), 400, 'InvalidArgument');
    }
  });

  it('is told of, where its bucket wants that, also when nobody asks any more', async () => {
    const target = 'arn:aws:sqs:us-east-1:000000000000:hook';
    const rules = `<QueueConfiguration><Id>q</Id><Queue>${target}</Queue><Event>s3:ObjectRestore:*</Event><Filter><S3Key><FilterRule><Name>prefix</Name><Value>told/</Value></FilterRule></S3Key></Filter></QueueConfiguration>`;
    await store.objects.configure(
      'bucket',
      'notification',
      Buffer.from(`<NotificationConfiguration>${rules}</NotificationConfiguration>`),
    );
    const { id: bucket } = store.objects.bucket('bucket');
    const asked: Command[] = [];
    const recorder: Proposer = {
      async propose(command) {
        asked.push(command);
        return { reply: { type: 'done' }, position: 0 };
      },
    };
    const { reader } = store.metadata;
    const items = ['told/a', 'other'].map((key) => ({ dueMs: 1, sequence: 1, bucket, key: Buffer.from(key) }));
    const advance = { type: 'restore.advance', shard: 0, dayMs, items } as const;
    await lifecycleProposer(recorder, reader, () => []).propose(advance);
    const [command] = asked;
    assert.ok(command?.type === 'restore.advance');
    const [told, other] = command.items;
    assert.deepEqual(
      told?.announce?.destinations.map(({ event, target: name }) => [event, name]),
      [
        ['ObjectRestore:Completed', 'hook'],
        ['ObjectRestore:Delete', 'hook'],
      ],
    );
    assert.equal(told?.announce?.origin.principal, 's3.amazonaws.com');
    assert.equal(other?.announce, undefined);
    await store.objects.configure('bucket', 'notification', null);
  });

  it('is for archived objects that are there, by who may', async () => {
    const good = asking(1, 'Standard');
    for (const storageClass of ['STANDARD_IA', 'GLACIER_IR', 'STANDARD']) {
      await put('plain', storageClass);
      const got = await restore('plain', good);
      says(got, 403, 'InvalidObjectState', /^Restore is not allowed for the object&apos;s current storage class$/);
      assert.equal(got.xml('StorageClass'), storageClass);
    }
    says(await restore('none', good), 404, 'NoSuchKey');
    says(await s3.send('POST', '/missing/k', { query: { restore: '' }, body: good }), 404, 'NoSuchBucket');
    await put('mine', 'GLACIER');
    const query = { restore: '' };
    says(await s3.send('POST', '/bucket/mine', { query, body: good, as: 'readonly' }), 403, 'AccessDenied');
    says(await s3.send('POST', '/bucket/mine', { query, body: good, as: 'anonymous' }), 403, 'AccessDenied');
    await put('deep', 'DEEP_ARCHIVE');
    says(await restore('deep', asking(1, 'Expedited')), 400, 'InvalidArgument', /^Retrieval option is not supported/);
    assert.equal((await restore('deep', asking(1, 'Bulk'))).status, 202);
  });

  it('is refused where it is not as documented', async () => {
    const rows = [
      ['', 'MissingRequestBodyError'],
      ['<Other/>', 'MalformedXML'],
      ['<RestoreRequest><Days>1</Days>', 'MalformedXML'],
      [request(''), 'MalformedXML'],
      [request('<Days>many</Days>'), 'MalformedXML'],
      [request('<Days>1.5</Days>'), 'MalformedXML'],
      [request('<Days>2147483648</Days>'), 'MalformedXML'],
      [request('<Days>0</Days>'), 'InvalidArgument'],
      [request('<Days>-1</Days>'), 'InvalidArgument'],
      [request('<Days>1</Days><Days>1</Days>'), 'MalformedXML'],
      [request('<Days>1</Days><Other/>'), 'MalformedXML'],
      [request('<Days>1</Days><Tier>Fast</Tier>'), 'MalformedXML'],
      [asking(1, 'standard'), 'MalformedXML'],
      [request('<Days>1</Days><GlacierJobParameters><Speed>1</Speed></GlacierJobParameters>'), 'MalformedXML'],
      [request('<Type>SELECT</Type><SelectParameters/>'), 'NotImplemented'],
    ] as const;
    await put('odd', 'GLACIER');
    for (const [body, code] of rows) assert.equal((await restore('odd', body)).code, code, body);
    assert.equal((await head('odd')).headers['x-amz-restore'], undefined);
  });
});
