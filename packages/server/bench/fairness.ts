/*
 * What a quiet tenant feels of a noisy one on the same server: one with 4 connections reads 4 KiB objects, beside it one with 256 does its worst.
 */
import { execFileSync } from 'node:child_process';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { LoadPlan, LoadResult } from './load.ts';
import { benchKeys } from './load.ts';
import { load, MiB, scratch, startDsom } from './rig.ts';

export interface FairnessFigures {
  readonly noise: string;
  readonly quiet: LoadResult;
  /** Of the noisy tenant meanwhile; undefined: there was none. */
  readonly noisy: LoadResult | undefined;
}

const seconds = 5;
const noisyKeys = { id: 'NOISYKEY', secret: 'noisy-secret-key-0123456789' };
const bin = path.resolve(import.meta.dirname, '../bin/dsom.mjs');

const noises: readonly (readonly [string, Omit<LoadPlan, 'endpoint' | 'connections'> | undefined])[] = [
  ['nobody', undefined],
  ['256 × GET 4 KiB', { operation: 'get', count: 4000, keys: 1000, prefix: 'small/' }],
  ['256 × PUT 4 KiB', { operation: 'put', size: 4096, count: 4000, keys: 1000, prefix: 'small/' }],
  ['256 × GET 8 MiB', { operation: 'get', count: 256, keys: 8, prefix: 'large/' }],
  ['256 × PUT 8 MiB', { operation: 'put', size: 8 * MiB, count: 256, keys: 8, prefix: 'large/' }],
];

/** @param program `dsom.mjs` of another version, to compare with */
export async function fairnessFigures(port: number, program = bin): Promise<FairnessFigures[]> {
  const dsom = await startDsom(scratch('fairness'), port, [], program);
  const env = {
    ...process.env,
    DSOM_ENDPOINT: dsom.endpoint,
    DSOM_ACCESS_KEY_ID: benchKeys.id,
    DSOM_SECRET_ACCESS_KEY: benchKeys.secret,
  };
  const run = (...args: string[]) => execFileSync(process.execPath, [program, ...args], { env, stdio: 'ignore' });
  run('tenant', 'create', 'noisy');
  const given = ['--access-key-id', noisyKeys.id, '--secret-access-key', noisyKeys.secret];
  run('user', 'create', 'loud', '--tenant', 'noisy', '--policy', 'AmazonS3FullAccess', ...given);
  const noisy = { credentials: noisyKeys, bucket: 'noisy' };
  await load(dsom, { operation: 'bucket', count: 1, connections: 1 });
  await load(dsom, { operation: 'bucket', count: 1, connections: 1, ...noisy });
  await load(dsom, { operation: 'put', size: 4096, count: 1000, connections: 16, prefix: 'q/' });
  await load(dsom, { operation: 'put', size: 4096, count: 1000, connections: 16, prefix: 'small/', ...noisy });
  await load(dsom, { operation: 'put', size: 8 * MiB, count: 8, connections: 4, prefix: 'large/', ...noisy });
  const figures: FairnessFigures[] = [];
  for (const [noise, plan] of noises) {
    const loud = plan && load(dsom, { ...plan, ...noisy, connections: 256, seconds: seconds + 3 }, true);
    await sleep(2000);
    const quiet = await load(dsom, { operation: 'get', count: 1000, connections: 4, seconds, prefix: 'q/' });
    figures.push({ noise, quiet, noisy: await loud });
  }
  await dsom.stop();
  return figures;
}
