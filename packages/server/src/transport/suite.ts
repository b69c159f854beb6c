import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { afterEach, describe, it } from 'node:test';
import { createAuthority } from '../certificates/index.ts';
import { StoreError } from '../errors.ts';
import { limits } from '../limits.ts';
import { authority, credentialsOf, host } from './cluster.support.ts';
import type { Hello } from './hello.ts';
import type { Answer, Credentials, IncomingCall, Serve, Transport } from './types.ts';

/** Between a peer and a listener: what a network can do to them. */
export interface Relay {
  readonly address: string;
  /** Breaks every connection. */
  cut(): void;
  /** Carries nothing any more, and says nothing of it. */
  freeze(): void;
  /** Bytes carried towards the listener. */
  readonly carried: number;
  close(): Promise<void>;
}

/** One product of the transport. */
export interface Product {
  open(options: { credentials: Credentials; onError(cause: unknown): void; hello?: Hello }): Transport;
  relay(address: string): Promise<Relay>;
}

const MiB = 1024 * 1024;
const empty = Buffer.alloc(0);
const echo: Serve = async ({ head, body }) => ({ head, body: [body] });
const sleep = (milliseconds: number) => host.timers.sleep(milliseconds);
const digest = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex');

function refusal(code: string) {
  return (cause: unknown) => {
    assert.ok(cause instanceof StoreError, String(cause));
    assert.equal(cause.code, code, cause.message);
    return true;
  };
}

async function until(condition: () => boolean, what: string): Promise<void> {
  for (let i = 0; i < 1000; i++) {
    if (condition()) return;
    await sleep(10);
  }
  assert.fail(`never: ${what}`);
}

