import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { after, before, test } from 'node:test';
import { type ChecksumAlgorithm, digestBytes, digestOf } from '../../codec/index.ts';
import { until } from '../../host/patience.support.ts';
import { exitCode } from '../exit.ts';
import { bin, inherited, keys } from '../server.fixture.ts';
import { runHere } from '../stub.fixture.ts';
import {
  contents,
  environment,
  migrate,
  put,
  putParts,
  type Store,
  startStore,
  versioning,
} from './process.fixture.ts';

let source: Store;
let target: Store;

before(async () => {
  [source, target] = await Promise.all([startStore(), startStore()]);
});
after(() => Promise.all([source.stop(), target.stop()]));

const make = (store: Store, bucket: string, headers: Record<string, string> = {}) =>
  store.s3.send({ method: 'PUT', bucket, headers });
const run = (...parameters: string[]) => migrate(source.endpoint, target.endpoint, parameters);
const same = async (bucket: string) =>
  assert.deepEqual(await contents(target.s3, bucket), await contents(source.s3, bucket));

test('versions come in their order, with delete markers and the null version', async () => {
  await make(source, 'versions');
  await put(source.s3, 'versions', 'before', 'null');
  await put(source.s3, 'versions', 'both', 'null too');
  await versioning(source.s3, 'versions', 'Enabled');
  for (const body of ['one', 'two', 'two', 'three']) await put(source.s3, 'versions', 'both', body);
  await source.s3.send({ method: 'DELETE', bucket: 'versions', key: 'both' });
  await put(source.s3, 'versions', 'both', 'after the marker');
  await put(source.s3, 'versions', 'gone', 'x');
  await source.s3.send({ method: 'DELETE', bucket: 'versions', key: 'gone' });
  await source.s3.send({ method: 'DELETE', bucket: 'versions', key: 'never' });
  const ran = await run('s3://versions');
  assert.equal(ran.code, 0, ran.stderr);
  const { objects, deleteMarkers, present, failed } = ran.rows[0] ?? {};
  assert.deepEqual(
    { objects, deleteMarkers, present, failed },
    { objects: 8, deleteMarkers: 3, present: 0, failed: 0 },
  );
  await same('versions');
  const again = await run('s3://versions');
  assert.deepEqual([again.code, again.rows[0]?.['objects'], again.rows[0]?.['present']], [0, 0, 11]);
  await put(source.s3, 'versions', 'both', 'later');
  await source.s3.send({ method: 'DELETE', bucket: 'versions', key: 'before' });
  const later = await run('s3://versions');
  assert.deepEqual([later.rows[0]?.['objects'], later.rows[0]?.['deleteMarkers']], [1, 1]);
  await same('versions');
});

test('a bucket whose versioning is suspended ends suspended', async () => {
  await make(source, 'suspended');
  await versioning(source.s3, 'suspended', 'Enabled');
  await put(source.s3, 'suspended', 'k', 'one');
  await versioning(source.s3, 'suspended', 'Suspended');
  await put(source.s3, 'suspended', 'k', 'null on top');
  const ran = await run('s3://suspended');
  assert.equal(ran.code, 0, ran.stderr);
  assert.deepEqual(ran.rows[0]?.['notes'], { 'null version that is not the oldest of its key, got an id': 1 });
  const { text } = await target.s3.send({ method: 'GET', bucket: 'suspended', query: { versioning: '' } });
  assert.match(text, /<Status>Suspended</);
  assert.equal((await run('s3://suspended')).rows[0]?.['present'], 2);
});

test('a checksum comes with its object, whatever its algorithm', async () => {
  await make(source, 'summed');
  const algorithms = Object.keys(digestBytes) as ChecksumAlgorithm[];
  const name = (algorithm: string) => `x-amz-checksum-${algorithm.toLowerCase()}`;
  const value = (algorithm: ChecksumAlgorithm) => digestOf(algorithm, Buffer.from('hello')).toString('base64');
  for (const one of algorithms) await put(source.s3, 'summed', one, 'hello', { [name(one)]: value(one) });
  const ran = await run('s3://summed');
  assert.equal(ran.code, 0, ran.stderr);
  for (const one of algorithms) {
    const headers = { 'x-amz-checksum-mode': 'ENABLED' };
    const there = await target.s3.send({ method: 'HEAD', bucket: 'summed', key: one, headers });
    assert.equal(there.headers[name(one)], value(one), one);
  }
});

