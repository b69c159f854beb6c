import { type ClusterAdmin, clusterAdmin } from '../../src/daemon/cluster/admin.ts';
import { openDoor } from '../../src/daemon/cluster/door.ts';
import { keepFeatures } from '../../src/daemon/cluster/features.ts';
import { keepOpening } from '../../src/daemon/cluster/further.ts';
import { createGate, type GateCalls } from '../../src/daemon/cluster/gate.ts';
import { KnownShards } from '../../src/daemon/cluster/known.ts';
import { keepLayout, placementDevices } from '../../src/daemon/cluster/layout.ts';
import { announce, foundObjectShards, isNewCluster } from '../../src/daemon/cluster/objectshards.ts';
import { preferredOwner } from '../../src/daemon/cluster/owners.ts';
import { startRebalance } from '../../src/daemon/cluster/rebalance.ts';
import { serveNode } from '../../src/daemon/cluster/serve.ts';
import { ClusterShard } from '../../src/daemon/cluster/shard.ts';
import { startCollecting } from '../../src/daemon/collecting.ts';
import { Layout } from '../../src/daemon/layout.ts';
import { type NodeWork, startMending } from '../../src/daemon/mending.ts';
import { startRecoding } from '../../src/daemon/recoding.ts';
import { assembleThread, type Thread } from '../../src/daemon/thread.ts';
import type { Device, Volume } from '../../src/device/index.ts';
import {
  type Collector,
  createScrub,
  holdingsOf,
  type Mender,
  Pace,
  processScrubMemory,
  removeStrays,
  repeat,
  type Scrub,
} from '../../src/durability/index.ts';
import { type FragmentStore, openFragmentStore } from '../../src/fragments/index.ts';
import { openKeyring } from '../../src/keys/index.ts';
import type { Kv } from '../../src/kv/index.ts';
import { limits } from '../../src/limits.ts';
import type { SharedLog } from '../../src/log/index.ts';
import { type Metadata, openShardReplica, type Term } from '../../src/metadata/index.ts';
import type { Transport } from '../../src/transport/index.ts';
import type { Sometimes } from '../coverage.ts';
import { type DeviceSite, type OpenFragments, openFragments } from '../world/fragments.ts';
import type { Life } from '../world/life.ts';
import { startLifecycles } from '../world/lifecycle.ts';
import { isExpected, quiet } from '../world/node.ts';
import { addressOf, recordOf, register } from './records.ts';
import { keepShards } from './sharding.ts';
import { caughtUp, type OpenShard, openObjectShards, type ShardSite } from './shards.ts';

/** What a process of the cluster finds when it starts. */
export interface MemberSite {
  readonly name: string;
  readonly life: Life;
  readonly log: SharedLog;
  readonly keys: Volume;
  readonly kv: Kv;
  /** By number, from 1 on: all that the cluster may ever have. */
  readonly objectShards: readonly ShardSite[];
  readonly devices: readonly DeviceSite[];
  readonly transport: Transport;
  readonly slabBytes: number;
  readonly cacheBytes: number;
  readonly plain: boolean;
  /** It runs the lifecycles of buckets. */
  readonly ruled: boolean;
  /** Object shards that the cluster begins with. */
  readonly begins: number;
  /** It is given further ones while it runs. */
  readonly grows: boolean;
  /** Versions in each of its shards beyond which a bucket gets more. */
  readonly keysPerShard: number;
  /** What its configuration says of its zone. */
  readonly zone: string | undefined;
  readonly onEvent: (what: Sometimes) => void;
  /** The log waits no more for a node that was removed. */
  readonly forget: (node: string) => void;
  /** It begins to lead a shard. */
  readonly onLead: (shard: number) => void;
}

/** One running node of the cluster, put together as daemon/ does it, of the same parts. */
export interface Member {
  readonly name: string;
  readonly life: Life;
  /** By number: the first is the system shard. */
  readonly shards: readonly OpenShard[];
  /** All of them as one. */
  readonly metadata: Metadata;
  readonly gate: GateCalls;
  readonly thread: Thread;
  readonly stores: ReadonlyMap<string, FragmentStore>;
  readonly scrub: Scrub;
  readonly mender: Mender;
  readonly collector: Collector;
  /** What an operator asks it. */
  readonly admin: ClusterAdmin;
  /** Stripes that it has kept in another way. */
  recoded(): number;
  /** Why it must be started anew; undefined while all is well. */
  failure(): string | undefined;
  serve(): () => void;
  /** Ends in order; false when requests did not end within their time. */
  close(): Promise<boolean>;
}

const scrubPeriodMs = 20_000;

/** Invitations and authorities are not simulated. */
const asksNobody = (): never => {
  throw new Error('no operator of the simulator asks for this');
};

