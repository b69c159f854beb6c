/* Quotas: what is counted is what is there, and nothing but what goes beyond one is refused. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { StoreError } from '../errors.ts';
import { lookingFor } from '../host/patience.support.ts';
import { startRun } from './driven.support.ts';
import { audit } from './ledger.support.ts';
import { firstAccount } from './machine/decide-identities.ts';
import type { Quota, QuotaSubject, Usage } from './machine/quotas.ts';
import type { ModelBucket } from './model.support.ts';
import type { Metadata } from './owner.ts';
import { auditQuotas } from './quotas.support.ts';
import { completeUpload, inlinePiece, Rig, startUpload, stripedPiece } from './rig.support.ts';
import { scenario } from './scenarios.support.ts';
import { ShardedRig } from './sharded/rig.support.ts';
import type { Command } from './types.ts';

const first: QuotaSubject = { kind: 'tenant', account: firstAccount };
const ofBucket = (bucket: number): QuotaSubject => ({ kind: 'bucket', bucket });
const set = (rig: Rig, subject: QuotaSubject, quota: Quota | null) =>
  rig.do({ type: 'quota.write', subject, quota }, 'done');
const exceeded =
  (message: RegExp, detail: Record<string, string> = {}) =>
  (error: StoreError): boolean => {
    assert.equal(error.code, 'QuotaExceeded', error.message);
    assert.match(error.message, message);
    for (const [name, value] of Object.entries(detail)) assert.equal(error.detail[name], value);
    return true;
  };

/** Counted from the model alone. */
function usageOf(buckets: readonly ModelBucket[]): Usage {
  const sum = { objects: 0, bytes: 0 };
  for (const bucket of buckets) {
    const { versions, bytes } = bucket.counts();
    sum.objects += versions;
    sum.bytes += bytes;
    for (const { parts } of bucket.uploads) for (const piece of parts.values()) sum.bytes += piece.size;
  }
  return sum;
}

const quota = fc.oneof(
  fc.record({ bytes: fc.constantFrom(0, 6000, 60_000, 7_000_000, 17_000_000), objects: fc.nat(5) }),
  fc.record({ bytes: fc.constantFrom(0, 6000, 12_000, 60_000, 7_000_000, 17_000_000) }),
  fc.record({ objects: fc.nat(5) }),
);
const kinds = [
  'put',
  'putLarge',
  'delete',
  'deleteVersion',
  'deleteNewest',
  'copy',
  'rename',
  'append',
  'annotate',
  'recode',
  'versioning',
  'part',
  'complete',
  'abort',
  'crash',
  'checkpoint',
] as const;
const isBeyond = (held: Usage, { bytes = Infinity, objects = Infinity }: Quota): boolean =>
  held.bytes > bytes || held.objects > objects;

