import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { StoreError } from '../../errors.ts';
import { type Consistency, type Freshness, fresh, freshIfHeard, pushLevel } from './consistency.ts';
import type { HeaderList } from './exchange.ts';
import { tokenText } from './token.ts';

/** A replica at a position, and what was asked of it. */
function replica(level: Consistency = 'strong', position = 10, moves = false) {
  const asked: string[] = [];
  const freshness: Freshness = {
    position: () => position,
    shared: {
      latest: async () => void asked.push('latest'),
      reached: async (wanted) => void asked.push(`reached ${wanted}`),
      levelOf: (bucket) => (bucket === 'set' ? level : 'strong'),
      staleMs: () => 0,
      moves: () => moves,
    },
  };
  return { asked, freshness };
}

const token = (position: number): string => tokenText(new Map([[0, position]]));

describe('the wait before an answer', () => {
  for (const [given, expected] of [
    [undefined, []],
    [10, ['latest']],
    [11, ['reached 11', 'latest']],
  ] as const)
    it(`at causal is for the newest state where keys went to other shards, with a token for ${given}`, async () => {
      const { asked, freshness } = replica('strong', 10, true);
      await fresh(freshness, 'causal', given === undefined ? undefined : token(given), { bucket: 'grown' });
      assert.deepEqual(asked, expected);
    });

  for (const [level, given, bucket, expected] of [
    [undefined, undefined, undefined, ['latest']],
    [undefined, undefined, 'other', ['latest']],
    ['strong', undefined, 'set', ['latest']],
    ['strong', 10, 'set', ['latest']],
    ['strong', 11, 'set', ['latest', 'reached 11']],
    ['causal', undefined, 'other', []],
    ['causal', 10, 'other', []],
    ['causal', 11, 'other', ['reached 11']],
    ['eventual', undefined, 'other', []],
    ['eventual', 11, 'other', []],
    [undefined, undefined, 'set', []],
    [undefined, 11, 'set', ['reached 11']],
  ] as const)
    it(`at ${level ?? 'the default'} of bucket ${bucket}, with a token for ${given}: ${expected}`, async () => {
      const { asked, freshness } = replica('causal');
      await fresh(freshness, level, given === undefined ? undefined : token(given), { bucket });
      assert.deepEqual(asked, expected);
    });

  it('is none on a server that is alone, whose token cannot be ahead of it', () => {
    const alone: Freshness = { position: () => 10 };
    assert.equal(fresh(alone, 'strong', token(10), { bucket: 'b' }), undefined);
    assert.throws(() => fresh(alone, 'eventual', token(11), { bucket: 'b' }), { code: 'InvalidToken' });
  });

  it('refuses a token of a shard that there is not', () => {
    const { freshness } = replica();
    assert.throws(() => fresh(freshness, 'causal', tokenText(new Map([[1, 1]])), { bucket: 'b' }), {
      code: 'InvalidToken',
    });
  });
});

describe('the level of an answer', () => {
  const headers = (level: string, stale: number | undefined): string[] => {
    const list: HeaderList = [];
    pushLevel(list, level, stale);
    return list;
  };

  it('goes with its age only where it may be old', () => {
    assert.deepEqual(headers('strong', 5000), ['x-dsom-consistency', 'strong']);
    assert.deepEqual(headers('eventual', 0), ['x-dsom-consistency', 'eventual']);
    assert.deepEqual(headers('eventual', 5000), ['x-dsom-consistency', 'eventual', 'x-dsom-stale-ms', '5000']);
  });
});

describe('the wait before an answer that tells how the servers are', () => {
  const unavailable = new StoreError('ServiceUnavailable', { message: 'The log engine does not answer. Try again.' });
  /** @param silentMs for how long nothing was heard of the log, which fails whoever asks it then with `failure` */
  function silent(silentMs: number, failure: StoreError | undefined) {
    const { asked, freshness } = replica();
    const shared: NonNullable<Freshness['shared']> = {
      ...(freshness.shared as NonNullable<Freshness['shared']>),
      staleMs: () => silentMs,
      async latest() {
        asked.push('latest');
        if (failure) throw failure;
      },
    };
    return { asked, freshness: { ...freshness, shared } };
  }

  it('is that of any other while the log is heard', async () => {
    const { asked, freshness } = silent(0, undefined);
    await freshIfHeard(freshness, undefined, undefined, {});
    assert.deepEqual(asked, ['latest']);
  });

  it('is none while the log is silent, and ends without a failure when the log does not answer', async () => {
    const long = silent(5000, unavailable);
    assert.equal(freshIfHeard(long.freshness, undefined, undefined, {}), undefined);
    const since = silent(0, unavailable);
    await freshIfHeard(since.freshness, undefined, undefined, {});
    assert.deepEqual([long.asked, since.asked], [[], ['latest']]);
  });

  it('is as asked for where the request names a level or a token, and hides no other failure', async () => {
    const { freshness } = silent(5000, unavailable);
    await assert.rejects(async () => freshIfHeard(freshness, 'strong', undefined, {}), unavailable);
    await assert.rejects(async () => freshIfHeard(freshness, undefined, token(11), {}), unavailable);
    const broken = silent(0, new StoreError('InternalError'));
    await assert.rejects(async () => freshIfHeard(broken.freshness, undefined, undefined, {}), {
      code: 'InternalError',
    });
  });
});
