/* Every checksum that AWS's own clients know: with their native part, without which they compute four of ten. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { pathOf, send } from '../src/request.ts';
import { openRig, python, type Rig } from './rig.ts';

const timeout = 10 * 60_000;
let rig: Rig;
before(async () => {
  rig = await openRig('checksums');
});
after(() => rig.close());

test('boto3 gives, keeps and compares each of them', { timeout }, async () => {
  await rig.run(python('python-crt-1').python, [
    path.join(import.meta.dirname, 'checksums_suite.py'),
    rig.server.endpoint,
  ]);
});

test('aws s3api put-object and aws s3 cp, in one piece and in parts', { timeout }, async () => {
  const aws = (...args: string[]) =>
    rig.run(python('python-crt-1').aws, ['--endpoint-url', rig.server.endpoint, ...args]);
  const at = (key: string) => ['--bucket', 'command', '--key', key];
  await aws('s3', 'mb', 's3://command');
  const file = path.join(rig.scratch, 'file');
  const bytes = randomBytes(20 << 20);
  writeFileSync(file, bytes);
  for (const algorithm of ['SHA256', 'SHA512', 'XXHASH64', 'XXHASH3', 'XXHASH128']) {
    const put = JSON.parse(
      await aws('s3api', 'put-object', ...at('whole'), '--body', file, '--checksum-algorithm', algorithm),
    ) as Record<string, string>;
    assert.match(put[`Checksum${algorithm}`] ?? '', /^[^-]+$/);
    await aws('s3', 'cp', file, 's3://command/parts', '--only-show-errors', '--checksum-algorithm', algorithm);
    const { headers } = await send(rig.server.endpoint, 'HEAD', pathOf('command', 'parts'), {
      headers: { 'x-amz-checksum-mode': 'ENABLED' },
    });
    assert.match(String(headers[`x-amz-checksum-${algorithm.toLowerCase()}`]), /-3$/);
    assert.equal(headers['x-amz-checksum-type'], 'COMPOSITE');
    for (const key of ['whole', 'parts']) {
      await aws('s3', 'cp', `s3://command/${key}`, `${file}.back`, '--only-show-errors', '--checksum-mode', 'ENABLED');
      assert.ok(readFileSync(`${file}.back`).equals(bytes), `${algorithm} ${key}`);
    }
  }
});