test('what describes an object comes with it, whatever its key', async () => {
  await make(source, 'described');
  const headers = {
    'content-type': 'text/x-test; charset=utf-8',
    'cache-control': 'max-age=7',
    'content-disposition': 'attachment; filename="a b"',
    'content-encoding': 'x-none',
    'content-language': 'de',
    expires: 'Wed, 21 Oct 2015 07:28:00 GMT',
    'x-amz-meta-plain': 'a  b',
    'x-amz-meta-word': '=?UTF-8?B?Wm/Dqw==?=',
    'x-amz-meta-bytes': 'ZoÃ«',
    'x-amz-tagging': 'a%20b=c%2Bd&e=%C3%A9%40',
    'x-amz-checksum-crc32': 'NhCmhg==',
    'x-amz-storage-class': 'STANDARD_IA',
  };
  const awkward = [
    'a/../b',
    './x',
    '..',
    '/lead',
    'tail/',
    'a//b',
    'sp ace+plus%25',
    'ä🙂',
    "q'()*!~",
    'line\nbreak\u0001',
    '&<>"',
  ];
  for (const key of awkward) await put(source.s3, 'described', key, 'hello', headers);
  await put(source.s3, 'described', 'empty', '');
  const ran = await run('s3://described');
  assert.equal(ran.code, 0, ran.stderr);
  await same('described');
  for (const key of awkward) {
    const [ours, theirs] = await Promise.all(
      [source, target].map(({ s3 }) =>
        s3.send({ method: 'HEAD', bucket: 'described', key, headers: { 'x-amz-checksum-mode': 'ENABLED' } }),
      ),
    );
    for (const name of Object.keys(headers).filter((one) => one !== 'x-amz-tagging'))
      assert.equal(theirs?.headers[name], ours?.headers[name], `${name} of ${key}`);
    assert.equal(ours?.headers['x-amz-checksum-crc32'], 'NhCmhg==');
    const [one, other] = await Promise.all(
      [source, target].map(({ s3 }) => s3.send({ method: 'GET', bucket: 'described', key, query: { tagging: '' } })),
    );
    assert.match(one?.text ?? '', /c\+d/);
    assert.equal(other?.text, one?.text);
  }
});

test('objects of several parts keep their parts and their ETag', async () => {
  await make(source, 'parts');
  const MiB = 1024 * 1024;
  await putParts(source.s3, 'parts', 'uneven', ['a'.repeat(5 * MiB), 'b'.repeat(7 * MiB + 3), 'c']);
  await putParts(source.s3, 'parts', 'single', ['only']);
  const ran = await run('s3://parts');
  assert.equal(ran.code, 0, ran.stderr);
  await same('parts');
  const { text } = await target.s3.send({ method: 'GET', bucket: 'parts', key: 'uneven' });
  assert.ok(text === `${'a'.repeat(5 * MiB)}${'b'.repeat(7 * MiB + 3)}c`);
});

