import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto';
import { ByteReader, ByteWriter, crc32c } from '../codec/index.ts';
import { readFile, replaceFile, type Volume } from '../device/index.ts';
import { CorruptionError } from '../errors.ts';
import { limits } from '../limits.ts';
import { nodeOf } from '../transport/index.ts';

/** Who a node is: its key, what its cluster says of it, and whom it trusts. */
export interface NodeIdentity {
  readonly node: string;
  readonly key: KeyObject;
  /** PEM. */
  readonly certificate: string;
  /** PEM, the newest first. */
  readonly authorities: readonly string[];
}

/** A certificate or key of this node cannot be used; the message says what to do. */
export class IdentityError extends Error {
  override readonly name = 'IdentityError';
}

const fileName = 'node';
const magic = Buffer.from('DSOMNODE', 'latin1');
const formatVersion = 1;

/** The one of `authorities` that `certificate` is of, all PEM; undefined: none of them. */
export function issuerOf(certificate: string, authorities: readonly string[]): string | undefined {
  const own = new X509Certificate(certificate);
  return authorities.find((pem) => {
    const one = new X509Certificate(pem);
    return one.ca && own.checkIssued(one) && own.verify(one.publicKey);
  });
}

/**
 * Checks that the parts of an identity belong together.
 * @throws IdentityError naming what does not
 */
export function checkIdentity({ node, key, certificate, authorities }: NodeIdentity): void {
  const own = new X509Certificate(certificate);
  if (nodeOf(own.subjectAltName) !== node) throw new IdentityError(`the certificate does not name the node ${node}`);
  if (!own.checkPrivateKey(key)) throw new IdentityError('the certificate is for another key');
  if (authorities.length > limits.authorities)
    throw new IdentityError(`there are ${authorities.length} authorities, more than ${limits.authorities}`);
  if (issuerOf(certificate, authorities) === undefined)
    throw new IdentityError('the certificate is of none of the authorities that are trusted');
}

function encode({ node, key, certificate, authorities }: NodeIdentity): Buffer {
  const writer = new ByteWriter(4096).raw(magic).u8(formatVersion).string(node);
  writer.bytes(key.export({ format: 'der', type: 'pkcs8' }) as Buffer).bytes(new X509Certificate(certificate).raw);
  writer.varint(authorities.length);
  for (const authority of authorities) writer.bytes(new X509Certificate(authority).raw);
  const checksum = crc32c(writer.finish());
  return writer.u32(checksum).finish();
}

function decode(bytes: Buffer): NodeIdentity {
  const body = bytes.subarray(0, -4);
  if (!body.subarray(0, magic.length).equals(magic)) throw new CorruptionError('it does not begin as an identity does');
  if (crc32c(body) !== bytes.readUInt32LE(body.length)) throw new CorruptionError('its checksum is wrong');
  const reader = new ByteReader(body.subarray(magic.length));
  const format = reader.u8();
  if (format !== formatVersion)
    throw new CorruptionError(`its format is ${format}, this program reads ${formatVersion}`);
  const node = reader.string();
  const key = createPrivateKey({ key: reader.bytes(), format: 'der', type: 'pkcs8' });
  const certificate = new X509Certificate(reader.bytes()).toString();
  const count = reader.varint();
  if (count > limits.authorities) throw new CorruptionError(`it names ${count} authorities`);
  const authorities = Array.from({ length: count }, () => new X509Certificate(reader.bytes()).toString());
  if (reader.remaining > 0) throw new CorruptionError('it goes on after its last authority');
  return { node, key, certificate, authorities };
}

/** Keeps an identity in the file `node` of the volume, readable by the owner alone. Durable when it resolves. */
export async function storeIdentity(volume: Volume, identity: NodeIdentity): Promise<void> {
  checkIdentity(identity);
  await replaceFile(volume, fileName, encode(identity));
}

/**
 * @returns undefined when the node was never told who it is
 * @throws IdentityError when the file cannot be used
 */
export async function loadIdentity(volume: Volume): Promise<NodeIdentity | undefined> {
  try {
    const bytes = await readFile(volume, fileName, limits.nodeIdentityBytes);
    if (!bytes) return undefined;
    const identity = decode(bytes);
    checkIdentity(identity);
    return identity;
  } catch (cause) {
    // Whatever a parser says of such bytes, the way out is the same.
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new IdentityError(
      `The file certificates/${fileName} cannot be used: ${why}. Put your backup of it back, or remove the file and join the cluster again with a new invitation.`,
      { cause },
    );
  }
}
