import { StoreError } from '../../../errors.ts';
import { invalidArgument, notImplemented } from '../failure.ts';
import { allowOnly, childOf, malformed, textOf, type XmlElement } from '../xml/parser.ts';
import { element } from '../xml/writer.ts';
import type { ConfigurationForm } from './form.ts';

/* Configurations that say one thing or a few. */

/** The text of an element that must be there, and be one of those. */
export function oneOf<Value extends string>(parent: XmlElement, name: string, values: readonly Value[]): Value {
  const text = textOf(parent, name)?.trim();
  const found = values.find((value) => value === text);
  if (found === undefined) throw malformed(`The element ${name} is one of ${values.join(', ')}.`);
  return found;
}

/** `true` or `false`, as XML Schema writes them; undefined when it is not there. */
export function flagOf(parent: XmlElement, name: string): boolean | undefined {
  const text = textOf(parent, name)?.trim().toLowerCase();
  if (text === undefined) return undefined;
  if (text === 'true' || text === '1') return true;
  if (text === 'false' || text === '0') return false;
  throw malformed(`The element ${name} is true or false.`);
}

function onlyRule(document: XmlElement): XmlElement {
  allowOnly(document, ['Rule']);
  const rule = childOf(document, 'Rule');
  if (!rule) throw malformed(`The element ${document.name} has one Rule.`);
  return rule;
}

export interface DefaultEncryption {
  readonly algorithm: 'AES256' | 'aws:kms' | 'aws:kms:dsse';
  /** Of a named key: id, ARN or alias; undefined: the one that is used where none is named. */
  readonly key: string | undefined;
  readonly bucketKey: boolean;
  /** Ways of encryption that writes may not ask for; undefined: not said. */
  readonly blocked: readonly string[] | undefined;
}

/** What new objects are encrypted with, where their requests do not say. */
export const encryptionForm: ConfigurationForm<DefaultEncryption> = {
  kind: 'encryption',
  root: 'ServerSideEncryptionConfiguration',
  digest: 'required',
  unset: {
    inner:
      '<Rule><ApplyServerSideEncryptionByDefault><SSEAlgorithm>AES256</SSEAlgorithm></ApplyServerSideEncryptionByDefault><BucketKeyEnabled>false</BucketKeyEnabled></Rule>',
  },
  parse(document) {
    const rule = onlyRule(document);
    allowOnly(rule, ['ApplyServerSideEncryptionByDefault', 'BucketKeyEnabled', 'BlockedEncryptionTypes']);
    const byDefault = childOf(rule, 'ApplyServerSideEncryptionByDefault');
    if (!byDefault) throw malformed('The Rule has ApplyServerSideEncryptionByDefault.');
    allowOnly(byDefault, ['SSEAlgorithm', 'KMSMasterKeyID']);
    const algorithm = oneOf(byDefault, 'SSEAlgorithm', ['AES256', 'aws:kms', 'aws:kms:dsse', 'aws:fsx']);
    if (algorithm === 'aws:fsx') throw notImplemented(`Encryption with ${algorithm}`, { Element: 'SSEAlgorithm' });
    const key = textOf(byDefault, 'KMSMasterKeyID')?.trim();
    if (key === '') throw malformed('The element KMSMasterKeyID names a key, or is left out.');
    if (algorithm === 'AES256' && key !== undefined)
      throw new StoreError('InvalidArgument', {
        message: 'a KMSMasterKeyID is not applicable if the default sse algorithm is not aws:kms or aws:kms:dsse',
        detail: { ArgumentName: 'ApplyServerSideEncryptionByDefault' },
      });
    return { algorithm, key, bucketKey: flagOf(rule, 'BucketKeyEnabled') ?? false, blocked: blockedOf(rule) };
  },
  write: ({ algorithm, key, bucketKey, blocked }) => {
    const types = blocked?.map((type) => element('EncryptionType', type)).join('');
    const list = types === undefined ? '' : `<BlockedEncryptionTypes>${types}</BlockedEncryptionTypes>`;
    const named = key === undefined ? '' : element('KMSMasterKeyID', key);
    return `<Rule><ApplyServerSideEncryptionByDefault>${element('SSEAlgorithm', algorithm)}${named}</ApplyServerSideEncryptionByDefault>${element('BucketKeyEnabled', bucketKey)}${list}</Rule>`;
  },
};

