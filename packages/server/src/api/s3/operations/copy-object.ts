import { StoreError } from '../../../errors.ts';
import { type CopySource, etagText, versionIdText } from '../../../objects/index.ts';
import { readConditions } from '../../http/conditions.ts';
import { isoDate } from '../../http/dates.ts';
import { ownedAs } from '../acl-request.ts';
import { answerXml, header, type S3Call } from '../call.ts';
import { algorithmOf, checksumElements, storedChecksumText } from '../checksums.ts';
import { copying, copySourceOf } from '../copy-source.ts';
import { newCustomerKeyOf } from '../customer-keys.ts';
import { describedHeaders, describedMetadata, redundancyOf, storageClassOf } from '../description.ts';
import { factsOf } from '../facts.ts';
import { invalidArgument } from '../failure.ts';
import { kmsOf } from '../kms.ts';
import { pushExpiration } from '../lifecycle.ts';
import { writtenHeaders } from '../object-headers.ts';
import { lockOfHeaders } from '../object-lock.ts';
import { screenMaking } from '../screen.ts';
import { tagsOfHeader } from '../tags.ts';
import { element, s3Document } from '../xml/writer.ts';

/** True for REPLACE, false for COPY. */
function replaces(call: S3Call, name: string, what: string): boolean {
  const directive = header(call, name);
  if (directive === undefined || directive === 'COPY') return false;
  if (directive === 'REPLACE') return true;
  throw invalidArgument(name, directive, `Unknown ${what} directive.`);
}

/** Headers that change an object that is copied onto itself. */
const changing = [
  'x-amz-storage-class',
  'x-dsom-redundancy',
  'x-amz-website-redirect-location',
  'x-amz-server-side-encryption',
  'x-amz-server-side-encryption-customer-algorithm',
  'x-amz-checksum-algorithm',
];

/** The tags of the source go along, which is a read and a write of tags. @throws StoreError AccessDenied */
async function requireCopiedTags(call: S3Call, source: CopySource): Promise<void> {
  const facts = factsOf(call);
  const more = { ...facts, causes: new Set([...facts.causes, 'copied-tags' as const]) };
  if (await call.authorization.allows('CopyObject', more)) return;
  const { version } = await copying(Promise.resolve(call.service.objects.read(source)));
  if (version.tags.length > 0) throw call.authorization.denial();
}

export async function copyObject(call: S3Call): Promise<void> {
  screenMaking(call.headers);
  if (header(call, 'x-amz-copy-source-range') !== undefined) {
    throw invalidArgument(
      'x-amz-copy-source-range',
      header(call, 'x-amz-copy-source-range'),
      'A range can be copied into a part only.',
    );
  }
  const owned = ownedAs(call);
  const redundancy = redundancyOf(call);
  const source = copySourceOf(call);
  const newMetadata = replaces(call, 'x-amz-metadata-directive', 'metadata');
  const newTags = replaces(call, 'x-amz-tagging-directive', 'tagging');
  const onto = source.bucket === call.bucket && source.key.equals(call.key) && source.versionId === undefined;
  if (onto && !newMetadata && !newTags && !changing.some((name) => header(call, name) !== undefined)) {
    throw new StoreError('InvalidRequest', {
      message:
        "This copy request is illegal because it is trying to copy an object to itself without changing the object's metadata, storage class, website redirect location or encryption attributes.",
    });
  }
  if (!newTags) await requireCopiedTags(call, source);
  const algorithm = header(call, 'x-amz-checksum-algorithm');
  const described = describedHeaders(call.headers);
  const written = await copying(
    call.service.objects.copy({
      source,
      bucket: call.bucket,
      key: call.key,
      ...owned,
      guard: readConditions(call.headers),
      lock: lockOfHeaders(call),
      customerKey: newCustomerKeyOf(call),
      kms: kmsOf(call),
      storageClass: storageClassOf(call),
      ...(redundancy && { redundancy }),
      checksumAlgorithm: algorithm === undefined ? undefined : algorithmOf(algorithm, 'x-amz-checksum-algorithm'),
      redirect: described.websiteRedirectLocation ?? null,
      encryptionSaid: header(call, 'x-amz-server-side-encryption') !== undefined,
      ...(newMetadata && { headers: described, metadata: describedMetadata(call.headers) }),
      ...(newTags && { tags: tagsOfHeader(header(call, 'x-amz-tagging')) }),
    }),
  );
  call.service.accessLog?.copied(call.exchange, written.source.size);
  const { bucket, version, position } = written;
  const headers = writtenHeaders(call, bucket, version, position);
  pushExpiration(headers, call, version);
  if (source.versionId !== undefined || !written.source.isNull)
    headers.push('x-amz-copy-source-version-id', versionIdText(written.source));
  const { checksum } = version;
  answerXml(
    call,
    s3Document(
      'CopyObjectResult',
      element('LastModified', isoDate(version.modifiedMs)) +
        element('ETag', etagText(version)) +
        (checksum
          ? element('ChecksumType', checksum.type) +
            element(checksumElements[checksum.algorithm], storedChecksumText(checksum, version.etagParts))
          : ''),
    ),
    headers,
  );
}
