import { lookup } from 'node:dns/promises';
import { readFileSync } from 'node:fs';
import { isIP } from 'node:net';
import path from 'node:path';
import type { Authority } from '../../certificates/index.ts';
import { StoreError } from '../../errors.ts';
import type { Host } from '../../host/index.ts';
import { limits } from '../../limits.ts';
import {
  addMember,
  checkEtcdProgram,
  connectEtcd,
  type Etcd,
  EtcdError,
  type EtcdTls,
  hasEtcdLog,
  moveMember,
  promoteMember,
  type RunningMember,
  removeMember,
  startMember,
} from '../../log/index.ts';
import type { StructuredLog } from '../../telemetry/index.ts';
import type { Credentials } from '../../transport/index.ts';
import { closeAll } from '../closing.ts';
import { type Config, ConfigError, parseAddress } from '../config.ts';
import { keepApart } from './apart.ts';
import { patiently } from './patience.ts';
import type { MemberPlan } from './serve.ts';
import { type OpenMemberTls, openMemberTls } from './tls.ts';
import { type MemberSite, membersWanted, nextMembers } from './turns.ts';

/*
 * The log engine of a node: an etcd that the operator runs, or a member that this node runs beside itself. Members are three where there are
 * as many nodes, and more nodes use them from afar.
 */

export interface EngineOptions {
  readonly config: Config;
  readonly host: Host;
  readonly log: StructuredLog;
  /** Id of this node. */
  readonly node: string;
  /** Folder of this node's own member. */
  readonly directory: string;
  readonly clientAddress: string;
  readonly peerAddress: string;
  /** What this node shows the members that the cluster runs itself. */
  readonly credentials: Credentials;
  readonly authority: () => Promise<Authority>;
  /** Client addresses that were known last. */
  readonly known: readonly string[];
  /** Whether this node has run a member before. */
  readonly hasMember: boolean;
  /** Asks a node of the cluster to make room for a member; null where this node begins the cluster. */
  readonly plan: ((peerUrl: string) => Promise<MemberPlan | undefined>) | null;
}

export interface EngineMember {
  /** Node that runs it; null: somebody else does, or it has not started yet. */
  readonly node: string | null;
  readonly clientUrls: readonly string[];
  /** It has a vote. */
  readonly votes: boolean;
}

async function membersOf(etcd: Etcd): Promise<EngineMember[]> {
  return (await etcd.members()).map(({ name, clientUrls, learner }) => ({
    node: name.startsWith(memberPrefix) ? name.slice(memberPrefix.length) : null,
    clientUrls,
    votes: !learner,
  }));
}

export interface Engine {
  readonly etcd: Etcd;
  /** Client addresses, this node's own first. */
  readonly endpoints: readonly string[];
  readonly hasMember: boolean;
  /** Says whether this node owns the shard: the lead of etcd is kept on another machine then (apart.ts). */
  owns(owned: boolean): void;
  /** Whether the member of this node led etcd when it was last looked at. */
  leads(): boolean;
  /** All members now. */
  members(): Promise<readonly EngineMember[]>;
  /** Client addresses of all members now. */
  clients(): Promise<string[]>;
  /** Makes room for the member of another node; undefined when there are enough. */
  plan(node: string, peerUrl: string): Promise<MemberPlan | undefined>;
  /**
   * Starts a member here while fewer than `wanted` are there and it is this node's turn among those that could ({@link nextMembers}).
   * @param sites all nodes, the same order at each of them
   * @returns whether this node has a member now
   */
  grow(sites: readonly MemberSite[], wanted: number): Promise<boolean>;
  /** Takes out the member that a node ran which is gone for good. */
  forget(node: string): Promise<void>;
  /**
   * Lets the own member show and trust what this node does by now. It is started again for that when it must, and only while all others answer.
   * @returns false when it has to be asked again
   */
  secure(): Promise<boolean>;
  close(): Promise<void>;
}

