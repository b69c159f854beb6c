import { createHash, createPrivateKey, createPublicKey, type KeyObject, X509Certificate } from 'node:crypto';
import { isIP } from 'node:net';
import { ByteReader, ByteWriter } from '../codec/index.ts';
import { CorruptionError } from '../errors.ts';
import type { Host } from '../host/index.ts';
import { invariant } from '../invariant.ts';
import { limits } from '../limits.ts';
import { isNodeId, nodeUri } from '../transport/index.ts';
import { type CertificateForm, newKey, publicDer, signCertificate, validFrom } from './certificate.ts';

/** The cluster's own certificate authority: who holds it decides who is a node. */
export interface Authority {
  /** PEM, signed by itself. */
  readonly certificate: string;
  readonly key: KeyObject;
}

const magic = Buffer.from('DSOMAUTH', 'latin1');
const formatVersion = 1;

/** A new authority. Its name is like no other's, so that two can be trusted side by side while one replaces the other. */
export function createAuthority(host: Host): Authority {
  const key = newKey(host);
  const subject = `dsom cluster ${host.entropy.bytes(8).toString('hex')}`;
  const fromMs = validFrom(host);
  const certificate = signCertificate(host, {
    subject,
    issuer: subject,
    subjectKey: publicDer(key),
    issuerKey: key,
    fromMs,
    untilMs: fromMs + limits.authorityValidMs,
    authority: true,
  });
  return { certificate, key };
}

/** The bytes of an authority with its private key, as docs/formats/certificates.md draws them: seal them before they are stored anywhere. */
export function encodeAuthority({ certificate, key }: Authority): Buffer {
  const secret = key.export({ format: 'der', type: 'pkcs8' }) as Buffer;
  return new ByteWriter(1024)
    .raw(magic)
    .u8(formatVersion)
    .bytes(new X509Certificate(certificate).raw)
    .bytes(secret)
    .finish();
}

/** @throws CorruptionError when the bytes are no authority, or key and certificate do not belong together */
export function decodeAuthority(bytes: Uint8Array): Authority {
  const reader = new ByteReader(bytes);
  if (!reader.raw(magic.length).equals(magic)) throw new CorruptionError('it does not begin as an authority does');
  const format = reader.u8();
  if (format !== formatVersion)
    throw new CorruptionError(`its format is ${format}, this program reads ${formatVersion}`);
  const [der, secret] = [reader.bytes(), reader.bytes()];
  if (reader.remaining > 0) throw new CorruptionError('it goes on after its key');
  try {
    const certificate = new X509Certificate(der);
    const key = createPrivateKey({ key: secret, format: 'der', type: 'pkcs8' });
    if (!certificate.ca || !certificate.checkPrivateKey(key)) throw new Error('its key is another');
    return { certificate: certificate.toString(), key };
  } catch (cause) {
    throw new CorruptionError('its certificate or key cannot be read, or they do not belong together', { cause });
  }
}

/** SHA-256 of an authority's certificate: what an invitation pins. */
export function authorityHash(certificate: string): Buffer {
  return createHash('sha256').update(new X509Certificate(certificate).raw).digest();
}

export interface NodeForm {
  readonly node: string;
  /** SPKI, DER; Ed25519. */
  readonly publicKey: Buffer;
  /** Left out: `limits.certificateValidMs`. */
  readonly validMs?: number;
}

/** A certificate for the node that holds the private key of `publicKey`. @returns PEM */
export function issueCertificate(host: Host, authority: Authority, form: NodeForm): string {
  const { node, publicKey, validMs = limits.certificateValidMs } = form;
  invariant(isNodeId(node), 'the id of a node fits a certificate');
  return issue(host, authority, { subject: node, publicKey, validMs, alternative: { uri: nodeUri(node) } });
}

/**
 * A certificate for a program on `machine` (IP address or DNS name) that holds the private key of `publicKey`, such as a member of etcd. It names
 * no node, so it opens no link to one.
 * @returns PEM
 */
export function issueMachineCertificate(
  host: Host,
  authority: Authority,
  { machine, publicKey }: { readonly machine: string; readonly publicKey: Buffer },
): string {
  invariant(isIP(machine) > 0 || /^[A-Za-z0-9.-]{1,253}$/.test(machine), 'a machine has an address or a name');
  const form = { subject: 'dsom etcd member', publicKey, validMs: limits.certificateValidMs };
  return issue(host, authority, { ...form, alternative: { machine } });
}

interface LeafForm extends Required<Pick<CertificateForm, 'subject' | 'alternative'>> {
  readonly publicKey: Buffer;
  readonly validMs: number;
}

function issue(host: Host, { certificate, key }: Authority, form: LeafForm): string {
  const { subject, publicKey, validMs, alternative } = form;
  const authority = new X509Certificate(certificate);
  const subjectKey = createPublicKey({ key: publicKey, format: 'der', type: 'spki' });
  invariant(subjectKey.asymmetricKeyType === 'ed25519', 'a certificate is for an Ed25519 key');
  return signCertificate(host, {
    subject,
    issuer: authority.subject.replace(/^CN=/, ''),
    subjectKey: publicDer(subjectKey),
    issuerKey: key,
    fromMs: validFrom(host),
    // No longer than its authority: a chain is valid while all of it is.
    untilMs: Math.min(host.clock.now() + validMs, authority.validToDate.getTime()),
    authority: false,
    alternative,
  });
}
