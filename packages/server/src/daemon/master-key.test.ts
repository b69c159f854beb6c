import assert from 'node:assert/strict';
import path from 'node:path';
import { describe, it, test } from 'node:test';
import { sealedUnder } from '../codec/index.ts';
import { type MemoryVolume, memoryVolume, replaceFile } from '../device/index.ts';
import { manualHost, realHost } from '../host/index.ts';
import { until } from '../host/patience.support.ts';
import { bucketKeys, type Keyring, openKeyring } from '../keys/index.ts';
import { limits } from '../limits.ts';
import { masterKeyOf } from '../metadata/index.ts';
import { Rig } from '../metadata/rig.support.ts';
import { keepMasterKey, type MasterKeyDuty, type MasterKeyOptions } from './master-key.ts';
import { countHanging } from './sealed-rows.ts';
import { makeBucket, type OpenStore, openStore, putObject, readObject, scratch } from './store.support.ts';

const alone = (store: OpenStore, changed = () => {}): MasterKeyDuty =>
  keepMasterKey({
    metadata: store.metadata,
    reader: store.metadata.reader,
    keyring: store.keyring,
    host: realHost(),
    node: undefined,
    leads: () => true,
    progressOf: () => undefined,
    async *files() {},
    changed: async () => changed(),
    onEvent: () => {},
    onUnreadable: (kind, name, cause) => assert.fail(`${kind} ${name}: ${String(cause)}`),
    onError: (cause) => assert.fail(String(cause)),
  });

test('a rotation of a store with a thousand buckets is as many entries as its rows need, and no byte of an object', async (t) => {
  const data = path.join(scratch(t), 'data');
  let store = await openStore(data);
  await makeBucket(store);
  await putObject(store, 'k', Buffer.from('bytes'));
  const keys = bucketKeys(store.keyring, realHost().entropy);
  const create = async (name: string) => {
    const wrappedKey = await keys.create(name);
    await store.metadata.propose({ type: 'bucket.create', name, owner: 'o', region: 'r', wrappedKey });
  };
  await Promise.all(Array.from({ length: 999 }, (_, at) => create(`bucket-${at}`)));
  const before = store.metadata.reader.position();
  let duty = alone(store);
  await duty.rotate();
  await until(() => masterKeyOf(store.metadata.reader)?.state === 'sealed', 'the rotation has ended');
  const entries = store.metadata.reader.position() - before;
  t.diagnostic(`${entries} entries`);
  // Four states, one for each batch, and what any start or checkpoint may write besides.
  assert.ok(entries <= 4 + Math.ceil(1000 / limits.resealTogether) + 2, `${entries} entries`);
  assert.equal((await duty.status()).hanging.total, 0);
  for (const { wrappedKey } of store.metadata.reader.buckets('', 1000).items) assert.equal(sealedUnder(wrappedKey), 2);
  await duty.remove(true);
  await until(
    () => store.keyring.oldest === 2 && masterKeyOf(store.metadata.reader)?.state === 'sealed',
    'the older key is gone',
  );
  assert.deepEqual(await readObject(store, 'k'), Buffer.from('bytes'));
  await duty.stop();
  await store.close();
  store = await openStore(data);
  duty = alone(store);
  assert.deepEqual(await readObject(store, 'k'), Buffer.from('bytes'));
  await duty.stop();
  await store.close();
});

/** Nodes with keyrings of their own over one log; some may be away. */
class Nodes {
  readonly host = manualHost(3);
  readonly names = ['a', 'b', 'c'];
  readonly keyrings = new Map<string, Keyring>();
  readonly volumes = new Map<string, MemoryVolume>();
  readonly duties = new Map<string, MasterKeyDuty>();
  readonly errors: string[] = [];
  rig!: Rig;

  async open(): Promise<void> {
    this.rig = await Rig.open(3, 0);
    const first = memoryVolume();
    const keyring = await openKeyring({ volume: first, host: this.host, create: true });
    for (const name of this.names) {
      const volume = memoryVolume();
      await replaceFile(volume, 'keyring', keyring.file());
      this.volumes.set(name, volume);
      await this.rig.metadata.propose({
        type: 'node.write',
        node: {
          id: name,
          address: `${name}:7000`,
          apiAddress: `${name}:9000`,
          zone: '',
          roles: ['metadata'],
          state: 'active',
          version: '1',
          features: ['settings', 'masterKeys'],
          incarnation: Buffer.alloc(8, 1),
        },
      });
    }
  }

  /** @param more what is put in the place of what a server does */
  async start(name: string, more: Partial<MasterKeyOptions> = {}): Promise<MasterKeyDuty> {
    const host = manualHost(name.charCodeAt(0));
    const keyring = await openKeyring({ volume: this.volumes.get(name)!, host, create: false });
    this.keyrings.set(name, keyring);
    const others = () => [...this.duties].filter(([other]) => other !== name);
    const { keyrings } = this;
    const duty = keepMasterKey({
      metadata: this.rig.metadata,
      reader: this.rig.reader,
      keyring,
      host: this.host,
      node: name,
      leads: () => name === 'a',
      progressOf: (other) => this.duties.get(other)?.progress(),
      async *files() {
        for (const [other] of others()) yield keyrings.get(other)!.file();
      },
      changed: async () => {},
      onEvent: () => {},
      onUnreadable: (kind, id) => void this.errors.push(`${kind} ${id}`),
      onError: (cause) => void this.errors.push(String(cause)),
      ...more,
    });
    this.duties.set(name, duty);
    return duty;
  }