/** From now on what is written is written by one of two users, or by somebody else. */
function writeAs(rig: Rig): void {
  let turn = 0;
  const propose: Metadata['propose'] = (command, request) => {
    const writer = ['AIDA1', 'AIDA2', undefined][turn++ % 3];
    const writes = /^object.(put|share|append|annotate)$|^upload.create$/.test(command.type) && writer !== undefined;
    return inner.propose(writes ? ({ ...command, writer } as Command) : command, request);
  };
  const inner = rig.metadata;
  rig.metadata = new Proxy(inner, {
    get: (target, name) => {
      if (name === 'propose') return propose;
      const value = Reflect.get(target, name) as unknown;
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
}

describe('quotas in random histories', () => {
  for (const shards of [0, 3])
    it(`with ${shards} object shards`, { timeout: 240_000 }, () =>
      fc.assert(
        fc.asyncProperty(
          scenario(50, kinds),
          quota,
          fc.boolean(),
          fc.nat(20),
          async ({ versioning, operations }, most, ofTenant, from) => {
            const rig = shards === 0 ? await Rig.open() : await ShardedRig.start(shards);
            await rig.metadata.propose({ type: 'feature.enable', feature: 'quotas' });
            const run = await startRun(versioning, rig);
            writeAs(rig);
            const subject = ofTenant ? first : ofBucket(run.ids[0]!);
            const held = () => usageOf(ofTenant ? run.model : run.model.slice(0, 1));
            const check = () => {
              for (const [at, id] of run.ids.entries())
                assert.deepEqual(rig.reader.quotas.usage(ofBucket(id)), usageOf([run.model[at]!]));
              assert.deepEqual(rig.reader.quotas.usage(first), usageOf(run.model));
              for (const { kv } of rig instanceof ShardedRig ? rig.each : [rig]) auditQuotas(kv);
            };
            for (const [at, op] of operations.entries()) {
              if (at === from) await set(rig, subject, most);
              const before = held();
              try {
                await run.step(op);
                const after = held();
                if (at < from || op.kind.startsWith('delete')) continue;
                // What came on top kept within the quota, or nothing came.
                if (after.bytes > before.bytes) assert.ok(!isBeyond({ ...after, objects: 0 }, most));
                if (after.objects > before.objects && op.kind !== 'rename')
                  assert.ok(!isBeyond({ ...after, bytes: 0 }, most));
              } catch (error) {
                if (!(error instanceof StoreError) || error.code !== 'QuotaExceeded') throw error;
                // Without the quota it goes, and then the quota is passed by what it added.
                const refusedAt = held();
                await set(rig, subject, null);
                await run.step(op);
                await set(rig, subject, most);
                const after = held();
                assert.ok(after.bytes > refusedAt.bytes || after.objects > refusedAt.objects);
                assert.ok(isBeyond(after, most), `${JSON.stringify(op)} was refused at ${JSON.stringify(refusedAt)}`);
              }
              if (at % 8 === 7) check();
            }
            check();
            for (const { kv } of rig instanceof ShardedRig ? rig.each : [rig]) audit(kv);
          },
        ),
        { numRuns: 40, ...lookingFor(15_000) },
      ),
    );
});

describe('a quota', () => {
  it('is kept by writes of the same moment together', async () => {
    const rig = await Rig.open();
    const bucket = await rig.bucket('bucket');
    await set(rig, ofBucket(bucket), { bytes: 100 });
    const puts = Array.from({ length: 30 }, (_, i) => rig.put(bucket, `k${i}`, inlinePiece('x'.repeat(9))));
    const made = (await Promise.allSettled(puts)).filter(({ status }) => status === 'fulfilled');
    assert.equal(made.length, 11);
    assert.equal(rig.reader.quotas.usage(ofBucket(bucket)).bytes, 99);
    // What takes the place of something else needs only the difference.
    await rig.put(bucket, 'k0', inlinePiece('x'.repeat(10)));
    await assert.rejects(
      rig.put(bucket, 'k0', inlinePiece('x'.repeat(11))),
      exceeded(/bucket holds 100 of the 100 bytes .* adds 1: delete .*`dsom quota set`/, {
        Used: '100',
        Allowed: '100',
      }),
    );
  });

  it('lets everything go on that adds nothing, when it is set below what is there', async () => {
    const rig = await Rig.open();
    const bucket = await rig.bucket('bucket', 'enabled');
    const { version } = await rig.put(bucket, 'k', inlinePiece('12345'));
    await set(rig, ofBucket(bucket), { bytes: 0, objects: 0 });
    await assert.rejects(rig.put(bucket, 'other', inlinePiece('')), exceeded(/1 of the 0 objects/));
    const about = { bucket, key: Buffer.from('k'), version: undefined, guard: undefined };
    await rig.do({ type: 'object.annotate', ...about, change: { tags: { clear: true, set: [] } } }, 'version');
    assert.equal((await rig.remove(bucket, 'k')).marker, true);
    assert.deepEqual(rig.reader.quotas.usage(ofBucket(bucket)), { objects: 2, bytes: 5 });
    await rig.remove(bucket, 'k', version);
    assert.deepEqual(rig.reader.quotas.usage(ofBucket(bucket)), { objects: 1, bytes: 0 });
  });

  it('counts parts when they come, and not again when they become an object', async () => {
    const rig = await Rig.open();
    const bucket = await rig.bucket('bucket');
    // Begun before there was any quota: its parts count from the next one on.
    const upload = await startUpload(rig, bucket);
    const part = async (number: number, size: number) => {
      const piece = stripedPiece(await rig.stripes(1), size);
      await rig.do({ type: 'upload.part', bucket, key: Buffer.from('k'), upload, number, piece }, 'part');
      return piece;
    };
    const MiB = 1024 * 1024;
    const parts = [await part(1, 6 * MiB), await part(2, 5 * MiB)];
    await set(rig, ofBucket(bucket), { bytes: 20 * MiB });
    assert.equal(rig.reader.quotas.usage(ofBucket(bucket)).bytes, 0);
    await assert.rejects(part(3, 10 * MiB), exceeded(/adds 22020096/));
    parts[1] = await part(2, 6 * MiB);
    assert.equal(rig.reader.quotas.usage(ofBucket(bucket)).bytes, 12 * MiB);
    parts.push(await part(3, 8 * MiB));
    await assert.rejects(part(4, 1), exceeded(/20971520 of the 20971520 bytes/));
    auditQuotas(rig.kv);
    await completeUpload(
      rig,
      bucket,
      upload,
      parts.map((piece, at) => [at + 1, piece] as const),
    );
    assert.deepEqual(rig.reader.quotas.usage(ofBucket(bucket)), { objects: 1, bytes: 20 * MiB });
    assert.equal(rig.reader.bucket('bucket')!.counts.partBytes, 0);
    auditQuotas(rig.kv);
  });

  it('of a tenant counts all of its buckets, those that were there before too, and none of others', async () => {
    const rig = await Rig.open();
    const account = '123456789012';
    await rig.do({ type: 'account.create', account: { id: account, canonicalId: 'ab'.repeat(32), name: 't' } }, 'done');
    const make = async (name: string) => {
      const about = { owner: account, region: 'r', wrappedKey: Buffer.from('wk') };
      return (await rig.do({ type: 'bucket.create', name, ...about }, 'bucket')).bucket.id;
    };
    const [one, two, foreign] = [await make('one'), await make('two'), await rig.bucket('foreign')];
    await rig.put(one, 'k', inlinePiece('12345'));
    await rig.put(foreign, 'k', inlinePiece('1234567890'));
    const tenant: QuotaSubject = { kind: 'tenant', account };
    await set(rig, tenant, { bytes: 12 });
    assert.deepEqual(rig.reader.quotas.usage(tenant), { objects: 1, bytes: 5 });
    await rig.put(two, 'k', inlinePiece('1234567'));
    await assert.rejects(rig.put(one, 'x', inlinePiece('1')), exceeded(/tenant that owns one holds 12 of/));
    await rig.put(foreign, 'k2', inlinePiece('1'));
    await rig.remove(one, 'k');
    await rig.crash();
    await rig.put(two, 'x', inlinePiece('12345'));
    auditQuotas(rig.kv);
    for (const [bucket, key] of [
      [two, 'k'],
      [two, 'x'],
    ] as const)
      await rig.remove(bucket, key);
    for (const name of ['one', 'two']) await rig.do({ type: 'bucket.delete', name }, 'done');
    await rig.do({ type: 'account.remove', id: account }, 'done');
    assert.deepEqual([rig.reader.quotas.of(tenant), rig.reader.quotas.any()], [undefined, false]);
    auditQuotas(rig.kv);
  });

  it('of a user counts what he writes while he has one, and nobody else, until it goes', async () => {
    const rig = await Rig.open();
    const bucket = await rig.bucket('bucket', 'enabled');
    const about = { path: '/', createdMs: 0, revision: 0, tags: [], attached: [], inline: [] };
    const user = 'AIDAUSERUSERUSERUSER';
    const record = {
      ...about,
      kind: 'user',
      id: user,
      account: firstAccount,
      name: 'ann',
      boundary: undefined,
      groups: [],
      accessKeys: [],
      email: '',
    } as const;
    await rig.do({ type: 'identity.write', identity: record }, 'done');
    const subject: QuotaSubject = { kind: 'user', user };
    const usage = () => rig.reader.quotas.usage(subject);
    await rig.put(bucket, 'before', inlinePiece('123'));
    await set(rig, subject, { bytes: 10, objects: 3 });
    const { version } = await rig.put(bucket, 'k', inlinePiece('12345'), { writer: user });
    await rig.put(bucket, 'k', inlinePiece('1234567890'));
    assert.deepEqual(usage(), { objects: 1, bytes: 5 }, 'what another one writes over it is not his');
    await rig.put(bucket, 'k2', inlinePiece('1234'), { writer: user });
    await assert.rejects(
      rig.put(bucket, 'k3', inlinePiece('12'), { writer: user }),
      exceeded(/^The user who writes this has written 9 of the 10 bytes .* adds 2: /, { Quota: 'user' }),
    );
    await set(rig, subject, { bytes: 10, objects: 2 });
    await assert.rejects(
      rig.put(bucket, 'k3', inlinePiece(''), { writer: user }),
      exceeded(/2 of the 2 objects \(versions\) that his/),
    );
    await set(rig, subject, { bytes: 10, objects: 3 });
    await rig.put(bucket, 'k3', inlinePiece('12'));
    const source = { key: Buffer.from('k2'), guard: undefined };
    const place = { bucket, key: Buffer.from('moved'), owner: 'o', guard: undefined };
    await assert.rejects(rig.do({ type: 'object.rename', ...place, source }, 'version'), exceeded(/adds 4/));
    await rig.remove(bucket, 'k', version);
    assert.deepEqual(usage(), { objects: 1, bytes: 4 });
    // His version below the marker stays his, and the new name is, too.
    await rig.do({ type: 'object.rename', ...place, source }, 'version');
    assert.deepEqual(usage(), { objects: 2, bytes: 8 });
    const upload = await startUpload(rig, bucket, Buffer.from('u'));
    await rig.do({ type: 'upload.abort', bucket, key: Buffer.from('u'), upload }, 'done');
    await rig.crash();
    auditQuotas(rig.kv);
    await rig.do({ type: 'identity.remove', id: user, revision: 1 }, 'done');
    assert.deepEqual([rig.reader.quotas.of(subject), usage()], [undefined, { objects: 2, bytes: 8 }]);
    await rig.remove(bucket, 'moved', 'null');
    auditQuotas(rig.kv);
    await assert.rejects(set(rig, subject, { bytes: 1 }), (error: StoreError) => error.code === 'NoSuchEntity');
  });

  it('of a user counts the parts of his uploads, whoever sends them', async () => {
    const rig = await ShardedRig.start(2);
    await rig.metadata.propose({ type: 'feature.enable', feature: 'quotas' });
    const [one, two] = [await rig.bucket('one'), await rig.bucket('two')];
    const user = 'AIDA1';
    const subject: QuotaSubject = { kind: 'user', user };
    await set(rig, ofBucket(one), { bytes: 1_000_000 });
    writeAs(rig);
    const upload = await startUpload(rig, one);
    const piece = stripedPiece(await rig.stripes(1), 5000);
    await rig.do({ type: 'upload.part', bucket: one, key: Buffer.from('k'), upload, number: 1, piece }, 'part');
    assert.deepEqual(rig.reader.quotas.usage(subject), { objects: 0, bytes: 5000 });
    await completeUpload(rig, one, upload, [[1, piece]]);
    assert.deepEqual(rig.reader.quotas.usage(subject), { objects: 1, bytes: 5000 });
    await rig.put(two, 'k', inlinePiece('12'), { writer: user });
    for (const { kv } of rig.each) auditQuotas(kv);
  });

  it('goes with its bucket, and is refused where it says nothing or is of nobody', async () => {
    const rig = await Rig.open();
    const bucket = await rig.bucket('bucket');
    const refused = (subject: QuotaSubject, given: Quota, code: string) =>
      assert.rejects(set(rig, subject, given), (error: StoreError) => error.code === code);
    await refused(ofBucket(bucket), {}, 'InvalidArgument');
    for (const bytes of [-1, 1.5, 2 ** 53, Number.NaN]) await refused(ofBucket(bucket), { bytes }, 'InvalidArgument');
    await refused(ofBucket(bucket + 1), { bytes: 1 }, 'NoSuchBucket');
    await refused({ kind: 'tenant', account: '123456789012' }, { bytes: 1 }, 'NoSuchEntity');
    assert.equal(rig.reader.quotas.any(), false);
    await set(rig, ofBucket(bucket), { objects: 3 });
    assert.deepEqual(rig.reader.quotas.of(ofBucket(bucket)), { objects: 3 });
    await rig.do({ type: 'bucket.delete', name: 'bucket' }, 'done');
    assert.equal(rig.reader.quotas.any(), false);
  });
});

describe('a quota of a bucket over several shards', () => {
  it('counts what the others hold as well, and waits for a shard that is not open here', async () => {
    const rig = await ShardedRig.start(4);
    const bucket = await rig.bucket('spread');
    await set(rig, ofBucket(bucket), { objects: 10 });
    let made = 0;
    for (let i = 0; i < 40; i++)
      await rig.put(bucket, `k${i}`, inlinePiece('x')).then(
        () => made++,
        (error: StoreError) => assert.equal(error.code, 'QuotaExceeded'),
      );
    assert.equal(made, 10);
    rig.close(2);
    const shut = Array.from({ length: 20 }, (_, i) => `n${i}`).find(
      (key) => rig.reader.shardOf(bucket, Buffer.from(key)) === 1,
    )!;
    await assert.rejects(
      rig.put(bucket, shut, inlinePiece('x')),
      (error: StoreError) => error.code === 'ServiceUnavailable',
    );
  });

  it('is passed by one write of each other shard at most, however many are written at the same moment', async () => {
    const rig = await ShardedRig.start(4);
    const bucket = await rig.bucket('spread');
    await set(rig, first, { objects: 10 });
    await Promise.allSettled(Array.from({ length: 200 }, (_, i) => rig.put(bucket, `k${i}`, inlinePiece('x'))));
    const { objects } = rig.reader.quotas.usage(first);
    assert.ok(objects >= 10 && objects <= 10 + 3, `${objects}`);
    await assert.rejects(rig.put(bucket, 'one more', inlinePiece('x')), exceeded(/holds \d+ of the 10 objects/));
  });
});
