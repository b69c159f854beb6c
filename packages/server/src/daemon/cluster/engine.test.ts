import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, describe, it } from 'node:test';
import {
  type Authority,
  createAuthority,
  issueCertificate,
  newKey,
  privatePem,
  publicDer,
} from '../../certificates/index.ts';
import { StoreError } from '../../errors.ts';
import { realHost } from '../../host/index.ts';
import { connectEtcd, type EtcdTls } from '../../log/index.ts';
import type { StructuredLog } from '../../telemetry/index.ts';
import type { Credentials } from '../../transport/index.ts';
import { ConfigError, configSchema } from '../config.ts';
import { type Engine, type EngineOptions, openEngine } from './engine.ts';

const host = realHost();
const root = mkdtempSync(path.join(tmpdir(), 'dsom-engine-'));
after(() => rmSync(root, { recursive: true, force: true }));

const noEtcd = ((): string | false => {
  try {
    execFileSync('etcd', ['--version'], { stdio: 'ignore' });
    return false;
  } catch {
    return 'etcd is not installed: install etcd-server';
  }
})();

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as { port: number };
  await new Promise((resolve) => server.close(resolve));
  return port;
}

const authority = createAuthority(host);

function credentialsOf(node: string, from: Authority = authority): Credentials {
  const key = newKey(host);
  const certificate = issueCertificate(host, from, { node, publicKey: publicDer(key) });
  const current = { certificate, privateKey: privatePem(key), authorities: [authority.certificate] };
  return { current: () => current };
}

const silent = { info() {}, warn() {}, error() {} } as unknown as StructuredLog;

async function optionsOf(node: string, more: Partial<EngineOptions> = {}): Promise<EngineOptions> {
  return {
    config: configSchema.parse({ etcdAnyVersion: true }),
    host,
    log: silent,
    node,
    directory: path.join(root, node),
    clientAddress: `127.0.0.1:${await freePort()}`,
    peerAddress: `127.0.0.1:${await freePort()}`,
    credentials: credentialsOf(node),
    authority: async () => authority,
    known: [],
    hasMember: false,
    plan: null,
    ...more,
  };
}

const tlsOf = (credentials: Credentials): (() => EtcdTls) => {
  const { certificate, privateKey, authorities } = credentials.current();
  return () => ({ certificate, privateKey, authority: authorities.join('') });
};

describe('etcd as a node runs it', { skip: noEtcd }, () => {
  it('answers nodes of the cluster only, grows by a member, and lets a lost one go', { timeout: 180_000 }, async () => {
    const engines: Engine[] = [];
    try {
      const first = await openEngine(await optionsOf('one'));
      engines.push(first);
      const [endpoint] = first.endpoints as [string];
      assert.match(endpoint, /^https:/);
      const open = { endpoints: [endpoint], host, allowOldEtcd: true };
      await (await connectEtcd({ ...open, tls: tlsOf(credentialsOf('any')) })).close();
      const stranger = credentialsOf('one', createAuthority(host));
      for (const tls of [undefined, () => ({ authority: authority.certificate }), tlsOf(stranger)])
        await assert.rejects(connectEtcd({ ...open, ...(tls && { tls }) }), { code: 'ServiceUnavailable' });

      const second = await openEngine(
        await optionsOf('two', { known: first.endpoints, plan: (peerUrl) => first.plan('two', peerUrl) }),
      );
      engines.push(second);
      assert.ok(second.hasMember);
      assert.equal((await first.clients()).length, 2);
      assert.equal(second.endpoints.length, 2);

      // A node without a member of its own starts although the node that let it in is down.
      const plan = async () => Promise.reject(new StoreError('ServiceUnavailable', { message: 'not there' }));
      const third = await openEngine(await optionsOf('three', { known: first.endpoints, plan }));
      engines.push(third);
      assert.ok(!third.hasMember);
      assert.equal((await third.clients()).length, 2);
      await assert.rejects(openEngine(await optionsOf('four', { plan })), { code: 'ServiceUnavailable' });

      // Both serve as one; then the second is gone for good, and what is left decides alone again.
      await first.forget('none');
      assert.equal((await second.clients()).length, 2);
      await first.forget('two');
      assert.deepEqual(await first.clients(), [endpoint]);
    } finally {
      for (const engine of engines.reverse()) await engine.close();
    }
  });

  it('is refused where it could not listen, or would be spoken to in the clear by mistake', async () => {
    const named = await optionsOf('named', { clientAddress: 'localhost:1', peerAddress: 'localhost:2' });
    await assert.rejects(openEngine(named), (error) => error instanceof ConfigError && /--etcd/.test(error.message));
    const config = configSchema.parse({ etcd: 'https://127.0.0.1:1' });
    await assert.rejects(openEngine(await optionsOf('secured', { config })), /without TLS only/);
  });
});
