import path from 'node:path';
import {
  type Authority,
  isDue,
  issueMachineCertificate,
  newKey,
  privatePem,
  publicDer,
} from '../../certificates/index.ts';
import type { Host } from '../../host/index.ts';
import { limits } from '../../limits.ts';
import type { MemberTls } from '../../log/index.ts';
import { writeWhole } from './state.ts';

/*
 * What a node's own member of etcd proves itself with: a certificate of the cluster's authority for the machine, in files that etcd reads at
 * every handshake. It names no node, so whoever got hold of the files could not open a link. The key is new at every start.
 */

export interface MemberTlsOptions {
  /** Of the files; this node's alone. */
  readonly folder: string;
  /** Host of `--cluster-address`. */
  readonly machine: string;
  readonly authority: Authority;
  readonly host: Host;
  /** Hears why the certificate could not be written anew; it is tried again. */
  readonly onError: (cause: unknown) => void;
}

export function openMemberTls(options: MemberTlsOptions): { readonly files: MemberTls; close(): void } {
  const { folder, machine, authority, host, onError } = options;
  const key = newKey(host);
  let certificate = '';
  const write = (): void => {
    const issued = issueMachineCertificate(host, authority, { machine, publicKey: publicDer(key) });
    // One file, replaced whole: at no moment do key and certificate not belong together.
    writeWhole(folder, 'certificate.pem', issued);
    certificate = issued;
  };
  writeWhole(folder, 'authority.pem', authority.certificate);
  writeWhole(folder, 'key.pem', privatePem(key));
  write();
  const close = host.timers.every(limits.certificateCheckMs, () => {
    try {
      if (isDue(certificate, host)) write();
    } catch (cause) {
      onError(cause);
    }
  });
  const at = (name: string): string => path.join(folder, name);
  return {
    files: { certificate: at('certificate.pem'), privateKey: at('key.pem'), authority: at('authority.pem') },
    close,
  };
}
