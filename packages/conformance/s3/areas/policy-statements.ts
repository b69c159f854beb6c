import { area } from '../case.ts';
import { ok, refused } from '../expect.ts';
import type { Options, Steps } from '../steps.ts';
import { nobody, openBucket, ourAccount, type Statement, second, theirAccount, withPolicy } from './accounts.ts';

const { cases, rule } = area('statements of policies', 'userguide/access-policy-language-overview');
const read: Statement = { Action: 's3:GetObject' };

/* Principals, resources, conditions: who reads an object. */
interface Reading {
  readonly what: string;
  readonly statement: (t: Steps, bucket: string) => Promise<Statement> | Statement;
  readonly nobody: boolean;
  readonly second?: boolean;
  readonly headers?: Record<string, string>;
}
const theirs = async (t: Steps) => theirAccount(t);
const readings: readonly Reading[] = [
  {
    what: 'Principal {"AWS": "*"}',
    statement: () => ({ ...read, Principal: { AWS: '*' } }),
    nobody: true,
    second: true,
  },
  {
    what: 'Principal of one account by its digits',
    statement: async (t) => ({ ...read, Principal: { AWS: await theirs(t) } }),
    nobody: false,
    second: true,
  },
  {
    what: 'Principal of the root of one account',
    statement: async (t) => ({ ...read, Principal: { AWS: `arn:aws:iam::${await theirs(t)}:root` } }),
    nobody: false,
    second: true,
  },
  {
    what: 'Principal of a list of accounts',
    statement: async (t) => ({ ...read, Principal: { AWS: [await ourAccount(t), await theirs(t)] } }),
    nobody: false,
    second: true,
  },
  {
    what: 'Principal of our account only',
    statement: async (t) => ({ ...read, Principal: { AWS: await ourAccount(t) } }),
    nobody: false,
    second: false,
  },
  { what: 'Action s3:*', statement: () => ({ Action: 's3:*' }), nobody: true, second: true },
  { what: 'Action s3:Get*', statement: () => ({ Action: 's3:Get*' }), nobody: true },
  { what: 'Action s3:GetObjec?', statement: () => ({ Action: 's3:GetObjec?' }), nobody: true },
  { what: 'Action in another case', statement: () => ({ Action: 'S3:getobject' }), nobody: true },
  {
    what: 'NotAction s3:PutObject',
    statement: () => ({ NotAction: 's3:PutObject', Action: undefined }) as never,
    nobody: true,
  },
  {
    what: 'NotAction s3:GetObject',
    statement: () => ({ NotAction: 's3:GetObject', Action: undefined }) as never,
    nobody: false,
  },
  {
    what: 'the bucket, not its objects, as Resource',
    statement: (_, bucket) => ({ Action: 's3:*', Resource: `arn:aws:s3:::${bucket}` }),
    nobody: false,
  },
  {
    what: 'a Resource that ends in a wildcard',
    statement: (_, bucket) => ({ ...read, Resource: `arn:aws:s3:::${bucket}/k*` }),
    nobody: true,
  },
  {
    what: 'a Resource with one character left open',
    statement: (_, bucket) => ({ ...read, Resource: `arn:aws:s3:::${bucket}/ke?` }),
    nobody: true,
  },
  {
    what: 'a Resource of another key',
    statement: (_, bucket) => ({ ...read, Resource: `arn:aws:s3:::${bucket}/other` }),
    nobody: false,
  },
  {
    what: 'a Resource in another case',
    statement: (_, bucket) => ({ ...read, Resource: `arn:aws:s3:::${bucket}/KEY` }),
    nobody: false,
  },
  {
    what: 'NotResource of another key',
    statement: (_, bucket) => ({ ...read, Resource: undefined, NotResource: `arn:aws:s3:::${bucket}/other` }) as never,
    nobody: true,
  },
  {
    what: 'NotResource of this key',
    statement: (_, bucket) => ({ ...read, Resource: undefined, NotResource: `arn:aws:s3:::${bucket}/key` }) as never,
    nobody: false,
  },
  {
    what: 'aws:SourceIp of everywhere',
    statement: () => ({ ...read, Condition: { IpAddress: { 'aws:SourceIp': ['0.0.0.0/0', '::/0'] } } }),
    nobody: true,
  },
  {
    what: 'aws:SourceIp of nowhere near',
    statement: () => ({ ...read, Condition: { IpAddress: { 'aws:SourceIp': '192.0.2.0/24' } } }),
    nobody: false,
  },
  {
    what: 'NotIpAddress of nowhere near',
    statement: () => ({ ...read, Condition: { NotIpAddress: { 'aws:SourceIp': '192.0.2.0/24' } } }),
    nobody: true,
  },
  {
    what: 'aws:CurrentTime before a day to come',
    statement: () => ({ ...read, Condition: { DateLessThan: { 'aws:CurrentTime': '2099-01-01T00:00:00Z' } } }),
    nobody: true,
  },
  {
    what: 'aws:CurrentTime behind a day to come',
    statement: () => ({ ...read, Condition: { DateGreaterThan: { 'aws:CurrentTime': '2099-01-01T00:00:00Z' } } }),
    nobody: false,
  },
  {
    what: 'aws:Referer that is sent',
    statement: () => ({ ...read, Condition: { StringLike: { 'aws:Referer': 'http://www.example.com/*' } } }),
    nobody: true,
    headers: { referer: 'http://www.example.com/page' },
  },
  {
    what: 'aws:Referer that is another',
    statement: () => ({ ...read, Condition: { StringLike: { 'aws:Referer': 'http://www.example.com/*' } } }),
    nobody: false,
    headers: { referer: 'http://evil.example.com/' },
  },
  {
    what: 'aws:Referer that is not sent',
    statement: () => ({ ...read, Condition: { StringLike: { 'aws:Referer': 'http://www.example.com/*' } } }),
    nobody: false,
  },
  {
    what: 'aws:Referer that is not sent, IfExists',
    statement: () => ({ ...read, Condition: { StringLikeIfExists: { 'aws:Referer': 'http://www.example.com/*' } } }),
    nobody: true,
  },
  {
    what: 'Null of a key that is not there',
    statement: () => ({ ...read, Condition: { Null: { 'aws:Referer': 'true' } } }),
    nobody: true,
  },
  {
    what: 'Null of a key that must be there',
    statement: () => ({ ...read, Condition: { Null: { 'aws:Referer': 'false' } } }),
    nobody: false,
  },
  {
    what: 'aws:UserAgent in another case by StringEqualsIgnoreCase',
    statement: () => ({ ...read, Condition: { StringEqualsIgnoreCase: { 'aws:UserAgent': 'AGENT' } } }),
    nobody: true,
    headers: { 'user-agent': 'agent' },
  },
  {
    what: 'aws:UserAgent in another case by StringEquals',
    statement: () => ({ ...read, Condition: { StringEquals: { 'aws:UserAgent': 'AGENT' } } }),
    nobody: false,
    headers: { 'user-agent': 'agent' },
  },
  {
    what: 'aws:UserAgent by StringNotEquals',
    statement: () => ({ ...read, Condition: { StringNotEquals: { 'aws:UserAgent': 'agent' } } }),
    nobody: false,
    headers: { 'user-agent': 'agent' },
  },
  {
    what: 'one of two values of a key',
    statement: () => ({ ...read, Condition: { StringEquals: { 'aws:UserAgent': ['other', 'agent'] } } }),
    nobody: true,
    headers: { 'user-agent': 'agent' },
  },
  {
    what: 'one of two keys that must both hold',
    statement: () => ({ ...read, Condition: { StringEquals: { 'aws:UserAgent': 'agent', 'aws:Referer': 'x' } } }),
    nobody: false,
    headers: { 'user-agent': 'agent' },
  },
  {
    what: 'a tag that the object has',
    statement: () => ({ ...read, Condition: { StringEquals: { 's3:ExistingObjectTag/class': 'open' } } }),
    nobody: true,
  },
  {
    what: 'a tag with another value',
    statement: () => ({ ...read, Condition: { StringEquals: { 's3:ExistingObjectTag/class': 'closed' } } }),
    nobody: false,
  },
  {
    what: 'a tag that the object does not have',
    statement: () => ({ ...read, Condition: { StringEquals: { 's3:ExistingObjectTag/none': 'open' } } }),
    nobody: false,
  },
  {
    what: 'aws:SecureTransport false over plain HTTP denied',
    statement: () => ({ ...read, Effect: 'Deny', Condition: { Bool: { 'aws:SecureTransport': 'false' } } }),
    nobody: false,
  },
];
for (const { what, statement, nobody: open, second: theirsToo, headers } of readings) {
  const check = async (t: Steps, signing: Options['signing'], allowed: boolean) => {
    const bucket = await openBucket(t);
    await t.put(bucket, 'key', 'content', { 'x-amz-tagging': 'class=open' });
    await withPolicy(t, bucket, await statement(t, bucket));
    const answer = await t.get(bucket, 'key', { signing: signing!, ...(headers && { headers }) });
    if (allowed) ok(answer);
    else refused(answer, 'AccessDenied');
  };
  const needs = /account|digits/.test(what) ? (['second'] as const) : [];
  rule(
    `a policy with ${what} ${open ? 'allows' : 'does not allow'} an anonymous GetObject`,
    (t) => check(t, nobody, open),
    { needs },
  );
  if (theirsToo !== undefined)
    rule(
      `a policy with ${what} ${theirsToo ? 'allows' : 'does not allow'} a GetObject of another account`,
      (t) => check(t, second(t), theirsToo),
      { needs: ['second'] },
    );
}

export const statementCases = cases;
