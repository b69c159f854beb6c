/*
 * Object lock. In words: a version that is held, or retained for longer than now, is not taken away, by whatever command and whoever asks, but
 * for governance where the command bypasses it; compliance is never made less; what cannot be read counts as locked.
 */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { CorruptionError } from '../errors.ts';
import { limits } from '../limits.ts';
import { at, code, configure, day, denied, lock, lockingBucket, put, remove, retained } from './locks.support.ts';
import { yearsLater } from './machine/calendar.ts';
import { configurationKinds, encodeConfiguration } from './machine/configurations.ts';
import { keys } from './machine/keys.ts';
import { decodeLockConfiguration, encodeLockConfiguration } from './machine/locks.ts';
import type { ObjectVersion, Retention } from './machine/records.ts';
import { encodeVersion } from './machine/versions.ts';
import { draftOf, inlinePiece, Rig } from './rig.support.ts';

describe('a bucket that locks', () => {
  it('has versioning, for good, and locks for good', async () => {
    const rig = await Rig.open();
    await lockingBucket(rig);
    assert.equal(rig.reader.bucket('bucket')?.versioning, 'enabled');
    const suspend = { type: 'bucket.update', name: 'bucket', versioning: 'suspended' } as const;
    await assert.rejects(rig.do(suspend, 'bucket'), code('InvalidBucketState', /versioning state cannot/));
    await rig.do({ type: 'bucket.update', name: 'bucket', versioning: 'enabled', tags: [['a', 'b']] }, 'bucket');
    const off = { type: 'bucket.configure', name: 'bucket', kind: 'objectLock', document: null } as const;
    await assert.rejects(rig.do(off, 'done'), code('InvalidBucketState', /cannot be taken off/));
    await rig.crash();
    await assert.rejects(rig.do(suspend, 'bucket'), code('InvalidBucketState'));
  });

  it('can be made of one that has versioning, and of no other', async () => {
    const rig = await Rig.open();
    await rig.bucket('bucket');
    await assert.rejects(configure(rig, {}), code('InvalidBucketState', /must be 'Enabled'/));
    await rig.do({ type: 'bucket.update', name: 'bucket', versioning: 'suspended' }, 'bucket');
    await assert.rejects(configure(rig, {}), code('InvalidBucketState'));
    await rig.do({ type: 'bucket.update', name: 'bucket', versioning: 'enabled' }, 'bucket');
    await configure(rig, {});
    const suspend = { type: 'bucket.update', name: 'bucket', versioning: 'suspended' } as const;
    await assert.rejects(rig.do(suspend, 'bucket'), code('InvalidBucketState'));
  });

  it('takes a default within its bounds only, in a form that is known', async () => {
    const rig = await Rig.open();
    await lockingBucket(rig);
    const most = { mode: 'GOVERNANCE', unit: 'days', count: limits.retentionDays } as const;
    await configure(rig, { byDefault: most });
    for (const bytes of ['', '02', '0100ff', '0101', '010100', '01010000', '0103000a', '0101020a', '010100ffff7f']) {
      const document = Buffer.from(bytes, 'hex');
      assert.throws(
        () => decodeLockConfiguration(document),
        (error) => error instanceof CorruptionError || error instanceof RangeError,
      );
      const command = { type: 'bucket.configure', name: 'bucket', kind: 'objectLock', document } as const;
      await assert.rejects(rig.do(command, 'done'), code('InvalidRequest', /start the version/));
    }
    for (const unit of ['days', 'years'] as const)
      for (const mode of ['GOVERNANCE', 'COMPLIANCE'] as const) {
        const one = { byDefault: { mode, unit, count: 100 } };
        assert.deepEqual(decodeLockConfiguration(encodeLockConfiguration(one)), one);
      }
    assert.deepEqual(decodeLockConfiguration(encodeLockConfiguration({})), {});
  });

  it('is the only one that takes locks', async () => {
    const rig = await Rig.open();
    const bucket = await rig.bucket('bucket', 'enabled');
    const missing = code('InvalidRequest', /missing Object Lock Configuration/);
    const ahead = rig.host.clock.now() + day;
    await assert.rejects(put(rig, bucket, 'k', retained('GOVERNANCE', ahead)), missing);
    await assert.rejects(put(rig, bucket, 'k', { legalHold: false }), missing);
    const version = await put(rig, bucket, 'k');
    await assert.rejects(lock(rig, bucket, 'k', version, { legalHold: true }), missing);
    await assert.rejects(lock(rig, bucket, 'k', version, retained('GOVERNANCE', ahead)), missing);
    const { headers, metadata, tags, storageClass, wrappedKey } = draftOf(1, Buffer.alloc(16));
    const about = { bucket, key: Buffer.from('k'), owner: 'o', headers, metadata, tags, storageClass, wrappedKey };
    const upload = { type: 'upload.create', ...about, checksumAlgorithm: undefined, checksumType: undefined } as const;
    await assert.rejects(rig.do({ ...upload, legalHold: true }, 'upload'), missing);
  });

  it('is deleted once nothing is in it, and its name is then that of one that does not lock', async () => {
    const rig = await Rig.open();
    const bucket = await lockingBucket(rig);
    const held = await put(rig, bucket, 'k', { legalHold: true });
    await assert.rejects(rig.do({ type: 'bucket.delete', name: 'bucket' }, 'done'), code('BucketNotEmpty'));
    await lock(rig, bucket, 'k', held, { legalHold: false });
    assert.equal(await remove(rig, bucket, 'k', held), undefined);
    await rig.do({ type: 'bucket.delete', name: 'bucket' }, 'done');
    const again = await rig.bucket('bucket', 'enabled');
    await assert.rejects(put(rig, again, 'k', { legalHold: true }), code('InvalidRequest'));
  });
});

