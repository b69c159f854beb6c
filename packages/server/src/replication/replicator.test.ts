/* Versions of a bucket on their way to another store: two stores in memory, with real HTTP between them, and the log of the first one. */
import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { describe, it } from 'node:test';
import { replicationOf } from '../api/index.ts';
import { until } from '../host/patience.support.ts';
import { type ResyncCounts, resync } from './resync.ts';
import {
  arrived,
  get,
  here,
  pair,
  replicatorOf,
  rules,
  type Side,
  settled,
  tagsOf,
  there,
  upload,
  versions,
} from './stores.fixture.ts';

const MiB = 1024 ** 2;

describe('a bucket that is replicated', () => {
  it('has each version there, in order, with all that is said of it', async () => {
    const bucket = await pair();
    const bodies = [randomBytes(10), randomBytes(70_000), Buffer.alloc(0), randomBytes(9 * MiB)];
    const headers = {
      'content-type': 'text/x',
      'cache-control': 'no-store',
      'content-encoding': 'gzip',
      'x-amz-meta-one': 'two',
      'x-amz-meta-word': '=?UTF-8?B?w6k=?=',
      'x-amz-tagging': 'k=v%20w&l=%C3%A9',
      'x-amz-storage-class': 'STANDARD_IA',
    };
    const key = 'a b/ü+1%';
    for (const body of bodies) await here.s3.send('PUT', `/${bucket}/${key}`, { body, headers });
    const last = bodies.at(-1)!;
    await until(async () => (await get(there, bucket, key)).body.equals(last), 'the last version');
    await settled();
    const [was, now] = [await get(here, bucket, key), await get(there, bucket, key)];
    for (const name of [
      'etag',
      'content-type',
      'cache-control',
      'content-encoding',
      'x-amz-meta-one',
      'x-amz-meta-word',
      'x-amz-storage-class',
    ])
      assert.equal(now.headers[name], was.headers[name], name);
    assert.deepEqual(await tagsOf(there, bucket, key), ['k=v w', 'l=é']);
    const listed = await versions(there, bucket);
    const [ids, sizes] = [listed.all('VersionId'), listed.all('Size').map(Number)];
    assert.deepEqual(sizes.toReversed().at(-1), last.length);
    for (const id of ids) {
      const { body } = await get(there, bucket, key, { versionId: id });
      assert.ok(
        bodies.some((one) => one.equals(body)),
        'a version that was never written',
      );
    }
    const order = sizes.toReversed().map((size) => bodies.findIndex(({ length }) => length === size));
    assert.deepEqual(
      order,
      order.toSorted((a, b) => a - b),
    );
  });

  it('has uploads there with their parts and their ETag', async () => {
    const bucket = await pair();
    const parts = [randomBytes(5 * MiB), randomBytes(6 * MiB), randomBytes(1000)];
    await upload(bucket, 'parts', parts);
    await arrived(bucket, 'parts');
    const [was, now] = [await get(here, bucket, 'parts'), await get(there, bucket, 'parts')];
    assert.equal(now.headers.etag, was.headers.etag);
    assert.ok(now.body.equals(Buffer.concat(parts)));
    assert.ok((await get(there, bucket, 'parts', { partNumber: '2' })).body.equals(parts[1]!));
    assert.equal((await there.s3.send('GET', `/${bucket}`, { query: { uploads: '' } })).xml('UploadId'), undefined);
  });

  it('has its delete markers there, and nothing else of what is deleted', async () => {
    const bucket = await pair();
    const put = async (key: string) =>
      (await here.s3.send('PUT', `/${bucket}/${key}`, { body: key })).headers['x-amz-version-id'] as string;
    const [, kept] = [await put('gone'), await put('kept')];
    await arrived(bucket, 'gone');
    await arrived(bucket, 'kept');
    await here.s3.send('DELETE', `/${bucket}/gone`);
    await arrived(bucket, 'gone', 404);
    await here.s3.send('DELETE', `/${bucket}/kept`, { query: { versionId: kept } });
    await settled();
    assert.equal((await get(there, bucket, 'kept')).status, 200);
    assert.equal((await versions(there, bucket)).all('DeleteMarker').length, 1);
  });

  it('has no markers there where the rule does not say so, and of other keys nothing', async () => {
    const filter = '<Filter><And><Prefix>a/</Prefix><Tag><Key>t</Key><Value>v</Value></Tag></And></Filter>';
    const bucket = await pair({ filter, deletes: false });
    const tagged = { 'x-amz-tagging': 't=v' };
    await here.s3.send('PUT', `/${bucket}/a/untagged`, { body: 'x' });
    await here.s3.send('PUT', `/${bucket}/b`, { body: 'x', headers: tagged });
    await here.s3.send('PUT', `/${bucket}/a/tagged`, { body: 'x', headers: tagged });
    await arrived(bucket, 'a/tagged');
    await here.s3.send('DELETE', `/${bucket}/a/tagged`);
    await settled();
    assert.deepEqual((await versions(there, bucket)).all('Key'), ['a/tagged']);
    assert.equal((await get(there, bucket, 'a/tagged')).status, 200);
    const other = await pair({ deletes: false });
    await here.s3.send('PUT', `/${other}/k`, { body: 'x' });
    await arrived(other, 'k');
    await here.s3.send('DELETE', `/${other}/k`);
    await settled();
    assert.equal((await get(there, other, 'k')).status, 200);
  });

  it('has its tags there as they change', async () => {
    const bucket = await pair();
    await here.s3.send('PUT', `/${bucket}/k`, { body: 'x' });
    await arrived(bucket, 'k');
    const tagging = (value: string) =>
      `<Tagging><TagSet><Tag><Key>a</Key><Value>${value}</Value></Tag></TagSet></Tagging>`;
    const body = tagging('1 + 2');
    const md5 = createHash('md5').update(body).digest('base64');
    const tagged = await here.s3.send('PUT', `/${bucket}/k`, {
      query: { tagging: '' },
      body,
      headers: { 'content-md5': md5 },
    });
    assert.equal(tagged.status, 200, tagged.text);
    await until(async () => (await tagsOf(there, bucket, 'k')).join() === 'a=1 + 2', 'the tag');
    await here.s3.send('DELETE', `/${bucket}/k`, { query: { tagging: '' } });
    await until(async () => (await tagsOf(there, bucket, 'k')).length === 0, 'no tag');
    assert.equal((await versions(there, bucket)).all('VersionId').length, 1);
  });

  it('waits for a store that is in trouble, and gives nothing up', async () => {
    const bucket = await pair();
    there.failing = true;
    await here.s3.send('PUT', `/${bucket}/k`, { body: 'kept' });
    await until(() => here.deliverer.status().some(({ lastFailure }) => lastFailure?.includes('503')), 'a failure');
    there.failing = false;
    await arrived(bucket, 'k');
    await settled();
    assert.equal(here.deliverer.status()[0]?.refused, 0);
  });

  it('goes on with what was there when the rules are off', async () => {
    const bucket = await pair();
    await here.s3.send('DELETE', `/${bucket}`, { query: { replication: '' } });
    await here.s3.send('PUT', `/${bucket}/k`, { body: 'x' });
    await settled();
    assert.equal((await get(there, bucket, 'k')).status, 404);
  });

  it('and is replicated to itself by the other is told nothing twice', async () => {
    const bucket = await pair();
    await rules(there, bucket);
    await here.s3.send('PUT', `/${bucket}/from-here`, { body: '1' });
    await there.s3.send('PUT', `/${bucket}/from-there`, { body: '2' });
    await arrived(bucket, 'from-here');
    await arrived(bucket, 'from-there', 200, here);
    await here.s3.send('DELETE', `/${bucket}/from-there`);
    await arrived(bucket, 'from-there', 404);
    await settled();
    await settled(there);
    for (const side of [here, there]) assert.equal((await versions(side, bucket)).all('VersionId').length, 3);
    const back = here.seen.filter((one) => one.includes(`${bucket}/from-here`));
    assert.deepEqual(back, [], 'what came from here is not looked for here');
  });
});

