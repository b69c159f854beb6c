/* A server that is told not to encrypt, and its stores' way from one setting to the other. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { closeSync, openSync, readdirSync, readFileSync, readSync, writeSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { pathOf, send } from '../src/request.ts';
import { credentials, type Server, startServer } from '../src/server.ts';
import { bearer, dsom, fsck, metric, scratch } from './process.support.ts';

const sizes = [100, 4096, 5000, 70_000, 9 << 20];
/** Found only where the bytes lie open; random around it, so that nothing shrinks. */
const marker = 'a-mark-that-no-cipher-leaves-in-sight';

function bodyOf(size: number): Buffer {
  const body = randomBytes(size);
  body.write(marker, size >> 1);
  return body;
}

/** How often the marker lies open below the folder. */
function open(folder: string): number {
  const files = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  let found = 0;
  for (const file of files) {
    const bytes = readFileSync(path.join(file.parentPath, file.name));
    for (let at = bytes.indexOf(marker); at >= 0; at = bytes.indexOf(marker, at + 1)) found++;
  }
  return found;
}

test('encrypted by default, plain when told; each store reads both, and damage of plain bytes is found and healed', {
  timeout: 900_000,
}, async (t) => {
  const folder = scratch(t, 'plain');
  const data = [path.join(folder, 'a'), path.join(folder, 'b')] as const;
  let server: Server = await startServer(data);
  t.after(async () => void (await server.stop('SIGKILL').catch(() => {})));
  const contents = new Map<string, Buffer>();
  const fill = async (under: string) => {
    for (const size of sizes) {
      const key = `${under}/${size}`;
      const body = bodyOf(size);
      contents.set(key, body);
      assert.equal((await send(server.endpoint, 'PUT', pathOf('plain', key), { body })).status, 200);
    }
  };
  const allRight = async () => {
    for (const [key, body] of contents) {
      const whole = await send(server.endpoint, 'GET', pathOf('plain', key));
      assert.ok(whole.status === 200 && whole.body.equals(body), key);
      const range = await send(server.endpoint, 'GET', pathOf('plain', key), { headers: { range: 'bytes=7-90000' } });
      assert.ok(range.status === 206 && range.body.equals(body.subarray(7, 90_001)), `${key}, a range`);
    }
  };
  const restart = async (...flags: string[]) => {
    assert.equal(await server.stop(), 0);
    server = await startServer(data, { flags });
  };

  assert.equal((await send(server.endpoint, 'PUT', '/plain')).status, 200);
  await fill('sealed');
  await restart();
  assert.equal(open(folder), 0, 'nothing lies open by default');
  assert.doesNotMatch(server.output(), /encryption is off/);

  await restart('--encryption', 'off');
  await fill('plain');
  await server.says(/WARNING +encryption is off: new objects are stored as plain bytes/);
  const doctor = await dsom(['doctor'], {
    DSOM_ENDPOINT: server.endpoint,
    DSOM_ACCESS_KEY_ID: credentials.accessKeyId,
    DSOM_SECRET_ACCESS_KEY: credentials.secretAccessKey,
  });
  assert.match(doctor.output, /new objects are not encrypted/);
  const claim = async (key: string) =>
    (await send(server.endpoint, 'HEAD', pathOf('plain', key))).headers['x-amz-server-side-encryption'];
  assert.deepEqual([await claim('sealed/70000'), await claim('plain/70000')], ['AES256', undefined]);
  const setting = await send(server.endpoint, 'GET', '/plain', { query: { encryption: '' } });
  assert.equal(setting.status, 404);
  assert.match(setting.text(), /<Code>ServerSideEncryptionConfigurationNotFoundError</);
  const asked = { headers: { 'x-amz-server-side-encryption': 'AES256' }, body: Buffer.from('x') };
  assert.equal((await send(server.endpoint, 'PUT', pathOf('plain', 'asked'), asked)).status, 501);
  await allRight();
  assert.ok(open(folder) >= 2 * 3, 'both copies of what is not inline lie open');

  await restart();
  await fill('sealed again');
  assert.deepEqual([await claim('sealed again/70000'), await claim('plain/70000')], ['AES256', undefined]);
  // What is made of several pieces is said to be encrypted when all of them are.
  for (const under of ['sealed', 'plain']) {
    const key = `${under}/70000`;
    const line = bodyOf(5000);
    const url = `${server.endpoint}/-/v1/buckets/plain/objects/${encodeURIComponent(key)}?append`;
    const answer = await fetch(url, { method: 'POST', headers: { authorization: bearer }, body: line });
    assert.equal(answer.status, 200, await answer.text());
    contents.set(key, Buffer.concat([contents.get(key) as Buffer, line]));
  }
  assert.deepEqual([await claim('sealed/70000'), await claim('plain/70000')], ['AES256', undefined]);
  await allRight();
  assert.deepEqual((await fsck(server.endpoint)).counts, {});

  assert.equal(await server.stop(), 0);
  for (const name of readdirSync(path.join(data[0], 'device')).filter((one) => one.startsWith('slab-'))) {
    const fd = openSync(path.join(data[0], 'device', name), 'r+');
    const bytes = readFileSync(fd);
    const byte = Buffer.alloc(1);
    for (let at = bytes.indexOf(marker); at >= 0; at = bytes.indexOf(marker, at + 1)) {
      readSync(fd, byte, 0, 1, at + 3);
      byte[0] = (byte[0] as number) ^ 1;
      writeSync(fd, byte, 0, 1, at + 3);
    }
    closeSync(fd);
  }
  server = await startServer(data);
  await allRight();
  assert.ok((await metric(server.endpoint, 'dsom_bad_copies_total')) > 0, 'the damage is counted');
  await restart();
  await allRight();
  assert.equal(await metric(server.endpoint, 'dsom_bad_copies_total'), 0, 'and was repaired');
});
