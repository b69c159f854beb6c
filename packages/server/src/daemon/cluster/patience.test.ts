import assert from 'node:assert/strict';
import { test } from 'node:test';
import { StoreError } from '../../errors.ts';
import { type Host, realHost } from '../../host/index.ts';
import { limits } from '../../limits.ts';
import type { StructuredLog } from '../../telemetry/index.ts';
import { patiently } from './patience.ts';

/** Time that passes while somebody sleeps, and only then. */
function setUp() {
  let now = 0;
  const real = realHost();
  const host: Host = {
    ...real,
    clock: { ...real.clock, monotonic: () => now },
    timers: { ...real.timers, sleep: async (ms: number) => void (now += ms) },
  };
  const said: string[] = [];
  const log = { warn: (text: string) => void said.push(text) } as unknown as StructuredLog;
  return { host, log, said, now: () => now };
}

const away = () => new StoreError('ServiceUnavailable', { message: 'not yet', retryAfter: 1 });

test('a step is done again until what it needs is there, and that is said once', async () => {
  const { host, log, said } = setUp();
  let tries = 0;
  const result = await patiently(host, log, 'opening', async () => {
    if ((tries += 1) < 5) throw away();
    return 'open';
  });
  assert.deepEqual([result, tries, said.length], ['open', 5, 1]);
});

test('it ends after its time', async () => {
  const { host, log, now } = setUp();
  await assert.rejects(
    patiently(host, log, 'opening', async () => Promise.reject(away())),
    { message: 'not yet' },
  );
  assert.ok(now() >= limits.nodeOpenMs && now() <= limits.nodeOpenMs + limits.nodeOpenRetryMs);
});

test('what no other try helps with is said at once', async () => {
  for (const cause of [new StoreError('ServiceUnavailable', { message: 'too old' }), new Error('broken')]) {
    const { host, log, now } = setUp();
    await assert.rejects(
      patiently(host, log, 'opening', async () => Promise.reject(cause)),
      cause,
    );
    assert.equal(now(), 0);
  }
});