it('tags that change of a replica go back where the rule says so', async () => {
  const bucket = await pair();
  const tag = async (side: Side, value: string) => {
    const body = `<Tagging><TagSet><Tag><Key>a</Key><Value>${value}</Value></Tag></TagSet></Tagging>`;
    const headers = { 'content-md5': createHash('md5').update(body).digest('base64') };
    const done = await side.s3.send('PUT', `/${bucket}/k`, { query: { tagging: '' }, body, headers });
    assert.equal(done.status, 200, done.text);
  };
  await here.s3.send('PUT', `/${bucket}/k`, { body: 'x' });
  await arrived(bucket, 'k');
  await settled();
  await rules(there, bucket);
  await tag(there, 'stays');
  await settled(there);
  assert.deepEqual(await tagsOf(here, bucket, 'k'), []);
  const more =
    '<SourceSelectionCriteria><ReplicaModifications><Status>Enabled</Status></ReplicaModifications></SourceSelectionCriteria>';
  await rules(there, bucket, '<Filter/>', true, more);
  await tag(there, 'goes');
  await until(async () => (await tagsOf(here, bucket, 'k')).join() === 'a=goes', 'the tag');
  await settled(there);
  await settled();
  assert.deepEqual(await tagsOf(there, bucket, 'k'), ['a=goes'], 'and is not sent once more');
  // Its own objects are no replicas: their tags go in either case.
  await tag(here, 'own');
  await until(async () => (await tagsOf(there, bucket, 'k')).join() === 'a=own', 'the tag of the source');
});

