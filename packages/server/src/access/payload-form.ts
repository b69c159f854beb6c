import type { MacKey } from '../codec/index.ts';
import { StoreError } from '../errors.ts';
import { type Claim, header } from './claim.ts';
import type { PayloadForm, SignedRequest } from './types.ts';

/*
 * The forms of `x-amz-content-sha256` (https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-auth-using-authorization-header.html):
 * the header is part of what is signed, so the form of the body is as trustworthy as the request.
 *
 * aws-chunked with signatures is taken with a signed Authorization header only: a presigned URL signs no form of the body and an anonymous
 * request signs nothing, so that chunk signatures would be checked against nothing. Chunks without signatures are taken of anonymous requests,
 * too, as boto3 sends them over TLS: there is nothing that they could seem to prove.
 */

const sha256 = /^[0-9a-f]{64}$/;
const unsigned = 'UNSIGNED-PAYLOAD';

type ChunkedForm = { readonly signed: boolean; readonly trailer: boolean };
const chunkedForms: ReadonlyMap<string, ChunkedForm> = new Map([
  ['STREAMING-AWS4-HMAC-SHA256-PAYLOAD', { signed: true, trailer: false }],
  ['STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER', { signed: true, trailer: true }],
  ['STREAMING-UNSIGNED-PAYLOAD-TRAILER', { signed: false, trailer: true }],
]);

const noForm: PayloadForm = { kind: 'none' };
const unsignedForm: PayloadForm = { kind: 'unsigned' };

function unknownForm(value: string): StoreError {
  return new StoreError('InvalidArgument', {
    message: `x-amz-content-sha256 must be ${unsigned}, ${[...chunkedForms.keys()].join(', ')}, or a valid sha256 value.`,
    detail: { ArgumentName: 'x-amz-content-sha256', ArgumentValue: value.slice(0, 128) },
  });
}

/**
 * The value that stands in the canonical request.
 * @throws StoreError InvalidRequest when it is missing, InvalidArgument when it is none of the known forms
 */
export function payloadHashOf(request: SignedRequest, claim: Claim): string {
  const given = header(request, 'x-amz-content-sha256');
  if (claim.source === 'query') {
    const value = given ?? request.query.get('X-Amz-Content-Sha256') ?? unsigned;
    if (value !== unsigned && !sha256.test(value)) throw unknownForm(value);
    return value;
  }
  if (given === undefined) {
    throw new StoreError('InvalidRequest', {
      message: 'Missing required header for this request: x-amz-content-sha256',
    });
  }
  if (given !== unsigned && !chunkedForms.has(given) && !sha256.test(given)) throw unknownForm(given);
  return given;
}

/** How the body of a verified request has to be read. */
export function payloadFormOf(payloadHash: string, claim: Claim, signingKey: MacKey): PayloadForm {
  if (payloadHash === unsigned) return unsignedForm;
  const form = chunkedForms.get(payloadHash);
  if (!form) return { kind: 'sha256', hex: payloadHash };
  const signing = form.signed
    ? { signingKey, scope: claim.scope.text, timestamp: claim.timestamp, seedSignature: claim.signature }
    : undefined;
  return { kind: 'chunked', signing, trailer: form.trailer };
}

/** How the body of an anonymous request has to be read. @throws StoreError InvalidRequest for chunks with signatures, InvalidArgument for what is no form */
export function anonymousPayloadForm(request: SignedRequest): PayloadForm {
  const form = chunkedForms.get(header(request, 'x-amz-content-sha256') ?? '');
  if (!form) return unsignedPayloadForm(request);
  if (form.signed)
    throw new StoreError('InvalidRequest', {
      message:
        "Anonymous requests don't support this x-amz-content-sha256 value. Please use UNSIGNED-PAYLOAD or STREAMING-UNSIGNED-PAYLOAD-TRAILER.",
    });
  return { kind: 'chunked', signing: undefined, trailer: form.trailer };
}

/** How the body of a request without a signature has to be read. @throws StoreError InvalidArgument for anything but a plain hash */
export function unsignedPayloadForm(request: SignedRequest): PayloadForm {
  const given = header(request, 'x-amz-content-sha256');
  if (given === undefined) return noForm;
  if (given === unsigned) return unsignedForm;
  if (!sha256.test(given)) throw unknownForm(given);
  return { kind: 'sha256', hex: given };
}
