import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after } from 'node:test';
import { realHost } from '../host/index.ts';
import { faultyVolume } from './faulty/volume.ts';
import { fileVolume } from './file/volume.ts';
import { memoryVolume } from './memory/volume.ts';
import { mirroredVolume } from './mirrored/volume.ts';
import { describeVolume } from './volume.suite.ts';

const scratch = mkdtempSync(join(tmpdir(), 'dsom-volume-'));
after(() => rmSync(scratch, { recursive: true }));
let count = 0;

const host = realHost();
/** A clock that makes every call look slow, so that transfers go through the thread pool. */
let ticks = 0;
const slowClock = { now: () => 0, monotonic: () => (ticks += 100) };

describeVolume('file', () => fileVolume(join(scratch, 'deep', `v${count++}`)));
describeVolume('file, through the pool', () => fileVolume(join(scratch, `v${count++}`), { clock: slowClock }));
describeVolume('memory', () => memoryVolume());
describeVolume('faulty without faults', () => faultyVolume(memoryVolume(), () => undefined, host));
describeVolume('faulty and slow', () => faultyVolume(memoryVolume(), () => ({ kind: 'slow', milliseconds: 0 }), host));
describeVolume('mirrored', () =>
  mirroredVolume([memoryVolume(), memoryVolume()], () => assert.fail('a side was lost')),
);
