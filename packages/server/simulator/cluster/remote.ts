import { DeviceUnreachable, type FragmentAccess, localAccess } from '../../src/durability/index.ts';
import { StoreError } from '../../src/errors.ts';
import type { FragmentStore, FragmentWriter } from '../../src/fragments/index.ts';
import type { Life } from '../world/life.ts';
import type { Network } from './network.ts';

/** What a node lets others do with its devices. */
export interface DeviceServer {
  readonly life: Life;
  readonly stores: ReadonlyMap<string, FragmentStore>;
}

/** A writer that nobody has written to for so long is given up: whoever opened it is gone. */
const idleWriterMs = 8000;

/** The fragments of a device of another node. */
export function remoteAccess(network: Network<DeviceServer>, from: Life, node: string, device: string): FragmentAccess {
  const call = async <Result>(serve: (access: FragmentAccess, life: Life) => Promise<Result>): Promise<Result> => {
    try {
      return await network.call(from, node, async ({ life, stores }) => {
        const store = stores.get(device);
        if (!store) throw new DeviceUnreachable(device);
        return serve(localAccess(store), life);
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
      const opened = await call(async (access, life) => watched(await access.create(id, maximum, checksumBytes), life));
      return {
        append: (pieces) => {
          const sent = pieces.map(copied);
          return call(() => opened.append(sent));
        },
        seal: () => call(() => opened.seal()),
        abort: () => call(() => opened.abort()),
      };
    },
    read: (id, start, end) => call(async (access) => copied(await access.read(id, start, end))),
    fetch: (id, start, end) => call(async (access) => copied(await access.fetch(id, start, end))),
    lengths: (ids) => call((access) => access.lengths(ids)),
    remove: (ids) => call((access) => access.remove(ids)),
    removeStripes: (stripes) => call((access) => access.removeStripes(stripes)),
    flush: () => call((access) => access.flush()),
  };
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
    seal: () => finish(() => writer.seal()),
    abort: () => finish(() => writer.abort()),
  };
}

/**
 * What the collector asks of a device of another node when it looks for fragments that nobody published. The list of ids is a look without a
 * call, because its interface is synchronous; whatever changes something crosses the network.
 */
export function sweptStore(network: Network<DeviceServer>, from: Life, node: string, device: string): FragmentStore {
  const access = remoteAccess(network, from, node, device);
  const there = (): FragmentStore => {
    const store = network.reach(from, node)?.stores.get(device);
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
