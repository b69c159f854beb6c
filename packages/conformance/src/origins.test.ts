/* Web pages of other origins: what a server that was told to let one in says to browsers, in both protocols, in success and in failure. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { send } from './request.ts';
import { type Server, startServer } from './server.ts';

const page = 'https://app.example';
const folder = mkdtempSync(path.join(process.env['DSOM_SCRATCH'] ?? tmpdir(), 'dsom-origins-'));
let server: Server;
before(async () => {
  server = await startServer([folder], { flags: ['--allow-origin', page, '--allow-origin', 'http://127.0.0.1:1'] });
  assert.equal((await send(server.endpoint, 'PUT', '/pages')).status, 200);
});
after(async () => {
  await server.stop();
  rmSync(folder, { recursive: true, force: true });
});

const paths: readonly [method: string, path: string, status: number, anonymous?: true][] = [
  ['PUT', '/pages/k', 200],
  ['GET', '/pages/k', 200],
  ['HEAD', '/pages/k', 200],
  ['GET', '/pages/missing', 404],
  ['GET', '/pages/k', 403, true],
  ['GET', '/-/v1/buckets', 200],
  ['GET', '/-/v1/buckets/none', 404],
  ['GET', '/-/v1/buckets', 403, true],
  ['GET', '/-/v1/nothing', 404],
  ['GET', '/-/health/ready', 200, true],
];

test('a page that is let in can read every answer', async () => {
  for (const [method, where, status, anonymous = false] of paths) {
    const answer = await send(server.endpoint, method, where, { headers: { origin: page }, anonymous });
    const { 'access-control-allow-origin': origin, 'access-control-expose-headers': exposed, vary } = answer.headers;
    assert.deepEqual([answer.status, origin, vary], [status, page, 'Origin'], `${method} ${where}`);
    assert.match(String(exposed), /ETag/);
  }
});

test('others get the same answers, which their browser keeps from them', async () => {
  for (const [method, where, status, anonymous = false] of paths) {
    const answer = await send(server.endpoint, method, where, { headers: { origin: `${page}.evil` }, anonymous });
    assert.deepEqual(
      [answer.status, answer.headers['access-control-allow-origin']],
      [status, undefined],
      `${method} ${where}`,
    );
  }
});

test('a preflight needs no signature, and is counted by its name', async () => {
  for (const where of ['/pages/k', '/-/v1/buckets'])
    for (const origin of [page, `${page}.evil`]) {
      const answer = await send(server.endpoint, 'OPTIONS', where, {
        anonymous: true,
        headers: { origin, 'access-control-request-method': 'PUT', 'access-control-request-headers': 'x-amz-date' },
      });
      if (origin === page) {
        assert.equal(answer.status, 204);
        assert.equal(answer.headers['access-control-allow-headers'], 'x-amz-date');
      } else {
        assert.ok(answer.status >= 400, String(answer.status));
        assert.equal(answer.headers['access-control-allow-methods'], undefined);
      }
    }
  const metrics = await (await fetch(`${server.endpoint}/-/metrics`)).text();
  assert.equal(/^dsom_requests_total\{operation="preflight",code="204"\} (\d+)$/m.exec(metrics)?.[1], '2');
});
