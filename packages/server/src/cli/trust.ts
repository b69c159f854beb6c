import { readFileSync } from 'node:fs';
import path from 'node:path';
import tls from 'node:tls';
import { UsageError } from './exit.ts';

/*
 * Authorities of certificates besides those that Node trusts by itself (and those of NODE_EXTRA_CA_CERTS): of `--ca`, DSOM_CA, or a profile. They count for every connection of
 * the process that is made later: there is no way to give `fetch` others.
 */

const trusted = new Set<string>();

/** The certificates of a file. @throws UsageError when it has none that can be used */
function certificatesOf(file: string): string[] {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (cause) {
    throw new UsageError(
      `the certificates of --ca cannot be read: ${(cause as Error).message}. Name a file in PEM, or leave it out`,
    );
  }
  const found = text.match(/-----BEGIN CERTIFICATE-----[\s\S]*?-----END CERTIFICATE-----/g);
  if (!found) throw new UsageError(`${file} has no certificate in PEM (-----BEGIN CERTIFICATE-----): convert it`);
  try {
    tls.createSecureContext({ ca: found });
  } catch (cause) {
    throw new UsageError(`a certificate in ${file} cannot be read: ${(cause as Error).message}`);
  }
  return found;
}

/** Trusts the authorities in a file from now on. @throws UsageError */
export function trust(file: string): void {
  const name = path.resolve(file);
  if (trusted.has(name)) return;
  tls.setDefaultCACertificates([...tls.getCACertificates('default'), ...certificatesOf(name)]);
  trusted.add(name);
}