/** What every product does. */
export function describeTransport(product: string, { open, relay }: Product): void {
  describe(`transport: ${product}`, () => {
    const closers: (() => Promise<void>)[] = [];
    const errors: Error[] = [];
    const reported = () => errors.map(({ name }) => name);

    afterEach(async () => {
      for (const close of closers.splice(0).reverse()) await close();
      errors.splice(0);
    });

    const transport = (credentials: Credentials, hello?: Hello) => {
      const one = open({ credentials, onError: (cause) => errors.push(cause as Error), ...(hello && { hello }) });
      closers.push(() => one.close());
      return one;
    };
    const node = (name: string) => transport(credentialsOf(authority, name));
    /** A node `server` that serves, and a peer of it for the node `client`. */
    const pair = async (serve: Serve) => {
      const server = node('server');
      const listener = await server.listen('127.0.0.1:0', serve);
      const client = node('client');
      return { server, client, listener, peer: client.peer('server', listener.address) };
    };

    it('carries heads and bodies of every size, whole and unchanged', async () => {
      const { peer } = await pair(echo);
      const sizes = [0, 1, 11, 12, 13, 1000, 16_384, 65_535, 65_536, 65_537, 200_000, limits.linkWindowBytes];
      sizes.push(limits.linkWindowBytes + 1, MiB, 5 * MiB + 7, 16 * MiB);
      for (const size of sizes) {
        const body = host.entropy.bytes(size);
        const head = host.entropy.bytes(Math.min(size, limits.linkHeadBytes));
        const answer = await peer.call('echo', head, { body: [body.subarray(0, 5), body.subarray(5)] });
        assert.ok(answer.head.equals(head), `head at ${size}`);
        assert.equal(digest(answer.body), digest(body), `body of ${size}`);
      }
    });

    it('tells the callee who calls and what', async () => {
      let seen: IncomingCall | undefined;
      const { peer } = await pair(async (call) => {
        seen = call;
        return { head: empty };
      });
      await peer.call('some.method', Buffer.from('head'), { body: [Buffer.from('bo'), Buffer.from('dy')] });
      assert.equal(seen?.node, 'client');
      assert.equal(seen?.method, 'some.method');
      assert.deepEqual([String(seen?.head), String(seen?.body)], ['head', 'body']);
      assert.equal(seen?.signal.aborted, false);
    });

    it('keeps hundreds of calls apart, whatever the order of their answers', async () => {
      const { peer } = await pair(async ({ head, body }) => {
        await sleep((head.readUInt32LE() * 7) % 23);
        return { head, body: [body, Buffer.from([1])] };
      });
      const calls = Array.from({ length: 600 }, async (_, i) => {
        const head = Buffer.alloc(4);
        head.writeUInt32LE(i);
        const body = Buffer.alloc((i * 977) % 150_000, i);
        const answer = await peer.call('mixed', head, { body: [body] });
        assert.equal(answer.head.readUInt32LE(), i);
        assert.ok(answer.body.equals(Buffer.concat([body, Buffer.from([1])])), `body of ${i}`);
      });
      await Promise.all(calls);
    });

    it('lets a small call overtake large ones, in both directions', async () => {
      const large = Buffer.alloc(24 * MiB, 'l');
      const { peer } = await pair(async ({ method }) => ({ head: empty, body: method === 'get' ? [large] : [] }));
      await peer.call('warm', empty);
      const order: string[] = [];
      const get = peer.call('get', empty).then(() => order.push('get'));
      const put = peer.call('put', empty, { body: [large] }).then(() => order.push('put'));
      for (let i = 0; i < 5; i++) await peer.call('small', empty).then(() => order.push('small'));
      await Promise.all([get, put]);
      assert.deepEqual(order.slice(0, 5), Array(5).fill('small'));
    });

    it('streams pieces as they were given, empty and large ones too', async () => {
      const sizes = [0, 1, 0, 70_000, 12, limits.linkWindowBytes * 2 + 3, 0, 5];
      const pieces = sizes.map((size, i) => Buffer.alloc(size, i + 1));
      const { peer } = await pair(async () => ({
        head: empty,
        body: [Buffer.from('body')],
        stream: (async function* () {
          yield* pieces;
        })(),
      }));
      const got: Buffer[] = [];
      for await (const piece of peer.stream('pieces', empty)) got.push(piece);
      assert.deepEqual(
        got.map(({ length }) => length),
        [4, ...sizes],
      );
      assert.ok(Buffer.concat(got).equals(Buffer.concat([Buffer.from('body'), ...pieces])));
    });

    it('gives a stream only as fast as it is taken', async () => {
      let given = 0;
      const { peer } = await pair(async () => ({
        head: empty,
        stream: (async function* () {
          for (let i = 0; i < 2000; i++) {
            given++;
            yield Buffer.alloc(16_384, i);
          }
        })(),
      }));
      const stream = peer.stream('slow', empty)[Symbol.asyncIterator]();
      await stream.next();
      await sleep(300);
      const most = (limits.linkWindowBytes + 4 * limits.linkFrameBytes) / 16_384;
      assert.ok(given <= most, `${given} pieces were drawn for one that was taken`);
      let rest = 0;
      for (let next = await stream.next(); !next.done; next = await stream.next()) rest++;
      assert.equal(rest, 1999);
    });

    it('ends the stream on the other side when its reading ends', async () => {
      let ended = false;
      let signal: AbortSignal | undefined;
      const { peer } = await pair(async (call) => {
        signal = call.signal;
        return {
          head: empty,
          stream: (async function* () {
            try {
              for (let i = 0; ; i++) yield Buffer.alloc(1000, i);
            } finally {
              ended = true;
            }
          })(),
        };
      });
      for await (const _ of peer.stream('endless', empty)) break;
      await until(() => ended && signal?.aborted === true, 'the stream ended');
    });

    it('carries errors with all they say, and hides those that are none of the caller', async () => {
      const { peer } = await pair(async ({ method }) => {
        if (method === 'bug') throw new TypeError('inner secret');
        throw new StoreError('StorageFull', {
          message: 'full here',
          resource: 'b/k',
          detail: { Device: 'd1', Free: '0' },
          retryAfter: 7,
          cause: new Error('inner secret'),
        });
      });
      await assert.rejects(peer.call('full', empty), (cause) => {
        assert.ok(cause instanceof StoreError);
        assert.deepEqual(
          [cause.code, cause.message, cause.resource, cause.detail, cause.retryAfter],
          ['StorageFull', 'full here', 'b/k', { Device: 'd1', Free: '0' }, 7],
        );
        return true;
      });
      assert.deepEqual(reported(), []);
      await assert.rejects(peer.call('bug', empty), (cause) => {
        assert.ok(refusal('InternalError')(cause));
        assert.ok(!String(cause).includes('secret'));
        return true;
      });
      assert.deepEqual(reported(), ['TypeError']);
    });

    it('carries an error in the middle of a stream, behind the pieces before it', async () => {
      const { peer } = await pair(async () => ({
        head: empty,
        stream: (async function* () {
          yield Buffer.from('first');
          await sleep(20);
          throw new StoreError('Damaged', { message: 'gone' });
        })(),
      }));
      const got: string[] = [];
      await assert.rejects(async () => {
        for await (const piece of peer.stream('broken', empty)) got.push(String(piece));
      }, refusal('Damaged'));
      assert.deepEqual(got, ['first']);
    });

    it('ends a call at its deadline, on both sides', async () => {
      let signal: AbortSignal | undefined;
      const { peer } = await pair(async (call) => {
        if (call.method === 'warm') return { head: empty };
        signal = call.signal;
        return new Promise<Answer>(() => {});
      });
      await peer.call('warm', empty);
      const began = host.clock.monotonic();
      await assert.rejects(peer.call('never', empty, { deadlineMs: 80 }), refusal('ServiceUnavailable'));
      assert.ok(host.clock.monotonic() - began < 2000);
      await until(() => signal?.aborted === true, 'the callee heard of the deadline');
      await peer.call('warm', empty, { deadlineMs: 5000 });
    });

    it('gives a call up on both sides when its signal aborts', async () => {
      let signal: AbortSignal | undefined;
      const { peer } = await pair(async (call) => {
        signal = call.signal;
        return new Promise<Answer>(() => {});
      });
      const control = new AbortController();
      const call = peer.call('never', empty, { signal: control.signal });
      await until(() => signal !== undefined, 'the call arrived');
      const reason = new Error('not wanted any more');
      control.abort(reason);
      await assert.rejects(call, reason);
      await until(() => signal?.aborted === true, 'the callee heard of it');
      await assert.rejects(peer.call('never', empty, { signal: AbortSignal.abort(reason) }), reason);
    });

    it('rejects what was under way when the link breaks, repeats nothing, and connects again', async () => {
      let runs = 0;
      const { client, listener } = await pair(async () => ({ head: empty }));
      const { listener: slow } = await pair(async ({ method }) => {
        if (method === 'warm') return { head: empty };
        runs++;
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
      const began = host.clock.monotonic();
      await assert.rejects(peer.call('wait', empty), refusal('ServiceUnavailable'));
      assert.ok(host.clock.monotonic() - began < limits.linkDeadMs + 3 * limits.linkPingMs);
    });

    it('says at once that a node is out of reach, and finds it again when it is back', async () => {
      const { server, listener, peer } = await pair(echo);
      await peer.call('echo', empty);
      assert.equal(peer.reachable, true);
      await server.close();
      await until(() => !peer.reachable, 'out of reach');
      const began = host.clock.monotonic();
      await assert.rejects(peer.call('echo', empty), refusal('ServiceUnavailable'));
      assert.ok(host.clock.monotonic() - began < 200, 'a call waited for a node that is known to be away');
      await node('server').listen(listener.address, echo);
      await until(() => peer.reachable, 'back');
      assert.equal(String((await peer.call('echo', Buffer.from('again'))).head), 'again');
    });

    it('refuses what is larger than its bound, before anything is sent', async () => {
      const { peer } = await pair(async ({ method }) => ({
        head: method === 'head' ? Buffer.alloc(limits.linkHeadBytes + 1) : empty,
        body: method === 'body' ? [Buffer.alloc(limits.linkBodyBytes + 1)] : [],
      }));
      await assert.rejects(peer.call('x', Buffer.alloc(limits.linkHeadBytes + 1)), RangeError);
      await assert.rejects(peer.call('x'.repeat(limits.linkMethodBytes + 1), empty), RangeError);
      await assert.rejects(peer.call('x', empty, { body: [Buffer.alloc(limits.linkBodyBytes + 1)] }), RangeError);
      assert.deepEqual(reported(), []);
      for (const method of ['head', 'body'])
        await assert.rejects(peer.call(method, empty), refusal('InternalError'), method);
      assert.deepEqual(reported(), ['RangeError', 'RangeError']);
      await peer.call('fine', empty);
    });

    it('refuses more calls at once than a link may carry', async () => {
      let release = () => {};
      const gate = new Promise<void>((resolve) => (release = resolve));
      const { peer } = await pair(async () => {
        await gate;
        return { head: empty };
      });
      const calls = Array.from({ length: limits.linkCalls }, () => peer.call('held', empty));
      await sleep(100);
      await assert.rejects(peer.call('one more', empty), refusal('SlowDown'));
      release();
      await Promise.all(calls);
      await peer.call('again', empty);
    });

    it('refuses a stream where a whole answer was asked for', async () => {
      const { peer } = await pair(async () => ({
        head: empty,
        stream: (async function* () {
          yield empty;
        })(),
      }));
      await assert.rejects(peer.call('stream', empty), refusal('InternalError'));
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

    it('answers what is under way when its listener closes, and takes nothing new', async () => {
      let release = () => {};
      const gate = new Promise<void>((resolve) => (release = resolve));
      const { listener, peer } = await pair(async ({ body }) => {
        await gate;
        return { head: Buffer.from('late'), body: [body, Buffer.alloc(2 * MiB)] };
      });
      const call = peer.call('slow', empty, { body: [Buffer.alloc(MiB)] });
      await sleep(100);
      const closing = listener.close();
      await sleep(50);
      await assert.rejects(peer.call('new', empty), refusal('ServiceUnavailable'));
      release();
      const answer = await call;
      assert.deepEqual([String(answer.head), answer.body.length], ['late', 3 * MiB]);
      const began = host.clock.monotonic();
      await closing;
      assert.ok(host.clock.monotonic() - began < limits.linkDrainMs / 2, 'closing waited for the last resort');
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
      const { peer } = await pair(async () => new Promise<Answer>(() => {}));
      const call = assert.rejects(peer.call('never', empty), refusal('ServiceUnavailable'));
      await sleep(50);
      await peer.close();
      await call;
      await assert.rejects(peer.call('never', empty), refusal('ServiceUnavailable'));
    });
  });
}