test('locks and configurations come with the bucket', async () => {
  await make(source, 'locked', { 'x-amz-bucket-object-lock-enabled': 'true' });
  const until = new Date(Date.now() + 86_400_000).toISOString();
  const lock = { 'x-amz-object-lock-mode': 'GOVERNANCE', 'x-amz-object-lock-retain-until-date': until };
  const md5 = (text: string) => ({ 'content-md5': createHash('md5').update(text).digest('base64') });
  await put(source.s3, 'locked', 'kept', 'x', { ...lock, ...md5('x') });
  await put(source.s3, 'locked', 'held', 'y', { 'x-amz-object-lock-legal-hold': 'ON', ...md5('y') });
  const documents: Record<string, string> = {
    tagging: '<Tagging><TagSet><Tag><Key>team</Key><Value>a</Value></Tag></TagSet></Tagging>',
    cors: '<CORSConfiguration><CORSRule><AllowedMethod>GET</AllowedMethod><AllowedOrigin>*</AllowedOrigin></CORSRule></CORSConfiguration>',
    lifecycle:
      '<LifecycleConfiguration><Rule><ID>r</ID><Filter><Prefix>tmp/</Prefix></Filter><Status>Enabled</Status><Expiration><Days>9</Days></Expiration></Rule></LifecycleConfiguration>',
    website: '<WebsiteConfiguration><IndexDocument><Suffix>i.html</Suffix></IndexDocument></WebsiteConfiguration>',
    'object-lock':
      '<ObjectLockConfiguration><ObjectLockEnabled>Enabled</ObjectLockEnabled><Rule><DefaultRetention><Mode>GOVERNANCE</Mode><Days>3</Days></DefaultRetention></Rule></ObjectLockConfiguration>',
    policy:
      '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":"*","Action":"s3:GetObject","Resource":"arn:aws:s3:::locked/public/*"}]}',
  };
  for (const [name, body] of Object.entries(documents))
    await source.s3.send({ method: 'PUT', bucket: 'locked', query: { [name]: '' }, headers: md5(body), body });
  const byKey =
    '<ServerSideEncryptionConfiguration><Rule><ApplyServerSideEncryptionByDefault><SSEAlgorithm>aws:kms</SSEAlgorithm><KMSMasterKeyID>alias/theirs</KMSMasterKeyID></ApplyServerSideEncryptionByDefault></Rule></ServerSideEncryptionConfiguration>';
  const encryption = { bucket: 'locked', query: { encryption: '' } };
  await source.s3.send({ ...encryption, method: 'PUT', headers: md5(byKey), body: byKey });
  const ran = await run('s3://locked');
  assert.equal(ran.code, 0, ran.stderr);
  // The key stays behind: no object could be written with its name in the bucket's default.
  assert.match(JSON.stringify(ran.rows[0]?.['notes']), /named key, left out/);
  assert.match((await target.s3.send({ ...encryption, method: 'GET' })).text, /AES256/);
  assert.ok(Number(ran.rows[0]?.['configurations']) >= 6, ran.stdout);
  for (const name of Object.keys(documents)) {
    const [ours, theirs] = await Promise.all(
      [source, target].map(({ s3 }) => s3.send({ method: 'GET', bucket: 'locked', query: { [name]: '' } })),
    );
    assert.equal(theirs?.text, ours?.text, name);
  }
  const kept = await target.s3.send({ method: 'HEAD', bucket: 'locked', key: 'kept' });
  assert.equal(kept.headers['x-amz-object-lock-mode'], 'GOVERNANCE');
  assert.equal(Date.parse(kept.headers['x-amz-object-lock-retain-until-date'] as string), Date.parse(until));
  const held = await target.s3.send({ method: 'HEAD', bucket: 'locked', key: 'held' });
  // The default retention is not there yet when objects are written: what was not retained is not retained now.
  assert.deepEqual(
    [held.headers['x-amz-object-lock-legal-hold'], held.headers['x-amz-object-lock-mode']],
    ['ON', undefined],
  );
  // A lock that cannot be kept is no copy.
  await make(target, 'unlocked');
  const refused = await run('s3://locked', '--as', 'unlocked', '--no-configurations');
  assert.deepEqual([refused.code, refused.rows[0]?.['failed']], [exitCode.failed, 2]);
  assert.deepEqual(await contents(target.s3, 'unlocked'), []);
});

test('what the target has of its own is neither lost nor taken for a copy', async () => {
  for (const store of [source, target]) await make(store, 'mine');
  await put(source.s3, 'mine', 'k', 'from the source');
  await put(source.s3, 'mine', 'fresh', 'x');
  // Within the same second, most likely: nobody can tell which is newer, so it stays.
  await put(target.s3, 'mine', 'k', 'written here since');
  await put(target.s3, 'mine', 'only here', 'x');
  const ran = await run('s3://mine');
  assert.equal(ran.code, exitCode.failed);
  assert.match(ran.stderr, /may be newer: --overwrite/);
  const { objects, failed, onlyAtTarget } = ran.rows[0] as Record<string, number>;
  assert.deepEqual([objects, failed, onlyAtTarget], [1, 1, 1]);
  assert.equal((await target.s3.send({ method: 'GET', bucket: 'mine', key: 'k' })).text, 'written here since');
  assert.equal((await run('s3://mine', '--overwrite')).code, 0);
  assert.equal((await target.s3.send({ method: 'GET', bucket: 'mine', key: 'k' })).text, 'from the source');
  const dry = await run('s3://mine', '--delete', '--dry-run');
  assert.deepEqual([dry.rows[0]?.['deleted'], (await contents(target.s3, 'mine')).length], [1, 3]);
  const removed = await run('s3://mine', '--delete');
  assert.deepEqual([removed.code, removed.rows[0]?.['deleted'], removed.rows[0]?.['onlyAtTarget']], [0, 1, 0]);
  await same('mine');
});

