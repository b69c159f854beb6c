import { redundancyText } from '../../durability/index.ts';
import { StoreError } from '../../errors.ts';
import type { Host } from '../../host/index.ts';
import { limits } from '../../limits.ts';
import type { DeviceRecord } from '../../metadata/index.ts';
import { mapEpoch, replaceDevice } from '../../placement/index.ts';
import { lostCopiesText } from '../bad-copies.ts';
import { type NodeWork, remainingOf } from '../mending.ts';
import type { Owner } from '../owner.ts';
import type { RecodeStatus } from '../recoding.ts';
import type { ClusterLink } from '../shard.ts';
import { featureStatus } from './features.ts';
import { placementDevices } from './layout.ts';
import { Leaving } from './leaving.ts';
import type { Rebalance } from './rebalance.ts';
import { clusterRisk } from './risk.ts';
import { readRebalance } from './settings.ts';
import { shardAdmin } from './shard-admin.ts';

/** What an operator asks a node of its cluster. */
export type ClusterAdmin = Readonly<Record<string, (argument: unknown) => unknown>>;

/** @throws StoreError NotFound, InvalidRequest when an id begins several */
function find<One>(what: string, id: string, all: readonly One[], idOf: (one: One) => string): One {
  const found = all.filter((one) => idOf(one).startsWith(id));
  const [only] = found;
  if (only && (found.length === 1 || id === idOf(only))) return only;
  if (found.length > 1)
    throw new StoreError('InvalidRequest', {
      message: `${found.length} ${what}s begin with ${id}: give more digits of the id.`,
    });
  throw new StoreError('NotFound', { message: `There is no ${what} ${id}. \`dsom cluster ${what}s\` lists them.` });
}

const nodeStates = { drain: 'draining', activate: 'active', remove: 'removed' } as const;
const deviceStates = { drain: 'draining', activate: 'active', retire: 'retired' } as const;

export interface ClusterAdminInput {
  readonly owner: Pick<Owner, 'metadata' | 'thread'> & {
    readonly log: Pick<Owner['log'], 'tail'>;
    readonly directories: Pick<Owner['directories'], 'store'>;
  };
  readonly cluster: Pick<ClusterLink, 'name' | 'node' | 'owner' | 'ageMs' | 'members' | 'forget' | 'engine'> & {
    readonly objectShards: readonly Pick<ClusterLink['objectShards'][number], 'number' | 'log' | 'replica'>[];
  };
  readonly rebalance: Rebalance;
  /** Groups that hold stripes, as of now; undefined while that is not known. */
  readonly usedGroups: () => Promise<ReadonlySet<number> | undefined>;
  /** How far this node is with versions that are to be kept in another way. */
  readonly recode: () => RecodeStatus;
  /** How far this node is with fragments that are missing or have moved. */
  readonly work: () => NodeWork;
  readonly host: Host;
  /** What lacks although writes are accepted, as sentences. */
  readonly degraded: () => Promise<readonly string[]>;
}

