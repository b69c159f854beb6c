import assert from 'node:assert/strict';
import { test } from 'node:test';
import { exitCode } from './exit.ts';
import { startStub } from './stub.fixture.ts';

test('the doctor asks once, takes what the server knew last, and tells what it heard where the rest is not answered', async (t) => {
  const stub = await startStub();
  t.after(() => stub.close());
  const asked = new Map<string, number>();
  stub.store.intercept = ({ path, headers }) => {
    asked.set(path, (asked.get(path) ?? 0) + 1);
    if (path.startsWith('/-/health/')) return undefined;
    assert.equal(headers.get('x-dsom-consistency'), 'eventual', path);
    const detail = 'The log engine (etcd) has not answered.';
    const problem = {
      type: 'about:blank',
      title: 'ServiceUnavailable',
      status: 503,
      detail,
      code: 'ServiceUnavailable',
    };
    return Response.json(problem, { status: 503, headers: { 'content-type': 'application/problem+json' } });
  };
  const { code, stdout } = await stub.run(['doctor']);
  assert.notEqual(code, exitCode.ok);
  assert.match(stdout, /✓ health .*\n✓ clock .*\n✗ credentials +The log engine \(etcd\) has not answered/);
  for (const [path, times] of asked) if (!path.startsWith('/-/health/')) assert.equal(times, 1, path);
});

test('space that devices share is counted once', async (t) => {
  const stub = await startStub();
  t.after(() => stub.close());
  const GiB = 2 ** 30;
  const device = (identity: string, fileSystem: string | null) => ({
    identity,
    health: 'good',
    free: 10 * GiB,
    total: 20 * GiB,
    ...(fileSystem !== null && { fileSystem }),
  });
  const space = async (...devices: object[]) => {
    stub.store.intercept = ({ path }) => (path.endsWith('/admin/v1/status') ? Response.json({ devices }) : undefined);
    return /✓ space +(.*)/.exec((await stub.run(['doctor'])).stdout)?.[1];
  };
  assert.equal(
    await space(device('a', '7'), device('b', '7')),
    '10.0 GiB free of 20.0 GiB on 2 devices, which share a file system',
  );
  assert.equal(
    await space(device('a', '7'), device('b', '8'), device('c', '8')),
    '20.0 GiB free of 40.0 GiB on 3 devices, which share 2 file systems',
  );
  // Of an earlier server.
  assert.equal(await space(device('a', null), device('b', null)), '20.0 GiB free of 40.0 GiB on 2 devices');
});
