import type { SigningKeys } from '../access/index.ts';
import { CorruptionError, StoreError } from '../errors.ts';
import type { Host } from '../host/index.ts';
import { type KeyService, openTarget, sealTarget } from '../keys/index.ts';
import { limits } from '../limits.ts';
import { natsSender } from './nats.ts';
import type { Message } from './record.ts';
import { webhookSender } from './webhook.ts';

/*
 * Where events go, as the operator defines it. What is kept of a target is a JSON document: its kind and what may be shown of it, and, sealed under the master key
 * and bound to its name, its address and what it is spoken to with.
 */

/** `s3`: a store that buckets are replicated to (replication/). */
export type TargetKind = 'webhook' | 'nats' | 's3';

/** What only the target may see. */
export interface TargetSecret {
  /** `http://`, `https://`; `nats://`, `tls://`. May carry a user and a password. */
  readonly url: string;
  readonly headers: readonly (readonly [string, string])[];
  /** Of NATS: where messages are published. A stream of JetStream must take it. */
  readonly subject: string | undefined;
  /** Of NATS: a token in the place of user and password. */
  readonly token: string | undefined;
  /** Of a store: what is signed with. */
  readonly keys?: SigningKeys | undefined;
}

/** What anybody who administers may see. */
export interface TargetShown {
  readonly kind: TargetKind;
  /** Without user, password and query. */
  readonly url: string;
  readonly headers: readonly string[];
  readonly subject: string | undefined;
  /** It gets the events of every bucket whose configuration has an EventBridgeConfiguration. */
  readonly eventBridge: boolean;
  readonly createdMs: number;
  /** Of a store. */
  readonly accessKeyId?: string;
  readonly region?: string;
  /** Of a store: accounts whose buckets may be replicated to it, beside the first one. */
  readonly accounts?: readonly string[];
}

/** Takes messages to one target. */
export interface Sender {
  /** A message may take long, as what is sent has its own bounds: closing it ends what is under way. */
  readonly patient?: boolean;
  /** Resolves when the target has taken it; rejects, with what was wrong, when it has not or nobody knows. @throws RefusalError (rejects) when it does not want it */
  send(message: Message): Promise<void>;
  /** It has refused the message so often that it is given up, and is about to stand on the list of failed events. */
  gaveUp?(message: Message): Promise<void>;
  close(): Promise<void>;
}

export interface SenderRooms {
  readonly keys: KeyService;
  readonly host: Host;
  readonly stores: (target: string, secret: TargetSecret) => Sender;
}

const invalid = (message: string): StoreError => new StoreError('InvalidArgument', { message });

const schemes: Readonly<Record<TargetKind, readonly string[]>> = {
  webhook: ['http:', 'https:'],
  nats: ['nats:', 'tls:'],
  s3: ['http:', 'https:'],
};
const headerForm = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;
const headerValue = /^[\x20-\x7e\t]*$/;
/** Headers that say how a request is to be read: a target must not be made to read another one. */
const ownHeaders: ReadonlySet<string> = new Set([
  'content-length',
  'transfer-encoding',
  'host',
  'connection',
  'content-type',
  'expect',
  'te',
  'trailer',
  'upgrade',
]);
const subjectForm = /^[^\s.*>]+(?:\.[^\s.*>]+)*$/;

/** @throws StoreError InvalidArgument */
function checkTargetName(name: string): void {
  if (!/^[A-Za-z0-9][A-Za-z0-9_-]*$/.test(name) || name.length > limits.targetNameChars)
    throw invalid(
      `A target is named with letters, digits, - and _, in ${limits.targetNameChars} characters at most, the first no - or _.`,
    );
}

