import { CorruptionError } from '../../errors.ts';
import type { Host } from '../../host/index.ts';
import { limits } from '../../limits.ts';
import type { SharedLog } from '../shared.ts';
import type { Position } from '../types.ts';
import { beginning, decodePlace, decodeStart, encodePlace, encodeStart, type Place } from './batch.ts';
import { thrownOn } from './failures.ts';
import { LogKeys } from './keys.ts';
import { EtcdLog, type LogBounds } from './log.ts';
import { type Etcd, EtcdError } from './types.ts';

export interface EtcdLogOptions {
  /** The cluster that carries the log; one connection serves any number of logs. */
  readonly etcd: Etcd;
  readonly host: Host;
  /** Names of letters, digits, `.`, `_` and `-`. */
  readonly cluster: string;
  readonly shard: string;
  /** Id of this node; no other runs under it. */
  readonly node: string;
  /** Where this node takes proposals while it owns the log, `host:port`. */
  readonly address: string;
  /**
   * Where a log that does not exist yet begins: behind this position of a log that it goes on from, whose hash there is this. At 0, with a hash
   * of its own, when left out.
   */
  readonly after?: { readonly position: Position; readonly hash: Buffer };
  /** For tests; the program's own otherwise. */
  readonly bounds?: Partial<LogBounds>;
}

/**
 * Opens the log of a shard in etcd, or begins it. The log's head is then its tail as of now.
 * @throws StoreError ServiceUnavailable when etcd is out of reach; CorruptionError when what is there is not a log
 */
export async function openEtcdLog(options: EtcdLogOptions): Promise<SharedLog> {
  const { etcd, host, cluster, shard, node, address } = options;
  const keys = new LogKeys(cluster, shard);
  const bounds: LogBounds = {
    batchBytes: limits.etcdBatchBytes,
    entryBytes: limits.entryBytes,
    tailBytes: limits.logTailBytes,
    leaseSeconds: limits.etcdLeaseSeconds,
    ...options.bounds,
  };
  const me = { node, address, session: host.entropy.bytes(8).toString('hex') };
  try {
    for (;;) {
      const ranges = await etcd.ranges([{ key: keys.tail }, { key: keys.first }]);
      const [tail, first] = ranges.map(({ pairs }) => pairs[0]);
      if (tail && first) {
        const place = decodePlace(keys.tail, tail.value);
        return new EtcdLog(etcd, host, keys, bounds, me, place, decodeStart(keys.first, first.value));
      }
      if (tail || first) throw new CorruptionError(`of the keys ${keys.tail} and ${keys.first} in etcd one is missing`);
      await found(etcd, keys, { ...beginning(host.entropy.bytes(16)), ...options.after });
    }
  } catch (error) {
    throw thrownOn(error);
  }
}

/**
 * Whether a shard has a log in etcd.
 * @throws StoreError ServiceUnavailable when etcd is out of reach
 */
export async function hasEtcdLog(options: Pick<EtcdLogOptions, 'etcd' | 'cluster' | 'shard'>): Promise<boolean> {
  const { tail } = new LogKeys(options.cluster, options.shard);
  try {
    const [found] = await options.etcd.ranges([{ key: tail }]);
    return (found?.pairs.length ?? 0) > 0;
  } catch (error) {
    throw thrownOn(error);
  }
}

/** Begins a log, unless somebody else just did. */
async function found(etcd: Etcd, keys: LogKeys, place: Place): Promise<void> {
  const start = { position: place.position + 1, bytes: place.bytes };
  try {
    await etcd.transact({
      compare: [{ key: keys.tail, created: 0 }],
      success: [
        { put: { key: keys.tail, value: encodePlace(place) } },
        { put: { key: keys.first, value: encodeStart(start) } },
      ],
    });
  } catch (error) {
    // It may have been made; the next look tells.
    if (!(error instanceof EtcdError) || error.outcome === 'refused') throw error;
  }
}

/**
 * A replica that will not come back: its snapshots are waited for no longer before the log is trimmed.
 * @throws StoreError ServiceUnavailable when etcd is out of reach
 */
export async function forgetReplica(
  options: Pick<EtcdLogOptions, 'etcd' | 'cluster' | 'shard' | 'node'>,
): Promise<void> {
  const key = new LogKeys(options.cluster, options.shard).covered(options.node);
  try {
    await options.etcd.transact({ compare: [], success: [{ remove: { key } }] });
  } catch (error) {
    throw thrownOn(error);
  }
}