describe('what comes a second time', () => {
  const place = (bucket: string) => `arn:dsom:s3::dr:${bucket}`;

  it('is not written again, nor an older version over the newest', async () => {
    const bucket = await pair();
    const ids: string[] = [];
    for (const body of ['first', 'second'])
      ids.push((await here.s3.send('PUT', `/${bucket}/k`, { body })).headers['x-amz-version-id'] as string);
    await until(async () => (await get(there, bucket, 'k')).text === 'second', 'the last version');
    await settled();
    const before = (await versions(there, bucket)).all('VersionId');
    for (const id of ids)
      assert.equal(await here.replicator.made(bucket, place(bucket), Buffer.from('k'), id), 'there');
    assert.deepEqual((await versions(there, bucket)).all('VersionId'), before);
    // A deletion whose key was written again since.
    assert.equal(await here.replicator.removed(bucket, place(bucket), Buffer.from('k')), 'left');
    await here.s3.send('DELETE', `/${bucket}/k`);
    await arrived(bucket, 'k', 404);
    assert.equal(await here.replicator.removed(bucket, place(bucket), Buffer.from('k')), 'there');
    for (const id of ids)
      assert.equal(
        await here.replicator.made(bucket, place(bucket), Buffer.from('k'), id),
        'there',
        'behind its marker',
      );
    assert.equal((await get(there, bucket, 'k')).status, 404);
    assert.equal((await versions(there, bucket)).all('DeleteMarker').length, 1);
    assert.equal(await here.replicator.made(bucket, place(bucket), Buffer.from('never'), undefined), 'left');
  });

  it('with other headers, metadata or tags is written', async () => {
    const bucket = await pair();
    for (const headers of [{}, { 'content-type': 'text/x' }, { 'x-amz-meta-a': 'b' }] as Record<string, string>[]) {
      await here.s3.send('PUT', `/${bucket}/k`, { body: 'same', headers });
      const name = Object.keys(headers)[0] ?? 'etag';
      const { headers: was } = await get(here, bucket, 'k');
      await until(async () => (await get(there, bucket, 'k')).headers[name] === was[name], name);
      await settled();
    }
    await here.s3.send('PUT', `/${bucket}/k`, {
      body: 'same',
      headers: { 'x-amz-meta-a': 'b', 'x-amz-tagging': 'k=v' },
    });
    await until(async () => (await tagsOf(there, bucket, 'k')).join() === 'k=v', 'the tag');
    const tagged = { 'x-amz-meta-a': 'b', 'x-amz-tagging': 'k=w' };
    await here.s3.send('PUT', `/${bucket}/k`, { body: 'same', headers: tagged });
    await settled();
    assert.deepEqual(await tagsOf(there, bucket, 'k'), ['k=w'], 'as many tags, with another value');
    const { length } = there.seen;
    const again = await here.replicator.made(bucket, place(bucket), Buffer.from('k'), undefined);
    assert.deepEqual([again, there.seen.slice(length).some((one) => one.startsWith('PUT'))], ['there', false]);
  });

  it('with a lock that what is there lacks is written', async () => {
    const bucket = await pair({ locking: true });
    await here.s3.send('PUT', `/${bucket}/k`, { body: 'same' });
    await arrived(bucket, 'k');
    const put = async (lock: Record<string, string>) => {
      const headers = { ...lock, 'content-md5': createHash('md5').update('same').digest('base64') };
      const done = await here.s3.send('PUT', `/${bucket}/k`, { body: 'same', headers });
      assert.equal(done.status, 200, done.text);
    };
    const has = async (name: string, value: string) => {
      await settled();
      assert.equal((await get(there, bucket, 'k')).headers[name], value);
    };
    await put({ 'x-amz-object-lock-legal-hold': 'ON' });
    await has('x-amz-object-lock-legal-hold', 'ON');
    const [mode, soon] = ['x-amz-object-lock-mode', new Date(Date.now() + 86_400_000).toISOString()];
    await put({ [mode]: 'GOVERNANCE', 'x-amz-object-lock-retain-until-date': soon });
    await has(mode, 'GOVERNANCE');
  });
});

