/* Writes and removes fragments in the directory given, and says on standard output what is durable, until it is killed. */
import { writeSync } from 'node:fs';
import { join } from 'node:path';
import { adoptDevice, fileVolume, openDevice } from '../device/index.ts';
import { realHost } from '../host/index.ts';
import { openKv } from '../kv/index.ts';
import { openFragmentOwner } from './owner.ts';
import { openFragmentStore } from './store.ts';
import { idOf, put } from './system.fixture.ts';

const [directory, first, store] = process.argv.slice(2) as [string, string, string];
const host = realHost();
const volume = fileVolume(join(directory, 'device'));
const { identity } = await adoptDevice(volume, { store, create: true, host, slabBytes: 16 << 20 });
const device = openDevice({ volume, identity, host });
const kv = await openKv({ directory: join(directory, 'index'), host });
const owner = await openFragmentOwner({ device, kv, host, windowBytes: 2 << 20 });
const fragments = openFragmentStore({ device, owner, index: kv, host });
let next = Number(first);

async function work(): Promise<never> {
  for (;;) {
    const number = next++;
    const length = (number * 7919) % 150_000;
    await put(fragments, idOf(number), length, 65_552);
    writeSync(1, `sealed ${number} ${length}\n`);
    if (number % 5 === 0) {
      writeSync(1, `removing ${number} ${length}\n`);
      await fragments.remove([idOf(number)]);
      if (number % 10 === 0) {
        await fragments.flush();
        writeSync(1, `gone ${number} ${length}\n`);
      }
    }
  }
}
await Promise.all(Array.from({ length: 6 }, work));
