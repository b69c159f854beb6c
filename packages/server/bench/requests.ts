/*
 * What issue-sized buckets and policies cost a request: a listing by folders over many keys, deletions of a thousand keys at a time, and a read of 4 KiB by a user with policies in a bucket
 * with one, beside the same read by root.
 */
import { execFileSync } from 'node:child_process';
import path from 'node:path';
import { send } from '../../conformance/src/request.ts';
import { benchKeys } from './load.ts';
import { cpuMicroseconds, load, median, scratch, startDsom, type Target } from './rig.ts';

export interface RequestFigures {
  /** A page of 1,000 folders, ms. */
  readonly page: number;
  readonly pageMost: number;
  /** Objects deleted in a second, in batches of 1,000. */
  readonly deleted: number;
  /** CPU of the server for a GET of 4 KiB, µs: by root without a policy, and by a user with policies where the bucket has one. */
  readonly root: number;
  readonly user: number;
  /** The second in terms of the first, slice by slice beside each other. */
  readonly ratio: number;
}

/** Requests of a slice, and slices of each kind in a run. Below 70,000 requests V8 still compiles. */
const slice = 2000;
const slices = 20;
const warming = 35_000;

const folders = 1000;
const keys = { accessKeyId: benchKeys.id, secretAccessKey: benchKeys.secret };

/** Five statements, of which the last but one allows: every one is looked at. */
const policy = JSON.stringify({
  Version: '2012-10-17',
  Statement: [
    { Effect: 'Deny', Principal: '*', Action: 's3:*', Resource: 'arn:aws:s3:::bench/secret/*' },
    {
      Effect: 'Deny',
      Principal: '*',
      Action: 's3:PutObject',
      Resource: 'arn:aws:s3:::bench/*',
      Condition: { StringEquals: { 's3:x-amz-acl': 'public-read' } },
    },
    {
      Effect: 'Deny',
      Principal: '*',
      Action: 's3:GetObject',
      Resource: 'arn:aws:s3:::bench/*',
      Condition: { NotIpAddress: { 'aws:SourceIp': ['127.0.0.0/8', '10.0.0.0/8'] } },
    },
    { Effect: 'Allow', Principal: { AWS: '*' }, Action: 's3:GetObject', Resource: 'arn:aws:s3:::bench/read/*' },
    { Effect: 'Allow', Principal: { AWS: '*' }, Action: 's3:ListBucket', Resource: 'arn:aws:s3:::bench' },
  ],
});

/** A user who may do everything of S3 by a managed policy. */
function userOf({ endpoint }: Target): { readonly id: string; readonly secret: string } {
  const bin = path.resolve(import.meta.dirname, '../bin/dsom.mjs');
  const env = {
    ...process.env,
    DSOM_ENDPOINT: endpoint,
    DSOM_ACCESS_KEY_ID: benchKeys.id,
    DSOM_SECRET_ACCESS_KEY: benchKeys.secret,
  };
  const args = [bin, 'user', 'create', 'reader', '--policy', 'AmazonS3FullAccess', '--json'];
  const made = JSON.parse(execFileSync(process.execPath, args, { env, encoding: 'utf8' }));
  return { id: made.accessKeyId, secret: made.secretAccessKey };
}

export async function requestFigures(objects: number, runs: number, port: number): Promise<RequestFigures> {
  const dsom = await startDsom(scratch('requests'), port);
  await load(dsom, { operation: 'bucket', count: 1, connections: 1 });
  const inFolders = { folders, prefix: 'f/' };
  await load(dsom, { operation: 'put', size: 16, count: objects, connections: 32, ...inFolders });
  const list = { operation: 'folders', connections: 1, ...inFolders } as const;
  await load(dsom, { ...list, count: 20 });
  const pages = await load(dsom, { ...list, count: 50 });

  const batch = { operation: 'deleteMany', connections: 2, ...inFolders } as const;
  const { perSecond } = await load(dsom, { ...batch, count: Math.floor(objects / 1000) });

  const read = { prefix: 'read/', keys: 500, connections: 16 } as const;
  const plain = { ...read, bucket: 'plain' };
  await load(dsom, { operation: 'bucket', count: 1, connections: 1, bucket: plain.bucket });
  for (const one of [read, plain]) await load(dsom, { operation: 'put', size: 4096, count: 500, ...one });
  const user = userOf(dsom);
  const answer = await send(dsom.endpoint, 'PUT', '/bench', { ...keys, query: { policy: '' }, body: policy });
  if (answer.status >= 300) throw new Error(`the policy of the bucket was refused: ${answer.text()}`);
  const ways = {
    root: { ...plain, credentials: benchKeys },
    user: { ...read, credentials: user },
  } as const;
  const cost = async (way: keyof typeof ways, count = slice) => {
    const before = cpuMicroseconds(dsom.pid);
    await load(dsom, { operation: 'get', count, ...ways[way] });
    return (cpuMicroseconds(dsom.pid) - before) / count;
  };
  for (const way of ['root', 'user', 'root', 'user'] as const) await cost(way, warming / 2);
  const costs: { root: number; user: number }[] = [];
  // In turn, and each first as often as second: what else the machine does falls on both alike.
  for (let i = 0; i < runs * slices; i++) {
    if (i % 2) {
      const root = await cost('root');
      costs.push({ root, user: await cost('user') });
    } else {
      const user = await cost('user');
      costs.push({ root: await cost('root'), user });
    }
  }
  await dsom.stop();
  return {
    page: pages.p50,
    pageMost: pages.p99,
    deleted: perSecond * 1000,
    root: median(costs.map(({ root }) => root)),
    user: median(costs.map((one) => one.user)),
    ratio: median(costs.map((one) => one.user / one.root)),
  };
}
