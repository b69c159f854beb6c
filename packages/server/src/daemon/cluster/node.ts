import path from 'node:path';
import { StoreError } from '../../errors.ts';
import type { Host } from '../../host/index.ts';
import type { SharedKv } from '../../kv/index.ts';
import { limits } from '../../limits.ts';
import { forgetReplica, openEtcdLog, type SharedLog } from '../../log/index.ts';
import { features, type NodeRecord, openShardReplica, ReplicaError, type Term } from '../../metadata/index.ts';
import type { StructuredLog } from '../../telemetry/index.ts';
import type { LogEnd } from '../alone.ts';
import { closeAll, writing } from '../closing.ts';
import { type Config, ConfigError } from '../config.ts';
import { type DataDirectory, folders } from '../directories.ts';
import type { ClusterLink, LogState, OpenShard, ShardParts } from '../shard.ts';
import { pendingBytesOf } from '../space.ts';
import { version } from '../version.ts';
import { addressesOf } from './addresses.ts';
import { FailureDetector } from './detector.ts';
import { openDoor } from './door.ts';
import { takeAddress } from './double.ts';
import { type Duty, dutiesOf } from './duties.ts';
import { openEngine } from './engine.ts';
import { keepOpening } from './further.ts';
import { createGate, newHeard } from './gate.ts';
import { keepGrowing, planFrom } from './growth.ts';
import { catchUp, condemn, type MadeAnew, madeAnewText, Overtaken, openReplicaKv, untilItFollows } from './install.ts';
import { holdMasterKey } from './keyrings.ts';
import { KnownShards } from './known.ts';
import { openAuthority, openLinks } from './links.ts';
import { openMembers } from './members.ts';
import { announce, foundObjectShards, isNewCluster, type ObjectShard, openObjectShards } from './objectshards.ts';
import { preferredOwner } from './owners.ts';
import { patiently } from './patience.ts';
import { registerDevices } from './register.ts';
import { seldom } from './seldom.ts';
import { serveNode } from './serve.ts';
import { ClusterShard } from './shard.ts';
import { type NodeFile, writeNodeFile } from './state.ts';

export interface NodeOptions {
  readonly folder: string;
  readonly file: NodeFile;
  readonly config: Config;
  /** Port of the HTTP listener. */
  readonly port: number;
  readonly host: Host;
  readonly log: StructuredLog;
  /** A link to another node broke or could not be made. */
  readonly onLinkFailed: (cause: unknown) => void;
  readonly parts: ShardParts;
  /** Where the log of the cluster begins, when it goes on from that of a server that was alone. */
  readonly after?: LogEnd | undefined;
  /** Whether there may be something that a server left open which was alone here. */
  readonly wasAlone?: boolean;
}

/** Bytes of the name of one life of a node. */
const incarnationBytes = 8;
/** Number of the system shard. */
const shardNumber = 0;

/** Opens the metadata of a node: its way to etcd, the log, the replica, and what it says of itself to the others. */
export const openNode = (options: NodeOptions): Promise<OpenShard> =>
  untilItFollows(options.log, () => openOnce(options));

