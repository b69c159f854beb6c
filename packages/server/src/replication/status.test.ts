/* x-amz-replication-status: COMPLETED only once the other store has the version, wherever it is asked, and left out where nobody knows. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { afterEach, describe, it } from 'node:test';
import { replicationOf } from '../api/index.ts';
import { until } from '../host/patience.support.ts';
import { resync } from './resync.ts';
import {
  arrived,
  get,
  here,
  pair,
  replicatorOf,
  restart,
  rules,
  type Side,
  settled,
  there,
  untold,
  upload,
} from './stores.fixture.ts';

const statusOf = async (side: Side, bucket: string, key: string, query: Record<string, string> = {}) =>
  (await get(side, bucket, key, query)).headers['x-amz-replication-status'];
const becomes = (bucket: string, key: string, status: string | undefined, query = {}) =>
  until(async () => (await statusOf(here, bucket, key, query)) === status, `${key}: ${status}`);
const put = async (bucket: string, key: string, body = 'x', headers: Record<string, string> = {}) =>
  String((await here.s3.send('PUT', `/${bucket}/${key}`, { body, headers })).headers['x-amz-version-id']);
const place = (bucket: string) => `arn:dsom:s3::dr:${bucket}`;

/** The first request of this kind waits until it is let in. */
function held(request: string) {
  const [come, go] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  there.gate = (what) => {
    if (what !== request) return undefined;
    come.resolve();
    return go.promise;
  };
  return { come: come.promise, go: () => go.resolve() };
}

/** A message about a version, as the log tells it. */
const message = (bucket: string, key: string, versionId: string) => ({
  id: 'm',
  body: Buffer.from(
    JSON.stringify({
      Records: [
        {
          eventName: 'ObjectCreated:Put',
          s3: { configurationId: place(bucket), bucket: { name: bucket }, object: { key, versionId } },
        },
      ],
    }),
  ),
});

async function compared(bucket: string): Promise<void> {
  const replicator = replicatorOf(here);
  await resync({
    objects: here.store.objects,
    bucket,
    replication: replicationOf(bucket, here.store.objects.configuration(bucket, 'replication') as Buffer),
    replicator: () => replicator,
    counts: { looked: 0, sent: 0, there: 0, left: 0, failed: 0, refused: 0 },
    signal: new AbortController().signal,
    onFailure: (failure) => assert.fail(JSON.stringify(failure)),
  });
  await replicator.close();
}

