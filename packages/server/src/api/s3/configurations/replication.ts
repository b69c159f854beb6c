import { StoreError } from '../../../errors.ts';
import { limits } from '../../../limits.ts';
import type { Tags } from '../../../objects/index.ts';
import { invalidArgument, notImplemented } from '../failure.ts';
import { allowOnly, childOf, malformed, textOf, type XmlElement } from '../xml/parser.ts';
import { element } from '../xml/writer.ts';
import { filterOf, type ObjectFilter, writeFilter } from './filter.ts';
import { type ConfigurationForm, ParsedConfigurations } from './form.ts';

/*
 * Where new versions of a bucket are written once more (https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutBucketReplication.html). A destination is a bucket of a store that the operator
 * has defined: `arn:dsom:s3::TARGET:BUCKET`, as clients of other self-hosted stores write it (`arn:minio:replication::TARGET:BUCKET`), or an ARN of AWS, `arn:aws:s3:::BUCKET`,
 * which means the store that is called `default`.
 *
 * Both forms of the document are read: the first, with a Prefix in each rule, replicates delete markers; the second, with Filter and Priority, says whether it does.
 */

export interface ReplicaPlace {
  /** Name of the target that the operator has defined. */
  readonly target: string;
  readonly bucket: string;
}

export interface ReplicationRule extends ReplicaPlace {
  readonly id: string;
  /** Which of two rules with one destination counts: the higher one. */
  readonly priority: number;
  readonly enabled: boolean;
  /** undefined: a document of the first form, whose rules have a Prefix. */
  readonly filter: ObjectFilter | undefined;
  readonly prefix: string;
  readonly tags: Tags;
  readonly deleteMarkers: boolean;
  /** Of the destination, as it was given. */
  readonly arn: string;
  readonly storageClass: string | undefined;
  /** Named key of the destination for what is encrypted with a named key here; undefined: that is not replicated. */
  readonly kmsKey: string | undefined;
  /** Whether tags that change of what was replicated into this bucket go to the destination, as those of other objects do. */
  readonly replicaChanges: boolean;
  /** Elements that are kept and answered, and mean nothing here. */
  readonly account: string | undefined;
  readonly ownedThere: boolean;
  readonly metrics: boolean;
}

export interface Replication {
  readonly role: string;
  readonly rules: readonly ReplicationRule[];
}

/** Name of the target that ARNs of AWS mean. */
const usualTarget = 'default';

const unfit = (message: string): StoreError => new StoreError('InvalidRequest', { message });
const otherForm = (what: string): StoreError =>
  unfit(
    `${what} cannot be used for this version of Cross Region Replication configuration schema. Please refer to S3 Developer Guide for more information.`,
  );

/** @throws StoreError InvalidArgument */
function placeOf(arn: string): ReplicaPlace {
  const [scheme, partition = '', service, region, account = '', bucket = '', ...more] = arn.split(':');
  const own = partition === 'dsom' ? 's3' : partition === 'minio' ? 'replication' : undefined;
  const aws = partition.startsWith('aws') && service === 's3' && region === '' && account === '';
  const target = own === undefined ? usualTarget : account;
  const fits = own === undefined ? aws : service === own && /^[A-Za-z0-9][A-Za-z0-9_-]*$/.test(account);
  if (scheme !== 'arn' || !fits || more.length > 0 || !/^[A-Za-z0-9][A-Za-z0-9._-]{1,61}[A-Za-z0-9]$/.test(bucket))
    throw invalidArgument('Bucket', arn.slice(0, 256), 'Invalid bucket ARN');
  return { target, bucket };
}

/** As notices name a destination. */
export const placeText = ({ target, bucket }: ReplicaPlace): string => `arn:dsom:s3::${target}:${bucket}`;

/** Whether an element, which has a Status, is there and Enabled. */
function enabled(parent: XmlElement | undefined, name: string): boolean {
  const found = parent && childOf(parent, name);
  if (!found) return false;
  const status = textOf(found, 'Status')?.trim();
  if (status !== 'Enabled' && status !== 'Disabled') throw malformed(`The Status of ${name} is Enabled or Disabled.`);
  return status === 'Enabled';
}

