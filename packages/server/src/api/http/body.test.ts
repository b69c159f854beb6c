import assert from 'node:assert/strict';
import { once } from 'node:events';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { connect } from 'node:net';
import { test } from 'node:test';
import { realHost } from '../../host/index.ts';
import { RequestBody } from './body.ts';

test('a body that arrived in several pieces before it was asked for is taken whole', async (t) => {
  const { clock, timers } = realHost();
  // Just fits where Node lets a request wait, and comes in two reads of the socket.
  for (const length of [0, 1, 65_535]) {
    const taken = Promise.withResolvers<Buffer | undefined>();
    const server = http.createServer((request, response) => {
      const look = (): void => {
        if (request.readableLength < length) return void setTimeout(look, 10);
        const body = new RequestBody(request, clock, timers, () => {});
        taken.resolve(body.arrived(length));
        response.end();
      };
      look();
    });
    server.listen(0, '127.0.0.1');
    t.after(() => {
      server.close();
      server.closeAllConnections();
    });
    await once(server, 'listening');
    const socket = connect((server.address() as AddressInfo).port, '127.0.0.1');
    t.after(() => socket.destroy());
    const sent = Buffer.alloc(length, 'body ');
    socket.write(`PUT / HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: ${length}\r\n\r\n`);
    socket.write(sent.subarray(0, length >> 1));
    await new Promise((resolve) => setTimeout(resolve, 50));
    socket.write(sent.subarray(length >> 1));
    assert.ok((await taken.promise)?.equals(sent), `${length} bytes`);
  }
});