it('what an object is encrypted with decides whether it goes', async () => {
  const bucket = await pair();
  const key = Buffer.alloc(32, 7);
  const headers = {
    'x-amz-server-side-encryption-customer-algorithm': 'AES256',
    'x-amz-server-side-encryption-customer-key': key.toString('base64'),
    'x-amz-server-side-encryption-customer-key-md5': createHash('md5').update(key).digest('base64'),
  };
  const put = await here.s3.send('PUT', `/${bucket}/theirs`, { body: 'x', headers });
  assert.equal(put.status, 200, put.text);
  const made = (name: string) =>
    here.replicator.made(bucket, `arn:dsom:s3::dr:${bucket}`, Buffer.from(name), undefined);
  await assert.rejects(made('theirs'), { name: 'RefusalError', message: /SSE-C/ });
  await here.s3.send('DELETE', `/${bucket}/theirs`, {
    query: { versionId: put.headers['x-amz-version-id'] as string },
  });
  await settled();
});

it('a key that may not write is told apart from an object that is not taken', async () => {
  const bucket = await pair();
  await here.s3.send('PUT', `/${bucket}/k`, { body: 'x' });
  await arrived(bucket, 'k');
  const stranger = replicatorOf(here, { accessKeyId: 'key-of-nobody' });
  await assert.rejects(stranger.lacks(bucket), /403 InvalidAccessKeyId: its keys are not known there, define it anew/);
  await stranger.close();
  const replicator = replicatorOf(here, { accessKeyId: 'key-readonly' });
  await here.s3.send('PUT', `/${bucket}/k`, { body: 'y' });
  await until(async () => (await get(there, bucket, 'k')).text === 'y', 'the newer one');
  await there.s3.send('DELETE', `/${bucket}/k`);
  await assert.rejects(replicator.made(bucket, `arn:dsom:s3::dr:${bucket}`, Buffer.from('k'), undefined), {
    name: 'Error',
    message: /403 AccessDenied: its key must/,
  });
  await replicator.send({ id: 'test', body: Buffer.from('{"Event":"s3:TestEvent"}') });
  assert.equal(await replicator.lacks('nowhere-at-all'), 'Destination bucket must exist.');
  await there.s3.send('PUT', '/without-versions');
  assert.equal(await replicator.lacks('without-versions'), 'Destination bucket must have versioning enabled.');
  assert.equal(await replicator.lacks(bucket), undefined);
  await replicator.close();
});

