import { hash } from 'node:crypto';
import { StoreError } from '../errors.ts';
import type { ChunkedBody } from './chunks.ts';
import { sameSignature } from './signature.ts';

const signatureName = 'x-amz-trailer-signature';
const field = /^([A-Za-z0-9-]+):[ \t]*([\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?)[ \t]*$/;

function malformed(message: string): StoreError {
  return new StoreError('MalformedTrailerError', { message: `The trailer of the body is malformed: ${message}.` });
}

/**
 * Names out of an `x-amz-trailer` header, in lower case. Only checksums may come behind a body: metadata there would slip past
 * the rule that every `x-amz-*` header is signed.
 */
export function announcedTrailers(value: string | undefined): readonly string[] {
  if (value === undefined) return [];
  const names = value.split(',').map((name) => name.trim().toLowerCase());
  for (const name of names) {
    if (/^x-amz-checksum-[a-z0-9]+$/.test(name) && names.indexOf(name) === names.lastIndexOf(name)) continue;
    throw new StoreError('InvalidRequest', {
      message: 'The value specified in the x-amz-trailer header is not supported',
    });
  }
  return names;
}

/**
 * Reads what follows the last chunk: the announced headers, each once, and in the signed form their signature behind them.
 * @param previous signature of the last chunk
 */
export function readTrailers(text: string, body: ChunkedBody, previous: string): ReadonlyMap<string, string> {
  if (text !== '' && !text.endsWith('\n')) {
    throw new StoreError('IncompleteBody', { message: 'The aws-chunked body ended within its trailer.' });
  }
  const trailers = new Map<string, string>();
  let signed = '';
  let signature: string | undefined;
  for (const line of text.split(/\r?\n/)) {
    if (line === '') continue;
    const parts = field.exec(line);
    if (!parts) throw malformed('a line is not a header');
    const name = (parts[1] as string).toLowerCase();
    const value = parts[2] as string;
    if (signature !== undefined) throw malformed('something follows its signature');
    if (name === signatureName && body.signing) {
      signature = value;
      continue;
    }
    if (!body.announced.includes(name)) throw malformed('x-amz-trailer does not announce a header in it');
    if (trailers.has(name)) throw malformed('a header stands in it twice');
    trailers.set(name, value);
    signed += `${name}:${value}\n`;
  }
  if (trailers.size < body.announced.length) throw malformed('a header that x-amz-trailer announces is missing');
  if (body.signing) {
    if (signature === undefined) throw malformed('its signature is missing');
    const { signingKey, timestamp, scope } = body.signing;
    const digest = hash('sha256', signed, 'hex');
    const expected = signingKey.hex(`AWS4-HMAC-SHA256-TRAILER\n${timestamp}\n${scope}\n${previous}\n${digest}`);
    if (!sameSignature(expected, signature)) {
      throw new StoreError('SignatureDoesNotMatch', { message: 'The signature of the trailer does not match.' });
    }
  }
  return trailers;
}
