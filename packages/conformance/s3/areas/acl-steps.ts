import type { Answer } from '../answer.ts';
import { ok, same } from '../expect.ts';
import type { Options, Steps } from '../steps.ts';
import { all, find, type XmlElement } from '../xml.ts';
import { openBucket, ourId } from './accounts.ts';

/* What cases about access control lists have together. */

export const ofBucket = { source: 'API/API_PutBucketAcl' };
export const ofObject = { source: 'API/API_PutObjectAcl' };
export const ownership = { source: 'userguide/about-object-ownership' };
export const blocking = { source: 'userguide/access-control-block-public-access' };

export const groups = 'http://acs.amazonaws.com/groups/';
export const get = (t: Steps, bucket: string, key = '', options: Options = {}) =>
  t.get(bucket, key, { query: { acl: '' }, ...options });
export const put = (t: Steps, bucket: string, key: string, headers: Record<string, string>, options: Options = {}) =>
  t.send('PUT', bucket, key, { query: { acl: '' }, headers, ...options });
export const putDocument = (t: Steps, bucket: string, key: string, text: string, options: Options = {}) =>
  t.document('PUT', bucket, 'acl', text, { key, ...options });
export const byId = (id: string) => `<ID>${id}</ID>`;
export const grant = (inner: string, permission: string, type = 'CanonicalUser') =>
  `<Grant><Grantee xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:type="${type}">${inner}</Grantee><Permission>${permission}</Permission></Grant>`;
export const listOf = (owner: string, ...grants: readonly string[]) =>
  `<AccessControlPolicy xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Owner><ID>${owner}</ID></Owner><AccessControlList>${grants.join('')}</AccessControlList></AccessControlPolicy>`;

/** A bucket in which lists count, and nothing is blocked; with one object. */
export async function listed(t: Steps, kind = 'ObjectWriter'): Promise<string> {
  const bucket = await openBucket(t, { headers: { 'x-amz-object-ownership': kind } });
  await t.put(bucket, 'key');
  return bucket;
}
const granteeOf = (one: XmlElement) =>
  find(one, 'Grantee', 'ID')?.text ?? find(one, 'Grantee', 'URI')?.text.slice(groups.length) ?? '';
/** Grants as `PERMISSION grantee`, our own being `owner`. */
export async function grants(t: Steps, answer: Answer): Promise<string[]> {
  const us = await ourId(t);
  return all(find(ok(answer).xml, 'AccessControlList'), 'Grant')
    .map((one) => `${find(one, 'Permission')?.text} ${granteeOf(one) === us ? 'owner' : granteeOf(one)}`)
    .sort();
}
export const has = async (t: Steps, answer: Answer, ...expected: readonly string[]) =>
  same(await grants(t, answer), ['FULL_CONTROL owner', ...expected].sort(), 'grants', answer);
export const kinds = [
  ['a bucket', '', ofBucket, 'PutBucketAcl', 'GetBucketAcl'],
  ['an object', 'key', ofObject, 'PutObjectAcl', 'GetObjectAcl'],
] as const;