export function clusterAdmin({
  owner,
  cluster,
  rebalance,
  usedGroups,
  recode,
  work,
  host,
  degraded,
}: ClusterAdminInput): ClusterAdmin {
  const { reader } = owner.metadata;
  const { network, devices, conditions } = owner.thread;

  const works = (): ReadonlyMap<string, NodeWork | undefined> =>
    new Map(
      reader
        .nodes()
        .filter(({ state }) => state !== 'removed')
        .map(({ id }) => [
          id,
          id === cluster.node ? work() : network?.neighbours().find((one) => one.id === id)?.state?.work,
        ]),
    );
  const isAway = (device: string): boolean =>
    !(devices.has(device) ? conditions.of(device) : network?.condition(device))?.healthy;
  /** Asked now, not as it was heard last: before a change that rests on it. */
  const answers = async (device: string): Promise<boolean> => {
    await network?.ask(device);
    return !isAway(device);
  };
  const leaving = new Leaving({ reader, usedGroups, isAway });
  /** Only who leads knows what was planned; what was asked for every node knows, and of the leader it may have heard a second ago. */
  const rebalancing = () => {
    const leader = network?.neighbours().find(({ id }) => id === cluster.owner()?.node);
    return { ...(leader?.state?.rebalance ?? rebalance.status()), ...readRebalance(reader) };
  };
  /** What each node has still to write, and what it holds that has its place elsewhere now. */
  let epoch = -1;
  let changedAt = 0;
  const repairs = async () => {
    const now = mapEpoch(reader.groups());
    if (now !== epoch) {
      // From here on, at the latest, the groups are as they are: what a node knew before says nothing of them.
      epoch = now;
      changedAt = reader.position();
    }
    const stuck = await leaving.stuck();
    const heard = [...works()];
    const lost = heard.reduce((sum, [, one]) => sum + (one?.lost ?? 0), 0);
    const each = heard.map(([node, one]) => ({
      node,
      complete: one?.completeAt !== undefined && one.completeAt >= changedAt,
      written: one?.mended ?? null,
      toWrite: one ? remainingOf(one) : null,
      toHandOver: one
        ? { fragments: one.leftovers.waiting, bytes: one.leftovers.waitingBytes, complete: one.leftovers.complete }
        : null,
      handedOver: one?.leftovers.removed ?? null,
    }));
    const emptied = stuck?.length === 0;
    return {
      done: emptied && each.every(({ complete, toHandOver }) => complete && toHandOver?.complete === true),
      groupsOnLeavingDevices: stuck?.length ?? null,
      /** Copies that nothing is left to be written from, and whether nothing else is waited for but what is handed over. */
      lost,
      onlyLost:
        lost > 0 && emptied && heard.every(([, one], at) => each[at]?.complete === true || one?.onlyLost === true),
      needs: (stuck && leaving.need(stuck)) ?? (lost > 0 ? lostCopiesText(lost) : null),
      nodes: each,
    };
  };

  const nodes = () => {
    const seen = new Map(network?.neighbours().map((one) => [one.id, one]));
    const leader = cluster.owner()?.node;
    return reader.nodes().map(({ id, address, apiAddress, zone, roles, state, version }) => {
      const neighbour = seen.get(id);
      const self = id === cluster.node;
      return {
        id,
        state,
        version,
        address,
        apiAddress,
        zone,
        roles,
        leads: id === leader,
        reachable: self || neighbour?.state !== undefined,
        silentSeconds: self ? 0 : neighbour?.silentMs === undefined ? null : Math.round(neighbour.silentMs / 1000),
        applied: self ? reader.position() : (neighbour?.state?.applied ?? null),
      };
    });
  };
  /** Each shard, who decides its writes, where this node is with it, and from where on its log is kept. */
  const shards = () =>
    [
      { number: 0, owner: cluster.owner(), applied: reader.position(), oldest: owner.log.tail },
      ...cluster.objectShards.map(({ number, log, replica }) => ({
        number,
        owner: log.owner(),
        applied: replica.applied(),
        oldest: log.tail,
      })),
    ].map(({ number, owner: owned, applied, oldest }) => ({
      shard: number,
      holds: number === 0 ? 'system' : 'objects',
      owner: owned?.node ?? null,
      epoch: owned?.epoch ?? null,
      position: applied,
      oldest,
    }));
  const deviceList = () => {
    const active = new Set(reader.nodes().flatMap((node) => (node.state === 'removed' ? [] : [node.id])));
    return reader.devices().map((device) => {
      const condition = devices.has(device.identity)
        ? conditions.of(device.identity)
        : (network?.condition(device.identity) ?? { healthy: false, free: 0 });
      const known = active.has(device.node);
      return {
        ...device,
        health: !known ? 'removed' : condition.healthy ? 'good' : 'away',
        freeBytes: condition.healthy ? condition.free : null,
      };
    });
  };
  const groups = () =>
    reader.groups().map(({ id, epoch, code, devices: members }) => ({
      id,
      epoch,
      scheme: redundancyText(code ?? { copies: members.length }),
      devices: members,
    }));

  /** One device takes all places of another, as far as they may be its, and the other is retired. */
  const replace = async (old: DeviceRecord, by: string) => {
    const successor = find('device', by, reader.devices(), (one) => one.identity);
    const refuse = (message: string): never => {
      throw new StoreError('InvalidRequest', { message });
    };
    if (successor.identity === old.identity) refuse('A device does not replace itself: name the new one second.');
    const node = reader.nodes().find((one) => one.id === successor.node);
    if (successor.state !== 'active' || node?.state !== 'active' || !(await answers(successor.identity)))
      refuse(`Device ${successor.identity} is not in use, or does not answer: start its node, and activate both.`);
    const free = (device: string) =>
      (devices.has(device) ? conditions.of(device) : network?.condition(device))?.free ?? 0;
    const used = (await answers(old.identity)) ? old.capacityBytes - free(old.identity) : 0;
    if (free(successor.identity) < used)
      refuse(
        `Device ${successor.identity} has less space than is used on ${old.identity}: \`dsom device retire\` spreads its bytes over all devices.`,
      );
    const groups = reader.groups();
    const moved = replaceDevice(placementDevices(reader), groups, old.identity, successor.identity);
    const held = groups.filter((group) => group.devices.includes(old.identity)).length;
    // The places first: once it is retired, whoever leads looks for homes for what it holds.
    await owner.metadata.propose({ type: 'group.define', groups: moved });
    const changed = { ...old, state: 'retired' as const };
    await owner.metadata.propose({ type: 'device.write', device: changed, keeps: 'self' });
    return { ...changed, by: successor.identity, groups: moved.length, groupsElsewhere: held - moved.length };
  };

  const recoding = () => {
    const leader = network?.neighbours().find(({ id }) => id === cluster.owner()?.node);
    return leader?.state?.recode ?? recode();
  };

  const sharding = shardAdmin({
    metadata: owner.metadata,
    node: cluster.node,
    objectShards: () => cluster.objectShards.map(({ replica }) => replica.reader),
  });

  return {
    ...sharding,
    'cluster.status': async () => ({
      cluster: cluster.name,
      store: owner.directories.store,
      node: cluster.node,
      leader: cluster.owner()?.node ?? null,
      epoch: cluster.owner()?.epoch ?? null,
      position: reader.position(),
      shards: shards(),
      staleMs: cluster.ageMs(),
      nodes: nodes(),
      devices: deviceList(),
      groups: groups(),
      repair: await repairs(),
      rebalance: rebalancing(),
      features: featureStatus(reader),
      etcd: (await cluster.engine()) ?? null,
      recode: recoding(),
      degraded: await degraded(),
    }),
    'cluster.repair': async () => ({ ...(await repairs()), recode: recoding() }),
    'cluster.risk': async () =>
      clusterRisk({
        owner,
        works: works(),
        away: isAway,
        used: await usedGroups(),
        members: await cluster.engine(),
        nowMs: host.clock.now(),
      }),
    'rebalance.status': rebalancing,
    'rebalance.change': (argument) => {
      const { action, bytesPerSecond } = argument as { action: 'start' | 'pause' | 'limit'; bytesPerSecond?: number };
      if (action !== 'limit') return rebalance.change({ state: action === 'start' ? 'running' : 'paused' });
      return rebalance.change({ bytesPerSecond: bytesPerSecond ?? limits.movedBytesPerSecond });
    },
    'cluster.invite': (argument) => cluster.members.invite((argument as { seconds?: number }).seconds),
    'cluster.invitations': () => ({ invitations: cluster.members.invitations() }),
    'cluster.revokeInvitation': async (argument) => ({
      id: await cluster.members.revoke((argument as { id: string }).id),
    }),
    'cluster.authority': () => cluster.members.authority(),
    'cluster.rotateAuthority': () => cluster.members.rotate(),
    'cluster.node': async (argument) => {
      const { id, action, zone } = argument as { id: string; action: keyof typeof nodeStates | 'label'; zone?: string };
      const node = find('node', id, reader.nodes(), (one) => one.id);
      if (action === 'remove') {
        if (node.id === cluster.node)
          throw new StoreError('InvalidRequest', { message: 'A node does not remove itself: ask another node.' });
        if (network?.neighbours().find((one) => one.id === node.id)?.state)
          throw new StoreError('InvalidRequest', {
            message: `Node ${node.id} still answers. Drain it, stop it, and then remove it.`,
          });
      }
      if (action === 'drain' && node.state === 'active') {
        const own = reader.devices().filter((device) => device.node === node.id && device.state === 'active');
        await leaving.check(`Node ${node.id}`, new Set(own.map(({ identity }) => identity)));
      }
      if (action === 'remove')
        for (const device of reader.devices())
          if (device.node === node.id && device.state !== 'retired')
            await owner.metadata.propose({
              type: 'device.write',
              device: { ...device, state: 'retired' },
              keeps: 'self',
            });
      const changed = action === 'label' ? { ...node, zone: zone ?? '' } : { ...node, state: nodeStates[action] };
      await owner.metadata.propose({ type: 'node.write', node: changed, keeps: 'self' });
      if (action === 'remove') {
        await owner.metadata.propose({ type: 'intent.expire', dead: [{ node: node.id }] });
        await cluster.forget(node.id);
      }
      return changed;
    },
    'cluster.device': async (argument) => {
      const { id, action, by } = argument as { id: string; action: keyof typeof deviceStates | 'replace'; by?: string };
      const device = find('device', id, reader.devices(), (one) => one.identity);
      if (action === 'replace') return replace(device, by ?? '');
      // What is lost is retired all the same: it is no place any more.
      if (action !== 'activate' && device.state === 'active' && (await answers(device.identity)))
        await leaving.check(`Device ${device.identity}`, new Set([device.identity]));
      const changed = { ...device, state: deviceStates[action] };
      await owner.metadata.propose({ type: 'device.write', device: changed, keeps: 'self' });
      return changed;
    },
  };
}
