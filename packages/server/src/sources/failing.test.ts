import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { describe, it } from 'node:test';
import { limits } from '../limits.ts';
import { Feed } from './feed.ts';
import { sceneOfTests } from './source.fixture.ts';

const MiB = 1024 ** 2;
const scene = sceneOfTests();

describe('lists are of both', () => {
  type Listed = { readonly keys: string[]; readonly prefixes: string[] };

  async function list(query: Record<string, string>, version: 1 | 2, pages = 1000): Promise<Listed> {
    const { bucket, here } = scene();
    const found: Listed = { keys: [], prefixes: [] };
    let more: Record<string, string> = {};
    for (let at = 0; at < pages; at++) {
      const asked = { ...query, ...(version === 2 && { 'list-type': '2' }), ...more };
      const page = await here.send('GET', `/${bucket}`, { query: asked });
      assert.equal(page.status, 200, page.text);
      const keys = page.all('Key');
      const prefixes = page.all('CommonPrefixes').map((one) => /<Prefix>(.*)<\/Prefix>/.exec(one)?.[1] ?? '');
      assert.ok(keys.length + prefixes.length <= Number(query['max-keys'] ?? 1000));
      found.keys.push(...keys);
      found.prefixes.push(...prefixes);
      if (page.xml('IsTruncated') !== 'true') return found;
      assert.ok(keys.length + prefixes.length > 0, 'a page that goes on has something');
      const last = [...keys, ...prefixes]
        .sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)))
        .at(-1) as string;
      more = version === 2 ? { 'continuation-token': page.xml('NextContinuationToken') as string } : { marker: last };
    }
    throw new Error('the list does not end');
  }

  it('exactly, whatever the page, prefix and delimiter', async () => {
    const { bucket, putOld, here } = scene();
    const names = ['a', 'a/1', 'a/2', 'b/x/1', 'b/x/2', 'b/y', 'b0', 'c/1', 'd', 'd/', 'd/e/f', 'é/1', 'z', 'ø'];
    const expected = new Set<string>();
    for (const [at, name] of names.entries()) {
      const kind = at % 4;
      if (kind !== 1) await putOld(name, 'old');
      if (kind === 1 || kind === 2) await here.send('PUT', `/${bucket}/${name}`, { body: 'here' });
      if (kind === 3) await here.send('DELETE', `/${bucket}/${name}`);
      else expected.add(name);
    }
    // All that the old store has below g/ is deleted here.
    for (const name of ['g/1', 'g/2']) {
      await putOld(name, 'old');
      await here.send('DELETE', `/${bucket}/${name}`);
    }
    const order = (all: Iterable<string>) => [...all].sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
    for (const prefix of ['', 'a', 'b/', 'd/', 'g'])
      for (const delimiter of ['', '/'])
        for (const [size, version] of [
          ['1', 2],
          ['2', 1],
          ['3', 2],
          ['1000', 1],
        ] as const) {
          const keys: string[] = [];
          const prefixes = new Set<string>();
          for (const name of order(expected)) {
            if (!name.startsWith(prefix)) continue;
            const end = delimiter === '' ? -1 : name.indexOf(delimiter, prefix.length);
            if (end < 0) keys.push(name);
            else prefixes.add(name.slice(0, end + 1));
          }
          const query = { prefix, 'max-keys': size, ...(delimiter !== '' && { delimiter }) };
          assert.deepEqual(
            await list(query, version),
            { keys, prefixes: order(prefixes) },
            JSON.stringify({ query, version }),
          );
        }
    const middle = await here.send('GET', `/${bucket}`, { query: { 'list-type': '2', 'start-after': 'b/x/1' } });
    assert.deepEqual(
      middle.all('Key'),
      order(expected).filter((name) => Buffer.compare(Buffer.from(name), Buffer.from('b/x/1')) > 0),
    );
  });

  it('with sizes, times and ETags as a read says them', async () => {
    const { bucket, putOld, head, here } = scene();
    const etag = await putOld('k', 'four');
    const page = await here.send('GET', `/${bucket}`, { query: { 'list-type': '2' } });
    assert.deepEqual([page.xml('Size'), page.xml('ETag')?.replaceAll('&quot;', '"')], ['4', etag]);
    const modified = (await head('k')).headers['last-modified'] as string;
    assert.equal(Math.floor(Date.parse(page.xml('LastModified') as string) / 1000), Date.parse(modified) / 1000);
  });

  it('and fail when the source does', async () => {
    const { bucket, here, between } = scene();
    await here.send('PUT', `/${bucket}/own`, { body: 'x' });
    between.faults.push({ when: (_, url) => url.includes('list-type'), status: 503 });
    const page = await here.send('GET', `/${bucket}`, { query: { 'list-type': '2' } });
    assert.deepEqual([page.status, page.code], [503, 'ServiceUnavailable']);
  });
});

