/* What `dsom lifecycle` shows of the answers of a server. */
import assert from 'node:assert/strict';
import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, before, test } from 'node:test';
import { exitCode } from './exit.ts';
import { runHere } from './stub.fixture.ts';

const counts = { versions: 1000, uploads: 2, expired: 3, removed: 0, markers: 0, transitioned: 1, aborted: 0 };
const all = { ...counts, bytes: 2048, changed: 0, refused: 4, failed: 0 };
const action = {
  type: 'action',
  action: 'expire',
  key: 'logs/a\n',
  rule: 'old',
  due: '2026-01-01T00:00:00.000Z',
  size: 5,
};

let asked: { method: string | undefined; body: unknown }[] = [];
let status: Record<string, unknown> = {};
let lines: Record<string, unknown>[] = [];

const bodyOf = async (request: IncomingMessage): Promise<unknown> => {
  let text = '';
  for await (const chunk of request) text += String(chunk);
  return text === '' ? undefined : JSON.parse(text);
};
const server = createServer((request, response) => {
  void bodyOf(request).then((body) => {
    asked.push({ method: request.method, body });
    if (request.method === 'GET')
      response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(status));
    else response.writeHead(200).end(lines.map((line) => `${JSON.stringify(line)}\n`).join(''));
  });
});
const run = (...parameters: string[]) => {
  asked = [];
  const endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return runHere(['lifecycle', ...parameters], {
    DSOM_ENDPOINT: endpoint,
    DSOM_ACCESS_KEY_ID: 'k',
    DSOM_SECRET_ACCESS_KEY: 's',
  });
};
before(() => new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve)));
after(() => server.close());

test('the status tells the pass that runs, the last one, and all of them', async () => {
  const progress = { phase: 'looking at versions', done: 10, total: 1000 };
  const last = { beganAt: '2026-01-02T00:00:01.000Z', endedAt: null, counts: { ...all, refused: 0 } };
  status = { progress, last, totals: all, dayMs: 5000, shards: [0], elsewhere: [1, 2], running: false };
  const { code, stdout } = await run('status');
  assert.equal(code, exitCode.ok);
  for (const said of [
    'looking at versions, 10 of 1000',
    'began 2026-01-02T00:00:01.000Z, not ended',
    '1000 versions and 2 uploads looked at: expired 3, moved to another class 1, 2.00 KiB',
    'left for the next pass: refused: they are locked 4',
    'last 5 seconds (DSOM_LIFECYCLE_DAY_SECONDS)',
    '2 shards are walked by the nodes that own them',
  ])
    assert.ok(stdout.includes(said), stdout);
  status = { progress: { phase: 'idle' }, last: null, totals: {}, dayMs: 86_400_000, elsewhere: [] };
  const idle = await run();
  assert.match(idle.stdout, /no pass runs/);
  assert.match(idle.stdout, /none since the server started/);
  assert.deepEqual((await run('status', '--json')).rows, [status]);
});

test('a dry run lists what would be done, and says that nothing was', async () => {
  lines = [
    action,
    { ...action, action: 'transition', storageClass: 'COLD', key: 'b' },
    { type: 'summary', bucket: 'b', dry: true, listed: 2, counts: all },
  ];
  const { code, stdout } = await run('run', '--dry-run', 's3://b');
  assert.equal(code, exitCode.ok);
  assert.deepEqual(asked, [{ method: 'POST', body: { bucket: 'b', dryRun: true } }]);
  assert.match(stdout, /expire {2}logs\/a\\x0a {2}\(rule old, due 2026-01-01/);
  assert.match(stdout, /transition to COLD {2}b/);
  assert.match(stdout, /… and 2 more/);
  assert.match(stdout, /nothing was done/);
  const json = await run('run', '--dry-run', '--json', 's3://b');
  assert.deepEqual(
    json.rows.map(({ type }) => type),
    ['action', 'action', 'summary'],
  );
});

test('a run says what it did; one that fails or ends early is a failure', async () => {
  lines = [{ type: 'summary', bucket: 'b', dry: false, listed: 0, counts: all }];
  const { code, stdout } = await run('run', 's3://b/');
  assert.equal(code, exitCode.ok);
  assert.deepEqual(asked, [{ method: 'POST', body: { bucket: 'b', dryRun: false } }]);
  assert.ok(!stdout.includes('nothing was done'));
  lines = [{ type: 'error', message: 'The lifecycle configuration does not exist.' }];
  const refused = await run('run', 's3://b');
  assert.equal(refused.code, exitCode.failed);
  assert.match(refused.stderr, /does not exist/);
  lines = [];
  assert.equal((await run('run', 's3://b')).code, exitCode.unreachable);
  for (const bad of ['s3://', 's3://b/key']) assert.equal((await run('run', bad)).code, exitCode.usage);
});
