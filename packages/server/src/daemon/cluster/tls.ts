import path from 'node:path';
import {
  type Authority,
  isDue,
  issueMachineCertificate,
  issuerOf,
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
  readonly authority: () => Promise<Authority>;
  /** Certificates of the authorities that it trusts, PEM; what etcd trusts is read at its start. */
  readonly trusted: () => readonly string[];
  readonly host: Host;
  /** Hears why the certificate could not be written anew; it is tried again. */
  readonly onError: (cause: unknown) => void;
}

export interface OpenMemberTls {
  readonly files: MemberTls;
  /** Shows a certificate of the newest authority. @returns whether others are trusted than before, so that etcd must be started again */
  renew(): Promise<boolean>;
  close(): void;
}

export async function openMemberTls(options: MemberTlsOptions): Promise<OpenMemberTls> {
  const { folder, machine, host, onError } = options;
  const key = newKey(host);
  let certificate = '';
  let trusted = '';
  const write = async (): Promise<void> => {
    const authority = await options.authority();
    if (certificate !== '' && !isDue(certificate, host) && issuerOf(certificate, [authority.certificate])) return;
    const issued = issueMachineCertificate(host, authority, { machine, publicKey: publicDer(key) });
    // One file, replaced whole: at no moment do key and certificate not belong together.
    writeWhole(folder, 'certificate.pem', issued);
    certificate = issued;
  };
  const renew = async (): Promise<boolean> => {
    const wanted = options.trusted().join('');
    const changes = wanted !== trusted;
    if (changes) writeWhole(folder, 'authority.pem', wanted);
    await write();
    trusted = wanted;
    return changes;
  };
  writeWhole(folder, 'key.pem', privatePem(key));
  await renew();
  const close = host.timers.every(limits.certificateCheckMs, () => {
    write().catch(onError);
  });
  const at = (name: string): string => path.join(folder, name);
  return {
    files: { certificate: at('certificate.pem'), privateKey: at('key.pem'), authority: at('authority.pem') },
    renew,
    close,
  };
}
