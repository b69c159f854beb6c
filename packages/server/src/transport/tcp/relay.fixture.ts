import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import type { Relay } from '../suite.ts';
import { parseAddress } from './address.ts';

/** Carries bytes between a peer and a listener, until it is told otherwise. */
export async function tcpRelay(address: string): Promise<Relay> {
  const sockets = new Set<Socket>();
  let frozen = false;
  let carried = 0;
  const server = createServer((near) => {
    const far = connect(parseAddress(address));
    const carry = (from: Socket, to: Socket) => {
      sockets.add(from);
      from.on('data', (chunk) => {
        if (frozen) return;
        if (from === near) carried += chunk.length;
        if (!to.write(chunk)) from.pause();
      });
      to.on('drain', () => from.resume());
      from.on('error', () => {});
      from.on('close', () => {
        sockets.delete(from);
        if (!frozen) to.destroy();
      });
    };
    carry(near, far);
    carry(far, near);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const cut = () => {
    for (const socket of sockets) socket.destroy();
  };
  return {
    address: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    cut,
    freeze: () => (frozen = true),
    get carried() {
      return carried;
    },
    close: async () => {
      cut();
      server.close();
    },
  };
}