it('all of a bucket is compared, and what is missing is sent', async () => {
  const bucket = await pair();
  const { replication } = { replication: '' };
  await here.s3.send('DELETE', `/${bucket}`, { query: { replication } });
  const keys = Array.from({ length: 20 }, (_, at) => `old/${String(at).padStart(2, '0')}`);
  for (const key of keys) {
    await here.s3.send('PUT', `/${bucket}/${key}`, { body: 'older' });
    await here.s3.send('PUT', `/${bucket}/${key}`, { body: key });
  }
  await there.s3.send('PUT', `/${bucket}/${keys[3]}`, { body: keys[3]! });
  await there.s3.send('PUT', `/${bucket}/deleted`, { body: 'x' });
  await here.s3.send('DELETE', `/${bucket}/deleted`);
  await rules(here, bucket);
  const run = async (): Promise<ResyncCounts> => {
    const counts = { looked: 0, sent: 0, there: 0, left: 0, failed: 0, refused: 0 };
    await resync({
      objects: here.store.objects,
      bucket,
      replication: replicationOf(bucket, here.store.objects.configuration(bucket, 'replication') as Buffer),
      replicator: (target) => (target === 'dr' ? here.replicator : undefined),
      counts,
      signal: new AbortController().signal,
      onFailure: (failure) => assert.fail(JSON.stringify(failure)),
    });
    return counts;
  };
  assert.deepEqual(await run(), { looked: 21, sent: 20, there: 1, left: 0, failed: 0, refused: 0 });
  for (const key of keys) assert.equal((await get(there, bucket, key)).text, key);
  assert.equal((await get(there, bucket, 'deleted')).status, 404);
  assert.deepEqual(await run(), { looked: 21, sent: 0, there: 21, left: 0, failed: 0, refused: 0 });
  // What the log could not keep is made up for in the same way.
  await here.replicator.send({ id: 'lost', body: Buffer.from('{"Event":"dsom:EventsLost"}') });
  assert.ok(here.said.includes('resync'));
});

for (const conditional of [true, false])
  it(`what is written while it is compared is the newest there as well, ${conditional ? '' : 'where the store knows no conditions, '}too`, async () => {
    const bucket = await pair();
    there.unconditional = !conditional;
    await here.s3.send('DELETE', `/${bucket}`, { query: { replication: '' } });
    await here.s3.send('PUT', `/${bucket}/k`, { body: 'first' });
    await rules(here, bucket);
    // It is overwritten between the look at it and the end of its write; the event of that comes before.
    let meanwhile: (() => Promise<void>) | undefined = async () => {
      await here.s3.send('PUT', `/${bucket}/k`, { body: 'second' });
      await until(async () => (await get(there, bucket, 'k')).text === 'second', 'the second one');
    };
    const replicator = replicatorOf(here, {
      read: async (request) => {
        await meanwhile?.();
        meanwhile = undefined;
        return here.store.objects.read(request);
      },
    });
    assert.equal(
      await replicator.settle(bucket, `arn:dsom:s3::dr:${bucket}`, Buffer.from('k')),
      conditional ? 'there' : 'sent',
    );
    assert.equal((await get(there, bucket, 'k')).text, 'second');
    await replicator.close();
    there.unconditional = false;
  });
