import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { manualHost } from '../../host/index.ts';
import { limits } from '../../limits.ts';
import { FairPlaces, type Place } from './places.ts';

/** Lets everything that is resolved go on. */
const settled = async (): Promise<void> => {
  for (let i = 0; i < 8; i++) await Promise.resolve();
};

function rig() {
  const host = manualHost();
  const places = new FairPlaces(host);
  const order: string[] = [];
  const enter = (name: string, source = ''): { place?: Place; failed?: unknown } => {
    const one: { place?: Place; failed?: unknown } = {};
    const take = (place: Place) => {
      one.place = place;
      order.push(source === '' ? name : source);
    };
    try {
      const got = places.enter(name, source);
      if (got instanceof Promise) got.then(take, (error: unknown) => (one.failed = error));
      else take(got);
    } catch (error) {
      one.failed = error;
    }
    return one;
  };
  return { host, places, order, enter };
}

describe('places', () => {
  it('go to everybody in the end, whatever others do, and are all given back', async () => {
    const event = fc.record({
      who: fc.nat(4),
      what: fc.constantFrom('come', 'come', 'leave', 'pause', 'resume'),
      which: fc.nat(999),
      ms: fc.nat(200),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(event, { maxLength: 400 }), async (events) => {
        const { host, places, enter } = rig();
        const all: { place?: Place; failed?: unknown; paused?: boolean; over?: boolean }[] = [];
        const pick = (which: number) => {
          const able = all.filter((one) => one.place && !one.over);
          return able[which % Math.max(1, able.length)];
        };
        const classes = 5;
        let most = 0;
        for (let k = 1; k <= classes; k++) most += limits.placesShared / k;
        for (const { who, what, which, ms } of events) {
          host.advance(ms);
          if (what === 'come') {
            for (let i = 0; i < (who === 0 ? 20 : 1); i++) all.push(enter(`t${who}`));
          } else {
            const one = pick(which);
            if (!one) continue;
            if (what === 'pause') one.place?.pause();
            else if (what === 'resume') void one.place?.resume();
            else {
              one.over = true;
              one.place?.leave();
            }
          }
          await settled();
          const inWork = places.holders().reduce((sum, holder) => sum + holder.inWork, 0);
          assert.equal(inWork, places.inWork);
          if (new Set(places.holders().map(({ name }) => name)).size > 1 && host.clock.monotonic() < limits.sharedMs)
            assert.ok(places.inWork <= limits.placesAlone + most + classes * limits.placesOfBody);
          for (const holder of places.holders())
            assert.ok(holder.waiting === 0 || places.inWork >= limits.placesShared, 'nobody waits beside a free place');
        }
        // Whoever has a place ends some time; then nobody is left waiting.
        for (let open = true; open; ) {
          open = false;
          for (const one of all)
            if (one.place && !one.over) {
              one.over = open = true;
              one.place.leave();
            }
          await settled();
        }
        assert.ok(all.every((one) => one.over || one.failed !== undefined));
        assert.deepEqual(
          [places.inWork, places.holders().every((one) => one.inWork === 0 && one.waiting === 0)],
          [0, true],
        );
      }),
      { numRuns: 60 },
    );
  });

  it('are there at once for a tenant below his share, however many requests of another one have come', async () => {
    const { enter, places } = rig();
    const quiet = enter('quiet');
    const noisy = Array.from({ length: 300 }, () => enter('noisy'));
    assert.ok(noisy.filter((one) => one.place).length <= limits.placesShared);
    for (let i = 0; i < 3; i++) assert.ok(enter('quiet').place, 'its share is free');
    quiet.place?.leave();
    for (let i = 0; i < 40; i++) {
      const one = noisy.find(({ place }) => place) as { place?: Place };
      one.place?.leave();
      delete one.place;
      await settled();
      const again = enter('quiet');
      assert.ok(again.place);
      again.place.leave();
    }
    assert.ok(places.inWork <= 2 * limits.placesShared);
  });

  it('go round: classes by turns, and within a class its sources', async () => {
    const { enter, order, host } = rig();
    const first = Array.from({ length: limits.placesShared }, () => enter('a', 'a1'));
    enter('b', 'b0');
    host.advance(10);
    const more = Array.from({ length: limits.placesShared / 2 - 1 }, () => enter('b', 'b0'));
    order.length = 0;
    for (let i = 0; i < 6; i++) enter('a', 'a1');
    for (let i = 0; i < 2; i++) enter('a', 'a2');
    for (let i = 0; i < 4; i++) enter('b', 'b1');
    const half = limits.placesShared / 2;
    for (const one of [...first.slice(half), ...first.slice(0, half).flatMap((one, at) => [one, more[at]])]) {
      one?.place?.leave();
      await settled();
    }
    assert.deepEqual(
      order.filter((source) => source.startsWith('a')),
      ['a1', 'a2', 'a1', 'a2', 'a1', 'a1', 'a1', 'a1'],
    );
    assert.equal(order.slice(0, 8).filter((source) => source === 'b1').length, 4);
  });

  it('are as many as a tenant who is alone can use, until another one comes', async () => {
    const { enter, places, host } = rig();
    const alone = Array.from({ length: limits.placesAlone + 5 }, () => enter('a'));
    assert.equal(places.inWork, limits.placesAlone);
    const other = enter('b');
    assert.ok(other.place);
    other.place.leave();
    for (const one of alone.slice(0, 100)) one.place?.leave();
    await settled();
    assert.equal(places.holders()[0]?.waiting, 5, 'others are about');
    host.advance(limits.sharedMs);
    alone[100]?.place?.leave();
    await settled();
    assert.equal(places.holders()[0]?.waiting, 0);
  });

  it('are not held by what waits for its client', async () => {
    const { enter, places } = rig();
    enter('b').place?.leave();
    const slow = Array.from({ length: 100 }, () => {
      const one = enter('a');
      one.place?.pause();
      one.place?.pause();
      return one;
    });
    assert.equal(places.inWork, 0);
    const all = slow.map(async (one) => one.place?.resume());
    assert.equal(places.inWork, limits.placesShared);
    const bodies = limits.placesShared / limits.placesOfBody;
    for (const one of slow.slice(0, bodies)) one.place?.leave();
    await Promise.all(all.slice(0, 2 * bodies));
    // Gone while they waited: their places go on to others.
    for (const one of slow.slice(bodies)) one.place?.leave();
    await Promise.all(all);
    assert.equal(places.inWork, 0);
  });

  it('are refused beyond what may wait, and after a time; others are not refused then', async () => {
    const { enter, host } = rig();
    enter('b').place?.leave();
    const all = Array.from({ length: limits.placesShared + limits.waitingRequests }, () => enter('a'));
    assert.ok(all.every(({ failed }) => failed === undefined));
    assert.match(String(enter('a').failed), /reduce your request rate/);
    assert.ok(enter('b').place);
    host.advance(limits.placeWaitMs);
    await settled();
    assert.equal(all.filter(({ failed }) => failed !== undefined).length, limits.waitingRequests);
  });
});
