import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { CorruptionError, StoreError } from '../../errors.ts';
import { type ObjectVersion, versionScan } from '../../metadata/index.ts';
import { draftOf, inlinePiece, startUpload } from '../../metadata/rig.support.ts';
import { lifecycleArbitrary, ruleOf, tagsArbitrary } from './arbitrary.support.ts';
import { type NaiveVersion, naively } from './naive.support.ts';
import { classNames, dayMs, openPass, type PassRig } from './pass.fixture.ts';
import type { Lifecycle, LifecycleRule } from './rules.ts';

const classes = ['STANDARD', 'STANDARD_IA', 'REDUCED_REDUNDANCY', ...classNames];
const lifecycle = (...rules: LifecycleRule[]): Lifecycle => ({ minimum: 'all_storage_classes_128K', rules });
const signal = () => new AbortController().signal;

/** What is there, by key, newest first. */
function histories({ rig, bucket }: PassRig) {
  const none = Buffer.alloc(0);
  const query = { bucket, prefix: none, delimiter: none, start: none, limit: 10_000, after: undefined };
  const found = new Map<string, (NaiveVersion & { sequence: number })[]>();
  for (const item of rig.reader.listVersions(query).items) {
    if ('prefix' in item) continue;
    const { record, key } = item;
    const { sequence, isNull, modifiedMs } = record;
    const object = record.kind === 'object' ? record : undefined;
    const about = { sequence, isNull, modifiedMs, isMarker: !object, size: object?.size ?? 0 };
    const version = { ...about, storageClass: object?.storageClass ?? '', tags: object?.tags ?? [] };
    found.set(key.toString(), [...(found.get(key.toString()) ?? []), version]);
  }
  return found;
}

/** What the naive evaluator leaves of it: sequence and class of each version, `marker` for one that is made. */
function expected(open: PassRig, rules: Lifecycle, versioning: 'off' | 'enabled' | 'suspended'): string[] {
  const nowMs = open.rig.host.clock.now();
  return [...histories(open)].flatMap(([key, versions]) => {
    const actions = naively({ lifecycle: rules, versioning, key, versions, nowMs, dayMs, classes });
    const kept = versions.flatMap((version, at) => {
      const action = actions[at] as string;
      if (action === 'remove' || action === 'marker') return [];
      if (action === 'expire' && (versioning === 'off' || (versioning === 'suspended' && version.isNull))) return [];
      const storageClass = action.startsWith('→') ? action.slice(1) : version.storageClass;
      return [{ ...version, storageClass }];
    });
    const marks = actions[0] === 'expire' && versioning !== 'off';
    const left = marks && versioning === 'suspended' ? kept.filter(({ isNull }) => !isNull) : kept;
    const texts = left.map(
      ({ sequence, isMarker, storageClass }) => `${key} ${sequence} ${isMarker ? 'm' : storageClass}`,
    );
    return marks ? [`${key} marker`, ...texts] : texts;
  });
}

const newest = (open: PassRig, before: ReadonlySet<number>): string[] =>
  open
    .versions()
    .map(({ key, sequence, isMarker, storageClass }) =>
      before.has(sequence) ? `${key} ${sequence} ${isMarker ? 'm' : storageClass}` : `${key} marker`,
    );

const step = fc.record({
  key: fc.constantFrom('a', 'ab', 'abc', 'b', 'a/b'),
  what: fc.constantFrom('put', 'put', 'put', 'delete', 'tag'),
  size: fc.constantFrom(0, 100, 131_071, 131_072, 1_000_000),
  tags: tagsArbitrary,
  storageClass: fc.constantFrom('STANDARD', 'STANDARD_IA', 'COLD', 'GLACIER'),
  afterMs: fc.integer({ min: 1, max: 900 }),
});

