import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';
import { initial } from '../cluster/history.ts';
import { Registers } from './registers.ts';

test('a write that was seen before its client has an answer is no anomaly', async (t) => {
  // One object, which shows what is written at once; no write is answered before the end, and then with an unknown outcome.
  let shown: Buffer | undefined;
  const end = Promise.withResolvers<void>();
  const put = async (request: http.IncomingMessage, response: http.ServerResponse): Promise<void> => {
    shown = Buffer.concat(await request.toArray());
    await end.promise;
    response.writeHead(500).end();
  };
  const server = http.createServer((request, response) => {
    if (request.method === 'PUT') void put(request, response);
    else if (shown) response.writeHead(200, { etag: '"one"' }).end(shown);
    else response.writeHead(404).end('<Error><Code>NoSuchKey</Code></Error>');
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => server.close().closeAllConnections());
  const endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const load = new Registers({
    endpoints: () => [endpoint],
    bucket: 'bucket',
    clients: 64,
    objects: 1,
    sizes: [64],
    restMs: 0,
  });
  load.start();
  const seen = () => load.histories.get('object-0')?.some(({ value }) => value !== initial) === true;
  while (!seen()) await new Promise(setImmediate);
  load.verify();
  end.resolve();
  await load.stop();
  load.verify();
});