async function openOnce(options: NodeOptions): Promise<OpenShard> {
  const { folder, file, config, host, log, parts } = options;
  const { directories, keyring, onMetadata } = parts;
  const primary = (directories.holders[0] as DataDirectory).path;
  const kvFolder = folders.kv(primary);
  const { node } = file;
  const addresses = addressesOf(config, options.port);
  const closers: (() => Promise<unknown>)[] = [];
  const incarnation = host.entropy.bytes(incarnationBytes);
  const unusable = Promise.withResolvers<{
    readonly kind: 'diverged' | 'behind';
    readonly why: string;
    readonly directory: string;
  }>();
  const close = () => closeAll(closers);
  try {
    const links = await openLinks(folder, keyring, host, options.onLinkFailed);
    closers.push(() => links.close());
    const { transport } = links;
    await takeAddress({ folder, node, address: addresses.between, transport });
    parts.onStage('it connects to etcd, which needs most of its members');
    const engine = await openEngine({
      config,
      host,
      log,
      node,
      directory: path.join(folder, 'etcd'),
      clientAddress: addresses.etcdClients,
      peerAddress: addresses.etcdPeers,
      credentials: links.credentials,
      authority: () => openAuthority(folder, keyring),
      known: file.endpoints,
      hasMember: file.member,
      plan: file.by && planFrom(transport, file.by),
    });
    closers.push(() => engine.close());
    parts.onStage('the metadata are opened');
    const opening = {
      etcd: engine.etcd,
      host,
      cluster: file.cluster,
      shard: String(shardNumber),
      node,
      address: addresses.between,
      ...(options.after && { after: options.after }),
    };
    const shared: SharedLog = await patiently(host, log, 'opening the log', () => openEtcdLog(opening));
    closers.push(() => shared.close());
    const made: MadeAnew = {};
    const kv = await openReplicaKv({ directory: kvFolder, host, shared, transport, node, log, made, onMetadata });
    closers.push(writing('a checkpoint of the metadata', () => kv.close()));
    const known = new KnownShards(host);
    const replica = openShardReplica({
      log: shared,
      kv,
      host,
      shard: shardNumber,
      pendingBytes: pendingBytesOf(kvFolder),
      others: known.others(shardNumber),
    });
    known.add(shardNumber, replica.reader);
    /** Known from the time on that this node listens. */
    let healthy = (_device: string): boolean => true;
    let duties: readonly Duty[] = [];
    const onLead = (term: Term | undefined): void => {
      engine.owns(term !== undefined);
      for (const duty of duties) void duty.stop();
      duties = term
        ? dutiesOf(term, { host, log, healthy: (device) => healthy(device), objectShards: () => objectShards })
        : [];
    };
    const shard = new ClusterShard({
      log: shared,
      replica,
      host,
      node,
      incarnation,
      campaigns: config.roles.includes('metadata'),
      peer: (id, address) => transport.peer(id, address),
      nearQuotas: known.nearQuotas(shardNumber, replica.reader),
      onLead,
      onEvent: (text, fields) => log.info(text, fields),
    });
    closers.push(() => shard.close());
    const heard = newHeard();
    let objectShards: readonly ObjectShard[] = [];
    /** Nodes that were removed. Every call of a node is held against them, so they are read now and then, not each time. */
    let removed: ReadonlySet<string>;
    const look = (): void => {
      heard[0] = host.clock.now() - Math.max(shared.age(), ...objectShards.map((one) => one.log.age()));
      removed = new Set(shard.reader.nodes().flatMap((one) => (one.state === 'removed' ? [one.id] : [])));
      for (const one of [{ replica, directory: kvFolder }, ...objectShards]) {
        const kind = one.replica.failureKind();
        if (kind !== 'diverged' && kind !== 'behind') continue;
        unusable.resolve({ kind, why: one.replica.failure() ?? kind, directory: one.directory });
      }
    };
    look();
    const cancelLook = host.timers.every(limits.heardMs, look);
    closers.push(async () => cancelLook());
    const gate = createGate(shared, replica, host);
    const members = openMembers({
      folder,
      file,
      primary,
      keyring,
      host,
      log,
      between: addresses.between,
      shard,
      links,
      engine,
      latest: () => gate.latest(),
    });

    const end = await patiently(host, log, 'asking for the end of the log', () => shared.barrier());
    parts.onStage(() => `the log of the cluster is applied: position ${replica.applied()} of ${end}`);
    await catchUp(replica, end, kvFolder).catch((cause: unknown) => {
      throw replica.failureKind() === 'unknown' ? new ConfigError(`${replica.failure()}`, { cause }) : cause;
    });
    look();
    const answering = new Map([[shardNumber, shard]]);
    const door = await openDoor({
      transport,
      address: addresses.between,
      join: members.join,
      removed: (id) => removed.has(id),
      shards: answering,
      planMember: (id, peerUrl) => engine.plan(id, peerUrl),
      devices: () => shard.reader.devices().flatMap((one) => (one.node === node ? [one.identity] : [])),
      leadsEtcd: () => engine.leads(),
    });
    closers.push(() => door.close());
    const isFirst = isNewCluster(shard.reader, node);
    const before = shard.reader.nodes().find((one) => one.id === node);
    // No other node listens to it any more: without this it would only find that nobody answers.
    if (before?.state === 'removed')
      throw new ConfigError(
        `this node was removed from the cluster ${file.cluster} (dsom node remove): start with an empty --data directory and a new invitation (dsom cluster invite)`,
      );
    const record: NodeRecord = {
      id: node,
      address: addresses.between,
      apiAddress: addresses.api,
      zone: config.zone ?? before?.zone ?? '',
      roles: config.roles,
      state: before?.state ?? 'active',
      version,
      features,
      incarnation,
    };
    parts.onStage('it says to the other nodes that it is here');
    await patiently(host, log, 'saying that this node is here', () => announce(shard, record)).catch(
      (cause: unknown) => {
        const refused = cause instanceof StoreError && cause.code === 'InvalidRequest';
        throw refused ? new ConfigError(cause.message, { cause }) : cause;
      },
    );
    // From here on no rotation goes on without this node; what one has come to before is made up for.
    parts.onStage('it looks whether its keyring has the master key that the cluster seals with');
    await patiently(host, log, 'getting the master key', () =>
      holdMasterKey(keyring, shard.reader, node, transport),
    ).catch((cause: unknown) => {
      throw cause instanceof StoreError ? new ConfigError(cause.message, { cause }) : cause;
    });
    if (isFirst) await foundObjectShards(shard, config.objectShards);
    /** Whether another node should own an object shard; known from the time on that this node listens. */
    let yields = (_number: number): boolean => false;
    parts.onStage('the object shards are opened, and their logs applied');
    const { metadata, gates, openNext, ...others } = await openObjectShards({
      shard,
      gate,
      record,
      etcd: engine.etcd,
      host,
      log,
      onMetadata,
      cluster: file.cluster,
      transport,
      campaigns: config.roles.includes('metadata'),
      primary,
      yields: (number) => yields(number),
      answering,
      known,
      closers,
    });
    objectShards = others.objectShards;
    // What earlier lives of this node left open, and the server that it was when it was alone.
    await patiently(host, log, 'ending what earlier lives of this node left', () =>
      metadata.propose({
        type: 'intent.expire',
        dead: [{ node, except: incarnation }, ...(options.wasAlone ? [{ node: '' }] : [])],
      }),
    );
    writeNodeFile(folder, { ...file, endpoints: [...engine.endpoints], member: engine.hasMember });
    const kvs: { kv: SharedKv; directory: string }[] = [{ kv, directory: kvFolder }, ...objectShards];

    const state: LogState = {
      get head() {
        return shared.head;
      },
      get tail() {
        return shared.tail;
      },
      get epoch() {
        return shared.owner()?.epoch ?? 0;
      },
      get bytes() {
        return shard.owned?.bytes ?? 0;
      },
      get roomy() {
        return [shard, ...objectShards.map((one) => one.shard)].every(({ owned }) => owned?.roomy ?? true);
      },
    };
    const cluster: ClusterLink = {
      name: file.cluster,
      node,
      between: addresses.between,
      transport,
      shard,
      objectShards,
      gate: gates,
      heard,
      forThreads: { node, folder, heard },
      owner: () => shared.owner(),
      ageMs: () => Math.max(shared.age(), ...objectShards.map((one) => one.log.age())),
      failed: unusable.promise.then(({ kind, why, directory }) => {
        if (kind === 'diverged') condemn(directory);
        return new Overtaken(why);
      }),
      async forget(id) {
        for (const { number } of [{ number: shardNumber }, ...objectShards])
          await forgetReplica({ etcd: engine.etcd, cluster: file.cluster, shard: String(number), node: id });
        await engine.forget(id);
      },
      engine: () => engine.members().catch(() => undefined),
      members,
      async listen(calls) {
        const { network, conditions, devices } = calls.thread;
        healthy = (device) =>
          (devices.has(device) ? conditions.of(device) : network?.condition(device))?.healthy === true;
        yields = (number) => {
          const applied = objectShards[number - 1]?.replica.applied() ?? 0;
          const me = { id: node, applied, leadsEtcd: engine.leads() };
          return preferredOwner(number, me, shard.reader.nodes(), network?.neighbours() ?? []) !== node;
        };
        const detector =
          network &&
          new FailureDetector({
            node,
            network,
            nodes: () => shard.reader.nodes(),
            shards: () => [shard, ...objectShards.map((one) => one.shard)],
            host,
          });
        const server = serveNode({
          ...calls,
          shard,
          objectShards,
          host,
          reached: (position) => gates.reached(position),
          planMember: (id, peerUrl) => engine.plan(id, peerUrl),
          authority: () => members.progress(),
          keyring: () => keyring.file(),
          leadsEtcd: () => engine.leads(),
          silent: () => detector?.silent() ?? [],
        });
        door.open((call) => server.serve(call));
        const duty = network && members.follow(network);
        const growth = keepGrowing({
          engine,
          host,
          log,
          nodes: () => shard.reader.nodes(),
          able: config.roles.includes('metadata') && config.etcd.length === 0,
          answers: (id) => id === node || network?.neighbours().find((one) => one.id === id)?.state !== undefined,
          grown: () => writeNodeFile(folder, { ...file, endpoints: [...engine.endpoints], member: true }),
        });
        let closing: Promise<void> | undefined;
        const stop = (): Promise<void> => {
          closing ??= (async () => {
            detector?.close();
            await growth.stop();
            await duty?.stop();
            await door.close();
            await server.close();
          })();
          return closing;
        };
        closers.push(stop);
        return { close: stop };
      },
      openFurther(share) {
        const keeping = keepOpening({
          system: shard.reader,
          record,
          open: objectShards,
          openNext: async () => {
            await openNext(async (one) => {
              await share(one);
              kvs.push(one);
            });
            log.info('a further object shard is open', { shard: objectShards.length });
          },
          host,
          onError: seldom(host.clock, (cause) =>
            log.warn('a further object shard could not be opened; it is tried again', { cause }),
          ),
        });
        closers.push(() => keeping.stop());
        return keeping;
      },
      registerDevices: (sites) => registerDevices(shard, record, sites),
    };
    return {
      kv,
      kvs,
      log: state,
      metadata,
      cluster,
      roles: { primary, mirror: undefined },
      mirror: () => ({ lost: undefined, whole: true, damaged: [] }),
      snapshots: undefined,
      rebuilt: madeAnewText(made, before !== undefined, log, objectShards),
      start() {},
      close,
    };
  } catch (cause) {
    await close().catch(() => {});
    throw cause instanceof ReplicaError && cause.kind === 'unknown' ? new ConfigError(cause.message, { cause }) : cause;
  }
}
