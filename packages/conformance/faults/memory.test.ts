/* Many large transfers at the same time: the memory of the server stays within a bound, and every one of them comes to its end. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { pathOf, send } from '../src/request.ts';
import { startServer } from '../src/server.ts';
import { scratch } from './process.support.ts';

const MiB = 1 << 20;
const many = 200;

/** Private memory of a process, MiB. */
function privateMiB(pid: number): number {
  const found = /RssAnon:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'));
  assert.ok(found, 'the system tells how much memory is private');
  return Number(found[1]) / 1024;
}

test(`${many} uploads and ${many} downloads of 8 MiB at once`, { timeout: 600_000 }, async (t) => {
  if (process.platform !== 'linux') return t.skip('private memory is read from /proc');
  const server = await startServer([path.join(scratch(t, 'memory'), 'data')], { flags: ['--workers', '2'] });
  t.after(async () => void (await server.stop('SIGKILL').catch(() => {})));
  assert.equal((await send(server.endpoint, 'PUT', '/memory')).status, 200);
  const body = randomBytes(8 * MiB);
  const keys = Array.from({ length: many }, (_, index) => `k${index}`);
  /** Does all of it at once, and tells the most memory that was seen. */
  const peakOf = async (work: (key: string) => Promise<void>): Promise<number> => {
    let peak = privateMiB(server.pid);
    const timer = setInterval(() => (peak = Math.max(peak, privateMiB(server.pid))), 20);
    await Promise.all(keys.map(work)).finally(() => clearInterval(timer));
    return peak;
  };
  const idle = privateMiB(server.pid);
  const putting = await peakOf(async (key) => {
    const answer = await send(server.endpoint, 'PUT', pathOf('memory', key), { body, payloadHash: 'UNSIGNED-PAYLOAD' });
    assert.equal(answer.status, 200, answer.text());
  });
  // Without the bound it was 420 to 460, and 550 to 590 for the downloads.
  t.diagnostic(`private memory: ${idle.toFixed(0)} MiB idle, ${putting.toFixed(0)} MiB with ${many} uploads`);
  assert.ok(putting < 250, `${putting.toFixed(0)} MiB with ${many} uploads`);
  const getting = await peakOf(async (key) => {
    const answer = await send(server.endpoint, 'GET', pathOf('memory', key));
    assert.ok(answer.status === 200 && answer.body.equals(body), `${key}: ${answer.status}`);
  });
  t.diagnostic(`private memory: ${getting.toFixed(0)} MiB with ${many} downloads`);
  assert.ok(getting < 350, `${getting.toFixed(0)} MiB with ${many} downloads`);
  assert.equal(await server.stop(), 0);
});
