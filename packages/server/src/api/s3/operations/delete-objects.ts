import type { ErrorCode } from '../../../errors.ts';
import { limits } from '../../../limits.ts';
import type { DeleteResult, Guard } from '../../../metadata/index.ts';
import { isVersionId, versionIdText } from '../../../objects/index.ts';
import { parseDate } from '../../http/dates.ts';
import { answerXml, type S3Call } from '../call.ts';
import { factsOf } from '../facts.ts';
import { requireDocument } from '../incoming.ts';
import { bypassesGovernance } from '../object-lock.ts';
import { allowOnly, malformed, textOf, type XmlElement } from '../xml/parser.ts';
import { element, escapeXml, s3Document } from '../xml/writer.ts';

interface Wanted {
  readonly key: string;
  readonly bytes: Buffer;
  readonly versionId: string | undefined;
  readonly guard: Guard | undefined;
  /** Why it cannot even be tried; the other keys are. */
  readonly fault: { readonly code: ErrorCode; readonly message: string } | undefined;
}

const denied: Wanted['fault'] = { code: 'AccessDenied', message: 'Access Denied' };

function faultOf(bytes: Buffer, versionId: string | undefined): Wanted['fault'] {
  if (bytes.length > limits.keyBytes) return { code: 'KeyTooLongError', message: 'Your key is too long' };
  if (versionId !== undefined && !isVersionId(versionId))
    return { code: 'NoSuchVersion', message: 'The specified version does not exist.' };
  return undefined;
}

function wanted(object: XmlElement): Wanted {
  allowOnly(object, ['Key', 'VersionId', 'ETag', 'LastModifiedTime', 'Size']);
  const key = textOf(object, 'Key');
  if (key === undefined || key === '') throw malformed('An Object has a Key.');
  // An empty element says no version, as the older clients mean it.
  const versionId = textOf(object, 'VersionId') || undefined;
  const ifMatch = textOf(object, 'ETag');
  const time = textOf(object, 'LastModifiedTime');
  const size = textOf(object, 'Size');
  const ifModifiedAtMs = time === undefined ? undefined : parseDate(time);
  if ((time !== undefined && ifModifiedAtMs === undefined) || (size !== undefined && !/^[0-9]{1,15}$/.test(size))) {
    throw malformed('A condition of an Object is not valid.');
  }
  const conditional = ifMatch !== undefined || time !== undefined || size !== undefined;
  const bytes = Buffer.from(key, 'utf8');
  return {
    key,
    bytes,
    versionId,
    fault: faultOf(bytes, versionId),
    guard: conditional
      ? {
          ...(ifMatch !== undefined && { ifMatch }),
          ...(ifModifiedAtMs !== undefined && { ifModifiedAtMs }),
          ...(size !== undefined && { ifSize: Number(size) }),
        }
      : undefined,
  };
}

function errorXml(item: Wanted, code: string, message: string): string {
  return `<Error><Key>${escapeXml(item.key)}</Key>${element('VersionId', item.versionId)}${element('Code', code)}${element('Message', message)}</Error>`;
}

function deletedXml(item: Wanted, result: DeleteResult): string {
  const marker = result.marker
    ? `<DeleteMarker>true</DeleteMarker>${result.version ? element('DeleteMarkerVersionId', versionIdText(result.version)) : ''}`
    : '';
  return `<Deleted><Key>${escapeXml(item.key)}</Key>${element('VersionId', item.versionId)}${marker}</Deleted>`;
}

export async function deleteObjects(call: S3Call): Promise<void> {
  const bypasses = bypassesGovernance(call);
  const document = await requireDocument(call, 'Delete', 'required');
  allowOnly(document, ['Object', 'Quiet']);
  const quiet = textOf(document, 'Quiet')?.trim().toLowerCase() === 'true';
  const named = document.children.filter((child) => child.name === 'Object').map(wanted);
  if (named.length === 0 || named.length > limits.deleteMany)
    throw malformed(`A Delete document names 1 to ${limits.deleteMany} objects.`);
  const { objects } = call.service;
  const { causes, target } = factsOf(call);
  /** Each object is asked about for itself: one that may not be deleted keeps no other from it. */
  const may = ({ key, versionId }: Wanted) =>
    call.authorization.allows('DeleteObjects', {
      target,
      source: undefined,
      each: [{ ...target, key, versionId }],
      causes,
    });
  const items: Wanted[] = [];
  for (const item of named) items.push(item.fault || (await may(item)) ? item : { ...item, fault: denied });
  const tried = items.filter((item) => item.fault === undefined);
  // The bucket is looked for even when no key can be tried.
  objects.bucket(call.bucket);
  const results =
    tried.length === 0
      ? []
      : await objects.delete(
          call.bucket,
          call.owner,
          tried.map(({ bytes, versionId, guard }) => ({ key: bytes, versionId, guard })),
          bypasses,
        );
  let next = 0;
  const ended = items.map((item) => {
    const result = item.fault ? undefined : results[next++];
    return { item, result, error: item.fault ?? result?.error };
  });
  call.service.accessLog?.deleted(
    call.exchange,
    ended.map(({ item: { bytes, versionId }, result, error }) => ({
      key: bytes,
      versionId,
      result,
      errorCode: error?.code,
    })),
  );
  const rows = ended.flatMap(({ item, result, error }) => {
    if (error) return errorXml(item, error.code, error.message);
    return quiet || !result ? [] : deletedXml(item, result);
  });
  answerXml(call, s3Document('DeleteResult', rows.join('')));
}
