import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { StoreError } from '../../errors.ts';
import { manualHost } from '../../host/index.ts';
import { limits } from '../../limits.ts';
import type { RateLimits } from '../../metadata/index.ts';
import { networkOf, RateCounters, rateMemory } from './counters.ts';
import { type Asking, RateGate, type RateTicket } from './gate.ts';

const seed = Buffer.from('seed');
const acme: Asking = { account: '111111111111', key: 'AK1', address: '10.0.0.1' };
const other: Asking = { account: '222222222222', key: 'AK2', address: '10.0.0.2' };
const nobody = (address: string): Asking => ({ account: undefined, key: undefined, address });

function rig(rates: RateLimits[], threads = 1) {
  const host = manualHost();
  const memory = rateMemory(seed);
  const gates = Array.from({ length: threads }, () => new RateGate({ rates: () => rates, memory, clock: host.clock }));
  const enter = (asking: Asking, thread = 0): RateTicket | StoreError | undefined => {
    try {
      return (gates[thread] as RateGate).enter(asking);
    } catch (error) {
      if (error instanceof StoreError) return error;
      throw error;
    }
  };
  return { host, enter };
}

const refused = (outcome: unknown): outcome is StoreError => outcome instanceof StoreError;
const limit = (subject: string, figures: Partial<RateLimits>, slot = 0): RateLimits => ({
  subject,
  slot,
  changedMs: 1000,
  ...figures,
});

