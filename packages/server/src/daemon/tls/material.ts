import { createHash, createPrivateKey, X509Certificate } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { createSecureContext } from 'node:tls';
import { limits } from '../../limits.ts';
import { type Config, ConfigError } from '../config.ts';

/*
 * The files that make the server speak TLS: what is read from them, and what is refused. Whatever is served was checked as a whole before: each certificate with its key.
 */

/** One certificate to show. */
export interface TlsPair {
  /** The server's own certificate, then those between it and its authority; PEM. */
  readonly certificate: string;
  /** PEM. */
  readonly key: string;
}

/** All that a thread needs to speak TLS; plain data. */
export interface TlsMaterial {
  /** At least one; the first is shown to whom names no host that another one is for. */
  readonly pairs: readonly TlsPair[];
  /** Authorities of certificates that devices show, PEM; undefined: none is asked for. */
  readonly clientAuthority: string | undefined;
  readonly minimum: '1.2' | '1.3';
  /** Of session tickets, 48 bytes: the same in all threads, so that any of them takes a session up again. */
  readonly ticketKeys: Uint8Array;
}

/** Where the files are. */
export interface TlsFiles {
  readonly pairs: readonly { readonly certificate: string; readonly key: string }[];
  readonly clientAuthority: string | undefined;
  readonly minimum: '1.2' | '1.3';
}

/** Undefined: the server speaks plain HTTP. */
export function tlsFilesOf(config: Config): TlsFiles | undefined {
  const { tlsCertificate, tlsKey, tlsClientAuthority: clientAuthority, tlsMin: minimum } = config;
  if (tlsCertificate.length === 0) return undefined;
  const pairs = tlsCertificate.map((certificate, index) => ({ certificate, key: tlsKey[index] as string }));
  return { pairs, clientAuthority, minimum };
}

const messageOf = (cause: unknown): string => (cause instanceof Error ? cause.message : String(cause));

async function read(what: string, file: string): Promise<string> {
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch (cause) {
    throw new ConfigError(`${what} cannot be read: ${messageOf(cause)}. Name a file that this user may read.`, {
      cause,
    });
  }
  if (text.length > limits.tlsFileBytes)
    throw new ConfigError(`${what} ${file} is longer than ${limits.tlsFileBytes} bytes: name a file in PEM`);
  return text;
}

/** All certificates of a PEM file, in their order. @throws ConfigError when there is none, or one cannot be read */
function certificatesIn(what: string, file: string, text: string): X509Certificate[] {
  const blocks = text.match(/-----BEGIN (?:TRUSTED )?CERTIFICATE-----[\s\S]*?-----END (?:TRUSTED )?CERTIFICATE-----/g);
  if (!blocks)
    throw new ConfigError(`${what} ${file} has no certificate in PEM (-----BEGIN CERTIFICATE-----): convert it`);
  return blocks.map((block, index) => {
    try {
      return new X509Certificate(block);
    } catch (cause) {
      throw new ConfigError(
        `${what} ${file}: certificate ${index + 1} cannot be read: ${messageOf(cause)}. Make it again.`,
        { cause },
      );
    }
  });
}

async function readPair(files: TlsFiles['pairs'][number]): Promise<TlsPair> {
  const [certificate, key] = [
    await read('the certificate (--tls-certificate)', files.certificate),
    await read('the key (--tls-key)', files.key),
  ];
  const [own] = certificatesIn('--tls-certificate', files.certificate, certificate);
  let secret: ReturnType<typeof createPrivateKey>;
  try {
    secret = createPrivateKey(key);
  } catch (cause) {
    const why = /ENCRYPTED/.test(key)
      ? 'it is encrypted. Write it without a passphrase (openssl pkey -in FILE -out PLAIN), readable by the server only'
      : `${messageOf(cause)}. It must be a private key in PEM`;
    throw new ConfigError(`--tls-key ${files.key} cannot be used: ${why}.`, { cause });
  }
  if (!own?.checkPrivateKey(secret))
    throw new ConfigError(
      `--tls-key ${files.key} is not the key of the certificate in ${files.certificate}: give the one that it was made with; the server's own certificate comes first in its file`,
    );
  try {
    createSecureContext({ cert: certificate, key });
  } catch (cause) {
    throw new ConfigError(
      `the certificate in ${files.certificate} cannot be served: ${messageOf(cause)}. Make it again, with a key of at least 2048 bits (RSA) or P-256.`,
      { cause },
    );
  }
  return { certificate, key };
}

/**
 * Reads and checks everything. A certificate that has run out is no failure: it is shown, and said.
 * @throws ConfigError which says what to do
 */
export async function readMaterial(files: TlsFiles, ticketKeys: Uint8Array): Promise<TlsMaterial> {
  const pairs: TlsPair[] = [];
  for (const one of files.pairs) pairs.push(await readPair(one));
  let clientAuthority: string | undefined;
  if (files.clientAuthority !== undefined) {
    const what = '--tls-client-authority';
    clientAuthority = await read(what, files.clientAuthority);
    for (const one of certificatesIn(what, files.clientAuthority, clientAuthority))
      if (!one.ca)
        throw new ConfigError(
          `${what} ${files.clientAuthority} holds a certificate that is no authority's (${one.subject.replaceAll('\n', ', ')}): give the authority that signs those of devices`,
        );
  }
  return { pairs, clientAuthority, minimum: files.minimum, ticketKeys };
}

/** Tells whether something else is to be served. Ticket keys do not count. */
export function materialHash({ pairs, clientAuthority }: TlsMaterial): string {
  return createHash('sha256')
    .update(JSON.stringify([pairs, clientAuthority]))
    .digest('hex');
}

/** What an operator is told of a certificate. */
export interface ShownCertificate {
  /** Names and addresses that it is for; its subject where it has none. */
  readonly names: readonly string[];
  readonly fromMs: number;
  readonly untilMs: number;
  readonly selfSigned: boolean;
  /** SHA-256, 64 hexadecimal digits. */
  readonly fingerprint: string;
}

/** Names of a certificate: `DNS:a.example`, `IP Address:10.0.0.1` of its alternative names. */
function namesOf({ subjectAltName, subject }: X509Certificate): string[] {
  const names = [...(subjectAltName ?? '').matchAll(/(?:^|, )(?:DNS|IP Address):([^,"]+)/g)].map((found) => found[1]!);
  return names.length > 0 ? names : [subject.replaceAll('\n', ', ')];
}

export function shownCertificates({ pairs }: TlsMaterial): ShownCertificate[] {
  return pairs.map(({ certificate }) => {
    const own = new X509Certificate(certificate);
    return {
      names: namesOf(own),
      fromMs: own.validFromDate.getTime(),
      untilMs: own.validToDate.getTime(),
      selfSigned: own.checkIssued(own),
      fingerprint: own.fingerprint256.replaceAll(':', '').toLowerCase(),
    };
  });
}
