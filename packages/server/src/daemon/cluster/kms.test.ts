/* Named keys (SSE-KMS) on three nodes, each with an object service of its own over a system shard and an object shard. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { createCache } from '../../cache/index.ts';
import { bucketKeys, kmsKeys } from '../../keys/index.ts';
import { createObjectService, type KmsChoice, type ObjectService } from '../../objects/index.ts';
import { gathered } from '../../objects/pipeline.fixture.ts';
import { bodyOf, plain, plainKeys } from '../../objects/service.fixture.ts';
import { memoryStripes } from '../../objects/stripes.fixture.ts';
import { systemScope } from './gate.ts';
import { nodes, Several } from './several.fixture.ts';

const several = new Several(1);
const { host, gates, stores } = several;
const services: ObjectService[] = stores.map((store, node) =>
  createObjectService({
    reader: store.reader,
    proposer: store,
    stripes: memoryStripes(),
    bucketKeys: bucketKeys(plainKeys(), host.entropy),
    kmsKeys: kmsKeys(plainKeys(), host.entropy),
    latest: () => gates[node]!.latest(systemScope),
    cache: createCache({ bytes: 0 }),
    host,
  }),
);
/** Nodes that own the system shard, and neither shard. */
let leading = 0;
let behind = 0;

before(async () => {
  await several.start();
  for (const feature of ['namedKeys', 'kmsKeys'] as const) {
    if (feature === 'kmsKeys')
      await assert.rejects(several.run(services[0]!.kms.create('early')), /needs the feature kmsKeys/);
    await several.run(stores[0]!.propose({ type: 'feature.enable', feature }));
  }
  const owners = several.rigs.map((rig) => rig.nodes.indexOf(rig.owner!));
  leading = owners[0]!;
  behind = [0, 1, 2].find((node) => !owners.includes(node))!;
  await several.run(services[0]!.createBucket({ name: 'bucket', owner: 'owner', region: 'r' }));
  await several.run(gates[behind]!.latest());
});
after(() => several.stop());

const choice = (key: string | undefined): KmsChoice => ({
  algorithm: 'aws:kms',
  key,
  context: Buffer.alloc(0),
  bucketKey: undefined,
});
const put = (node: number, key: string, kms: KmsChoice) =>
  several.run(
    services[node]!.put({
      ...plain,
      bucket: 'bucket',
      key: Buffer.from(key),
      owner: 'owner',
      body: bodyOf(Buffer.from(`bytes of ${key}`), true),
      expected: {},
      guard: undefined,
      redundancy: undefined,
      kms,
    }),
  );
/** As whatever is here shows it: who asks for more waits at the gate before. */
async function get(node: number, key: string): Promise<string> {
  const reading = await services[node]!.read({
    bucket: 'bucket',
    key: Buffer.from(key),
    versionId: undefined,
    guard: undefined,
  });
  return (await gathered(reading.open({ start: 0, end: reading.version.size }))).toString();
}
const keyOf = (node: number, key: string) =>
  services[node]!.look({ bucket: 'bucket', key: Buffer.from(key), versionId: undefined }).version.encryption;
/** What a node hears of the system shard waits until the work is done. */
async function whileBehind<Result>(work: () => Promise<Result>): Promise<Result> {
  const { log } = several.rigs[0]!.nodes[behind]!;
  log.pause();
  try {
    return await work();
  } finally {
    log.resume();
  }
}
/** Of the object shard: it shows what the system shard does not show here yet. */
const objectsHere = () => several.run(several.rigs[1]!.nodes[behind]!.gate.latest());

describe('named keys on several nodes', () => {
  it('are used by each node at its next strong request, and not once another node disabled them', async () => {
    const { id } = await several.run(services[leading]!.kms.create('strong'));
    for (let node = 0; node < nodes; node++) {
      await several.run(gates[node]!.latest({ bucket: 'bucket' }));
      await put(node, `strong-${node}`, choice('alias/strong'));
    }
    await several.run(services[behind]!.kms.setState(id, 'disabled'));
    for (let node = 0; node < nodes; node++) {
      await several.run(gates[node]!.latest({ bucket: 'bucket' }));
      await assert.rejects(several.run(get(node, `strong-${(node + 1) % nodes}`)), { code: 'KMS.DisabledException' });
      await assert.rejects(put(node, 'refused', choice(id)), { code: 'KMS.DisabledException' });
    }
    await several.run(services[leading]!.kms.setState(id, 'enabled'));
    await several.run(gates[behind]!.latest({ bucket: 'bucket' }));
    assert.equal(await several.run(get(behind, 'strong-0')), 'bytes of strong-0');
  });

  it('are asked for by a node that has the object before it has the key, or its version', async () => {
    for (const change of ['create', 'rotate'] as const) {
      let got: Promise<string> | undefined;
      await whileBehind(async () => {
        if (change === 'create') await several.run(services[leading]!.kms.create('late'));
        else await several.run(services[leading]!.kms.rotate('alias/late'));
        await put(leading, change, choice('alias/late'));
        await objectsHere();
        assert.deepEqual(keyOf(behind, change), keyOf(leading, change));
        const here = stores[behind]!.reader.kms.named('late');
        assert.equal(here?.versions.length, change === 'create' ? undefined : 1);
        got = get(behind, change);
        got.catch(() => undefined);
        await several.pass(2);
      });
      assert.equal(await several.run(got!), `bytes of ${change}`);
    }
  });

  it('are not said to be missing by a node that is cut off from the log', async () => {
    const { log } = several.rigs[0]!.nodes[behind]!;
    log.cut();
    await several.run(services[leading]!.kms.create('unheard'));
    await put(leading, 'unheard', choice('alias/unheard'));
    await objectsHere();
    await assert.rejects(several.run(get(behind, 'unheard')), { code: 'ServiceUnavailable' });
    log.heal();
    await several.run(gates[behind]!.latest());
    assert.equal(await several.run(get(behind, 'unheard')), 'bytes of unheard');
  });

  it('are given to an object by any node, and known to the others', async () => {
    const { id } = await several.run(services[leading]!.kms.create('given'));
    await several.run(gates[behind]!.latest());
    const at = { bucket: 'bucket', key: Buffer.from('late'), versionId: undefined };
    await put(leading, 'late', choice('alias/late'));
    await several.run(gates[behind]!.latest());
    await several.run(services[behind]!.rewrap(at, choice(id)));
    for (let node = 0; node < nodes; node++) {
      await several.run(gates[node]!.latest({ bucket: 'bucket' }));
      assert.deepEqual((keyOf(node, 'late') as { key: string }).key, id);
      assert.equal(await several.run(get(node, 'late')), 'bytes of late');
    }
  });

  it('have one aws/s3, whichever nodes need it first at once', async () => {
    await Promise.all(services.map((_, node) => put(node, `default-${node}`, choice(undefined))));
    await several.run(gates[behind]!.latest());
    const [key, ...more] = services[behind]!.kms.list().filter(({ name }) => name === 'aws/s3');
    assert.deepEqual(more, []);
    for (let node = 0; node < nodes; node++)
      assert.deepEqual((keyOf(behind, `default-${node}`) as { key: string }).key, key!.id);
  });
});
