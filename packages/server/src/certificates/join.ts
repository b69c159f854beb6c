import { createPublicKey, hkdfSync, type KeyObject, sign, verify, X509Certificate } from 'node:crypto';
import { ByteReader, ByteWriter } from '../codec/index.ts';
import { CorruptionError, StoreError } from '../errors.ts';
import type { Host } from '../host/index.ts';
import { keyBytes, nonceBytes, openBox, sealBox } from '../keys/index.ts';
import { limits } from '../limits.ts';
import { askToJoin, isNodeId, type Serve } from '../transport/index.ts';
import { type Authority, authorityHash, issueCertificate } from './authority.ts';
import { newKey, publicDer } from './certificate.ts';
import { checkIdentity, IdentityError, type NodeIdentity } from './identity.ts';
import {
  addressesOf,
  type Invitation,
  InvitationError,
  type InvitationStore,
  isGood,
  parseInvitation,
} from './invitation.ts';

const formatVersion = 1;
const purpose = 'dsom join 1';
const sealing = Buffer.from('dsom join payload 1', 'latin1');

interface JoinRequest {
  readonly id: Buffer;
  readonly secret: Buffer;
  readonly node: string;
  /** SPKI, DER. */
  readonly publicKey: Buffer;
  /** Of everything else, by the private key: who joins holds it. */
  readonly proof: Buffer;
}

/** What belongs together in one joining: signed by the node, and bound to what it is given. */
function contextOf({ id, node, publicKey }: Pick<JoinRequest, 'id' | 'node' | 'publicKey'>): Buffer {
  return new ByteWriter(256).string(purpose).raw(id).string(node).bytes(publicKey).finish();
}

function sealingKey(secret: Uint8Array, id: Uint8Array): Buffer {
  return Buffer.from(hkdfSync('sha256', secret, id, sealing, keyBytes));
}

function encodeRequest({ id, secret, node, publicKey, proof }: JoinRequest): Buffer {
  return new ByteWriter(512)
    .u8(formatVersion)
    .bytes(id)
    .bytes(secret)
    .string(node)
    .bytes(publicKey)
    .bytes(proof)
    .finish();
}

function decodeRequest(bytes: Buffer): JoinRequest | undefined {
  if (bytes.length > limits.joinRequestBytes) return undefined;
  try {
    const reader = new ByteReader(bytes);
    if (reader.u8() !== formatVersion) return undefined;
    const [id, secret, node, publicKey, proof] = [
      reader.bytes(),
      reader.bytes(),
      reader.string(),
      reader.bytes(),
      reader.bytes(),
    ];
    if (reader.remaining > 0 || !isNodeId(node)) return undefined;
    const key = createPublicKey({ key: publicKey, format: 'der', type: 'spki' });
    if (key.asymmetricKeyType !== 'ed25519' || !verify(null, contextOf({ id, node, publicKey }), key, proof))
      return undefined;
    return { id, secret, node, publicKey, proof };
  } catch {
    // Bytes of somebody unknown: whatever a parser says of them, they are no request.
    return undefined;
  }
}

export interface JoinServer {
  readonly host: Host;
  readonly invitations: InvitationStore;
  /** Signs the certificate; the newest one at the time. */
  authority(): Promise<Authority>;
  /** All authorities that the cluster trusts, PEM, the newest first. */
  authorities(): readonly string[];
  /**
   * Makes `node` a member, and tells what it is given besides its certificate: `limits.joinPayloadBytes` at most, sealed on its way. What it throws
   * refuses the node; the invitation is used up then.
   */
  admit(node: string): Promise<Uint8Array>;
}

/** Serves `join`: see `ListenOptions.join` of the transport. */
export function joinServer(options: JoinServer): Serve {
  return async ({ head }) => ({ head: Buffer.alloc(0), body: [await acceptInvitation(options, head)] });
}

