import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import fc from 'fast-check';
import { until } from '../src/host/patience.support.ts';
import { letWorldsGo } from './signals.ts';

const native = AbortSignal.any;
letWorldsGo();
const ours = AbortSignal.any;

/** What listeners hear, in order, when some of three signals abort one after the other. */
function heard(any: typeof native, composites: readonly (readonly number[])[], aborts: readonly number[]): string[] {
  const said: string[] = [];
  const controllers = [0, 1, 2].map(() => new AbortController());
  const signals = controllers.map(({ signal }) => signal);
  for (const of of composites) signals.push(any(of.map((at) => signals[at % signals.length] as AbortSignal)));
  for (const [at, signal] of signals.entries())
    signal.addEventListener('abort', () => said.push(`${at} by ${signal.reason}`));
  for (const at of aborts) {
    controllers[at]?.abort(`${at}`);
    said.push(signals.map(({ aborted }) => Number(aborted)).join(''));
  }
  return said;
}

test('a signal of several aborts as one of Node does, in the same order and with the same reason', () => {
  const index = fc.nat(2);
  const composites = fc.array(fc.array(fc.nat(7), { maxLength: 4 }), { maxLength: 5 });
  fc.assert(
    fc.property(composites, fc.array(index, { maxLength: 4 }), (of, aborts) =>
      assert.deepEqual(heard(ours, of, aborts), heard(native, of, aborts)),
    ),
  );
  const aborted = AbortSignal.abort('before');
  assert.deepEqual([ours([aborted]).aborted, ours([aborted]).reason], [true, 'before']);
});

test('one that somebody still listens to goes with its sources', async () => {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  const left = (() => {
    const world = { listening: new AbortController() };
    ours([world.listening.signal]).addEventListener('abort', () => void world);
    return new WeakRef(world);
  })();
  await until(() => {
    collect();
    return left.deref() === undefined;
  }, 'the end of what only its listener holds');
});
