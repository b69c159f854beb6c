import assert from 'node:assert/strict';
import { EventEmitter, once } from 'node:events';
import http, { type ServerResponse } from 'node:http';
import net, { type AddressInfo, type Socket } from 'node:net';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { RateGate, rateMemory } from '../../access/index.ts';
import { StoreError } from '../../errors.ts';
import { manualHost } from '../../host/index.ts';
import { limits } from '../../limits.ts';
import type { RateLimits } from '../../metadata/index.ts';
import { Connections, type Shortage } from './connections.ts';
import { TenantConnections } from './tenant-connections.ts';

/** A connection as far as its share is concerned. */
class FakeSocket extends EventEmitter {
  readonly remoteAddress: string;
  readonly response = { writableFinished: false };
  alive = true;
  destroyed = false;
  constructor(address: string) {
    super();
    this.remoteAddress = address;
  }
  destroy(): void {
    this.alive = false;
    this.destroyed = true;
    this.emit('close');
  }
}
const asSocket = (one: FakeSocket) => one as unknown as Socket;

describe('connections', () => {
  it('of networks that come and go: none has more than its share, and only one that works keeps somebody new out', async () => {
    const most = 12;
    const step = fc.record({
      what: fc.constantFrom('open', 'open', 'open', 'work', 'answer', 'close'),
      from: fc.constantFrom('10.0.0.1', '10.0.0.2', '10.0.0.3', '10.0.0.4', '10.9.9.9'),
      which: fc.nat(30),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 150, size: 'max' }), (steps) => {
        let shortages: Shortage[] = [];
        const connections = new Connections({
          most,
          trusts: (address) => address === '10.9.9.9',
          onShortage: (what) => shortages.push(what),
        });
        let open: FakeSocket[] = [];
        const working = new Set<FakeSocket>();
        for (const { what, from, which } of steps) {
          const one = open[which % Math.max(1, open.length)];
          const of = (address: string) => open.filter(({ remoteAddress }) => remoteAddress === address);
          if (what === 'close') one?.destroy();
          if (what === 'work' && one) {
            working.add(one);
            one.response.writableFinished = false;
            connections.used(asSocket(one), one.response as ServerResponse);
          }
          if (what === 'answer' && one && working.delete(one)) one.response.writableFinished = true;
          if (what === 'open') {
            const [mine, free] = [of(from).length, most - open.length];
            const largest = Math.max(
              ...['10.0.0.1', '10.0.0.2', '10.0.0.3', '10.0.0.4'].map((address) => of(address).length),
            );
            const before = open;
            const largestWorks = ['10.0.0.1', '10.0.0.2', '10.0.0.3', '10.0.0.4'].some(
              (address) => of(address).length === largest && of(address).every((other) => working.has(other)),
            );
            shortages = [];
            const socket = new FakeSocket(from);
            const taken = connections.add(asSocket(socket));
            assert.equal(taken, socket.alive);
            const gone = before.filter(({ alive }) => !alive);
            const short = from !== '10.9.9.9' && mine > 0 && mine >= limits.connectionsPerFree * free;
            if (!short && free > 0) assert.ok(taken && gone.length === 0 && shortages.length === 0, 'there is a place');
            else {
              assert.deepEqual(shortages, [taken ? 'displaced' : 'refused']);
              assert.equal(gone.length, taken ? 1 : 0);
              for (const victim of gone) {
                assert.ok(!working.has(victim) && victim.remoteAddress !== '10.9.9.9');
                if (short) assert.equal(victim.remoteAddress, from);
                else assert.ok(of(victim.remoteAddress).length === largest || largestWorks, 'of whoever has most');
              }
              const mayGive = before.filter(({ remoteAddress: of }) => (short ? of === from : of !== '10.9.9.9'));
              if (!taken)
                assert.ok(
                  mayGive.every((other) => working.has(other)),
                  'all of them work',
                );
            }
            if (taken) open = [...open, socket];
          }
          open = open.filter(({ alive }) => alive);
          assert.equal(connections.size, open.length);
          assert.ok(open.length <= most);
        }
      }),
    );
  });

  it('whose request was answered longest ago gives way first, then one without any; one network leaves a quarter', () => {
    const connections = new Connections({ most: 8, trusts: () => false });
    const own = Array.from({ length: 6 }, () => new FakeSocket('10.0.0.1'));
    for (const one of own) assert.ok(connections.add(asSocket(one)));
    const [a, b, c] = own as [FakeSocket, FakeSocket, FakeSocket];
    for (const one of [b, a, c]) connections.used(asSocket(one), one.response as ServerResponse);
    b.response.writableFinished = true;
    a.response.writableFinished = true;
    const gone: FakeSocket[] = [];
    for (let i = 0; i < 5; i++) {
      connections.add(asSocket(new FakeSocket('::ffff:10.0.0.1')));
      gone.push(...own.filter((one) => !one.alive && !gone.includes(one)));
    }
    assert.deepEqual(
      gone.map((one) => own.indexOf(one)),
      [1, 0, 3, 4, 5],
    );
    assert.ok(c.alive, 'its request is under way');
    assert.equal(connections.size, 6);
    for (const address of ['10.0.0.2', '10.0.0.3']) assert.ok(connections.add(asSocket(new FakeSocket(address))));
  });

  // CVE-2020-1700, CVE-2019-3821: clients that stayed away held what others needed.
  it('over a real server: idle ones of one address give way to another one, and go on until then', async () => {
    const connections = new Connections({ most: 4, trusts: () => false });
    const server = http.createServer((request, response) => {
      connections.used(request.socket, response);
      response.end('x');
    });
    server.on('connection', (socket) => void connections.add(socket));
    await once(server.listen(0, '0.0.0.0'), 'listening');
    const { port } = server.address() as AddressInfo;
    const connect = async (localAddress: string): Promise<Socket> => {
      const socket = net.connect({ port, host: '127.0.0.1', localAddress });
      await once(socket, 'connect');
      return socket.on('error', () => {});
    };
    const ask = async (socket: Socket): Promise<string> => {
      socket.write('GET / HTTP/1.1\r\nhost: x\r\n\r\n');
      const [bytes] = (await once(socket, 'data')) as [Buffer];
      return bytes.toString('latin1', 0, 12);
    };
    const noisy = [await connect('127.0.0.1')];
    for (let i = 0; i < 2; i++) noisy.push(await connect('127.0.0.1'));
    for (const one of noisy) assert.equal(await ask(one), 'HTTP/1.1 200');
    const first = once(noisy[0] as Socket, 'close');
    noisy.push(await connect('127.0.0.1'));
    await first;
    assert.equal(await ask(noisy[1] as Socket), 'HTTP/1.1 200');
    const quiet = await connect('127.0.0.2');
    assert.equal(await ask(quiet), 'HTTP/1.1 200');
    const second = once(noisy[2] as Socket, 'close');
    const another = await connect('127.0.0.3');
    await second;
    assert.equal(await ask(another), 'HTTP/1.1 200');
    for (const one of [...noisy, quiet, another]) one.destroy();
    server.close();
    await once(server, 'close');
    // The last ones say so after the server does.
    while (connections.size > 0) await new Promise((resolve) => setImmediate(resolve));
  });
});