function destinationOf(rule: XmlElement) {
  const destination = childOf(rule, 'Destination');
  if (!destination) throw malformed('A Rule has a Destination.');
  allowOnly(destination, [
    'Bucket',
    'Account',
    'StorageClass',
    'AccessControlTranslation',
    'EncryptionConfiguration',
    'ReplicationTime',
    'Metrics',
  ]);
  const arn = textOf(destination, 'Bucket')?.trim();
  if (!arn) throw malformed('A Destination has a Bucket.');
  if (enabled(destination, 'ReplicationTime'))
    throw notImplemented('Replication time control', { Element: 'ReplicationTime' });
  const translation = childOf(destination, 'AccessControlTranslation');
  const account = textOf(destination, 'Account')?.trim();
  if (translation) {
    allowOnly(translation, ['Owner']);
    if (textOf(translation, 'Owner')?.trim() !== 'Destination')
      throw malformed('The Owner of AccessControlTranslation is Destination.');
    if (!account) throw unfit('Account must be specified when AccessControlTranslation is used.');
  }
  const encryption = childOf(destination, 'EncryptionConfiguration');
  if (encryption) allowOnly(encryption, ['ReplicaKmsKeyID']);
  return {
    arn,
    ...placeOf(arn),
    storageClass: textOf(destination, 'StorageClass')?.trim(),
    kmsKey: encryption && textOf(encryption, 'ReplicaKmsKeyID')?.trim(),
    account,
    ownedThere: translation !== undefined,
    metrics: enabled(destination, 'Metrics'),
  };
}

/** Whether objects that are encrypted with a named key are replicated, and changes of replicas. */
function selected(rule: XmlElement): { readonly kms: boolean; readonly replicaChanges: boolean } {
  const criteria = childOf(rule, 'SourceSelectionCriteria');
  if (criteria) allowOnly(criteria, ['SseKmsEncryptedObjects', 'ReplicaModifications']);
  return {
    kms: enabled(criteria, 'SseKmsEncryptedObjects'),
    replicaChanges: enabled(criteria, 'ReplicaModifications'),
  };
}

function scopeOf(rule: XmlElement): Pick<ReplicationRule, 'filter' | 'prefix' | 'tags' | 'priority' | 'deleteMarkers'> {
  const given = childOf(rule, 'Filter');
  const prefix = textOf(rule, 'Prefix');
  const markers = childOf(rule, 'DeleteMarkerReplication');
  const priority = textOf(rule, 'Priority')?.trim();
  if (given && prefix !== undefined) throw malformed('A Rule has a Filter or a Prefix, not both.');
  if (!given) {
    if (prefix === undefined) throw malformed('A Rule has a Filter, which may be empty.');
    if (Buffer.byteLength(prefix) > limits.keyBytes)
      throw invalidArgument('Prefix', prefix.slice(0, 128), `A prefix has ${limits.keyBytes} bytes at most.`);
    if (priority !== undefined) throw otherForm('Priority');
    if (markers) throw otherForm('DeleteMarkerReplication');
    return { filter: undefined, prefix, tags: [], priority: 0, deleteMarkers: true };
  }
  const filter = given.children.length === 0 ? { prefix: undefined, tags: [] } : (filterOf(rule) as ObjectFilter);
  if (priority === undefined)
    throw unfit(
      'Priority must be specified for this version of Cross Region Replication configuration schema. Please refer to S3 Developer Guide for more information.',
    );
  if (!/^[0-9]{1,10}$/.test(priority) || Number(priority) > 2_147_483_647)
    throw malformed('The Priority is a whole number from 0 to 2147483647.');
  if (!markers)
    throw unfit(
      'DeleteMarkerReplication must be specified for this version of Cross Region Replication configuration schema. Please refer to S3 Developer Guide for more information.',
    );
  const deleteMarkers = enabled(rule, 'DeleteMarkerReplication');
  if (deleteMarkers && filter.tags.length > 0)
    throw unfit(
      'Delete marker replication is not supported if any Tag filter is specified. Please refer to S3 Developer Guide for more information.',
    );
  return { filter, prefix: filter.prefix ?? '', tags: filter.tags, priority: Number(priority), deleteMarkers };
}

function ruleOf(rule: XmlElement): ReplicationRule {
  allowOnly(rule, [
    'ID',
    'Priority',
    'Prefix',
    'Filter',
    'Status',
    'SourceSelectionCriteria',
    'ExistingObjectReplication',
    'Destination',
    'DeleteMarkerReplication',
  ]);
  const id = textOf(rule, 'ID')?.trim() ?? '';
  if (id.length > limits.replicationIdChars)
    throw invalidArgument('ID', id.slice(0, 128), `The maximum value is ${limits.replicationIdChars} characters.`);
  const status = textOf(rule, 'Status')?.trim();
  if (status !== 'Enabled' && status !== 'Disabled') throw malformed('The Status of a Rule is Enabled or Disabled.');
  if (enabled(rule, 'ExistingObjectReplication'))
    throw unfit(
      'Objects that are there already are not replicated by a rule: set ExistingObjectReplication to Disabled, and run `dsom replication resync BUCKET` once.',
    );
  const { kms, replicaChanges } = selected(rule);
  const destination = destinationOf(rule);
  if (kms && !destination.kmsKey)
    throw unfit('ReplicaKmsKeyID must be specified if SseKmsEncryptedObjects tag is present.');
  if (!kms && destination.kmsKey)
    throw unfit('SseKmsEncryptedObjects must be specified if EncryptionConfiguration is present.');
  return { id, enabled: status === 'Enabled', replicaChanges, ...scopeOf(rule), ...destination };
}

