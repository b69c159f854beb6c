import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MessageChannel } from 'node:worker_threads';
import { StoreError } from '../errors.ts';
import { realHost } from '../host/index.ts';
import { connect, type Methods } from './port.ts';

function pair(methods: Methods) {
  const { port1, port2 } = new MessageChannel();
  const surprises: unknown[] = [];
  const { timers } = realHost();
  const near = connect(port1, {}, timers, (cause) => surprises.push(cause));
  const far = connect(port2, methods, timers, (cause) => surprises.push(cause));
  const end = () => {
    near.close();
    far.close();
  };
  return { near, surprises, end };
}

test('values, bytes and undefined cross unchanged', async () => {
  const { near, end } = pair({ echo: (value: unknown) => value });
  const value = {
    name: 'x',
    bytes: Buffer.from([1, 2, 3]),
    none: undefined,
    large: 2 ** 52 + 1,
    list: [1.5, null],
    nested: { flag: true },
  };
  const back = await near.call<typeof value>('echo', value);
  assert.deepEqual(back, value);
  assert.ok(Buffer.isBuffer(back.bytes));
  end();
});

test('calls of one turn are answered each with its own result', async () => {
  const { near, end } = pair({ double: async (n: number) => n * 2 });
  const results = await Promise.all(Array.from({ length: 500 }, (_, i) => near.call<number>('double', i)));
  assert.deepEqual(
    results,
    Array.from({ length: 500 }, (_, i) => i * 2),
  );
  end();
});

test('a StoreError keeps its code and details; any other failure is reported where it happened', async () => {
  const { near, surprises, end } = pair({
    full: () =>
      Promise.reject(new StoreError('StorageFull', { message: 'no space', detail: { Device: 'd' }, retryAfter: 3 })),
    bug: () => {
      throw new TypeError('oops');
    },
  });
  await assert.rejects(
    near.call('full', 1),
    (cause) =>
      cause instanceof StoreError &&
      cause.code === 'StorageFull' &&
      cause.detail['Device'] === 'd' &&
      cause.retryAfter === 3,
  );
  assert.equal(surprises.length, 0);
  await assert.rejects(near.call('bug', 1), (cause) => cause instanceof StoreError && cause.code === 'InternalError');
  await assert.rejects(near.call('missing', 1), /no method/);
  assert.equal(surprises.length, 2);
  end();
});

test('closing rejects what is under way', async () => {
  const { near, end } = pair({ never: () => new Promise(() => {}) });
  const call = near.call('never', 0);
  near.close();
  await assert.rejects(call, (cause) => cause instanceof StoreError && cause.code === 'ServiceUnavailable');
  await assert.rejects(near.call('never', 0), StoreError);
  end();
});