  async end(name: string): Promise<void> {
    const stopped = this.duties.get(name)!.stop();
    this.duties.delete(name);
    await this.settle();
    await stopped;
  }

  async settle(): Promise<void> {
    for (let turn = 0; turn < 200; turn++) await new Promise((resolve) => setImmediate(resolve));
  }

  /** Every row opens on every node that runs: nobody seals with what another lacks. */
  async check(): Promise<void> {
    for (const { name, wrappedKey } of this.rig.reader.buckets('', 1000).items)
      for (const keyring of this.keyrings.values()) await bucketKeys(keyring, this.host.entropy).open(name, wrappedKey);
  }

  /** A second, in which every node makes a bucket. */
  async second(made: (name: string) => Promise<unknown> = () => Promise.resolve()): Promise<void> {
    this.host.advance(limits.authorityMs);
    await this.settle();
    for (const name of this.duties.keys()) await made(name);
    await this.check();
  }

  #made = 0;
  async make(node: string): Promise<void> {
    const name = `bucket-${++this.#made}`;
    const wrappedKey = await bucketKeys(this.keyrings.get(node)!, this.host.entropy).create(name);
    await this.rig.metadata.propose({ type: 'bucket.create', name, owner: 'o', region: 'r', wrappedKey });
  }

  stateNow(): string | undefined {
    return masterKeyOf(this.rig.reader)?.state;
  }

  async stop(): Promise<void> {
    for (const name of this.duties.keys()) await this.end(name);
  }
}

describe('a rotation over several nodes', () => {
  it('waits for a node that is away before anybody seals with the new key, and ends when it is back', async () => {
    const nodes = new Nodes();
    await nodes.open();
    for (const name of nodes.names) await nodes.start(name);
    for (const name of nodes.names) await nodes.make(name);
    await nodes.end('c');
    const asked = nodes.duties.get('b')!.rotate();
    await nodes.second();
    assert.deepEqual((await asked).state, 'spreading');
    for (let at = 0; at < 5; at++) await nodes.second((name) => nodes.make(name));
    assert.equal(nodes.stateNow(), 'spreading');
    const status = nodes.duties.get('a')!.status();
    await nodes.settle();
    nodes.host.advance(1);
    await nodes.settle();
    assert.deepEqual((await status).waitsFor, ['c']);
    assert.deepEqual(
      [...nodes.keyrings.values()].map(({ active }) => active),
      [1, 1, 1],
    );
    await nodes.start('c');
    for (let at = 0; at < 30 && nodes.stateNow() !== 'sealed'; at++) await nodes.second((name) => nodes.make(name));
    assert.equal(nodes.stateNow(), 'sealed');
    assert.deepEqual(
      [...nodes.keyrings.values()].map(({ active }) => active),
      [2, 2, 2],
    );
    for (const { wrappedKey } of nodes.rig.reader.buckets('', 1000).items) assert.equal(sealedUnder(wrappedKey), 2);
    await nodes.stop();
    assert.deepEqual(nodes.errors, []);
  });

  it('removes no key from a node on which something hangs there', async () => {
    const nodes = new Nodes();
    await nodes.open();
    let hangs = true;
    const own = { hangs: () => hangs, reseal: async () => {} };
    for (const name of nodes.names) await nodes.start(name, name === 'b' ? { own } : {});
    const asked = nodes.duties.get('a')!.rotate();
    for (let at = 0; at < 20 && nodes.stateNow() !== 'sealed'; at++) await nodes.second();
    await asked;
    await nodes.second();
    const removing = nodes.duties.get('a')!.remove(true);
    for (let at = 0; at < 10; at++) await nodes.second();
    await removing;
    assert.equal(nodes.stateNow(), 'removing');
    assert.deepEqual(
      [...nodes.keyrings.values()].map(({ oldest }) => oldest),
      [2, 1, 2],
    );
    assert.match(nodes.errors.join(), /still hang on master keys before 2/);
    hangs = false;
    for (let at = 0; at < 10 && nodes.stateNow() !== 'sealed'; at++) await nodes.second();
    assert.deepEqual(
      [...nodes.keyrings.values()].map(({ oldest }) => oldest),
      [2, 2, 2],
    );
    await nodes.stop();
  });

  it('keeps all keys as long as a row cannot be sealed anew', async () => {
    const nodes = new Nodes();
    await nodes.open();
    for (const name of nodes.names) await nodes.start(name);
    await nodes.make('a');
    const damaged = Buffer.concat([Buffer.from([1, 1, 0, 0, 0]), Buffer.alloc(72, 5)]);
    await nodes.rig.metadata.propose({
      type: 'kmsKey.create',
      id: 'damaged',
      name: 'damaged',
      wrapped: damaged,
    });
    const asked = nodes.duties.get('a')!.rotate();
    for (let at = 0; at < 20; at++) await nodes.second();
    await asked;
    assert.equal(nodes.stateNow(), 'resealing');
    assert.ok(nodes.errors.includes('namedKey damaged'));
    const counted = countHanging(nodes.rig.reader, 2, realHost());
    assert.deepEqual(
      { ...(await counted) },
      { bucket: 0, accessKey: 0, namedKey: 1, target: 0, source: 0, authority: 0, total: 1 },
    );
    await assert.rejects(nodes.duties.get('a')!.remove(true), /older ones can be removed once it is sealed/);
    assert.deepEqual(
      [...nodes.keyrings.values()].map(({ oldest }) => oldest),
      [1, 1, 1],
    );
    await nodes.stop();
  });
});
