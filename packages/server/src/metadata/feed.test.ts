import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Change } from './feed.ts';
import { inlinePiece, Rig } from './rig.support.ts';

describe('the change feed', () => {
  it('tells what happened, in the order of the log, when readers can see it', async () => {
    const rig = await Rig.open();
    const bucket = await rig.bucket('bucket', 'enabled');
    const feed = rig.metadata.feed('test', 1);
    const seen: Change[] = [];
    const abort = new AbortController();
    const following = (async () => {
      for await (const change of feed.changes(abort.signal)) {
        for (const event of change.events) {
          if (event.type === 'version.created' && event.record.kind === 'object') {
            assert.ok(rig.reader.byGuk(event.record.guk) || change.position < rig.metadata.statistics().position);
          }
        }
        seen.push(change);
      }
    })();
    const { version } = await rig.put(bucket, 'k', inlinePiece('1'));
    await rig.remove(bucket, 'k');
    await rig.remove(bucket, 'k', version);
    const tags = [['a', 'b']] as const;
    await rig.put(bucket, 'l', inlinePiece('2'));
    await rig.do(
      {
        type: 'object.annotate',
        bucket,
        key: Buffer.from('l'),
        version: undefined,
        guard: undefined,
        change: { tags: { clear: true, set: tags } },
      },
      'version',
    );
    await new Promise((resolve) => setImmediate(resolve));
    const told = seen.flatMap(({ events }) => events.map((event) => event.type));
    assert.deepEqual(told, [
      'bucket.written',
      'version.created',
      'version.created',
      'version.removed',
      'version.created',
      'version.changed',
    ]);
    assert.deepEqual(
      seen.map(({ position }) => position),
      [1, 2, 3, 4, 5, 6],
    );
    const removed = seen[3]!.events[0]!;
    assert.ok(removed.type === 'version.removed' && removed.sequence === version.sequence && !removed.isMarker);
    abort.abort();
    await following;
  });

  it('goes on where it is told, and ends when the shard closes', async () => {
    const rig = await Rig.open();
    for (const name of ['one', 'two', 'three']) await rig.bucket(name);
    const seen: number[] = [];
    const following = (async () => {
      for await (const { position } of rig.metadata.feed('test', 3).changes()) seen.push(position);
    })();
    await rig.bucket('four');
    await rig.metadata.close();
    await following;
    assert.deepEqual(seen, [3, 4]);
  });
});
