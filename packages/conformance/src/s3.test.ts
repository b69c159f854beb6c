/* The everyday behaviour of S3 from outside; the finer points are tested beside the handlers. */
import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { test } from 'node:test';
import { pathOf } from './request.ts';
import { target } from './target.ts';

const store = target();
const md5 = (bytes: Uint8Array) => createHash('md5').update(bytes).digest('hex');
const MiB = 1 << 20;

test('buckets: make, head, list, refuse, delete', async () => {
  assert.equal((await store.send('PUT', '/one-bucket')).status, 200);
  assert.equal((await store.send('HEAD', '/one-bucket')).status, 200);
  assert.equal((await store.send('HEAD', '/no-bucket')).status, 404);
  assert.ok((await store.send('GET', '/')).elements('Name').includes('one-bucket'));
  for (const name of ['ab', 'UPPER', 'has_underscore', 'a..b', '-x-', '1.2.3.4', 'x'.repeat(64)])
    assert.equal((await store.send('PUT', `/${name}`)).element('Code'), 'InvalidBucketName', name);
  await store.send('PUT', '/one-bucket/object', { body: 'x' });
  assert.equal((await store.send('DELETE', '/one-bucket')).element('Code'), 'BucketNotEmpty');
  await store.send('DELETE', '/one-bucket/object');
  assert.equal((await store.send('DELETE', '/one-bucket')).status, 204);
  assert.equal((await store.send('DELETE', '/one-bucket')).element('Code'), 'NoSuchBucket');
});

test('objects of every size come back as they were, whole and in ranges', async () => {
  await store.send('PUT', '/sizes');
  for (const size of [
    0,
    1,
    4095,
    4096,
    4097,
    65_535,
    65_536,
    65_537,
    MiB,
    8 * MiB - 1,
    8 * MiB,
    8 * MiB + 1,
    20 * MiB,
  ]) {
    const body = randomBytes(size);
    const put = await store.send('PUT', `/sizes/${size}`, {
      body,
      headers: { 'x-amz-meta-size': String(size), 'content-type': 'text/x-test' },
    });
    assert.equal(put.headers.etag, `"${md5(body)}"`, String(size));
    const got = await store.send('GET', `/sizes/${size}`);
    assert.ok(got.body.equals(body), `${size} bytes`);
    assert.equal(got.headers['x-amz-meta-size'], String(size));
    assert.equal(got.headers['content-type'], 'text/x-test');
    const head = await store.send('HEAD', `/sizes/${size}`);
    assert.equal(head.headers['content-length'], String(size));
    for (const [start, end] of [
      [0, 0],
      [0, 65_535],
      [65_536, 65_536],
      [Math.floor(size / 3), Math.floor(size / 2)],
      [size - 1, size + 100],
    ] as const) {
      const range = await store.send('GET', `/sizes/${size}`, { headers: { range: `bytes=${start}-${end}` } });
      if (start < 0 || start >= size || end < start)
        assert.ok(range.status === 416 || range.status === 200, `${size}: ${start}-${end}: ${range.status}`);
      else {
        assert.equal(range.status, 206);
        assert.ok(range.body.equals(body.subarray(start, end + 1)), `${size}: ${start}-${end}`);
        assert.equal(range.headers['content-range'], `bytes ${start}-${Math.min(end, size - 1)}/${size}`);
      }
    }
  }
});

