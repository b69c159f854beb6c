import assert from 'node:assert/strict';
import http from 'node:http';
import net, { type AddressInfo } from 'node:net';
import { type TestContext, test } from 'node:test';
import { release } from '../../codec/index.ts';
import { realHost } from '../../host/index.ts';
import { Exchange } from './exchange.ts';

const { clock, timers, entropy } = realHost();
const chunkBytes = 65_536;

/** A server that streams `chunks` and gives their memory back as it may. */
async function serving(t: TestContext, chunks: readonly Buffer[], released: Buffer[]): Promise<number> {
  const server = http.createServer((request, response) => {
    const exchange = new Exchange(request, response, 'id', { clock, timers, ended: () => {} });
    let at = 0;
    const source = {
      async *[Symbol.asyncIterator]() {
        while (at < chunks.length) yield chunks[at++] as Buffer;
      },
      // Two of three are at hand.
      ready: () => (at % 3 === 0 ? undefined : chunks[at++]),
      release(chunk: Uint8Array) {
        released.push(chunk as Buffer);
        release(chunk);
      },
    };
    const length = chunks.reduce((sum, chunk) => sum + chunk.length, 0);
    void exchange.stream(200, ['Content-Length', String(length)], length, source, () => {});
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => server.close());
  return (server.address() as AddressInfo).port;
}

const some = (count: number): Buffer[] =>
  Array.from({ length: count }, () => Buffer.from(entropy.bytes(chunkBytes).buffer));

test('memory is given back once per chunk, and only when the bytes are out, however slowly they are taken', async (t) => {
  const chunks = some(160);
  const expected = Buffer.concat(chunks);
  const released: Buffer[] = [];
  const port = await serving(t, chunks, released);
  const socket = net.connect(port, '127.0.0.1');
  socket.write('GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n');
  const parts: Buffer[] = [];
  for await (const part of socket) {
    parts.push(part as Buffer);
    if (parts.length % 8 === 0) await timers.sleep(1);
  }
  const answer = Buffer.concat(parts);
  assert.ok(answer.subarray(answer.indexOf('\r\n\r\n') + 4).equals(expected));
  assert.equal(released.length, chunks.length);
  assert.equal(new Set(released).size, chunks.length);
});

test('what a client that went away did not take is not given back while a write may still read it', async (t) => {
  const chunks = some(400);
  const released: Buffer[] = [];
  const port = await serving(t, chunks, released);
  const socket = net.connect(port, '127.0.0.1');
  socket.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n');
  await new Promise((resolve) => socket.once('data', resolve));
  socket.pause();
  socket.resetAndDestroy();
  await timers.sleep(200);
  assert.ok(released.length < chunks.length);
  assert.ok(chunks.filter((chunk) => chunk.length === 0).length === released.length);
});
