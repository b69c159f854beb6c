/* Object lock, keys of customers and named keys, with boto3 and the aws command; and what of them is on the disk. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { bin, credentials } from '../src/server.ts';
import { openRig, python, type Rig } from './rig.ts';

let rig: Rig;
before(async () => {
  rig = await openRig('locks');
});
after(() => rig.close());

/** Text that nothing else says, longer than a key. */
const marker = randomBytes(20).toString('hex');

/** Files below a folder that hold these bytes anywhere. */
function holding(folder: string, bytes: Buffer): string[] {
  const files = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  return files
    .map((entry) => path.join(entry.parentPath, entry.name))
    .filter((file) => readFileSync(file).includes(bytes));
}

test('boto3: locks, and keys of customers', { timeout: 10 * 60_000 }, async () => {
  const suite = path.join(import.meta.dirname, 'locks_suite.py');
  await rig.run(python().python, [suite, rig.server.endpoint, marker]);
});

test('neither the bytes of such objects nor the keys are anywhere on the disk', { timeout: 5 * 60_000 }, async () => {
  const key = Buffer.from(marker.slice(0, 32));
  // The search finds what is there: a name is no secret.
  assert.notDeepEqual(holding(rig.data, Buffer.from('small-other')), []);
  for (const secret of [key, Buffer.from(key.toString('base64')), Buffer.from(marker)])
    assert.deepEqual(holding(rig.data, secret), []);
});

test('aws: a key from a file, over parts; a lock that a deletion meets', { timeout: 10 * 60_000 }, async () => {
  const aws = (...args: string[]) => rig.run(python().aws, ['--endpoint-url', rig.server.endpoint, ...args]);
  const [keyFile, file, back] = ['key', 'file', 'back'].map((name) => path.join(rig.scratch, name)) as [
    string,
    string,
    string,
  ];
  writeFileSync(keyFile, randomBytes(32));
  writeFileSync(file, randomBytes(20 << 20));
  const sse = ['--sse-c', 'AES256', '--sse-c-key', `fileb://${keyFile}`, '--only-show-errors'];
  await aws('s3', 'cp', file, 's3://keys/cli', ...sse);
  await aws('s3', 'cp', 's3://keys/cli', back, ...sse);
  assert.ok(readFileSync(back).equals(readFileSync(file)));
  await assert.rejects(aws('s3', 'cp', 's3://keys/cli', back, '--only-show-errors'), /400|Bad Request/);
  const rule = 'ObjectLockEnabled=Enabled,Rule={DefaultRetention={Mode=COMPLIANCE,Years=1}}';
  await aws('s3api', 'create-bucket', '--bucket', 'records', '--object-lock-enabled-for-bucket');
  await aws('s3api', 'put-object-lock-configuration', '--bucket', 'records', '--object-lock-configuration', rule);
  const put = JSON.parse(await aws('s3api', 'put-object', '--bucket', 'records', '--key', 'r', '--body', keyFile)) as {
    VersionId: string;
  };
  const version = ['--bucket', 'records', '--key', 'r', '--version-id', put.VersionId];
  await assert.rejects(aws('s3api', 'delete-object', ...version, '--bypass-governance-retention'), /AccessDenied/);
});

test('named keys', { timeout: 10 * 60_000 }, async (t) => {
  const env = {
    DSOM_ENDPOINT: rig.server.endpoint,
    DSOM_ACCESS_KEY_ID: credentials.accessKeyId,
    DSOM_SECRET_ACCESS_KEY: credentials.secretAccessKey,
  };
  const secret = randomBytes(32);
  await t.test('boto3, and the dsom command', async () => {
    const suite = path.join(import.meta.dirname, 'kms_suite.py');
    const parameters = [suite, rig.server.endpoint, secret.toString('hex'), process.execPath, bin];
    await rig.run(python().python, parameters, { env });
  });
  await t.test('nothing of the bytes of such objects is anywhere on the disk', () => {
    assert.notDeepEqual(holding(rig.data, Buffer.from('small-none')), []);
    assert.deepEqual(holding(rig.data, secret), []);
  });
  await t.test('aws: over parts, until the key is disabled', async () => {
    const aws = (...args: string[]) => rig.run(python().aws, ['--endpoint-url', rig.server.endpoint, 's3', ...args]);
    const [file, back] = ['named', 'named-back'].map((name) => path.join(rig.scratch, name)) as [string, string];
    writeFileSync(file, randomBytes(9 << 20));
    const sse = ['--sse', 'aws:kms', '--sse-kms-key-id', 'alias/payroll', '--only-show-errors'];
    await aws('cp', file, 's3://named/cli', ...sse);
    await aws('cp', 's3://named/cli', back, '--only-show-errors');
    assert.ok(readFileSync(back).equals(readFileSync(file)));
    await rig.run(process.execPath, [bin, 'kms', 'disable', 'alias/payroll'], { env });
    await assert.rejects(aws('cp', 's3://named/cli', back, '--only-show-errors'), /KMS.DisabledException|\(400\)/);
  });
});
