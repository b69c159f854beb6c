import { DsomError } from '@dsom/sdk';
import { type ExitCode, exitCode } from './exit-codes.ts';

export { type ExitCode, exitCode } from './exit-codes.ts';

export const exitCodeHelp = `Exit status:
  0  everything was done
  1  some items failed, or any failure not listed here
  2  the command line is wrong
  3  a bucket, object, version or file does not exist
  4  access denied, or wrong keys
  5  the server cannot be reached or does not answer in time
  6  a condition did not hold: exists already, not empty, changed meanwhile
  7  no space left
  8  damage was found
  130  interrupted
  141  whoever read the output had enough (as head does): what was not done by then is not done`;

/** The command line asks for something that makes no sense. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

/** A failure of the command itself, with its exit status and, where there is one, the next step. */
export class CommandError extends Error {
  override readonly name = 'CommandError';
  readonly exit: ExitCode;
  readonly advice: string | undefined;

  constructor(exit: ExitCode, message: string, advice?: string) {
    super(message);
    this.exit = exit;
    this.advice = advice;
  }
}

interface Verdict {
  readonly exit: ExitCode;
  readonly advice?: string | undefined;
}

const byCode: Readonly<Record<string, Verdict>> = {
  AccessDenied: {
    exit: exitCode.accessDenied,
    advice:
      'This key may not do that, or the version is locked (retained in governance mode: --bypass-governance). `dsom key list`, with the root key, shows roles and buckets.',
  },
  BadDigest: { exit: exitCode.failed, advice: 'The bytes changed on their way. Try again.' },
  BucketAlreadyExists: { exit: exitCode.conflict, advice: 'Choose another name.' },
  BucketAlreadyOwnedByYou: {
    exit: exitCode.conflict,
    advice: 'It is yours already; `dsom mb --ignore-existing` takes that for success.',
  },
  BucketNotEmpty: { exit: exitCode.conflict, advice: '`dsom rb --force` deletes everything in it first.' },
  ConnectionFailed: {
    exit: exitCode.unreachable,
    advice: 'Is the server running, and is this its address? `dsom doctor` looks further.',
  },
  Damaged: { exit: exitCode.damaged, advice: '`dsom fsck` tells what else is damaged.' },
  InvalidAccessKeyId: {
    exit: exitCode.accessDenied,
    advice: 'The server does not know this access key id. Is this the right profile?',
  },
  // The answer to a HEAD has no body that could say more.
  Http400: {
    exit: exitCode.usage,
    advice: 'The server takes the request for malformed. Is the name of the bucket right (3 to 63 characters)?',
  },
  InvalidBucketName: {
    exit: exitCode.usage,
    advice: 'A bucket is named by 3 to 63 lower-case letters, digits, hyphens and dots.',
  },
  InvalidResponse: {
    exit: exitCode.unreachable,
    advice: 'Is this the endpoint of a DSOM server? `dsom doctor` looks further.',
  },
  // Says itself what to do.
  'KMS.NotFoundException': { exit: exitCode.notFound },
  NoSuchBucket: { exit: exitCode.notFound, advice: '`dsom ls` shows the buckets, `dsom mb` makes one.' },
  NoSuchKey: { exit: exitCode.notFound, advice: '`dsom ls` shows what is there.' },
  NoSuchUpload: { exit: exitCode.notFound, advice: 'It was completed or given up meanwhile. Start the upload again.' },
  NoSuchVersion: { exit: exitCode.notFound, advice: '`dsom versions` shows what is there.' },
  NotFound: { exit: exitCode.notFound, advice: '`dsom key list` shows the access keys, `dsom ls` the rest.' },
  PreconditionFailed: {
    exit: exitCode.conflict,
    advice: 'It exists already, or was changed by somebody else meanwhile.',
  },
  RequestTimeTooSkewed: { exit: exitCode.failed, advice: 'Set the clock of this machine, or of the server.' },
  SignatureDoesNotMatch: { exit: exitCode.accessDenied, advice: 'The secret access key is wrong.' },
  StorageFull: { exit: exitCode.storageFull, advice: 'Delete something, or add a data directory to the server.' },
  TimedOut: { exit: exitCode.unreachable, advice: '`dsom doctor` looks further.' },
};

