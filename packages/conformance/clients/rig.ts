/*
 * What the suites with real clients share: one server, a scratch folder, and the client programs as their packages install them.
 */
import { execFile, execFileSync } from 'node:child_process';
import { hash } from 'node:crypto';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { makeCertificate } from '../src/certificates.ts';
import { credentials, type Server, startServer } from '../src/server.ts';

export interface Rig {
  readonly scratch: string;
  server: Server;
  readonly data: string;
  /** Runs a program to its end; rejects with its output when it fails. Environment holds the credentials in the forms that the clients read. */
  run(
    program: string,
    args: readonly string[],
    options?: { readonly cwd?: string; readonly env?: Readonly<Record<string, string>> },
  ): Promise<string>;
  close(): Promise<void>;
}

/** Client programs of Python live in virtual environments outside the checkout, each made once; s3fs wants another botocore than boto3. */
const pythonPackages = {
  'python-1': ['boto3==1.44.8', 'awscli==1.46.3'],
  'python-crt-1': ['boto3==1.44.8', 'awscli==1.46.3', 'awscrt==0.38.0'],
  // DuckDB's own place for extensions is no registry; this one has the newest version that its extension for S3 is packed for.
  'python-duckdb-1': ['duckdb==1.4.4', 'duckdb-ext-httpfs==1.4.4.20260205'],
  'python-minio-s3fs-1': ['minio==7.2.20', 's3fs==2026.9.0'],
  'python-tables-1': ['deltalake==1.6.6', 'obstore==0.12.1', 'pyarrow==26.0.1'],
};

export function python(name: keyof typeof pythonPackages = 'python-1'): {
  readonly python: string;
  readonly aws: string;
} {
  const home = path.join(tmpdir(), `dsom-clients-${name}`);
  const found = { python: path.join(home, 'bin/python'), aws: path.join(home, 'bin/aws') };
  const complete = path.join(home, 'complete');
  if (!existsSync(complete)) {
    execFileSync('python3', ['-m', 'venv', '--clear', home], { stdio: 'inherit' });
    execFileSync(path.join(home, 'bin/pip'), ['install', '--quiet', ...pythonPackages[name]], { stdio: 'inherit' });
    writeFileSync(complete, '');
  }
  return found;
}

/**
 * @param prepare runs before the server starts, and answers flags for it
 * @param over HTTPS, with a certificate that programs are told to trust, each in its way
 */
export async function openRig(
  name: string,
  prepare?: (scratch: string) => Promise<readonly string[]>,
  over: 'http' | 'https' = 'http',
): Promise<Rig> {
  const scratch = mkdtempSync(path.join(process.env['DSOM_SCRATCH'] ?? tmpdir(), `dsom-clients-${name}-`));
  const data = path.join(scratch, 'data');
  const tls = over === 'https' ? makeCertificate(scratch, name) : undefined;
  const trusting = tls && { AWS_CA_BUNDLE: tls.certificate, SSL_CERT_FILE: tls.certificate, DSOM_CA: tls.certificate };
  const rig: Rig = {
    scratch,
    data,
    server: await startServer([data], { tls, flags: (await prepare?.(scratch)) ?? [] }),
    run: (program, args, options = {}) =>
      new Promise((resolve, reject) => {
        const env: Record<string, string | undefined> = {
          PATH: process.env['PATH'],
          HOME: scratch,
          AWS_ACCESS_KEY_ID: credentials.accessKeyId,
          AWS_SECRET_ACCESS_KEY: credentials.secretAccessKey,
          AWS_DEFAULT_REGION: 'us-east-1',
          AWS_EC2_METADATA_DISABLED: 'true',
          RCLONE_CONFIG: path.join(scratch, 'rclone.conf'),
          RESTIC_PASSWORD: 'restic-password',
          RESTIC_CACHE_DIR: path.join(scratch, 'restic-cache'),
          ...trusting,
          ...options.env,
        };
        execFile(
          program,
          args,
          { cwd: options.cwd ?? scratch, env: env as NodeJS.ProcessEnv, maxBuffer: 256 << 20, timeout: 15 * 60_000 },
          (failure, stdout, stderr) => {
            if (failure)
              reject(
                new Error(`${program} ${args.join(' ')}\n${stdout.slice(-3000)}\n${stderr.slice(-3000)}`, {
                  cause: failure,
                }),
              );
            else resolve(stdout);
          },
        );
      }),
    async close() {
      await rig.server.stop();
      rmSync(scratch, { recursive: true, force: true });
    },
  };
  // Presigned addresses of `aws` use Signature Version 2 unless told otherwise.
  mkdirSync(path.join(scratch, '.aws'));
  writeFileSync(path.join(scratch, '.aws/config'), '[default]\ns3 =\n  signature_version = s3v4\n');
  writeFileSync(
    path.join(scratch, 'rclone.conf'),
    [
      '[dsom]',
      'type = s3',
      'provider = Other',
      `endpoint = ${rig.server.endpoint}`,
      'env_auth = true',
      'region = us-east-1',
      '',
    ].join('\n'),
  );
  return rig;
}

// Tens of thousands of files: a stream for each costs several times its bytes.
const sha256 = (file: string): string => hash('sha256', readFileSync(file));

/** Relative path → SHA-256 of every regular file below `folder`; with `links`, also the targets of symbolic links, which are never followed. */
export async function digestTree(folder: string, links = false): Promise<Map<string, string>> {
  const digests = new Map<string, string>();
  const visit = async (relative: string): Promise<void> => {
    for (const entry of readdirSync(path.join(folder, relative), { withFileTypes: true })) {
      const name = path.join(relative, entry.name);
      const full = path.join(folder, name);
      if (entry.isDirectory()) await visit(name);
      else if (entry.isFile()) digests.set(name, sha256(full));
      else if (links && entry.isSymbolicLink()) digests.set(name, `→ ${readlinkSync(full)}`);
    }
  };
  await visit('');
  return digests;
}
