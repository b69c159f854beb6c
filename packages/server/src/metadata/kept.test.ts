import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { manualHost } from '../host/index.ts';
import { type KvView, memoryKv } from '../kv/index.ts';
import { limits } from '../limits.ts';
import { appliedKey, encodeApplied } from './applied.ts';
import { configurationKinds, encodeConfiguration } from './machine/configurations.ts';
import { keys } from './machine/keys.ts';
import type { StoredBucket } from './machine/records.ts';
import { encodeAccessKey, encodeBucket, encodeGroup } from './machine/rows.ts';
import { openMetadataReader } from './reader.ts';

const bucket: StoredBucket = {
  id: 3,
  name: 'b',
  owner: 'o',
  createdMs: 1,
  region: 'r',
  versioning: 'off',
  tags: [],
  wrappedKey: Buffer.alloc(8),
  consistency: 'strong',
  redundancy: undefined,
};

function store() {
  const kv = memoryKv(manualHost());
  let reads = 0;
  const view: KvView = {
    changeCount: (first) => kv.changeCount(first),
    get(key) {
      reads++;
      return kv.get(key);
    },
    range: (range) => kv.range(range),
    snapshot: () => kv.snapshot(),
    close: () => kv.close(),
  };
  const accessKey = (id: string, role: 'readwrite' | 'readonly') =>
    encodeAccessKey({ id, role, sealedSecret: Buffer.alloc(8), owner: 'o', buckets: [], createdMs: 1, name: '' });
  return {
    kv,
    view,
    reads: () => reads,
    at: (position: number) =>
      kv.commit([
        [appliedKey, encodeApplied({ position, epoch: 1, hash: Buffer.alloc(16), digest: Buffer.alloc(16) })],
      ]),
    write: (id: string, role: 'readwrite' | 'readonly') => kv.commit([[keys.accessKey(id), accessKey(id, role)]]),
    remove: (id: string) => kv.commit([[keys.accessKey(id), undefined]]),
  };
}

describe('what a reader keeps', () => {
  it('is read once until something is committed, and then anew: a key that was taken away is gone at once', () => {
    const { view, reads, at, write, remove } = store();
    at(7);
    write('k', 'readwrite');
    const reader = openMetadataReader(view);
    for (let i = 0; i < 5; i++) {
      assert.equal(reader.position(), 7);
      assert.equal(reader.accessKey('k')?.role, 'readwrite');
    }
    assert.equal(reads(), 2);
    write('k', 'readonly');
    assert.equal(reader.accessKey('k')?.role, 'readonly');
    at(8);
    assert.equal(reader.position(), 8);
    remove('k');
    assert.equal(reader.accessKey('k'), undefined);
    write('k', 'readonly');
    assert.equal(reader.accessKey('k')?.role, 'readonly', 'that there was none is not kept');
  });

  it('is nothing where commits are not told', () => {
    const { view, at, write } = store();
    at(1);
    const reader = openMetadataReader({ ...view, get: view.get, changeCount: () => undefined });
    assert.equal(reader.position(), 1);
    at(2);
    assert.equal(reader.position(), 2);
    write('k', 'readwrite');
    assert.equal(reader.accessKey('k')?.role, 'readwrite');
    write('k', 'readonly');
    assert.equal(reader.accessKey('k')?.role, 'readonly');
  });

  it('is that a bucket has no configuration of any kind, until one is put', () => {
    const { kv, view } = store();
    let asked = 0;
    const reader = openMetadataReader({
      ...view,
      range(range) {
        asked++;
        return kv.range(range);
      },
    });
    const put = (bucket: number, kind: number, text: string | undefined) =>
      kv.commit([
        [keys.configuration(bucket, kind), text === undefined ? undefined : encodeConfiguration(Buffer.from(text))],
      ]);
    const { cors, policy } = configurationKinds;
    for (const kind of ['cors', 'policy', 'acl', 'cors'] as const)
      assert.equal(reader.configuration(7, kind), undefined);
    assert.equal(asked, 1, 'asked once for all kinds');
    put(7, policy.number, 'p');
    put(6, cors.number, 'of another bucket');
    assert.equal(reader.configuration(7, 'policy')?.toString(), 'p');
    assert.equal(reader.configuration(7, 'cors'), undefined);
    assert.equal(reader.configuration(8, 'cors'), undefined);
    put(7, policy.number, undefined);
    assert.equal(reader.configuration(7, 'policy'), undefined);
  });

  it('is the list of groups, until one of them changes, comes or goes', () => {
    const { kv, view, write } = store();
    const put = (id: number, devices: readonly string[] | undefined) =>
      kv.commit([[keys.group(id), devices && encodeGroup({ id, epoch: 1, devices })]]);
    put(1, ['a', 'b']);
    const reader = openMetadataReader(view);
    const ids = () => reader.groups().map(({ id, devices }) => `${id}${devices.join('')}`);
    const groups = reader.groups();
    write('k', 'readwrite');
    assert.equal(reader.groups(), groups, 'nothing of it changed');
    put(1, ['b', 'd']);
    assert.deepEqual(ids(), ['1bd']);
    put(2, ['b', 'c']);
    assert.deepEqual(ids(), ['1bd', '2bc']);
    put(1, undefined);
    assert.deepEqual(ids(), ['2bc']);
  });

  it('is of the tables alone whose commits it hears of', () => {
    const { kv, view, write, at } = store();
    const heard: (number | undefined)[] = [];
    const read: (number | undefined)[] = [];
    const reader = openMetadataReader({
      ...view,
      changeCount(first) {
        heard.push(first);
        return kv.changeCount(first);
      },
      get(key) {
        read.push(key[0]);
        return kv.get(key);
      },
      range(range) {
        read.push(range.start[0]);
        return kv.range(range);
      },
    });
    at(1);
    write('k', 'readwrite');
    kv.commit([
      [keys.bucket(bucket.name), encodeBucket(bucket)],
      [keys.configuration(bucket.id, configurationKinds.cors.number), encodeConfiguration(Buffer.from('c'))],
    ]);
    const looks = [
      () => reader.position(),
      () => reader.bucket(bucket.name)?.id,
      () => reader.accessKey('k')?.id,
      () => reader.configuration(bucket.id, 'cors')?.toString(),
      () => reader.identities.generation(),
      () => reader.quotas.any(),
    ];
    assert.deepEqual(
      looks.map((look) => look()),
      [1, bucket.id, 'k', 'c', 0, false],
    );
    assert.deepEqual(read, heard);
    looks.map((look) => look());
    assert.equal(read.length, 7, 'all of it is kept');
  });

  it('is bounded', () => {
    const { view, write, reads } = store();
    const ids = Array.from({ length: limits.readerRowsKept + 1 }, (_, i) => `k${i}`);
    for (const id of ids) write(id, 'readwrite');
    const reader = openMetadataReader(view);
    for (const id of ids) assert.equal(reader.accessKey(id)?.id, id);
    const before = reads();
    reader.accessKey(ids[0] as string);
    assert.equal(reads(), before + 1, 'the first ones were let go of');
  });
});
