import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { after, before, describe, it } from 'node:test';
import { type ChecksumAlgorithm, digestOf } from '../../codec/index.ts';
import { type Answer, type Harness, startHarness } from './harness.support.ts';
import { type MemoryStore, openMemoryStore } from './store.support.ts';

/* The protocol over the real store: what the object service in maps could get wrong in its favour. */

const MiB = 1024 ** 2;
let store: MemoryStore;
let s3: Harness;

before(async () => {
  store = await openMemoryStore();
  s3 = await startHarness(store.objects, { position: store.position });
  for (const bucket of ['first', 'second']) assert.equal((await s3.send('PUT', `/${bucket}`)).status, 200);
});
after(async () => {
  await s3.close();
  await store.close();
});

const unsigned = { 'x-amz-content-sha256': 'UNSIGNED-PAYLOAD' };
const versioning = (bucket: string, state: string) =>
  s3.send('PUT', `/${bucket}`, {
    query: { versioning: '' },
    body: `<VersioningConfiguration><Status>${state}</Status></VersioningConfiguration>`,
  });

it('bodies that come together have each its own ETag, also beside some that are refused', async () => {
  const bodies = Array.from({ length: 48 }, (_, i) => randomBytes([0, 1, 700, 4096, 4097, 30_000][i % 6] as number));
  const answers = await Promise.all(
    bodies.map((body, i) => {
      const wrong = i % 7 === 3 ? { 'content-md5': digestOf('MD5', Buffer.from('another')).toString('base64') } : {};
      return s3.send('PUT', `/${i % 11 === 5 ? 'nowhere' : 'first'}/together/${i}`, { body, headers: wrong });
    }),
  );
  for (const [i, body] of bodies.entries()) {
    const answer = answers[i] as Answer;
    const refused = i % 11 === 5 ? 404 : i % 7 === 3 ? 400 : 200;
    assert.equal(answer.status, refused, `number ${i}: ${answer.text}`);
    if (refused !== 200) continue;
    assert.equal(answer.headers.etag, `"${digestOf('MD5', body).toString('hex')}"`);
    assert.ok((await s3.send('GET', `/first/together/${i}`)).body.equals(body));
  }
});

describe('objects of every size', () => {
  for (const size of [0, 1, 4096, 4097, 65_536, 65_537, 1_000_000, 9 * MiB + 5]) {
    it(`${size} bytes`, async () => {
      const body = randomBytes(size);
      const put = await s3.send('PUT', `/first/size/${size}`, {
        body,
        headers: { 'x-amz-checksum-crc64nvme': digestOf('CRC64NVME', body).toString('base64') },
      });
      assert.equal(put.status, 200, put.text);
      assert.equal(put.headers.etag, `"${digestOf('MD5', body).toString('hex')}"`);
      const got = await s3.send('GET', `/first/size/${size}`, { headers: { 'x-amz-checksum-mode': 'ENABLED' } });
      assert.ok(got.body.equals(body));
      assert.equal(got.headers['x-amz-checksum-crc64nvme'], digestOf('CRC64NVME', body).toString('base64'));
      if (size < 10) return;
      for (const [start, end] of [
        [0, 0],
        [5, 9],
        [size - 3, size - 1],
        [size >> 1, size - 1],
      ] as const) {
        const part = await s3.send('GET', `/first/size/${size}`, { headers: { range: `bytes=${start}-${end}` } });
        assert.deepEqual([part.status, part.headers['content-range']], [206, `bytes ${start}-${end}/${size}`]);
        assert.ok(part.body.equals(body.subarray(start, end + 1)));
      }
      const wrong = await s3.send('PUT', `/first/size/${size}`, {
        body,
        headers: { ...unsigned, 'content-md5': digestOf('MD5', Buffer.from('x')).toString('base64') },
      });
      assert.equal(wrong.code, 'BadDigest');
      assert.equal(
        (await s3.send('PUT', `/first/size/${size}`, { body, headers: { 'x-amz-content-sha256': '0'.repeat(64) } }))
          .code,
        'XAmzContentSHA256Mismatch',
      );
      assert.ok((await s3.send('GET', `/first/size/${size}`)).body.equals(body), 'a refused write changed nothing');
    });
  }
});

