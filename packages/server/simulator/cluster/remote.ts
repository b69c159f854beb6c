import { DeviceUnreachable, type FragmentAccess, localAccess, stripeOf } from '../../src/durability/index.ts';
import { StoreError } from '../../src/errors.ts';
import type { FragmentId, FragmentStore, FragmentWriter } from '../../src/fragments/index.ts';
import type { ShardReplica } from '../../src/metadata/index.ts';
import type { Life } from '../world/life.ts';
import type { Network } from './network.ts';

/** What a node lets others do with its devices. */
export interface DeviceServer {
  readonly life: Life;
  readonly stores: ReadonlyMap<string, FragmentStore>;
  readonly replica: Pick<ShardReplica, 'reader' | 'applied' | 'reached'>;
  /** Readers of this node see everything that had been decided when it was asked. */
  barrier(): Promise<void>;
}

/** A writer that nobody has written to for so long is given up: whoever opened it is gone. */
const idleWriterMs = 8000;

/*
 * Two rules, without which fragments stay for ever that nobody needs:
 *
 * - A call carries the position of its caller's replica, and is served when that of the device's node has come as far. So whatever the collector
 *   removes because of an entry is removed by a node that knows the entry.
 * - A node that has sealed a fragment for another looks whether anybody may still publish it, or has: its intent may be closed and swept, or
 *   its stripe collected, while the bytes were on their way. Then it takes the fragment back.
 */

/** The fragments of a device of another node. @param position of the caller's replica */
export function remoteAccess(
  network: Network<DeviceServer>,
  from: Life,
  position: () => number,
  node: string,
  device: string,
): FragmentAccess {
  const call = async <Result>(
    serve: (access: FragmentAccess, server: DeviceServer) => Promise<Result>,
  ): Promise<Result> => {
    const known = position();
    try {
      return await network.call(from, node, async (server) => {
        const store = server.stores.get(device);
        if (!store) throw new DeviceUnreachable(device);
        await server.replica.reached(known);
        return serve(localAccess(store), server);
      });
    } catch (error) {
      // The way, not the device, is what failed: whatever the device says comes with a code of its own.
      const away = error instanceof StoreError && error.message.includes('cannot be reached');
      throw away ? new DeviceUnreachable(device, error) : error;
    }
  };
  /** Bytes that cross a network are copies. */
  const copied = (bytes: Uint8Array): Buffer => Buffer.from(bytes);
  return {
    device,
    remote: true,
    async create(id, maximum, checksumBytes) {
      const opened = await call(async (access, server) => {
        const writer = await access.create(id, maximum, checksumBytes);
        const sealing = async (last?: readonly Uint8Array[]): Promise<void> => {
          await writer.seal(last);
          if (await isWanted(server, id)) return;
          await access.remove([id]);
          throw new StoreError('ServiceUnavailable', { message: 'The stripe was given up while it was written.' });
        };
        return watched(
          { ...writer, append: (pieces) => writer.append(pieces), abort: () => writer.abort(), seal: sealing },
          server.life,
        );
      });
      return {
        append: (pieces) => {
          const sent = pieces.map(copied);
          return call(() => opened.append(sent));
        },
        seal: (last) => {
          const sent = last?.map(copied);
          return call(() => opened.seal(sent));
        },
        abort: () => call(() => opened.abort()),
      };
    },
    read: (id, start, end) => call(async (access) => copied(await access.read(id, start, end))),
    fetch: (id, start, end) => call(async (access) => copied(await access.fetch(id, start, end))),
    lengths: (ids) => call((access) => access.lengths(ids)),
    digest: (id, at) =>
      call(async (access, server) => {
        await server.replica.reached(at);
        return access.digest(id, at);
      }),
    remove: (ids) => call((access) => access.remove(ids)),
    removeStripes: (stripes) => call((access) => access.removeStripes(stripes)),
    flush: () => call((access) => access.flush()),
  };
}

/** Whether the stripe of a fragment is published, or still may be. */
async function isWanted({ replica, barrier }: DeviceServer, id: FragmentId): Promise<boolean> {
  const known = (): boolean | undefined => {
    if (replica.reader.stripeOwner(stripeOf(id))) return true;
    const intent = replica.reader.intents().find(({ prefix }) => prefix.equals(id.subarray(0, prefix.length)));
    return intent && intent.state === 'open';
  };
  const now = known();
  if (now !== undefined) return now;
  await barrier();
  return known() ?? false;
}

/** Gives its space back when nothing comes any more. */
function watched(writer: FragmentWriter, life: Life): FragmentWriter {
  let ended = false;
  let stop = (): void => {};
  const again = (): void => {
    stop();
    if (!ended) stop = life.after(idleWriterMs, 'idle writer', () => void writer.abort().catch(() => {}));
  };
  again();
  const finish = (step: () => Promise<void>): Promise<void> => {
    ended = true;
    stop();
    return step();
  };
  return {
    append(pieces) {
      again();
      return writer.append(pieces);
    },
    seal: (last) => finish(() => writer.seal(last)),
    abort: () => finish(() => writer.abort()),
  };
}

/**
 * What the collector asks of a device of another node when it looks for fragments that nobody published. The list of ids is a look without a
 * call, because its interface is synchronous; whatever changes something crosses the network.
 */
export function sweptStore(
  network: Network<DeviceServer>,
  from: Life,
  position: () => number,
  node: string,
  device: string,
): FragmentStore {
  const access = remoteAccess(network, from, position, node, device);
  const there = (): FragmentStore => {
    const server = network.reach(from, node);
    const store = server && server.replica.applied() >= position() ? server.stores.get(device) : undefined;
    if (!store) throw new DeviceUnreachable(device);
    return store;
  };
  return {
    device,
    create: (id, maximum, checksumBytes) => access.create(id, maximum, checksumBytes),
    length: (id) => there().length(id),
    read: (id, start, end) => access.read(id, start, end),
    fetch: (id, start, end) => access.fetch(id, start, end),
    remove: (ids) => access.remove(ids),
    flush: () => access.flush(),
    ids: (start, limit) => there().ids(start, limit),
    audit: () => there().audit(),
    close: async () => {},
  };
}
