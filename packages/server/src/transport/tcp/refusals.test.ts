import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { connect as connectTcp } from 'node:net';
import { afterEach, describe, it } from 'node:test';
import { type ConnectionOptions, connect, createServer, type TLSSocket } from 'node:tls';
import { signCertificate } from '../../certificates/certificate.ts';
import { createAuthority, newKey, privatePem, publicDer } from '../../certificates/index.ts';
import { StoreError } from '../../errors.ts';
import { manualHost } from '../../host/index.ts';
import { patienceMs } from '../../host/patience.support.ts';
import { limits } from '../../limits.ts';
import { authority, credentialsOf, host } from '../cluster.fixture.ts';
import { FrameDecoder, frameTypes, smallFrame } from '../frames.ts';
import { encodeHello, ownHello } from '../hello.ts';
import { openTcpTransport } from '../index.ts';
import { decodeFailure, encodeCall } from '../messages.ts';
import type { ListenOptions, Transport } from '../types.ts';
import { parseAddress } from './address.ts';
import { askToJoin } from './ask.ts';
import { handshake } from './dial.ts';
import { Turnstile } from './joiners.ts';

const empty = Buffer.alloc(0);
const closers: (() => unknown)[] = [];

afterEach(async () => {
  for (const close of closers.splice(0)) await close();
});

function transportOf(
  credentials = credentialsOf(authority, 'server'),
  onError: (cause: unknown) => void = () => {},
): Transport {
  const one = openTcpTransport({ credentials, host, onError });
  closers.push(() => one.close());
  return one;
}

async function listening(options: ListenOptions = {}) {
  const errors: string[] = [];
  const calls: string[] = [];
  const transport = transportOf(undefined, (cause) => errors.push((cause as Error).message));
  const listener = await transport.listen(
    '127.0.0.1:0',
    async ({ method }) => {
      calls.push(method);
      return { head: empty };
    },
    options,
  );
  return { address: listener.address, errors, calls };
}

/** A certificate of the cluster with whatever subject alternative name. */
function certified(uri: string | undefined, authorityFlag = false) {
  const key = newKey(host);
  const root = new X509Certificate(authority.certificate);
  const cert = signCertificate(host, {
    subject: 'client',
    issuer: root.subject.slice(3),
    subjectKey: publicDer(key),
    issuerKey: authority.key,
    fromMs: host.clock.now() - 1000,
    untilMs: host.clock.now() + 60_000,
    authority: authorityFlag,
    ...(uri !== undefined && { alternative: { uri } }),
  });
  return { cert, key: privatePem(key) };
}

/** Says hello and makes a call over a raw TLS connection; resolves to the bytes that came back until the other side ended it. */
async function attempt(address: string, options: ConnectionOptions, ...more: readonly Uint8Array[]): Promise<Buffer> {
  const socket = connect({
    ...parseAddress(address),
    ca: [authority.certificate],
    checkServerIdentity: () => undefined,
    minVersion: 'TLSv1.2',
    ALPNProtocols: ['dsom'],
    ...options,
  });
  const got: Buffer[] = [];
  socket.on('data', (chunk: Buffer) => got.push(chunk));
  socket.on('error', () => {});
  const call = { method: 'm', head: empty, body: [], bodyBytes: 0, window: 0, deadlineMs: 0 };
  socket.on('secureConnect', () => {
    socket.write(Buffer.concat([encodeHello(ownHello), ...encodeCall(1, false, call).pieces, ...more]));
  });
  const late = setTimeout(() => socket.destroy(new Error('it was not ended')), patienceMs);
  const timed = await new Promise<boolean>((resolve) => {
    socket.on('close', () => resolve(false));
    socket.on('error', (cause) => cause.message === 'it was not ended' && resolve(true));
  });
  clearTimeout(late);
  assert.ok(!timed, 'the connection was not ended');
  return Buffer.concat(got);
}

const own = () => {
  const { certificate, privateKey } = credentialsOf(authority, 'client').current();
  return { cert: certificate, key: privateKey };
};

