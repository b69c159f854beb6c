import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { closeSync, createReadStream, openSync, readFileSync, rmSync, writeSync } from 'node:fs';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { openRig, python, type Rig } from './rig.ts';

/** Too large for every run: `DSOM_LARGE=1 npm run test:clients`. */
const skip = process.env['DSOM_LARGE'] ? false : 'set DSOM_LARGE=1 to run with 5 GiB';
const size = 5 * 1024 ** 3;
let rig: Rig;
before(async () => {
  if (!skip) rig = await openRig('large');
});
after(() => rig?.close());

/** Private (anonymous) memory of the server, MiB. */
const privateMemory = () =>
  Number(/RssAnon:\s+(\d+)/.exec(readFileSync(`/proc/${rig.server.pid}/status`, 'utf8'))?.[1] ?? 0) / 1024;

test('5 GiB in and out, within 300 MB of private memory', { skip, timeout: 60 * 60_000 }, async () => {
  const file = path.join(rig.scratch, 'large');
  const fd = openSync(file, 'w');
  const block = Buffer.alloc(1 << 20);
  for (let i = 0; i < size / block.length; i++) {
    createHash('sha512').update(String(i)).digest().copy(block, 0);
    writeSync(fd, block);
  }
  closeSync(fd);
  const sum = async (name: string) => {
    const hash = createHash('sha256');
    for await (const chunk of createReadStream(name, { highWaterMark: 1 << 20 })) hash.update(chunk as Buffer);
    return hash.digest('hex');
  };
  let peak = 0;
  const watch = setInterval(() => (peak = Math.max(peak, privateMemory())), 250);
  const aws = (...args: string[]) => rig.run(python().aws, ['--endpoint-url', rig.server.endpoint, ...args]);
  await aws('s3', 'mb', 's3://large');
  await aws('s3', 'cp', file, 's3://large/parts', '--only-show-errors');
  await aws('s3api', 'put-object', '--bucket', 'large', '--key', 'whole', '--body', file);
  for (const key of ['parts', 'whole']) {
    await aws('s3', 'cp', `s3://large/${key}`, `${file}.back`, '--only-show-errors');
    assert.equal(await sum(`${file}.back`), await sum(file), key);
    rmSync(`${file}.back`);
  }
  clearInterval(watch);
  console.log(`private memory at its highest: ${peak.toFixed(0)} MB`);
  assert.ok(peak < 300, `${peak} MB`);
});
