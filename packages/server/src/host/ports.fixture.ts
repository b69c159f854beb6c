import { randomInt } from 'node:crypto';
import { createServer, type Server } from 'node:net';

function listens(port: number, host: string): Promise<Server> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen({ port, host, exclusive: true }, () => resolve(server));
  });
}

/** Another address of loopback, at which nothing that is tested listens. */
const beside = '127.0.0.2';

/** Takes a port for as long as this process lives: other test files look for ports at the same time. False when somebody has it. */
async function take(port: number): Promise<boolean> {
  let hold: Server | undefined;
  try {
    hold = await listens(port, beside).catch((cause: NodeJS.ErrnoException) => {
      // Only Linux has all of 127.0.0.0/8; elsewhere nothing is held.
      if (cause.code === 'EADDRNOTAVAIL') return undefined;
      throw cause;
    });
    hold?.unref();
    const probe = await listens(port, '127.0.0.1');
    await new Promise((resolve) => probe.close(resolve));
    return true;
  } catch {
    hold?.close();
    return false;
  }
}

/** Ports that nobody listens at, of this process. Below those that the system gives to outgoing connections, which could take one before it is used. */
export async function freePorts(count: number): Promise<number[]> {
  const ports = new Set<number>();
  while (ports.size < count) {
    const port = randomInt(10_000, 32_000);
    if (await take(port)) ports.add(port);
  }
  return [...ports];
}
