import assert from 'node:assert/strict';
import { it } from 'node:test';
import { createAuthority } from '../certificates/index.ts';
import { until } from '../host/patience.support.ts';
import { limits } from '../limits.ts';
import { authority, credentialsOf, host } from './cluster.fixture.ts';
import type { Hello } from './hello.ts';
import { echo, empty, MiB, refusal, rig, sleep } from './suite.fixture.ts';
import type { Product } from './suite.ts';
import type { Answer, Transport } from './types.ts';

/** Links: who is at their ends, how they break and how they end. */
export function describeLinks(product: Product): void {
  const { relay } = product;
  const { closers, transport, node, pair } = rig(product);

  it('rejects what was under way when the link breaks, repeats nothing, and connects again', async () => {
    let runs = 0;
    const { client, listener } = await pair(async () => ({ head: empty }));
    const { listener: slow } = await pair(async ({ method }) => {
      if (method === 'warm') return { head: empty };
      // One too many is answered, so that whoever repeats a call does not wait for ever.
      if (++runs > 20) return { head: empty };
      return new Promise<Answer>(() => {});
    });
    const between = await relay(slow.address);
    closers.push(() => between.close());
    const peer = client.peer('server', between.address);
    await peer.call('warm', empty);
    const calls = Array.from({ length: 20 }, () => peer.call('once', empty));
    const failed = Promise.allSettled(calls);
    await until(() => runs === 20, 'all calls arrived');
    between.cut();
    for (const one of await failed) {
      assert.equal(one.status, 'rejected');
      refusal('ServiceUnavailable')(one.reason);
    }
    await until(() => peer.reachable, 'reachable again');
    await peer.call('warm', empty);
    await sleep(50);
    assert.equal(runs, 20, 'a call was repeated');
    assert.ok(listener.address);
  });

  it('breaks a body in the middle without giving half of it to anybody', async () => {
    let served = 0;
    const { listener, client } = await pair(async () => {
      served++;
      return { head: empty };
    });
    const between = await relay(listener.address);
    closers.push(() => between.close());
    const peer = client.peer('server', between.address);
    await peer.call('warm', empty);
    const call = peer.call('large', empty, { body: [Buffer.alloc(16 * MiB)] });
    const failed = assert.rejects(call, refusal('ServiceUnavailable'));
    await until(() => between.carried > MiB, 'a part of the body went out');
    between.cut();
    await failed;
    await sleep(50);
    assert.equal(served, 1);
  });

  it('notices a link that carries nothing any more', async () => {
    const { listener, client } = await pair(async ({ method }) => {
      if (method === 'wait') return new Promise<Answer>(() => {});
      return { head: empty };
    });
    const between = await relay(listener.address);
    closers.push(() => between.close());
    const peer = client.peer('server', between.address);
    await peer.call('warm', empty);
    between.freeze();
    await assert.rejects(peer.call('wait', empty), refusal('ServiceUnavailable'));
  });

  it('says at once that a node is out of reach, and finds it again when it is back', async () => {
    const { server, listener, peer } = await pair(echo);
    await peer.call('echo', empty);
    assert.equal(peer.reachable, true);
    await server.close();
    await until(() => !peer.reachable, 'out of reach');
    const began = host.clock.monotonic();
    await assert.rejects(peer.call('echo', empty), refusal('ServiceUnavailable'));
    assert.ok(
      host.clock.monotonic() - began < limits.linkConnectMs / 2,
      'a call waited for a node that is known to be away',
    );
    await node('server').listen(listener.address, echo);
    await until(() => peer.reachable, 'back');
    assert.equal(String((await peer.call('echo', Buffer.from('again'))).head), 'again');
  });

  it('talks only to the node it asked for, and only to nodes of its cluster', async () => {
    let served = 0;
    const { client, listener } = await pair(async () => {
      served++;
      return { head: empty };
    });
    const foreign = createAuthority(host);
    const refused = async (from: Transport, name: string, pattern: RegExp) => {
      const peer = from.peer(name, listener.address);
      await assert.rejects(peer.call('x', empty), (cause) => {
        assert.ok(refusal('ServiceUnavailable')(cause));
        assert.match((cause as Error).message, pattern);
        return true;
      });
      assert.equal(peer.reachable, false);
      await peer.close();
    };
    await refused(client, 'another', /names the node server, not another/);
    await refused(transport(credentialsOf(foreign, 'client')), 'server', /self.signed|unable to|verify|issuer/i);
    // Trusts the server, but is not trusted by it.
    await refused(
      transport(credentialsOf(foreign, 'client', [authority.certificate])),
      'server',
      /ended|reset|alert|closed|broke/i,
    );
    await refused(
      transport(credentialsOf(authority, 'client', undefined, -limits.certificateEarlyMs / 2)),
      'server',
      /ended|reset|alert|closed|broke/i,
    );
    assert.equal(served, 0);
  });

  it('refuses a node that is no member any more', async () => {
    const server = node('server');
    const listener = await server.listen('127.0.0.1:0', echo, { admits: (name) => name !== 'removed' });
    await node('member').peer('server', listener.address).call('echo', empty);
    const removed = node('removed').peer('server', listener.address);
    await assert.rejects(removed.call('echo', empty), refusal('ServiceUnavailable'));
    let member = true;
    const later = await server.listen('127.0.0.1:0', echo, { admits: () => member });
    const peer = node('member').peer('server', later.address);
    await peer.call('echo', empty);
    member = false;
    await assert.rejects(peer.call('echo', empty), refusal('AccessDenied'));
  });

  it('uses new credentials for new links, and trusts an old and a new authority side by side', async () => {
    const next = createAuthority(host);
    const both = [authority.certificate, next.certificate];
    let shown = credentialsOf(authority, 'server');
    const server = transport({ current: () => shown.current() });
    const listener = await server.listen('127.0.0.1:0', echo);
    const old = node('client').peer('server', listener.address);
    await old.call('echo', empty);
    shown = credentialsOf(next, 'server', both);
    await old.call('echo', empty);
    const renewed = transport(credentialsOf(next, 'client', both)).peer('server', listener.address);
    await renewed.call('echo', empty);
    const between = transport(credentialsOf(authority, 'client', both)).peer('server', listener.address);
    await between.call('echo', empty);
    const late = node('late').peer('server', listener.address);
    await assert.rejects(late.call('echo', empty), refusal('ServiceUnavailable'));
  });

  it('listens several times on one port', async () => {
    const counts = [0, 0];
    const first = await node('server').listen('127.0.0.1:0', async () => ({ head: Buffer.from([counts[0]!++]) }));
    await node('server').listen(first.address, async () => ({ head: Buffer.from([counts[1]!++]) }));
    for (let i = 0; i < 64 && counts.includes(0); i++) {
      const peer = node('client').peer('server', first.address);
      await peer.call('who', empty);
      await peer.close();
    }
    assert.ok(!counts.includes(0), `one listener got all: ${counts}`);
  });

  it('answers what is under way when its listener closes, and takes nothing new', async (t) => {
    // However slow this machine is, the last resort comes too late to be what ends it.
    const { sleep: rest } = host.timers;
    const late = new AbortController();
    t.mock.method(host.timers, 'sleep', (...[ms, signal]: Parameters<typeof rest>) =>
      ms === limits.linkDrainMs && signal ? rest(100 * ms, AbortSignal.any([signal, late.signal])) : rest(ms, signal),
    );
    let isClosed = false;
    let release = () => {};
    let arrived = false;
    const gate = new Promise<void>((resolve) => (release = resolve));
    const { listener, peer } = await pair(async ({ body }) => {
      arrived = true;
      await gate;
      return { head: Buffer.from('late'), body: [body, Buffer.alloc(2 * MiB)] };
    });
    const call = peer.call('slow', empty, { body: [Buffer.alloc(MiB)] });
    await until(() => arrived, 'the call arrived');
    void listener.close().then(() => (isClosed = true));
    await sleep(50);
    await assert.rejects(peer.call('new', empty), refusal('ServiceUnavailable'));
    release();
    const answer = await call;
    assert.deepEqual([String(answer.head), answer.body.length], ['late', 3 * MiB]);
    await until(() => isClosed, 'the end, without the last resort').finally(() => late.abort());
  });

  it('agrees on the highest version that both speak, or names those of both', async () => {
    const hello = (versions: number[]): Hello => ({
      versions,
      features: [],
      window: limits.linkWindowBytes,
      calls: 10,
    });
    const server = transport(credentialsOf(authority, 'server'), hello([1, 2]));
    const listener = await server.listen('127.0.0.1:0', echo);
    await transport(credentialsOf(authority, 'c'), hello([2, 3]))
      .peer('server', listener.address)
      .call('echo', empty);
    const old = transport(credentialsOf(authority, 'd'), hello([7])).peer('server', listener.address);
    await assert.rejects(old.call('echo', empty), /this node speaks 7, the other one 1, 2/);
  });

  it('rejects what waits when the peer is closed', async () => {
    let arrived = false;
    const { peer } = await pair(async () => {
      arrived = true;
      return new Promise<Answer>(() => {});
    });
    const call = assert.rejects(peer.call('never', empty), refusal('ServiceUnavailable'));
    await until(() => arrived, 'the call arrived');
    await peer.close();
    await call;
    await assert.rejects(peer.call('never', empty), refusal('ServiceUnavailable'));
  });
}
