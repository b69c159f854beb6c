import { hmac, pathOf, timeOf } from '../client.ts';
import type { Options, Steps } from '../steps.ts';

/* Uploads by HTML form: what cases about them have together. */

const boundary = 'FormBoundaryOfCases';
export type Fields = Readonly<Record<string, string>>;

export interface Upload {
  readonly file?: string | undefined;
  readonly filename?: string;
  /** Parts behind the file. */
  readonly after?: string;
}

export const part = (name: string, value: string, more = ''): string =>
  `--${boundary}\r\nContent-Disposition: form-data; name="${name}"${more}\r\n\r\n${value}\r\n`;

/** The form, its file last. `file: undefined` leaves it out. */
export function formOf(fields: Fields, upload: Upload = {}): string {
  const { file = 'content', filename = 'file.txt', after = '' } = upload;
  const parts = Object.entries(fields).map(([name, value]) => part(name, value));
  const last = 'file' in upload && upload.file === undefined ? '' : part('file', file, `; filename="${filename}"`);
  return `${parts.join('')}${last}${after}--${boundary}--\r\n`;
}

/** Sends a form as it is; nobody signs its request. */
export const sendForm = (t: Steps, bucket: string, body: string, more: Options = {}) =>
  t.at('POST', pathOf(bucket), {
    body,
    signing: { form: 'none' },
    ...more,
    headers: { 'content-type': `multipart/form-data; boundary=${boundary}`, ...more.headers },
  });

export interface Policy {
  /** Conditions besides those that name each field with its value. */
  readonly conditions?: readonly unknown[];
  /** Fields that no condition names. */
  readonly unnamed?: readonly string[];
  readonly expiration?: string;
  /** Changes the policy before it is signed. */
  readonly change?: (policy: { expiration?: string; conditions?: unknown[] } & Record<string, unknown>) => unknown;
  readonly account?: Steps['store']['account'];
}

/** Fields with a policy over them, signed by Signature Version 4: "Creating a POST policy" of the S3 documentation. */
export function signedFields(t: Steps, bucket: string, fields: Fields, policy: Policy = {}): Record<string, string> {
  const { conditions = [], unnamed = [], change = (one) => one, account = t.store.account } = policy;
  const expiration = policy.expiration ?? new Date(Date.now() + 600_000).toISOString();
  const date = timeOf(Date.now());
  const scope = [date.slice(0, 8), t.store.region, 's3', 'aws4_request'];
  const about = {
    'x-amz-algorithm': 'AWS4-HMAC-SHA256',
    'x-amz-credential': [account.accessKeyId, ...scope].join('/'),
    'x-amz-date': date,
  };
  const each = Object.entries({ ...fields, ...about })
    .filter(([name]) => !unnamed.includes(name))
    .map(([name, value]) => ({ [name]: value }));
  const document = change({ expiration, conditions: [{ bucket }, ...conditions, ...each] });
  const text = Buffer.from(typeof document === 'string' ? document : JSON.stringify(document)).toString('base64');
  const key = scope.reduce<Buffer | string>((made, one) => hmac(made, one), `AWS4${account.secretAccessKey}`);
  return { ...fields, ...about, policy: text, 'x-amz-signature': hmac(key, text).toString('hex') };
}
