import assert from 'node:assert/strict';
import { request } from 'node:http';
import { connect, createServer } from 'node:net';
import { test } from 'node:test';
import { realHost } from '../host/index.ts';
import { createLog } from '../telemetry/index.ts';
import { claimPort } from './claim.ts';
import { openStarting, startingAnswer } from './starting.ts';

const host = realHost();

const open = async () => {
  const port = await claimPort('127.0.0.1', 0);
  return { port, starting: await openStarting({ host, address: { host: '127.0.0.1', port }, tls: undefined }) };
};

const ready = async (port: number) => {
  const answer = await fetch(`http://127.0.0.1:${port}/-/health/ready?x`);
  return { status: answer.status, reasons: ((await answer.json()) as { reasons: string[] }).reasons };
};

test('who asks while a server starts is told what it does, by its stages and by its log', async () => {
  const { port, starting } = await open();
  const lines: string[] = [];
  const log = starting.log(createLog({ clock: host.clock, write: (line) => lines.push(line) }));
  try {
    let position = 3;
    starting.at(() => `position ${position} of 9`);
    assert.deepEqual(await ready(port), { status: 503, reasons: ['the server is starting: position 3 of 9'] });
    position = 4;
    assert.deepEqual(await ready(port), { status: 503, reasons: ['the server is starting: position 4 of 9'] });
    log.with({ worker: 1 }).warn('etcd is silent', { cause: new Error('nobody answers'), tries: 2, deep: {} });
    assert.deepEqual(await ready(port), {
      status: 503,
      reasons: ['the server is starting: etcd is silent (nobody answers, tries 2)'],
    });
    assert.equal(lines.length, 1);
    starting.at('at last');
    assert.deepEqual(await ready(port), { status: 503, reasons: ['the server is starting: at last'] });
  } finally {
    await starting.end();
  }
});

test('every door has its own form, and what is said breaks none of them', async () => {
  const said = '<a> & "b"';
  assert.deepEqual(startingAnswer('/-/health/live', said), {
    status: 503,
    type: 'text/plain',
    body: 'starting\n',
  });
  const native = startingAnswer('/-/v1/buckets?limit=1', said);
  assert.deepEqual(
    [native.status, native.type, JSON.parse(native.body).code],
    [503, 'application/problem+json', 'ServiceUnavailable'],
  );
  assert.match(startingAnswer('/bucket/key', said).body, /<Message>The server is starting: &#60;a&#62; &#38; "b"\./);
});

test('a body that is refused meanwhile is read as far as it takes for the answer to be seen', async () => {
  const { port, starting } = await open();
  try {
    const status = await new Promise<number | undefined>((resolve, reject) => {
      const sent = request({ host: '127.0.0.1', port, method: 'PUT', path: '/b/k' }, (answer) =>
        resolve(answer.resume().statusCode),
      );
      sent.on('error', reject).end(Buffer.alloc(4 * 1024 * 1024));
    });
    assert.equal(status, 503);
  } finally {
    await starting.end();
  }
});

test('the port is free at the end, and a connection that asks for nothing does not hold that up', async () => {
  const { port, starting } = await open();
  const idle = connect(port, '127.0.0.1');
  await new Promise((resolve) => idle.once('connect', resolve));
  const gone = new Promise((resolve) => idle.resume().once('close', resolve));
  await Promise.all([starting.end(), starting.end(), gone]);
  const next = createServer((socket) => socket.end('next'));
  await new Promise<void>((resolve) => next.listen({ host: '127.0.0.1', port, exclusive: true }, () => resolve()));
  const text = await new Promise((resolve) => {
    connect(port, '127.0.0.1').once('data', (data) => resolve(String(data)));
  });
  assert.equal(text, 'next');
  await new Promise((resolve) => next.close(resolve));
});
