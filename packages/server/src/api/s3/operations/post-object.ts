import type { IncomingHttpHeaders } from 'node:http';
import { StoreError } from '../../../errors.ts';
import { limits } from '../../../limits.ts';
import { type Expected, etagText } from '../../../objects/index.ts';
import { boundaryOf, type Form, type FormFile, readForm } from '../../http/multipart-form.ts';
import { ownedAs } from '../acl-request.ts';
import { answerEmpty, header, type S3Call } from '../call.ts';
import { announcedDigests, pushChecksum } from '../checksums.ts';
import { newCustomerKeyOf } from '../customer-keys.ts';
import { describe } from '../description.ts';
import { factsOf } from '../facts.ts';
import { kmsOf } from '../kms.ts';
import { pushExpiration } from '../lifecycle.ts';
import { writtenHeaders } from '../object-headers.ts';
import { lockOfHeaders, screenLocked } from '../object-lock.ts';
import { fieldsOf, headersOfFields } from '../post/fields.ts';
import { checkPostPolicy, type LengthRange, parsePostPolicy } from '../post/policy.ts';
import { screenCall, screenMaking } from '../screen.ts';
import { bareDocument, element, encodeUrl } from '../xml/writer.ts';

/** The bytes of the file, as long as they are no more than they may be; it ends only where they are enough. */
async function* within(bytes: AsyncIterable<Uint8Array>, { least, most }: LengthRange): AsyncGenerator<Uint8Array> {
  let length = 0;
  for await (const chunk of bytes) {
    length += chunk.length;
    if (length > most)
      throw new StoreError('EntityTooLarge', {
        message: 'Your proposed upload exceeds the maximum allowed object size.',
        detail: { ProposedSize: String(length), MaxSizeAllowed: String(most) },
      });
    yield chunk;
  }
  if (length < least)
    throw new StoreError('EntityTooSmall', {
      message: 'Your proposed upload is smaller than the minimum allowed object size.',
      detail: { ProposedSize: String(length), MinSizeAllowed: String(least) },
    });
}

/** Where the object is, by the name under which the form was sent. */
function locationOf(call: S3Call): string {
  const protocol = call.exchange.connection.secure ? 'https' : 'http';
  const path = call.rawPath.endsWith('/') ? call.rawPath : `${call.rawPath}/`;
  return `${protocol}://${header(call, 'host') ?? ''}${path}${encodeUrl(call.key)}`;
}

/** Where the browser is sent when all went well; undefined where the field is no URL of the web, which AWS passes over too. */
function successUrl(text: string | undefined, call: S3Call, etag: string): string | undefined {
  if (text === undefined || !URL.canParse(text)) return undefined;
  const url = new URL(text);
  if (url.protocol !== 'http:' && url.protocol !== 'https:') return undefined;
  const { hash } = url;
  url.hash = '';
  const pairs = Object.entries({ bucket: call.bucket, key: call.key.toString('utf8'), etag });
  const query = pairs.map(([name, value]) => `${name}=${encodeURIComponent(value)}`).join('&');
  return `${url.href}${url.search === '' ? '?' : '&'}${query}${hash}`;
}

/**
 * What parts the fields of a form.
 * @throws StoreError PreconditionFailed where the request is no form, as AWS answers it whoever signs it; MalformedPOSTRequest
 */
export function formBoundary(headers: IncomingHttpHeaders): string {
  const boundary = boundaryOf(headers['content-type']);
  if (boundary !== undefined) return boundary;
  throw new StoreError('PreconditionFailed', {
    detail: { Condition: 'Bucket POST must be of the enclosure-type multipart/form-data' },
  });
}

/** The form of the body, up to its file. */
async function formOf({ exchange }: S3Call): Promise<Form> {
  const { headers } = exchange.request;
  const boundary = formBoundary(headers);
  if (headers['content-length'] === undefined) throw new StoreError('MissingContentLength');
  return readForm(exchange.body, boundary);
}

/**
 * An upload by an HTML form (https://docs.aws.amazon.com/AmazonS3/latest/API/RESTObjectPOST.html). Who sends it, what it may say, and whether he may do that
 * is known once the fields before the file were read; all of it is decided before the first byte of the file.
 */
export async function postObject(received: S3Call): Promise<void> {
  const form = await formOf(received);
  const fields = fieldsOf(form, received.bucket);
  const policy = fields.get('policy');
  let range: LengthRange = { least: 0, most: limits.singlePutBytes };
  const signed = await received.service.signedBy(received, fields, () => {
    if (policy !== undefined) range = checkPostPolicy(parsePostPolicy(policy), fields, received.service.clock.now());
    return headersOfFields(fields, received.headers);
  });
  const call: S3Call = { ...signed, key: Buffer.from(fields.get('key') ?? '', 'utf8') };
  screenCall(call);
  await call.authorization.require('PostObject', factsOf(call));
  await store(call, fields, form.file as FormFile, range);
}

async function store(
  call: S3Call,
  fields: ReadonlyMap<string, string>,
  file: FormFile,
  range: LengthRange,
): Promise<void> {
  screenMaking(call.headers);
  const owned = ownedAs(call);
  const described = describe(call);
  const customerKey = newCustomerKeyOf(call);
  const kms = kmsOf(call);
  const lock = lockOfHeaders(call);
  screenLocked(call, lock, 'Object');
  const { md5, checksum } = announcedDigests(call);
  const expected: Expected = { ...(md5 && { md5 }), ...(checksum && { checksum }) };
  const { bucket, version, position } = await call.service.objects.put({
    ...described,
    bucket: call.bucket,
    key: call.key,
    ...owned,
    body: { stream: within(file.bytes, range), length: undefined, whose: call.exchange.admitted?.tenant },
    expected,
    guard: undefined,
    redundancy: undefined,
    lock,
    customerKey,
    kms,
  });
  const headers = writtenHeaders(call, bucket, version, position);
  pushExpiration(headers, call, version);
  const etag = etagText(version);
  headers.push('ETag', etag);
  pushChecksum(headers, version.checksum, 0);
  const next = successUrl(fields.get('success_action_redirect') ?? fields.get('redirect'), call, etag);
  if (next !== undefined) {
    headers.push('Location', next);
    return answerEmpty(call, 303, headers);
  }
  const location = locationOf(call);
  headers.push('Location', location);
  const status = fields.get('success_action_status');
  if (status === '200') return answerEmpty(call, 200, headers);
  if (status !== '201') return answerEmpty(call, 204, headers);
  const inner = { Location: location, Bucket: call.bucket, Key: call.key.toString('utf8'), ETag: etag };
  const document = bareDocument(
    'PostResponse',
    Object.entries(inner)
      .map(([name, value]) => element(name, value))
      .join(''),
  );
  const body = Buffer.from(document, 'utf8');
  headers.push('Content-Type', 'application/xml', 'Content-Length', String(body.length));
  call.exchange.send(201, headers, body);
}
