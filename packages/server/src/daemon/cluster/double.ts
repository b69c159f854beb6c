import { limits } from '../../limits.ts';
import { pack, type Transport } from '../../transport/index.ts';
import { ConfigError } from '../config.ts';
import { stateCall } from './network.ts';
import { readAddress, writeAddress } from './state.ts';

export interface AddressInput {
  /** Folder `cluster` of the directory. */
  readonly folder: string;
  readonly node: string;
  /** Where the other nodes are to reach this one. */
  readonly address: string;
  readonly transport: Pick<Transport, 'peer'>;
}

/**
 * Keeps where this node is from now on, and refuses to be a node that runs already. Whoever starts a copy of a node's directory elsewhere would have two that are taken for
 * one: both answer for its devices, and the copy's member of etcd votes in the place of the other. So a node that was at another address before first asks whether it still
 * answers there; its certificate says that it is this node. At the same address the port would be in use.
 * @throws ConfigError where it does
 */
export async function takeAddress({ folder, node, address, transport }: AddressInput): Promise<void> {
  const before = readAddress(folder);
  if (before !== undefined && before !== address && (await answers(transport, node, before)))
    throw new ConfigError(
      `this node (${node}) runs already, at ${before}: stop it there before it is started at ${address}. If this directory is a copy of its directory, leave it alone: two nodes with one identity lose what they write`,
    );
  writeAddress(folder, address);
}

async function answers(transport: Pick<Transport, 'peer'>, node: string, address: string): Promise<boolean> {
  const peer = transport.peer(node, address);
  const deadlineMs = limits.linkConnectMs + limits.nodeStateMs;
  try {
    await peer.call(stateCall, pack({}), { deadlineMs });
    return true;
  } catch {
    // It may have answered that it cannot.
    return peer.reachable;
  } finally {
    await peer.close();
  }
}
