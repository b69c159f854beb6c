import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { afterEach, describe, it } from 'node:test';
import fc from 'fast-check';
import { StoreError } from '../errors.ts';
import { type Host, realHost } from '../host/index.ts';
import { limits } from '../limits.ts';
import { type Credentials, openTcpTransport, type Serve, type Transport } from '../transport/index.ts';
import {
  createAuthority,
  createInvitation,
  IdentityError,
  InvitationError,
  issueCertificate,
  joinCluster,
  joinServer,
  memoryInvitations,
  newKey,
  privatePem,
  publicDer,
} from './index.ts';
import { formatInvitation, parseInvitation, secretHash } from './invitation.ts';

const host = realHost();
const authority = createAuthority(host);
const empty = Buffer.alloc(0);
const open: Transport[] = [];

afterEach(async () => {
  for (const one of open.splice(0)) await one.close();
});

function credentialsOf(node: string, by = authority): Credentials {
  const key = newKey(host);
  const certificate = issueCertificate(host, by, { node, publicKey: publicDer(key) });
  const current = { certificate, privateKey: privatePem(key), authorities: [by.certificate] };
  return { current: () => current };
}

function transportOf(credentials: Credentials): Transport {
  const one = openTcpTransport({ credentials, host, onError: () => {} });
  open.push(one);
  return one;
}

/** A cluster of one node that takes joiners. */
async function cluster(options: { by?: typeof authority; at?: Host; payload?: Buffer } = {}) {
  const { by = authority, at = host, payload = Buffer.from('the keyring') } = options;
  const invitations = memoryInvitations();
  const admitted: string[] = [];
  const requests: Buffer[] = [];
  let served = 0;
  const serve: Serve = async () => {
    served++;
    return { head: empty };
  };
  const join = joinServer({
    host: at,
    invitations,
    authority: async () => by,
    authorities: () => [by.certificate],
    admit: async (node) => {
      admitted.push(node);
      return payload;
    },
  });
  const transport = transportOf(credentialsOf('first', by));
  const listener = await transport.listen('127.0.0.1:0', serve, {
    join: (call) => {
      requests.push(Buffer.from(call.head));
      return join(call);
    },
  });
  const invite = async (validMs?: number) =>
    (
      await createInvitation({
        host: at,
        store: invitations,
        address: listener.address,
        authority: by.certificate,
        ...(validMs !== undefined && { validMs }),
      })
    ).line;
  return { listener, invite, admitted, requests, served: () => served };
}

const denied = (cause: unknown) => cause instanceof StoreError && cause.code === 'AccessDenied';

