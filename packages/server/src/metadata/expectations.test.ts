import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { DeleteMarker, ObjectVersion, VersionRecord } from './machine/records.ts';
import { inlinePiece, Rig } from './rig.support.ts';
import { versionScan } from './scan.ts';
import type { Expectation } from './types.ts';

const key = Buffer.from('k');

async function open(versioning: 'off' | 'enabled' | 'suspended' = 'enabled') {
  const rig = await Rig.open();
  const bucket = await rig.bucket('bucket', versioning);
  const put = async (name = key): Promise<ObjectVersion> => {
    rig.host.advance(1000);
    return (await rig.put(bucket, name, inlinePiece('1'))).version;
  };
  const mark = async (name = key): Promise<DeleteMarker> => {
    rig.host.advance(1000);
    return (await rig.remove(bucket, name)).version as DeleteMarker;
  };
  const selector = (version: VersionRecord) =>
    version.isNull ? ('null' as const) : { sequence: version.sequence, nonce: version.nonce };
  const tryDelete = async (version: VersionRecord, expected: Partial<Expectation>, named = true) => {
    const whole = {
      sequence: version.sequence,
      place: 'current',
      dueMs: 0,
      sinceMs: 0,
      newer: 0,
      ...expected,
    } as const;
    const item = { key, version: named ? selector(version) : undefined, guard: undefined, expected: whole };
    const { results } = await rig.do({ type: 'object.delete', bucket, owner: 'o', items: [item] }, 'deleted');
    return results[0]?.error?.code ?? 'done';
  };
  const versions = () => {
    const found: number[] = [];
    versionScan(rig.kv).versions(bucket, undefined, 1000, (_, row) => found.push(row.sequence));
    return found;
  };
  return { rig, bucket, put, mark, tryDelete, versions };
}

describe('a delete that a lifecycle decided', () => {
  it('leaves what is not the newest any more, and what has gone', async () => {
    const { put, tryDelete, versions } = await open();
    const first = await put();
    const second = await put();
    assert.equal(await tryDelete(first, { place: 'current' }, false), 'PreconditionFailed');
    assert.equal(await tryDelete(first, { place: 'current' }), 'PreconditionFailed');
    assert.deepEqual(versions(), [second.sequence, first.sequence]);
    assert.equal(await tryDelete(second, { place: 'current' }), 'done');
    assert.equal(await tryDelete(second, { place: 'current' }), 'PreconditionFailed');
    assert.deepEqual(versions(), [first.sequence]);
  });

  it('leaves what is the newest again', async () => {
    const { put, tryDelete, versions } = await open();
    const first = await put();
    const second = await put();
    await tryDelete(second, { place: 'current' });
    assert.equal(await tryDelete(first, { place: 'noncurrent', sinceMs: 1e15 }), 'PreconditionFailed');
    assert.deepEqual(versions(), [first.sequence]);
  });

  it('waits for the clock of the owner', async () => {
    const { rig, put, tryDelete } = await open();
    const first = await put();
    const now = rig.host.clock.now();
    assert.equal(await tryDelete(first, { dueMs: now + 1 }), 'PreconditionFailed');
    rig.host.advance(1);
    assert.equal(await tryDelete(first, { dueMs: now + 1 }), 'done');
  });

  it('does not believe a clock that was set forward, where objects are locked', async () => {
    const { rig } = await open();
    const about = { name: 'locking', owner: 'o', region: 'r', wrappedKey: Buffer.from('k'), locks: true };
    const { id } = (await rig.do({ type: 'bucket.create', ...about }, 'bucket')).bucket;
    const { version } = await rig.put(id, key, inlinePiece('1'));
    await rig.put(id, key, inlinePiece('2'));
    const { clock } = rig.host;
    const now = clock.now.bind(clock);
    const start = now();
    Object.assign(clock, { now: () => now() + 1e12 });
    const expected = {
      sequence: version.sequence,
      place: 'noncurrent',
      dueMs: start + 5000,
      sinceMs: 2e15,
      newer: 0,
    } as const;
    const named = { sequence: version.sequence, nonce: version.nonce };
    const items = [{ key, version: named, guard: undefined, expected }];
    const remove = async () =>
      (await rig.do({ type: 'object.delete', bucket: id, owner: 'o', items }, 'deleted')).results[0];
    assert.equal((await remove())?.error?.code, 'PreconditionFailed');
    rig.host.advance(5000);
    assert.equal((await remove())?.error, undefined);
  });

  it('counts noncurrent time from the next newer version that is there', async () => {
    const { put, tryDelete } = await open();
    const first = await put();
    const second = await put();
    const third = await put();
    await put();
    const about = { place: 'noncurrent', sinceMs: second.modifiedMs } as const;
    assert.equal(await tryDelete(first, { ...about, sinceMs: second.modifiedMs - 1 }), 'PreconditionFailed');
    await tryDelete(second, { place: 'noncurrent', sinceMs: third.modifiedMs });
    assert.equal(await tryDelete(first, about), 'PreconditionFailed', 'since the third only, as far as is known');
    assert.equal(await tryDelete(first, { ...about, sinceMs: third.modifiedMs }), 'done');
  });

  it('keeps the newer versions that a rule keeps, markers not counted', async () => {
    const { put, mark, tryDelete, versions } = await open();
    const first = await put();
    const second = await put();
    await mark();
    const last = await put();
    const about = { place: 'noncurrent', sinceMs: 1e15 } as const;
    assert.equal(await tryDelete(first, { ...about, newer: 2 }), 'PreconditionFailed');
    assert.equal(await tryDelete(second, { ...about, newer: 1 }), 'PreconditionFailed');
    assert.equal(await tryDelete(first, { ...about, newer: 1 }), 'done');
    assert.equal(versions()[0], last.sequence);
  });

  it('takes a marker only while nothing else of its key is there', async () => {
    const { put, mark, tryDelete, versions } = await open();
    const first = await put();
    const marker = await mark();
    assert.equal(await tryDelete(marker, { place: 'alone' }), 'PreconditionFailed');
    await tryDelete(first, { place: 'noncurrent', sinceMs: 1e15 });
    assert.equal(await tryDelete(marker, { place: 'alone' }), 'done');
    assert.deepEqual(versions(), []);
  });

  it('leaves what was tagged meanwhile', async () => {
    const { rig, bucket, put, tryDelete } = await open();
    const first = await put();
    const tags = { clear: true, set: [['a', 'b']] } as const;
    const about = { type: 'object.annotate', bucket, key, version: undefined, guard: undefined } as const;
    await rig.do({ ...about, change: { tags } }, 'version');
    assert.equal(await tryDelete(first, { tags: [] }), 'PreconditionFailed');
    assert.equal(await tryDelete(first, { tags: [['a', 'c']] }), 'PreconditionFailed');
    assert.equal(await tryDelete(first, { tags: [['a', 'b']] }), 'done');
  });

  it('takes null versions by what they are', async () => {
    const { put, tryDelete, versions } = await open('suspended');
    const first = await put();
    const second = await put();
    assert.deepEqual(versions(), [second.sequence], 'the null version was replaced');
    assert.equal(await tryDelete(first, { place: 'current' }), 'PreconditionFailed');
    assert.equal(await tryDelete(second, { place: 'current' }), 'done');
  });
});

