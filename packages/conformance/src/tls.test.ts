import assert from 'node:assert/strict';
import { copyFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import https from 'node:https';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import tls from 'node:tls';
import { makeCertificate } from './certificates.ts';
import { patienceMs, startServer } from './server.ts';

interface Shown {
  /** Common name of the certificate; undefined for a session that was taken up again, which shows none. */
  readonly name: string | undefined;
  readonly resumed: boolean;
  readonly session: Buffer | undefined;
}

/** One request on a connection of its own. */
function visit(port: number, session?: Buffer): Promise<Shown> {
  return new Promise((resolve, reject) => {
    let [made, name, resumed]: [Buffer | undefined, string | undefined, boolean] = [undefined, undefined, false];
    const socket = tls.connect({ port, host: '127.0.0.1', ...(session && { session }) });
    socket.on('session', (one: Buffer) => (made = one)).on('error', reject);
    socket.once('secureConnect', () => {
      name = (socket.getPeerCertificate() as { subject?: { CN?: string } }).subject?.CN;
      resumed = socket.isSessionReused();
      socket.write('GET /-/health/live HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n');
    });
    socket.resume().once('close', () => resolve({ name, resumed, session: made }));
  });
}

test('HTTPS on all threads: sessions go from one to another, and certificates change under load', async () => {
  const folder = mkdtempSync(path.join(process.env['DSOM_SCRATCH'] ?? tmpdir(), 'dsom-tls-'));
  const [first, second] = [makeCertificate(folder, 'first'), makeCertificate(folder, 'second')];
  const served = { certificate: path.join(folder, 'served.pem'), key: path.join(folder, 'served.key') };
  const put = ({ certificate, key }: typeof first) => {
    copyFileSync(certificate, served.certificate);
    copyFileSync(key, served.key);
  };
  put(first);
  const server = await startServer([path.join(folder, 'data')], { tls: served, flags: ['--workers', '3'] });
  const { port } = server;
  try {
    await server.says(new RegExp(`endpoint +https://127\\.0\\.0\\.1:${port}`));
    const { session } = await visit(port);
    // Which thread accepts is the system's to say: with so many, all of them do.
    for (let i = 0; i < 24; i++) assert.equal((await visit(port, session)).resumed, true);

    const agent = new https.Agent({ keepAlive: true, maxSockets: 3 });
    let [answered, over] = [0, false];
    const ask = (kept: https.Agent | false) =>
      new Promise<void>((resolve, reject) => {
        https
          .get({ host: '127.0.0.1', port, path: '/-/health/live', agent: kept }, (answer) => {
            answer.resume().on('end', () => resolve(void answered++));
          })
          .on('error', reject);
      });
    const loop = async (kept: https.Agent | false) => {
      while (!over) await ask(kept);
    };
    const load = Promise.all([loop(agent), loop(agent), loop(false)]);

    put(second);
    process.kill(server.pid, 'SIGHUP');
    await server.says(/new certificates are served/);
    for (let i = 0; i < 24; i++) assert.equal((await visit(port)).name, 'second');
    // The session of before is still good, on the new certificate.
    assert.equal((await visit(port, session)).resumed, true);

    writeFileSync(served.key, 'no key');
    process.kill(server.pid, 'SIGHUP');
    await server.says(/new certificates are not served, those before still are.*must be a private key in PEM/);
    assert.equal((await visit(port)).name, 'second');
    const ready = (await (await fetch(`${server.endpoint}/-/health/ready`)).json()) as {
      ready: boolean;
      degraded: string[];
    };
    assert.deepEqual([ready.ready, ready.degraded.some((text) => /must be a private key/.test(text))], [true, true]);
    const metrics = async () => (await fetch(`${server.endpoint}/-/metrics`)).text();
    assert.match(await metrics(), /dsom_tls_files_served 0\n/);

    put(second);
    process.kill(server.pid, 'SIGHUP');
    for (
      const end = performance.now() + patienceMs;
      !/dsom_tls_files_served 1\n/.test(await metrics());
      await sleep(20)
    )
      assert.ok(performance.now() < end, 'the files are good again, and it is not said');
    assert.match(await metrics(), /dsom_tls_certificate_days\{name="localhost"\} 29\n/);

    const before = answered;
    for (const end = performance.now() + patienceMs; answered < before + 3; await sleep(5))
      assert.ok(performance.now() < end);
    over = true;
    await load;
    agent.destroy();
  } finally {
    assert.equal(await server.stop(), 0);
    rmSync(folder, { recursive: true });
  }
});
