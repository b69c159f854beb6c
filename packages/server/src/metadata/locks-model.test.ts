/* Random histories of locked versions, against a few rules that were written from what AWS documents. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { lookingFor } from '../host/patience.support.ts';
import { at, code, configure, day, denied, lock, lockingBucket, put, remove } from './locks.support.ts';
import type { ObjectVersion, Retention } from './machine/records.ts';
import { Rig } from './rig.support.ts';
import { ShardedRig } from './sharded/rig.support.ts';

interface Known {
  readonly version: ObjectVersion;
  retention: Retention | undefined;
  held: boolean;
}

const step = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      does: fc.constant('put' as const),
      key: fc.nat(3),
      mode: fc.nat(2),
      days: fc.integer({ min: 1, max: 6 }),
      held: fc.boolean(),
    }),
  },
  {
    weight: 6,
    arbitrary: fc.record({ does: fc.constant('remove' as const), which: fc.nat(50), bypasses: fc.boolean() }),
  },
  { weight: 2, arbitrary: fc.record({ does: fc.constant('mark' as const), key: fc.nat(3) }) },
  {
    weight: 4,
    arbitrary: fc.record({
      does: fc.constant('retain' as const),
      which: fc.nat(50),
      mode: fc.nat(2),
      days: fc.integer({ min: 0, max: 6 }),
      bypasses: fc.boolean(),
    }),
  },
  { weight: 2, arbitrary: fc.record({ does: fc.constant('hold' as const), which: fc.nat(50), held: fc.boolean() }) },
  { weight: 2, arbitrary: fc.record({ does: fc.constant('wait' as const), days: fc.nat(3) }) },
  { weight: 1, arbitrary: fc.record({ does: fc.constant('default' as const), days: fc.nat(3) }) },
  { weight: 1, arbitrary: fc.record({ does: fc.constant('crash' as const) }) },
);
const modeOf = (number: number): Retention['mode'] | undefined =>
  (['GOVERNANCE', 'COMPLIANCE', undefined] as const)[number];

describe('locks in random histories', () => {
  /** Written from what AWS documents of object lock, not from the machine. */
  const mayGo = ({ retention, held }: Known, now: number, bypasses: boolean): boolean =>
    !held && (!retention || retention.untilMs <= now || (retention.mode === 'GOVERNANCE' && bypasses));

  for (const shards of [0, 3])
    it(`hold with ${shards} object shards`, { timeout: 240_000 }, () =>
      fc.assert(
        fc.asyncProperty(fc.array(step, { minLength: 15, maxLength: 40 }), async (steps) => {
          const rig = shards === 0 ? await Rig.open() : await ShardedRig.start(shards);
          const clock = () => (rig instanceof ShardedRig ? rig.each[1]! : rig).host.clock.now();
          const advance = (ms: number) => {
            for (const each of rig instanceof ShardedRig ? rig.each : [rig]) each.host.advance(ms);
          };
          const bucket = await lockingBucket(rig);
          const known = new Map<string, Known & { readonly key: string }>();
          let byDefault = 0;
          const pick = (which: number) => [...known.values()][which % Math.max(1, known.size)];
          for (const one of steps) {
            const now = clock();
            if (one.does === 'put') {
              const mode = modeOf(one.mode);
              const given = mode && { mode, untilMs: now + one.days * day };
              const key = `k${one.key}`;
              const version = await put(rig, bucket, key, {
                ...(given && { retention: given }),
                ...(one.held && { legalHold: true }),
              });
              const fallback =
                byDefault > 0 ? ({ mode: 'GOVERNANCE', untilMs: now + byDefault * day } as const) : undefined;
              known.set(String(version.sequence), { key, version, retention: given ?? fallback, held: one.held });
            } else if (one.does === 'mark') await remove(rig, bucket, `k${one.key}`);
            else if (one.does === 'wait') advance(one.days * day);
            else if (one.does === 'crash') await rig.crash();
            else if (one.does === 'default') {
              byDefault = one.days;
              await configure(
                rig,
                one.days > 0 ? { byDefault: { mode: 'GOVERNANCE', unit: 'days', count: one.days } } : {},
              );
            } else {
              const found = pick(one.which);
              if (!found) continue;
              const { key, version } = found;
              if (one.does === 'remove') {
                const gone = mayGo(found, now, one.bypasses);
                assert.equal(await remove(rig, bucket, key, version, one.bypasses), gone ? undefined : 'AccessDenied');
                if (gone) known.delete(String(version.sequence));
              } else if (one.does === 'hold') {
                await lock(rig, bucket, key, version, { legalHold: one.held });
                found.held = one.held;
              } else {
                const mode = modeOf(one.mode);
                const next = mode ? { mode, untilMs: now + one.days * day } : null;
                const { retention } = found;
                const binds = retention !== undefined && retention.untilMs > now;
                const longer = next?.mode === retention?.mode && (next?.untilMs ?? 0) >= (retention?.untilMs ?? 0);
                const may = !binds || longer || (retention.mode === 'GOVERNANCE' && one.bypasses);
                const tried = lock(rig, bucket, key, version, { retention: next }, one.bypasses);
                if (next && next.untilMs <= now) await assert.rejects(tried, code('InvalidArgument'));
                else if (!may) await assert.rejects(tried, denied);
                else {
                  await tried;
                  found.retention = next ?? undefined;
                }
              }
            }
            for (const { key, version, retention, held } of known.values()) {
              const found = at(rig, bucket, key, version);
              assert.ok(found?.kind === 'object', `${one.does} took a version away`);
              assert.deepEqual([found.retention, found.legalHold ?? false], [retention, held]);
            }
          }
        }),
        { numRuns: shards === 0 ? 120 : 60, ...lookingFor(40_000) },
      ),
    );
});