/** @throws StoreError AccessDenied, for whatever reason the request is not good: it says nothing of which */
async function acceptInvitation(options: JoinServer, bytes: Buffer): Promise<Buffer> {
  const { host, invitations } = options;
  const request = decodeRequest(bytes);
  if (!request) throw refused();
  const { id, secret, node, publicKey } = request;
  const name = id.toString('hex');
  if (!isGood(await invitations.find(name), secret, host.clock.now())) throw refused();
  // Of two that come at the same time with the same secret, one is let in.
  if (!(await invitations.take(name))) throw refused();
  const payload = await options.admit(node);
  if (payload.length > limits.joinPayloadBytes)
    throw new RangeError(`a node that joins is given ${payload.length} bytes: ${limits.joinPayloadBytes} are allowed`);
  const certificate = issueCertificate(host, await options.authority(), { node, publicKey });
  const writer = new ByteWriter(4096).u8(formatVersion).bytes(new X509Certificate(certificate).raw);
  const authorities = options.authorities();
  writer.varint(authorities.length);
  for (const one of authorities) writer.bytes(new X509Certificate(one).raw);
  const box = sealBox(sealingKey(secret, id), host.entropy.bytes(nonceBytes), payload, contextOf(request));
  return writer.bytes(box).finish();
}

function refused(): StoreError {
  return new StoreError('AccessDenied', {
    message: 'The invitation is not known here, was used, or has expired. Make a new one on a node of the cluster.',
  });
}

export interface JoinClient {
  /** The invitation. */
  readonly line: string;
  /** Id that this node is to have. */
  readonly node: string;
  readonly host: Host;
}

export interface Joined {
  readonly identity: NodeIdentity;
  readonly payload: Buffer;
}

/** What `node` sends to join, with a key of its own. */
export function joinRequest(host: Host, { id, secret }: Invitation, node: string) {
  const key = newKey(host);
  const publicKey = publicDer(key);
  const context = contextOf({ id, node, publicKey });
  const request = encodeRequest({ id, secret, node, publicKey, proof: sign(null, context, key) });
  return { request, key, context };
}

/**
 * Makes this node a member of the cluster that `line` invites to. The secret goes to a server with a certificate of exactly that cluster, and
 * nothing is kept: store the identity first, then use it.
 * @throws InvitationError when the line cannot be one, or has expired; StoreError when the cluster is out of reach or refuses; IdentityError when
 * what it answers does not fit together
 */
export async function joinCluster({ line, node, host }: JoinClient): Promise<Joined> {
  const invitation = parseInvitation(line);
  if (host.clock.now() > invitation.untilMs + limits.clockSkewMs)
    throw new InvitationError('This invitation has expired. Make a new one on a node of the cluster.');
  const { request, key, context } = joinRequest(host, invitation, node);
  const { authorityHash } = invitation;
  const addresses = addressesOf(invitation);
  for (const [index, address] of addresses.entries()) {
    try {
      const answer = await askToJoin({ address, authorityHash, request, host });
      return readAnswer(answer, invitation, node, key, context);
    } catch (cause) {
      // Whoever answered has answered for all; who cannot be reached has not used the invitation up.
      const away = cause instanceof StoreError && cause.code === 'ServiceUnavailable';
      if (!away || index === addresses.length - 1) throw cause;
    }
  }
  throw new InvitationError('This is no invitation: it names no address. Copy the whole line.');
}

function readAnswer(answer: Buffer, invitation: Invitation, node: string, key: KeyObject, context: Buffer): Joined {
  try {
    const reader = new ByteReader(answer);
    const format = reader.u8();
    if (format !== formatVersion) throw new CorruptionError(`its format is ${format}`);
    const certificate = new X509Certificate(reader.bytes()).toString();
    const count = reader.varint();
    if (count > limits.authorities) throw new CorruptionError(`it names ${count} authorities`);
    const authorities = Array.from({ length: count }, () => new X509Certificate(reader.bytes()).toString());
    if (!authorities.some((one) => authorityHash(one).equals(invitation.authorityHash)))
      throw new IdentityError('it does not trust the authority of the invitation');
    const identity: NodeIdentity = { node, key, certificate, authorities };
    checkIdentity(identity);
    const payload = openBox(sealingKey(invitation.secret, invitation.id), reader.bytes(), context);
    if (!payload) throw new CorruptionError('what it gives does not open');
    return { identity, payload };
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new IdentityError(`The answer of the cluster cannot be used: ${why}. Make a new invitation and try again.`, {
      cause,
    });
  }
}