describe('a locked version', () => {
  it('stays until its time, which is exclusive, and a marker may be put on it', async () => {
    const rig = await Rig.open();
    const bucket = await lockingBucket(rig);
    const version = await put(rig, bucket, 'k', retained('COMPLIANCE', rig.host.clock.now() + day));
    assert.equal(await remove(rig, bucket, 'k', version, true), 'AccessDenied');
    assert.equal(await remove(rig, bucket, 'k'), undefined, 'a marker');
    assert.equal(at(rig, bucket, 'k')?.kind, 'marker');
    assert.equal(await remove(rig, bucket, 'k', version, true), 'AccessDenied');
    rig.host.advance(day - 1);
    assert.equal(await remove(rig, bucket, 'k', version, true), 'AccessDenied');
    rig.host.advance(1);
    assert.equal(await remove(rig, bucket, 'k', version), undefined);
    assert.equal(at(rig, bucket, 'k', version), undefined);
  });

  it('gives way by governance to who bypasses it, and by a legal hold to nobody', async () => {
    const rig = await Rig.open();
    const bucket = await lockingBucket(rig);
    const given = retained('GOVERNANCE', rig.host.clock.now() + day);
    const version = await put(rig, bucket, 'k', { ...given, legalHold: true });
    assert.equal(await remove(rig, bucket, 'k', version, true), 'AccessDenied', 'it is held');
    await lock(rig, bucket, 'k', version, { legalHold: false });
    assert.equal(await remove(rig, bucket, 'k', version), 'AccessDenied');
    assert.equal(await remove(rig, bucket, 'k', version, true), undefined);
  });

  it('fails its own item of a deletion of many', async () => {
    const rig = await Rig.open();
    const bucket = await lockingBucket(rig);
    const free = await put(rig, bucket, 'free');
    const held = await put(rig, bucket, 'held', { legalHold: true });
    const item = (key: string, { sequence, nonce }: ObjectVersion) => ({
      key: Buffer.from(key),
      version: { sequence, nonce },
      guard: undefined,
    });
    const items = [item('held', held), item('free', free), item('held', held)];
    const { results } = await rig.do({ type: 'object.delete', bucket, owner: 'o', items }, 'deleted');
    assert.deepEqual(
      results.map(({ error }) => error?.code),
      ['AccessDenied', undefined, 'AccessDenied'],
    );
    assert.deepEqual([at(rig, bucket, 'held', held)?.kind, at(rig, bucket, 'free', free)], ['object', undefined]);
  });

  it('is retained for longer by everybody, and for less or otherwise by governance that is bypassed only', async () => {
    const rig = await Rig.open();
    const bucket = await lockingBucket(rig);
    const now = rig.host.clock.now();
    const change = (version: ObjectVersion, mode: Retention['mode'], days: number, bypasses: boolean) =>
      lock(rig, bucket, 'k', version, retained(mode, now + days * day), bypasses);
    const governed = await put(rig, bucket, 'k', retained('GOVERNANCE', now + 2 * day));
    await change(governed, 'GOVERNANCE', 3, false);
    await assert.rejects(change(governed, 'GOVERNANCE', 2, false), denied);
    await assert.rejects(change(governed, 'COMPLIANCE', 4, false), denied);
    await assert.rejects(lock(rig, bucket, 'k', governed, { retention: null }), denied);
    await change(governed, 'GOVERNANCE', 1, true);
    await lock(rig, bucket, 'k', governed, { retention: null }, true);
    assert.equal((at(rig, bucket, 'k', governed) as ObjectVersion).retention, undefined);
    await change(governed, 'COMPLIANCE', 2, false);
    for (const bypasses of [false, true]) {
      await assert.rejects(change(governed, 'COMPLIANCE', 1, bypasses), denied);
      await assert.rejects(change(governed, 'GOVERNANCE', 9, bypasses), denied);
      await assert.rejects(lock(rig, bucket, 'k', governed, { retention: null }, bypasses), denied);
    }
    await change(governed, 'COMPLIANCE', 3, false);
    await assert.rejects(
      lock(rig, bucket, 'k', governed, retained('COMPLIANCE', now)),
      code('InvalidArgument', /future/),
    );
    await assert.rejects(put(rig, bucket, 'k', retained('COMPLIANCE', now)), code('InvalidArgument', /future/));
  });

  it('says what it said: headers and metadata stay, tags may change', async () => {
    const rig = await Rig.open();
    const bucket = await lockingBucket(rig);
    const version = await put(rig, bucket, 'k', { legalHold: true });
    const { sequence, nonce } = version;
    const about = { bucket, key: Buffer.from('k'), version: { sequence, nonce }, guard: undefined };
    const set = { clear: false, set: [['a', 'b']] } as const;
    for (const change of [{ metadata: set }, { headers: { clear: false, set: [['contentType', 'x/y']] } as const }])
      await assert.rejects(rig.do({ type: 'object.annotate', ...about, change }, 'version'), denied);
    await rig.do({ type: 'object.annotate', ...about, change: { tags: set } }, 'version');
    const after = at(rig, bucket, 'k', version) as ObjectVersion;
    assert.deepEqual([after.tags, after.legalHold], [[['a', 'b']], true]);
  });

  it('of a time before versioning is not written over, should its bucket ever stop keeping versions', async () => {
    const rig = await Rig.open();
    const bucket = await rig.bucket('bucket');
    const version = await put(rig, bucket, 'k');
    // As no version of the program writes it: the row is locked, and the bucket keeps no versions.
    rig.kv.commit([[keys.object(bucket, Buffer.from('k')), encodeVersion({ ...version, legalHold: true }, false)]]);
    await assert.rejects(put(rig, bucket, 'k'), denied);
    assert.equal(await remove(rig, bucket, 'k'), 'AccessDenied');
    await rig.do({ type: 'bucket.update', name: 'bucket', versioning: 'enabled' }, 'bucket');
    await put(rig, bucket, 'k');
    await rig.do({ type: 'bucket.update', name: 'bucket', versioning: 'suspended' }, 'bucket');
    await assert.rejects(put(rig, bucket, 'k'), denied);
  });

  // RELIABILITY: RustFS GHSA-j548, object lock treats unreadable metadata as "no lock".
  it('counts as locked when its lock cannot be read (GHSA-j548)', async () => {
    const rig = await Rig.open();
    const bucket = await lockingBucket(rig);
    const version = await put(rig, bucket, 'k', retained('GOVERNANCE', rig.host.clock.now() + 1));
    const row = encodeVersion(version, false);
    // The mode is behind the bits, which are behind the (empty) headers, metadata and tags; 2 is no mode.
    const bits = row.indexOf(Buffer.from([0, 0, 0, 4]));
    row[bits + 4] = 2;
    rig.kv.commit([[keys.object(bucket, Buffer.from('k')), row]]);
    rig.host.advance(10 * day);
    assert.equal(await remove(rig, bucket, 'k', version, true), 'AccessDenied');
  });

  it('is not made where the configuration of its bucket cannot be read (GHSA-j548)', async () => {
    const rig = await Rig.open();
    const bucket = await lockingBucket(rig, { byDefault: { mode: 'COMPLIANCE', unit: 'days', count: 1 } });
    const held = await put(rig, bucket, 'k');
    const { number } = configurationKinds.objectLock;
    rig.kv.commit([[keys.configuration(bucket, number), encodeConfiguration(Buffer.from([9]))]]);
    await assert.rejects(put(rig, bucket, 'other'), code('AccessDenied', /cannot be read/));
    assert.equal(await remove(rig, bucket, 'k', held, true), 'AccessDenied');
    const suspend = { type: 'bucket.update', name: 'bucket', versioning: 'suspended' } as const;
    await assert.rejects(rig.do(suspend, 'bucket'), code('InvalidBucketState'));
    await configure(rig, {});
    await put(rig, bucket, 'other');
  });
});