describe('the pass of the lifecycle', () => {
  it('leaves of random histories, day after day, what the naive evaluator leaves', async () => {
    await fc.assert(
      fc.asyncProperty(
        lifecycleArbitrary,
        fc.constantFrom('off' as const, 'enabled' as const, 'suspended' as const),
        fc.array(fc.array(step, { maxLength: 6 }), { minLength: 2, maxLength: 8 }),
        async (rules, versioning, days) => {
          const open = await openPass(versioning);
          const { rig, bucket, put } = open;
          await open.rules(rules);
          for (const steps of days) {
            for (const { key, what, afterMs, ...more } of steps) {
              rig.host.advance(afterMs);
              if (what === 'put') await put(key, more);
              else if (what === 'delete') await rig.remove(bucket, key);
              else {
                const tags = { clear: true, set: more.tags };
                const about = { type: 'object.annotate', bucket, key: Buffer.from(key), version: undefined } as const;
                await rig.do({ ...about, guard: undefined, change: { tags } }, 'version').catch((error: unknown) => {
                  if (!(error instanceof StoreError)) throw error;
                });
              }
            }
            const now = rig.host.clock.now();
            rig.host.advance((Math.floor(now / dayMs) + 1) * dayMs - now);
            const before = new Set(open.versions().map(({ sequence }) => sequence));
            const wanted = expected(open, rules, versioning);
            await open.pass.run(signal());
            assert.deepEqual(newest(open, before), wanted);
          }
          assert.deepEqual(open.errors, []);
        },
      ),
      { numRuns: 150 },
    );
  });

  it('runs once after each midnight, and when the rules have changed', async () => {
    const open = await openPass('off');
    await open.rules(lifecycle(ruleOf({ expiration: { days: 1 } })));
    await open.pass.run(signal());
    await open.put('a');
    await open.pass.run(signal());
    assert.equal(open.pass.totals().versions, 0, 'it was walked when it was empty');
    await open.nextDay();
    await open.nextDay();
    assert.deepEqual(open.versions(), []);
    const before = open.pass.totals();
    await open.put('a');
    await open.pass.run(signal());
    assert.deepEqual(open.pass.totals(), before);
    await open.rules(lifecycle(ruleOf({ expiration: { dateMs: 0 } })));
    await open.pass.run(signal());
    assert.equal(open.pass.totals().expired, before.expired + 1);
  });

  it('tells what it has done, thing by thing, and nothing that it has not', async () => {
    const open = await openPass('enabled');
    await open.put('a');
    await open.put('locked');
    const rule = ruleOf({ expiration: { dateMs: 0 }, noncurrentExpiration: { days: 1, newer: 0 } });
    await open.rules(lifecycle(rule));
    const { metadata } = open.rig;
    const propose = metadata.propose.bind(metadata);
    metadata.propose = (command, request) =>
      command.type === 'object.delete' && command.items.some(({ key }) => String(key) === 'locked')
        ? propose({ ...command, items: command.items.map((one) => ({ ...one, guard: { ifMatch: 'other' } })) }, request)
        : propose(command, request);
    await open.pass.run(signal());
    assert.deepEqual([open.done, open.pass.totals().expired], [[], 0], 'all of that batch were refused');
    metadata.propose = propose;
    await open.nextDay();
    assert.deepEqual(open.done.sort(), ['mark a', 'mark locked']);
    await open.nextDay();
    await open.nextDay();
    // The versions that the markers hid, then the markers that were all that was left.
    assert.deepEqual(open.done.slice(2).sort(), ['remove a', 'remove a', 'remove locked', 'remove locked']);
  });

  it('does nothing while another one leads', async () => {
    const open = await openPass('off');
    await open.rules(lifecycle(ruleOf({ expiration: { dateMs: 0 } })));
    await open.put('a');
    open.lead(false);
    await open.nextDay();
    assert.equal(open.versions().length, 1);
    open.lead(true);
    await open.pass.run(signal());
    assert.equal(open.versions().length, 0);
  });

  it('goes on where it was after the process died in its middle', async () => {
    const open = await openPass('off');
    const names = Array.from({ length: 2000 }, (_, at) => `k${String(at).padStart(5, '0')}`);
    for (const name of names) await open.put(name);
    await open.rules(lifecycle(ruleOf({ expiration: { days: 100 } })));
    const stop = new AbortController();
    // The walk looks at the clock between its steps: it is stopped behind one of them.
    let looks = 0;
    const { clock } = open.rig.host;
    const monotonic = clock.monotonic.bind(clock);
    clock.monotonic = () => {
      looks += 1;
      if (looks === 9) stop.abort(new Error('died'));
      return monotonic();
    };
    await assert.rejects(open.pass.run(stop.signal), /died/);
    clock.monotonic = monotonic;
    const seen = open.pass.totals().versions;
    assert.ok(seen > 0 && seen < 2000, String(seen));
    const other = open.again();
    await other.run(signal());
    assert.equal(other.totals().versions, 2000 - seen);
    const third = open.again();
    await third.run(signal());
    assert.equal(third.totals().versions, 0, 'the day is done');
    await open.nextDay();
    assert.equal(open.pass.totals().versions, seen + 2000, 'and the next one begins anew');
  });

  it('leaves what changes between the look and the deed', async () => {
    const open = await openPass('enabled');
    await open.put('overwritten');
    await open.put('tagged', { tags: [['a', '1']] });
    await open.put('left');
    const filter = { ...ruleOf({}).filter, tags: [['a', '1']] as const };
    await open.rules(
      lifecycle(
        ruleOf({ id: 'o', filter: { ...ruleOf({}).filter, prefix: Buffer.from('o') }, expiration: { dateMs: 0 } }),
        ruleOf({ filter, expiration: { dateMs: 0 } }),
      ),
    );
    const { metadata } = open.rig;
    const propose = metadata.propose.bind(metadata);
    let meddled = false;
    metadata.propose = async (command, request) => {
      if (command.type === 'object.delete' && !meddled) {
        meddled = true;
        await open.put('overwritten');
        const tags = { clear: true, set: [] };
        const about = {
          type: 'object.annotate',
          bucket: open.bucket,
          key: Buffer.from('tagged'),
          version: undefined,
        } as const;
        await propose({ ...about, guard: undefined, change: { tags } });
      }
      return propose(command, request);
    };
    await open.pass.run(signal());
    const { expired, changed } = open.pass.totals();
    assert.deepEqual([expired, changed], [0, 2]);
    assert.ok(open.versions().every(({ isMarker }) => !isMarker));
  });

  it('aborts uploads that are old enough, by their prefix', async () => {
    const open = await openPass('off');
    const { rig, bucket } = open;
    const at = (name: string) => Buffer.from(name);
    rig.host.advance(500);
    await startUpload(rig, bucket, at('tmp/old'));
    await startUpload(rig, bucket, at('kept'));
    await startUpload(rig, bucket, at('tmp0'));
    await open.rules(lifecycle(ruleOf({ abortDays: 2, filter: { ...ruleOf({}).filter, prefix: at('tmp/') } })));
    rig.host.advance(1000);
    await startUpload(rig, bucket, at('tmp/new'));
    await open.nextDay();
    await open.nextDay();
    const none = Buffer.alloc(0);
    const query = { bucket, prefix: none, delimiter: none, start: none, limit: 10, after: undefined };
    const left = rig.reader.listUploads(query).items.map((one) => ('key' in one ? one.key.toString() : ''));
    assert.deepEqual(left, ['kept', 'tmp/new', 'tmp0']);
    assert.equal(open.pass.totals().aborted, 1);
  });

  it('asks for bytes to be kept as the new class says', async () => {
    const open = await openPass('off');
    await open.put('a');
    await open.rules(lifecycle(ruleOf({ transitions: [{ when: { days: 0 }, storageClass: 'COLD' }] })));
    await open.nextDay();
    assert.equal(open.versions()[0]?.storageClass, 'COLD');
    assert.equal(open.rig.reader.setting('recode'), 'wanted');
  });

  it('tells of a bucket what it would do, and does nothing', async () => {
    const open = await openPass('enabled');
    await open.put('a');
    await open.put('a');
    await open.put('b', { size: 10 });
    await open.rules(lifecycle(ruleOf({ expiration: { dateMs: 0 }, noncurrentExpiration: { days: 1, newer: 0 } })));
    open.rig.host.advance(3 * dayMs);
    const before = open.versions();
    const told: string[] = [];
    const counts = await open.pass.bucket('bucket', true, signal(), ({ action, key }) =>
      told.push(`${action} ${key.toString()}`),
    );
    assert.deepEqual(told, ['expire a', 'remove a', 'expire b']);
    assert.deepEqual([counts.expired, counts.removed, counts.bytes, counts.versions], [2, 1, 400_010, 3]);
    assert.deepEqual(open.versions(), before);
    const done = await open.pass.bucket('bucket', false, signal(), () => undefined);
    assert.deepEqual([done.expired, done.removed], [2, 1]);
    assert.deepEqual(
      open.versions().map(({ isMarker }) => isMarker),
      [true, false, true, false],
    );
    await assert.rejects(
      open.pass.bucket('none', true, signal(), () => undefined),
      { code: 'NoSuchBucket' },
    );
    await open.rig.bucket('plain');
    await assert.rejects(
      open.pass.bucket('plain', true, signal(), () => undefined),
      { code: 'NoSuchLifecycleConfiguration' },
    );
  });

  it('never drops what is locked, until it is not', async () => {
    const open = await openPass('enabled');
    const { rig } = open;
    const about = { name: 'locked', owner: 'o', region: 'r', wrappedKey: Buffer.from('k'), locks: true };
    const { id } = (await rig.do({ type: 'bucket.create', ...about }, 'bucket')).bucket;
    const untilMs = rig.host.clock.now() + 5 * dayMs;
    const piece = inlinePiece('x');
    const put = (more: object) =>
      rig.put(id, 'k', piece, { draft: draftOf(piece.size, piece.md5, more as Parameters<typeof draftOf>[2]) });
    await put({ retention: { mode: 'GOVERNANCE', untilMs } });
    await put({ legalHold: true });
    await put({});
    await put({});
    await open.rules(lifecycle(ruleOf({ noncurrentExpiration: { days: 1, newer: 0 } })), 'locked');
    const left = () => rig.reader.bucketById(id)?.counts.versions;
    await open.nextDay();
    await open.nextDay();
    assert.equal(left(), 3, 'the third was not locked');
    const { removed, refused } = open.pass.totals();
    assert.deepEqual([removed, refused > 0], [1, true]);
    for (let day = 0; day < 6; day++) await open.nextDay();
    assert.equal(left(), 2, 'a legal hold has no end');
    assert.equal(open.pass.totals().failed, 0);
  });

  it('goes on with other buckets when the rules of one cannot be read, and with other keys when a command fails', async () => {
    const open = await openPass('off');
    const other = await open.rig.bucket('other');
    await open.rig.put(other, 'x', inlinePiece('x'));
    await open.put('a');
    const document = Buffer.from('of a later version');
    await open.rig.do({ type: 'bucket.configure', name: 'bucket', kind: 'lifecycle', document }, 'done');
    await open.rules(lifecycle(ruleOf({ expiration: { dateMs: 0 } })), 'other');
    await open.pass.run(signal());
    assert.equal(open.rig.reader.bucketById(other)?.counts.objects, 0);
    assert.deepEqual([open.versions().length, open.errors.length, open.pass.totals().failed], [1, 1, 1]);
    const { metadata } = open.rig;
    const propose = metadata.propose.bind(metadata);
    metadata.propose = (command, request) =>
      command.type === 'object.delete' ? Promise.reject(new StoreError('InvalidRequest')) : propose(command, request);
    await open.rules(lifecycle(ruleOf({ expiration: { dateMs: 0 }, abortDays: 1 })));
    await startUpload(open.rig, open.bucket, Buffer.from('up'));
    await open.nextDay();
    await open.nextDay();
    assert.deepEqual([open.versions().length, open.pass.totals().aborted], [1, 1]);
  });

  it('begins where it has left a shard that another one owned meanwhile', async () => {
    const open = await openPass('off');
    for (let at = 0; at < 300; at++) await open.put(`k${at}`);
    const other = await open.rig.bucket('other');
    await open.rig.put(other, 'x', inlinePiece('x'));
    await open.rules(lifecycle(ruleOf({ expiration: { days: 100 } })));
    await open.rules(lifecycle(ruleOf({ expiration: { days: 100 } })), 'other');
    open.leadFor(3);
    await open.pass.run(signal());
    const seen = open.pass.totals().versions;
    assert.ok(seen > 0 && seen < 300, String(seen));
    open.lead(true);
    const next = open.again();
    await next.run(signal());
    assert.equal(next.totals().versions, 301 - seen, 'what was not walked is walked, in the other bucket as well');
  });

  it('leaves a version that cannot be read, and looks at the others', async () => {
    const open = await openPass('off');
    for (const name of ['a', 'b', 'c']) await open.put(name);
    await open.rules(
      lifecycle(
        ruleOf({ expiration: { dateMs: 0 } }),
        ruleOf({ id: 't', filter: { ...ruleOf({}).filter, tags: [['a', 'b']] }, expiration: { dateMs: 0 } }),
      ),
    );
    const scan = versionScan(open.rig.kv);
    const damaged = {
      versions: (...[id, after, limit, visit]: Parameters<typeof scan.versions>) =>
        scan.versions(id, after, limit, (key, row, place) =>
          visit(
            key,
            key.toString() === 'b'
              ? Object.defineProperty(Object.create(row), 'modifiedMs', {
                  get: () => {
                    throw new CorruptionError('damaged');
                  },
                })
              : row,
            place,
          ),
        ),
    };
    const told: unknown[] = [];
    const pass = open.over(damaged, (cause) => told.push(cause));
    await pass.run(signal());
    assert.deepEqual(
      open.versions().map(({ key }) => key),
      ['b'],
    );
    assert.equal(pass.totals().failed, 1);
    assert.equal(told.length, 1);
  });

  it('takes no object whose bucket has no rules, and none of a bucket that goes meanwhile', async () => {
    const open = await openPass('off');
    const other = await open.rig.bucket('other');
    await open.rig.put(other, 'x', inlinePiece('x'));
    await open.put('a');
    await open.rules(lifecycle(ruleOf({ expiration: { dateMs: 0 } })));
    await open.nextDay();
    assert.ok((open.rig.reader.version(other, Buffer.from('x'), undefined) as ObjectVersion).size > 0);
    await open.rig.do({ type: 'bucket.delete', name: 'bucket' }, 'done');
    await open.nextDay();
  });
});
