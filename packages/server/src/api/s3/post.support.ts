/* Forms for uploads: as browsers send them, and signed. */
import { createHmac } from 'node:crypto';
import { realHost } from '../../host/index.ts';
import { type Answer, type Harness, region, type Send } from './harness.support.ts';

const { clock } = realHost();
const secret = 'wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY';
export const boundary = '----WebKitFormBoundaryÿ'.slice(0, 22);
export type Fields = Readonly<Record<string, string>> | readonly (readonly [string, string])[];
export interface Upload {
  readonly file?: Buffer | string | undefined;
  readonly filename?: string;
  /** What the body is made to instead. */
  readonly spoil?: (body: Buffer) => Buffer;
  readonly after?: string;
}
const pairsOf = (fields: Fields) => (Array.isArray(fields) ? fields : Object.entries(fields)) as [string, string][];

function bodyOf(fields: Fields, { file = 'content', filename = 'a.txt', after = '' }: Upload = {}): Buffer {
  const parts = pairsOf(fields).map(
    ([name, value]) => `--${boundary}\r\nContent-Disposition: form-data; name="${name}"\r\n\r\n${value}\r\n`,
  );
  const head = `--${boundary}\r\nContent-Disposition: form-data; name="file"; filename="${filename}"\r\nContent-Type: text/plain\r\n\r\n`;
  return Buffer.concat([
    Buffer.from(parts.join('') + (file === undefined ? '' : head)),
    Buffer.from(file ?? ''),
    Buffer.from(`\r\n${after}--${boundary}--\r\n`),
  ]);
}

const type = { 'content-type': `multipart/form-data; boundary=${boundary}` };
/** Sends forms to a bucket of this server, anonymously but for what they say themselves. */
export const poster =
  (s3: Harness) =>
  (
    bucket: string,
    fields: Fields,
    { spoil = (body) => body, ...upload }: Upload = {},
    more: Send = {},
  ): Promise<Answer> =>
    s3.send('POST', `/${bucket}`, {
      as: 'anonymous',
      body: spoil(bodyOf(fields, upload)),
      ...more,
      headers: { ...type, ...more.headers },
    });

const hmac = (key: string | Buffer, text: string) => createHmac('sha256', key).update(text).digest();
const stamp = () => new Date(clock.now()).toISOString().replace(/[-:]|\.\d{3}/g, '');

/** Fields of a form that is signed, and its policy over them: each is named by a condition unless others are given. */
export function signed(
  fields: Readonly<Record<string, string>>,
  {
    conditions = [],
    expiration = new Date(clock.now() + 60_000).toISOString(),
    as = 'root',
    key = secret,
    change = (policy: unknown) => JSON.stringify(policy),
  }: {
    readonly conditions?: readonly unknown[];
    readonly expiration?: string;
    readonly as?: string;
    readonly key?: string;
    readonly change?: (policy: unknown) => string;
  } = {},
): Record<string, string> {
  const date = stamp();
  const credential = `key-${as}/${date.slice(0, 8)}/${region}/s3/aws4_request`;
  const about = { 'x-amz-algorithm': 'AWS4-HMAC-SHA256', 'x-amz-credential': credential, 'x-amz-date': date };
  const named = new Set(
    conditions
      .flatMap((one) => (Array.isArray(one) ? [String(one[1]).slice(1)] : Object.keys(one as object)))
      .map((name) => name.toLowerCase()),
  );
  const each = Object.entries({ ...fields, ...about })
    .filter(([name]) => !named.has(name.toLowerCase()))
    .map(([name, value]) => ({ [name]: value }));
  const policy = Buffer.from(
    change({ expiration, conditions: [{ bucket: 'bucket' }, ...conditions, ...each] }),
  ).toString('base64');
  const signing = [region, 's3', 'aws4_request'].reduce<Buffer>(hmac, hmac(`AWS4${key}`, date.slice(0, 8)));
  return { ...fields, ...about, policy, 'x-amz-signature': hmac(signing, policy).toString('hex') };
}

/** Everybody may write below `public/` of the bucket `open`. */
export async function withOpenBucket(harness: Harness): Promise<void> {
  for (const bucket of ['bucket', 'open', 'scoped']) await harness.send('PUT', `/${bucket}`);
  const Statement = [
    { Effect: 'Allow', Principal: '*', Action: 's3:PutObject', Resource: 'arn:aws:s3:::open/public/*' },
  ];
  await harness.send('PUT', '/open', {
    query: { policy: '' },
    body: JSON.stringify({ Version: '2012-10-17', Statement }),
  });
}

export const outcome = ({ status, code }: Answer) => [status, code];
