/*
 * A bucket that is replicated into a real radosgw: DSOM_TEST_RADOSGW holds its endpoint, and the keys of its first user are those that packages/conformance/s3/radosgw.sh makes
 * (`radosgw.sh start DIRECTORY`).
 */
import assert from 'node:assert/strict';
import { createHash, randomUUID } from 'node:crypto';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import { dsom, until } from '../cluster/cluster.support.ts';
import { scratchFolder } from '../cluster/scratch.ts';
import { pathOf, type RequestOptions, send } from '../src/request.ts';
import { type Server, startServer } from '../src/server.ts';

const radosgw = process.env['DSOM_TEST_RADOSGW'] ?? '';
const skip = radosgw === '' ? 'DSOM_TEST_RADOSGW names no radosgw' : false;
const keys = { accessKeyId: 'RADOSGWFIRST', secretAccessKey: 'radosgw-first-secret' };
const folder = scratchFolder('replication-radosgw');
const MiB = 1024 * 1024;
let server: Server;

type Options = RequestOptions & { readonly expected?: number };
const asked = async (endpoint: string, method: string, at: string, { expected, ...options }: Options) => {
  const { body } = options;
  const md5 = body === undefined ? {} : { 'content-md5': createHash('md5').update(body).digest('base64') };
  const answer = await send(endpoint, method, at, { ...options, headers: { ...md5, ...options.headers } });
  if (expected !== 0)
    assert.equal(answer.status < 300 ? 200 : answer.status, expected ?? 200, `${method} ${at}: ${answer.text()}`);
  return answer;
};
const here = (method: string, at: string, options: Options = {}) => asked(server.endpoint, method, at, options);
const there = (method: string, at: string, options: Options = {}) =>
  asked(radosgw, method, at, { ...keys, region: 'default', ...options });

before(async () => {
  if (skip) return;
  process.env['XDG_CONFIG_HOME'] = path.join(folder, 'config');
  server = await startServer([path.join(folder, 'a')]);
  await profile(keys.secretAccessKey);
  await dsom(server.endpoint, 'replication', 'target', 'add', 'rgw', 'rgw');
});
after(() => server?.stop('SIGKILL'));

const profile = (secret: string) => {
  const account = ['--access-key-id', keys.accessKeyId, '--secret-access-key', secret];
  return dsom(server.endpoint, 'profile', 'add', 'rgw', radosgw, '--region', 'default', ...account);
};

const versioning = '<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>';
const rules = (bucket: string): string =>
  `<ReplicationConfiguration><Role/><Rule><ID>all</ID><Status>Enabled</Status><Priority>1</Priority><Filter/><DeleteMarkerReplication><Status>Enabled</Status></DeleteMarkerReplication><Destination><Bucket>arn:dsom:s3::rgw:${bucket}</Bucket></Destination></Rule></ReplicationConfiguration>`;

async function pair(): Promise<string> {
  const bucket = `r-${randomUUID()}`;
  for (const side of [here, there]) {
    await side('PUT', `/${bucket}`);
    await side('PUT', `/${bucket}`, { query: { versioning: '' }, body: versioning });
  }
  await here('PUT', `/${bucket}`, { query: { replication: '' }, body: rules(bucket) });
  return bucket;
}

const statusOf = async (bucket: string, key: string) =>
  (await here('HEAD', pathOf(bucket, key), { expected: 0 })).headers['x-amz-replication-status'];
const completed = (bucket: string, key: string) =>
  until(`${key} is there`, 60_000, async () => (await statusOf(bucket, key)) === 'COMPLETED');
const put = (bucket: string, key: string, body: Buffer | string, headers: Record<string, string> = {}) =>
  here('PUT', pathOf(bucket, key), { body, headers });

async function upload(bucket: string, key: string, bodies: readonly Buffer[], headers: Record<string, string>) {
  const at = pathOf(bucket, key);
  const begun = await here('POST', at, { query: { uploads: '' }, headers });
  const uploadId = String(begun.element('UploadId'));
  const parts: string[] = [];
  for (const [index, body] of bodies.entries()) {
    const query = { uploadId, partNumber: String(index + 1) };
    const { etag } = (await here('PUT', at, { query, body })).headers;
    parts.push(`<Part><PartNumber>${index + 1}</PartNumber><ETag>${etag}</ETag></Part>`);
  }
  const body = `<CompleteMultipartUpload>${parts.join('')}</CompleteMultipartUpload>`;
  await here('POST', at, { query: { uploadId }, body });
}

const tagging = (value: string) => `<Tagging><TagSet><Tag><Key>k</Key><Value>${value}</Value></Tag></TagSet></Tagging>`;