describe('connections of tenants with a limit of them', () => {
  const tenants = ['111111111111', '222222222222', '333333333333'] as const;
  const step = fc.oneof(
    { weight: 8, arbitrary: fc.record({ what: fc.constant('ask' as const), which: fc.nat(19), tenant: fc.nat(2) }) },
    { weight: 2, arbitrary: fc.record({ what: fc.constant('close' as const), which: fc.nat(19) }) },
    { weight: 1, arbitrary: fc.record({ what: fc.constant('limit' as const), tenant: fc.nat(2), most: fc.nat(5) }) },
  );

  it('count for whom they asked last, once, until they are closed, over all threads, and only what is too many is refused', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 120, size: 'max' }), (steps) => {
        const host = manualHost();
        const memory = rateMemory(Buffer.from('seed'));
        let rates: RateLimits[] = [];
        let refusals = 0;
        const threads = [0, 1].map(() => {
          const options = { rates: () => rates, memory, clock: host.clock, onRefused: () => refusals++ };
          return new TenantConnections(new RateGate(options));
        });
        /** The even ones are of the first thread. */
        const sockets = Array.from({ length: 20 }, () => new FakeSocket('10.0.0.1'));
        /** The model: whose each connection is, where it counts. */
        const owners = new Map<FakeSocket, string>();
        const most = new Map<string, number>();
        const held = (tenant: string) => [...owners.values()].filter((owner) => owner === tenant).length;
        for (const one of steps) {
          if (one.what === 'limit') {
            const tenant = tenants[one.tenant] as string;
            if (one.most === 0) most.delete(tenant);
            else most.set(tenant, one.most);
            rates = tenants.flatMap((name, slot) => {
              const connections = most.get(name);
              return connections === undefined ? [] : [{ subject: `tenant/${name}`, slot, changedMs: 1, connections }];
            });
            host.advance(limits.rateLookMs);
            continue;
          }
          const socket = sockets[one.which] as FakeSocket;
          if (one.what === 'close') {
            socket.destroy();
            owners.delete(socket);
            sockets[one.which] = new FakeSocket('10.0.0.1');
            continue;
          }
          const tenant = tenants[one.tenant] as string;
          const allowed = most.get(tenant);
          const fits = allowed === undefined || owners.get(socket) === tenant || held(tenant) < allowed;
          let last = false;
          const ask = () =>
            threads[one.which % 2]?.used({ socket: asSocket(socket), isLast: () => (last = true) }, tenant);
          const before = refusals;
          if (fits) ask();
          else assert.throws(ask, (error) => error instanceof StoreError && error.code === 'SlowDown');
          assert.equal(last, !fits, 'it ends with its refusal');
          assert.equal(refusals - before, fits ? 0 : 1);
          if (fits && allowed !== undefined) owners.set(socket, tenant);
          else if (fits) owners.delete(socket);
        }
        for (const tenant of tenants) {
          const open = threads.map((thread) => thread.open().get(tenant) ?? 0);
          assert.equal((open[0] as number) + (open[1] as number), held(tenant), tenant);
        }
        for (const socket of sockets) socket.destroy();
        for (const thread of threads) assert.equal(thread.open().size, 0);
      }),
    );
  });

  it('that are closed when their request has its turn are not counted: nothing would end that', () => {
    const host = manualHost();
    const rates = [{ subject: `tenant/${tenants[0]}`, slot: 0, changedMs: 1, connections: 1 }];
    const gate = new RateGate({ rates: () => rates, memory: rateMemory(Buffer.from('seed')), clock: host.clock });
    const connections = new TenantConnections(gate);
    const [gone, there] = [new FakeSocket('10.0.0.1'), new FakeSocket('10.0.0.1')];
    gone.destroy();
    for (const one of [gone, there]) connections.used({ socket: asSocket(one), isLast: assert.fail }, tenants[0]);
    assert.deepEqual([...connections.open()], [[tenants[0], 1]]);
    assert.equal(there.listenerCount('close'), 1);
  });
});
