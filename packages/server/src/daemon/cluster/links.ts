import {
  type Authority,
  decodeAuthority,
  issueCertificate,
  loadIdentity,
  type NodeCredentials,
  openCredentials,
} from '../../certificates/index.ts';
import type { Host } from '../../host/index.ts';
import type { Keyring } from '../../keys/index.ts';
import { openTcpTransport, type Transport } from '../../transport/index.ts';
import { ConfigError } from '../config.ts';
import { readAuthority } from './state.ts';
import { identityVolume } from './threads.ts';

/** Seals the cluster's authority under the master key. */
export const authorityContext = Buffer.from('dsom cluster authority 1', 'latin1');

/** The cluster's certificate authority: every node has it, and can take in another. */
export async function openAuthority(folder: string, keyring: Keyring): Promise<Authority> {
  return decodeAuthority(await keyring.unwrap(readAuthority(folder), authorityContext));
}

async function identityOf(folder: string) {
  const identity = await loadIdentity(identityVolume(folder));
  if (identity) return identity;
  throw new ConfigError(
    `${folder} has no certificate of this node: put your backup of it back, or let the node join the cluster anew with an empty directory`,
  );
}

export interface NodeLinks {
  readonly transport: Transport;
  /** What this node shows, and whom it trusts, now. */
  readonly credentials: NodeCredentials;
  close(): Promise<void>;
}

/** The way of the owner's thread to the other nodes. Its certificate is renewed before it expires. */
export async function openLinks(
  folder: string,
  keyring: Keyring,
  host: Host,
  onError: (cause: unknown) => void,
): Promise<NodeLinks> {
  const identity = await identityOf(folder);
  const credentials = openCredentials({
    identity,
    volume: identityVolume(folder),
    host,
    async renew(publicKey) {
      const authority = await openAuthority(folder, keyring);
      const certificate = issueCertificate(host, authority, { node: identity.node, publicKey });
      return { certificate, authorities: credentials.current().authorities };
    },
    onError,
  });
  const transport = openTcpTransport({ credentials, host, onError });
  return {
    transport,
    credentials,
    async close() {
      credentials.close();
      await transport.close();
    },
  };
}