/** @throws StoreError InvalidArgument at what could not be spoken to */
function checkTarget(kind: TargetKind, secret: TargetSecret): URL {
  const url = URL.parse(secret.url);
  if (!url || !schemes[kind].includes(url.protocol))
    throw invalid(
      `The address of a ${kind} target begins with ${schemes[kind].map((one) => `${one}//`).join(' or ')}.`,
    );
  if (secret.headers.length > limits.targetHeaders)
    throw invalid(`A target is given ${limits.targetHeaders} headers at most.`);
  for (const [name, value] of secret.headers) {
    if (!headerForm.test(name) || !headerValue.test(value))
      throw invalid(`The header ${JSON.stringify(name)} cannot be sent: write it as "Name: value", in ASCII.`);
    if (ownHeaders.has(name.toLowerCase())) throw invalid(`The header ${name} is the server's own: leave it out.`);
  }
  if (kind === 'nats' && (secret.subject === undefined || !subjectForm.test(secret.subject)))
    throw invalid('A target of NATS has a subject: words joined by dots, without * and >.');
  if (kind === 's3') checkStore(url, secret.keys);
  return url;
}

/** @throws StoreError InvalidArgument */
function checkStore(url: URL, keys: SigningKeys | undefined): void {
  if (url.username !== '' || url.password !== '' || url.pathname !== '/' || url.search !== '' || url.hash !== '')
    throw invalid(
      'The address of a store is a protocol, a host and a port: rules name the buckets, and keys are given by themselves.',
    );
  if (!keys || !/^[\x21-\x7e]{1,128}$/.test(keys.accessKeyId) || !/^[\w-]{1,64}$/.test(keys.region))
    throw invalid('A store is written to with an access key and a region: give both.');
  if (keys.secretAccessKey.length === 0 || keys.secretAccessKey.length > 1024)
    throw invalid('A store is written to with a secret access key: give one.');
}

interface KeptTarget extends TargetShown {
  readonly version: 1;
  /** Base64. */
  readonly sealed: string;
}

/** What is kept of a target. @throws StoreError InvalidArgument */
export async function targetRecord(
  keys: KeyService,
  target: {
    readonly name: string;
    readonly kind: TargetKind;
    readonly secret: TargetSecret;
    readonly eventBridge: boolean;
    readonly createdMs: number;
    readonly accounts?: readonly string[];
  },
): Promise<Buffer> {
  const { name, kind, secret, eventBridge, createdMs, accounts = [] } = target;
  checkTargetName(name);
  if (accounts.length > 0 && kind !== 's3') throw invalid('Only stores are for some accounts: leave the accounts out.');
  const url = checkTarget(kind, secret);
  const sealed = await sealTarget(keys, name, JSON.stringify(secret));
  const kept: KeptTarget = {
    version: 1,
    kind,
    url: `${url.protocol}//${url.host}${url.pathname}`,
    headers: secret.headers.map(([header]) => header),
    subject: secret.subject,
    eventBridge,
    createdMs,
    ...(secret.keys && { accessKeyId: secret.keys.accessKeyId, region: secret.keys.region }),
    ...(accounts.length > 0 && { accounts }),
    sealed: sealed.toString('base64'),
  };
  return Buffer.from(JSON.stringify(kept));
}

/** @throws CorruptionError at what this version cannot read */
export function shownTarget(record: Buffer): KeptTarget {
  let kept: KeptTarget;
  try {
    kept = JSON.parse(record.toString('utf8')) as KeptTarget;
  } catch (cause) {
    throw new CorruptionError('the record of a notification target cannot be read', { cause });
  }
  if (kept.version !== 1 || !Object.hasOwn(schemes, kept.kind))
    throw new CorruptionError('the record of a notification target is of a newer version of DSOM');
  return kept;
}

/**
 * Opens what is kept of a target.
 * @param stores speaks to those that are stores
 * @throws StoreError AccessDenied, CorruptionError when it does not open: then nothing is sent
 */
export async function openSender(name: string, record: Buffer, { keys, host, stores }: SenderRooms): Promise<Sender> {
  const { kind, sealed } = shownTarget(record);
  const secret = JSON.parse(await openTarget(keys, name, Buffer.from(sealed, 'base64'))) as TargetSecret;
  if (kind === 's3') return stores(name, secret);
  return kind === 'webhook' ? webhookSender(secret, host) : natsSender(secret);
}

/** Names of the targets that get the events of EventBridge. */
export const eventBridgeTargets = (targets: ReadonlyMap<string, Buffer>): readonly string[] =>
  [...targets].flatMap(([name, record]) => (shownTarget(record).eventBridge ? [name] : []));