describe('listings', () => {
  it('page through keys and through prefixes', async () => {
    const keys = Array.from({ length: 230 }, (_, i) => `list/${String.fromCharCode(97 + (i % 23))}/${i}`);
    await Promise.all(keys.map((key) => s3.send('PUT', `/second/${key}`, { body: key })));
    for (const size of ['1000', '7']) {
      const seen: string[] = [];
      const prefixes: string[] = [];
      let token: string | undefined;
      do {
        const page: Answer = await s3.send('GET', '/second', {
          query: {
            'list-type': '2',
            prefix: 'list/',
            delimiter: '/',
            'max-keys': size,
            ...(token !== undefined && { 'continuation-token': token }),
          },
        });
        prefixes.push(...page.all('CommonPrefixes').map((inner) => inner.replace(/<\/?Prefix>/g, '')));
        token = page.xml('NextContinuationToken');
      } while (token !== undefined);
      assert.deepEqual(prefixes, [...new Set(keys.map((key) => key.slice(0, 7)))].sort());
      let marker: string | undefined;
      do {
        const page: Answer = await s3.send('GET', '/second', {
          query: { 'max-keys': size === '7' ? '50' : size, ...(marker !== undefined && { marker }) },
        });
        seen.push(...page.all('Key'));
        marker = page.xml('IsTruncated') === 'true' ? seen.at(-1) : undefined;
      } while (marker !== undefined);
      assert.deepEqual(seen, [...keys].sort());
    }
  });
});

describe('versions', () => {
  it('live, are hidden, come back and go', async () => {
    await s3.send('PUT', '/second/v', { body: 'null' });
    await versioning('second', 'Enabled');
    const ids: string[] = [];
    for (const body of ['one', 'two'])
      ids.push(String((await s3.send('PUT', '/second/v', { body })).headers['x-amz-version-id']));
    const marker = await s3.send('DELETE', '/second/v');
    const markerId = String(marker.headers['x-amz-version-id']);
    assert.equal(marker.headers['x-amz-delete-marker'], 'true');
    const gone = await s3.send('GET', '/second/v');
    assert.deepEqual(
      [gone.status, gone.headers['x-amz-delete-marker'], gone.headers['x-amz-version-id']],
      [404, 'true', markerId],
    );
    assert.equal((await s3.send('GET', '/second/v', { query: { versionId: markerId } })).status, 405);
    const listed = await s3.send('GET', '/second', { query: { versions: '', prefix: 'v' } });
    assert.deepEqual(listed.all('VersionId'), [markerId, ids[1], ids[0], 'null']);
    const page = await s3.send('GET', '/second', { query: { versions: '', prefix: 'v', 'max-keys': '2' } });
    const rest = await s3.send('GET', '/second', {
      query: {
        versions: '',
        prefix: 'v',
        'key-marker': page.xml('NextKeyMarker')!,
        'version-id-marker': page.xml('NextVersionIdMarker')!,
      },
    });
    assert.deepEqual([...page.all('VersionId'), ...rest.all('VersionId')], listed.all('VersionId'));
    assert.equal((await s3.send('GET', '/second/v', { query: { versionId: ids[0]! } })).text, 'one');
    await s3.send('DELETE', '/second/v', { query: { versionId: markerId } });
    assert.equal((await s3.send('GET', '/second/v')).text, 'two');
    await versioning('second', 'Suspended');
    const replaced = await s3.send('PUT', '/second/v', { body: 'new null' });
    assert.equal(replaced.headers['x-amz-version-id'], 'null');
    assert.equal((await s3.send('GET', '/second/v', { query: { versionId: 'null' } })).text, 'new null');
    await s3.send('PUT', '/second/v', {
      query: { tagging: '', versionId: ids[0]! },
      body: '<Tagging><TagSet><Tag><Key>old</Key><Value>1</Value></Tag></TagSet></Tagging>',
    });
    assert.equal((await s3.send('GET', '/second/v', { query: { tagging: '', versionId: ids[0]! } })).xml('Key'), 'old');
    assert.equal((await s3.send('GET', '/second/v', { query: { tagging: '' } })).xml('Key'), undefined);
    assert.equal((await s3.send('DELETE', '/second')).code, 'BucketNotEmpty');
  });
});

