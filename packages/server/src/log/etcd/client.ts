import { StoreError } from '../../errors.ts';
import type { Host } from '../../host/index.ts';
import { invariant } from '../../invariant.ts';
import { limits } from '../../limits.ts';
import { Endpoint, type EtcdTls } from './calls.ts';
import * as messages from './messages.ts';
import { type Etcd, EtcdError, type MemberStatus } from './types.ts';
import { refuseOld } from './version.ts';
import { openWatch } from './watch.ts';

export interface EtcdOptions {
  /** URLs or `host:port` of members; any of them is asked, and the next one after a failure. */
  readonly endpoints: readonly string[];
  readonly host: Host;
  /** Asked at every call, for certificates are renewed. None: plain connections. */
  readonly tls?: () => EtcdTls;
  /** Where members stop taking writes (`--quota-backend-bytes`); etcd's default of 2 GiB when left out. Members from 3.6 on say it themselves. */
  readonly quotaBytes?: number;
  /** For tests: uses members whose linearizable reads can be stale. */
  readonly allowOldEtcd?: boolean;
}

const none = Buffer.alloc(0);
/** etcd takes half a MiB more than its `--max-request-bytes`. */
const probeBytes = limits.entryBytes + 2 * limits.etcdBatchBytes;

/**
 * Connects to an etcd cluster.
 * @throws StoreError ServiceUnavailable when no endpoint answers within `limits.etcdCallMs`, or one is of a version that must not be used or
 * does not take requests of the log's size
 */
