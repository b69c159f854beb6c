/* A real server as a process of its own, in a folder that goes with it. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { freePorts } from '../host/ports.fixture.ts';

export const bin = fileURLToPath(new URL('../../bin/dsom.mjs', import.meta.url));

/** Of root. */
export const keys = { accessKeyId: 'rootkey', secretAccessKey: 'rootsecret' };

export interface StartedServer {
  readonly endpoint: string;
  /** What it is started in; its data are in `data`. */
  readonly folder: string;
  /** Ends it by SIGTERM, which must go well, and removes the folder. */
  stop(): Promise<void>;
}

/** What a command needs of this process: the compiled modules too, which make it start in a third of the time. */
export const inherited: Readonly<Record<string, string>> = Object.fromEntries(
  ['PATH', 'NODE_COMPILE_CACHE'].flatMap((name) => (process.env[name] ? [[name, process.env[name]]] : [])),
);

/** Resolves once it is ready. @param name begins the name of its folder */
export async function startServer(name: string): Promise<StartedServer> {
  const folder = mkdtempSync(path.join(tmpdir(), name));
  const [port] = await freePorts(1);
  const address = `127.0.0.1:${port}`;
  const parameters = ['server', '--data', path.join(folder, 'data'), '--address', address, '--workers', '1'];
  const env = {
    ...inherited,
    HOME: folder,
    DSOM_ROOT_ACCESS_KEY_ID: keys.accessKeyId,
    DSOM_ROOT_SECRET_ACCESS_KEY: keys.secretAccessKey,
  };
  const server = spawn(process.execPath, [bin, ...parameters], { env });
  let log = '';
  for (const stream of [server.stdout, server.stderr])
    stream.setEncoding('utf8').on('data', (text: string) => (log += text));
  for (;;) {
    const ready = await fetch(`http://${address}/-/health/ready`).then(
      (answer) => answer.ok,
      () => false,
    );
    if (ready) break;
    assert.equal(server.exitCode, null, `the server did not start:\n${log}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  return {
    endpoint: `http://${address}`,
    folder,
    async stop() {
      const gone = new Promise((resolve) => server.once('exit', resolve));
      server.kill('SIGTERM');
      assert.equal(await gone, 0, log);
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
