import {
  createAuthority,
  encodeAuthority,
  IdentityError,
  InvitationError,
  issueCertificate,
  joinCluster,
  newKey,
  publicDer,
  storeIdentity,
} from '../../certificates/index.ts';
import { randomUuid } from '../../device/index.ts';
import { StoreError } from '../../errors.ts';
import type { Host } from '../../host/index.ts';
import type { StructuredLog } from '../../telemetry/index.ts';
import { unpack } from '../../transport/index.ts';
import { endOfOwnLog } from '../alone.ts';
import { claimPort } from '../claim.ts';
import { type Config, ConfigError, parseAddress, roleNames } from '../config.ts';
import { folders, lookAtDirectories } from '../directories.ts';
import type { OpenShard, ShardParts } from '../shard.ts';
import { addressesOf } from './addresses.ts';
import { checkEngine } from './engine.ts';
import { authorityContext } from './links.ts';
import { openNode } from './node.ts';
import { type NodeFile, readNodeFile, writeAuthority, writeNodeFile, writeWhole } from './state.ts';
import { identityVolume } from './threads.ts';

/** Why a server opens its store as a node of a cluster: what `openOwner` is given then. */
export interface Membership {
  readonly openShard: (parts: ShardParts) => Promise<OpenShard>;
  /** Store that empty directories become a part of; undefined where this node begins the cluster. */
  readonly store: string | undefined;
}

/** What a node that joins is given, sealed. */
export interface Welcome {
  readonly cluster: string;
  readonly store: string;
  /** Bytes of the keyring file. */
  readonly keyring: Buffer;
  /** The cluster's authority, sealed under the master key. */
  readonly authority: Buffer;
  /** Client addresses of etcd. */
  readonly endpoints: readonly string[];
  /** The node that let it in. */
  readonly by: { readonly node: string; readonly address: string };
}

/**
 * Finds out whether this server is a node of a cluster: its directory says so, or it is told to begin or to join one. Undefined: it is alone.
 * @param port of its HTTP listener
 * @throws ConfigError saying what to do
 */
export async function findMembership(
  config: Config,
  port: number,
  host: Host,
  log: StructuredLog,
  onLinkFailed: (cause: unknown) => void,
): Promise<Membership | undefined> {
  const { holders, store } = lookAtDirectories(config.data);
  const primary = holders[0] as string;
  const folder = folders.cluster(primary);
  const { clusterName, join } = config;
  const known = readNodeFile(folder);
  if (known && clusterName !== undefined && clusterName !== known.cluster)
    throw new ConfigError(
      `this directory is a node of the cluster ${known.cluster}, not of ${clusterName}: leave --cluster-name out`,
    );
  const common = { folder, config, port, host, log, onLinkFailed };
  if (known) {
    if (join !== undefined)
      log.info('this node is a member already: --join is passed over', { cluster: known.cluster });
    await claimAddress(addressesOf(config, port).between, '--cluster-address');
    return {
      store: known.store,
      async openShard(parts) {
        if (hasArrived(known)) return openNode({ ...common, file: known, parts });
        // Its first start was broken off: whether the cluster's log goes on from its own yet is not known.
        const after = await endOfOwnLog(parts);
        return openNode({ ...common, file: known, parts, after, wasAlone: true });
      },
    };
  }
  if (join !== undefined) {
    if (clusterName !== undefined)
      throw new ConfigError('--cluster-name begins a cluster and --join joins one: give one of them');
    if (store !== undefined)
      throw new ConfigError('--data holds a store already, and a node joins with an empty directory: give another one');
    // Before the invitation is used up.
    await claimAddress(addressesOf(config, port).between, '--cluster-address');
    const file = await joinBy(join, folder, folders.keys(primary), host);
    return { store: file.store, openShard: (parts) => openNode({ ...common, file, parts }) };
  }
  if (clusterName === undefined) {
    if (config.roles.length < roleNames.length)
      throw new ConfigError(
        '--roles is for nodes of a cluster, and this server is alone: leave it out, or give --cluster-name or --join',
      );
    return undefined;
  }
  return {
    store: undefined,
    async openShard(parts) {
      // What is refused is refused while the store is what it was: once it has begun, it is a node.
      const { between, etcdClients, etcdPeers } = addressesOf(config, port);
      await claimAddress(between, '--cluster-address');
      if (config.etcd.length === 0) for (const one of [etcdClients, etcdPeers]) await claimAddress(one, '--etcd-ports');
      await checkEngine(config, host, log, clusterName);
      const after = await endOfOwnLog(parts);
      const file = await begin(folder, clusterName, parts);
      return openNode({ ...common, file, parts, after, wasAlone: after !== undefined });
    },
  };
}

/** Refuses an address at which this node could not listen. @param option which changes it */
async function claimAddress(address: string, option: string): Promise<void> {
  const { host, port } = parseAddress(address);
  await claimPort(host, port, option);
}

/** Whether a node has come to the end of a start: the one that began the cluster knows no etcd before that. */
const hasArrived = ({ by, endpoints }: NodeFile): boolean => by !== null || endpoints.length > 0;

/** Makes this node the first of a new cluster. The file that says so comes last: without it, nothing has begun. */
async function begin(folder: string, cluster: string, { host, keyring, directories }: ShardParts): Promise<NodeFile> {
  const authority = createAuthority(host);
  const node = randomUuid(host.entropy.bytes(16));
  const key = newKey(host);
  const certificate = issueCertificate(host, authority, { node, publicKey: publicDer(key) });
  writeAuthority(folder, await keyring.wrap(encodeAuthority(authority), authorityContext));
  await storeIdentity(identityVolume(folder), { node, key, certificate, authorities: [authority.certificate] });
  const file: NodeFile = {
    format: 1,
    cluster,
    node,
    store: directories.store,
    endpoints: [],
    member: false,
    by: null,
  };
  writeNodeFile(folder, file);
  return file;
}

/** Lets this node be taken in by the one that the line names. */
async function joinBy(line: string, folder: string, keys: string, host: Host): Promise<NodeFile> {
  const node = randomUuid(host.entropy.bytes(16));
  const { identity, payload } = await joinCluster({ line, node, host }).catch((cause: unknown) => {
    if (cause instanceof StoreError || cause instanceof InvitationError || cause instanceof IdentityError)
      throw new ConfigError(`this node could not join: ${cause.message}`, { cause });
    throw cause;
  });
  const welcome = unpack<Welcome>(payload);
  writeWhole(keys, 'keyring', welcome.keyring);
  writeAuthority(folder, welcome.authority);
  await storeIdentity(identityVolume(folder), identity);
  const { cluster, store, endpoints, by } = welcome;
  const file: NodeFile = { format: 1, cluster, node, store, endpoints: [...endpoints], member: false, by };
  writeNodeFile(folder, file);
  return file;
}
