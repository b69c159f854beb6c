import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
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
import { freePorts } from '../../host/ports.fixture.ts';
import { connectEtcd, type EtcdTls } from '../../log/index.ts';
import type { StructuredLog } from '../../telemetry/index.ts';
import type { Credentials } from '../../transport/index.ts';
import { type Config, ConfigError, configSchema } from '../config.ts';
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

const authority = createAuthority(host);

function credentialsOf(node: string, from: Authority = authority): Credentials {
  const key = newKey(host);
  const certificate = issueCertificate(host, from, { node, publicKey: publicDer(key) });
  const current = { certificate, privateKey: privatePem(key), authorities: [authority.certificate] };
  return { current: () => current };
}

const silent = { info() {}, warn() {}, error() {} } as unknown as StructuredLog;

async function optionsOf(node: string, more: Partial<EngineOptions> = {}): Promise<EngineOptions> {
  const [client, peer] = await freePorts(2);
  return {
    config: configSchema.parse({ etcdAnyVersion: true }),
    host,
    log: silent,
    node,
    directory: path.join(root, node),
    clientAddress: `127.0.0.1:${client}`,
    peerAddress: `127.0.0.1:${peer}`,
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
      // At once: each is tried for seconds.
      await Promise.all(
        [undefined, () => ({ authority: authority.certificate }), tlsOf(stranger)].map((tls) =>
          assert.rejects(connectEtcd({ ...open, ...(tls && { tls }) }), { code: 'ServiceUnavailable' }),
        ),
      );

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

  it('grows to five members where there are five nodes that could run one, each in its turn', {
    timeout: 240_000,
  }, async () => {
    const engines: Engine[] = [];
    const names = ['a', 'b', 'c', 'd', 'e', 'f'];
    try {
      const first = await openEngine(await optionsOf('a'));
      engines.push(first);
      for (const name of names.slice(1)) {
        const plan = (peerUrl: string) => first.plan(name, peerUrl);
        engines.push(await openEngine(await optionsOf(name, { known: await first.clients(), plan })));
      }
      const has = (): string => engines.map(({ hasMember }) => (hasMember ? 'm' : '-')).join('');
      assert.equal(has(), 'mmm---');
      const sites = (able = names) => names.map((id) => ({ id, zone: '', able: able.includes(id) }));
      const grow = (wanted: number) => Promise.all(engines.map((engine) => engine.grow(sites(), wanted)));
      assert.deepEqual(await grow(3), [true, true, true, false, false, false]);
      assert.deepEqual(await grow(5), [true, true, true, true, true, false]);
      assert.equal((await first.clients()).length, 5);
      assert.deepEqual(await grow(5), [true, true, true, true, true, false]);
      // One is gone for good: the next node takes its place, unless it does not answer.
      await engines[2]?.close();
      await first.forget('c');
      assert.equal(await engines[5]?.grow(sites(['a', 'b', 'd', 'e']), 5), false);
      assert.equal(await engines[5]?.grow(sites(['a', 'b', 'd', 'e', 'f']), 5), true);
      assert.equal((await first.clients()).length, 5);
    } finally {
      for (const engine of engines.reverse()) await engine.close();
    }
  });

  it('is told to the others when its address has changed while it was down', { timeout: 180_000 }, async () => {
    const engines: Engine[] = [];
    try {
      const first = await openEngine(await optionsOf('stays'));
      engines.push(first);
      const join = async (name: string) => {
        const plan = (peerUrl: string) => first.plan(name, peerUrl);
        const engine = await openEngine(await optionsOf(name, { known: await first.clients(), plan }));
        engines.push(engine);
        return engine;
      };
      await join('other');
      const before = await join('moves');
      engines.pop();
      await before.close();
      const known = before.endpoints;
      // Each start of these tests has ports of its own.
      const given = await optionsOf('moves', { known, hasMember: true });
      const after = await openEngine(given);
      engines.push(after);
      const members = await after.etcd.members();
      const mine = members.find(({ name }) => name === 'dsom-moves');
      assert.equal(members.length, 3);
      assert.ok(!known.includes(after.endpoints[0] as string));
      assert.deepEqual(mine?.clientUrls, [after.endpoints[0]]);
      assert.deepEqual(mine?.peerUrls, [`https://${given.peerAddress}`]);
      // With another one gone its vote is needed: the others reach it where it is.
      await first.close();
      engines.shift();
      assert.equal((await after.etcd.members()).length, 3);
    } finally {
      for (const engine of engines.reverse()) await engine.close();
    }
  });

  it('says what to do when its address has changed and nobody is there to be told', {
    timeout: 180_000,
  }, async () => {
    const engines: Engine[] = [];
    try {
      const first = await openEngine(await optionsOf('stayed'));
      engines.push(first);
      const given = await optionsOf('left', {
        known: await first.clients(),
        plan: (peerUrl) => first.plan('left', peerUrl),
      });
      const before = await openEngine(given);
      const known = before.endpoints;
      await before.close();
      await first.close();
      engines.pop();
      const at = await optionsOf('left', { known, hasMember: true });
      const hurried = { ...at.host, clock: { ...at.host.clock, monotonic: () => at.host.clock.monotonic() * 30 } };
      await assert.rejects(openEngine({ ...at, host: hurried }), {
        code: 'ServiceUnavailable',
        message: new RegExp(`another address than before .*${known[0]}.*start all of them at the old ones`),
      });
    } finally {
      for (const engine of engines.reverse()) await engine.close();
    }
  });

  it('alone goes on at another address, too', { timeout: 120_000 }, async () => {
    const before = await openEngine(await optionsOf('hermit'));
    const known = before.endpoints;
    await before.close();
    const after = await openEngine(await optionsOf('hermit', { known, hasMember: true }));
    try {
      const [only] = await after.etcd.members();
      assert.equal(only?.name, 'dsom-hermit');
      assert.deepEqual(await after.clients(), [after.endpoints[0]]);
    } finally {
      await after.close();
    }
  });

  it('may have a name for its address', { timeout: 120_000 }, async () => {
    const [client, peer] = await freePorts(2);
    const engine = await openEngine(
      await optionsOf('named', { clientAddress: `localhost:${client}`, peerAddress: `localhost:${peer}` }),
    );
    try {
      assert.deepEqual(await engine.clients(), [`https://localhost:${client}`]);
      assert.equal(await engine.secure(), true);
    } finally {
      await engine.close();
    }
    const unknown = await optionsOf('unknown', { clientAddress: 'no-such-name.invalid:1', peerAddress: 'x:2' });
    await assert.rejects(
      openEngine(unknown),
      (error) => error instanceof ConfigError && /no-such-name.invalid, which is not known here/.test(error.message),
    );
  });

  it('of an operator’s is spoken to over TLS, with a certificate where it asks for one', {
    timeout: 120_000,
  }, async () => {
    const theirs = await openEngine(await optionsOf('theirs'));
    try {
      const { certificate, privateKey } = credentialsOf('client').current();
      const written = { authority: authority.certificate, certificate, key: privateKey };
      const file = (name: string): string => path.join(root, `${name}.pem`);
      for (const [name, text] of Object.entries(written)) writeFileSync(file(name), text);
      const common = { etcd: theirs.endpoints, etcdAnyVersion: true };
      const open = async (more: Partial<Config>, on = host) =>
        openEngine(await optionsOf('ours', { host: on, config: { ...configSchema.parse(common), ...more } }));
      const all = { etcdAuthority: file('authority'), etcdCertificate: file('certificate'), etcdKey: file('key') };
      const ours = await open(all);
      assert.equal(ours.hasMember, false);
      assert.equal((await ours.etcd.members()).length, 1);
      await ours.close();
      const refuses = (more: Partial<Config>, why: RegExp) =>
        assert.rejects(open(more), (error) => error instanceof ConfigError && why.test(error.message));
      await refuses({}, /--etcd-authority FILE/);
      await refuses({ ...all, etcdKey: undefined }, /belong together/);
      await refuses({ ...all, etcdAuthority: file('none') }, /none.pem cannot be read/);
      await refuses({ ...all, etcd: ['http://127.0.0.1:1'] }, /for https/);
      await refuses({ ...all, etcd: ['http://127.0.0.1:1', 'https://127.0.0.1:1'] }, /give all of them as https/);
      // A start waits for minutes for an etcd that does not answer: this one's minutes are short.
      const monotonic = (): number => host.clock.monotonic() * 60;
      const hasty = { ...host, clock: { ...host.clock, monotonic } };
      await assert.rejects(open({ etcdAuthority: file('authority') }, hasty), { code: 'ServiceUnavailable' });
    } finally {
      await theirs.close();
    }
  });
});
