/* The time by which retentions run out: a clock that is set forward or back makes none of them shorter. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { limits } from '../limits.ts';
import { LockClock } from './lock-clock.ts';
import { at, code, day, lock, lockingBucket, put, remove, retained } from './locks.support.ts';
import type { ObjectVersion } from './machine/records.ts';
import { Rig } from './rig.support.ts';

/** Sets the wall clock of a rig ahead of what passes. */
function shiftedRig(rig: Rig): { ms: number } {
  const shift = { ms: 0 };
  const { clock } = rig.host;
  const now = clock.now.bind(clock);
  Object.assign(clock, { now: () => now() + shift.ms });
  return shift;
}

describe('a clock that is set forward', () => {
  it('ends no retention before its time has passed, and says why', async () => {
    const rig = await Rig.open();
    const shift = shiftedRig(rig);
    const bucket = await lockingBucket(rig);
    const version = await put(rig, bucket, 'k', retained('COMPLIANCE', rig.host.clock.now() + 10 * day));
    shift.ms = 3650 * day;
    assert.equal(await remove(rig, bucket, 'k', version), 'AccessDenied');
    const items = [{ key: Buffer.from('k'), version, guard: undefined }];
    const { results } = await rig.do({ type: 'object.delete', bucket, owner: 'o', items }, 'deleted');
    assert.match(results[0]!.error!.message, /not by the time that its log vouches for: docs\/object-lock\.md/);
    const shorter = retained('COMPLIANCE', rig.host.clock.now() - day);
    await assert.rejects(lock(rig, bucket, 'k', version, shorter), code('InvalidArgument'));
    await assert.rejects(lock(rig, bucket, 'k', version, { retention: null }, true), code('AccessDenied'));
    // Nor do writes move the time that the log vouches for.
    for (let i = 0; i < 5; i++) await put(rig, bucket, 'other');
    assert.equal(await remove(rig, bucket, 'k', version), 'AccessDenied');
    rig.host.advance(10 * day - 1);
    await put(rig, bucket, 'other');
    assert.equal(await remove(rig, bucket, 'k', version), 'AccessDenied');
    rig.host.advance(1);
    assert.equal(await remove(rig, bucket, 'k', version), undefined);
  });

  it('before a start is believed for as long as a store may have stood still', async () => {
    const rig = await Rig.open();
    const shift = shiftedRig(rig);
    const bucket = await lockingBucket(rig);
    const start = rig.host.clock.now();
    const near = await put(rig, bucket, 'near', retained('COMPLIANCE', start + limits.lockClockGapMs));
    const far = await put(rig, bucket, 'far', retained('COMPLIANCE', start + limits.lockClockGapMs + 1));
    shift.ms = 3650 * day;
    await rig.crash();
    assert.equal(await remove(rig, bucket, 'near', near), undefined);
    assert.equal(await remove(rig, bucket, 'far', far), 'AccessDenied');
    rig.host.advance(1);
    assert.equal(await remove(rig, bucket, 'far', far), undefined);
  });
});

describe('a clock that is set back', () => {
  it('gives no new version less than its bucket says', async () => {
    const rig = await Rig.open();
    const shift = shiftedRig(rig);
    const bucket = await lockingBucket(rig, { byDefault: { mode: 'COMPLIANCE', unit: 'days', count: 5 } });
    rig.host.advance(30 * day);
    await put(rig, bucket, 'noted');
    const late = rig.host.clock.now();
    shift.ms = -3650 * day;
    await rig.crash();
    await put(rig, bucket, 'k');
    const { retention } = at(rig, bucket, 'k') as ObjectVersion;
    assert.ok(retention!.untilMs >= late + 5 * day, `${retention!.untilMs - late}`);
  });
});

describe('the time of locks', () => {
  it('is never before what the log says, and goes no faster than time passes, whatever the wall clock says', () => {
    const steps = fc.array(fc.record({ passes: fc.nat(10_000), wall: fc.nat(4e12), notes: fc.boolean() }));
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 3e12 }), steps, (logged, all) => {
        let monotonic = 5;
        const clock = new LockClock({ now: () => 0, monotonic: () => monotonic });
        let noted = logged;
        for (const [index, { passes, wall, notes }] of all.entries()) {
          monotonic += passes;
          const now = clock.now(wall, noted);
          assert.ok(now >= noted && now <= first(all, logged) + elapsed(all, index));
          if (notes) noted = now;
        }
      }),
      { numRuns: 500 },
    );
  });
});

const first = (all: readonly { readonly wall: number }[], logged: number): number =>
  Math.max(logged, Math.min(all[0]!.wall, logged + limits.lockClockGapMs));
const elapsed = (all: readonly { readonly passes: number }[], index: number): number =>
  all.slice(1, index + 1).reduce((sum, { passes }) => sum + passes, 0);