/** Keys of the customer are refused whether they are blocked or not. */
function blockedOf(rule: XmlElement): readonly string[] | undefined {
  const blocked = childOf(rule, 'BlockedEncryptionTypes');
  if (!blocked) return undefined;
  allowOnly(blocked, ['EncryptionType']);
  oneOf(blocked, 'EncryptionType', ['NONE', 'SSE-C']);
  return [textOf(blocked, 'EncryptionType')?.trim() as string];
}

/** How one element that is one of a few words is read and written. */
const choice = <Value extends string>(name: string, values: readonly Value[]) => ({
  parse(document: XmlElement): Value {
    allowOnly(document, [name]);
    return oneOf(document, name, values);
  },
  write: (value: Value) => element(name, value),
});

export type Payer = 'BucketOwner' | 'Requester';

export const requestPaymentForm: ConfigurationForm<Payer> = {
  kind: 'requestPayment',
  root: 'RequestPaymentConfiguration',
  digest: 'required',
  unset: { inner: '<Payer>BucketOwner</Payer>' },
  ...choice('Payer', ['BucketOwner', 'Requester']),
};

export const accelerateForm: ConfigurationForm<'Enabled' | 'Suspended'> = {
  kind: 'accelerate',
  root: 'AccelerateConfiguration',
  digest: 'optional',
  unset: { inner: '' },
  ...choice('Status', ['Enabled', 'Suspended']),
};

const ownerships = ['BucketOwnerEnforced', 'BucketOwnerPreferred', 'ObjectWriter'] as const;

/** Who owns objects: the owner of the bucket, always; or their writer, unless he gives them to the owner of the bucket; or their writer. */
export type ObjectOwnership = (typeof ownerships)[number];

/** @throws StoreError InvalidArgument */
export function ownershipOfHeader(name: string, value: string): ObjectOwnership {
  const found = ownerships.find((one) => one === value);
  if (!found) throw invalidArgument(name, value, 'The object ownership is not known.');
  return found;
}

/** Access control lists count unless the owner of the bucket owns everything, which is so from the start. */
export const ownershipForm: ConfigurationForm<ObjectOwnership> = {
  kind: 'ownershipControls',
  root: 'OwnershipControls',
  digest: 'required',
  unset: { inner: '<Rule><ObjectOwnership>BucketOwnerEnforced</ObjectOwnership></Rule>' },
  parse(document) {
    const rule = onlyRule(document);
    allowOnly(rule, ['ObjectOwnership']);
    return oneOf(rule, 'ObjectOwnership', ownerships);
  },
  write: (ownership) => `<Rule>${element('ObjectOwnership', ownership)}</Rule>`,
};

const blocks = ['BlockPublicAcls', 'IgnorePublicAcls', 'BlockPublicPolicy', 'RestrictPublicBuckets'] as const;

export type PublicAccessBlock = Readonly<Record<(typeof blocks)[number], boolean>>;

/** What is left out is false. */
export const publicAccessBlockForm: ConfigurationForm<PublicAccessBlock> = {
  kind: 'publicAccessBlock',
  root: 'PublicAccessBlockConfiguration',
  digest: 'required',
  unset: { error: 'NoSuchPublicAccessBlockConfiguration' },
  parse(document) {
    allowOnly(document, blocks);
    const flags = blocks.map((name) => [name, flagOf(document, name) ?? false] as const);
    return Object.fromEntries(flags) as Record<(typeof blocks)[number], boolean>;
  },
  write: (value) => blocks.map((name) => element(name, value[name])).join(''),
};
