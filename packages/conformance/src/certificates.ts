import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import tls from 'node:tls';

/** A certificate that is its own authority, as an operator makes one to try: files in PEM. */
export interface CertificateFiles {
  readonly certificate: string;
  readonly key: string;
}

/** Makes one for 127.0.0.1 and localhost by openssl, and has this process trust it. @param name common name, and that of the files */
export function makeCertificate(folder: string, name: string): CertificateFiles {
  const [certificate, key] = ['pem', 'key'].map((end) => path.join(folder, `${name}.${end}`)) as [string, string];
  const args = `req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 30 -subj /CN=${name}`.split(
    ' ',
  );
  const names = ['-addext', 'subjectAltName=DNS:localhost,IP:127.0.0.1'];
  execFileSync('openssl', [...args, ...names, '-out', certificate, '-keyout', key], { stdio: 'pipe' });
  tls.setDefaultCACertificates([...tls.getCACertificates('default'), readFileSync(certificate, 'utf8')]);
  return { certificate, key };
}
