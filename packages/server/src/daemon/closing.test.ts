import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { StoreError } from '../errors.ts';
import { manualHost } from '../host/index.ts';
import { limits } from '../limits.ts';
import { createLog } from '../telemetry/index.ts';
import { closeAll, fullLooks, giveUpWhenFull, NotWritten, writing } from './closing.ts';
import type { Owner } from './owner.ts';
import { stopInOrder } from './stopping.ts';

const full = () => Promise.reject(new StoreError('StorageFull'));

test('what finds no space at the end is said, and everything else is closed all the same', async () => {
  const done: string[] = [];
  const step = (name: string) => async () => void done.push(name);
  const inner = () => closeAll([step('device'), writing('a checkpoint of the index', full)]);
  const noSpace = () => Promise.reject(Object.assign(new Error('write'), { code: 'ENOSPC' }));
  await assert.rejects(closeAll([step('first'), writing('the seal', noSpace), inner, step('last')]), (cause) => {
    assert.ok(cause instanceof NotWritten);
    assert.deepEqual(cause.what, ['a checkpoint of the index', 'the seal']);
    return true;
  });
  assert.deepEqual(done, ['last', 'device', 'first']);
  await assert.rejects(closeAll([writing('it', () => Promise.reject(new Error('EIO')))]), /^Error: EIO/);
});

test('a stop that could not write what it need not write is one in order', async () => {
  const host = manualHost();
  const lines: string[] = [];
  const log = createLog({ clock: host.clock, write: (line) => lines.push(line) });
  const done: string[] = [];
  const steps = [
    ['its devices', writing('a checkpoint', full)],
    ['the rest', async () => done.push('the rest')],
  ] as const;
  await stopInOrder(steps, host, log);
  assert.deepEqual(done, ['the rest']);
  assert.match(lines.join(''), /"the disk is full: not written at the end","what":\["a checkpoint"\]/);
});

test('entries that wait for space during a stop are given up once there is no ballast either', (t) => {
  const host = manualHost();
  let failure: string | undefined;
  const happened: string[] = [];
  const folder = mkdtempSync(path.join(tmpdir(), 'dsom-closing-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const owner = {
    directories: { all: [{ path: folder }] },
    metadata: {
      failure: () => failure,
      close: async () => void happened.push('closed'),
    },
  } as unknown as Owner;
  const cancel = giveUpWhenFull(owner, host, () => happened.push('given up'));
  const looks = (count: number) => {
    for (let n = 0; n < count; n++) host.advance(limits.fullRetryMs);
  };
  looks(3 * fullLooks);
  failure = 'the disk is full';
  looks(fullLooks - 1);
  failure = undefined;
  looks(1);
  assert.deepEqual(happened, [], 'one that goes on is waited for');
  failure = 'the disk is full';
  looks(fullLooks);
  assert.deepEqual(happened, ['given up', 'closed']);
  looks(9);
  assert.equal(happened.length, 2, 'once');
  cancel();
});
