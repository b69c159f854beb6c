import assert from 'node:assert/strict';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, before, describe, test } from 'node:test';
import { realHost } from '../../host/index.ts';
import { createCors } from './cors.ts';

type Answer = Pick<http.IncomingMessage, 'statusCode' | 'headers'>;

/** A server whose only answer, to whatever passes, is written as handlers write theirs: headers as a list, some of them twice. */
function open(allowed: readonly string[]) {
  const ended: [operation: string, status: number][] = [];
  const { clock, timers } = realHost();
  const cors = createCors({
    allowed,
    requestId: () => 'id',
    exchange: { clock, timers, ended: ({ operation }, status) => void ended.push([operation, status]) },
  });
  const server = http.createServer((request, response) => {
    if (cors(request, response)) return;
    response.writeHead(418, ['ETag', '"e"', 'x-twice', '1', 'x-twice', '2', 'Content-Length', '0']);
    response.end();
  });
  const send = (method: string, headers: http.OutgoingHttpHeaders) =>
    new Promise<Answer>((resolve, reject) => {
      const { port } = server.address() as AddressInfo;
      const request = http.request({ port, method, headers, agent: false }, (answer) => {
        answer.resume().once('end', () => resolve(answer));
      });
      request.once('error', reject).end();
    });
  before(() => new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve)));
  after(() => server.close());
  return { send, ended };
}

const page = 'https://app.example';
const ask = { origin: page, 'access-control-request-method': 'PUT' };
const corsHeaders = ({ headers }: Answer) =>
  Object.fromEntries(Object.entries(headers).filter(([name]) => /^(vary|access-control-)/.test(name)));

describe('with origins named', () => {
  const { send, ended } = open([page, 'http://127.0.0.1:8080']);

  test('an answer to a page of one of them can be read, all of it', async () => {
    const answer = await send('GET', { origin: page });
    assert.deepEqual(
      [answer.statusCode, answer.headers.etag, answer.headers['x-twice'], answer.headers['content-length']],
      [418, '"e"', '1, 2', '0'],
    );
    const { vary, 'access-control-expose-headers': exposed, ...rest } = corsHeaders(answer);
    assert.deepEqual([vary, rest], ['Origin', { 'access-control-allow-origin': page }]);
    assert.match(String(exposed), /(^|, )ETag,.* x-amz-version-id,.* x-dsom-token,.* \*$/);
    assert.equal((await send('PUT', { origin: 'http://127.0.0.1:8080' })).headers.vary, 'Origin');
  });

  test('others are answered as before; no cache gives their answer to a page', async () => {
    const { origin: _, ...none } = ask;
    const strangers = ['https://app.example.evil', 'https://app.example:8443', 'http://app.example', 'null'];
    for (const headers of [none, ...strangers.map((origin) => ({ ...ask, origin }))])
      for (const method of ['GET', 'OPTIONS']) {
        const answer = await send(method, headers);
        assert.deepEqual([answer.statusCode, corsHeaders(answer)], [418, { vary: 'Origin' }], JSON.stringify(headers));
      }
  });

  test('a preflight is answered for what it asks, without credentials, and counted', async () => {
    ended.length = 0;
    const answer = await send('OPTIONS', {
      ...ask,
      'access-control-request-headers': 'authorization,x-amz-meta-a, x-amz-date',
    });
    assert.equal(answer.statusCode, 204);
    assert.deepEqual(corsHeaders(answer), {
      vary: 'Origin',
      'access-control-allow-origin': page,
      'access-control-allow-methods': 'GET, HEAD, PUT, POST, PATCH, DELETE',
      'access-control-allow-headers': 'authorization, x-amz-meta-a, x-amz-date',
      'access-control-max-age': '3600',
    });
    assert.deepEqual(ended, [['preflight', 204]]);
    assert.equal((await send('OPTIONS', ask)).headers['access-control-allow-headers'], 'authorization');
  });

  test('names that are none are not repeated', async () => {
    for (const bad of ['a b', 'a,,b', 'a:b', 'a;b', '<script>', 'ü', ','.repeat(500)]) {
      const headers = { ...ask, 'access-control-request-headers': Buffer.from(bad).toString('latin1') };
      const answer = await send('OPTIONS', headers);
      assert.deepEqual([answer.statusCode, answer.headers['access-control-allow-headers']], [204, undefined], bad);
    }
  });

  test('OPTIONS that is no preflight goes its way', async () => {
    const answer = await send('OPTIONS', { origin: page });
    assert.deepEqual([answer.statusCode, answer.headers['access-control-allow-origin']], [418, page]);
  });
});

describe('with every origin', () => {
  const { send } = open(['*']);

  test('the answer is the same for all, and can be kept by caches', async () => {
    for (const origin of [page, 'null']) {
      const { 'access-control-expose-headers': _, ...rest } = corsHeaders(await send('GET', { origin }));
      assert.deepEqual(rest, { 'access-control-allow-origin': '*' });
      const { statusCode, headers } = await send('OPTIONS', { ...ask, origin });
      assert.deepEqual([statusCode, headers['access-control-allow-origin'], headers.vary], [204, '*', undefined]);
    }
    assert.deepEqual(corsHeaders(await send('GET', {})), {});
  });
});

describe('without origins', () => {
  const { send } = open([]);

  test('nothing is said about it', async () => {
    for (const method of ['GET', 'OPTIONS']) {
      const answer = await send(method, ask);
      assert.deepEqual([answer.statusCode, corsHeaders(answer)], [418, {}]);
    }
  });
});
