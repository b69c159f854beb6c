import {
  type Authority,
  createAuthority,
  issueCertificate,
  newKey,
  privatePem,
  publicDer,
} from '../certificates/index.ts';
import { realHost } from '../host/index.ts';
import type { Credentials } from './types.ts';

export const host = realHost();

/** Credentials of `node` from `authority`, trusting it and no other unless told. */
export function credentialsOf(
  authority: Authority,
  node: string,
  authorities: readonly string[] = [authority.certificate],
  validMs?: number,
): Credentials {
  const key = newKey(host);
  const form = { node, publicKey: publicDer(key), ...(validMs !== undefined && { validMs }) };
  const current = { certificate: issueCertificate(host, authority, form), privateKey: privatePem(key), authorities };
  return { current: () => current };
}

export const authority: Authority = createAuthority(host);
