import { CorruptionError, StoreError } from '../../errors.ts';
import type { FragmentId, FragmentWriter } from '../../fragments/index.ts';
import { limits } from '../../limits.ts';
import type { Position } from '../../log/index.ts';
import { type Peer, pack, unpack } from '../../transport/index.ts';
import { DeviceUnreachable, type FragmentAccess, type Removed } from '../access.ts';
import type { FragmentCall, FragmentCalls } from './calls.ts';

/**
 * The fragments of a device that another node has. Every call has a deadline; what it did when it is late is not known, and nothing is
 * asked twice.
 * @param position what this node has applied of the shard that knows the intent of this fragment
 */
export function remoteFragments(peer: Peer, device: string, position: (id: FragmentId) => Position): FragmentAccess {
  const call = async <Name extends FragmentCall>(
    name: Name,
    asks: FragmentCalls[Name]['asks'],
    body?: readonly Uint8Array[],
  ): Promise<{ readonly answers: FragmentCalls[Name]['answers']; readonly body: Buffer }> => {
    const answer = await peer
      .call(name, pack(asks), { deadlineMs: limits.fragmentCallMs, ...(body && { body }) })
      .catch((error: unknown) => {
        if (error instanceof StoreError && error.code === 'ServiceUnavailable')
          throw new DeviceUnreachable(device, error);
        throw error;
      });
    return { answers: answer.head.length === 0 ? undefined : unpack(answer.head), body: answer.body };
  };
  const read = async (id: FragmentId, start: number, end: number, verify: boolean): Promise<Buffer> => {
    const { body } = await call('fragment.read', { device, id, start, end, verify }).catch(revive);
    if (body.length !== end - start)
      throw new CorruptionError(`node ${peer.node} gave ${body.length} bytes of ${end - start}`);
    return body;
  };
  return {
    device,
    remote: true,
    async create(id, maximum, checksumBytes, by) {
      const { answers } = await call('fragment.create', {
        device,
        id,
        maximum,
        checksumBytes,
        ...(by && { by }),
        position: position(id),
      });
      const { handle } = answers;
      const writer: FragmentWriter = {
        append: async (pieces) => void (await call('fragment.append', { handle }, pieces)),
        seal: async (last) => void (await call('fragment.seal', { handle }, last)),
        abort: async () => void (await call('fragment.abort', { handle })),
      };
      return writer;
    },
    read: (id, start, end) => read(id, start, end, true),
    fetch: (id, start, end) => read(id, start, end, false),
    async lengths(ids) {
      const { answers } = await call('fragment.lengths', { device, ids });
      return answers.lengths.map((length) => length ?? undefined);
    },
    async digest(id, at) {
      const { answers } = await call('fragment.digest', { device, id, at }).catch(revive);
      return answers.digest;
    },
    remove: async (ids) => void (await call('fragment.remove', { device, ids })),
    removeStripes: async (stripes) => (await call('fragment.removeStripes', { device, stripes })).answers,
    flush: async () => void (await call('fragment.flush', { device })),
  };
}

/** Has a device of another node swept there; see `CollectorOptions.sweep`. */
export async function sweepRemote(peer: Peer, device: string, prefix: Buffer, position: Position): Promise<Removed> {
  const asks: FragmentCalls['fragment.sweep']['asks'] = { device, prefix, position };
  const { head } = await peer.call('fragment.sweep', pack(asks), { deadlineMs: limits.fragmentCallMs });
  return unpack<Removed>(head);
}

/** A checksum that did not hold over there is a damaged copy here too. */
function revive(error: unknown): never {
  if (error instanceof StoreError && error.code === 'Damaged') throw new CorruptionError(error.message);
  throw error;
}