describe('a bucket that is replicated into a radosgw', { skip, timeout: 600_000 }, () => {
  it('has its versions there in order, with headers, metadata, tags and ETags', async () => {
    const bucket = await pair();
    const key = 'sp ace+%/ä';
    const headers = {
      'content-type': 'text/x-test',
      'cache-control': 'no-cache',
      'content-encoding': 'gzip',
      'x-amz-meta-a': 'b',
      'x-amz-tagging': 'x=y%20z',
    };
    for (const body of ['one', 'two', Buffer.alloc(0), Buffer.alloc(300_000, 7)]) {
      await put(bucket, key, body, headers);
      await completed(bucket, key);
    }
    const [was, now] = [await here('GET', pathOf(bucket, key)), await there('GET', pathOf(bucket, key))];
    assert.ok(now.body.equals(was.body));
    for (const name of ['etag', 'content-type', 'cache-control', 'content-encoding', 'x-amz-meta-a'])
      assert.equal(now.headers[name], was.headers[name], name);
    assert.match((await there('GET', pathOf(bucket, key), { query: { tagging: '' } })).text(), /<Value>y z</);
    const listed = await there('GET', `/${bucket}`, { query: { versions: '' } });
    assert.deepEqual(listed.elements('Size').map(Number), [300_000, 0, 3, 3]);
    await here('PUT', pathOf(bucket, key), { query: { tagging: '' }, body: tagging('changed') });
    await until('the tag', 60_000, async () =>
      (await there('GET', pathOf(bucket, key), { query: { tagging: '' } })).text().includes('changed'),
    );
    await here('DELETE', pathOf(bucket, key), { query: { tagging: '' } });
    await until('no tag', 60_000, async () => {
      const got = await there('GET', pathOf(bucket, key), { query: { tagging: '' }, expected: 0 });
      return got.status === 404 || !got.text().includes('<Tag>');
    });
  });

  it('has uploads there with their parts, whatever checksum they have', async () => {
    const bucket = await pair();
    const bodies = [Buffer.alloc(5 * MiB, 1), Buffer.alloc(6 * MiB, 2), Buffer.from('end')];
    for (const [algorithm, type] of [
      ['', ''],
      ['SHA256', 'COMPOSITE'],
      ['CRC64NVME', 'FULL_OBJECT'],
      ['XXHASH3', 'COMPOSITE'],
    ] as const) {
      const key = `parts ${algorithm}`;
      const about = { 'x-amz-checksum-algorithm': algorithm, 'x-amz-checksum-type': type };
      await upload(bucket, key, bodies, algorithm === '' ? {} : about);
      await completed(bucket, key);
      const [was, now] = [await here('HEAD', pathOf(bucket, key)), await there('GET', pathOf(bucket, key))];
      assert.equal(now.headers.etag, was.headers.etag, key);
      assert.ok(now.body.equals(Buffer.concat(bodies)), key);
    }
    for (const algorithm of ['crc32', 'sha1', 'sha512'] as const) {
      const body = Buffer.from(algorithm);
      await put(bucket, algorithm, body, { 'x-amz-checksum-algorithm': algorithm.toUpperCase() });
      await completed(bucket, algorithm);
      assert.ok((await there('GET', pathOf(bucket, algorithm))).body.equals(body));
    }
    assert.deepEqual((await there('GET', `/${bucket}`, { query: { uploads: '' } })).elements('UploadId'), []);
  });

  it('has its delete markers there, and what is written behind them', async () => {
    const bucket = await pair();
    await put(bucket, 'k', 'one');
    await completed(bucket, 'k');
    await here('DELETE', pathOf(bucket, 'k'));
    await until(
      'the marker',
      60_000,
      async () => (await there('GET', pathOf(bucket, 'k'), { expected: 0 })).status === 404,
    );
    await put(bucket, 'k', 'two');
    await completed(bucket, 'k');
    assert.equal((await there('GET', pathOf(bucket, 'k'))).text(), 'two');
    const listed = await there('GET', `/${bucket}`, { query: { versions: '' } });
    assert.deepEqual(
      [listed.elements('Size').length, listed.text().split('<DeleteMarker>').length - 1],
      [2, 1],
      listed.text(),
    );
  });

  it('is made up for by a comparison, which sends nothing twice', async () => {
    const bucket = await pair();
    await here('DELETE', `/${bucket}`, { query: { replication: '' } });
    for (const key of ['a', 'b', 'c']) await put(bucket, key, key, { 'x-amz-tagging': 'k=v' });
    await upload(bucket, 'parts', [Buffer.alloc(5 * MiB), Buffer.from('x')], {});
    await here('PUT', `/${bucket}`, { query: { replication: '' }, body: rules(bucket) });
    const resync = async () => {
      const lines = await dsom(server.endpoint, 'replication', 'resync', `s3://${bucket}`);
      const { sent, there, failed, refused } = lines.find(({ type }) => type === 'summary') ?? {};
      return { sent, there, failed, refused };
    };
    assert.deepEqual(await resync(), { sent: 4, there: 0, failed: 0, refused: 0 });
    assert.deepEqual(await resync(), { sent: 0, there: 4, failed: 0, refused: 0 });
    for (const key of ['a', 'b', 'c', 'parts']) assert.equal(await statusOf(bucket, key), 'COMPLETED', key);
  });

  it('waits for a key that is right, over kill -9', async () => {
    const bucket = await pair();
    await profile('wrong');
    await dsom(server.endpoint, 'replication', 'target', 'add', 'rgw', 'rgw');
    const lastFailure = async () => {
      await put(bucket, 'waiting', randomUUID());
      return JSON.stringify(await dsom(server.endpoint, 'replication', 'target', 'list'));
    };
    await until('a failure', 60_000, async () => /403/.test(await lastFailure()));
    assert.equal(await statusOf(bucket, 'waiting'), 'PENDING');
    const { port } = server;
    await server.stop('SIGKILL');
    server = await startServer([path.join(folder, 'a')], { port });
    assert.equal(await statusOf(bucket, 'waiting'), 'PENDING');
    await profile(keys.secretAccessKey);
    await dsom(server.endpoint, 'replication', 'target', 'add', 'rgw', 'rgw');
    await completed(bucket, 'waiting');
    const [was, now] = [await here('GET', pathOf(bucket, 'waiting')), await there('GET', pathOf(bucket, 'waiting'))];
    assert.equal(now.text(), was.text());
  });
});