export async function connectEtcd(options: EtcdOptions): Promise<Etcd> {
  const { host } = options;
  invariant(options.endpoints.length > 0, 'an etcd cluster has an endpoint');
  const endpoints = options.endpoints.map((url) => new Endpoint(url, options.tls, host));
  const first = endpoints[0] as Endpoint;
  let current = first;

  const failures = new Set<(endpoint: Endpoint) => void>();
  /** The next call goes elsewhere, unless another failure already saw to it, and so do watches. */
  const failed = (endpoint: Endpoint): void => {
    if (current === endpoint) current = endpoints[(endpoints.indexOf(endpoint) + 1) % endpoints.length] ?? first;
    if (current !== endpoint) for (const leave of failures) leave(endpoint);
  };
  const onFailed = (leave: (endpoint: Endpoint) => void): (() => void) => {
    failures.add(leave);
    return () => failures.delete(leave);
  };

  const once = async (method: string, request: Buffer, milliseconds: number = limits.etcdTryMs): Promise<Buffer> => {
    const endpoint = current;
    try {
      return await endpoint.call(method, request, milliseconds);
    } catch (error) {
      if (error instanceof EtcdError && error.outcome === 'unknown') failed(endpoint);
      throw error;
    }
  };

  /** For calls that may be made any number of times. */
  const repeated = async (method: string, request: Buffer, most: number = limits.etcdCallMs): Promise<Buffer> => {
    const end = host.clock.monotonic() + most;
    for (let pause: number = limits.etcdBackoffMs; ; pause = Math.min(pause * 2, limits.etcdTryMs)) {
      try {
        return await once(method, request);
      } catch (error) {
        const left = end - host.clock.monotonic();
        if (!(error instanceof EtcdError) || error.outcome === 'refused' || left <= pause) throw error;
        await host.timers.sleep(pause);
      }
    }
  };

  const statuses = async (): Promise<readonly MemberStatus[]> => {
    const found = await Promise.all(
      endpoints.map(async (endpoint) => {
        try {
          const answer = await endpoint.call('Maintenance/Status', none, limits.etcdTryMs);
          return messages.decodeStatus(endpoint.address, answer);
        } catch (error) {
          if (!(error instanceof EtcdError)) throw error;
          return undefined;
        }
      }),
    );
    return found.filter((one) => one !== undefined);
  };

  const alarms = async () => messages.decodeAlarms(await repeated('Maintenance/Alarm', messages.encodeAlarmGet()));

  const close = async (): Promise<void> => {
    for (const endpoint of endpoints) endpoint.close();
  };

  /** Throws when the endpoint does not take requests as large as the log's; it passes over a field that it does not know. */
  const probe = async (address: string): Promise<void> => {
    const endpoint = endpoints.find((one) => one.address === address);
    try {
      await endpoint?.call('Maintenance/Status', messages.encodeProbe(probeBytes), limits.etcdCallMs);
    } catch (error) {
      if (!(error instanceof EtcdError)) throw error;
      if (error.outcome === 'refused')
        throw new StoreError('ServiceUnavailable', { message: error.message, cause: error });
    }
  };

  /** Waits for one member at least, and looks at those that answer. */
  const begin = async (): Promise<void> => {
    const end = host.clock.monotonic() + limits.etcdCallMs;
    for (;;) {
      const found = await statuses();
      if (!options.allowOldEtcd) for (const one of found) refuseOld(one.endpoint, one.version);
      await Promise.all(found.map(({ endpoint }) => probe(endpoint)));
      if (found.length > 0) return;
      if (host.clock.monotonic() >= end) {
        const names = endpoints.map(({ address }) => address).join(', ');
        const message = `No etcd member answers at ${names}. Check that etcd runs there, and its addresses and certificates.`;
        throw new StoreError('ServiceUnavailable', { message, retryAfter: 1 });
      }
      await host.timers.sleep(limits.etcdBackoffMs);
    }
  };

  try {
    await begin();
  } catch (error) {
    await close();
    throw error;
  }

  return {
    quotaBytes: options.quotaBytes ?? limits.etcdQuotaBytes,
    range: async (request) => messages.decodeRange(await repeated('KV/Range', messages.encodeRange(request))),
    async ranges(requests) {
      const request = messages.encodeTransaction({ compare: [], success: requests.map((range) => ({ range })) });
      return messages.decodeTransaction(await repeated('KV/Txn', request)).ranges;
    },
    transact: async (transaction) =>
      messages.decodeTransaction(await once('KV/Txn', messages.encodeTransaction(transaction))),
    watch: (keys, watcher) => openWatch(keys, watcher, host, () => current, failed, onFailed),
    grant: async (lease, seconds) =>
      messages.decodeSeconds(await once('Lease/LeaseGrant', messages.encodeGrant(lease, seconds))),
    // A stream of one request, which has one answer.
    keepAlive: async (lease) => messages.decodeSeconds(await once('Lease/LeaseKeepAlive', messages.encodeLease(lease))),
    async revoke(lease) {
      await once('Lease/LeaseRevoke', messages.encodeLease(lease));
    },
    async compact(revision) {
      await repeated('KV/Compact', messages.encodeCompact(revision));
    },
    async defragment(address) {
      const endpoint = endpoints.find((one) => one.address === address);
      invariant(endpoint, 'an endpoint to defragment is one of the cluster');
      await endpoint.call('Maintenance/Defragment', none, limits.etcdDefragmentMs);
    },
    statuses,
    members: async () => messages.decodeMemberList(await repeated('Cluster/MemberList', messages.encodeMemberList())),
    async addLearner(peerUrl) {
      await once('Cluster/MemberAdd', messages.encodeLearner(peerUrl), limits.etcdCallMs);
    },
    async promote(id) {
      await once('Cluster/MemberPromote', messages.encodeMemberId(id), limits.etcdCallMs);
    },
    async removeMember(id) {
      await once('Cluster/MemberRemove', messages.encodeMemberId(id), limits.etcdCallMs);
    },
    async updateMember(id, peerUrl) {
      await once('Cluster/MemberUpdate', messages.encodeMemberUpdate(id, peerUrl), limits.etcdCallMs);
    },
    async moveLeader(address, to) {
      const endpoint = endpoints.find((one) => one.address === address);
      invariant(endpoint, 'an endpoint that hands its lead over is one of the cluster');
      await endpoint.call('Maintenance/MoveLeader', messages.encodeMemberId(to), limits.etcdCallMs);
    },
    use(urls) {
      for (const url of urls) {
        const one = new Endpoint(url, options.tls, host);
        if (endpoints.length < limits.etcdEndpoints && !endpoints.some(({ address }) => address === one.address))
          endpoints.push(one);
        else one.close();
      }
    },
    alarms,
    async disarm() {
      for (const { member, name } of await alarms())
        if (name === 'NOSPACE') await repeated('Maintenance/Alarm', messages.encodeAlarmOff(member));
    },
    close,
  };
}
