import { createHash, createPrivateKey, createPublicKey, type KeyObject, sign } from 'node:crypto';
import { isIP } from 'node:net';
import type { Host } from '../host/index.ts';
import { limits } from '../limits.ts';
import { bits, integer, objectId, octets, sequence, set, tagged, text, time, yes } from './der.ts';

/*
 * X.509 certificates (RFC 5280) with Ed25519 keys (RFC 8410): the few forms that a cluster needs, written here rather than by a library with a
 * dozen packages behind it. They are read, and their signatures checked, by OpenSSL.
 */

const ed25519 = sequence(objectId('1.3.101.112'));
const keyPrefix = Buffer.from('302e020100300506032b657004220420', 'hex');
const pemLine = 64;

/** An Ed25519 key pair from 32 bytes of `host.entropy`. */
export function newKey(host: Host): KeyObject {
  const seed = host.entropy.bytes(32);
  const der = Buffer.concat([keyPrefix, seed]);
  const key = createPrivateKey({ key: der, format: 'der', type: 'pkcs8' });
  seed.fill(0);
  der.fill(0);
  return key;
}

export const privatePem = (key: KeyObject): string => key.export({ format: 'pem', type: 'pkcs8' }) as string;
export const publicDer = (key: KeyObject): Buffer =>
  (key.type === 'private' ? createPublicKey(key) : key).export({ format: 'der', type: 'spki' }) as Buffer;

const name = (common: string): Buffer => sequence(set(sequence(objectId('2.5.4.3'), text(common))));

/** What tells one key from another in chains of certificates: a hash of it. */
const keyIdentifier = (key: Buffer): Buffer => createHash('sha256').update(key).digest().subarray(0, 20);

const extension = (id: string, critical: boolean, value: Buffer): Buffer =>
  sequence(objectId(id), ...(critical ? [yes] : []), octets(value));

export interface CertificateForm {
  readonly subject: string;
  readonly issuer: string;
  /** SPKI, DER. */
  readonly subjectKey: Buffer;
  readonly issuerKey: KeyObject;
  readonly fromMs: number;
  readonly untilMs: number;
  readonly authority: boolean;
  /** Subject alternative name, left out for an authority: a URI, or a name or address of a machine. */
  readonly alternative?: { readonly uri: string } | { readonly machine: string };
}

/** The bytes of an IP address. */
function addressBytes(address: string): Buffer {
  if (isIP(address) === 4) return Buffer.from(address.split('.').map(Number));
  // In the form that URLs have, every group is hexadecimal, and `::` stands for groups of zeros.
  const [left = '', right] = new URL(`http://[${address}]`).hostname.slice(1, -1).split('::');
  const groups = (text: string | undefined): string[] => (text ? text.split(':') : []);
  const [first, last] = [groups(left), groups(right)];
  const zeros = Array.from({ length: 8 - first.length - last.length }, () => '0');
  return Buffer.from([...first, ...zeros, ...last].map((group) => group.padStart(4, '0')).join(''), 'hex');
}

function alternativeName(name: NonNullable<CertificateForm['alternative']>): Buffer {
  if ('uri' in name) return tagged(0x86, Buffer.from(name.uri, 'latin1'));
  const { machine } = name;
  return isIP(machine) ? tagged(0x87, addressBytes(machine)) : tagged(0x82, Buffer.from(machine, 'latin1'));
}

/** @returns PEM */
export function signCertificate(host: Host, form: CertificateForm): string {
  const serial = Buffer.concat([Buffer.from([0x01]), host.entropy.bytes(15)]);
  const { authority, alternative } = form;
  // Bits from the left: digital signature 0, signing of certificates 5, signing of revocation lists 6.
  const usage = authority ? bits(Buffer.from([0x06]), 1) : bits(Buffer.from([0x80]), 7);
  const extensions = [
    extension('2.5.29.19', true, authority ? sequence(yes, integer(Buffer.from([0]))) : sequence()),
    extension('2.5.29.15', true, usage),
    extension('2.5.29.14', false, octets(keyIdentifier(form.subjectKey))),
    extension('2.5.29.35', false, sequence(tagged(0x80, keyIdentifier(publicDer(form.issuerKey))))),
  ];
  if (!authority)
    extensions.push(
      extension('2.5.29.37', false, sequence(objectId('1.3.6.1.5.5.7.3.1'), objectId('1.3.6.1.5.5.7.3.2'))),
    );
  if (alternative) extensions.push(extension('2.5.29.17', false, sequence(alternativeName(alternative))));
  const body = sequence(
    tagged(0xa0, integer(Buffer.from([2]))),
    integer(serial),
    ed25519,
    name(form.issuer),
    sequence(time(form.fromMs), time(form.untilMs)),
    name(form.subject),
    form.subjectKey,
    tagged(0xa3, sequence(...extensions)),
  );
  return pem('CERTIFICATE', sequence(body, ed25519, bits(sign(null, body, form.issuerKey))));
}

function pem(label: string, der: Buffer): string {
  const lines = der.toString('base64').match(new RegExp(`.{1,${pemLine}}`, 'g')) ?? [];
  return `-----BEGIN ${label}-----\n${lines.join('\n')}\n-----END ${label}-----\n`;
}

/** Clocks of nodes differ: a certificate is valid from a little before it was made. */
export const validFrom = (host: Host): number => host.clock.now() - limits.certificateEarlyMs;