describe('limits of rates', () => {
  it('let at most burst + rate × time through, over all threads, and say truly when the next one goes', () => {
    const step = fc.record({
      wait: fc.oneof(fc.nat(30), fc.nat(3000)),
      thread: fc.nat(2),
      tries: fc.integer({ min: 1, max: 40 }),
    });
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 50 }), fc.array(step, { maxLength: 60 }), (rate, steps) => {
        const { host, enter } = rig([limit('tenant/111111111111', { requestsPerSecond: rate })], 3);
        const times: number[] = [];
        for (const { wait, thread, tries } of steps) {
          host.advance(wait);
          for (let i = 0; i < tries; i++) {
            const outcome = enter(acme, thread);
            if (!refused(outcome)) {
              times.push(host.clock.monotonic());
              continue;
            }
            assert.equal(outcome.code, 'SlowDown');
            const seconds = outcome.retryAfter as number;
            assert.ok(Number.isInteger(seconds) && seconds >= 1 && seconds <= 1 + 1 / rate, `${seconds}`);
            assert.ok(!refused(enter(other, thread)), 'another tenant is let in');
          }
        }
        for (let from = 0; from < times.length; from++)
          for (let to = from; to < times.length; to++) {
            const elapsed = ((times[to] as number) - (times[from] as number)) / 1000;
            assert.ok(to - from + 1 <= rate + rate * elapsed + 1e-6, `${to - from + 1} in ${elapsed} s at ${rate}`);
          }
        host.advance(1000);
        assert.ok(!refused(enter(acme)), 'after what Retry-After says at most a token is there');
      }),
    );
  });

  it('slow bodies down to their rate, and refuse while these are too far ahead', () => {
    const rate = 1_000_000;
    const { host, enter } = rig([limit('tenant/111111111111', { bytesInPerSecond: rate, bytesOutPerSecond: rate })]);
    const ticket = enter(acme) as RateTicket;
    let moved = 0;
    for (let i = 0; i < 200; i++) {
      const late = i % 2 ? ticket.came(65_536) : ticket.came(1);
      host.advance(late);
      moved += i % 2 ? 65_536 : 1;
      assert.ok(moved <= rate + (rate * host.clock.monotonic()) / 1000 + 1e-3, `${moved}`);
    }
    assert.equal(ticket.went(1000), 0, 'the other direction has a bucket of its own');
    ticket.went(rate * 8);
    const crowded = enter(acme);
    assert.ok(refused(crowded) && /bytes/.test(crowded.message), String(crowded));
    host.advance((crowded.retryAfter as number) * 1000);
    assert.ok(!refused(enter(acme)));
  });

  it('count what is under way in all threads, also over a change of the limit', () => {
    const rates = [limit('tenant/111111111111', { concurrentRequests: 3 })];
    const { host, enter } = rig(rates, 2);
    const held = [enter(acme, 0), enter(acme, 1), enter(acme, 1)] as RateTicket[];
    assert.ok(refused(enter(acme, 0)) && refused(enter(acme, 1)));
    rates[0] = { ...(rates[0] as RateLimits), concurrentRequests: 2, changedMs: 2000 };
    host.advance(limits.rateLookMs);
    held.pop()?.leave();
    assert.ok(refused(enter(acme)));
    held.pop()?.leave();
    assert.ok(!refused(enter(acme)));
    rates.length = 0;
    host.advance(limits.rateLookMs);
    for (let i = 0; i < 9; i++) assert.equal(enter(acme), undefined);
  });

  it('of a tenant and of a key hold both, and one that refuses takes nothing from the other', () => {
    const rates = [
      limit('tenant/111111111111', { requestsPerSecond: 5, concurrentRequests: 9 }),
      limit('key/AK1', { requestsPerSecond: 2 }, 1),
    ];
    const { enter } = rig(rates);
    const ofKey = [1, 2, 3, 4].filter(() => !refused(enter(acme)));
    assert.equal(ofKey.length, 2);
    const ofTenant = [1, 2, 3, 4, 5].filter(() => !refused(enter({ ...acme, key: 'AK9' })));
    assert.equal(ofTenant.length, 3);
  });

  it('of anonymous readers hold for each network, and for IPv6 for each /64', () => {
    const { enter } = rig([limit('anonymous', { requestsPerSecond: 1 })]);
    const admitted = (address: string) => !refused(enter(nobody(address)));
    assert.ok(admitted('10.0.0.1') && !admitted('10.0.0.1') && !admitted('::ffff:10.0.0.1'));
    assert.ok(admitted('2001:db8::1') && !admitted('2001:db8::ffff:2') && !admitted('2001:db8:0:0:9::'));
    assert.ok(admitted('2001:db8:0:1::1'));
    assert.ok(!refused(enter(acme)), 'who has credentials is not anonymous');
    assert.equal(networkOf('::1'), '0:0:0:0');
  });

  it('begin anew where a slot gets another limit', () => {
    const counters = new RateCounters(rateMemory(seed), manualHost().clock);
    counters.renew(7, 5);
    counters.spend(7, 'in', 1_000_000, 1000);
    assert.ok(counters.behind(7, 'in') > 0);
    counters.renew(7, 5);
    counters.renew(7, 4);
    assert.ok(counters.behind(7, 'in') > 0, 'an older limit forgets nothing');
    counters.renew(7, 6);
    assert.equal(counters.behind(7, 'in'), 0);
  });

  it('are looked at again within the time that is promised', () => {
    const rates: RateLimits[] = [];
    const { host, enter } = rig(rates);
    enter(acme);
    rates.push(limit('tenant/111111111111', { requestsPerSecond: 1 }));
    host.advance(limits.rateLookMs);
    enter(acme);
    assert.ok(limits.rateLookMs <= 500 && refused(enter(acme)));
  });

  it('are shared by the nodes on which they are asked for: whole on one alone, and on three no more than one has', () => {
    const host = manualHost();
    const rates = [
      limit('tenant/111111111111', { requestsPerSecond: 30, concurrentRequests: 6, bytesInPerSecond: 300_000 }),
      limit('tenant/222222222222', { requestsPerSecond: 30 }, 1),
    ];
    const nodes = [1, 2, 3].map((number) => {
      const memory = rateMemory(Buffer.from([number, 0, 0, 0]));
      const counters = new RateCounters(memory, host.clock);
      return { counters, gate: new RateGate({ rates: () => rates, memory, clock: host.clock }) };
    });
    type Node = (typeof nodes)[0];
    /** What the nodes do once a second. */
    const hear = () => {
      const said = nodes.map(({ counters }) => counters.asked());
      for (const [at, { counters }] of nodes.entries())
        counters.askedElsewhere(said.filter((_, other) => other !== at));
    };
    const tryAt = (node: Node, asking = acme): RateTicket | StoreError => {
      try {
        return node.gate.enter(asking) as RateTicket;
      } catch (error) {
        return error as StoreError;
      }
    };
    const admitted = (seconds: number, at: readonly Node[], asking = acme): number => {
      let count = 0;
      for (let step = 0; step < seconds * 100; step++) {
        for (const node of at) {
          const outcome = tryAt(node, asking);
          if (refused(outcome)) continue;
          outcome.leave();
          count++;
        }
        host.advance(10);
        if (step % 100 === 99) hear();
      }
      return count;
    };
    const [first] = nodes as [Node];
    assert.ok(Math.abs(admitted(4, [first]) - (4 * 30 + 30)) <= 1, 'one node has all of it, and its burst');
    admitted(2, nodes);
    const over = admitted(10, nodes);
    assert.ok(over >= 10 * 30 - 3 && over <= 10 * 30 + 30 + 3, `${over} on three nodes in ten seconds`);
    assert.ok(Math.abs(admitted(4, [first], other) - (4 * 30 + 30)) <= 1, 'another limit is asked for on one node');
    admitted(1, nodes);
    host.advance(1000);
    const held = nodes.flatMap((node) => [1, 2, 3].map(() => tryAt(node))).filter((one) => !refused(one));
    assert.equal(held.length, 6);
    assert.match(
      (tryAt(first) as StoreError).message,
      /6 requests at the same time, of which this node has one part of 3 now/,
    );
    const late = (held[0] as RateTicket).came(300_000);
    assert.ok(late > 1900 && late < 2100, `${late} ms: a third of the rate, less a second of it`);
    host.advance(limits.rateAskedMs + 1000);
    hear();
    assert.deepEqual(
      nodes.map(({ counters }) => counters.asked()),
      [[0], [0], [0]],
      'what is under way is asked for',
    );
    for (const one of held) (one as RateTicket).leave();
    hear();
    admitted(1, [first]);
    assert.ok(Math.abs(admitted(3, [first]) - 3 * 30) <= 1, 'whole again');
  });
});
