import path from 'node:path';
import { loadIdentity, type NodeIdentity, privatePem } from '../../certificates/index.ts';
import { fileVolume, type Volume } from '../../device/index.ts';
import type { Host } from '../../host/index.ts';
import { invariant } from '../../invariant.ts';
import { limits } from '../../limits.ts';
import { type Credentials, openTcpTransport, type Transport } from '../../transport/index.ts';
import type { Heard } from './gate.ts';

/* What threads that serve need of a cluster: as little as can be, because each loads it again. */

/** What a thread needs to reach the other nodes: plain data. */
export interface ClusterThreads {
  /** Id of this node. */
  readonly node: string;
  /** Folder with what this node is. */
  readonly folder: string;
  readonly heard: Heard;
}

/** Where a node keeps its certificate. */
export const identityVolume = (folder: string): Volume => fileVolume(path.join(folder, 'certificates'));

/** A thread's way to the other nodes. It shows what the owner's thread keeps, and looks now and then whether that was renewed. */
export async function openThreadLinks(
  folder: string,
  host: Host,
  onError: (cause: unknown) => void,
): Promise<Transport> {
  const read = async (): Promise<ReturnType<Credentials['current']>> => {
    const identity: NodeIdentity | undefined = await loadIdentity(identityVolume(folder));
    invariant(identity, 'the thread of the owner has opened the identity of this node before');
    const { certificate, key, authorities } = identity;
    return { certificate, authorities, privateKey: privatePem(key) };
  };
  let shown = await read();
  const cancel = host.timers.every(limits.identityReadMs, () => {
    read().then((found) => (shown = found), onError);
  });
  const transport = openTcpTransport({ credentials: { current: () => shown }, host, onError });
  return {
    listen: (address, serve, options) => transport.listen(address, serve, options),
    peer: (node, address) => transport.peer(node, address),
    close() {
      cancel();
      return transport.close();
    },
  };
}
