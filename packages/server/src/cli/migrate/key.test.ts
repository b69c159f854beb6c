import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { copiedVersions } from './key.ts';
import { likelyPartBytes } from './object.ts';
import { OwnCopies } from './own.ts';
import type { Version } from './versions.ts';

const version = (etag: string, modified = 0): Version => ({ id: 'x', marker: false, etag, size: 1, modified });
const versions = (text: string) => text.split('').map((etag) => version(etag));
const same = async (one: Version, other: Version) => one.etag === other.etag;
const order = { versioned: true, overwrite: false };
const copied = (ours: string, theirs: string) => copiedVersions(order, versions(ours), versions(theirs), same);

test('the target is gone on with where its versions end', async () => {
  assert.equal(await copied('abc', ''), 0);
  assert.equal(await copied('abc', 'a'), 1);
  assert.equal(await copied('abc', 'abc'), 3);
  assert.equal(await copied('aaa', 'aa'), 2);
});

test('versions that the source has lost since stay, and are not copied again', async () => {
  assert.equal(await copied('bc', 'ab'), 1);
  assert.equal(await copied('c', 'abc'), 1);
});

test('versions that the source never had are not built upon', async () => {
  for (const [ours, theirs] of [
    ['abc', 'abx'],
    ['abc', 'x'],
    ['a', 'ab'],
    ['', 'a'],
  ] as const)
    await assert.rejects(copied(ours, theirs), { code: 'TargetDiffers' }, `${ours} ${theirs}`);
  assert.equal(await copiedVersions({ ...order, overwrite: true }, versions('abc'), versions('x'), same), 0);
});

test('whatever was lost at the source and copied before, each run ends with the newest versions of the source', () =>
  fc.assert(
    fc.asyncProperty(fc.stringMatching(/^[ab]{1,8}$/), fc.nat(8), fc.nat(8), async (all, have, lost) => {
      const theirs = all.slice(0, Math.min(have, all.length));
      const ours = all.slice(Math.min(lost, Math.max(0, theirs.length - 1)));
      const done = await copied(ours, theirs);
      assert.ok((theirs + ours.slice(done)).endsWith(ours), `${theirs} + ${ours.slice(done)} of ${ours}`);
    }),
  ));

test('without versions, what may be newer at the target stays, unless this run wrote it', async () => {
  const plain = { versioned: false, overwrite: false };
  const told = (there: number, here: number, more = {}, isOwn?: (one: Version) => boolean) =>
    copiedVersions({ ...plain, ...more }, [version('a', there)], [version('b', here)], same, isOwn);
  assert.equal(await copiedVersions(plain, [version('a', 5000)], [version('a', 9000)], same), 1);
  assert.equal(await told(5000, 4000), 0);
  // The target tells 4 s of what was written in 4.999 s.
  for (const [there, here] of [
    [4999, 4000],
    [5000, 5000],
    [5000, 6000],
  ] as const)
    await assert.rejects(told(there, here), { code: 'TargetDiffers' }, `${there} ${here}`);
  assert.equal(await told(5000, 6000, { overwrite: true }), 0);
  assert.equal(await told(5000, 6000, {}, ({ etag }) => etag === 'b'), 0);
  await assert.rejects(told(5000, 4000, { keeps: true }), { code: 'TargetDiffers' });
  // What the source calls 60 s was, by the target's clock, at 30 s.
  await assert.rejects(told(60_000, 31_000, { ahead: 30_000 }), { code: 'TargetDiffers' });
  assert.equal(await told(60_000, 20_000, { ahead: 30_000 }), 0);
});

test('of what a run wrote it knows the latest, by bytes and time', () => {
  const own = new OwnCopies(9);
  own.add('b', 'k', version('a', 5000));
  assert.ok(own.has('b', 'k', version('a', 5999)));
  for (const [bucket, key, other] of [
    ['c', 'k', version('a', 5000)],
    ['b', 'l', version('a', 5000)],
    ['b', 'k', version('b', 5000)],
    ['b', 'k', version('a', 6000)],
  ] as const)
    assert.equal(own.has(bucket, key, other), false);
  for (let more = 0; more < 9; more++) own.add('b', `${more}`, version('a'));
  assert.equal(own.has('b', 'k', version('a', 5000)), false);
  assert.ok(own.has('b', '0', version('a')));
});

test('parts whose sizes are not told are cut as clients cut them', () => {
  const MiB = 1024 * 1024;
  assert.equal(likelyPartBytes(5 * MiB + 7, 2), 5 * MiB);
  assert.equal(likelyPartBytes(20 * MiB, 3), 8 * MiB);
  assert.equal(likelyPartBytes(7 * MiB * 100, 100), 7 * MiB);
  assert.equal(likelyPartBytes(18_534_337, 4), 5 * MiB);
  assert.equal(likelyPartBytes(6 * MiB, 5), undefined, 'parts would be less than S3 takes');
  assert.equal(likelyPartBytes(100, 0), undefined);
});
