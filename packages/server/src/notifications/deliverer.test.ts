import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CorruptionError } from '../errors.ts';
import { manualHost } from '../host/index.ts';
import { limits } from '../limits.ts';
import { startDeliverer } from './deliverer.ts';

test('records of targets that cannot be read are told, and looked at again: nobody ends for that', async () => {
  const host = manualHost();
  const said: string[] = [];
  let looks = 0;
  const deliverer = startDeliverer({
    shards: [],
    host,
    targets() {
      looks++;
      throw new CorruptionError('a page is damaged');
    },
    onEvent: (text, { cause }) => said.push(`${text}: ${(cause as Error).message}`),
    open: () => assert.fail('there is no target'),
  });
  const turn = () => new Promise((resolve) => setImmediate(resolve));
  await turn();
  host.advance(limits.targetsLookMs);
  await turn();
  assert.equal(looks, 2);
  const text = 'the targets of notifications could not be looked after; it is tried again: a page is damaged';
  assert.deepEqual(said, [text, text]);
  await deliverer.stop();
});
