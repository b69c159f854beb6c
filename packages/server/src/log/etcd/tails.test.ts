import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
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
  const reads = new TailReads({ range: async (request) => (await ask([request]))[0] as RangeAnswer, ranges: ask });
  return { calls, values, reads };
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
});
