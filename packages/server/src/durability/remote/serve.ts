import { CorruptionError, StoreError } from '../../errors.ts';
import type { FragmentId, FragmentStore, FragmentWriter } from '../../fragments/index.ts';
import type { Host } from '../../host/index.ts';
import { limits } from '../../limits.ts';
import type { Position } from '../../log/index.ts';
import type { GroupRecord, MetadataReader } from '../../metadata/index.ts';
import { type Answer, type IncomingCall, pack, unpack } from '../../transport/index.ts';
import { fragmentDigest, type PlacedBy, removeStripes } from '../access.ts';
import { indexOf, lengthOf, stripeOf } from '../address.ts';
import { sweepClosed } from '../jobs/collector.ts';
import { Pace } from '../jobs/pace.ts';
import type { FragmentCall, FragmentCalls } from './calls.ts';

/** A fragment that another node is writing here. */
interface Handle {
  readonly node: string;
  readonly writer: FragmentWriter;
  readonly device: string;
  readonly id: FragmentId;
  readonly by: PlacedBy | undefined;
  /** What the other node had applied when it began. */
  readonly position: Position;
  usedAt: number;
}

/** Serves this node's devices to the others. */
export interface FragmentServer {
  /** Undefined for a call that is not about fragments. */
  serve(call: IncomingCall): Promise<Answer> | undefined;
  /** Gives up what is being written. */
  close(): Promise<void>;
}

const nothing: Answer = { head: new Uint8Array(0) };

export interface FragmentServerOptions {
  /** This thread's, of the devices of this node. */
  readonly stores: ReadonlyMap<string, FragmentStore>;
  readonly reader: Pick<MetadataReader, 'stripeOwner' | 'intents' | 'group' | 'devices' | 'nodes'>;
  /** Whether a fragment is just being removed. */
  readonly removing: (device: string, id: FragmentId) => boolean;
  /** Resolves when the reader has what was logged up to the position. */
  readonly reached: (position: Position) => Promise<void>;
  readonly host: Host;
}

