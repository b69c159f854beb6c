import { createServer } from 'node:net';
import { ConfigError } from './config.ts';

/** Addresses that other nodes are told, which must be one that they reach. */
const others = new Set(['--cluster-address', '--etcd-ports']);

const listenFailures: Readonly<Record<string, (option: string) => string>> = {
  EADDRINUSE: (option) => `something else listens there: stop it, or give another ${option}`,
  EADDRNOTAVAIL: (option) =>
    `no interface of this machine has that address: give one that it has${others.has(option) ? '' : ', or 0.0.0.0 for all,'} as ${option}`,
  EACCES: (option) =>
    `this user may not use that port: give one above 1023 as ${option}, or let the user bind low ports`,
  ENOTFOUND: (option) => `that name is not known here: give an address of this machine as ${option}`,
};

/** Finds the port to use, and refuses one that somebody else listens on: with SO_REUSEPORT two servers would share it unseen. @param option which names it */
export function claimPort(host: string, port: number, option = '--address'): Promise<number> {
  return new Promise((resolve, reject) => {
    const probe = createServer();
    probe.once('error', (cause: NodeJS.ErrnoException) => {
      const why = listenFailures[cause.code ?? '']?.(option) ?? `${cause.message}. Give another ${option}.`;
      reject(new ConfigError(`cannot listen on ${host}:${port}: ${why}`, { cause }));
    });
    probe.listen({ host, port, exclusive: true }, () => {
      const { port: found } = probe.address() as { port: number };
      probe.close(() => resolve(found));
    });
  });
}