test('an object that only its customer can read is reported, and the others are copied', async () => {
  await make(source, 'customers');
  const key = Buffer.alloc(32, 7);
  await put(source.s3, 'customers', 'secret', 'x', {
    'x-amz-server-side-encryption-customer-algorithm': 'AES256',
    'x-amz-server-side-encryption-customer-key': key.toString('base64'),
    'x-amz-server-side-encryption-customer-key-md5': createHash('md5').update(key).digest('base64'),
  });
  await put(source.s3, 'customers', 'plain', 'x');
  const ran = await run('s3://customers');
  assert.deepEqual([ran.code, ran.rows[0]?.['objects'], ran.rows[0]?.['failed']], [exitCode.failed, 1, 1]);
  assert.match(ran.stderr, /needs the key of its customer/);
});

test('a dry run writes nothing and counts what it would', async () => {
  await make(source, 'dry');
  await put(source.s3, 'dry', 'a/k', '12345');
  await put(source.s3, 'dry', 'b', 'x');
  const ran = await run('s3://dry/a/', '--dry-run');
  assert.deepEqual([ran.code, ran.rows[0]?.['objects'], ran.rows[0]?.['bytes']], [0, 1, 5], ran.stderr);
  await assert.rejects(target.s3.send({ method: 'HEAD', bucket: 'dry' }), { status: 404 });
});

test('what is wrong is said with the next step', async () => {
  const cases: [parameters: string[], code: number, said: RegExp][] = [
    [['s3://nowhere'], exitCode.notFound, /source http.* has no bucket nowhere.*Is this its name there/],
    [['s3://ghost@b'], exitCode.notFound, /there is no profile/],
    [['s3://', '--as', 'x'], exitCode.usage, /--as names one bucket/],
    [['s3://dry', '--parallel', '0'], exitCode.usage, /whole number/],
    [['s3://dry', '--parallel', '9999'], exitCode.usage, /at most/],
    [['s3://dry', '--follow', '--dry-run'], exitCode.usage, /exclude/],
    [['./file'], exitCode.usage, /local path/],
  ];
  for (const [parameters, code, said] of cases) {
    const ran = await run(...parameters);
    assert.equal(ran.code, code, `${parameters.join(' ')}: ${ran.stderr}`);
    assert.match(ran.stderr, said);
  }
  const itself = await migrate(source.endpoint, source.endpoint, ['s3://dry']);
  assert.deepEqual([itself.code, /are the same/.test(itself.stderr)], [exitCode.usage, true]);
  const wrong = await migrate(source.endpoint, target.endpoint, ['s3://dry'], {
    ...keys,
    secretAccessKey: 'wrong-secret',
  });
  assert.equal(wrong.code, exitCode.accessDenied, wrong.stderr);
});

test('a run that was killed is gone on with, and makes no version twice', async () => {
  await make(source, 'killed');
  await versioning(source.s3, 'killed', 'Enabled');
  const body = 'k'.repeat(200_000);
  for (let i = 0; i < 60; i++)
    for (const version of [1, 2]) await put(source.s3, 'killed', `key-${i}`, `${version} ${i} ${body}`);
  const held = async () => (await contents(target.s3, 'killed').catch(() => [])).length;
  for (let kills = 0, before = 0; kills < 2; kills++, before = await held()) {
    const child = spawn(process.execPath, [bin, 'migrate', 's3://killed', '--parallel', '2', '--json'], {
      env: { ...inherited, ...environment(source.endpoint, target.endpoint) },
      stdio: 'ignore',
    });
    const gone = new Promise((resolve) => child.once('exit', (_, signal) => resolve(signal)));
    await until(async () => (await held()) >= before + 5, 'some versions');
    child.kill('SIGKILL');
    assert.equal(await gone, 'SIGKILL', 'it was killed before its end');
    const have = await held();
    assert.ok(have > before && have < 120, `${have} versions`);
  }
  const ran = await run('s3://killed');
  assert.equal(ran.code, 0, ran.stderr);
  const { objects = 0, present = 0 } = ran.rows[0] as Record<string, number>;
  assert.ok(present > 0 && objects > 0 && present + objects === 120, ran.stdout);
  await same('killed');
});