describe('the default retention of a bucket', () => {
  it('is that of every new version, by the time of the owner, unless it says its own', async () => {
    const rig = await Rig.open();
    const bucket = await lockingBucket(rig, { byDefault: { mode: 'GOVERNANCE', unit: 'days', count: 3 } });
    rig.host.advance(12_345);
    const now = rig.host.clock.now();
    const byDefault = { mode: 'GOVERNANCE', untilMs: now + 3 * day };
    const own = { mode: 'COMPLIANCE', untilMs: now + 1 } as const;
    const key = Buffer.from('k');
    const first = await put(rig, bucket, 'k');
    assert.deepEqual((at(rig, bucket, 'k') as ObjectVersion).retention, byDefault);
    assert.deepEqual((await put(rig, bucket, 'own', { retention: own })).retention, own);
    assert.deepEqual((await put(rig, bucket, 'held', { legalHold: true })).retention, byDefault);
    await lock(rig, bucket, 'k', first, { retention: null }, true);
    const from = { bucket, key, version: undefined, manifest: first.manifest.id };
    const about = { bucket, owner: 'o', guard: undefined };
    const { kind: _, guk, sequence, nonce, isNull, modifiedMs, owner, manifest, ...draft } = first;
    void [guk, sequence, nonce, isNull, modifiedMs, owner, manifest];
    const { retention: __, ...bare } = draft;
    const copied = { type: 'object.share', ...about, key: Buffer.from('copy'), draft: bare, source: from } as const;
    assert.deepEqual((await rig.do(copied, 'version')).version.retention, byDefault);
    const piece = inlinePiece('more');
    const append = { type: 'object.append', ...about, key, offset: undefined, piece } as const;
    const more = draftOf(piece.size, piece.md5, { wrappedKey: first.wrappedKey });
    assert.deepEqual((await rig.do({ ...append, draft: more }, 'version')).version.retention, byDefault);
    const renew = { type: 'object.annotate', bucket, key, version: undefined, guard: undefined, renew: 'o' } as const;
    const change = { metadata: { clear: false, set: [['a', 'b']] } } as const;
    assert.deepEqual((await rig.do({ ...renew, change }, 'version')).version.retention, byDefault);
    const { headers, metadata, tags, storageClass, wrappedKey } = more;
    const begun = {
      headers,
      metadata,
      tags,
      storageClass,
      wrappedKey,
      checksumAlgorithm: undefined,
      checksumType: undefined,
    };
    for (const given of [{}, { retention: own, legalHold: true }]) {
      const create = { type: 'upload.create', bucket, key, owner: 'o', ...begun, ...given } as const;
      const { upload } = await rig.do(create, 'upload');
      await rig.do(
        { type: 'upload.part', bucket, key, upload: upload.id, number: 1, piece: inlinePiece('part') },
        'part',
      );
      const part = inlinePiece('part');
      const rest = { parts: [{ number: 1, md5: part.md5 }], etag: part.md5, size: part.size, checksum: undefined };
      const done = { type: 'upload.complete', ...about, key, upload: upload.id, ...rest } as const;
      const { version } = await rig.do(done, 'version');
      assert.deepEqual(
        [version.retention, version.legalHold],
        'retention' in given ? [own, true] : [byDefault, undefined],
      );
    }
  });

  it('is that of what is renamed, unless its own binds and goes along', async () => {
    const rig = await Rig.open();
    const bucket = await lockingBucket(rig, { byDefault: { mode: 'GOVERNANCE', unit: 'days', count: 3 } });
    const rename = async (source: string, key: string) => {
      const about = { bucket, key: Buffer.from(key), owner: 'o', guard: undefined };
      const command = {
        type: 'object.rename',
        ...about,
        source: { key: Buffer.from(source), guard: undefined },
      } as const;
      return (await rig.do(command, 'version')).version;
    };
    const now = rig.host.clock.now();
    const before = await put(rig, bucket, 'a', { ...retained('COMPLIANCE', now + day), legalHold: true });
    const moved = await rename('a', 'b');
    assert.deepEqual([moved.retention, moved.legalHold], [before.retention, true]);
    assert.equal(await remove(rig, bucket, 'a', before, true), 'AccessDenied');
    rig.host.advance(2 * day);
    const again = await rename('b', 'c');
    assert.deepEqual(again.retention, { mode: 'GOVERNANCE', untilMs: now + 5 * day });
  });

  it('counts years by the calendar', () => {
    const property = fc.property(fc.integer({ min: 0, max: 4e12 }), fc.integer({ min: 0, max: 100 }), (ms, years) => {
      const date = new Date(ms);
      date.setUTCFullYear(date.getUTCFullYear() + years);
      assert.equal(yearsLater(ms, years), date.getTime());
    });
    fc.assert(property, { numRuns: 2000 });
    assert.equal(yearsLater(Date.UTC(2024, 1, 29, 5), 1), Date.UTC(2025, 2, 1, 5));
  });
});
