/* A server that may open few files: connections leave some to the store, and none is dropped without being counted. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import net from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { pathOf, send } from '../src/request.ts';
import { startServer } from '../src/server.ts';

const asked = 400;
const few = 256;

const missing: string | false = (() => {
  try {
    execFileSync('prlimit', ['--version'], { stdio: 'ignore' });
    return false;
  } catch {
    return 'prlimit is not on the PATH (Debian: apt-get install util-linux)';
  }
})();

/** A connection, and what became of it once it has asked for something. */
async function ask(
  port: number,
): Promise<{ readonly socket: net.Socket; readonly outcome: Promise<'served' | 'closed'> }> {
  const socket = net.connect(port, '127.0.0.1');
  socket.on('error', () => {});
  await Promise.race([once(socket, 'connect'), once(socket, 'close')]);
  const outcome = Promise.withResolvers<'served' | 'closed'>();
  socket.once('data', () => outcome.resolve('served')).once('close', () => outcome.resolve('closed'));
  return { socket, outcome: outcome.promise };
}

test('connections beyond the limit of open files are counted, and the store works on', { skip: missing }, async () => {
  const folder = mkdtempSync(path.join(process.env['DSOM_SCRATCH'] ?? tmpdir(), 'dsom-few-files-'));
  const server = await startServer([path.join(folder, 'data')], { launch: ['prlimit', `--nofile=${few}`, '--'] });
  try {
    assert.equal((await send(server.endpoint, 'PUT', '/bucket')).status, 200);
    const all = [];
    for (let n = 0; n < asked; n++) all.push(await ask(server.port));
    for (const { socket } of all) socket.write('GET /-/health/live HTTP/1.1\r\nHost: x\r\n\r\n');
    const outcomes = await Promise.all(all.map(({ outcome }) => outcome));
    // Those that were served are still open: what the store needs files for is done beside them.
    const body = randomBytes(2 << 20);
    assert.equal((await send(server.endpoint, 'PUT', pathOf('bucket', 'large'), { body })).status, 200);
    assert.ok((await send(server.endpoint, 'GET', pathOf('bucket', 'large'))).body.equals(body));
    const metrics = (await send(server.endpoint, 'GET', '/-/metrics')).text();
    const counted = [...metrics.matchAll(/^dsom_connection_shortages_total\{.*\} (\d+)$/gm)].reduce(
      (sum, [, count]) => sum + Number(count),
      0,
    );
    const closed = outcomes.filter((outcome) => outcome === 'closed').length;
    assert.ok(closed > 0 && outcomes.length - closed > 8, `${closed} of ${asked} were closed`);
    assert.ok(counted >= closed, `${closed} were closed, and ${counted} counted`);
    await server.says(new RegExp(`WARNING +${few} open files are allowed: at most \\d+ connections`));
    for (const { socket } of all) socket.destroy();
  } finally {
    await server.stop();
    rmSync(folder, { recursive: true, force: true });
  }
});