/** A start waits for etcd. */
const unreachable = (cause: unknown): never => {
  if (!(cause instanceof EtcdError)) throw cause;
  throw new StoreError('ServiceUnavailable', { message: cause.message, retryAfter: 1, cause });
};

/** What a start at another address says that failed because the others are not there, or have moved as well. @param was where clients reached the member before */
function unmoved(cause: unknown, was: string): unknown {
  if (!(cause instanceof StoreError) || cause.code !== 'ServiceUnavailable') return cause;
  return new StoreError('ServiceUnavailable', {
    message: `${cause.message} This node has another address than before (its etcd was at ${was}), which most members of etcd have to be told while they run where they were: start the other nodes at the addresses that they had. Where all have changed, start all of them at the old ones, and then change one after the other.`,
    retryAfter: 1,
    cause,
  });
}

const memberPrefix = 'dsom-';
const memberName = (node: string): string => `${memberPrefix}${node}`;

/** What a name of this machine stands for. @throws ConfigError */
async function addressOf(machine: string): Promise<string> {
  try {
    return (await lookup(machine)).address;
  } catch (cause) {
    throw new ConfigError(
      `--cluster-address has the name ${machine}, which is not known here: ${(cause as Error).message}. Give an address, or a name that this machine and the other nodes know`,
      { cause },
    );
  }
}

/** How an etcd of the operator's is spoken to: files that may be replaced while the node runs. @throws ConfigError */
function foreignTls(config: Config, host: Host): (() => EtcdTls) | undefined {
  const { etcd, etcdAuthority, etcdCertificate, etcdKey } = config;
  const secured = etcd.filter((url) => url.startsWith('https:'));
  const files = [etcdAuthority, etcdCertificate, etcdKey].filter((file) => file !== undefined);
  if (secured.length === 0) {
    if (files.length === 0) return undefined;
    throw new ConfigError(
      '--etcd-authority, --etcd-certificate and --etcd-key are for https:// URLs in --etcd: write them so',
    );
  }
  if (secured.length < etcd.length)
    throw new ConfigError('--etcd has http:// and https:// URLs: give all of them as https://');
  if (etcdAuthority === undefined)
    throw new ConfigError(
      `--etcd ${secured[0]}: give the certificates of the authority that etcd's is from, as --etcd-authority FILE`,
    );
  if ((etcdCertificate === undefined) !== (etcdKey === undefined))
    throw new ConfigError('--etcd-certificate and --etcd-key belong together: give both, or neither');
  const read = (file: string): string => {
    try {
      return readFileSync(file, 'utf8');
    } catch (cause) {
      throw new ConfigError(`${file} cannot be read: ${(cause as Error).message}. Give another file`, { cause });
    }
  };
  const load = (): EtcdTls => ({
    authority: read(etcdAuthority),
    ...(etcdCertificate !== undefined && { certificate: read(etcdCertificate) }),
    ...(etcdKey !== undefined && { privateKey: read(etcdKey) }),
  });
  let shown = load();
  let readAt = host.clock.monotonic();
  return () => {
    if (host.clock.monotonic() - readAt < limits.etcdFilesMs) return shown;
    readAt = host.clock.monotonic();
    try {
      shown = load();
    } catch {
      // They are just being replaced; the next look finds them.
    }
    return shown;
  };
}

/** A connection to the etcd that the operator runs. @throws StoreError ServiceUnavailable, ConfigError saying what to do */
function connectToOperators(config: Config, host: Host, log: StructuredLog): Promise<Etcd> {
  const tls = foreignTls(config, host);
  return patiently(host, log, 'connecting to etcd', () =>
    connectEtcd({ endpoints: config.etcd, host, allowOldEtcd: config.etcdAnyVersion, ...(tls && { tls }) }),
  );
}

/**
 * Whether a cluster can begin: etcd can be had, and none of that name is there, whose log it would take for its own.
 * @throws StoreError ServiceUnavailable, ConfigError saying what to do
 */
