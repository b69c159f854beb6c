/* The object service over the real metadata and the real stripe store, with devices in memory: for what moves bytes from one redundancy to another. */
import assert from 'node:assert/strict';
import { createCache } from '../cache/index.ts';
import { createCollector, createMender, createRepairer, crossCheck, openStripeStore } from '../durability/index.ts';
import { drive, memoryStores } from '../durability/memory.fixture.ts';
import { StoreError } from '../errors.ts';
import { manualHost } from '../host/index.ts';
import { bucketKeys, kmsKeys } from '../keys/index.ts';
import { memoryKv } from '../kv/index.ts';
import {
  lentTo,
  type ObjectVersion,
  openMetadata,
  type Proposer,
  type Redundancy,
  type Stripe,
} from '../metadata/index.ts';
import { planGroups, planLayout } from '../placement/index.ts';
import { ReadHorizon } from './horizon.ts';
import { gathered } from './pipeline.fixture.ts';
import { createRecoder } from './recode.ts';
import { bodyOf, memoryLog, plain, plainKeys } from './service.fixture.ts';
import { createObjectService } from './service.ts';
import type { PutRequest } from './types.ts';

/** @param usual copies that who asks for nothing gets */
export async function openRecoding(devices = 11, usual = Math.min(2, devices)) {
  const host = manualHost(11);
  const kv = memoryKv(host);
  const metadata = await openMetadata({ log: memoryLog(), kv, host, shard: 0 });
  const { reader } = metadata;
  const stores = memoryStores(devices);
  const sick = new Set<string>();
  const healthy = (device: string): boolean => !sick.has(device);
  const placed = [...stores.keys()].map((identity) => ({ identity, weight: 1, healthy: true }));
  await metadata.propose({ type: 'group.define', groups: planLayout(placed, []) });
  const owned = (stripe: Buffer): boolean => reader.stripeOwner(stripe) !== undefined;
  const repairer = createRepairer({ access: stores, owned });
  const mender = createMender({
    reader,
    groups: () => reader.groups(),
    access: stores,
    host,
    repair: repairer.repair,
    healthy,
  });
  const stripes = openStripeStore({
    groups: () => reader.groups(),
    access: stores,
    proposer: metadata,
    host,
    owned,
    onDamage({ stripe, reason }) {
      // What a device that failed was to have is met missing, and written.
      assert.equal(reason, 'missing', `stripe ${stripe.toString('hex')}`);
    },
    has: (device, id) => stores.get(device)?.length(id) !== undefined,
    condition: (device) => ({ healthy: healthy(device), free: 1 }),
    defaultCopies: () => usual,
    onMissed: (stripe, group, index) => mender.missed(stripe, group, index),
    async layOut(redundancy) {
      if ('data' in redundancy)
        await metadata.propose({ type: 'group.define', groups: planGroups(placed, reader.groups(), redundancy) });
    },
  });
  const horizon = new ReadHorizon(host.clock);
  /** Commands that are refused as by a cluster of which some nodes do not know what they need. */
  const unknown = new Set<string>();
  const proposer: Proposer = {
    propose(command) {
      if (unknown.has(command.type)) return Promise.reject(new StoreError('NotImplemented'));
      return metadata.propose(command);
    },
  };
  const rooms = {
    reader,
    proposer,
    stripes,
    bucketKeys: bucketKeys(plainKeys(), host.entropy),
    kmsKeys: kmsKeys(plainKeys(), host.entropy),
    cache: createCache({ bytes: 0 }),
    host,
  };
  const objects = createObjectService(rooms, horizon);
  const errors: unknown[] = [];
  let leads = true;
  const recoder = createRecoder({
    leads: () => leads,
    rooms,
    horizon,
    bytesPerSecond: () => 1e12,
    onError: (cause) => errors.push(cause),
  });
  const collector = createCollector({
    reader,
    proposer: metadata,
    access: stores,
    stores,
    host,
    oldestRead: async () => horizon.oldest(),
    healthy,
  });
  const run = <Result>(job: Promise<Result>): Promise<Result> => drive(host, job, 5);
  const put = (bucket: string, key: string, bytes: Buffer, more: Partial<PutRequest> = {}) =>
    run(
      objects.put({
        ...plain,
        bucket,
        key: Buffer.from(key),
        owner: 'owner',
        body: bodyOf(bytes),
        expected: {},
        guard: undefined,
        redundancy: undefined,
        ...more,
      }),
    );
  const reading = async (bucket: string, key: string, versionId?: string) =>
    objects.read({ bucket, key: Buffer.from(key), versionId, guard: undefined });
  const get = async (bucket: string, key: string, versionId?: string): Promise<Buffer> => {
    const found = await reading(bucket, key, versionId);
    return run(gathered(found.open({ start: 0, end: found.version.size })));
  };
  const version = (bucket: string, key: string): ObjectVersion => {
    const found = reader.version((reader.bucket(bucket) as { id: number }).id, Buffer.from(key), undefined);
    assert.ok(found?.kind === 'object');
    return found;
  };
  const stripesOf = (one: ObjectVersion): Stripe[] =>
    reader
      .placedPieces(one.manifest, 0, 10_000)
      .flatMap((placed) => [...lentTo(reader, placed)])
      .flatMap(({ piece }) => ('stripes' in piece.body ? piece.body.stripes : []));
  /** What the stripes of a version are kept with, each once. */
  const kept = (one: ObjectVersion): Redundancy[] => {
    const all = stripesOf(one).map(({ group }) => stripes.redundancyOf(group) as Redundancy);
    return [...new Map(all.map((redundancy) => [JSON.stringify(redundancy), redundancy])).values()];
  };
  /** Walks so often, with so long a rest before each. */
  const walk = async (times = 1, restMs = 20_000): Promise<void> => {
    for (let i = 0; i < times; i++) {
      host.advance(restMs);
      await run(recoder.run());
    }
  };
  /** All garbage is freed, nothing lacks, and metadata and devices agree. */
  const settle = async (): Promise<void> => {
    host.advance(20_000);
    await run(mender.run());
    await run(collector.run());
    const check = crossCheck({ reader, groups: () => reader.groups(), stores, host });
    const report = await run(check.report);
    assert.deepEqual(report.findings, []);
    assert.deepEqual(reader.garbage(10), []);
  };
  const bytesOnDevices = (): number =>
    [...stores.values()].reduce(
      (sum, { rows }) => sum + [...rows.values()].reduce((all, row) => all + row.bytes.length, 0),
      0,
    );
  return {
    host,
    kv,
    metadata,
    reader,
    stores,
    sick,
    stripes,
    objects,
    recoder,
    collector,
    horizon,
    errors,
    refuse: (type: string) => void unknown.add(type),
    lead: (now: boolean) => {
      leads = now;
    },
    run,
    put,
    get,
    reading,
    version,
    stripesOf,
    kept,
    walk,
    settle,
    bytesOnDevices,
  };
}