describe('a source that fails is never a missing object', () => {
  const always = () => true;

  it('whatever it answers', async () => {
    const { get, head, old, between } = scene();
    const body = (code: string) => `<Error><Code>${code}</Code></Error>`;
    for (const [status, code, says] of [
      [500, 'InternalError', /answers 500/],
      [503, 'SlowDown', /answers 503/],
      [403, 'AccessDenied', /must be allowed/],
      [404, 'NoSuchBucket', /does not exist/],
      [404, 'Huh', /answers 404 Huh/],
      [301, 'PermanentRedirect', /not followed/],
      [400, 'BadRequest', /SSE-C|answers 400/],
      [200, '', /cannot be said here|came while/],
    ] as const) {
      between.faults.splice(0, 1, {
        when: always,
        status,
        body: body(code),
        headers: { location: `http://127.0.0.1:${old.port}/` },
      });
      const answer = await get('k');
      assert.deepEqual([answer.status, answer.code], [503, 'ServiceUnavailable'], `${status} ${code}`);
      assert.match(answer.xml('Message') as string, says);
      assert.equal((await head('k')).status, 503);
    }
  });

  it('when it fails once it is asked again', async () => {
    const { putOld, get, between } = scene();
    await putOld('k', 'old');
    between.faults.push({ when: always, status: 503, times: 1 });
    assert.equal((await get('k')).text, 'old');
  });

  it('when it is down', async () => {
    const { bucket, get, setSource } = scene();
    await setSource(bucket, { bucket, endpoint: 'http://127.0.0.1:1' });
    const answer = await get('k');
    assert.deepEqual([answer.status, answer.code], [503, 'ServiceUnavailable']);
    assert.match(answer.text, /ECONNREFUSED/);
  });

  it('when an object goes between two requests', async () => {
    const { putOld, get, between } = scene();
    await putOld('k', 'old');
    between.faults.push({
      when: (method) => method === 'GET',
      status: 404,
      body: '<Error><Code>NoSuchKey</Code></Error>',
    });
    const answer = await get('k');
    assert.deepEqual([answer.status, answer.code], [503, 'ServiceUnavailable']);
  });

  it('and what it sends wrong, short or long is neither sent whole nor kept', async () => {
    const { putOld, get, isHere, between, unkept } = scene();
    for (const [size, fault] of [
      [1000, { spoil: 500 }],
      [1000, { cut: 500 }],
      [1000, { longer: 1 }],
      [2 * MiB, { spoil: 2 * MiB - 1 }],
      [2 * MiB, { cut: MiB }],
      [2 * MiB, { longer: 70_000 }],
    ] as const) {
      const key = `k-${size}-${Object.keys(fault)[0]}`;
      await putOld(key, randomBytes(size));
      between.faults.splice(0, 1, { when: (method) => method === 'GET', ...fault });
      const answer = await get(key).catch(() => undefined);
      assert.notEqual(answer?.status, 200, key);
      if (size <= limits.sourceWholeBytes) assert.equal(answer?.code, 'ServiceUnavailable', key);
      assert.equal(isHere(key), false, key);
      between.faults.length = 0;
      assert.equal((await get(key)).body.length, size, 'and is there again when the source is well');
    }
    unkept.length = 0;
  });

  it('and is not kept before it is known to have ended where it should', async () => {
    const feed = new Feed();
    void feed.give(Buffer.from('whole'));
    const kept = Array.fromAsync(feed.all(5));
    const first = await Promise.race([kept, new Promise((resolve) => setImmediate(resolve, 'it waits'))]);
    assert.equal(first, 'it waits');
    feed.giveUp();
    await assert.rejects(kept, /given up/);
  });

  it('addresses where clouds keep credentials are not spoken to', async () => {
    const { bucket, setSource } = scene();
    for (const endpoint of [
      'http://169.254.169.254',
      'http://2852039166',
      'http://[fe80::1]',
      'http://[::ffff:169.254.169.254]',
      'http://[fd00:ec2::254]',
      'http://0.0.0.0:80',
    ])
      await assert.rejects(setSource(bucket, { endpoint }), { code: 'InvalidArgument' }, endpoint);
    for (const endpoint of ['ftp://x', 'http://u:p@x', 'http://x/path', 'http://x/?q', 'x'])
      await assert.rejects(setSource(bucket, { endpoint }), { code: 'InvalidArgument' }, endpoint);
  });

  it('a bucket that locks has no source', async () => {
    const { here, setSource } = scene();
    await here.send('PUT', '/locking', { headers: { 'x-amz-bucket-object-lock-enabled': 'true' } });
    await assert.rejects(setSource('locking'), { code: 'InvalidBucketState' });
  });
});
