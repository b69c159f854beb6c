/* Event notifications of a real server to a real webhook: what is told, and that it is told over kill -9. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { dsom, until } from '../cluster/cluster.support.ts';
import { scratchFolder } from '../cluster/scratch.ts';
import { pathOf } from '../src/request.ts';
import { type Server, startServer } from '../src/server.ts';
import { ask } from './ask.ts';
import { Receiver } from './receiver.ts';

const folder = scratchFolder('events');
let server: Server;
let receiver: Receiver;

const rule = (name: string, events: readonly string[], filter = '') =>
  `<QueueConfiguration><Id>${name}</Id>${filter}${events.map((event) => `<Event>${event}</Event>`).join('')}<Queue>arn:dsom:sqs::hook:webhook</Queue></QueueConfiguration>`;
const configure = (bucket: string, inner: string) =>
  ask(server.endpoint, 'PUT', `/${bucket}?notification`, {
    body: `<NotificationConfiguration>${inner}</NotificationConfiguration>`,
  });
const everything = rule('all', ['s3:ObjectCreated:*', 's3:ObjectRemoved:*', 's3:ObjectTagging:*']);
const has = (count: number) => async () => receiver.records.length >= count;

before(async () => {
  receiver = await Receiver.start();
  server = await startServer([folder], { flags: ['--lifecycle-day-seconds', '1'] });
  await dsom(
    server.endpoint,
    'notify',
    'target',
    'add',
    'hook',
    '--webhook',
    receiver.url,
    '--header',
    'X-Key: secret words',
  );
});
after(async () => {
  await server.stop();
  receiver.close();
});

describe('event notifications', { timeout: 900_000 }, () => {
  it('tell a target of each change, in the form of AWS', async () => {
    assert.equal((await ask(server.endpoint, 'PUT', '/photos')).status, 200);
    const versioning = '<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>';
    await ask(server.endpoint, 'PUT', '/photos?versioning', { body: versioning });
    const configured = await configure('photos', everything);
    assert.equal(configured.status, 200, configured.text());
    const [test] = receiver.received;
    assert.deepEqual(Object.keys(test?.body).sort(), ['Bucket', 'Event', 'HostId', 'RequestId', 'Service', 'Time']);
    assert.deepEqual([test?.body.Event, test?.body.Bucket], ['s3:TestEvent', 'photos']);
    assert.equal(test?.headers['x-key'], 'secret words');

    const before = Date.now();
    const put = await ask(server.endpoint, 'PUT', pathOf('photos', 'a b/ü&.jpg'), { body: 'picture' });
    await until('the event came', 20_000, has(1));
    const [record] = receiver.records;
    const { sequencer } = record.s3.object;
    // As access control lists and listings name the account.
    const principalId = (await ask(server.endpoint, 'GET', '/')).element('ID');
    assert.match(String(principalId), /^[0-9a-f]{64}$/);
    assert.match(sequencer, /^[0-9A-F]{18}$/);
    const at = Date.parse(record.eventTime);
    assert.ok(at >= before && at <= Date.now(), `${record.eventTime} is when it happened`);
    assert.deepEqual(record, {
      eventVersion: '2.1',
      eventSource: 'aws:s3',
      awsRegion: 'us-east-1',
      eventTime: record.eventTime,
      eventName: 'ObjectCreated:Put',
      userIdentity: { principalId },
      requestParameters: { sourceIPAddress: '127.0.0.1' },
      responseElements: {
        'x-amz-request-id': put.headers['x-amz-request-id'],
        'x-amz-id-2': put.headers['x-amz-id-2'],
      },
      s3: {
        s3SchemaVersion: '1.0',
        configurationId: 'all',
        bucket: {
          name: 'photos',
          ownerIdentity: { principalId },
          arn: 'arn:aws:s3:::photos',
        },
        object: {
          key: 'a+b/%C3%BC%26.jpg',
          size: 7,
          eTag: String(put.headers['etag']).replaceAll('"', ''),
          versionId: put.headers['x-amz-version-id'],
          sequencer,
        },
      },
    });

    const copied = await ask(server.endpoint, 'PUT', '/photos/copy', {
      headers: { 'x-amz-copy-source': pathOf('photos', 'a b/ü&.jpg') },
    });
    assert.equal(copied.status, 200, copied.text());
    await ask(server.endpoint, 'PUT', '/photos/copy?tagging', {
      body: '<Tagging><TagSet><Tag><Key>a</Key><Value>b</Value></Tag></TagSet></Tagging>',
    });
    await ask(server.endpoint, 'DELETE', '/photos/copy?tagging');
    await ask(server.endpoint, 'DELETE', '/photos/copy');
    await ask(server.endpoint, 'DELETE', `/photos/copy?versionId=${copied.headers['x-amz-version-id']}`);
    const upload = (await ask(server.endpoint, 'POST', '/photos/large?uploads')).element('UploadId');
    const part = await ask(server.endpoint, 'PUT', `/photos/large?partNumber=1&uploadId=${upload}`, { body: 'part' });
    const etag = part.headers['etag'];
    const completed = await ask(server.endpoint, 'POST', `/photos/large?uploadId=${upload}`, {
      body: `<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>${etag}</ETag></Part></CompleteMultipartUpload>`,
    });
    assert.equal(completed.status, 200, completed.text());
    await until('all events came', 20_000, has(7));
    const told = receiver.records.filter(({ s3 }) => s3.object.key === 'copy').map(({ eventName }) => eventName);
    assert.deepEqual(told, [
      'ObjectCreated:Copy',
      'ObjectTagging:Put',
      'ObjectTagging:Delete',
      'ObjectRemoved:DeleteMarkerCreated',
      'ObjectRemoved:Delete',
    ]);
    const sequencers = receiver.records
      .filter(({ s3 }) => s3.object.key === 'copy')
      .map(({ s3 }) => s3.object.sequencer as string);
    assert.deepEqual(sequencers, [...sequencers].sort());
    const removed = receiver.records.find(({ eventName }) => eventName === 'ObjectRemoved:Delete');
    assert.deepEqual(Object.keys(removed.s3.object).sort(), ['key', 'sequencer', 'versionId']);
    assert.equal(removed.s3.object.versionId, copied.headers['x-amz-version-id']);
    assert.ok(receiver.records.some(({ eventName }) => eventName === 'ObjectCreated:CompleteMultipartUpload'));
  });

  it('follow the filters of their rules, and a deletion of many is an event for each', async () => {
    receiver.received.length = 0;
    await ask(server.endpoint, 'PUT', '/filtered');
    const filter =
      '<Filter><S3Key><FilterRule><Name>prefix</Name><Value>in/</Value></FilterRule><FilterRule><Name>suffix</Name><Value>.jpg</Value></FilterRule></S3Key></Filter>';
    assert.equal((await configure('filtered', rule('some', ['s3:ObjectRemoved:*'], filter))).status, 200);
    const keys = ['in/1.jpg', 'in/2.png', 'out/3.jpg', 'in/4.jpg'];
    for (const key of keys) await ask(server.endpoint, 'PUT', `/filtered/${key}`, { body: 'x' });
    const body = `<Delete>${keys.map((key) => `<Object><Key>${key}</Key></Object>`).join('')}</Delete>`;
    const deleted = await ask(server.endpoint, 'POST', '/filtered?delete', { body });
    assert.equal(deleted.status, 200, deleted.text());
    await until('both events came', 20_000, has(2));
    assert.deepEqual(receiver.records.map(({ s3 }) => s3.object.key).sort(), ['in/1.jpg', 'in/4.jpg']);
    assert.ok(receiver.records.every(({ s3 }) => !('versionId' in s3.object)));
  });

  it('reach a target that was away when the server was killed, each of them, in the order of its key', async () => {
    receiver.received.length = 0;
    receiver.status = 503;
    const answered = new Map<string, string[]>();
    for (let round = 0; round < 3; round++) {
      for (let at = 0; at < 20; at++) {
        const key = `kill-${at % 7}`;
        const put = await ask(server.endpoint, 'PUT', `/photos/${key}`, { body: `${round}-${at}` });
        assert.equal(put.status, 200);
        answered.set(key, [...(answered.get(key) ?? []), String(put.headers['x-amz-version-id'])]);
      }
      if (round === 1) receiver.status = 200;
      await server.stop('SIGKILL');
      server = await startServer([folder], { flags: ['--lifecycle-day-seconds', '1'] });
    }
    const told = (key: string): string[] => [
      ...new Set(
        receiver.records.filter(({ s3 }) => s3.object.key === key).map(({ s3 }) => s3.object.versionId as string),
      ),
    ];
    await until('every event came', 60_000, async () =>
      [...answered].every(([key, versions]) => told(key).length >= versions.length),
    );
    for (const [key, versions] of answered) assert.deepEqual(told(key), versions, key);
  });

  it('tell of EventBridge in its own shape', async () => {
    await dsom(server.endpoint, 'notify', 'target', 'add', 'bus', '--webhook', `${receiver.url}/bus`, '--event-bridge');
    await ask(server.endpoint, 'PUT', '/bridged');
    assert.equal((await configure('bridged', '<EventBridgeConfiguration/>')).status, 200);
    const put = await ask(server.endpoint, 'PUT', '/bridged/a%20b', { body: 'x' });
    await ask(server.endpoint, 'DELETE', '/bridged/a%20b');
    const bus = () => receiver.received.filter(({ path }) => path === '/events/bus');
    await until('both events came', 20_000, async () => bus().length === 2);
    const [made, gone] = bus().map(({ body }) => body);
    assert.match(made.id, /^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-8[0-9a-f]{3}-[0-9a-f]{12}$/);
    assert.deepEqual(
      { ...made, id: '', time: '' },
      {
        version: '0',
        id: '',
        'detail-type': 'Object Created',
        source: 'aws.s3',
        account: '000000000000',
        time: '',
        region: 'us-east-1',
        resources: ['arn:aws:s3:::bridged'],
        detail: {
          version: '0',
          bucket: { name: 'bridged' },
          object: {
            key: 'a b',
            size: 1,
            etag: String(put.headers['etag']).replaceAll('"', ''),
            sequencer: made.detail.object.sequencer,
          },
          'request-id': put.headers['x-amz-request-id'],
          requester: '000000000000',
          'source-ip-address': '127.0.0.1',
          reason: 'PutObject',
        },
      },
    );
    assert.deepEqual(
      [gone['detail-type'], gone.detail.reason, gone.detail['deletion-type']],
      ['Object Deleted', 'DeleteObject', 'Permanently Deleted'],
    );
    await dsom(server.endpoint, 'notify', 'target', 'remove', 'bus');
    const refused = await configure('bridged', '<EventBridgeConfiguration/>');
    assert.deepEqual([refused.status, refused.element('Code')], [400, 'InvalidArgument']);
  });

  it('that failed are listed, delivered again and dropped by target', async () => {
    const failed = (...words: string[]) => dsom(server.endpoint, 'events', 'failed', ...words);
    assert.deepEqual(await failed('list', 'hook'), [{ events: [], more: false }]);
    assert.deepEqual(await failed('retry', 'hook'), [{ target: 'hook', delivered: 0, failures: [] }]);
    assert.deepEqual(await failed('drop', 'hook', '--all'), [{ target: 'hook', dropped: 0 }]);
    await assert.rejects(failed('list', 'none'), /There is no target none/);
  });

  it('tell of what a lifecycle does, of which nobody asked', async () => {
    receiver.received.length = 0;
    await ask(server.endpoint, 'PUT', '/ageing');
    await ask(server.endpoint, 'PUT', '/ageing/old', { body: 'x' });
    assert.equal((await configure('ageing', rule('old', ['s3:LifecycleExpiration:*']))).status, 200);
    const ageing =
      '<LifecycleConfiguration><Rule><ID>r</ID><Status>Enabled</Status><Filter/><Expiration><Days>1</Days></Expiration></Rule></LifecycleConfiguration>';
    const configured = await ask(server.endpoint, 'PUT', '/ageing?lifecycle', { body: ageing });
    assert.equal(configured.status, 200, configured.text());
    const ofAgeing = () => receiver.records.filter(({ s3 }) => s3.bucket.name === 'ageing');
    await until('the event came', 60_000, async () => ofAgeing().length > 0);
    const [record] = ofAgeing();
    assert.deepEqual(
      [record.eventName, record.eventVersion, record.userIdentity.principalId, record.s3.object.key],
      ['LifecycleExpiration:Delete', '2.3', 's3.amazonaws.com', 'old'],
    );
  });

  it('are counted, and never show what a target is spoken to with', async () => {
    const [{ targets } = { targets: [] }] = (await dsom(server.endpoint, 'notify', 'target', 'list')) as [
      { targets: Record<string, unknown>[] }?,
    ];
    assert.equal(targets.length, 1);
    assert.ok(!JSON.stringify(targets).includes('secret words'));
    assert.deepEqual([targets[0]?.['name'], targets[0]?.['headers']], ['hook', ['X-Key']]);
    const metrics = await (await fetch(`${server.endpoint}/-/metrics`)).text();
    assert.match(metrics, /dsom_notifications_delivered_total\{target="hook"\} [1-9]/);
    assert.match(metrics, /dsom_notifications_lost_total\{target="hook"\} 0/);
  });

  it('do not follow a target that leads elsewhere, and are refused where it takes no test event', async () => {
    receiver.received.length = 0;
    receiver.status = 302;
    const refused = await configure('photos', everything);
    assert.deepEqual([refused.status, refused.element('Code')], [400, 'InvalidArgument']);
    assert.match(refused.text(), /Unable to validate the following destination configurations.*status 302/s);
    receiver.status = 200;
    assert.deepEqual(receiver.received, []);
    await assert.rejects(dsom(server.endpoint, 'notify', 'target', 'test', 'nobody'), /no target nobody/);
    await dsom(server.endpoint, 'notify', 'target', 'test', 'hook');
    assert.equal(receiver.received.length, 1);
  });
});
