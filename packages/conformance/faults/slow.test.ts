/* Clients that are slow, idle or gone: their time is bounded, others do not feel them, and nothing of them stays. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import net, { type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { pathOf, send } from '../src/request.ts';
import { patienceMs, type Server, startServer } from '../src/server.ts';
import { bearer, dsom, fsck } from './process.support.ts';

const MiB = 1 << 20;

/** Everything that comes back until the other side closes, and how long that took. */
function listen(socket: Socket): Promise<{ readonly text: string; readonly seconds: number }> {
  const start = performance.now();
  let text = '';
  socket.on('data', (piece) => (text += piece.toString('latin1')));
  socket.on('error', () => {});
  return new Promise((resolve) =>
    socket.once('close', () => resolve({ text, seconds: (performance.now() - start) / 1000 })),
  );
}

async function open(port: number): Promise<Socket> {
  const socket = net.connect(port, '127.0.0.1');
  await new Promise<void>((resolve, reject) => socket.once('connect', resolve).once('error', reject));
  return socket;
}

const putHead = (key: string, length: number) =>
  `PUT /-/v1/buckets/slow/objects/${key} HTTP/1.1\r\nHost: x\r\nAuthorization: ${bearer}\r\nContent-Length: ${length}\r\n\r\n`;

describe('slow clients', { concurrency: true, timeout: 900_000 }, () => {
  let server: Server;
  let folder = '';
  before(async () => {
    folder = mkdtempSync(path.join(process.env['DSOM_SCRATCH'] ?? tmpdir(), 'dsom-slow-'));
    server = await startServer([path.join(folder, 'data')]);
    assert.equal((await send(server.endpoint, 'PUT', '/slow')).status, 200);
  });
  after(async () => {
    await server.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  test('a request head that never ends is closed after 20 s', async () => {
    const socket = await open(server.port);
    const closed = listen(socket);
    socket.write('GET / HTTP/1.1\r\nHost: x\r\n');
    const drip = setInterval(() => socket.write('x-a: b\r\n'), 1000);
    const { text, seconds } = await closed;
    clearInterval(drip);
    assert.match(text, /^HTTP\/1\.1 (408|400) /);
    assert.ok(seconds > 15 && seconds < patienceMs / 1000, `closed after ${seconds.toFixed(1)} s`);
  });

  test('a body that stalls is answered RequestTimeout after 30 s', async () => {
    const socket = await open(server.port);
    const closed = listen(socket);
    socket.write(putHead('stalled', 10 * MiB));
    socket.write(randomBytes(MiB));
    const { text, seconds } = await closed;
    assert.match(text, /^HTTP\/1\.1 4\d\d /);
    assert.match(text, /RequestTimeout/);
    assert.ok(seconds > 25 && seconds < patienceMs / 1000, `answered after ${seconds.toFixed(1)} s`);
    assert.equal((await send(server.endpoint, 'HEAD', pathOf('slow', 'stalled'))).status, 404);
  });

  test('a body that drips counts as stalled', async () => {
    const socket = await open(server.port);
    const closed = listen(socket);
    socket.write(putHead('dripping', 10 * MiB));
    const drip = setInterval(() => socket.write('x'), 1000);
    const { text, seconds } = await closed;
    clearInterval(drip);
    assert.match(text, /RequestTimeout/);
    assert.ok(seconds > 25 && seconds < patienceMs / 1000, `answered after ${seconds.toFixed(1)} s`);
  });

  test('a slow upload that makes progress goes through', async () => {
    const socket = await open(server.port);
    const closed = listen(socket);
    const body = randomBytes(350_000);
    socket.write(putHead('steady', body.length).replace('\r\n\r\n', '\r\nConnection: close\r\n\r\n'));
    for (let at = 0; at < body.length; at += 10_000) {
      socket.write(body.subarray(at, at + 10_000));
      await sleep(1000);
    }
    const { text } = await closed;
    assert.match(text, /^HTTP\/1\.1 20[01] /);
    assert.ok((await send(server.endpoint, 'GET', pathOf('slow', 'steady'))).body.equals(body));
  });

  test('a thousand idle connections, and readers that do not read, do not hinder others', async () => {
    const body = randomBytes(8 * MiB);
    assert.equal((await send(server.endpoint, 'PUT', pathOf('slow', 'read'), { body })).status, 200);
    const sockets = await Promise.all(Array.from({ length: 1000 }, () => open(server.port)));
    for (const socket of sockets) socket.on('error', () => {});
    for (const socket of sockets.slice(0, 50)) {
      socket.pause();
      socket.write(`GET /-/v1/buckets/slow/objects/read HTTP/1.1\r\nHost: x\r\nAuthorization: ${bearer}\r\n\r\n`);
    }
    await sleep(500);
    let slowest = 0;
    for (let i = 0; i < 200; i++) {
      const start = performance.now();
      assert.equal((await send(server.endpoint, 'PUT', pathOf('slow', `quick${i}`), { body: 'x' })).status, 200);
      assert.equal((await send(server.endpoint, 'GET', pathOf('slow', `quick${i}`))).text(), 'x');
      slowest = Math.max(slowest, performance.now() - start);
    }
    for (const socket of sockets) socket.destroy();
    assert.ok(slowest < 60_000, `the slowest pair of requests took ${slowest.toFixed(0)} ms`);
  });
});

/** Waits until stripes of a body are written that is still on its way, and keeps that from counting as stalled. */
async function someUnpublished(server: Server, socket: Socket): Promise<void> {
  const drip = setInterval(() => socket.write(Buffer.alloc(100_000)), 1000);
  for (const end = performance.now() + patienceMs; ; ) {
    const { totals } = await fsck(server.endpoint);
    if ((totals['unpublished'] ?? 0) > 0) break;
    assert.ok(performance.now() < end, `nothing is written of it: ${JSON.stringify(totals)}`);
  }
  clearInterval(drip);
}

test('an upload that breaks off leaves nothing visible, and its fragments are collected', {
  timeout: 900_000,
}, async (t) => {
  const folder = mkdtempSync(path.join(process.env['DSOM_SCRATCH'] ?? tmpdir(), 'dsom-aborted-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const data = path.join(folder, 'data');
  let server: Server = await startServer([data]);
  t.after(async () => void (await server.stop('SIGKILL').catch(() => {})));
  assert.equal((await send(server.endpoint, 'PUT', '/slow')).status, 200);
  const socket = await open(server.port);
  socket.on('error', () => {});
  socket.write(putHead('aborted', 100 * MiB));
  socket.write(randomBytes(50 * MiB));
  await someUnpublished(server, socket);
  socket.destroy();
  const nothingUnpublished = async () => {
    const deadline = performance.now() + patienceMs;
    for (;;) {
      const { counts, totals } = await fsck(server.endpoint);
      assert.deepEqual(counts, {});
      if (totals['unpublished'] === 0) return;
      assert.ok(performance.now() < deadline, `not collected: ${JSON.stringify(totals)}`);
      await sleep(200);
    }
  };
  // An aborted upload takes its fragments along; one that died with the server leaves them to the collector.
  await nothingUnpublished();
  assert.equal((await send(server.endpoint, 'GET', pathOf('slow', 'aborted'))).status, 404);
  assert.deepEqual((await send(server.endpoint, 'GET', '/slow', { query: { 'list-type': '2' } })).elements('Key'), []);
  const second = await open(server.port);
  second.on('error', () => {});
  second.write(putHead('cut', 100 * MiB));
  second.write(randomBytes(50 * MiB));
  await someUnpublished(server, second);
  await server.stop('SIGKILL');
  const left = await dsom(['fsck', '--json', '--data', data]);
  assert.equal(left.code, 0, left.output);
  const found = /"unpublished":(\d+)/.exec(left.output)?.[1];
  assert.ok(Number(found) > 0, `stripes were written: ${left.output}`);

  server = await startServer([data]);
  await nothingUnpublished();
  assert.equal(await server.stop(), 0);
});
