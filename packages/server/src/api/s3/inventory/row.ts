import { accountOf, canonicalIdOf, type Grant, groups, readableGrants } from '../../../access/index.ts';
import {
  type BucketRecord,
  type ListedVersion,
  type ObjectVersion,
  replicationStatus,
} from '../../../metadata/index.ts';
import { etagText, versionIdText } from '../../../objects/index.ts';
import { ownersList } from '../acl.ts';
import { type Inventory, type InventoryField, inventoryFields } from '../configurations/inventory.ts';

/*
 * What an inventory says of a version (https://docs.aws.amazon.com/AmazonS3/latest/userguide/storage-inventory.html, "Amazon S3 Inventory contents"), column by column. undefined: nothing.
 */

export type Value = string | number | boolean | Date | undefined;

/** The bucket that is listed. */
export interface Source {
  readonly bucket: BucketRecord;
  /** Whether access control lists count in it; where they do not, its owner owns all that is in it. */
  readonly lists: boolean;
}

export interface Column {
  /** As in manifests of CSV files. */
  readonly name: string;
  /** As in Parquet. */
  readonly snake: string;
  readonly type: 'STRING' | 'BOOLEAN' | 'INT64' | 'TIMESTAMP';
  /** Whether every version has it. */
  readonly required: boolean;
  readonly of: (listed: ListedVersion, source: Source) => Value;
}

const column = (
  name: string,
  type: Column['type'],
  of: Column['of'],
  required = false,
  snake = name.replace(/([a-z])(?=[A-Z])/g, '$1_').toLowerCase(),
): Column => ({ name, snake, type, required, of });

const base: readonly Column[] = [
  column('Bucket', 'STRING', (_listed, { bucket }) => bucket.name, true),
  column('Key', 'STRING', ({ key }) => key.toString('utf8'), true),
];

const versioned: readonly Column[] = [
  // Of a bucket without versions there is none to name.
  column('VersionId', 'STRING', ({ record }, { bucket }) =>
    bucket.versioning === 'off' ? undefined : versionIdText(record),
  ),
  column('IsLatest', 'BOOLEAN', ({ isLatest }) => isLatest),
  column('IsDeleteMarker', 'BOOLEAN', ({ record }) => record.kind === 'marker'),
];

const object = ({ record }: ListedVersion) => (record.kind === 'object' ? record : undefined);

const ownerOf = ({ record }: ListedVersion, { bucket, lists }: Source): string => (lists ? record.owner : bucket.owner);

function encryptionStatus({ encryption, manifest }: ObjectVersion): string {
  if (encryption?.kind === 'customer') return 'SSE-C';
  if (encryption?.kind === 'kms') return encryption.algorithm === 'aws:kms' ? 'SSE-KMS' : 'DSSE-KMS';
  return manifest.sealed ? 'SSE-S3' : 'NOT-SSE';
}

/** What a version grants, as GetObjectAcl shows it; undefined: it cannot be read. */
function grantsOn(listed: ListedVersion, source: Source): readonly Grant[] | undefined {
  const acl = source.lists ? object(listed)?.acl : undefined;
  return acl ? readableGrants(acl) : ownersList(ownerOf(listed, source));
}

/** https://docs.aws.amazon.com/AmazonS3/latest/userguide/objectacl.html */
const aclField = (grants: readonly Grant[] | undefined): string =>
  Buffer.from(
    JSON.stringify({
      version: '2022-11-10',
      status: grants ? 'AVAILABLE' : 'UNAVAILABLE',
      grants: (grants ?? []).map(({ to, permission }) =>
        'id' in to
          ? { canonicalId: to.id, type: 'CanonicalUser', permission }
          : { uri: groups[to.group], type: 'Group', permission },
      ),
    }),
  ).toString('base64');

const optional: Readonly<Record<InventoryField, Column>> = {
  Size: column('Size', 'INT64', (listed) => object(listed)?.size),
  LastModifiedDate: column('LastModifiedDate', 'TIMESTAMP', ({ record }) => new Date(record.modifiedMs)),
  ETag: column(
    'ETag',
    'STRING',
    (listed) => {
      const found = object(listed);
      return found && etagText(found).replaceAll('"', '');
    },
    false,
    'e_tag',
  ),
  StorageClass: column('StorageClass', 'STRING', (listed) => object(listed)?.storageClass),
  IsMultipartUploaded: column('IsMultipartUploaded', 'BOOLEAN', (listed) => {
    const found = object(listed);
    return found && found.partSizes.length > 0;
  }),
  ReplicationStatus: column('ReplicationStatus', 'STRING', (listed) => replicationStatus(object(listed)?.replication)),
  EncryptionStatus: column('EncryptionStatus', 'STRING', (listed) => {
    const found = object(listed);
    return found && encryptionStatus(found);
  }),
  ObjectLockRetainUntilDate: column('ObjectLockRetainUntilDate', 'TIMESTAMP', (listed) => {
    const until = object(listed)?.retention?.untilMs;
    return until === undefined ? undefined : new Date(until);
  }),
  ObjectLockMode: column('ObjectLockMode', 'STRING', (listed) => object(listed)?.retention?.mode),
  ObjectLockLegalHoldStatus: column('ObjectLockLegalHoldStatus', 'STRING', (listed) => {
    const held = object(listed)?.legalHold;
    return held === undefined ? undefined : held ? 'ON' : 'OFF';
  }),
  IntelligentTieringAccessTier: column('IntelligentTieringAccessTier', 'STRING', () => undefined),
  BucketKeyStatus: column('BucketKeyStatus', 'STRING', (listed) => {
    const encryption = object(listed)?.encryption;
    return object(listed) && (encryption?.kind === 'kms' && encryption.bucketKey ? 'ENABLED' : 'DISABLED');
  }),
  ChecksumAlgorithm: column('ChecksumAlgorithm', 'STRING', (listed) => object(listed)?.checksum?.algorithm),
  // A marker has no list, and an owner.
  ObjectAccessControlList: column(
    'ObjectAccessControlList',
    'STRING',
    (listed, source) => object(listed) && aclField(grantsOn(listed, source)),
  ),
  ObjectOwner: column('ObjectOwner', 'STRING', (listed, source) =>
    grantsOn(listed, source) ? canonicalIdOf(accountOf(ownerOf(listed, source))) : 'UNAVAILABLE',
  ),
};

/** Columns of an inventory, in their order. */
export const columnsOf = ({ versions, fields }: Pick<Inventory, 'versions' | 'fields'>): readonly Column[] => [
  ...base,
  ...(versions === 'All' ? versioned : []),
  ...inventoryFields.filter((field) => fields.includes(field)).map((field) => optional[field]),
];
