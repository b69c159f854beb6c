import assert from 'node:assert/strict';
import { test } from 'node:test';
import { manualHost } from '../host/index.ts';
import { limits } from '../limits.ts';
import { createLog } from '../telemetry/index.ts';
import { stopInOrder } from './stopping.ts';

test('a stop does one thing after the other, says what takes long, and has an end', async () => {
  const host = manualHost();
  const lines: string[] = [];
  const log = createLog({ clock: host.clock, write: (line) => lines.push(line) });
  const done: string[] = [];
  const never = new Promise<void>(() => {});
  const stopped = stopInOrder(
    [
      ['the first', async () => done.push('first')],
      ['the second', () => never],
      ['the third', async () => done.push('third')],
    ],
    host,
    log,
  );
  const refused = assert.rejects(stopped, /^Error: it waited for the second still after 45 s$/);
  await new Promise((resolve) => setImmediate(resolve));
  host.advance(limits.stopTellMs);
  assert.match(lines.join(''), /^\{.*"the server is ending, and not done yet","waitsFor":"the second"\}\n$/);
  host.advance(limits.stopMs);
  await refused;
  assert.deepEqual(done, ['first']);
  const before = lines.length;
  await stopInOrder([['nothing', async () => done.push('again')]], host, log);
  host.advance(limits.stopMs);
  assert.equal(lines.length, before, 'what has ended is told of no more');
});

test('what a stop may wait for by design is within its bound', () => {
  assert.ok(limits.drainMs + limits.drainAcceptMs + limits.proposeMs + limits.etcdStopMs <= limits.stopMs);
});
