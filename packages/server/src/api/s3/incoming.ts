import { decodePayload, decodeWhole } from '../../access/index.ts';
import { md5Together, release } from '../../codec/index.ts';
import { StoreError } from '../../errors.ts';
import { limits } from '../../limits.ts';
import type { Expected, Incoming } from '../../objects/index.ts';
import { collect } from '../http/body.ts';
import { header, type S3Call } from './call.ts';
import { type AnnouncedDigests, announcedDigests, trailingValue, verifyDigests } from './checksums.ts';
import { invalidArgument } from './failure.ts';
import { malformed, parseXml, type XmlElement } from './xml/parser.ts';

/** A body ready for the object service: plain bytes, and the digests that they must have. */
export interface Taken {
  readonly body: Incoming;
  readonly expected: Expected;
}

const noTrailers: ReadonlyMap<string, string> = new Map();

/** A header that holds a whole number of bytes; undefined when it is absent. */
function bytesOf(call: S3Call, name: string): number | undefined {
  const text = header(call, name);
  if (text === undefined) return undefined;
  const value = /^[0-9]{1,16}$/.test(text) ? Number(text) : Number.NaN;
  if (!Number.isSafeInteger(value)) throw invalidArgument(name, text, `${name} is not a whole number of bytes.`);
  return value;
}

/** Bytes of the plain body. For aws-chunked ones Content-Length counts the framing too, so they say it in a header of their own. */
function plainLength(call: S3Call): number | undefined {
  if (call.payload.kind === 'chunked') return bytesOf(call, 'x-amz-decoded-content-length');
  const encoding = header(call, 'content-encoding');
  if (encoding !== undefined && /(^|,)\s*aws-chunked\s*(,|$)/i.test(encoding)) {
    // Stored as it is, the framing would become part of the object.
    throw invalidArgument(
      'content-encoding',
      encoding,
      'aws-chunked needs an x-amz-content-sha256 that says STREAMING.',
    );
  }
  return bytesOf(call, 'content-length');
}

function payloadOptions(call: S3Call, decodedLength: number | undefined) {
  return { decodedLength, announced: header(call, 'x-amz-trailer') };
}

function expectedOf(digests: AnnouncedDigests, trailers: () => ReadonlyMap<string, string>): Expected {
  const { md5, checksum } = digests;
  if (!md5 && !checksum) return nothing;
  return {
    ...(md5 && { md5 }),
    ...(checksum && { checksum }),
    ...(checksum &&
      checksum.value === undefined && {
        trailer: () => ({ algorithm: checksum.algorithm, value: trailingValue(checksum.algorithm, trailers()) }),
      }),
  };
}

const nothing: Expected = {};

/**
 * Takes the body of an object or a part. A small body is taken in whole, without waiting when it has arrived already; a large
 * one is left on the wire until somebody asks for its bytes.
 * @param maximum bytes
 * @throws StoreError MissingContentLength, EntityTooLarge, and whatever is wrong with framing and digests
 */
export function takeBody(call: S3Call, maximum: number): Taken | Promise<Taken> {
  const length = plainLength(call);
  if (length === undefined) throw new StoreError('MissingContentLength');
  if (length > maximum) {
    throw new StoreError('EntityTooLarge', {
      detail: { ProposedSize: String(length), MaxSizeAllowed: String(maximum) },
    });
  }
  const digests = announcedDigests(call);
  const raw = bytesOf(call, 'content-length') ?? Number.POSITIVE_INFINITY;
  if (length <= limits.wholeBodyBytes && raw <= 2 * limits.wholeBodyBytes) {
    const arrived = call.exchange.body.arrived(raw);
    if (arrived) return whole(call, arrived, length, digests);
    // Nothing is asked of the client for a bucket that is not there.
    call.service.objects.bucket(call.bucket);
    return collect(call.exchange.body, raw, () => new StoreError('IncompleteBody')).then((body) =>
      whole(call, body, length, digests),
    );
  }
  if (call.payload.kind !== 'chunked') {
    const sha256 = call.payload.kind === 'sha256' ? { sha256: Buffer.from(call.payload.hex, 'hex') } : undefined;
    return {
      body: { stream: call.exchange.body, release, length, whose: call.exchange.admitted?.tenant },
      expected: { ...expectedOf(digests, () => noTrailers), ...sha256 },
    };
  }
  const decoded = decodePayload(call.payload, call.exchange.body, payloadOptions(call, length));
  const whose = call.exchange.admitted?.tenant;
  return { body: { stream: decoded.stream, release, length, whose }, expected: expectedOf(digests, decoded.trailers) };
}

function whole(call: S3Call, raw: Buffer, length: number, digests: AnnouncedDigests): Taken {
  const { body, trailers } = decodeWhole(call.payload, raw, payloadOptions(call, length));
  if (body.length !== length) throw new StoreError('IncompleteBody');
  return {
    body: { whole: body, md5: md5Together(body), stream: empty, length },
    expected: expectedOf(digests, () => trailers),
  };
}

const tooLong = (maximum: number): StoreError =>
  new StoreError('MaxMessageLengthExceeded', { detail: { MaxMessageLengthBytes: String(maximum) } });

const empty: AsyncIterable<Uint8Array> = {
  [Symbol.asyncIterator]: () => ({ next: () => Promise.resolve({ value: undefined, done: true }) }),
};

/**
 * Reads the XML document in a body.
 * @param root name of its root element
 * @param digest `required` refuses a body that nothing vouches for
 * @param maximum bytes that a document of this kind may have; left out: `limits.documentBytes`
 * @returns undefined when the body is empty
 */
export async function takeDocument(
  call: S3Call,
  root: string,
  digest: 'required' | 'optional' = 'optional',
  maximum?: number,
): Promise<XmlElement | undefined> {
  const body = await takeBytes(call, digest, maximum);
  if (body === undefined) return undefined;
  const parsed = parseXml(body);
  if (parsed.name !== root) throw malformed(`The root element is not ${root}.`);
  return parsed;
}

/** The bytes of a document in a body, checked by the digests that came with it; undefined when it is empty. See {@link takeDocument}. */
export async function takeBytes(
  call: S3Call,
  digest: 'required' | 'optional',
  maximum?: number,
): Promise<Buffer | undefined> {
  const length = plainLength(call);
  const most = maximum ?? limits.documentBytes;
  const tooLarge = () => (maximum === undefined ? malformed('The document is too large.') : tooLong(maximum));
  if (length !== undefined && length > most) throw tooLarge();
  const digests = announcedDigests(call);
  const announced = bytesOf(call, 'content-length') ?? Number.POSITIVE_INFINITY;
  const raw =
    call.exchange.body.arrived(announced) ?? (await collect(call.exchange.body, 2 * limits.documentBytes, tooLarge));
  const { body, trailers } = decodeWhole(call.payload, raw, payloadOptions(call, length));
  const vouched = verifyDigests(body, digests, trailers);
  if (digest === 'required' && !vouched) {
    throw new StoreError('InvalidRequest', {
      message: 'Missing required header for this request: Content-MD5 or a checksum.',
    });
  }
  if (body.length === 0) return undefined;
  if (body.length > most) throw tooLarge();
  return Buffer.from(body.buffer, body.byteOffset, body.byteLength);
}

/** {@link takeDocument} where there must be one. */
export async function requireDocument(
  call: S3Call,
  root: string,
  digest: 'required' | 'optional' = 'optional',
  maximum?: number,
): Promise<XmlElement> {
  const document = await takeDocument(call, root, digest, maximum);
  if (document === undefined) throw new StoreError('MissingRequestBodyError');
  return document;
}
