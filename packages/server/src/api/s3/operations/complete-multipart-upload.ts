import { parseChecksum } from '../../../codec/index.ts';
import { StoreError } from '../../../errors.ts';
import { limits } from '../../../limits.ts';
import { etagText, type ObjectService } from '../../../objects/index.ts';
import { answerXml, header, type S3Call } from '../call.ts';
import {
  checksumAlgorithms,
  checksumElements,
  checksumOfHeaders,
  checksumTypeOf,
  storedChecksumText,
} from '../checksums.ts';
import { invalidArgument } from '../failure.ts';
import { requireDocument } from '../incoming.ts';
import { pushExpiration } from '../lifecycle.ts';
import { uploadIdOf } from '../multipart.ts';
import { writtenHeaders } from '../object-headers.ts';
import { writeConditions } from '../write-conditions.ts';
import { allowOnly, malformed, textOf, type XmlElement } from '../xml/parser.ts';
import { element, encodeUrl, s3Document } from '../xml/writer.ts';

type Completion = Parameters<ObjectService['completeUpload']>[0];

const partElements = ['PartNumber', 'ETag', ...Object.values(checksumElements)];

function partOf(part: XmlElement): Completion['parts'][number] {
  allowOnly(part, partElements);
  const numberText = textOf(part, 'PartNumber')?.trim() ?? '';
  const etag = textOf(part, 'ETag')?.trim() ?? '';
  if (!/^[0-9]{1,6}$/.test(numberText) || etag === '') throw malformed('A Part has a PartNumber and an ETag.');
  const number = Number(numberText);
  if (number < 1 || number > limits.parts)
    throw invalidArgument('PartNumber', numberText, `PartNumber must be between 1 and ${limits.parts}`);
  let checksum: Buffer | undefined;
  for (const algorithm of checksumAlgorithms) {
    const text = textOf(part, checksumElements[algorithm]);
    if (text === undefined || text === '') continue;
    const parsed = parseChecksum(algorithm, text);
    if (!parsed || parsed.parts !== undefined || checksum)
      throw invalidArgument('Checksum', text, 'Invalid Base64 or multiple checksums present in request');
    checksum = parsed.value;
  }
  return { number, etag, checksum };
}

function partsOf(document: XmlElement): Completion['parts'] {
  allowOnly(document, ['Part']);
  const parts = document.children.map(partOf);
  if (parts.length === 0 || parts.length > limits.parts)
    throw malformed(`A CompleteMultipartUpload document names 1 to ${limits.parts} parts.`);
  for (let i = 1; i < parts.length; i++)
    if (parts[i]!.number <= parts[i - 1]!.number) throw new StoreError('InvalidPartOrder');
  return parts;
}

function sizeOf(call: S3Call): number | undefined {
  const text = header(call, 'x-amz-mp-object-size');
  if (text === undefined) return undefined;
  if (!/^[0-9]{1,15}$/.test(text))
    throw new StoreError('InvalidRequest', { message: 'Value for x-amz-mp-object-size header is invalid.' });
  return Number(text);
}

/** Where the object is now. The scheme of the connection counts. */
function locationOf(call: S3Call): string {
  const scheme = call.exchange.connection.secure ? 'https' : 'http';
  const host = header(call, 'host') ?? 'localhost';
  const path = call.rawPath.startsWith(`/${call.bucket}/`)
    ? `${call.bucket}/${encodeUrl(call.key)}`
    : encodeUrl(call.key);
  return `${scheme}://${host}/${path}`;
}

export async function completeMultipartUpload(call: S3Call): Promise<void> {
  const uploadId = uploadIdOf(call);
  const size = sizeOf(call);
  const guard = writeConditions(call);
  const parts = partsOf(await completionDocument(call));
  const { bucket, version, position } = await call.service.objects.completeUpload({
    bucket: call.bucket,
    key: call.key,
    uploadId,
    guard,
    parts,
    checksum: checksumOfHeaders(call, true),
    checksumType: checksumTypeOf(call),
    size,
  });
  const headers = writtenHeaders(call, bucket, version, position);
  pushExpiration(headers, call, version);
  const stored = version.checksum;
  const inner =
    element('Location', locationOf(call)) +
    element('Bucket', call.bucket) +
    element('Key', call.key.toString('utf8')) +
    element('ETag', etagText(version)) +
    (stored
      ? element(checksumElements[stored.algorithm], storedChecksumText(stored, version.etagParts)) +
        element('ChecksumType', stored.type)
      : '');
  answerXml(call, s3Document('CompleteMultipartUploadResult', inner), headers);
}

/** A checksum header here is of the object, not of the document, so it does not vouch for the body. */
function completionDocument(call: S3Call): Promise<XmlElement> {
  const headers = { ...call.headers };
  for (const name in headers)
    if (name.startsWith('x-amz-checksum-') || name === 'x-amz-sdk-checksum-algorithm') delete headers[name];
  return requireDocument({ ...call, headers }, 'CompleteMultipartUpload');
}
