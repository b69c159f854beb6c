/* Configurations of buckets: kept as they were given, gone with their bucket, bounded, and the same in every replica. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { StoreError } from '../errors.ts';
import { memoryKv } from '../kv/index.ts';
import { limits } from '../limits.ts';
import { Cluster } from './cluster.support.ts';
import {
  type ConfigurationKind,
  configurationBytes,
  configurationKindOf,
  configurationKinds,
} from './machine/configurations.ts';
import { decodeEntry } from './machine/entry.ts';
import { features } from './machine/features.ts';
import { tableEnd, tableStart } from './machine/keys.ts';
import type { NodeRecord } from './machine/records.ts';
import { openMetadataReader } from './reader.ts';
import { Rig } from './rig.support.ts';
import { restoreSnapshot, writeSnapshot } from './snapshot.ts';

const every = Object.keys(configurationKinds) as ConfigurationKind[];
/** Documents of the other one are read by the machine: locks.test.ts. */
const kinds = every.filter((kind) => kind !== 'objectLock');
const code = (expected: string) => (error: unknown) => error instanceof StoreError && error.code === expected;
const configure = (rig: Rig, kind: ConfigurationKind, document: Buffer | null, name = 'bucket') =>
  rig.do({ type: 'bucket.configure', name, kind, document }, 'done');
const text = (rig: Rig, kind: ConfigurationKind, name = 'bucket') =>
  rig.reader.configuration(rig.reader.bucket(name)!.id, kind)?.toString();
const rowsOf = (rig: Rig) => [
  ...rig.kv.range({ start: tableStart('configurations'), end: tableEnd('configurations') }),
];
const effectsOf = (rig: Rig) => decodeEntry(rig.log.entries.at(-1)!.payload).map(({ type }) => type);

