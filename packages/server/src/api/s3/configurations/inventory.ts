import { StoreError } from '../../../errors.ts';
import { limits } from '../../../limits.ts';
import { invalidArgument, notImplemented } from '../failure.ts';
import { isBucketName } from '../screen.ts';
import { allowOnly, childOf, malformed, parseXml, textOf, type XmlElement } from '../xml/parser.ts';
import { element } from '../xml/writer.ts';
import { idOf, type ListedForm } from './listed.ts';
import { flagOf, oneOf } from './simple.ts';

/* Lists of what is in a bucket, written now and then (https://docs.aws.amazon.com/AmazonS3/latest/API/API_InventoryConfiguration.html). */

export const inventoryFields = [
  'Size',
  'LastModifiedDate',
  'ETag',
  'StorageClass',
  'IsMultipartUploaded',
  'ReplicationStatus',
  'EncryptionStatus',
  'ObjectLockRetainUntilDate',
  'ObjectLockMode',
  'ObjectLockLegalHoldStatus',
  'IntelligentTieringAccessTier',
  'BucketKeyStatus',
  'ChecksumAlgorithm',
  'ObjectAccessControlList',
  'ObjectOwner',
] as const;

export type InventoryField = (typeof inventoryFields)[number];

export interface Inventory {
  readonly id: string;
  readonly enabled: boolean;
  readonly prefix: string | undefined;
  readonly versions: 'All' | 'Current';
  /** In the order in which they were given. */
  readonly fields: readonly InventoryField[];
  readonly frequency: 'Daily' | 'Weekly';
  readonly format: 'CSV' | 'Parquet';
  readonly account: string | undefined;
  /** Name of the bucket, without the beginning of its ARN. */
  readonly bucket: string;
  readonly targetPrefix: string | undefined;
  readonly encrypted: boolean;
}

const bucketArn = 'arn:aws:s3:::';

function needed(parent: XmlElement, name: string): XmlElement {
  const found = childOf(parent, name);
  if (!found) throw malformed(`The element ${parent.name} has a ${name}.`);
  return found;
}

/** Everything is encrypted with keys of the server. */
function encryptedOf(target: XmlElement): boolean {
  const encryption = childOf(target, 'Encryption');
  if (!encryption) return false;
  allowOnly(encryption, ['SSE-S3', 'SSE-KMS']);
  if (childOf(encryption, 'SSE-KMS'))
    throw notImplemented('Encryption of inventories with SSE-KMS', { Element: 'SSE-KMS' });
  allowOnly(needed(encryption, 'SSE-S3'), []);
  return true;
}

function destinationOf(
  document: XmlElement,
): Pick<Inventory, 'format' | 'account' | 'bucket' | 'targetPrefix' | 'encrypted'> {
  const destination = needed(document, 'Destination');
  allowOnly(destination, ['S3BucketDestination']);
  const target = needed(destination, 'S3BucketDestination');
  allowOnly(target, ['AccountId', 'Bucket', 'Format', 'Prefix', 'Encryption']);
  const format = oneOf(target, 'Format', ['CSV', 'ORC', 'Parquet']);
  if (format === 'ORC') throw notImplemented('The format ORC of an inventory', { Element: 'Format' });
  const bucket = textOf(target, 'Bucket')?.trim() ?? '';
  if (!bucket.startsWith(bucketArn) || !isBucketName(bucket.slice(bucketArn.length)))
    throw new StoreError('InvalidS3DestinationBucket', {
      message: 'Invalid bucket ARN. The destination is named as arn:aws:s3:::name.',
      detail: { Bucket: bucket.slice(0, 128) },
    });
  const targetPrefix = textOf(target, 'Prefix');
  if (targetPrefix !== undefined && Buffer.byteLength(targetPrefix) > limits.inventoryPrefixBytes)
    throw invalidArgument(
      'Prefix',
      targetPrefix.slice(0, 128),
      `A Prefix has ${limits.inventoryPrefixBytes} bytes at most.`,
    );
  return {
    format,
    account: textOf(target, 'AccountId'),
    bucket: bucket.slice(bucketArn.length),
    targetPrefix,
    encrypted: encryptedOf(target),
  };
}

function fieldsOf(document: XmlElement): InventoryField[] {
  const given = childOf(document, 'OptionalFields')?.children ?? [];
  const fields = given.map((field) => {
    const name = field.text.trim() as InventoryField;
    if (field.name !== 'Field' || field.children.length > 0 || !inventoryFields.includes(name))
      throw malformed(`${field.name} ${name.slice(0, 64)} is no optional field of an inventory.`);
    return name;
  });
  if (new Set(fields).size < fields.length) throw malformed('Each optional field is named once.');
  return fields;
}

function prefixOf(document: XmlElement): string | undefined {
  const filter = childOf(document, 'Filter');
  if (!filter) return undefined;
  allowOnly(filter, ['Prefix']);
  return textOf(filter, 'Prefix') ?? '';
}

export const inventoryForm: ListedForm<Inventory> = {
  kind: 'inventory',
  root: 'InventoryConfiguration',
  listing: 'ListInventoryConfigurationsResult',
  digest: 'optional',
  parse(document) {
    allowOnly(document, [
      'Destination',
      'IsEnabled',
      'Filter',
      'Id',
      'IncludedObjectVersions',
      'OptionalFields',
      'Schedule',
    ]);
    needed(document, 'Id');
    const enabled = flagOf(document, 'IsEnabled');
    if (enabled === undefined) throw malformed('An InventoryConfiguration has an IsEnabled.');
    const schedule = needed(document, 'Schedule');
    allowOnly(schedule, ['Frequency']);
    return {
      id: idOf(document),
      enabled,
      prefix: prefixOf(document),
      versions: oneOf(document, 'IncludedObjectVersions', ['All', 'Current']),
      fields: fieldsOf(document),
      frequency: oneOf(schedule, 'Frequency', ['Daily', 'Weekly']),
      ...destinationOf(document),
    };
  },
  write(value) {
    const encryption = value.encrypted ? '<Encryption><SSE-S3/></Encryption>' : '';
    const target = `${element('AccountId', value.account)}${element('Bucket', bucketArn + value.bucket)}${element('Format', value.format)}${element('Prefix', value.targetPrefix)}${encryption}`;
    const filter = value.prefix === undefined ? '' : `<Filter>${element('Prefix', value.prefix)}</Filter>`;
    const fields = value.fields.map((field) => element('Field', field)).join('');
    return (
      `<Destination><S3BucketDestination>${target}</S3BucketDestination></Destination>${element('IsEnabled', value.enabled)}${filter}${element('Id', value.id)}` +
      `${element('IncludedObjectVersions', value.versions)}${fields === '' ? '' : `<OptionalFields>${fields}</OptionalFields>`}<Schedule>${element('Frequency', value.frequency)}</Schedule>`
    );
  },
};

/** What is kept of a bucket, as values. */
export const inventoriesOf = (document: Buffer): readonly Inventory[] =>
  parseXml(document).children.map((child) => inventoryForm.parse(child));
