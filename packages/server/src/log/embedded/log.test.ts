import * as fs from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after } from 'node:test';
import { fileVolume, memoryVolume } from '../../device/index.ts';
import { realHost } from '../../host/index.ts';
import { describeLog, suiteLimits } from '../suite.ts';
import { openEmbeddedLog } from './open.ts';

const root = await fs.mkdtemp(join(tmpdir(), 'dsom-log-'));
after(() => fs.rm(root, { recursive: true, force: true }));
let count = 0;
const host = realHost();

describeLog('embedded, in memory', async () => {
  const volume = memoryVolume();
  return { open: () => openEmbeddedLog({ volume, host, limits: suiteLimits }) };
});

describeLog('embedded, in files', async () => {
  const volume = fileVolume(join(root, String(count++)));
  return { open: () => openEmbeddedLog({ volume, host, limits: suiteLimits }) };
});
