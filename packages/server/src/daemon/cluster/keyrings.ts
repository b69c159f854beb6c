import { StoreError } from '../../errors.ts';
import type { Keyring } from '../../keys/index.ts';
import { limits } from '../../limits.ts';
import { type MetadataReader, masterKeyOf } from '../../metadata/index.ts';
import { type Peer, pack, type Transport, unpack } from '../../transport/index.ts';

/*
 * How a node comes by a master key that was made on another one: it asks the others for their keyring, over links between nodes. The key is never in the
 * log, where who knows an older key could open it.
 */

/** The call by which a node asks another one for its keyring. */
export const keyringCall = 'node.keyring';

/** Keyring files of these nodes, one after the other; those that do not answer are passed over. */
export async function* keyringsOf(peers: readonly Pick<Peer, 'call'>[]): AsyncGenerator<Buffer> {
  for (const peer of peers) {
    const answer = await peer
      .call(keyringCall, pack(null), { deadlineMs: limits.nodeStateDeadlineMs })
      .catch(() => undefined);
    if (answer) yield Buffer.from(unpack<Uint8Array>(answer.head));
  }
}

/**
 * Before this node serves: it may have joined, or been away, while a master key was rotated, and others may seal with one already that it lacks.
 * @throws StoreError ServiceUnavailable where it lacks one and nobody gives it
 */
export async function holdMasterKey(
  keyring: Keyring,
  reader: Pick<MetadataReader, 'setting' | 'nodes'>,
  node: string,
  transport: Pick<Transport, 'peer'>,
): Promise<void> {
  const wanted = masterKeyOf(reader);
  if (!wanted || wanted.state === 'spreading') return;
  if (!(await keyring.take(wanted))) {
    const others = reader.nodes().filter((one) => one.id !== node && one.state !== 'removed');
    const peers = others.map(({ id, address }) => transport.peer(id, address));
    try {
      let taken = false;
      for await (const file of keyringsOf(peers)) if (!taken) taken = await keyring.take(wanted, file);
      if (!taken)
        throw new StoreError('ServiceUnavailable', {
          message: `The keyring of this node lacks master key ${wanted.number}, which the cluster seals with, and no node that answers gave it: start the other nodes, or put the newest backup of this store's keys/keyring back and start again.`,
          retryAfter: 1,
        });
    } finally {
      for (const peer of peers) await peer.close();
    }
  }
  await keyring.activate(wanted.number);
}
