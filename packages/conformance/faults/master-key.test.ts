/* The master key is rotated, and older ones are removed, by a server that is killed at some point of it: nothing becomes unreadable, and it goes on by itself. */
import assert from 'node:assert/strict';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { until } from '../cluster/cluster.support.ts';
import { send } from '../src/request.ts';
import { freePort, type Server, startServer } from '../src/server.ts';
import { bearer, dsom, scratch } from './process.support.ts';

/** More than one entry of the log seals anew. */
const buckets = 150;

interface Status {
  readonly number: number;
  readonly state: string;
  readonly oldest: number;
  readonly hanging: { readonly total: number };
}

/** What the file says: docs/formats/keys.md. */
function fileOf(data: string) {
  const bytes = readFileSync(path.join(data, 'keys/keyring'));
  return { format: bytes[8] as number, active: bytes.readUInt32LE(25), keys: bytes.readUInt32LE(29), bytes };
}

const json = { authorization: bearer, 'content-type': 'application/json' };
const change = (server: Server, body: object) =>
  send(server.endpoint, 'POST', '/-/admin/v1/master-key', {
    anonymous: true,
    headers: json,
    body: Buffer.from(JSON.stringify(body)),
  });
async function statusOf(server: Server): Promise<Status> {
  const answer = await send(server.endpoint, 'GET', '/-/admin/v1/master-key', { anonymous: true, headers: json });
  assert.equal(answer.status, 200, answer.text());
  return JSON.parse(answer.text()) as Status;
}
const sealed = (server: Server) =>
  until('no rotation is under way', 60_000, async () => (await statusOf(server)).state === 'sealed');

test('a rotation that is killed at any point loses nothing and goes on', { timeout: 900_000 }, async (t) => {
  const folder = scratch(t, 'master-key');
  const data = [path.join(folder, 'one'), path.join(folder, 'two')];
  const first = data[0] as string;
  const port = await freePort();
  let server = await startServer(data, { port });
  t.after(async () => void (await server.stop('SIGKILL').catch(() => {})));
  for (let at = 0; at < buckets; at++) assert.equal((await send(server.endpoint, 'PUT', `/bucket-${at}`)).status, 200);
  const kms = await send(server.endpoint, 'POST', '/-/v1/kms/keys', {
    anonymous: true,
    headers: json,
    body: Buffer.from('{"name":"named"}'),
  });
  assert.equal(kms.status, 201, kms.text());
  const key = await send(server.endpoint, 'POST', '/-/v1/keys', {
    anonymous: true,
    headers: json,
    body: Buffer.from('{"name":"reader","role":"readwrite","buckets":[]}'),
  });
  const made = JSON.parse(key.text()) as { accessKeyId: string; secretAccessKey: string };
  const other = { authorization: `Bearer ${made.accessKeyId}.${made.secretAccessKey}` };
  const named = {
    'x-amz-server-side-encryption': 'aws:kms',
    'x-amz-server-side-encryption-aws-kms-key-id': 'alias/named',
  };
  for (let at = 0; at < buckets; at++)
    assert.equal(
      (
        await send(server.endpoint, 'PUT', `/bucket-${at}/o`, {
          body: Buffer.from(`bytes ${at}`),
          headers: at % 2 ? named : {},
        })
      ).status,
      200,
    );
  const check = async () => {
    for (let at = 0; at < buckets; at += 1) {
      const got = await send(server.endpoint, 'GET', `/bucket-${at}/o`);
      assert.deepEqual([got.status, got.text()], [200, `bytes ${at}`]);
    }
    const got = await send(server.endpoint, 'GET', '/-/v1/buckets', { anonymous: true, headers: other });
    assert.equal(got.status, 200, got.text());
  };

  /** What is seen on the disk before the process is killed, or later. */
  const before = () => fileOf(first);
  const points: readonly [what: string, seen: (was: ReturnType<typeof fileOf>) => boolean][] = [
    ['it was asked for', () => true],
    ['a key is prepared', (was) => existsSync(path.join(first, 'keys/keyring.next')) || fileOf(first).keys > was.keys],
    ['the key is taken', (was) => fileOf(first).keys > was.keys],
    ['it seals', (was) => fileOf(first).active > was.active],
  ];
  for (const [what, seen] of points) {
    const was = before();
    const asked = change(server, { action: 'rotate' }).catch(() => undefined);
    while (!seen(was)) await sleep(1);
    await server.stop('SIGKILL');
    await asked;
    server = await startServer(data, { port });
    await sealed(server);
    const { number, hanging } = await statusOf(server);
    assert.equal(hanging.total, 0, what);
    assert.equal(fileOf(first).active, number, what);
    await check();
  }
  // At least the one that was seen to seal has come to its end.
  assert.ok((await statusOf(server)).number >= 2);

  const early = await change(server, { action: 'remove' });
  assert.equal(early.status, 400);
  assert.match(early.text(), /--end-sessions/);
  const old = before();
  const asked = change(server, { action: 'remove', endSessions: true }).catch(() => undefined);
  while (fileOf(first).format !== 2) await sleep(1);
  await server.stop('SIGKILL');
  await asked;
  server = await startServer(data, { port });
  await sealed(server);
  const { number, oldest } = await statusOf(server);
  assert.equal(oldest, number);
  assert.deepEqual(fileOf(first).bytes, fileOf(data[1] as string).bytes, 'both directories have the same keyring');
  assert.ok(!fileOf(first).bytes.includes(old.bytes.subarray(33 + 12, 33 + 44)), 'the first key is gone');
  await check();

  // An older backup of the keyring is refused, in words; the right one serves again.
  await server.stop('SIGTERM');
  const right = before().bytes;
  const stranger = path.join(folder, 'stranger');
  const elsewhere = await startServer([stranger]);
  await elsewhere.stop('SIGTERM');
  for (const one of data) writeFileSync(path.join(one, 'keys/keyring'), fileOf(stranger).bytes);
  const { code, output } = await dsom([
    'server',
    ...data.flatMap((one) => ['--data', one]),
    '--address',
    `127.0.0.1:${port}`,
  ]);
  assert.notEqual(code, 0);
  assert.match(output, /Put the newest backup of this store's keys\/keyring back/);
  for (const one of data) writeFileSync(path.join(one, 'keys/keyring'), right);
  server = await startServer(data, { port });
  await check();
});