describe('conditions', () => {
  it('hold for writes and deletes', async () => {
    const put = (headers: Record<string, string>) => s3.send('PUT', '/first/cond', { body: 'x', headers });
    const first = await put({ 'if-none-match': '*' });
    assert.equal(first.status, 200);
    assert.equal((await put({ 'if-none-match': '*' })).code, 'PreconditionFailed');
    assert.equal((await put({ 'if-match': '"0"' })).code, 'PreconditionFailed');
    assert.equal((await put({ 'if-match': String(first.headers.etag) })).status, 200);
    assert.equal(
      (await s3.send('PUT', '/first/none', { body: 'x', headers: { 'if-match': '"0"' } })).code,
      'NoSuchKey',
    );
    const modified = String((await s3.send('HEAD', '/first/cond')).headers['last-modified']);
    const del = (headers: Record<string, string>) => s3.send('DELETE', '/first/cond', { headers });
    assert.equal((await del({ 'x-amz-if-match-size': '2' })).code, 'PreconditionFailed');
    assert.equal(
      (await del({ 'x-amz-if-match-last-modified-time': 'Tue, 14 Nov 2023 22:13:21 GMT' })).code,
      'PreconditionFailed',
    );
    assert.equal(
      (
        await del({
          'if-match': String(first.headers.etag),
          'x-amz-if-match-size': '1',
          'x-amz-if-match-last-modified-time': modified,
        })
      ).status,
      204,
    );
    assert.equal((await s3.send('HEAD', '/first/cond')).status, 404);
  });
});

/** An upload of two parts whose checksums are by one algorithm, and a copy of what it becomes. */
async function keepsParts(algorithm: ChecksumAlgorithm): Promise<void> {
  const header = `x-amz-checksum-${algorithm.toLowerCase()}`;
  const element = `Checksum${algorithm}`;
  const one = randomBytes(5 * MiB);
  const two = randomBytes(1000);
  const begun = await s3.send('POST', '/first/multi', {
    query: { uploads: '' },
    headers: { 'x-amz-checksum-algorithm': algorithm, 'content-type': 'text/x' },
  });
  const uploadId = begun.xml('UploadId')!;
  const parts: string[] = [];
  for (const [number, body] of [
    ['2', one],
    ['5', two],
  ] as const) {
    const put = await s3.send('PUT', '/first/multi', {
      query: { uploadId, partNumber: number },
      body,
      headers: unsigned,
    });
    assert.equal(put.headers[header], digestOf(algorithm, body).toString('base64'));
    parts.push(
      `<Part><PartNumber>${number}</PartNumber><ETag>${put.headers.etag}</ETag><${element}>${put.headers[header]}</${element}></Part>`,
    );
  }
  assert.deepEqual((await s3.send('GET', '/first/multi', { query: { uploadId } })).all('PartNumber'), ['2', '5']);
  assert.deepEqual((await s3.send('GET', '/first', { query: { uploads: '' } })).all('UploadId'), [uploadId]);
  const done = await s3.send('POST', '/first/multi', {
    query: { uploadId },
    body: `<CompleteMultipartUpload>${parts.join('')}</CompleteMultipartUpload>`,
    headers: { 'x-amz-mp-object-size': String(one.length + two.length) },
  });
  assert.equal(done.status, 200, done.text);
  const sum = `${digestOf(algorithm, Buffer.concat([digestOf(algorithm, one), digestOf(algorithm, two)])).toString('base64')}-2`;
  assert.deepEqual([done.xml(element), done.xml('ChecksumType')], [sum, 'COMPOSITE']);
  const got = await s3.send('GET', '/first/multi');
  assert.ok(got.body.equals(Buffer.concat([one, two])));
  assert.equal(got.headers['content-type'], 'text/x');
  const part = await s3.send('GET', '/first/multi', {
    query: { partNumber: '2' },
    headers: { 'x-amz-checksum-mode': 'ENABLED' },
  });
  assert.ok(part.body.equals(two));
  assert.equal(part.headers[header], digestOf(algorithm, two).toString('base64'));
  const attributes = await s3.send('GET', '/first/multi', {
    query: { attributes: '' },
    headers: { 'x-amz-object-attributes': 'ObjectParts,Checksum' },
  });
  assert.deepEqual(
    [attributes.xml('PartsCount'), attributes.all('Size'), attributes.all(element)[1]],
    ['2', [String(one.length), '1000'], digestOf(algorithm, one).toString('base64')],
  );

  const copy = await s3.send('PUT', '/second/copy', { headers: { 'x-amz-copy-source': '/first/multi' } });
  assert.equal(copy.xml('ETag'), String(got.headers.etag).replaceAll('"', '&quot;'));
  await s3.send('DELETE', '/first/multi');
  assert.ok((await s3.send('GET', '/second/copy')).body.equals(got.body));

  const next = (await s3.send('POST', '/first/joined', { query: { uploads: '' } })).xml('UploadId')!;
  const copied = await s3.send('PUT', '/first/joined', {
    query: { uploadId: next, partNumber: '1' },
    headers: { 'x-amz-copy-source': '/second/copy', 'x-amz-copy-source-range': 'bytes=100-1099' },
  });
  assert.equal(copied.status, 200, copied.text);
  await s3.send('POST', '/first/joined', {
    query: { uploadId: next },
    body: `<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>${copied.xml('ETag')}</ETag></Part></CompleteMultipartUpload>`,
  });
  assert.ok((await s3.send('GET', '/first/joined')).body.equals(got.body.subarray(100, 1100)));
}

