import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Host } from '../../host/index.ts';
import { limits } from '../../limits.ts';
import { TailReads } from './tails.ts';
import type { KeyValue, RangeAnswer, RangeRequest } from './types.ts';

/** An etcd whose reads answer when told, with what was there when they answered. */
function slow() {
  const calls: { readonly keys: string[]; readonly end: (fail?: Error) => void }[] = [];
  const values = new Map<string, string>();
  const ask = (requests: readonly RangeRequest[]): Promise<readonly RangeAnswer[]> =>
    new Promise((resolve, reject) => {
      const keys = requests.map(({ key }) => key);
      const end = (fail?: Error): void => {
        if (fail) return reject(fail);
        const pair = (key: string) => ({ value: Buffer.from(values.get(key) ?? '') }) as unknown as KeyValue;
        resolve(keys.map((key) => ({ pairs: values.has(key) ? [pair(key)] : [], more: false })));
      };
      calls.push({ keys, end });
    });
  /** What the clock says, and the rests that are under way. */
  const time = { now: 0, rests: [] as { readonly milliseconds: number; readonly end: () => void }[] };
  const sleep = (milliseconds: number): Promise<void> =>
    new Promise((end) => {
      time.rests.push({ milliseconds, end });
    });
  const host = { clock: { monotonic: () => time.now }, timers: { sleep } } as unknown as Pick<Host, 'clock' | 'timers'>;
  const reads = new TailReads(
    { range: async (request) => (await ask([request]))[0] as RangeAnswer, ranges: ask },
    host,
  );
  return { calls, values, reads, time };
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
const text = async (read: Promise<KeyValue | undefined>) => (await read)?.value.toString();

describe('the ends of several logs', () => {
  it('are read together by the next read, which begins after all who wait for it have asked', async () => {
    const { calls, values, reads } = slow();
    values.set('a', '1').set('b', '1');
    const first = text(reads.read('a'));
    await turn();
    const later = [text(reads.read('a')), text(reads.read('b')), text(reads.read('c'))];
    await turn();
    assert.deepEqual(
      calls.map(({ keys }) => keys),
      [['a']],
    );
    calls[0]?.end();
    assert.equal(await first, '1');
    values.set('a', '2');
    await turn();
    assert.deepEqual(calls[1]?.keys, ['a', 'b', 'c']);
    calls[1]?.end();
    assert.deepEqual(await Promise.all(later), ['2', '1', undefined]);
  });

  it('are read again after a read that failed', async () => {
    const { calls, values, reads } = slow();
    const failing = reads.read('a');
    await turn();
    calls[0]?.end(new Error('away'));
    await assert.rejects(failing, /away/);
    values.set('a', '3');
    const again = text(reads.read('a'));
    await turn();
    calls[1]?.end();
    assert.equal(await again, '3');
  });

  it('rest between two reads while somebody waits, so that those who were just answered join; who asks alone never waits', async () => {
    const { calls, reads, time } = slow();
    const ended = async (read: number, milliseconds: number): Promise<void> => {
      time.now += milliseconds;
      calls[read]?.end();
      await turn();
    };
    const reading = [reads.read('a')];
    await turn();
    reading.push(reads.read('b'));
    await ended(0, 5);
    assert.deepEqual(
      time.rests.map(({ milliseconds }) => milliseconds),
      [5],
    );
    reading.push(reads.read('a'));
    await turn();
    assert.equal(calls.length, 1);
    time.rests[0]?.end();
    await turn();
    assert.deepEqual(calls[1]?.keys, ['b', 'a']);
    reading.push(reads.read('c'));
    await ended(1, 1000);
    assert.equal(time.rests[1]?.milliseconds, limits.etcdTailRestMs);
    time.rests[1]?.end();
    await turn();
    await ended(2, 1000);
    reading.push(reads.read('a'));
    await turn();
    assert.equal(calls.length, 4, 'nobody waited');
    await ended(3, 0);
    await Promise.all(reading);
    assert.equal(time.rests.length, 2);
  });
});