const noTls: Verdict = {
  exit: exitCode.unreachable,
  advice: 'The server there does not speak TLS: write the endpoint with http:// instead of https://.',
};

const trustIt =
  'When the server has a certificate of an authority of your own, name the file of that authority: --ca FILE, DSOM_CA, or `dsom profile add … --ca FILE`.';
const restart = 'Renew the certificate of the server: it reads its files again within a minute.';

/** What to do about a certificate, by the code of OpenSSL or of Node. */
export const tlsAdvice: Readonly<Record<string, string>> = {
  DEPTH_ZERO_SELF_SIGNED_CERT: trustIt,
  SELF_SIGNED_CERT_IN_CHAIN: trustIt,
  UNABLE_TO_GET_ISSUER_CERT: trustIt,
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: trustIt,
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: `${trustIt} When it is of a public authority, its chain is missing in --tls-certificate of the server.`,
  CERT_HAS_EXPIRED: restart,
  CERT_NOT_YET_VALID: 'Set the clock of this machine, or of the one that made the certificate.',
  ERR_TLS_CERT_ALTNAME_INVALID:
    'Write the endpoint with a name that the certificate is for, or make one for this name (subject alternative name).',
};

const certificateCode = new RegExp(`\\b(?:${Object.keys(tlsAdvice).sort().reverse().join('|')})\\b`);

const notAllowed: Verdict = {
  exit: exitCode.accessDenied,
  advice: 'This user may not touch that file: see its owner and mode (ls -l).',
};

const bySystemCode: Readonly<Record<string, Verdict>> = {
  ENOENT: { exit: exitCode.notFound },
  ENOTDIR: { exit: exitCode.notFound },
  EACCES: notAllowed,
  EPERM: notAllowed,
  ENOSPC: { exit: exitCode.storageFull, advice: 'Make room on this machine, or choose another target.' },
  EDQUOT: {
    exit: exitCode.storageFull,
    advice: 'The quota of this user is used up: make room, or choose another target.',
  },
  EEXIST: { exit: exitCode.conflict },
};

/** What a failure means for the exit status, and what the user can do about it. */
export function verdictOf(cause: unknown): Verdict {
  if (cause instanceof CommandError) return cause;
  if (cause instanceof UsageError) return { exit: exitCode.usage };
  if (cause instanceof DsomError) {
    if (cause.code === 'ConnectionFailed' && /WRONG_VERSION_NUMBER/.test(cause.message)) return noTls;
    const refused = cause.code === 'ConnectionFailed' ? certificateCode.exec(cause.message)?.[0] : undefined;
    if (refused !== undefined) return { exit: exitCode.unreachable, advice: tlsAdvice[refused] };
    const known = byCode[cause.code];
    // The server knows better what was asked for: where it names a command, that is the next step.
    if (known) return cause.message.includes('`dsom ') ? { exit: known.exit } : known;
    return {
      exit: cause.status === 404 ? exitCode.notFound : cause.status === 403 ? exitCode.accessDenied : exitCode.failed,
    };
  }
  if (cause instanceof Error && 'code' in cause && typeof cause.code === 'string')
    return bySystemCode[cause.code] ?? { exit: exitCode.failed };
  return { exit: exitCode.failed };
}

/** What a failure says; of a bucket that is not there also which, for the server does not always tell. */
export function messageOf(cause: Error): string {
  if (!(cause instanceof DsomError) || cause.code !== 'NoSuchBucket') return cause.message;
  const [, bucket] = /^\/?([a-z0-9][a-z0-9.-]+)(?:\/|$)/.exec(cause.resource ?? '') ?? [];
  return bucket === undefined || cause.message.includes(bucket)
    ? cause.message
    : `The bucket ${bucket} does not exist.`;
}

/** Failures after which the other items would fail the same way. */
const hopeless = new Set([
  'ConnectionFailed',
  'TimedOut',
  'InvalidAccessKeyId',
  'SignatureDoesNotMatch',
  'StorageFull',
  'NoSuchBucket',
]);

export const isHopeless = (cause: unknown): boolean => cause instanceof DsomError && hopeless.has(cause.code);
