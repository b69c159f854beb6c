/*
 * Decisions by access policies on one core: a user of a company with three policies of his own, a permissions boundary and the policy of
 * the bucket, five statements each, asked about a mix of requests with keys of their own.
 */
import {
  type AccessRequest,
  CompiledPolicy,
  decide,
  type PolicyKind,
  type PolicySet,
  parsePolicy,
} from '../src/access/index.ts';
import { median } from './rig.ts';

const account = '111122223333';
const user = `arn:aws:iam::${account}:user/team/ann`;

const compiled = (kind: PolicyKind, statements: readonly object[]): CompiledPolicy =>
  new CompiledPolicy(parsePolicy(JSON.stringify({ Version: '2012-10-17', Statement: statements }), { kind }));

const own = (bucket: string) =>
  compiled('identity', [
    { Effect: 'Allow', Action: ['s3:ListBucket', 's3:GetBucketLocation'], Resource: `arn:aws:s3:::${bucket}` },
    {
      Effect: 'Allow',
      Action: ['s3:GetObject', 's3:GetObjectVersion', 's3:PutObject'],
      Resource: `arn:aws:s3:::${bucket}/home/\${aws:username}/*`,
    },
    {
      Effect: 'Allow',
      Action: 's3:Get*',
      Resource: [`arn:aws:s3:::${bucket}/shared/*`, `arn:aws:s3:::${bucket}/public/*`],
    },
    {
      Effect: 'Allow',
      Action: 's3:DeleteObject',
      Resource: `arn:aws:s3:::${bucket}/*`,
      Condition: { Bool: { 'aws:MultiFactorAuthPresent': 'true' } },
    },
    {
      Effect: 'Deny',
      Action: 's3:*',
      Resource: `arn:aws:s3:::${bucket}/*`,
      Condition: { StringEquals: { 's3:ExistingObjectTag/class': 'secret' } },
    },
  ]);

const boundary = compiled('identity', [
  { Effect: 'Allow', Action: 's3:*', Resource: ['arn:aws:s3:::data', 'arn:aws:s3:::data/*'] },
  { Effect: 'Allow', Action: 's3:*', Resource: ['arn:aws:s3:::logs', 'arn:aws:s3:::logs/*'] },
  { Effect: 'Deny', Action: ['s3:PutBucketPolicy', 's3:DeleteBucket'], Resource: '*' },
  { Effect: 'Allow', Action: 's3:ListAllMyBuckets', Resource: '*' },
  { Effect: 'Deny', NotAction: 's3:*', Resource: '*' },
]);

const bucket = compiled('resource', [
  {
    Effect: 'Deny',
    Principal: '*',
    Action: 's3:*',
    Resource: '*',
    Condition: { Bool: { 'aws:SecureTransport': 'false' } },
  },
  {
    Effect: 'Deny',
    Principal: '*',
    Action: 's3:PutObject',
    Resource: 'arn:aws:s3:::data/*',
    Condition: { NotIpAddress: { 'aws:SourceIp': ['10.0.0.0/8', '192.0.2.0/24'] } },
  },
  { Effect: 'Allow', Principal: '*', Action: 's3:GetObject', Resource: 'arn:aws:s3:::data/public/*' },
  {
    Effect: 'Allow',
    Principal: { AWS: [user, '444455556666'] },
    Action: 's3:ListBucket',
    Resource: 'arn:aws:s3:::data',
  },
  {
    Effect: 'Allow',
    Principal: { AWS: `arn:aws:iam::${account}:role/reader` },
    Action: ['s3:GetObject', 's3:GetObjectVersion'],
    Resource: 'arn:aws:s3:::data/*',
    Condition: { StringLike: { 's3:prefix': ['home/*', 'shared/*'] } },
  },
]);

const policies: PolicySet = {
  identity: [own('data'), own('logs'), own('archive')],
  boundary,
  session: undefined,
  resource: bucket,
};

const values: Readonly<Record<string, string>> = {
  'aws:username': 'ann',
  'aws:securetransport': 'true',
  'aws:sourceip': '10.1.2.3',
  's3:prefix': 'home/ann/',
};
const context = { values: (key: string) => values[key] };

const asked: readonly (readonly [action: string, folder: string])[] = [
  ['s3:GetObject', 'home/ann/'],
  ['s3:GetObject', 'shared/'],
  ['s3:GetObject', 'home/bob/'],
  ['s3:GetObject', 'public/'],
  ['s3:PutObject', 'home/ann/'],
  ['s3:PutObject', 'shared/'],
  ['s3:DeleteObject', 'home/ann/'],
  ['s3:GetObjectVersion', 'home/ann/'],
];

const requests: readonly AccessRequest[] = Array.from({ length: 512 }, (_, i) => {
  const [action, folder] = asked[i % asked.length] as (typeof asked)[number];
  const requester = { kind: 'user', account, arn: user } as const;
  return {
    requester,
    action,
    resource: `arn:aws:s3:::data/${folder}photos/2026/${i}.jpg`,
    resourceAccount: account,
    context,
  };
});

/** Decisions per second of processor time: the median of `runs` runs, after one to warm up. */
export function decisionRate(runs: number): { perSecond: number; allowed: number } {
  const rates: number[] = [];
  let allowed = 0;
  for (let run = 0; run <= runs; run++) {
    const started = process.cpuUsage();
    let count = 0;
    allowed = 0;
    for (let turn = 0; turn < 2000; turn++)
      for (const request of requests) {
        if (decide(policies, request).allowed) allowed++;
        count++;
      }
    const used = process.cpuUsage(started);
    if (run > 0) rates.push((count / (used.user + used.system)) * 1e6);
    allowed /= count;
  }
  return { perSecond: median(rates), allowed };
}
