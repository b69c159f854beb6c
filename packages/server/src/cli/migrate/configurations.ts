/* The configurations of a bucket that are the same document at both stores: read as they are, written as they are. */
import { createHash } from 'node:crypto';
import { DsomError } from '@dsom/sdk';
import type { S3Connection } from './connection.ts';
import { migrateLimits } from './limits.ts';
import { elements, textOf } from './xml.ts';

interface Form {
  /** How its document begins: stores that do not have a subresource may answer the request as if it were not there, with a list of objects. */
  readonly begins: RegExp;
  /** What a document has that says more than that nothing is configured. */
  readonly says?: RegExp;
  /** Whether it can be deleted. */
  readonly deletes?: true;
}

/** By subresource, in the order in which they are set: before the objects what says who may read and how they are kept, after them the rest. */
const forms = {
  // A radosgw calls it by another name.
  publicAccessBlock: { begins: /<(Block)?PublicAccessBlockConfiguration\b/, says: />\s*true\s*</i, deletes: true },
  ownershipControls: { begins: /<OwnershipControls\b/, deletes: true },
  encryption: { begins: /<ServerSideEncryptionConfiguration\b/, deletes: true },
  tagging: { begins: /<Tagging\b/, deletes: true },
  cors: { begins: /<CORSConfiguration\b/, deletes: true },
  website: { begins: /<WebsiteConfiguration\b/, deletes: true },
  accelerate: { begins: /<AccelerateConfiguration\b/, says: /<Status>/ },
  requestPayment: { begins: /<RequestPaymentConfiguration\b/, says: /<Payer>\s*Requester\s*</ },
  'object-lock': { begins: /<ObjectLockConfiguration\b/ },
  lifecycle: { begins: /<LifecycleConfiguration\b/, deletes: true },
  policy: { begins: /^\s*\{/, deletes: true },
  notification: {
    begins: /<NotificationConfiguration\b/,
    says: /<(Topic|Queue|CloudFunction|EventBridge)Configuration\b/,
  },
  // Of what cannot be copied.
  replication: { begins: /<ReplicationConfiguration\b/, says: /<Rule\b/ },
  // It names a bucket that may have to be copied first.
  logging: { begins: /<BucketLoggingStatus\b/, says: /<LoggingEnabled\b/ },
} as const satisfies Record<string, Form>;
export type Configuration = keyof typeof forms;

export const beforeObjects: readonly Configuration[] = ['publicAccessBlock', 'ownershipControls', 'encryption'];
export const afterObjects: readonly Configuration[] = [
  'tagging',
  'cors',
  'website',
  'accelerate',
  'requestPayment',
  'object-lock',
  'lifecycle',
  'policy',
  'notification',
];

/** What a store has several of in a bucket, each with an id: the element of one. */
export const listed = {
  metrics: 'MetricsConfiguration',
  analytics: 'AnalyticsConfiguration',
  'intelligent-tiering': 'IntelligentTieringConfiguration',
  inventory: 'InventoryConfiguration',
} as const;
export type Listed = keyof typeof listed;

/** What stores say of a configuration that is not set (404), or that they do not have. */
const absent = new Set([404, 405, 501]);

export type Read = { readonly state: 'set'; readonly text: string } | { readonly state: 'unset' | 'unknown' };

/** The answer to a request for a subresource of a bucket. @throws DsomError when it may not be read */
async function answerOf(store: S3Connection, bucket: string, query: Record<string, string | undefined>): Promise<Read> {
  try {
    return { state: 'set', text: (await store.send({ method: 'GET', bucket, query })).text };
  } catch (cause) {
    if (!(cause instanceof DsomError) || !absent.has(cause.status) || cause.code === 'NoSuchBucket') throw cause;
    return { state: cause.status === 404 ? 'unset' : 'unknown' };
  }
}

/** A configuration as its document. `unknown`: the store does not have such configurations. @throws DsomError when it may not be read */
export async function readConfiguration(store: S3Connection, bucket: string, name: Configuration): Promise<Read> {
  const read = await answerOf(store, bucket, { [name]: '' });
  if (read.state !== 'set') return read;
  const form: Form = forms[name];
  if (read.text.trim() === '') return { state: 'unset' };
  if (!form.begins.test(read.text.slice(0, 1024))) return { state: 'unknown' };
  if (form.says && !form.says.test(read.text)) return { state: 'unset' };
  return name === 'publicAccessBlock' ? { state: 'set', text: read.text.replaceAll(radosgwBlock, ourBlock) } : read;
}

const radosgwBlock = 'BlockPublicAccessBlockConfiguration';
const ourBlock = 'PublicAccessBlockConfiguration';

/** All configurations of a kind, each as its document, by id. @throws DsomError when they may not be read */
export async function readListed(store: S3Connection, bucket: string, name: Listed): Promise<Map<string, string>> {
  const found = new Map<string, string>();
  let token: string | undefined;
  for (let pages = 0; pages < migrateLimits.configurationPages; pages++) {
    const read = await answerOf(store, bucket, { [name]: '', 'continuation-token': token });
    if (read.state !== 'set' || !/<List\w*Configurations?(Result|Output)\b/.test(read.text.slice(0, 1024)))
      return found;
    for (const { inner } of elements(read.text, listed[name]))
      found.set(
        textOf(inner, 'Id') ?? '',
        `<${listed[name]} xmlns="http://s3.amazonaws.com/doc/2006-03-01/">${inner}</${listed[name]}>`,
      );
    token = textOf(read.text, 'NextContinuationToken') || undefined;
    if (token === undefined) return found;
  }
  throw new DsomError('InvalidResponse', {
    message: `${store.endpoint.origin} lists ${name} configurations of ${bucket} without end. Leave configurations out with --no-configurations.`,
  });
}

/** A document in which a bucket goes by another name. */
export function renamed(document: string, from: string, to: string): string {
  if (from === to) return document;
  const arn = `arn:aws:s3:::${from}`;
  return document
    .replaceAll(new RegExp(`${RegExp.escape(arn)}(?=["/<])`, 'g'), () => `arn:aws:s3:::${to}`)
    .replaceAll(`<TargetBucket>${from}</TargetBucket>`, () => `<TargetBucket>${to}</TargetBucket>`);
}

const isDenying = (statement: unknown): boolean =>
  typeof statement === 'object' && statement !== null && 'Effect' in statement && statement.Effect === 'Deny';

/** Whether a policy takes something away: then it has to be there before what it is about. What is not understood may. */
export function denies(policy: string): boolean {
  try {
    const { Statement: statements } = JSON.parse(policy) as { Statement?: unknown };
    return [statements].flat().some(isDenying);
  } catch {
    return true;
  }
}

export async function writeConfiguration(
  store: S3Connection,
  bucket: string,
  query: Readonly<Record<string, string>>,
  body: string,
): Promise<void> {
  const md5 = createHash('md5').update(body).digest('base64');
  await store.send({ method: 'PUT', bucket, query, headers: { 'content-md5': md5 }, body });
}

/** Takes a configuration away. @returns whether there is a way to */
export async function deleteConfiguration(store: S3Connection, bucket: string, name: Configuration): Promise<boolean> {
  const form: Form = forms[name];
  if (!form.deletes) return false;
  await store.send({ method: 'DELETE', bucket, query: { [name]: '' } });
  return true;
}