export async function checkEngine(config: Config, host: Host, log: StructuredLog, cluster: string): Promise<void> {
  if (config.etcd.length === 0) return checkEtcdProgram(config.etcdAnyVersion);
  const etcd = await connectToOperators(config, host, log);
  try {
    const taken = await patiently(host, log, 'looking for a cluster of that name', () =>
      hasEtcdLog({ etcd, cluster, shard: '0' }),
    );
    if (taken)
      throw new ConfigError(
        `the etcd at ${config.etcd.join(', ')} holds a cluster ${cluster} already, of another store: give another --cluster-name, or an etcd of its own; a node of that cluster starts with --join and an empty directory`,
      );
  } finally {
    await etcd.close();
  }
}

/** @throws StoreError ServiceUnavailable saying what to do when etcd is missing, too old, or out of reach */
export async function openEngine(options: EngineOptions): Promise<Engine> {
  const { config, host, log, node, known } = options;
  const allowOldEtcd = config.etcdAnyVersion;
  if (config.etcd.length > 0) {
    const etcd = await connectToOperators(config, host, log);
    return {
      etcd,
      endpoints: config.etcd,
      hasMember: false,
      owns() {},
      leads: () => false,
      members: () => membersOf(etcd),
      clients: async () => [...config.etcd],
      plan: async () => undefined,
      forget: async () => {},
      grow: async () => false,
      secure: async () => true,
      close: () => etcd.close(),
    };
  }
  const { clientAddress } = options;
  const clientUrl = `https://${clientAddress}`;
  const peerUrl = `https://${options.peerAddress}`;
  const tls = (): EtcdTls => {
    const { certificate, privateKey, authorities } = options.credentials.current();
    return { certificate, privateKey, authority: authorities.join('') };
  };
  const connect = (endpoints: readonly string[]): Promise<Etcd> =>
    patiently(host, log, 'connecting to etcd', () => connectEtcd({ endpoints, host, allowOldEtcd, tls }));
  const closers: (() => Promise<unknown>)[] = [];
  const start = async (initialCluster?: string): Promise<void> => {
    const { host: machine } = parseAddress(clientAddress);
    const listenHost = isIP(machine) > 0 ? undefined : await addressOf(machine);
    const proof = await openMemberTls({
      folder: path.join(options.directory, 'tls'),
      machine,
      authority: options.authority,
      trusted: () => options.credentials.current().authorities,
      host,
      onError: (cause) => log.warn('the certificate of the etcd member could not be renewed', { cause }),
    });
    closers.push(async () => proof.close());
    const member = await startMember({
      host,
      name: memberName(node),
      directory: options.directory,
      tls: proof.files,
      clientUrl,
      peerUrl,
      ...(listenHost !== undefined && { listenHost }),
      ...(initialCluster !== undefined && { initialCluster }),
      report: (message) => log.warn(message, {}),
      // After a power failure nodes come back in any order.
      ...(options.hasMember && { patienceMs: limits.nodeOpenMs }),
      allowOldEtcd,
    });
    closers.push(() => member.stop());
    own = { member, proof };
  };
  let own: { readonly member: RunningMember; readonly proof: OpenMemberTls } | undefined;
  /** It trusts others than it did when it started. */
  let isStale = false;
  let hasMember = options.hasMember;
  /**
   * Members know each other by their addresses, and one that has another now cannot say so by itself: it is not heard. A cluster in which most are heard
   * learns it from this node before the member is up; where this one is needed for that it goes by what it sends.
   */
  const move = async (): Promise<void> => {
    log.warn('the address of this node has changed: the members of etcd are to be told, of which most must run', {
      was: known[0],
      now: clientUrl,
    });
    const etcd = await connect([clientUrl, ...known]);
    try {
      await moveMember(etcd, host, memberName(node), peerUrl);
    } finally {
      await etcd.close();
    }
  };
  if (hasMember || !options.plan) {
    const hasMoved = hasMember && known.length > 0 && !known.includes(clientUrl);
    // Neither goes on while the other fails: whichever tells why is heard.
    await Promise.all([start(), ...(hasMoved ? [move()] : [])]).catch((cause: unknown) => {
      throw hasMoved ? unmoved(cause, known[0] as string) : cause;
    });
    hasMember = true;
  } else {
    const plan = await options.plan(peerUrl).catch((cause: unknown) => {
      // A node that knows the cluster's members starts without the one that would make room for another member, or that is gone for good.
      if (!(cause instanceof StoreError) || cause.code !== 'ServiceUnavailable' || known.length === 0) throw cause;
      log.warn('no node could be asked whether this one is to run a member of etcd: it is asked at the next start', {
        cause,
      });
      return undefined;
    });
    if (plan) {
      await start(plan.initialCluster);
      hasMember = true;
      const others = await connect(known);
      try {
        await promoteMember(others, host, peerUrl);
      } finally {
        await others.close();
      }
    }
  }
  const seeds = hasMember ? [clientUrl, ...known.filter((one) => one !== clientUrl)] : known;
  if (seeds.length === 0)
    throw new StoreError('ServiceUnavailable', {
      message: 'No member of etcd is known. Give the address of one as --etcd.',
    });
  const first = await connect(seeds);
  const members = await patiently(host, log, 'asking for the members of etcd', () =>
    first.members().catch(unreachable),
  );
  const clients = members.flatMap((member) => member.clientUrls);
  const endpoints = (): string[] =>
    hasMember ? [clientUrl, ...clients.filter((one) => one !== clientUrl)] : [...clients];
  await first.close();
  const etcd = await connect(endpoints());
  closers.push(() => etcd.close());
  const apart = keepApart(
    etcd,
    host,
    () => (hasMember ? clientAddress : undefined),
    (cause) => log.info('the members of etcd could not be looked at; that is tried again', { cause }),
  );
  closers.push(async () => apart.stop());
  return {
    etcd,
    get endpoints() {
      return endpoints();
    },
    owns: apart.owns,
    leads: apart.leads,
    get hasMember() {
      return hasMember;
    },
    members: () => membersOf(etcd),
    clients: async () => (await etcd.members()).flatMap((member) => member.clientUrls),
    async plan(name, url) {
      const present = await etcd.members();
      const mine = present.some((member) => member.peerUrls.includes(url));
      // Those beyond three come by themselves, once there are nodes enough.
      if (!mine && present.length >= membersWanted(0)) return undefined;
      return { initialCluster: await addMember(etcd, host, memberName(name), url) };
    },
    async grow(sites, wanted) {
      if (hasMember) return true;
      const present = await etcd.members();
      const mine = present.some((member) => member.peerUrls.includes(peerUrl));
      const names = new Set(present.map((member) => member.name));
      const turns = nextMembers(sites, (id) => names.has(memberName(id)), wanted - present.length);
      if (!mine && !turns.includes(node)) return false;
      if (!own) await start(await addMember(etcd, host, memberName(node), peerUrl));
      await promoteMember(etcd, host, peerUrl);
      hasMember = true;
      return true;
    },
    async forget(name) {
      const gone = (await etcd.members()).find((member) => member.name === memberName(name));
      for (const url of gone?.peerUrls ?? []) await removeMember(etcd, host, url);
    },
    async secure() {
      if (!own) return true;
      if (await own.proof.renew()) isStale = true;
      if (!isStale) return true;
      const [members, statuses] = await Promise.all([etcd.members(), etcd.statuses()]);
      if (statuses.length < members.filter(({ clientUrls }) => clientUrls.length > 0).length) return false;
      await own.member.restart();
      isStale = false;
      return true;
    },
    close: () => closeAll(closers),
  };
}
