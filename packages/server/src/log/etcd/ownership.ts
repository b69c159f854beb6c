import type { Host } from '../../host/index.ts';
import { limits } from '../../limits.ts';
import type { LogOwner } from '../shared.ts';
import { decodePlace, decodeStart, type Place, type Start } from './batch.ts';
import type { LogKeys } from './keys.ts';
import { Lease } from './lease.ts';
import { type Etcd, EtcdError, type KeyValue, type RangeAnswer } from './types.ts';

/** Who wants to own a log. */
export interface Candidate {
  readonly node: string;
  /** Where it takes proposals. */
  readonly address: string;
  /** Random, of this run of the node. */
  readonly session: string;
}

/** The owner key, as it is in etcd: its epoch is the revision that created it. */
export interface OwnerKey extends LogOwner {
  readonly session: string;
  readonly lease: number;
}

/** An ownership that was won. */
export interface Held {
  readonly lease: Lease;
  readonly epoch: number;
  /** Where the log ended when it was won; nobody else has appended since. */
  readonly place: Place;
  readonly start: Start;
}

/** Reads an owner key; one that cannot be read has an owner without name or address. */
export function readOwner(pair: KeyValue | undefined): OwnerKey | undefined {
  if (!pair) return undefined;
  const text = (value: unknown): string => (typeof value === 'string' ? value : '');
  let value: Record<string, unknown> = {};
  try {
    value = Object(JSON.parse(pair.value.toString()));
  } catch {
    // Nobody but an operator writes such a thing; it is an owner all the same.
  }
  const { node, address, session } = value;
  const { created: epoch, lease } = pair;
  return { node: text(node), address: text(address), session: text(session), epoch, lease };
}

/** A lease id of 52 random bits: etcd would choose one that a number cannot hold. */
function leaseId(host: Host): number {
  const bytes = host.entropy.bytes(7);
  return bytes.readUIntLE(0, 6) * 16 + ((bytes[6] as number) & 15) + 1;
}

/**
 * Waits until nobody owns the log and then owns it. What an earlier run of this node still holds is given back first: one node runs once.
 * @param vacant resolves when no other node seems to own it, from its call on
 */
export async function acquire(
  etcd: Etcd,
  host: Host,
  keys: LogKeys,
  me: Candidate,
  seconds: number,
  signal: AbortSignal,
  vacant: () => Promise<void>,
): Promise<Held | undefined> {
  while (!signal.aborted) {
    try {
      const next = vacant();
      const owner = readOwner((await etcd.range({ key: keys.owner })).pairs[0]);
      if (owner === undefined) {
        const held = await compete(etcd, host, keys, me, seconds);
        if (held) return held;
      } else if (owner.node === me.node && owner.lease !== 0) await etcd.revoke(owner.lease);
      else await next;
    } catch (error) {
      if (!(error instanceof EtcdError)) throw error;
      await host.timers.sleep(limits.etcdBackoffMs, signal);
    }
  }
  return undefined;
}

/** Takes the ownership if nobody has it. */
async function compete(
  etcd: Etcd,
  host: Host,
  keys: LogKeys,
  me: Candidate,
  seconds: number,
): Promise<Held | undefined> {
  const id = leaseId(host);
  const granted = host.clock.monotonic();
  const lease = new Lease(etcd, host, id, granted, await etcd.grant(id, seconds));
  const value = Buffer.from(JSON.stringify(me));
  const reads = [keys.owner, keys.tail, keys.first].map((key) => ({ range: { key } }));
  try {
    const ranges = await etcd
      .transact({
        compare: [{ key: keys.owner, created: 0 }],
        success: [{ put: { key: keys.owner, value, lease: id } }, ...reads],
        failure: reads,
      })
      .then(
        (answer) => answer.ranges,
        (error): Promise<readonly RangeAnswer[]> => {
          if (!(error instanceof EtcdError) || error.outcome === 'refused') throw error;
          return etcd.ranges(reads.map(({ range }) => range));
        },
      );
    const [owner, tail, first] = ranges.map(({ pairs }) => pairs[0]);
    if (owner && tail && first && owner.lease === id && !lease.lost.aborted) {
      const place = decodePlace(keys.tail, tail.value);
      return { lease, epoch: owner.created, place, start: decodeStart(keys.first, first.value) };
    }
  } catch (error) {
    await lease.release();
    throw error;
  }
  await lease.release();
  return undefined;
}
