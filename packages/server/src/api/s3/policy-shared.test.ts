import assert from 'node:assert/strict';
import { after, it } from 'node:test';
import { startHarness } from './harness.support.ts';
import { fakeObjects } from './objects.support.ts';

/* Where nodes share a log, what a bucket says may have changed on another node a moment ago. */

const { service } = fakeObjects();
let arrives: Buffer | null | undefined;
const s3 = await startHarness(service, {
  position: () => 1,
  shared: {
    async latest() {
      if (arrives !== undefined) await service.configure('bucket', 'policy', arrives);
      arrives = undefined;
    },
    reached: () => Promise.resolve(),
    moves: () => false,
    levelOf: () => 'strong',
    staleMs: () => 0,
  },
});
after(() => s3.close());
const policy = (Effect: string) =>
  Buffer.from(
    JSON.stringify({
      Version: '2012-10-17',
      Statement: [{ Effect, Principal: '*', Action: 's3:GetObject', Resource: 'arn:aws:s3:::bucket/*' }],
    }),
  );

it('a policy of another node decides the next request at strong, to allow and to deny', async () => {
  await s3.send('PUT', '/bucket');
  await s3.send('PUT', '/bucket/k', { body: 'x' });
  const get = async (as: 'anonymous' | 'root', level = 'strong') =>
    (await s3.send('GET', '/bucket/k', { as, headers: { 'x-dsom-consistency': level } })).status;
  assert.equal(await get('anonymous'), 403);
  arrives = policy('Allow');
  assert.equal(await get('anonymous', 'eventual'), 403, 'eventual: by what is known here');
  assert.equal(await get('anonymous'), 200);
  arrives = policy('Deny');
  assert.equal(await get('root', 'eventual'), 200);
  assert.equal(await get('root'), 403);
  arrives = null;
  assert.equal(await get('root'), 200);
});
