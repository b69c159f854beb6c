import type { KeyObject } from 'node:crypto';
import {
  type CertificateForm,
  newKey,
  privatePem,
  publicDer,
  signCertificate,
} from '../../certificates/certificate.ts';
import { realHost } from '../../host/index.ts';
import type { TlsPair } from './material.ts';

/* Authorities and certificates as an operator has them, for tests. */

const host = realHost();
const dayMs = 24 * 3600 * 1000;

export interface TestAuthority {
  readonly name: string;
  readonly certificate: string;
  readonly key: KeyObject;
}

const sign = (
  form: Pick<CertificateForm, 'subject' | 'issuer' | 'subjectKey' | 'issuerKey' | 'authority'> &
    Partial<CertificateForm>,
) => signCertificate(host, { fromMs: host.clock.now() - dayMs, untilMs: host.clock.now() + 30 * dayMs, ...form });

export function newAuthority(name: string): TestAuthority {
  const key = newKey(host);
  const certificate = sign({
    subject: name,
    issuer: name,
    subjectKey: publicDer(key),
    issuerKey: key,
    authority: true,
  });
  return { name, certificate, key };
}

/** @param more `fromMs`, `untilMs`, `alternative`; by default valid now for 30 days, for 127.0.0.1 */
export function newPair(authority: TestAuthority, subject: string, more: Partial<CertificateForm> = {}): TlsPair {
  const key = newKey(host);
  const form = {
    subject,
    issuer: authority.name,
    subjectKey: publicDer(key),
    issuerKey: authority.key,
    authority: false,
  };
  return { certificate: sign({ alternative: { machine: '127.0.0.1' }, ...form, ...more }), key: privatePem(key) };
}