describe('multipart uploads and copies', () => {
  for (const algorithm of ['SHA256', 'SHA512', 'MD5', 'XXHASH64', 'XXHASH3', 'XXHASH128'] as const)
    it(`keep parts, checksums by ${algorithm} and bytes`, () => keepsParts(algorithm));
});

describe('copies', () => {
  const redirectOf = async (key: string) =>
    (await s3.send('HEAD', `/first/${key}`)).headers['x-amz-website-redirect-location'];
  const copy = (from: string, to: string, headers: Record<string, string> = {}) =>
    s3.send('PUT', `/first/${to}`, { headers: { 'x-amz-copy-source': `/first/${from}`, ...headers } });

  it('have the redirect of their request, not that of their source', async () => {
    const own = { 'x-amz-website-redirect-location': '/there', 'content-type': 'text/x-own' };
    await s3.send('PUT', '/first/from', { body: 'x', headers: own });
    assert.equal((await copy('from', 'without')).status, 200);
    assert.equal(await redirectOf('without'), undefined);
    assert.equal((await s3.send('HEAD', '/first/without')).headers['content-type'], 'text/x-own');
    assert.equal((await copy('from', 'another', { 'x-amz-website-redirect-location': '/else' })).status, 200);
    assert.equal(await redirectOf('another'), '/else');
    assert.equal(
      (await copy('from', 'bad', { 'x-amz-website-redirect-location': 'else' })).code,
      'InvalidRedirectLocation',
    );
  });

  it('take a plus in the name of their source for a space', async () => {
    for (const key of ['a b', 'a+b']) await s3.send('PUT', `/first/${key}`, { body: key });
    for (const [name, key] of [
      ['a+b', 'a b'],
      ['a%2Bb', 'a+b'],
    ] as const) {
      assert.equal((await copy(name, 'plus')).status, 200, name);
      assert.equal((await s3.send('GET', '/first/plus')).text, key);
    }
  });

  it('may be made onto their source to change its redirect, or to say its encryption', async () => {
    await s3.send('PUT', '/first/self', { body: 'x' });
    assert.equal((await copy('self', 'self')).code, 'InvalidRequest');
    assert.equal((await copy('self', 'self', { 'x-amz-website-redirect-location': '/new' })).status, 200);
    assert.equal(await redirectOf('self'), '/new');
    assert.equal((await copy('self', 'self', { 'x-amz-server-side-encryption': 'AES256' })).status, 200);
  });
});

describe('a delete marker named by its version', () => {
  it('is answered with its time, and with what may be done about it', async () => {
    await s3.send('PUT', '/marked');
    await versioning('marked', 'Enabled');
    const versionId = String((await s3.send('DELETE', '/marked/key')).headers['x-amz-version-id']);
    for (const method of ['GET', 'HEAD']) {
      const answer = await s3.send(method, '/marked/key', { query: { versionId } });
      assert.deepEqual([answer.status, answer.headers.allow], [405, 'DELETE']);
      assert.match(String(answer.headers['last-modified']), /GMT$/);
    }
    const hidden = await s3.send('GET', '/marked/key');
    assert.deepEqual([hidden.status, hidden.headers['last-modified']], [404, undefined]);
  });
});

