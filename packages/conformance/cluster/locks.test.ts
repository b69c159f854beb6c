/* Object lock in a cluster: every shard of a bucket knows it, whichever node is asked, and whoever owns the shard. */
import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { after, before, test } from 'node:test';
import { type Answer, pathOf, send } from '../src/request.ts';
import { Cluster, etcdMissing, until } from './cluster.support.ts';
import { scratchFolder } from './scratch.ts';

const skip = etcdMissing;
let cluster: Cluster;
before(async () => {
  if (skip === false) cluster = await Cluster.start(scratchFolder('cluster-locks'), 3, () => ['--object-shards', '4']);
});
after(async () => {
  await cluster?.stop('SIGKILL');
});

const at = (turn: number): string => cluster.endpoint(turn % 3);
const md5 = (bytes: string | Buffer) => createHash('md5').update(bytes).digest('base64');
const ok = (answer: Answer): Answer => {
  assert.ok(answer.status < 300, answer.text());
  return answer;
};
const names = Array.from({ length: 24 }, (_, i) => `record ${i}`);
const byDefault = (mode: string, days: number) =>
  `<ObjectLockConfiguration><ObjectLockEnabled>Enabled</ObjectLockEnabled><Rule><DefaultRetention><Mode>${mode}</Mode><Days>${days}</Days></DefaultRetention></Rule></ObjectLockConfiguration>`;
const configure = (turn: number, bucket: string, body: string) =>
  send(at(turn), 'PUT', `/${bucket}`, { query: { 'object-lock': '' }, body, headers: { 'content-md5': md5(body) } });
const put = (turn: number, bucket: string, name: string, headers: Record<string, string> = {}) =>
  send(at(turn), 'PUT', pathOf(bucket, name), { body: name, headers: { 'content-md5': md5(name), ...headers } });
const versions = new Map<string, string>();

test('what one node is told to retain, every node and every shard retains', { skip, timeout: 900_000 }, async () => {
  ok(await send(at(0), 'PUT', '/locks', { headers: { 'x-amz-bucket-object-lock-enabled': 'true' } }));
  ok(await configure(1, 'locks', byDefault('COMPLIANCE', 2)));
  for (const [turn, name] of names.entries())
    versions.set(name, ok(await put(turn, 'locks', name)).headers['x-amz-version-id'] as string);
  for (const [turn, name] of names.entries()) {
    const head = await send(at(turn + 1), 'HEAD', pathOf('locks', name));
    assert.equal(head.headers['x-amz-object-lock-mode'], 'COMPLIANCE', name);
    const query = { versionId: versions.get(name) as string };
    const headers = { 'x-amz-bypass-governance-retention': 'true' };
    const refused = await send(at(turn + 2), 'DELETE', pathOf('locks', name), { query, headers });
    assert.deepEqual([refused.status, refused.element('Code')], [403, 'AccessDenied'], refused.text());
  }
  const suspended = '<VersioningConfiguration><Status>Suspended</Status></VersioningConfiguration>';
  const answer = await send(at(2), 'PUT', '/locks', { query: { versioning: '' }, body: suspended });
  assert.equal(answer.element('Code'), 'InvalidBucketState');
});

test('a bucket that is there begins to lock, in every shard at once', { skip, timeout: 900_000 }, async () => {
  ok(await send(at(0), 'PUT', '/later'));
  ok(await put(0, 'later', 'before'));
  const on = '<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>';
  ok(await send(at(1), 'PUT', '/later', { query: { versioning: '' }, body: on }));
  ok(await configure(2, 'later', byDefault('GOVERNANCE', 1)));
  for (const [turn, name] of names.entries()) {
    const query = { versionId: ok(await put(turn, 'later', name)).headers['x-amz-version-id'] as string };
    const remove = (headers: Record<string, string>) =>
      send(at(turn + 1), 'DELETE', pathOf('later', name), { query, headers });
    assert.equal((await remove({})).element('Code'), 'AccessDenied', name);
    assert.equal((await remove({ 'x-amz-bypass-governance-retention': 'true' })).status, 204, name);
  }
});

test('objects with a key of their customer are read through any node', { skip, timeout: 900_000 }, async () => {
  const key = randomBytes(32);
  const headers = {
    'x-amz-server-side-encryption-customer-algorithm': 'AES256',
    'x-amz-server-side-encryption-customer-key': key.toString('base64'),
    'x-amz-server-side-encryption-customer-key-md5': md5(key),
  };
  ok(await send(at(0), 'PUT', '/keys'));
  const body = randomBytes(3_000_000);
  for (const [turn, bytes] of [body.subarray(0, 100), body].entries()) {
    ok(await send(at(turn), 'PUT', pathOf('keys', `k${turn}`), { body: bytes, headers }));
    for (let reader = 0; reader < 3; reader++) {
      assert.ok(ok(await send(at(reader), 'GET', pathOf('keys', `k${turn}`), { headers })).body.equals(bytes));
      assert.equal((await send(at(reader), 'GET', pathOf('keys', `k${turn}`))).element('Code'), 'InvalidRequest');
    }
  }
});

test('a node that owned shards dies, and nothing is unlocked', { skip, timeout: 900_000 }, async () => {
  await cluster.end(0);
  await until('the others own what it owned', 120_000, async () => {
    const tried = await Promise.all(
      names.map((name, turn) => {
        const query = { versionId: versions.get(name) as string };
        const headers = { 'x-amz-bypass-governance-retention': 'true' };
        return send(cluster.endpoint(1 + (turn % 2)), 'DELETE', pathOf('locks', name), { query, headers });
      }),
    );
    for (const answer of tried) assert.ok(answer.status === 403 || answer.status === 503, answer.text());
    return tried.every(({ status }) => status === 403);
  });
});