describe('a transition that a lifecycle decided', () => {
  it('changes the class of the version it looked at, and of no other', async () => {
    const { rig, bucket, put } = await open();
    const first = await put();
    const second = await put();
    const move = (version: ObjectVersion, expected: Partial<Expectation>) => {
      const whole = {
        sequence: version.sequence,
        place: 'current',
        dueMs: 0,
        sinceMs: 0,
        newer: 0,
        ...expected,
      } as const;
      const { sequence, nonce } = version;
      const about = { type: 'object.annotate', bucket, key, version: { sequence, nonce }, guard: undefined } as const;
      return rig.do({ ...about, change: { storageClass: 'STANDARD_IA' }, expected: whole }, 'version');
    };
    await assert.rejects(move(first, { place: 'current' }), { code: 'PreconditionFailed' });
    await move(first, { place: 'noncurrent', sinceMs: second.modifiedMs });
    const found = rig.reader.version(bucket, key, { sequence: first.sequence, nonce: first.nonce }) as ObjectVersion;
    assert.deepEqual([found.storageClass, found.modifiedMs], ['STANDARD_IA', first.modifiedMs]);
  });
});

describe('the scan of versions', () => {
  it('gives each version once with its place, whatever the size of its steps', async () => {
    const { rig, bucket, put, mark } = await open();
    const names = ['a', 'aa', 'b'].map((name) => Buffer.from(name));
    for (const name of [0, 1, 2, 0, 2, 0, 1, 2, 2]) await put(names[name]);
    await mark(names[1]);
    await put(names[0]);
    await mark(names[2]);
    await mark(Buffer.from('only a marker'));
    const all = (limit: number) => {
      const found: unknown[] = [];
      const scan = versionScan(rig.kv);
      let cursor: ReturnType<typeof scan.versions>;
      do {
        cursor = scan.versions(bucket, cursor, limit, (name, row, place) =>
          found.push({ name: name.toString(), sequence: row.sequence, isMarker: row.isMarker, ...place }),
        );
      } while (cursor);
      return found;
    };
    const none = Buffer.alloc(0);
    const listing = { bucket, prefix: none, delimiter: none, start: none, limit: 1000, after: undefined };
    const listed = rig.reader.listVersions(listing).items.flatMap((item) => ('record' in item ? [item] : []));
    let above: (typeof listed)[number] | undefined;
    let newer = 0;
    const wanted = listed.map((item, at) => {
      const { record, isLatest } = item;
      if (isLatest) newer = 0;
      const isAlone = isLatest && listed[at + 1]?.isLatest !== false;
      const sinceMs = isLatest ? 0 : above!.record.modifiedMs;
      const place = { isCurrent: isLatest, isAlone, sinceMs, newer };
      if (!isLatest && record.kind === 'object') newer += 1;
      above = item;
      return { name: item.key.toString(), sequence: record.sequence, isMarker: record.kind === 'marker', ...place };
    });
    assert.equal(wanted.length, 13);
    for (const limit of [1, 2, 3, 5, 13, 1000]) assert.deepEqual(all(limit), wanted, `in steps of ${limit}`);
  });
});
