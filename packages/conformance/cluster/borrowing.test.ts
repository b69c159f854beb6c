/* Parts that borrow the bytes of another object, while the node dies that owns their shard. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { after, test } from 'node:test';
import { type Answer, pathOf, send } from '../src/request.ts';
import { Cluster, dsom, etcdMissing, until } from './cluster.support.ts';
import { scratchFolder } from './scratch.ts';
import { answered, Upload } from './uploads.ts';

const skip = etcdMissing;
const MiB = 1024 * 1024;
let cluster: Cluster | undefined;
after(async () => {
  await cluster?.stop('SIGKILL');
});

/** What is in the bucket, by key. */
const kept = new Map<string, Buffer>();

async function check(endpoint: string): Promise<void> {
  const listed = await send(endpoint, 'GET', '/bucket', { query: { 'list-type': '2' } });
  assert.deepEqual(listed.elements('Key'), [...kept.keys()].sort());
  for (const [key, body] of kept) {
    const got = await send(endpoint, 'GET', pathOf('bucket', key));
    assert.ok(got.status === 200 && got.body.equals(body), `${key}: ${got.status}, ${got.body.length} bytes`);
  }
}

test('the owner of a shard is killed while parts borrow: completed, aborted, its source deleted, all is exact and nothing is left', {
  skip,
  timeout: 900_000,
}, async () => {
  cluster = await Cluster.start(scratchFolder('cluster-borrowing'), 3);
  const store = cluster;
  assert.equal((await send(store.endpoint(0), 'PUT', '/bucket')).status, 200);
  // What the kill meets: nothing but parts; a completion on its way; the deletion of the source on its way.
  for (const [round, met] of ['parts', 'completion', 'deletion'].entries()) {
    const owner = await store.owner(1);
    const here = store.endpoint((owner + 1) % 3);
    const whole = randomBytes(20 * MiB);
    const source = `source-${round}`;
    const made = await Upload.begin(here, source);
    for (const start of [0, 10 * MiB]) await made.part(here, whole.subarray(start, start + 10 * MiB));
    assert.equal((await made.complete(here)).status, 200);
    const borrowed = Buffer.concat([whole.subarray(3 * MiB, 13 * MiB), whole.subarray(0, 6 * MiB + 7)]);
    const [completed, aborted, later] = (await Promise.all(
      ['completed', 'aborted', 'later'].map(async (name) => {
        const upload = await Upload.begin(here, `${name}-${round}`);
        await upload.copy(here, source, 3 * MiB, 13 * MiB);
        await upload.copy(here, source, 0, 6 * MiB + 7);
        return upload;
      }),
    )) as [Upload, Upload, Upload];

    const gone = (): Promise<Answer> => send(here, 'DELETE', pathOf('bucket', source));
    const onItsWay = met === 'completion' ? completed.complete(here) : met === 'deletion' ? gone() : undefined;
    await Promise.allSettled([store.end(owner), onItsWay]);
    assert.equal((await answered('it is completed', () => completed.complete(here))).status, 200);
    assert.equal((await answered('it is aborted', () => aborted.abort(here))).status, 204);
    assert.equal((await answered('the source is deleted', gone)).status, 204);
    kept.set(`completed-${round}`, borrowed);
    // Borrowed of what is borrowed, and the lender of both is gone.
    const again = await Upload.begin(here, `again-${round}`);
    await again.copy(here, `completed-${round}`, MiB, 12 * MiB);
    assert.equal((await answered('it is completed', () => again.complete(here))).status, 200);
    kept.set(`again-${round}`, borrowed.subarray(MiB, 12 * MiB));
    await check(here);

    await store.restart(owner);
    assert.equal((await answered('it is completed', () => later.complete(store.endpoint(owner)))).status, 200);
    kept.set(`later-${round}`, borrowed);
    assert.equal((await send(here, 'DELETE', pathOf('bucket', `completed-${round}`))).status, 204);
    kept.delete(`completed-${round}`);
    for (const endpoint of store.endpoints()) await check(endpoint);
  }
  for (const key of kept.keys())
    assert.equal((await send(store.endpoint(0), 'DELETE', pathOf('bucket', key))).status, 204);
  for (const endpoint of store.endpoints())
    await until('no byte is left', 180_000, async () => {
      const rows = await dsom(endpoint, 'fsck');
      const { counts, totals } = rows.at(-1) as { counts: object; totals: Readonly<Record<string, number>> };
      assert.deepEqual(counts, {});
      return totals['stripes'] === 0 && totals['fragments'] === 0 && totals['garbageStripes'] === 0;
    });
});