describe('a listener refuses', () => {
  const cases: Record<string, () => ConnectionOptions> = {
    'who shows no certificate': () => ({}),
    'who speaks TLS 1.2': () => ({ ...own(), maxVersion: 'TLSv1.2' }),
    'who names no protocol': () => ({ ...own(), ALPNProtocols: [] }),
    'who names another protocol': () => ({ ...own(), ALPNProtocols: ['h2'] }),
    'a certificate of another authority': () => {
      const { certificate, privateKey } = credentialsOf(createAuthority(host), 'client').current();
      return { cert: certificate, key: privateKey };
    },
    'a certificate that has expired': () => {
      const { certificate, privateKey } = credentialsOf(authority, 'client', undefined, -1000).current();
      return { cert: certificate, key: privateKey };
    },
    'a certificate that names no node': () => certified(undefined),
    'a certificate with another kind of name': () => certified('https://node'),
    'a certificate for a name that is none': () => certified('dsom-node:a b'),
    'an authority in place of a node': () => certified('dsom-node:client', true),
  };
  for (const [what, options] of Object.entries(cases))
    for (const joinable of [false, true])
      it(`${what}${joinable ? ', where joiners are taken' : ''}`, async () => {
        const { address, calls } = await listening(joinable ? { join: async () => assert.fail('joined') } : {});
        const got = await attempt(address, options(), smallFrame(frameTypes.goodbye, 0));
        assert.deepEqual(calls, []);
        // A joiner is told that it may only join; everybody else is told nothing at all.
        if (!joinable || what !== 'who shows no certificate') assert.equal(got.length, 0);
        else assert.ok(got.includes('A node without a certificate may only join.'));
        assert.ok((await attempt(address, own(), smallFrame(frameTypes.goodbye, 0))).length > 0);
        assert.deepEqual(calls, ['m']);
      });

  it('what is no TLS, and goes on', async () => {
    const { address, errors, calls } = await listening();
    const socket = connectTcp(parseAddress(address));
    socket.on('error', () => {});
    socket.write('GET / HTTP/1.1\r\n\r\n');
    socket.resume();
    await once(socket, 'close');
    assert.equal(errors.length, 1);
    assert.match(errors[0] ?? '', /a connection from 127\.0\.0\.1 was refused/);
    await attempt(address, own(), smallFrame(frameTypes.goodbye, 0));
    assert.deepEqual(calls, ['m']);
  });

  it('frames beyond their bounds, with all that was under way on that link', async () => {
    const { address } = await listening();
    const long = smallFrame(frameTypes.ping, 0, Buffer.alloc(8));
    long.writeUInt32LE(2 ** 31, 8);
    await attempt(address, own(), long);
  });

  it('sessions that are taken up again', async () => {
    const { address } = await listening();
    const sessions: Buffer[] = [];
    const first = connect({
      ...parseAddress(address),
      ...own(),
      ca: [authority.certificate],
      ALPNProtocols: ['dsom'],
      checkServerIdentity: () => undefined,
    });
    first.on('session', (session: Buffer) => sessions.push(session));
    first.on('error', () => {});
    await once(first, 'secureConnect');
    first.write(encodeHello(ownHello));
    await once(first, 'data');
    first.destroy();
    const [session] = sessions;
    assert.ok(session, 'the server offered no session');
    const again = connect({
      ...parseAddress(address),
      ...own(),
      ca: [authority.certificate],
      ALPNProtocols: ['dsom'],
      checkServerIdentity: () => undefined,
      session,
    });
    again.on('error', () => {});
    await once(again, 'secureConnect');
    assert.equal(again.isSessionReused(), false);
    again.destroy();
  });
});

describe('a peer refuses', () => {
  /** A server of the test's own making. */
  async function serverWith(options: { cert: string; key: string; ALPNProtocols?: string[]; maxVersion?: 'TLSv1.2' }) {
    let received = 0;
    const server = createServer({ ALPNProtocols: ['dsom'], ...options }, (socket: TLSSocket) => {
      socket.on('error', () => {});
      socket.on('data', (chunk) => (received += chunk.length));
    });
    server.on('tlsClientError', () => {});
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    closers.push(() => server.close());
    return { address: `127.0.0.1:${(server.address() as { port: number }).port}`, received: () => received };
  }

  const cases: Record<string, () => Parameters<typeof serverWith>[0]> = {
    'a server with a certificate for no node': () => certified('https://node'),
    'a server with the certificate of another node': () => certified('dsom-node:other'),
    'a server with TLS 1.2': () => ({ ...certified('dsom-node:server'), maxVersion: 'TLSv1.2' }),
    'a server of another protocol': () => ({ ...certified('dsom-node:server'), ALPNProtocols: ['h2'] }),
    'a server that names no protocol': () => ({ ...certified('dsom-node:server'), ALPNProtocols: [] }),
  };
  for (const [what, options] of Object.entries(cases))
    it(what, async () => {
      const { address, received } = await serverWith(options());
      const peer = transportOf(credentialsOf(authority, 'client')).peer('server', address);
      await assert.rejects(peer.call('m', Buffer.from('secret')), StoreError);
      assert.equal(received(), 0);
    });

  it('an answer when nobody speaks', async () => {
    const { address } = await serverWith(certified('dsom-node:server'));
    const peer = transportOf(credentialsOf(authority, 'client')).peer('server', address);
    await assert.rejects(peer.call('m', empty), /did not say hello/);
  });
});

