import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { describe, it } from 'node:test';
import { type ChecksumAlgorithm, digestBytes, digestOf } from '../codec/index.ts';
import { until } from '../host/patience.support.ts';
import { limits } from '../limits.ts';
import { sceneOfTests } from './source.fixture.ts';

const MiB = 1024 ** 2;
const scene = sceneOfTests();

describe('what has not moved is read at its source', () => {
  it('with the checksum that it has there, by whatever algorithm', async () => {
    const { putOld, get, isHere } = scene();
    for (const algorithm of Object.keys(digestBytes) as ChecksumAlgorithm[]) {
      const name = `x-amz-checksum-${algorithm.toLowerCase()}`;
      const body = randomBytes(1000);
      const value = digestOf(algorithm, body).toString('base64');
      await putOld(algorithm, body, { [name]: value });
      for (const when of ['before', 'after']) {
        assert.equal(isHere(algorithm), when === 'after', algorithm);
        const got = await get(algorithm, { 'x-amz-checksum-mode': 'ENABLED' });
        assert.deepEqual([got.body, got.headers[name]], [body, value], `${algorithm} ${when}`);
      }
    }
  });

  it('with its bytes, headers, metadata, tags and ETag, and is here from then on', async () => {
    const { bucket, putOld, get, head, isHere, here, old, between } = scene();
    const body = randomBytes(100_000);
    const etag = await putOld('a/é b', body, {
      'content-type': 'text/x',
      'cache-control': 'no-store',
      'content-encoding': 'gzip',
      'x-amz-meta-one': 'two',
      'x-amz-meta-word': '=?UTF-8?B?w6k=?=',
      'x-amz-tagging': 'k=v&l=w',
      'x-amz-storage-class': 'STANDARD_IA',
      'x-amz-checksum-crc32c': digestOf('CRC32C', body).toString('base64'),
    });
    const there = await old.send('HEAD', `/${bucket}/a/é b`, { headers: { 'x-amz-checksum-mode': 'ENABLED' } });
    const before = await head('a/é b');
    assert.equal(isHere('a/é b'), false, 'a HEAD moves nothing');
    const first = await get('a/é b', { 'x-amz-checksum-mode': 'ENABLED' });
    assert.ok(first.body.equals(body));
    assert.ok(isHere('a/é b'));
    between.seen.length = 0;
    const second = await get('a/é b', { 'x-amz-checksum-mode': 'ENABLED' });
    assert.ok(second.body.equals(body));
    assert.deepEqual(between.seen, [], 'what is here is not asked for elsewhere');
    for (const answer of [before, first, second]) {
      assert.equal(answer.status, 200);
      assert.equal(answer.headers.etag, etag);
      for (const name of [
        'content-length',
        'content-type',
        'cache-control',
        'content-encoding',
        'x-amz-meta-one',
        'x-amz-meta-word',
        'x-amz-tagging-count',
        'x-amz-storage-class',
      ])
        assert.equal(answer.headers[name], there.headers[name], name);
    }
    assert.equal(before.headers['last-modified'], there.headers['last-modified']);
    assert.equal(first.headers['x-amz-checksum-crc32c'], there.headers['x-amz-checksum-crc32c']);
    assert.equal(second.headers['x-amz-checksum-crc32c'], there.headers['x-amz-checksum-crc32c']);
    const tags = await here.send('GET', `/${bucket}/a/é b`, { query: { tagging: '' } });
    assert.deepEqual(
      [tags.all('Key'), tags.all('Value')],
      [
        ['k', 'l'],
        ['v', 'w'],
      ],
    );
  });

  it('streamed and kept meanwhile when it is large', async () => {
    const { putOld, get, isHere, bodies } = scene();
    const body = randomBytes(2 * MiB + 7);
    const etag = await putOld('large', body);
    const first = await get('large');
    assert.ok(first.body.equals(body));
    await until(() => isHere('large'), 'the object here');
    assert.equal(bodies('large').length, 1);
    const second = await get('large');
    assert.deepEqual([second.headers.etag, second.body.equals(body)], [etag, true]);
  });

  it('with the ETag and the parts of an upload', async () => {
    const { bucket, get, isHere, here, old } = scene();
    const parts = [randomBytes(5 * MiB), randomBytes(5 * MiB), randomBytes(1000)];
    const begun = await old.send('POST', `/${bucket}/parts`, { query: { uploads: '' } });
    const uploadId = begun.xml('UploadId') as string;
    const etags: string[] = [];
    for (const [at, body] of parts.entries()) {
      const query = { uploadId, partNumber: String(at + 1) };
      etags.push((await old.send('PUT', `/${bucket}/parts`, { query, body })).headers.etag as string);
    }
    const list = etags.map((one, at) => `<Part><PartNumber>${at + 1}</PartNumber><ETag>${one}</ETag></Part>`).join('');
    await old.send('POST', `/${bucket}/parts`, {
      query: { uploadId },
      body: `<CompleteMultipartUpload>${list}</CompleteMultipartUpload>`,
    });
    const there = await old.send('HEAD', `/${bucket}/parts`);
    const second = () => here.send('GET', `/${bucket}/parts`, { query: { partNumber: '2' } });
    assert.ok((await second()).body.equals(parts[1]!), 'a part before it moved');
    assert.equal(isHere('parts'), false);
    const whole = await get('parts');
    assert.ok(whole.body.equals(Buffer.concat(parts)));
    await until(() => isHere('parts'), 'the object here');
    const moved = await second();
    assert.deepEqual(
      [moved.headers.etag, moved.headers['x-amz-mp-parts-count'], moved.body.equals(parts[1]!)],
      [there.headers.etag, '3', true],
    );
    assert.match(there.headers.etag as string, /-3"$/);
  });

  it('in ranges, which move nothing', async () => {
    const { putOld, get, isHere } = scene();
    const body = randomBytes(70_000);
    const etag = await putOld('r', body);
    const part = await get('r', { range: 'bytes=10-60000' });
    assert.deepEqual(
      [part.status, part.headers['content-range'], part.headers.etag],
      [206, 'bytes 10-60000/70000', etag],
    );
    assert.ok(part.body.equals(body.subarray(10, 60_001)));
    assert.equal((await get('r', { range: 'bytes=70000-' })).code, 'InvalidRange');
    assert.equal((await get('r', { 'if-none-match': etag })).status, 304);
    assert.equal((await get('r', { 'if-match': '"x"' })).status, 412);
    assert.equal(isHere('r'), false);
  });

  it('below a prefix of the source', async () => {
    const { bucket, putOld, get, here, setSource } = scene();
    await putOld('below/x', 'x');
    await putOld('else', 'x');
    await setSource(bucket, { bucket, prefix: 'below/' });
    assert.equal((await get('x')).text, 'x');
    assert.equal((await get('else')).code, 'NoSuchKey');
    const list = await here.send('GET', `/${bucket}`, { query: { 'list-type': '2' } });
    assert.deepEqual(list.all('Key'), ['x']);
  });

  it('once for all who ask for it at the same time', async () => {
    const { putOld, get, bodies, between } = scene();
    await putOld('hot', randomBytes(50_000));
    let release = (): void => {};
    const hold = new Promise<void>((resolve) => (release = resolve));
    between.faults.push({ when: (method) => method === 'GET', hold });
    const asked = Array.from({ length: 20 }, () => get('hot'));
    await until(() => bodies('hot').length > 0, 'a request of the old store');
    release();
    for (const answer of await Promise.all(asked)) assert.equal(answer.body.length, 50_000);
    assert.equal(bodies('hot').length, 1);
    assert.ok(between.seen.length < 10, 'those who ask while it is looked for wait for the same answer');
  });

  it('by no more requests at once than the source is asked', async () => {
    const { putOld, get, between } = scene();
    const keys = Array.from({ length: limits.sourceRequests + 20 }, (_, at) => `k${at}`);
    for (const key of keys) await putOld(key, key);
    between.load.most = 0;
    const answers = await Promise.all(keys.map((key) => get(key)));
    assert.deepEqual(
      answers.map(({ text }) => text),
      keys,
    );
    assert.ok(between.load.most <= limits.sourceRequests, `${between.load.most} at once`);
    assert.ok(between.load.most > 4);
  });
});

describe('what is here counts', () => {
  it('an object that was written here, and a deletion of what has not moved', async () => {
    const { bucket, putOld, get, head, here, between } = scene();
    await putOld('own', 'old');
    await putOld('gone', 'old');
    await here.send('PUT', `/${bucket}/own`, { body: 'new' });
    assert.equal((await get('own')).text, 'new');
    const deleted = await here.send('DELETE', `/${bucket}/gone`);
    assert.deepEqual([deleted.status, deleted.headers['x-amz-delete-marker']], [204, undefined]);
    assert.equal((await get('gone')).code, 'NoSuchKey');
    assert.equal((await head('gone')).status, 404);
    // Also what moved, and was written anew since.
    await here.send('DELETE', `/${bucket}/own`);
    await here.send('DELETE', `/${bucket}/own`);
    assert.equal((await get('own')).code, 'NoSuchKey');
    await here.send('PUT', `/${bucket}/gone`, { body: 'again' });
    assert.equal((await get('gone')).text, 'again');
    await here.send('DELETE', `/${bucket}/gone`, { query: { versionId: 'null' } });
    assert.equal((await get('gone')).code, 'NoSuchKey', 'the deletion of its only version brings nothing back');
    const many = '<Delete><Object><Key>own</Key></Object><Object><Key>never</Key></Object></Delete>';
    const answer = await here.send('POST', `/${bucket}`, {
      query: { delete: '' },
      body: many,
      headers: { 'content-md5': digestOf('MD5', Buffer.from(many)).toString('base64') },
    });
    assert.equal(answer.status, 200, answer.text);
    await putOld('never', 'late');
    assert.equal((await get('never')).code, 'NoSuchKey');
    assert.equal(between.seen.filter((one) => /\/(gone|own|never)/.test(one)).length, 0);
  });

  it('in a bucket with versions, until its marker is taken away', async () => {
    const { bucket, putOld, get, head, here } = scene();
    await putOld('v', 'old');
    await here.send('PUT', `/${bucket}`, {
      query: { versioning: '' },
      body: '<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>',
    });
    const marker = await here.send('DELETE', `/${bucket}/v`);
    assert.equal(marker.headers['x-amz-delete-marker'], 'true');
    assert.equal((await get('v')).code, 'NoSuchKey');
    const versionId = marker.headers['x-amz-version-id'] as string;
    await here.send('DELETE', `/${bucket}/v`, { query: { versionId } });
    assert.equal((await get('v')).text, 'old', 'as in a bucket whose object is below the marker');
    const only = (await head('v')).headers['x-amz-version-id'] as string;
    await here.send('DELETE', `/${bucket}/v`, { query: { versionId: only } });
    assert.equal((await get('v')).code, 'NoSuchKey');
  });

  it('a write or deletion of the same moment wins over what arrives', async () => {
    const { bucket, putOld, get, bodies, here, between, unkept } = scene();
    for (const [key, act, left] of [
      ['w', () => here.send('PUT', `/${bucket}/w`, { body: 'newer' }), 'newer'],
      ['d', () => here.send('DELETE', `/${bucket}/d`), undefined],
    ] as const) {
      await putOld(key, 'older');
      let release = (): void => {};
      const hold = new Promise<void>((resolve) => (release = resolve));
      between.faults.push({ when: (method, url) => method === 'GET' && url.endsWith(`/${key}`), hold });
      const reading = get(key);
      await until(() => bodies(key).length > 0, 'a request of the old store');
      await act();
      release();
      assert.equal((await reading).text, 'older', 'the read began before');
      const now = await get(key);
      assert.equal(now.code === undefined ? now.text : undefined, left);
    }
    assert.deepEqual(unkept, []);
  });

  it('what is done with an object has it here first', async () => {
    const { bucket, putOld, get, head, here } = scene();
    for (const key of ['copied', 'renamed', 'tagged', 'appended', 'matched', 'part']) await putOld(key, 'old');
    const etag = (await head('matched')).headers.etag as string;
    const copy = await here.send('PUT', `/${bucket}/copy`, {
      headers: { 'x-amz-copy-source': `/${bucket}/copied` },
    });
    assert.equal(copy.status, 200, copy.text);
    assert.equal((await get('copy')).text, 'old');
    const tagging = '<Tagging><TagSet><Tag><Key>a</Key><Value>b</Value></Tag></TagSet></Tagging>';
    assert.equal((await here.send('PUT', `/${bucket}/tagged`, { query: { tagging: '' }, body: tagging })).status, 200);
    const appended = { 'x-amz-write-offset-bytes': '3' };
    assert.equal((await here.send('PUT', `/${bucket}/appended`, { headers: appended, body: '+' })).status, 200);
    assert.equal((await get('appended')).text, 'old+');
    const exists = await here.send('PUT', `/${bucket}/matched`, { headers: { 'if-none-match': '*' }, body: 'x' });
    assert.equal(exists.code, 'PreconditionFailed');
    const replaced = await here.send('PUT', `/${bucket}/matched`, { headers: { 'if-match': etag }, body: 'x' });
    assert.equal(replaced.status, 200, replaced.text);
    const fresh = await here.send('PUT', `/${bucket}/fresh`, { headers: { 'if-none-match': '*' }, body: 'x' });
    assert.equal(fresh.status, 200);
    const renamed = await here.send('PUT', `/${bucket}/name`, {
      query: { renameObject: '' },
      headers: { 'x-amz-rename-source': 'renamed' },
    });
    assert.equal(renamed.status, 200, renamed.text);
    assert.equal((await get('name')).text, 'old');
    assert.equal((await get('renamed')).code, 'NoSuchKey', 'the old name does not come back');
  });

  it('and what has moved stays when the source is taken away', async () => {
    const { bucket, putOld, get, clearSource } = scene();
    await putOld('moved', 'old');
    await putOld('left', 'old');
    await get('moved');
    await clearSource(bucket);
    assert.equal((await get('moved')).text, 'old');
    assert.equal((await get('left')).code, 'NoSuchKey');
  });
});