describe('the status of a replication', () => {
  afterEach(() => {
    there.gate = undefined;
    there.failing = false;
  });

  it('is PENDING until the other store has answered, and COMPLETED from then on; there it is REPLICA', async () => {
    const bucket = await pair();
    const { come, go } = held(`PUT /${bucket}/k`);
    await put(bucket, 'k');
    await come;
    assert.equal(await statusOf(here, bucket, 'k'), 'PENDING');
    go();
    await becomes(bucket, 'k', 'COMPLETED');
    assert.equal(await statusOf(there, bucket, 'k'), 'REPLICA');
    const head = await here.s3.send('HEAD', `/${bucket}/k`);
    assert.equal(head.headers['x-amz-replication-status'], 'COMPLETED');
    await upload(bucket, 'parts', [Buffer.from('one part')]);
    await becomes(bucket, 'parts', 'COMPLETED');
    assert.equal(await statusOf(there, bucket, 'parts'), 'REPLICA');
    // What is written there by others is no replica.
    await there.s3.send('PUT', `/${bucket}/k`, { body: 'theirs' });
    assert.equal(await statusOf(there, bucket, 'k'), undefined);
  });

  it('stays PENDING while the store is in trouble, over an end of what replicates', async () => {
    const bucket = await pair();
    there.failing = true;
    await put(bucket, 'k');
    await until(() => here.deliverer.status().some(({ lastFailure }) => lastFailure?.includes('503')), 'a failure');
    await restart(here);
    assert.equal(await statusOf(here, bucket, 'k'), 'PENDING');
    there.failing = false;
    await becomes(bucket, 'k', 'COMPLETED');
  });

  it('is not said of what no rule speaks of, nor of markers', async () => {
    const filter = '<Filter><And><Prefix>a/</Prefix><Tag><Key>t</Key><Value>v</Value></Tag></And></Filter>';
    const bucket = await pair({ filter, deletes: false });
    await put(bucket, 'other');
    await put(bucket, 'a/untagged');
    await put(bucket, 'a/tagged', 'x', { 'x-amz-tagging': 't=v' });
    await becomes(bucket, 'a/tagged', 'COMPLETED');
    assert.equal(await statusOf(here, bucket, 'other'), undefined);
    await becomes(bucket, 'a/untagged', undefined);
    await here.s3.send('DELETE', `/${bucket}/a/tagged`);
    assert.equal(await statusOf(here, bucket, 'a/tagged'), undefined);
  });

  it('with several destinations waits for all of them, and tells of one that has refused it', async () => {
    const bucket = await pair();
    const second = `${bucket}-second`;
    await there.s3.send('PUT', `/${second}`);
    const versioned = '<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>';
    await there.s3.send('PUT', `/${second}`, { query: { versioning: '' }, body: versioned });
    const rule = (to: string, priority: number) =>
      `<Rule><Status>Enabled</Status><Priority>${priority}</Priority><Filter/><DeleteMarkerReplication><Status>Enabled</Status></DeleteMarkerReplication><Destination><Bucket>${place(to)}</Bucket></Destination></Rule>`;
    const body = `<ReplicationConfiguration><Role/>${rule(bucket, 1)}${rule(second, 2)}</ReplicationConfiguration>`;
    const headers = { 'content-md5': createHash('md5').update(body).digest('base64') };
    const set = await here.s3.send('PUT', `/${bucket}`, { query: { replication: '' }, body, headers });
    assert.equal(set.status, 200, set.text);
    const { come, go } = held(`PUT /${second}/k`);
    const id = await put(bucket, 'k');
    await come;
    await arrived(bucket, 'k');
    assert.equal(await statusOf(here, bucket, 'k'), 'PENDING');
    await here.replicator.gaveUp(message(second, 'k', id));
    assert.equal(await statusOf(here, bucket, 'k'), 'PENDING', 'of another bucket');
    const refused = { ...message(bucket, 'k', id) };
    const told = refused.body.toString().replace(place(bucket), place(second));
    await here.replicator.gaveUp({ id: 'm', body: Buffer.from(told) });
    assert.equal(await statusOf(here, bucket, 'k'), 'FAILED');
    go();
    await becomes(bucket, 'k', 'COMPLETED');
  });

  it('of what was there before its rules is that of the comparison, and of what it passes over nothing', async () => {
    const bucket = await pair();
    let older = '';
    await untold(bucket, async () => {
      older = await put(bucket, 'k', 'older');
      await put(bucket, 'k', 'newer');
    });
    assert.equal(await statusOf(here, bucket, 'k'), undefined);
    await compared(bucket);
    assert.equal(await statusOf(here, bucket, 'k'), 'COMPLETED');
    assert.equal(await statusOf(here, bucket, 'k', { versionId: older }), undefined);
    // What the log could not keep: the older version was announced, and comes no more.
    await here.deliverer.stop();
    const lost = await put(bucket, 'lost', 'first');
    await put(bucket, 'lost', 'second');
    assert.equal(await statusOf(here, bucket, 'lost', { versionId: lost }), 'PENDING');
    await compared(bucket);
    assert.equal(await statusOf(here, bucket, 'lost'), 'COMPLETED');
    assert.equal(await statusOf(here, bucket, 'lost', { versionId: lost }), undefined);
    // What comes a second time, behind what is newer, tells nothing of whether it came a first time.
    await restart(here);
    assert.equal(await here.replicator.made(bucket, place(bucket), Buffer.from('lost'), lost), 'there');
    assert.equal(await statusOf(here, bucket, 'lost', { versionId: lost }), undefined);
    await settled();
  });

  it('of a replica stays, though its bucket is replicated to where it comes from', async () => {
    const bucket = await pair();
    await rules(there, bucket);
    await put(bucket, 'k');
    await becomes(bucket, 'k', 'COMPLETED');
    assert.equal(await there.replicator.settle(bucket, place(bucket), Buffer.from('k')), 'there');
    assert.equal(await statusOf(there, bucket, 'k'), 'REPLICA');
    assert.equal(await statusOf(here, bucket, 'k'), 'COMPLETED');
  });
});