describe('a joiner', () => {
  const hash = (pem: string) => Buffer.from(new X509Certificate(pem).fingerprint256.replaceAll(':', ''), 'hex');

  it('is heard with its request, and may call nothing else', async () => {
    const heard: string[] = [];
    const { address, calls } = await listening({
      join: async ({ head, node }) => {
        heard.push(`${head}${node}`);
        return { head: empty, body: [Buffer.from('welcome')] };
      },
    });
    const answer = await askToJoin({
      address,
      authorityHash: hash(authority.certificate),
      request: Buffer.from('let me in'),
      host,
    });
    assert.equal(String(answer), 'welcome');
    assert.deepEqual([heard, calls], [['let me in'], []]);
  });

  it('may ask once, and send no bodies', async () => {
    let heard = 0;
    const { address } = await listening({
      join: async () => {
        heard++;
        return { head: empty };
      },
    });
    const call = (id: number, bodyBytes: number) =>
      encodeCall(id, false, { method: 'join', head: empty, body: [], bodyBytes, window: 0, deadlineMs: 0 }).pieces;
    const more = [...call(2, 0), ...call(3, 0), ...call(4, 1024 * 1024), smallFrame(frameTypes.goodbye, 0)];
    const answers = new Map<number, string>();
    const decoder = new FrameDecoder({
      frame: (type, _flags, id, payload) => {
        if (type === frameTypes.answer) answers.set(id, 'answer');
        if (type === frameTypes.fail) answers.set(id, decodeFailure(payload).code ?? '');
      },
      body: () => {},
    });
    decoder.push(await attempt(address, {}, ...more));
    assert.deepEqual(Object.fromEntries(answers), { 1: 'AccessDenied', 2: 'answer', 3: 'AccessDenied', 4: 'SlowDown' });
    assert.equal(heard, 1);
  });

  it('does not ask who shows another authority, or none', async () => {
    const { address } = await listening({ join: async () => assert.fail('joined') });
    const request = { address, request: Buffer.from('secret'), host };
    await assert.rejects(askToJoin({ ...request, authorityHash: Buffer.alloc(32) }), /does not belong to the cluster/);
    // Shows the right authority beside a certificate that is not of it.
    const stranger = createAuthority(host);
    const { certificate, privateKey } = credentialsOf(stranger, 'server').current();
    let received = 0;
    const imposter = createServer(
      { cert: `${certificate}${authority.certificate}`, key: privateKey, ALPNProtocols: ['dsom'] },
      (socket) => {
        socket.on('error', () => {});
        socket.on('data', (chunk) => (received += chunk.length));
      },
    );
    imposter.on('tlsClientError', () => {});
    imposter.listen(0, '127.0.0.1');
    await once(imposter, 'listening');
    closers.push(() => imposter.close());
    // And one that has a certificate of it, but is no node.
    const { cert, key } = certified('https://node');
    const other = createServer({ cert: `${cert}${authority.certificate}`, key, ALPNProtocols: ['dsom'] }, (socket) => {
      socket.on('error', () => {});
      socket.on('data', (chunk) => (received += chunk.length));
    });
    other.on('tlsClientError', () => {});
    other.listen(0, '127.0.0.1');
    await once(other, 'listening');
    closers.push(() => other.close());
    const second = `127.0.0.1:${(other.address() as { port: number }).port}`;
    const there = `127.0.0.1:${(imposter.address() as { port: number }).port}`;
    const authorityHash = hash(authority.certificate);
    for (const where of [there, second])
      await assert.rejects(askToJoin({ ...request, address: where, authorityHash }), StoreError);
    assert.equal(received, 0);
  });

  it('waits its turn: few at a time, and so many in a minute', () => {
    const manual = manualHost();
    const turnstile = new Turnstile(manual.clock);
    const inside = Array.from({ length: limits.joinLinks }, () => turnstile.enter());
    assert.ok(inside.every((leave) => leave !== undefined));
    assert.equal(turnstile.enter(), undefined);
    let entered: number = limits.joinLinks;
    for (const leave of inside) leave?.();
    for (let leave = turnstile.enter(); leave; leave = turnstile.enter()) {
      leave();
      entered++;
    }
    assert.equal(entered, limits.joinsPerMinute);
    manual.advance(60_000 / limits.joinsPerMinute);
    turnstile.enter()?.();
    assert.equal(turnstile.enter(), undefined);
  });

  it('is one of few at a time', async () => {
    const { address } = await listening({ join: () => new Promise(() => {}) });
    const sockets = await Promise.all(
      Array.from({ length: limits.joinLinks }, () =>
        handshake(address, { rejectUnauthorized: false }, new AbortController().signal),
      ),
    );
    for (const socket of sockets) {
      socket.on('error', () => {});
      socket.write(encodeHello(ownHello));
    }
    await Promise.all(sockets.map((socket) => once(socket, 'data')));
    await attempt(address, {}).then((got) => assert.equal(got.length, 0, 'one joiner too many was heard'));
    for (const socket of sockets) socket.destroy();
  });

  it('is gone after a while, whatever it does', async () => {
    // Time that passes fifty times as fast.
    const timers = { ...host.timers, after: (ms: number, run: () => void) => host.timers.after(ms / 50, run) };
    const errors: unknown[] = [];
    const transport = openTcpTransport({
      credentials: credentialsOf(authority, 'server'),
      host: { ...host, timers },
      onError: (cause) => errors.push(cause),
    });
    closers.push(() => transport.close());
    const join = () => new Promise<never>(() => {});
    const { address } = await transport.listen('127.0.0.1:0', async () => ({ head: empty }), { join });
    const socket = await handshake(address, { rejectUnauthorized: false }, new AbortController().signal);
    socket.on('error', () => {});
    socket.resume();
    socket.write(encodeHello(ownHello));
    await once(socket, 'close');
  });
});