function ruleXml(rule: ReplicationRule): string {
  const { filter } = rule;
  const status = (name: string, on: boolean): string =>
    `<${name}>${element('Status', on ? 'Enabled' : 'Disabled')}</${name}>`;
  const criteria =
    (rule.kmsKey === undefined ? '' : status('SseKmsEncryptedObjects', true)) +
    (rule.replicaChanges ? status('ReplicaModifications', true) : '');
  const empty = filter && filter.prefix === undefined && filter.tags.length === 0;
  return `<Rule>${element('ID', rule.id)}${
    filter
      ? element('Priority', rule.priority) + (empty ? '<Filter/>' : writeFilter(filter))
      : element('Prefix', rule.prefix)
  }${element('Status', rule.enabled ? 'Enabled' : 'Disabled')}${
    criteria === '' ? '' : `<SourceSelectionCriteria>${criteria}</SourceSelectionCriteria>`
  }<Destination>${element('Bucket', rule.arn)}${element('Account', rule.account)}${element('StorageClass', rule.storageClass)}${
    rule.ownedThere ? `<AccessControlTranslation>${element('Owner', 'Destination')}</AccessControlTranslation>` : ''
  }${
    rule.kmsKey === undefined
      ? ''
      : `<EncryptionConfiguration>${element('ReplicaKmsKeyID', rule.kmsKey)}</EncryptionConfiguration>`
  }${rule.metrics ? status('Metrics', true) : ''}</Destination>${
    filter ? status('DeleteMarkerReplication', rule.deleteMarkers) : ''
  }</Rule>`;
}

const twice = <Value>(values: readonly Value[]): Value | undefined =>
  values.find((value, at) => values.indexOf(value) < at);

export const replicationForm: ConfigurationForm<Replication> = {
  kind: 'replication',
  root: 'ReplicationConfiguration',
  digest: 'required',
  unset: { error: 'ReplicationConfigurationNotFoundError' },
  parse(document) {
    allowOnly(document, ['Role', 'Rule']);
    const role = textOf(document, 'Role')?.trim();
    if (role === undefined) throw malformed('A ReplicationConfiguration has a Role, which may be empty.');
    if (role.length > limits.replicationRoleChars)
      throw invalidArgument('Role', role.slice(0, 128), 'The Role is too long.');
    const found = document.children.filter(({ name }) => name === 'Rule');
    if (found.length === 0) throw malformed('A ReplicationConfiguration has a Rule.');
    if (found.length > limits.replicationRules)
      throw unfit(
        `The number of replication rules must not exceed the allowed limit of ${limits.replicationRules} rules.`,
      );
    const rules = found.map(ruleOf);
    if (rules.some(({ filter }) => filter) && rules.some(({ filter }) => !filter))
      throw malformed('All rules have a Filter, or none has.');
    const sameId = twice(rules.flatMap(({ id }) => (id === '' ? [] : [id])));
    if (sameId !== undefined) throw invalidArgument('ID', sameId, 'Rule ID must be unique');
    const same = twice(rules.flatMap(({ filter, priority }) => (filter ? [priority] : [])));
    if (same !== undefined) throw unfit(`Found duplicate priority ${same}. Priority must be unique across all rules.`);
    return { role, rules };
  },
  write: ({ role, rules }) => element('Role', role) + rules.map(ruleXml).join(''),
};

const kept = new ParsedConfigurations(replicationForm);

/** What is kept for a bucket, read. */
export const replicationOf = (bucket: string, document: Buffer): Replication => kept.of(bucket, document);

/** Where an object of this name may have to be written, whatever its tags are: each place once. */
export function replicaPlaces({ rules }: Replication, key: string): ReplicaPlace[] {
  const places = new Map<string, ReplicaPlace>();
  for (const rule of rules) if (rule.enabled && key.startsWith(rule.prefix)) places.set(placeText(rule), rule);
  return [...places.values()];
}

/** The rule that counts for an object at a destination; undefined: none does any more. @param place as {@link placeText} gives it */
export function replicationRule(
  { rules }: Replication,
  place: string,
  key: string,
  tags: Tags,
): ReplicationRule | undefined {
  const fits = (rule: ReplicationRule): boolean =>
    rule.enabled &&
    placeText(rule) === place &&
    key.startsWith(rule.prefix) &&
    rule.tags.every(([name, value]) => tags.some(([other, its]) => other === name && its === value));
  return rules.filter(fits).sort((a, b) => b.priority - a.priority)[0];
}