test('listings page through keys in byte order, with prefixes', async () => {
  await store.send('PUT', '/lists');
  const keys = ['a', 'a/b', 'a/c/d', 'a/c/e', 'b', 'ü', 'ünï/x', '🔑', 'z z', '%41'].sort((x, y) =>
    Buffer.compare(Buffer.from(x), Buffer.from(y)),
  );
  for (const key of keys) await store.send('PUT', pathOf('lists', key), { body: key });
  const found: string[] = [];
  for (let token: string | undefined, first = true; first || token !== undefined; first = false) {
    const page = await store.send('GET', '/lists', {
      query: { 'list-type': '2', 'max-keys': '3', ...(token !== undefined && { 'continuation-token': token }) },
    });
    assert.ok(page.elements('Key').length <= 3);
    found.push(...page.elements('Key'));
    token = page.element('NextContinuationToken');
  }
  assert.deepEqual(found, keys);
  const delimited = await store.send('GET', '/lists', { query: { 'list-type': '2', prefix: 'a/', delimiter: '/' } });
  assert.deepEqual(delimited.elements('Key'), ['a/b']);
  assert.deepEqual(delimited.elements('Prefix').slice(1), ['a/c/']);
  const encoded = await store.send('GET', '/lists', {
    query: { 'list-type': '2', 'encoding-type': 'url', prefix: 'ü' },
  });
  assert.deepEqual(encoded.elements('Key'), ['%C3%BC', '%C3%BCn%C3%AF/x']);
});

test('versioning: every version stays until it is deleted by its id', async () => {
  await store.send('PUT', '/versions');
  await store.send('PUT', '/versions/k', { body: 'null version' });
  const set = (status: string) =>
    store.send('PUT', '/versions', {
      query: { versioning: '' },
      body: `<VersioningConfiguration><Status>${status}</Status></VersioningConfiguration>`,
    });
  assert.equal((await set('Enabled')).status, 200);
  const ids: string[] = [];
  for (const body of ['1', '2'])
    ids.push((await store.send('PUT', '/versions/k', { body })).headers['x-amz-version-id'] as string);
  const marker = await store.send('DELETE', '/versions/k');
  assert.equal(marker.headers['x-amz-delete-marker'], 'true');
  assert.equal((await store.send('GET', '/versions/k')).element('Code'), 'NoSuchKey');
  assert.equal((await store.send('GET', '/versions/k', { query: { versionId: ids[0]! } })).text(), '1');
  assert.equal((await store.send('GET', '/versions/k', { query: { versionId: 'null' } })).text(), 'null version');
  const listed = await store.send('GET', '/versions', { query: { versions: '' } });
  assert.deepEqual(listed.elements('VersionId'), [marker.headers['x-amz-version-id'], ids[1], ids[0], 'null']);
  await store.send('DELETE', '/versions/k', { query: { versionId: marker.headers['x-amz-version-id'] as string } });
  assert.equal((await store.send('GET', '/versions/k')).text(), '2');
  await set('Suspended');
  await store.send('PUT', '/versions/k', { body: 'new null' });
  assert.equal((await store.send('GET', '/versions/k', { query: { versionId: 'null' } })).text(), 'new null');
});

test('multipart: parts in any order, replaced, copied; completed once; aborted', async () => {
  await store.send('PUT', '/parts');
  const create = async (key: string) =>
    (await store.send('POST', `/parts/${key}`, { query: { uploads: '' } })).element('UploadId') as string;
  const id = await create('object');
  const bodies = [randomBytes(5 * MiB), randomBytes(5 * MiB), Buffer.from('tail')];
  const etags: string[] = [];
  await store.send('PUT', '/parts/object', { query: { uploadId: id, partNumber: '2' }, body: 'to be replaced' });
  for (const index of [2, 0, 1])
    etags[index] = (
      await store.send('PUT', '/parts/object', {
        query: { uploadId: id, partNumber: String(index + 1) },
        body: bodies[index]!,
      })
    ).headers.etag as string;
  const list = (tags: readonly string[]) =>
    `<CompleteMultipartUpload>${tags.map((tag, i) => `<Part><PartNumber>${i + 1}</PartNumber><ETag>${tag}</ETag></Part>`).join('')}</CompleteMultipartUpload>`;
  assert.equal(
    (
      await store.send('POST', '/parts/object', { query: { uploadId: id }, body: list(['"0"', ...etags.slice(1)]) })
    ).element('Code'),
    'InvalidPart',
  );
  const done = await store.send('POST', '/parts/object', { query: { uploadId: id }, body: list(etags) });
  const whole = md5(Buffer.concat(bodies.map((body) => Buffer.from(md5(body), 'hex'))));
  assert.equal(done.element('ETag'), `"${whole}-3"`);
  assert.ok((await store.send('GET', '/parts/object')).body.equals(Buffer.concat(bodies)));
  const second = await store.send('GET', '/parts/object', { query: { partNumber: '2' } });
  assert.ok(second.body.equals(bodies[1]!));
  assert.equal(second.headers['x-amz-mp-parts-count'], '3');
  const small = await create('small');
  for (const n of ['1', '2'])
    etags[Number(n) - 1] = (
      await store.send('PUT', '/parts/small', { query: { uploadId: small, partNumber: n }, body: 'too small' })
    ).headers.etag as string;
  assert.equal(
    (await store.send('POST', '/parts/small', { query: { uploadId: small }, body: list(etags.slice(0, 2)) })).element(
      'Code',
    ),
    'EntityTooSmall',
  );
  assert.equal((await store.send('DELETE', '/parts/small', { query: { uploadId: small } })).status, 204);
  assert.equal(
    (await store.send('GET', '/parts/small', { query: { uploadId: small } })).element('Code'),
    'NoSuchUpload',
  );
});