export function serveFragments(options: FragmentServerOptions): FragmentServer {
  const { stores, host } = options;
  const handles = new Map<number, Handle>();
  let next = 1;

  const storeOf = (device: string): FragmentStore => {
    const store = stores.get(device);
    if (!store) throw new StoreError('NotFound', { message: `Device ${device} is not on this node.` });
    return store;
  };
  /** A handle belongs to the node that it was given to. */
  const handleOf = (node: string, number: number): Handle => {
    const handle = handles.get(number);
    if (!handle || handle.node !== node)
      throw new StoreError('ServiceUnavailable', {
        message: 'The fragment is not being written here any more. Write the stripe again.',
      });
    handle.usedAt = host.clock.monotonic();
    return handle;
  };
  const end = (number: number): FragmentWriter | undefined => {
    const handle = handles.get(number);
    handles.delete(number);
    return handle?.writer;
  };

  /** Its intent may have been closed and swept, or its stripe collected, while the bytes were on their way: then nobody would ever remove it. */
  const isWanted = (id: FragmentId): boolean =>
    options.reader.stripeOwner(stripeOf(id)) !== undefined ||
    options.reader
      .intents()
      .some((intent) => intent.state === 'open' && intent.prefix.equals(id.subarray(0, intent.prefix.length)));

  /** The group as this node knows it, when that is newer than what the writer went by and has the fragment on another device. */
  const movedTo = (device: string, id: FragmentId, by: PlacedBy | undefined): GroupRecord | undefined => {
    const group = by && options.reader.group(by.group);
    return group && group.epoch > by.epoch && group.devices[indexOf(id)] !== device ? group : undefined;
  };
  const stale = ({ id, epoch }: GroupRecord): StoreError =>
    new StoreError('StalePlacement', { detail: { Group: String(id), Epoch: String(epoch) } });
  /** What it has nobody will read: it is not handed over any more. */
  const isRetired = (device: string): boolean => {
    const known = options.reader.devices().find(({ identity }) => identity === device);
    const node = known && options.reader.nodes().find(({ id }) => id === known.node);
    return known?.state === 'retired' || node?.state === 'removed';
  };

  const calls: {
    readonly [Name in FragmentCall]: (asks: FragmentCalls[Name]['asks'], call: IncomingCall) => Promise<Answer>;
  } = {
    async 'fragment.create'({ device, id, maximum, checksumBytes, by, position }, { node }) {
      if (handles.size >= limits.fragmentHandles) throw new StoreError('SlowDown', { retryAfter: 1 });
      const moved = movedTo(device, id, by);
      if (moved) throw stale(moved);
      const writer = await storeOf(device).create(id, maximum, checksumBytes);
      const handle = next++;
      handles.set(handle, { node, writer, device, id: Buffer.from(id), by, position, usedAt: host.clock.monotonic() });
      return { head: pack({ handle }) };
    },
    async 'fragment.append'({ handle }, { node, body }) {
      await handleOf(node, handle).writer.append([body]);
      return nothing;
    },
    async 'fragment.seal'({ handle }, { node, body }) {
      const { writer, device, id, by, position } = handleOf(node, handle);
      await writer.seal(body.length > 0 ? [body] : undefined);
      handles.delete(handle);
      await options.reached(position);
      // What was under way when its group moved is handed over afterwards, as long as somebody does.
      const moved = movedTo(device, id, by);
      const isLost = moved !== undefined && isRetired(device);
      if (isWanted(id) && !isLost) return nothing;
      await storeOf(device).remove([id]);
      if (isLost) throw stale(moved);
      throw new StoreError('ServiceUnavailable', {
        message: 'The stripe was given up while it was written. Try again.',
      });
    },
    async 'fragment.abort'({ handle }, { node }) {
      if (handles.get(handle)?.node === node) await end(handle)?.abort();
      return nothing;
    },
    async 'fragment.read'({ device, id, start, end: to, verify }) {
      const store = storeOf(device);
      const bytes = await (verify ? store.read(id, start, to) : store.fetch(id, start, to)).catch(asDamaged);
      return { head: new Uint8Array(0), body: [bytes] };
    },
    async 'fragment.lengths'({ device, ids }) {
      const store = storeOf(device);
      return { head: pack({ lengths: ids.map((id) => lengthOf(store, id) ?? null) }) };
    },
    async 'fragment.digest'({ device, id, at }) {
      const store = storeOf(device);
      await options.reached(at);
      const digest = await fragmentDigest(store, id).catch(asDamaged);
      // Asked at the end: what is not being removed now is not removed later, for this node knows the groups that the asking one knows.
      if (options.removing(device, id)) throw new StoreError('NotFound');
      return { head: pack({ digest }) };
    },
    async 'fragment.remove'({ device, ids }) {
      await storeOf(device).remove(ids);
      return nothing;
    },
    async 'fragment.removeStripes'({ device, stripes }) {
      return { head: pack(await removeStripes(storeOf(device), stripes)) };
    },
    async 'fragment.sweep'({ device, prefix, position }, { signal }) {
      const store = storeOf(device);
      await options.reached(position);
      return { head: pack(await sweepClosed(options.reader, store, prefix, new Pace(host, { signal }))) };
    },
    async 'fragment.flush'({ device }) {
      await storeOf(device).flush();
      return nothing;
    },
  };

  const cancel = host.timers.every(limits.fragmentHandleMs / 4, () => {
    const before = host.clock.monotonic() - limits.fragmentHandleMs;
    for (const [number, { usedAt }] of handles)
      if (usedAt < before)
        void end(number)
          ?.abort()
          .catch(() => {});
  });
  return {
    serve(call) {
      if (!Object.hasOwn(calls, call.method)) return undefined;
      return calls[call.method as FragmentCall](unpack(call.head) as never, call);
    },
    async close() {
      cancel();
      await Promise.allSettled([...handles.keys()].map(async (number) => end(number)?.abort()));
    },
  };
}

/** Errors keep their meaning over a link only as a StoreError. */
function asDamaged(error: unknown): never {
  if (error instanceof CorruptionError) throw new StoreError('Damaged', { message: error.message });
  throw error;
}