describe('DeleteObjects', () => {
  it('removes many at once', async () => {
    const keys = Array.from({ length: 50 }, (_, i) => `many/${i}`);
    await Promise.all(keys.map((key) => s3.send('PUT', `/first/${key}`, { body: key })));
    const body = `<Delete>${keys.map((key) => `<Object><Key>${key}</Key></Object>`).join('')}<Object><Key>many/0</Key><VersionId>${'0'.repeat(32)}</VersionId></Object></Delete>`;
    const got = await s3.send('POST', '/first', {
      query: { delete: '' },
      body,
      headers: { 'content-md5': digestOf('MD5', Buffer.from(body)).toString('base64') },
    });
    assert.equal(got.status, 200, got.text);
    assert.equal(got.all('Deleted').length, 51, got.text);
    assert.deepEqual((await s3.send('GET', '/first', { query: { prefix: 'many/' } })).all('Key'), []);
  });
});

describe('access control lists', () => {
  const anonymous = async (path: string) => (await s3.send('GET', path, { as: 'anonymous' })).status;
  const readable = { 'x-amz-acl': 'public-read' };

  it('are of the object that was written with them: inline, large, in parts, under its versions', async () => {
    const made = await s3.send('PUT', '/lists', { headers: { 'x-amz-object-ownership': 'ObjectWriter' } });
    assert.equal(made.status, 200, made.text);
    for (const [key, size] of [
      ['inline', 10],
      ['large', MiB],
    ] as const) {
      await s3.send('PUT', `/lists/${key}`, { body: randomBytes(size), headers: readable });
      assert.equal(await anonymous(`/lists/${key}`), 200, key);
      await s3.send('PUT', `/lists/${key}-copy`, { headers: { 'x-amz-copy-source': `/lists/${key}` } });
      assert.equal(await anonymous(`/lists/${key}-copy`), 403, key);
    }
    const parts = { query: { uploads: '' }, headers: readable };
    const uploadId = (await s3.send('POST', '/lists/parts', parts)).xml('UploadId')!;
    const part = await s3.send('PUT', '/lists/parts', { query: { uploadId, partNumber: '1' }, body: 'x' });
    const body = `<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>${part.headers.etag}</ETag></Part></CompleteMultipartUpload>`;
    assert.equal((await s3.send('POST', '/lists/parts', { query: { uploadId }, body })).status, 200);
    assert.equal(await anonymous('/lists/parts'), 200);
    await versioning('lists', 'Enabled');
    const { headers } = await s3.send('PUT', '/lists/inline', { body: 'private' });
    assert.equal(await anonymous('/lists/inline'), 403);
    const id = String(headers['x-amz-version-id']);
    const set = await s3.send('PUT', '/lists/inline', { query: { acl: '', versionId: id }, headers: readable });
    assert.deepEqual([set.status, set.headers['x-amz-version-id']], [200, id]);
    assert.equal(await anonymous('/lists/inline'), 200);
    const old = await s3.send('GET', '/lists/inline', { as: 'anonymous', query: { versionId: 'null' } });
    assert.equal(old.status, 200, 'the older version was public by itself');
    const older = { acl: '', versionId: 'null' };
    assert.equal(
      (await s3.send('PUT', '/lists/inline', { query: older, headers: { 'x-amz-acl': 'private' } })).status,
      200,
    );
    assert.equal(
      (await s3.send('GET', '/lists/inline', { as: 'anonymous', query: { versionId: 'null' } })).status,
      403,
    );
    assert.equal(await anonymous('/lists/inline'), 200);
    // Tags and the list do not know of each other.
    const tagging = '<Tagging><TagSet><Tag><Key>a</Key><Value>b</Value></Tag></TagSet></Tagging>';
    assert.equal((await s3.send('PUT', '/lists/inline', { query: { tagging: '' }, body: tagging })).status, 200);
    assert.equal(await anonymous('/lists/inline'), 200);
    const closed = { query: { acl: '' }, headers: { 'x-amz-acl': 'private' } };
    assert.equal((await s3.send('PUT', '/lists/inline', closed)).status, 200);
    assert.equal(await anonymous('/lists/inline'), 403);
    assert.equal((await s3.send('GET', '/lists/inline', { query: { tagging: '' } })).xml('Key'), 'a');
    assert.equal((await s3.send('GET', '/lists/inline')).text, 'private');
  });
});
