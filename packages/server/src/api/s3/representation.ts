import { StoreError } from '../../errors.ts';
import { limits } from '../../limits.ts';
import type { ObjectVersion } from '../../metadata/index.ts';
import { etagText, type ReadResult, type Slice } from '../../objects/index.ts';
import { judge, rangeStillHolds, readConditions } from '../http/conditions.ts';
import type { HeaderList } from '../http/exchange.ts';
import { parseRange } from '../http/ranges.ts';
import { header, type S3Call } from './call.ts';
import { checksumHeaders, pushChecksum, storedChecksumText } from './checksums.ts';
import { invalidArgument } from './failure.ts';
import { pushReadExpiration } from './lifecycle.ts';
import { type Overrides, readHeaders } from './object-headers.ts';

/** What GET sends and HEAD describes: which bytes, under which headers. */
export interface Representation {
  readonly status: 200 | 206;
  readonly slice: Slice;
  readonly headers: HeaderList;
}

/** A part number of a request: 1 to 10,000. */
export function partNumberOf(text: string): number {
  const number = /^[0-9]{1,5}$/.test(text) ? Number(text) : 0;
  if (number >= 1 && number <= limits.parts) return number;
  throw invalidArgument('partNumber', text, `Part number must be an integer between 1 and ${limits.parts}, inclusive`);
}

function sliceOfPart(version: ObjectVersion, number: number): Slice {
  const { partSizes, size } = version;
  if (partSizes.length === 0) {
    if (number === 1) return { start: 0, end: size };
  } else if (number <= partSizes.length) {
    let start = 0;
    for (let i = 0; i < number - 1; i++) start += partSizes[i]!;
    return { start, end: start + partSizes[number - 1]! };
  }
  throw new StoreError('InvalidPartNumber', {
    detail: { ActualPartCount: String(Math.max(1, partSizes.length)), PartNumberRequested: String(number) },
  });
}

function sliceOfRange(call: S3Call, range: string, version: ObjectVersion, etag: string): Slice | undefined {
  const ifRange = header(call, 'if-range');
  if (ifRange !== undefined && !rangeStillHolds(ifRange, etag, version.modifiedMs)) return undefined;
  const wanted = parseRange(range, version.size);
  if (wanted === 'whole') return undefined;
  if (wanted === 'unsatisfiable') {
    throw new StoreError('InvalidRange', { detail: { RangeRequested: range, ActualObjectSize: String(version.size) } });
  }
  return wanted;
}

/**
 * Decides conditions, part number and range of a read.
 * @returns undefined when 304 was answered
 * @throws StoreError PreconditionFailed, InvalidRange, InvalidPartNumber, InvalidArgument, InvalidRequest
 */
export function represent(call: S3Call, read: ReadResult, replaced: Overrides | undefined): Representation | undefined {
  const { version } = read;
  const etag = () => etagText(version).slice(1, -1);
  const headers = readHeaders(call, read.bucket, version, read.position, replaced);
  pushReadExpiration(headers, call, version);
  const conditions = readConditions(call.headers);
  if (conditions) {
    const verdict = judge(conditions, etag(), version.modifiedMs);
    if (verdict === 'not-modified') {
      call.exchange.send(304, headers);
      return undefined;
    }
    if (verdict !== 'proceed') throw new StoreError('PreconditionFailed', { detail: { Condition: verdict } });
  }
  const range = header(call, 'range');
  const partText = call.query.get('partNumber');
  if (partText === undefined && range === undefined) {
    if (wantsChecksum(call)) pushChecksum(headers, version.checksum, version.etagParts);
    headers.push('Content-Length', String(version.size));
    return { status: 200, slice: { start: 0, end: version.size }, headers };
  }
  if (partText !== undefined && range !== undefined) {
    throw new StoreError('InvalidRequest', {
      message: 'Cannot specify both Range header and partNumber query parameter',
    });
  }
  const slice =
    partText === undefined ? sliceOfRange(call, range!, version, etag()) : sliceOfPart(version, partNumberOf(partText));
  if (partText !== undefined && version.partSizes.length > 0)
    headers.push('x-amz-mp-parts-count', String(version.partSizes.length));
  const { start, end } = slice ?? { start: 0, end: version.size };
  // A checksum goes with the bytes that it is of: the whole object's with the whole object, a part's with the part.
  if (wantsChecksum(call)) {
    if (start === 0 && end === version.size && version.partSizes.length === 0)
      pushChecksum(headers, version.checksum, version.etagParts);
    else if (partText !== undefined) pushPartChecksum(headers, read, partNumberOf(partText));
    else if (slice === undefined) pushChecksum(headers, version.checksum, version.etagParts);
  }
  headers.push('Content-Length', String(end - start));
  // An empty object has no byte positions to name.
  if (slice === undefined || version.size === 0) return { status: 200, slice: { start, end }, headers };
  headers.push('Content-Range', `bytes ${start}-${end - 1}/${version.size}`);
  return { status: 206, slice: { start, end }, headers };
}

function wantsChecksum(call: S3Call): boolean {
  const mode = call.headers['x-amz-checksum-mode'] as string | undefined;
  return mode !== undefined && mode.toUpperCase() === 'ENABLED';
}

function pushPartChecksum(headers: HeaderList, read: ReadResult, number: number): void {
  const part = read.parts(number - 1, 1)[0];
  if (part?.number === number && part.checksum)
    headers.push(checksumHeaders[part.checksum.algorithm], storedChecksumText(part.checksum, 0));
}
