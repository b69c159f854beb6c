import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { StoreError } from '../../errors.ts';
import { limits } from '../../limits.ts';
import type { Command, Proposer } from '../../metadata/index.ts';
import { codeOf, openService } from '../../objects/service.fixture.ts';
import { noise } from '../../objects/stripes.fixture.ts';
import { finishRenames, keepRenames } from './renames.ts';

/** A service over shards, an object in one of them, and a name in another. */
async function renaming() {
  const lost = { after: '' };
  /** Whoever renames dies before, or right after, a step. */
  const service = await openService({
    shards: 2,
    through: (proposer: Proposer): Proposer => ({
      async propose(command: Command, request?: Buffer) {
        if (lost.after === 'gone') throw new StoreError('ServiceUnavailable');
        const outcome = await proposer.propose(command, request);
        if (command.type !== lost.after) return outcome;
        lost.after = 'gone';
        throw new StoreError('ServiceUnavailable');
      },
    }),
  });
  const { id } = await service.objects.createBucket({ name: 'bucket', owner: 'o', region: 'r' });
  const { reader } = service.metadata;
  const shard = reader.shardOf(id, Buffer.from('old'));
  const key = Array.from({ length: 40 }, (_, i) => `new${i}`).find(
    (one) => reader.shardOf(id, Buffer.from(one)) !== shard,
  )!;
  const rename = (token?: string) =>
    service.objects.rename({
      bucket: 'bucket',
      key: Buffer.from(key),
      owner: 'o',
      guard: undefined,
      source: { key: Buffer.from('old'), guard: undefined },
      token,
    });
  const finish = async (isOld = true) => {
    const left = [];
    // The shard of the new name first.
    for (const number of [3 - shard, shard])
      left.push(await finishRenames(number, service.shards[number]!.reader, service.metadata, () => isOld));
    return left.reduce((sum, one) => ({ finished: sum.finished + one.finished, aborted: sum.aborted + one.aborted }));
  };
  const isClean = (): boolean => {
    const { renames } = reader;
    return renames.holds().length === 0 && renames.all().length === 0;
  };
  return { ...service, lost, key, rename, finish, isClean };
}

describe('what is left of a rename between two shards', () => {
  const bytes = noise(100_000, 3);
  for (const [step, name] of [
    ['rename.prepare', 'old'],
    ['rename.hold', 'old'],
    ['rename.commit', 'new'],
    ['rename.release', 'new'],
  ] as const)
    it(`after ${step} is done by the owners of the shards`, async () => {
      const { put, get, lost, key, rename, finish, isClean } = await renaming();
      await put('bucket', 'old', bytes);
      lost.after = step;
      const isAnswered = step === 'rename.release';
      assert.equal(await codeOf(() => rename('token')), isAnswered ? 'no error' : 'ServiceUnavailable');
      assert.equal(isClean(), false);
      assert.deepEqual(await finish(false), { finished: 0, aborted: 0 }, 'whoever renames may be there yet');
      lost.after = '';
      const { finished, aborted } = await finish();
      assert.deepEqual([finished > 0, aborted > 0], [name === 'new', name === 'old']);
      assert.ok(isClean());
      const [there, gone] = name === 'old' ? ['old', key] : [key, 'old'];
      assert.ok((await get('bucket', there)).equals(bytes));
      assert.equal(await codeOf(() => get('bucket', gone)), 'NoSuchKey');
      // Whoever asks again with the same token has it made now, or is told of what was made.
      const { version } = await rename('token');
      assert.ok((await get('bucket', key)).equals(bytes));
      assert.equal((await rename('token')).version.sequence, version.sequence);
      await put('bucket', 'old', bytes);
    });

  it('is looked for as long as the shard is owned, and left alone while it is young', async () => {
    const { put, lost, rename, shards, metadata, host, isClean } = await renaming();
    await put('bucket', 'old', bytes);
    lost.after = 'rename.commit';
    await codeOf(() => rename());
    lost.after = '';
    const finished: number[] = [];
    const keepers = [1, 2].map((number) =>
      keepRenames(
        number,
        shards[number]!.reader,
        () => metadata,
        host,
        (left) => finished.push(left.finished),
        (cause) => assert.fail(String(cause)),
      ),
    );
    const pass = async (ms: number): Promise<void> => {
      for (let left = ms; left > 0; left -= limits.renameLookMs) {
        host.advance(limits.renameLookMs);
        for (let turn = 0; turn < 30; turn++) await new Promise((resolve) => setImmediate(resolve));
      }
    };
    await pass(limits.renameHoldMs);
    assert.deepEqual([finished, isClean()], [[], false]);
    await pass(2 * limits.renameLookMs);
    assert.equal(isClean(), true);
    await Promise.all(keepers.map((one) => one.stop()));
  });
});
