/*
 * Calls between two nodes over loopback with certificates on both sides, beside bare node:tls in the same run. The serving node has a thread of
 * its own; both share the machine.
 */
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { connect, createServer } from 'node:tls';
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';
import { createAuthority, issueCertificate, newKey, privatePem, publicDer } from '../src/certificates/index.ts';
import { realHost } from '../src/host/index.ts';
import { type Credentials, openTcpTransport, type Peer } from '../src/transport/index.ts';

const host = realHost();
const MiB = 1 << 20;
const empty = Buffer.alloc(0);
type Shown = ReturnType<Credentials['current']>;

function serveBare({ certificate, privateKey, authorities }: Shown): Promise<number> {
  const server = createServer(
    { cert: certificate, key: privateKey, ca: [...authorities], requestCert: true, minVersion: 'TLSv1.3' },
    (socket) => {
      let received = 0;
      socket.on('data', (chunk) => {
        received += chunk.length;
        for (; received >= MiB; received -= MiB) socket.write('.');
      });
      socket.on('error', () => {});
    },
  );
  server.listen(0, '127.0.0.1');
  return once(server, 'listening').then(() => (server.address() as AddressInfo).port);
}

if (!isMainThread) {
  const current = workerData as Shown;
  const transport = openTcpTransport({ credentials: { current: () => current }, host, onError: console.error });
  const piece = Buffer.alloc(MiB);
  const { address } = await transport.listen('127.0.0.1:0', async ({ method, head }) => ({
    head,
    body: method === 'get' ? [piece] : [],
  }));
  parentPort?.postMessage({ address, bare: await serveBare(current) });
}

/** How often in a second, and µs of this process's time each took, on both sides together. */
export interface Rate {
  readonly perSecond: number;
  readonly cpu: number;
}

function clocked(count: number): () => Rate {
  const began = performance.now();
  const used = process.cpuUsage();
  return () => {
    const { user, system } = process.cpuUsage(used);
    return { perSecond: (count / (performance.now() - began)) * 1000, cpu: (user + system) / count };
  };
}

async function rateOf(count: number, atOnce: number, run: () => Promise<unknown>): Promise<Rate> {
  let left = count;
  const done = clocked(count);
  await Promise.all(
    Array.from({ length: atOnce }, async () => {
      while (left-- > 0) await run();
    }),
  );
  return done();
}

/** Sends 1 MiB at a time, eight of them ahead of what was answered. */
async function bareRate(port: number, { certificate, privateKey, authorities }: Shown, count: number): Promise<Rate> {
  const socket = connect({
    host: '127.0.0.1',
    port,
    cert: certificate,
    key: privateKey,
    ca: [...authorities],
    checkServerIdentity: () => undefined,
  });
  await once(socket, 'secureConnect');
  const piece = Buffer.alloc(MiB);
  const measured = clocked(count);
  let [sent, done] = [0, 0];
  const send = () => {
    while (sent < count && sent - done < 8) {
      socket.write(piece);
      sent++;
    }
  };
  send();
  while (done < count) {
    const [chunk] = (await once(socket, 'data')) as [Buffer];
    done += chunk.length;
    send();
  }
  const rate = measured();
  socket.destroy();
  return rate;
}

export interface LinkRates {
  /** Calls of 1 KiB each way, 32 at a time, and one at a time. */
  readonly small: Rate;
  readonly one: Rate;
  /** Bodies of 1 MiB, eight at a time. */
  readonly put: Rate;
  readonly get: Rate;
  /** The same over bare node:tls. */
  readonly bare: Rate;
}

/** @returns the rates of each run */
export async function linkRates(runs: number): Promise<LinkRates[]> {
  const authority = createAuthority(host);
  const shownFor = (node: string): Shown => {
    const key = newKey(host);
    const certificate = issueCertificate(host, authority, { node, publicKey: publicDer(key) });
    return { certificate, privateKey: privatePem(key), authorities: [authority.certificate] };
  };
  const own = shownFor('near');
  const worker = new Worker(new URL(import.meta.url), { workerData: shownFor('far') });
  const [{ address, bare }] = (await once(worker, 'message')) as [{ address: string; bare: number }];
  const transport = openTcpTransport({ credentials: { current: () => own }, host, onError: console.error });
  const peer: Peer = transport.peer('far', address);
  const kib = Buffer.alloc(1024);
  const large = [Buffer.alloc(MiB)];
  const small = () => peer.call('echo', kib);
  await rateOf(20_000, 32, small);
  const found: LinkRates[] = [];
  for (let run = 0; run < runs; run++)
    found.push({
      bare: await bareRate(bare, own, 512),
      put: await rateOf(512, 8, () => peer.call('put', empty, { body: large })),
      get: await rateOf(512, 8, () => peer.call('get', empty)),
      small: await rateOf(30_000, 32, small),
      one: await rateOf(3000, 1, small),
    });
  await transport.close();
  await worker.terminate();
  return found;
}
