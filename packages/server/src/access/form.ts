import { StoreError } from '../errors.ts';
import { type ClaimScope, readScope } from './claim.ts';
import { algorithm } from './signature.ts';
import { parseTimestamp } from './timestamp.ts';

/*
 * The signature of an HTML form (https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-authentication-HTTPPOST.html): what is signed is its policy, as the
 * text of base64 that it is sent as, and nothing else. What the policy says is not looked at here.
 */

/** What a form says about who signed it. Fields by their names in lower case. */
export type FormFields = ReadonlyMap<string, string>;

export interface FormClaim {
  readonly scope: ClaimScope;
  readonly timeMs: number;
  readonly policy: string;
  readonly signature: string;
}

const names = ['x-amz-algorithm', 'x-amz-credential', 'x-amz-date', 'x-amz-signature'] as const;

const missing = (name: string): StoreError =>
  new StoreError('InvalidArgument', {
    message: `Bucket POST must contain a field named '${name}'.  If it is specified, please check the order of the fields.`,
    detail: { ArgumentName: name, ArgumentValue: '' },
  });

const fail = (message: string): StoreError => new StoreError('InvalidArgument', { message });

/**
 * @returns undefined where nothing was signed: then there is no policy either
 * @throws StoreError InvalidArgument, InvalidRequest
 */
export function claimOfForm(fields: FormFields, region: string): FormClaim | undefined {
  if (fields.has('awsaccesskeyid') || fields.has('signature'))
    throw new StoreError('InvalidRequest', {
      message: 'The authorization mechanism you have provided is not supported. Please use AWS4-HMAC-SHA256.',
    });
  const policy = fields.get('policy');
  if (policy === undefined && !names.some((name) => fields.has(name))) return undefined;
  const [given, credential, timestamp, signature] = names.map((name) => {
    const value = fields.get(name);
    if (value === undefined || value === '') throw missing(name);
    return value;
  }) as [string, string, string, string];
  if (policy === undefined) throw missing('policy');
  // What is signed are bytes: a character that is none must not stand for one.
  if (!/^[A-Za-z0-9+/=\r\n]*$/.test(policy))
    throw new StoreError('InvalidPolicyDocument', { message: 'Invalid Policy: Invalid base64.' });
  if (given !== algorithm) throw fail(`X-Amz-Algorithm only supports "${algorithm}"`);
  const scope = readScope(credential, '', { services: ['s3'], region }, fail);
  const { date } = scope;
  const timeMs = parseTimestamp(timestamp);
  if (timeMs === undefined) throw fail(`X-Amz-Date must be in the ISO8601 Long Format "yyyyMMdd'T'HHmmss'Z'"`);
  if (!timestamp.startsWith(date))
    throw fail(
      `Invalid credential date "${date}". This date is not the same as X-Amz-Date: "${timestamp.slice(0, 8)}".`,
    );
  return { scope, timeMs, policy, signature };
}