/** @throws Diverged; and whatever keeps the node from starting */
export async function openMember(site: MemberSite): Promise<Member> {
  const { life, name, log, transport, onEvent } = site;
  const { host } = life;
  const keyring = await openKeyring({ volume: site.keys, host, create: false });
  const { kv } = site;
  const known = new KnownShards(host);
  const replica = openShardReplica({ log, kv, host, shard: 0, others: known.others(0) });
  known.add(0, replica.reader);
  const incarnation = host.entropy.bytes(8);
  let healthy = (_device: string): boolean => true;
  let duties: readonly { stop(): Promise<void> }[] = [];
  const shards: OpenShard[] = [];
  const onLead = (term: Term | undefined): void => {
    if (term) onEvent('a node began to lead');
    for (const duty of duties) void duty.stop();
    const nothing = (): void => {};
    duties = term
      ? [keepLayout(term, host, (device) => healthy(device), nothing), keepFeatures(term, host, nothing, nothing)]
      : [];
    if (term && site.grows) duties = [...duties, keepShards(site, term, () => shards.slice(1))];
  };
  const peer = (id: string, address: string) => transport.peer(id, address);
  const shard = new ClusterShard({
    log,
    replica,
    host,
    node: name,
    incarnation,
    campaigns: true,
    peer,
    nearQuotas: known.nearQuotas(0, replica.reader),
    onLead,
    onEvent: () => {},
  });
  const { reader } = shard;
  const system: OpenShard = { number: 0, log, kv, replica, shard, gate: createGate(log, replica, host) };
  await caughtUp(system);
  const removed = (id: string): boolean => reader.nodes().some((one) => one.id === id && one.state === 'removed');
  const answering = new Map([[system.number, shard]]);
  const door = await openDoor({
    transport,
    address: addressOf(name),
    join: asksNobody,
    removed,
    shards: answering,
    planMember: async () => undefined,
    devices: () => site.devices.map(({ identity }) => identity),
    leadsEtcd: () => false,
  });
  const isFirst = site.begins > 0 && isNewCluster(reader, name);
  const record = recordOf(shard, site, incarnation);
  await announce(shard, record);
  if (isFirst) await foundObjectShards(shard, site.begins);
  /** Whether another node should own an object shard; known from the time on that this node listens. */
  let yields = (_number: number): boolean => false;
  const { objectShards, metadata, gates, openNext } = await openObjectShards({
    sites: site.objectShards,
    grows: site.grows,
    life,
    node: name,
    incarnation,
    known,
    answering,
    system,
    peer,
    yields: (number) => yields(number),
    onLead: (number, leads) => {
      if (leads) site.onLead(number);
    },
    onRenames: ({ finished, aborted }) => {
      if (finished > 0) onEvent('recovery finished a rename');
      if (aborted > 0) onEvent('recovery aborted a rename');
    },
    onLeft: () => onEvent('an object shard was left to the node that should own it'),
  });
  shards.push(system, ...objectShards);
  if (objectShards.length > 0) await announce(metadata, record);
  await metadata.propose({ type: 'intent.expire', dead: [{ node: name, except: incarnation }] });

  const fragments = new Map<string, OpenFragments>();
  for (const one of site.devices) fragments.set(one.identity, await openFragments(site, one, metadata.reader, false));
  for (const { identity } of site.devices) await register(shard, record, identity);
  const devices = new Map<string, Device>([...fragments].map(([identity, { device }]) => [identity, device]));
  const stores = new Map<string, FragmentStore>();
  for (const [identity, { owner, index, device }] of fragments)
    stores.set(identity, openFragmentStore({ device, owner, index: { ...index, close: async () => {} }, host }));
  const planner = new Layout(metadata, async () => placementDevices(reader));
  let mender: Mender | undefined;
  const thread = await assembleThread({
    host,
    kvs: shards.map((one) => one.kv),
    devices,
    stores,
    stopped: new Int32Array(devices.size),
    proposer: metadata,
    keyService: keyring,
    plain: site.plain,
    cacheBytes: site.cacheBytes,
    onDamage: ({ repaired }) => {
      onEvent('a reader met a bad copy');
      if (repaired) onEvent('a reader met a bad copy and it was repaired');
    },
    onMissed: (stripe, group, index) => {
      onEvent('a stripe was written with a copy missing');
      mender?.missed(stripe, group, index);
    },
    layOut: (redundancy) => planner.layOut(redundancy),
    cluster: { node: name, transport, gate: gates },
  });
  for (const store of stores.values()) await removeStrays(metadata.reader, store);
  const { network, conditions } = thread;
  healthy = (device) => (devices.has(device) ? conditions.of(device) : network?.condition(device))?.healthy === true;

  const jobsHealthy = (device: string): boolean =>
    network?.condition(device)?.healthy ?? conditions.health(device) !== 'stopped';
  yields = (number) => {
    const applied = objectShards[number - 1]?.replica.applied() ?? 0;
    const me = { id: name, applied, leadsEtcd: false };
    return preferredOwner(number, me, reader.nodes(), network?.neighbours() ?? []) !== name;
  };
  const ownership = { gate: gates, shard, objectShards };
  const owner = { thread, metadata, log, cluster: ownership, directories: { store: 'simulated' } };
  const collecting = startCollecting({ owner, host, links: () => [], healthy: jobsHealthy });
  const { collector } = collecting;
  const mending = startMending({ owner, host, log: quiet, healthy: jobsHealthy });
  ({ mender } = mending);
  const scrub = await createScrub({
    reader: thread.reader,
    groups: () => thread.reader.groups(),
    stores,
    host,
    repair: mending.repair,
    healthy: jobsHealthy,
    onDamage: ({ repaired }) => {
      if (repaired) onEvent('a scrub repaired a copy');
    },
    memory: processScrubMemory(),
    periodMs: scrubPeriodMs,
  });
  const onError = (error: unknown): void => {
    if (!isExpected(error)) throw error;
    onEvent('a job failed and tried again');
  };
  const holdings = () => holdingsOf(thread.reader, stores, new Pace(host, { signal: undefined }));
  const work = (): NodeWork => mending.work();
  const rebalance = startRebalance({ owner, cluster: { node: name, shard }, host, work, holdings, onError });
  const recoding = startRecoding(owner, host, quiet);
  const lifecycles =
    site.ruled &&
    startLifecycles({
      reader: thread.reader,
      proposer: metadata,
      host,
      shared: true,
      shards: () => shards.map((one) => ({ kv: one.kv, leads: () => one.shard.leads })),
      onEvent,
      onError,
    });
  const jobs = [
    ...(lifecycles ? [lifecycles] : []),
    repeat({
      host,
      everyMs: limits.collectMs,
      run: (signal) => collecting.run(signal),
      onError,
    }),
    repeat({
      host,
      everyMs: 2000,
      run: async (signal) => {
        if (scrub.due()) await scrub.run({ signal, scheduled: true });
      },
      onError,
    }),
  ];
  const server = serveNode({
    shard,
    objectShards,
    thread,
    work,
    rebalance: () => rebalance.status(),
    recode: () => recoding.status(),
    holdings,
    limited: () => [],
    removing: (device, id) => mending.removing(device, id),
    host,
    reached: (position) => gates.reached(position),
    oldestRead: async (number) => thread.objects.oldestRead(number),
    planMember: async () => undefined,
    authority: () => undefined,
    masterKey: () => undefined,
    keyring: () => keyring.file(),
  });
  door.open((call) => server.serve(call));
  const admin = clusterAdmin({
    owner,
    cluster: {
      name: 'simulated',
      node: name,
      owner: () => log.owner(),
      ageMs: () => log.age(),
      members: {
        invite: asksNobody,
        invitations: asksNobody,
        revoke: asksNobody,
        authority: asksNobody,
        rotate: asksNobody,
      },
      forget: async (id) => site.forget(id),
      objectShards,
      engine: async () => undefined,
    },
    rebalance,
    recode: () => recoding.status(),
    usedGroups: () => mending.usedGroups(),
    work,
    host,
    degraded: async () => [],
  });
  const opening =
    site.grows &&
    keepOpening({
      system: shard.reader,
      record,
      open: objectShards,
      openNext: async () => {
        await openNext((one) => {
          thread.addShard(one.kv);
          shards.push(one);
        });
        onEvent('a further object shard was opened while the node ran');
      },
      host,
      onError,
    });
  let serving = 0;
  return {
    name,
    life,
    shards,
    metadata,
    gate: gates,
    thread,
    stores,
    scrub,
    mender,
    collector,
    admin,
    recoded: () => recoding.status().stripes,
    failure() {
      const [failure] = shards.flatMap((one) =>
        one.replica.failureKind() === 'full' ? [] : (one.replica.failure() ?? []),
      );
      const stopped = [...devices.keys()].find((device) => conditions.health(device) === 'stopped');
      return failure ?? (stopped && `device ${stopped} is stopped`);
    },
    serve() {
      serving++;
      return () => void serving--;
    },
    async close() {
      const end = host.clock.monotonic() + limits.drainMs;
      while (serving > 0 && host.clock.monotonic() < end) await life.wait(20, 'drain');
      if (serving > 0) return false;
      if (opening) await opening.stop();
      await Promise.all([...jobs.map((job) => job.stop()), mending.stop(), rebalance.stop(), recoding.stop()]);
      await door.close();
      await server.close();
      await thread.close();
      for (const { owner: one } of fragments.values()) await one.close();
      for (const device of devices.values()) await device.close();
      for (const one of [...shards].reverse()) {
        await one.shard.close();
        await one.log.close();
      }
      await transport.close();
      return true;
    },
  };
}
