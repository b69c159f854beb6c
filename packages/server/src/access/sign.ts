import { digestOf } from '../codec/index.ts';
import { percentEncode } from './percent.ts';
import { algorithm, deriveSigningKey } from './signature.ts';
import { formatTimestamp } from './timestamp.ts';

export interface SigningKeys {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly region: string;
}

const sha256 = (text: string): string => digestOf('SHA256', Buffer.from(text, 'latin1')).toString('hex');
const emptyHash = sha256('');
/** In the place of the hash of a body that streams. */
export const unsignedPayload = 'UNSIGNED-PAYLOAD';

/**
 * A request to another store, signed in its header (https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html).
 * @param segments of the path, not encoded; joined by slashes
 * @param headers all that are to be sent, in lower case, `host` among them; each is signed
 * @param payload SHA-256 of the body in hexadecimal digits, or {@link unsignedPayload}; absent: there is no body
 */
export function signedHeaders(
  request: {
    readonly method: 'GET' | 'HEAD' | 'PUT' | 'POST' | 'DELETE';
    readonly segments: readonly string[];
    readonly query: readonly (readonly [string, string])[];
    readonly headers: Readonly<Record<string, string>>;
    readonly payload?: string | undefined;
  },
  keys: SigningKeys,
  nowMs: number,
): { readonly path: string; readonly headers: Readonly<Record<string, string>> } {
  const time = formatTimestamp(nowMs);
  const date = time.slice(0, 8);
  const { payload = emptyHash } = request;
  const headers: Record<string, string> = {
    ...request.headers,
    'x-amz-content-sha256': payload,
    'x-amz-date': time,
  };
  const path = `/${request.segments.map(percentEncode).join('/')}`;
  const query = request.query
    .map(([name, value]) => `${percentEncode(name)}=${percentEncode(value)}`)
    .sort()
    .join('&');
  const names = Object.keys(headers).sort();
  const lines = names.map((name) => `${name}:${headers[name]?.trim()}\n`).join('');
  const canonical = `${request.method}\n${path}\n${query}\n${lines}\n${names.join(';')}\n${payload}`;
  const scope = `${date}/${keys.region}/s3/aws4_request`;
  const text = `${algorithm}\n${time}\n${scope}\n${sha256(canonical)}`;
  const signature = deriveSigningKey(keys.secretAccessKey, date, keys.region).hex(text);
  headers['authorization'] =
    `${algorithm} Credential=${keys.accessKeyId}/${scope}, SignedHeaders=${names.join(';')}, Signature=${signature}`;
  return { path: query === '' ? path : `${path}?${query}`, headers };
}
