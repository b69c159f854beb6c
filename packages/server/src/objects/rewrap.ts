import { StoreError } from '../errors.ts';
import { invariant } from '../invariant.ts';
import type { ObjectVersion } from '../metadata/index.ts';
import { again } from './again.ts';
import { openedKeyOf, wrappingFor } from './encryption.ts';
import { parseVersionId } from './ids.ts';
import type { KmsChoice } from './kms.ts';
import { findVersion } from './read.ts';
import { bucketKey, propose, type Rooms } from './rooms.ts';
import type { ReadRequest } from './types.ts';

const refused = (which: string): StoreError =>
  new StoreError('InvalidRequest', {
    message: `The UpdateObjectEncryption operation doesn't support ${which}. Only source objects encrypted with SSE-S3 or SSE-KMS are supported.`,
  });

type RewrapRequest = Omit<ReadRequest, 'guard' | 'customerKey' | 'withoutBytes'>;

/**
 * Has the key of one version wrapped by a named key, where it is: no byte is read or written. Who refuses what is as AWS documents it
 * (https://docs.aws.amazon.com/AmazonS3/latest/API/API_UpdateObjectEncryption.html).
 * @throws StoreError as {@link findVersion}; InvalidRequest where it is not encrypted, or with the key of a customer or `aws:kms:dsse`; AccessDenied where it
 * is locked; KMS.NotFoundException, KMS.DisabledException for the key that it has and for the one that it gets
 */
export function rewrap(rooms: Rooms, request: RewrapRequest, kms: KmsChoice): Promise<ObjectVersion> {
  return again(() => rewrapOnce(rooms, request, kms));
}

async function rewrapOnce(rooms: Rooms, request: RewrapRequest, kms: KmsChoice): Promise<ObjectVersion> {
  const { bucket, version } = findVersion(rooms, request);
  const { encryption, wrappedKey } = version;
  if (!version.manifest.sealed) throw refused('unencrypted source objects');
  if (encryption?.kind === 'customer' || encryption?.algorithm === 'aws:kms:dsse')
    throw refused('source objects with the encryption type DSSE-KMS or SSE-C');
  const { keys, said } = await wrappingFor(rooms, bucket, { kms });
  const key = await openedKeyOf(rooms, await bucketKey(rooms, bucket), version, undefined);
  const { encryption: given } = said;
  invariant(given?.kind === 'kms', 'a named key was asked for');
  const command = {
    type: 'object.rewrap',
    bucket: bucket.id,
    key: request.key,
    version: parseVersionId(request.versionId),
    before: wrappedKey,
    wrappedKey: keys.wrapObjectKey(key),
    encryption: given,
  } as const;
  return (await propose(rooms, command, 'version')).version;
}
