import { md5 } from '../client.ts';
import type { Options, Steps } from '../steps.ts';

/* What cases about object lock have together. */

export const page = (operation: string) => ({ source: `API/API_${operation}` });

export const mode = 'x-amz-object-lock-mode';
export const until = 'x-amz-object-lock-retain-until-date';
export const hold = 'x-amz-object-lock-legal-hold';
export const bypass = { 'x-amz-bypass-governance-retention': 'true' };
export const day = 86_400_000;
export const inDays = (days: number) => new Date(Date.now() + days * day).toISOString();
export const retained = (which: string, days = 2) => ({ [mode]: which, [until]: inDays(days) });
export const retention = (which: string, days: number) =>
  `<Retention><Mode>${which}</Mode><RetainUntilDate>${inDays(days)}</RetainUntilDate></Retention>`;
export const legalHold = (status: string) => `<LegalHold><Status>${status}</Status></LegalHold>`;
export const configuration = (inner: string) =>
  `<ObjectLockConfiguration xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><ObjectLockEnabled>Enabled</ObjectLockEnabled>${inner}</ObjectLockConfiguration>`;
export const byDefault = (inner: string) => configuration(`<Rule><DefaultRetention>${inner}</DefaultRetention></Rule>`);

export const locking = (t: Steps) => t.bucket({ headers: { 'x-amz-bucket-object-lock-enabled': 'true' } });
/** Writes an object, with the digest that locked ones need. @returns its version */
export const put = async (t: Steps, bucket: string, key: string, headers: Record<string, string> = {}) =>
  (await t.put(bucket, key, 'x', { 'content-md5': md5('x').toString('base64'), ...headers })).versionId;
export const remove = (
  t: Steps,
  bucket: string,
  key: string,
  versionId: string,
  headers: Record<string, string> = {},
) => t.remove(bucket, key, { query: { versionId }, headers });
export const configure = (t: Steps, bucket: string, text: string) => t.document('PUT', bucket, 'object-lock', text);
export const configured = (t: Steps, bucket: string) => t.get(bucket, '', { query: { 'object-lock': '' } });
export const change = (t: Steps, bucket: string, key: string, name: string, text: string, options: Options = {}) =>
  t.document('PUT', bucket, name, text, { ...options, key });
export const read = (t: Steps, bucket: string, key: string, name: string) =>
  t.get(bucket, key, { query: { [name]: '' } });