test('what is known and not supported is refused by its name', async () => {
  await store.send('PUT', '/refused');
  for (const [query, operation] of Object.entries({
    metadataTable: 'GetBucketMetadataTableConfiguration',
    replication: 'GetBucketReplication',
    website: 'GetBucketWebsite',
  })) {
    const answer = await store.send('GET', '/refused', { query: { [query]: '' } });
    assert.ok(
      answer.status === 501 ? answer.text().includes(operation) : answer.status === 404,
      `${operation}: ${answer.status} ${answer.text()}`,
    );
  }
  assert.equal((await store.send('GET', '/refused', { query: { session: '' } })).element('Code'), 'NotImplemented');
});

test('storage classes: answered by HEAD and listings, changed by a copy onto itself, refused when nobody has defined them', async () => {
  await store.send('PUT', '/classes');
  const put = (key: string, storageClass: string) =>
    store.send('PUT', `/classes/${key}`, {
      body: randomBytes(100_000),
      headers: { 'x-amz-storage-class': storageClass },
    });
  for (const storageClass of ['STANDARD', 'STANDARD_IA', 'REDUCED_REDUNDANCY'])
    assert.equal((await put(storageClass, storageClass)).status, 200, storageClass);
  for (const unknown of ['GLACIER', 'INTELLIGENT_TIERING', 'standard', 'COOL'])
    assert.equal((await put('x', unknown)).element('Code'), 'InvalidStorageClass', unknown);
  const classOf = async (key: string) =>
    (await store.send('HEAD', `/classes/${key}`)).headers['x-amz-storage-class'] ?? 'STANDARD';
  for (const key of ['STANDARD', 'STANDARD_IA', 'REDUCED_REDUNDANCY']) assert.equal(await classOf(key), key);
  const listed = await store.send('GET', '/classes', { query: { 'list-type': '2' } });
  assert.deepEqual(listed.elements('StorageClass'), ['REDUCED_REDUNDANCY', 'STANDARD', 'STANDARD_IA']);
  const before = await store.send('GET', '/classes/STANDARD');
  const copied = await store.send('PUT', '/classes/STANDARD', {
    headers: { 'x-amz-copy-source': '/classes/STANDARD', 'x-amz-storage-class': 'STANDARD_IA' },
  });
  assert.equal(copied.status, 200, copied.text());
  assert.equal(await classOf('STANDARD'), 'STANDARD_IA');
  assert.ok((await store.send('GET', '/classes/STANDARD')).body.equals(before.body));
  const own = await store.send('PUT', '/classes/own', {
    body: 'x',
    headers: { 'x-amz-storage-class': 'STANDARD_IA', 'x-dsom-redundancy': 'copies=1' },
  });
  assert.equal(own.headers['x-dsom-redundancy'], 'copies=1');
});