test('--follow brings what is written meanwhile, until it is interrupted', async () => {
  await make(source, 'followed');
  await put(source.s3, 'followed', 'k', 'one');
  const child = spawn(process.execPath, [bin, 'migrate', 's3://followed', '--follow', '--interval', '1s', '--json'], {
    env: { ...inherited, ...environment(source.endpoint, target.endpoint) },
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  let said = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (said += text));
  const gone = new Promise((resolve) => child.once('exit', resolve));
  const at = () => target.s3.send({ method: 'GET', bucket: 'followed', key: 'k' }).catch(() => undefined);
  const holds = (text: string) =>
    until(
      async () => (await at())?.text === text,
      () => `"${text}" at the target: ${said}`,
    );
  await holds('one');
  await new Promise((resolve) => setTimeout(resolve, 50));
  await put(source.s3, 'followed', 'k', 'two');
  await holds('two');
  child.kill('SIGINT');
  assert.ok([0, exitCode.interrupted].includes(Number(await gone)));
  assert.match(said, /"upTo":"20/);
});

test('a bucket is read through to its old store until everything has moved', async () => {
  await make(source, 'through');
  for (const key of ['a', 'b', 'c']) await put(source.s3, 'through', key, `old ${key}`);
  await make(target, 'through');
  const cli = (...parameters: string[]) =>
    runHere(['bucket', 'source', ...parameters, '--json'], environment(source.endpoint, target.endpoint));
  const wrong = await runHere(['bucket', 'source', 'set', 'through', 's3://nowhere'], {
    ...environment(source.endpoint, target.endpoint),
  });
  assert.match(wrong.stderr, /nowhere does not exist/);
  assert.equal((await cli('show', 'through')).code, exitCode.notFound);
  const set = await cli('set', 'through', 's3://through');
  assert.equal(set.code, 0, set.stderr);
  assert.equal(set.rows[0]?.['endpoint'], source.endpoint);
  assert.doesNotMatch(set.stdout, new RegExp(keys.secretAccessKey));
  const read = (key: string) => target.s3.sendOnce({ method: 'GET', bucket: 'through', key });
  assert.equal((await read('a')).text, 'old a');
  await put(target.s3, 'through', 'c', 'new c');
  await target.s3.send({ method: 'DELETE', bucket: 'through', key: 'b' });
  await assert.rejects(read('b'), { code: 'NoSuchKey' });
  await put(source.s3, 'through', 'd', 'old d');
  const shown = await cli('show', 'through');
  assert.deepEqual(shown.rows[0]?.['unmoved'], { keys: 1, first: ['d'], more: false });
  const early = await cli('clear', 'through');
  assert.notEqual(early.code, 0);
  assert.match(early.stderr, /1 keys? of the source have not moved \(d\)/);
  const ran = await run('s3://through', '--read-through');
  assert.equal(ran.code, 0, ran.stderr);
  assert.deepEqual([ran.rows[0]?.['objects'], ran.rows[0]?.['present']], [1, 1]);
  assert.deepEqual(ran.rows[0]?.['notes'], { 'written or deleted at the target since, which counts': 2 });
  assert.equal((await read('c')).text, 'new c');
  const cleared = await cli('clear', 'through');
  assert.equal(cleared.code, 0, cleared.stderr);
  assert.deepEqual(cleared.rows[0], { unmoved: { keys: 0, first: [], more: false }, markers: 1 });
  assert.deepEqual([(await read('d')).text, (await read('a')).text], ['old d', 'old a']);
  await assert.rejects(read('b'), { code: 'NoSuchKey' });
  const { text } = await target.s3.send({ method: 'GET', bucket: 'through', query: { versions: '' } });
  assert.doesNotMatch(text, /DeleteMarker/);
});

test('with --read-through the target is read at once, and an older version is never read there', async () => {
  await make(source, 'at-once');
  await versioning(source.s3, 'at-once', 'Enabled');
  for (const body of ['one', 'two']) await put(source.s3, 'at-once', 'k', body);
  await put(source.s3, 'at-once', 'gone', 'x');
  await source.s3.send({ method: 'DELETE', bucket: 'at-once', key: 'gone' });
  const ran = await run('s3://at-once', '--read-through', '--as', 'here');
  assert.equal(ran.code, 0, ran.stderr);
  assert.deepEqual(await contents(target.s3, 'here'), ['Version k "b8a9f715dbb64fd5c56e7783c6820a61" 3 true id']);
  assert.deepEqual(Object.values(ran.rows[0]?.['notes'] as object), [2]);
  await put(source.s3, 'at-once', 'k', 'three');
  const again = await run('s3://at-once', '--read-through', '--as', 'here');
  assert.equal(again.code, 0, again.stderr);
  const { code, stderr } = await run('s3://at-once', '--read-through', '--overwrite');
  assert.deepEqual([code, /excludes/.test(stderr)], [exitCode.usage, true], stderr);
});
