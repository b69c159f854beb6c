/*
 * AWS signature version 4 (https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-authenticating-requests.html) by Web Crypto alone, so that the
 * same code signs in Node and in browsers. The signing key changes once a day and is kept; a request then costs one digest and one HMAC.
 */
import { encodeQuery, type Query } from './encode.ts';
import { DsomError } from './error.ts';

export interface Credentials {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken?: string | undefined;
}

/** A request as it is signed. */
export interface Signable {
  readonly method: string;
  readonly host: string;
  /** Encoded. */
  readonly path: string;
  readonly query: Query;
  /** Lower-case names. All of them are signed. */
  readonly headers: Readonly<Record<string, string>>;
  /** Milliseconds since 1970. */
  readonly time: number;
}

export const unsignedPayload = 'UNSIGNED-PAYLOAD';
/** SHA-256 of nothing. */
export const emptyPayload = 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855';

const encoder = new TextEncoder();

function subtle(): SubtleCrypto {
  const found = globalThis.crypto?.subtle;
  if (!found)
    throw new DsomError('InvalidArgument', {
      message: 'Web Crypto is missing: serve the page over https, or use Node 20 or newer.',
    });
  return found;
}

function hex(buffer: ArrayBuffer): string {
  let text = '';
  for (const byte of new Uint8Array(buffer)) text += (byte < 16 ? '0' : '') + byte.toString(16);
  return text;
}

/** Lower-case hexadecimal SHA-256. */
export async function sha256(data: Uint8Array<ArrayBuffer> | string): Promise<string> {
  return hex(await subtle().digest('SHA-256', typeof data === 'string' ? encoder.encode(data) : data));
}

const hmacKey = (bytes: Uint8Array<ArrayBuffer> | ArrayBuffer) =>
  subtle().importKey('raw', bytes, { name: 'HMAC', hash: 'SHA-256' }, false, ['sign']);

async function hmac(key: CryptoKey, text: string): Promise<ArrayBuffer> {
  return subtle().sign('HMAC', key, encoder.encode(text));
}

/** `20130524T000000Z` of a time in milliseconds. */
const amzDate = (time: number) => new Date(time).toISOString().replace(/[-:]|\.\d{3}/g, '');

export class Signer {
  readonly #credentials: Credentials;
  readonly #region: string;
  #key: { readonly day: string; readonly ready: Promise<CryptoKey> } | undefined;

  constructor(credentials: Credentials, region: string) {
    this.#credentials = credentials;
    this.#region = region;
  }

  /** The headers to send: those given and the signature. `payload` is the hexadecimal SHA-256 of the body, or UNSIGNED-PAYLOAD. */
  async sign(request: Signable, payload: string): Promise<Record<string, string>> {
    const { accessKeyId, sessionToken } = this.#credentials;
    const date = amzDate(request.time);
    const headers: Record<string, string> = { ...request.headers, 'x-amz-content-sha256': payload, 'x-amz-date': date };
    if (sessionToken !== undefined) headers['x-amz-security-token'] = sessionToken;
    const signed = this.#signedNames(headers);
    const signature = await this.#signature(request, headers, signed, encodeQuery(request.query), payload, date);
    headers['authorization'] =
      `AWS4-HMAC-SHA256 Credential=${accessKeyId}/${this.#scope(date)},SignedHeaders=${signed.join(';')},Signature=${signature}`;
    return headers;
  }

  /** Path and query of a URL that anybody may use for `seconds`. Headers given here must be sent by the user of the URL. */
  async presign(request: Signable, seconds: number): Promise<string> {
    const { accessKeyId, sessionToken } = this.#credentials;
    const date = amzDate(request.time);
    const signed = this.#signedNames(request.headers);
    const query = encodeQuery({
      ...request.query,
      'X-Amz-Algorithm': 'AWS4-HMAC-SHA256',
      'X-Amz-Credential': `${accessKeyId}/${this.#scope(date)}`,
      'X-Amz-Date': date,
      'X-Amz-Expires': seconds,
      'X-Amz-Security-Token': sessionToken,
      'X-Amz-SignedHeaders': signed.join(';'),
    });
    const signature = await this.#signature(request, request.headers, signed, query, unsignedPayload, date);
    return `${request.path}?${query}&X-Amz-Signature=${signature}`;
  }

  #signedNames(headers: Readonly<Record<string, string>>): string[] {
    return ['host', ...Object.keys(headers)].sort();
  }

  #scope(date: string): string {
    return `${date.slice(0, 8)}/${this.#region}/s3/aws4_request`;
  }

  async #signature(
    request: Signable,
    headers: Readonly<Record<string, string>>,
    signed: readonly string[],
    query: string,
    payload: string,
    date: string,
  ): Promise<string> {
    let lines = '';
    for (const name of signed)
      lines += `${name}:${(name === 'host' ? request.host : headers[name]!).trim().replace(/ +/g, ' ')}\n`;
    // S3 decodes a path and encodes it anew, all but slashes; some of ours are encoded to survive URL parsers.
    const path = request.path.replaceAll('%2F', '/');
    const canonical = `${request.method}\n${path}\n${query}\n${lines}\n${signed.join(';')}\n${payload}`;
    const toSign = `AWS4-HMAC-SHA256\n${date}\n${this.#scope(date)}\n${await sha256(canonical)}`;
    return hex(await hmac(await this.#signingKey(date.slice(0, 8)), toSign));
  }

  #signingKey(day: string): Promise<CryptoKey> {
    if (this.#key?.day !== day) this.#key = { day, ready: this.#derive(day) };
    return this.#key.ready;
  }

  async #derive(day: string): Promise<CryptoKey> {
    let key = await hmacKey(encoder.encode(`AWS4${this.#credentials.secretAccessKey}`));
    for (const step of [day, this.#region, 's3', 'aws4_request']) key = await hmacKey(await hmac(key, step));
    return key;
  }
}