describe('joining', () => {
  it('makes a node a member that others talk to', async () => {
    const { listener, invite, admitted, served } = await cluster();
    const { identity, payload } = await joinCluster({ line: await invite(), node: 'second', host });
    assert.equal(String(payload), 'the keyring');
    assert.deepEqual(admitted, ['second']);
    const current = {
      certificate: identity.certificate,
      privateKey: privatePem(identity.key),
      authorities: identity.authorities,
    };
    await transportOf({ current: () => current })
      .peer('first', listener.address)
      .call('hello', empty);
    assert.equal(served(), 1);
  });

  it('goes on with the next address of the line where nobody answers, and with none after an answer', async () => {
    const { listener, invite, admitted } = await cluster();
    const of = async (...addresses: string[]) =>
      formatInvitation({ ...parseInvitation(await invite()), address: addresses.join(',') });
    const line = await of('127.0.0.1:1', listener.address);
    assert.match(line, /^dsom-join:2\//);
    await joinCluster({ line, node: 'second', host });
    assert.deepEqual(admitted, ['second']);
    await assert.rejects(joinCluster({ line, node: 'third', host }), denied);
    await assert.rejects(
      joinCluster({ line: await of('127.0.0.1:1', '127.0.0.1:2'), node: 'third', host }),
      /127\.0\.0\.1:2 cannot be reached: .*ECONNREFUSED.*\. Start it, .*or make a new invitation/,
    );
    const plain = createServer((socket) => socket.end('HTTP/1.1 400 Bad Request\r\n\r\n')).listen(0, '127.0.0.1');
    await once(plain, 'listening');
    const { port } = plain.address() as AddressInfo;
    await assert.rejects(
      joinCluster({ line: await of(`127.0.0.1:${port}`), node: 'third', host }),
      /cannot be reached: what answers there speaks no TLS, as the port for clients\. Start it/,
    );
    plain.close();
    const foreign = await cluster({ by: createAuthority(host) });
    await assert.rejects(
      joinCluster({ line: await of(foreign.listener.address, listener.address), node: 'third', host }),
      /does not belong to the cluster/,
    );
    assert.deepEqual(admitted, ['second']);
  });

  it('is possible once with one invitation, also at the same time', async () => {
    const { invite, admitted } = await cluster();
    const line = await invite();
    const tries = await Promise.allSettled(['a', 'b', 'c'].map((node) => joinCluster({ line, node, host })));
    assert.equal(tries.filter(({ status }) => status === 'fulfilled').length, 1);
    assert.equal(admitted.length, 1);
    await assert.rejects(joinCluster({ line, node: 'd', host }), denied);
    assert.equal(admitted.length, 1);
  });

  it('refuses what is expired, changed or unknown, all in the same words', async () => {
    let now = host.clock.now();
    const at: Host = { ...host, clock: { ...host.clock, now: () => now } };
    const { invite, admitted } = await cluster({ at });
    const messages = new Set<string>();
    const refuses = async (line: string) =>
      assert.rejects(joinCluster({ line, node: 'x', host }), (cause: Error) => {
        messages.add(cause.message);
        return denied(cause);
      });
    const late = await invite(60_000);
    const good = parseInvitation(await invite());
    now += 60_001;
    await refuses(late);
    await refuses(formatInvitation({ ...good, secret: host.entropy.bytes(32) }));
    await refuses(formatInvitation({ ...good, id: host.entropy.bytes(16) }));
    assert.equal(messages.size, 1);
    assert.deepEqual(admitted, []);
    await joinCluster({ line: formatInvitation(good), node: 'x', host });
  });

  it('tells the secret to no cluster but that of the invitation', async () => {
    const foreign = await cluster({ by: createAuthority(host) });
    const own = await cluster();
    const line = formatInvitation({ ...parseInvitation(await own.invite()), address: foreign.listener.address });
    await assert.rejects(joinCluster({ line, node: 'x', host }), /does not belong to the cluster/);
    assert.deepEqual(foreign.requests, []);
  });

  it('is refused to who changes the request on its way, or has another key than it shows', async () => {
    const { invite, requests } = await cluster();
    const line = await invite();
    await joinCluster({ line, node: 'seen', host });
    const { id, secret } = parseInvitation(line);
    const record = { id: id.toString('hex'), secretHash: secretHash(secret), untilMs: Number.MAX_VALUE };
    const admitted: string[] = [];
    // Finds the invitation under every id, and as often as one likes: only the request itself is looked at.
    const join = joinServer({
      host,
      invitations: { add: async () => {}, find: async () => record, take: async () => true },
      authority: async () => authority,
      authorities: () => [authority.certificate],
      admit: async (node) => {
        admitted.push(node);
        return empty;
      },
    });
    const call = { method: 'join', body: empty, node: '', signal: new AbortController().signal };
    const request = requests[0] as Buffer;
    await join({ ...call, head: request });
    for (let i = 0; i < request.length; i++) {
      const head = Buffer.from(request);
      head[i] = (head[i] as number) ^ 1;
      await assert.rejects(join({ ...call, head }), denied, `byte ${i}`);
    }
    for (let length = 0; length < request.length; length += 5)
      await assert.rejects(join({ ...call, head: request.subarray(0, length) }), denied);
    assert.deepEqual(admitted, ['seen']);
  });

  it('ends with an error that says so when what is given does not open', async () => {
    const key = createAuthority(host);
    const invitations = memoryInvitations();
    const honest = joinServer({
      host,
      invitations,
      authority: async () => authority,
      authorities: () => [authority.certificate, key.certificate],
      admit: async () => Buffer.alloc(100_000, 'p'),
    });
    const listener = await transportOf(credentialsOf('first')).listen('127.0.0.1:0', async () => ({ head: empty }), {
      join: async (call) => {
        const { head, body = [] } = await honest(call);
        const changed = Buffer.concat(body);
        changed[changed.length - 1] = (changed.at(-1) as number) ^ 1;
        return { head, body: [changed] };
      },
    });
    const invitation = { host, store: invitations, address: listener.address, authority: authority.certificate };
    const { line } = await createInvitation(invitation);
    await assert.rejects(joinCluster({ line, node: 'n', host }), IdentityError);
  });

  it('refuses to give more than a bound, and needs a listener that takes joiners', async () => {
    const { invite } = await cluster({ payload: Buffer.alloc(limits.joinPayloadBytes + 1) });
    await assert.rejects(
      joinCluster({ line: await invite(), node: 'n', host }),
      (cause) => cause instanceof StoreError && cause.code === 'InternalError',
    );
    const plain = await transportOf(credentialsOf('first')).listen('127.0.0.1:0', async () => assert.fail('served'));
    const line = formatInvitation({ ...parseInvitation(await invite()), address: plain.address });
    await assert.rejects(joinCluster({ line, node: 'n', host }), StoreError);
  });
});

describe('invitations', () => {
  it('read what they wrote, and nothing else', () => {
    const bytes = (length: number) =>
      fc.uint8Array({ minLength: length, maxLength: length }).map((b) => Buffer.from(b));
    const address = fc.constantFrom('10.0.0.1:7400', '[::1]:7400', 'node-1.example:1', '10.0.0.1:7400,10.0.0.2:7400');
    const seconds = fc.integer({ min: 0, max: 2 ** 36 });
    fc.assert(
      fc.property(address, bytes(32), bytes(16), bytes(32), seconds, (where, hash, id, secret, second) => {
        const invitation = { address: where, authorityHash: hash, id, secret, untilMs: second * 1000 };
        const line = formatInvitation(invitation);
        assert.deepEqual(parseInvitation(` ${line}\n`), invitation);
        for (let cut = 0; cut < line.length - 12; cut++)
          assert.throws(() => parseInvitation(line.slice(0, cut)), InvitationError, String(cut));
        assert.throws(() => parseInvitation(line.replace(/dsom-join:\d/, 'dsom-join:3')), /another version/);
        assert.throws(() => parseInvitation(line.replace(/dsom-join:\d/, 'dsom-join:x')), /no invitation/);
        const other = line.replace(/dsom-join:(\d)/, (_, version) => `dsom-join:${3 - Number(version)}`);
        assert.throws(() => parseInvitation(other), /no invitation/);
      }),
      { numRuns: 50 },
    );
  });

  it('that have expired are not even tried', async () => {
    const line = formatInvitation({
      address: '127.0.0.1:1',
      authorityHash: Buffer.alloc(32),
      id: Buffer.alloc(16),
      secret: Buffer.alloc(32),
      untilMs: host.clock.now() - limits.clockSkewMs - 1000,
    });
    await assert.rejects(joinCluster({ line, node: 'n', host }), InvitationError);
  });

  it('in memory are bounded, and taken once', async () => {
    const store = memoryInvitations();
    const record = (i: number) => ({ id: `i${i}`, secretHash: Buffer.alloc(32), untilMs: 1 });
    for (let i = 0; i <= limits.invitations; i++) await store.add(record(i));
    assert.equal(await store.find('i0'), undefined);
    assert.ok(await store.find('i1'));
    assert.deepEqual([await store.take('i1'), await store.take('i1')], [true, false]);
    assert.equal(await store.find('i1'), undefined);
  });
});