describe('a configuration of a bucket', () => {
  it('has a number of its own for every kind, below the end of the bucket in its table', () => {
    const numbers = every.map((kind) => configurationKinds[kind].number as number);
    assert.equal(new Set(numbers).size, every.length);
    for (const kind of every) {
      const { number } = configurationKinds[kind];
      assert.ok(number > 0 && number < 0xff);
      assert.equal(configurationKindOf(number), kind);
    }
    for (const number of [0, 200, 255]) assert.throws(() => configurationKindOf(number), /unknown kind/);
  });

  it('of each kind is read as it was written, apart from the others and from other buckets', async () => {
    const rig = await Rig.open();
    await rig.bucket('bucket');
    await rig.bucket('other');
    for (const kind of kinds) await configure(rig, kind, Buffer.from(`of ${kind}`));
    for (const kind of kinds) assert.equal(text(rig, kind), `of ${kind}`);
    for (const kind of kinds) assert.equal(text(rig, kind, 'other'), undefined);
    await configure(rig, 'cors', Buffer.from('new'));
    await configure(rig, 'website', null);
    assert.deepEqual([text(rig, 'cors'), text(rig, 'website'), text(rig, 'policy')], ['new', undefined, 'of policy']);
    await rig.crash();
    assert.deepEqual([text(rig, 'cors'), text(rig, 'website'), text(rig, 'policy')], ['new', undefined, 'of policy']);
  });

  it('goes with its bucket, and a bucket made again under the same name has none', async () => {
    const rig = await Rig.open();
    await rig.bucket('bucket');
    await rig.bucket('stays');
    for (const kind of kinds) await configure(rig, kind, Buffer.from(kind));
    await configure(rig, 'cors', Buffer.from('kept'), 'stays');
    await rig.do({ type: 'bucket.delete', name: 'bucket' }, 'done');
    assert.equal(rowsOf(rig).length, 1);
    await rig.bucket('bucket');
    for (const kind of kinds) assert.equal(text(rig, kind), undefined);
    assert.equal(text(rig, 'cors', 'stays'), 'kept');
  });

  it('that is as wanted already changes nothing, and neither does taking away what is not there', async () => {
    const rig = await Rig.open();
    await rig.bucket('bucket');
    await configure(rig, 'cors', Buffer.from('a'));
    const logged = rig.log.entries.length;
    await configure(rig, 'cors', Buffer.from('a'));
    await configure(rig, 'website', null);
    assert.deepEqual(
      rig.log.entries.slice(logged).flatMap(({ payload }) => decodeEntry(payload)),
      [],
    );
  });

  it('is refused beyond the bytes of its kind, and for a bucket that is not there', async () => {
    const rig = await Rig.open();
    await rig.bucket('bucket');
    for (const kind of kinds) {
      const most = configurationBytes(kind);
      assert.ok(most <= limits.configurationBytes);
      await assert.rejects(configure(rig, kind, Buffer.alloc(most + 1)), code('InvalidRequest'));
      await configure(rig, kind, Buffer.alloc(most, 'x'));
      assert.equal(text(rig, kind)!.length, most);
    }
    await assert.rejects(configure(rig, 'cors', Buffer.from('x'), 'none'), code('NoSuchBucket'));
    await assert.rejects(configure(rig, 'cors', null, 'none'), code('NoSuchBucket'));
    await assert.rejects(configure(rig, 'unknown' as ConfigurationKind, null), code('NotImplemented'));
  });

  it('answers a request that comes again as the first time, and does it once', async () => {
    const rig = await Rig.open();
    await rig.bucket('bucket');
    const [first, second] = [Buffer.alloc(16, 1), Buffer.alloc(16, 2)];
    const put = { type: 'bucket.configure', name: 'bucket', kind: 'cors', document: Buffer.from('a') } as const;
    await rig.metadata.propose(put, first);
    await rig.metadata.propose({ ...put, document: Buffer.from('b') }, second);
    assert.equal((await rig.metadata.propose(put, first)).reply.type, 'done');
    assert.equal(text(rig, 'cors'), 'b', 'the late try does not undo what came after it');
  });

  it('is counted in the digest and is in a snapshot', async () => {
    const rig = await Rig.open();
    await rig.bucket('bucket');
    const before = rig.metadata.digest();
    await configure(rig, 'cors', Buffer.from('counted'));
    const after = rig.metadata.digest();
    assert.notDeepEqual(after, before);
    const kv = memoryKv(rig.host);
    await restoreSnapshot(kv, writeSnapshot(rig.kv));
    const reader = openMetadataReader(kv);
    assert.equal(reader.configuration(reader.bucket('bucket')!.id, 'cors')?.toString(), 'counted');
  });

  it('is read anew after every change, whatever was remembered', async () => {
    const rig = await Rig.open();
    await rig.bucket('bucket');
    for (let i = 0; i < 5; i++) {
      assert.equal(text(rig, 'cors'), i === 0 ? undefined : String(i - 1));
      await configure(rig, 'cors', Buffer.from(String(i)));
      assert.equal(text(rig, 'cors'), String(i));
    }
    await configure(rig, 'cors', null);
    assert.equal(text(rig, 'cors'), undefined);
  });

  it('turns its feature on where one process has the log', async () => {
    const rig = await Rig.open();
    await rig.bucket('bucket');
    await configure(rig, 'cors', Buffer.from('a'));
    assert.deepEqual(effectsOf(rig), ['feature.enable', 'configuration.write']);
    assert.deepEqual(rig.reader.features(), ['configurations']);
  });

  it('waits in a cluster for nodes that do not know it, and then is in every replica', async () => {
    const cluster = new Cluster();
    const leader = await cluster.start();
    const nodeOf = (id: string, known: readonly string[]): NodeRecord => {
      const texts = { id, address: `${id}:1`, apiAddress: `${id}:2`, zone: '', version: '1' };
      return { ...texts, roles: ['metadata'], state: 'active', features: known, incarnation: Buffer.alloc(8, 1) };
    };
    const before = features.filter((name) => name !== 'configurations');
    for (const { name } of cluster.nodes) await leader.propose({ type: 'node.write', node: nodeOf(name, before) });
    const wrappedKey = Buffer.alloc(4);
    await leader.propose({ type: 'bucket.create', name: 'bucket', owner: 'o', region: 'r', wrappedKey });
    const put = { type: 'bucket.configure', name: 'bucket', kind: 'cors', document: Buffer.from('a') } as const;
    await assert.rejects(leader.propose(put), code('NotImplemented'));
    for (const { name } of cluster.nodes) await leader.propose({ type: 'node.write', node: nodeOf(name, features) });
    await leader.propose({ type: 'feature.enable', feature: 'configurations' });
    await leader.propose(put);
    await cluster.settle();
    for (const { replica } of cluster.nodes) {
      const { reader } = replica;
      assert.equal(reader.configuration(reader.bucket('bucket')!.id, 'cors')?.toString(), 'a');
    }
    await cluster.stop();
  });
});
