import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Device, faultyVolume, memoryVolume, openDevice } from '../device/index.ts';
import { manualHost } from '../host/index.ts';
import { limits } from '../limits.ts';
import { DeviceConditions, newStoppedDevices } from './conditions.ts';

const names = ['first', 'second'];
const host = manualHost();

/** The devices as one thread has opened them. */
async function thread(stopped: Int32Array) {
  let failing = false;
  const devices = new Map<string, Device>();
  for (const identity of names) {
    const volume = faultyVolume(
      memoryVolume(),
      ({ call }) => (failing && call === 'sync' ? { kind: 'error', code: 'EIO' } : undefined),
      host,
    );
    const device = openDevice({
      volume,
      identity: { device: identity, store: '', slabBytes: 2 ** 20, madeAt: 0 },
      host,
      reserveBytes: 0,
    });
    devices.set(identity, device);
  }
  const conditions = await DeviceConditions.watch(devices, host, stopped);
  return {
    conditions,
    async failSync(identity: string) {
      const device = devices.get(identity) as Device;
      await device.write([Buffer.alloc(4096)], 0);
      failing = true;
      await assert.rejects(device.sync(0), { code: 'ServiceUnavailable' });
      failing = false;
    },
  };
}

test('a device that one thread has stopped is used by no other, though its own sync never failed', async () => {
  const stopped = newStoppedDevices(names.length);
  const [a, b] = [await thread(stopped), await thread(stopped)];
  assert.ok(a.conditions.of('second').healthy && b.conditions.of('second').healthy);
  await a.failSync('second');
  host.advance(limits.capacityMs);
  // The refresh waits for each device in turn.
  for (let turn = 0; turn < 50; turn++) await Promise.resolve();
  for (const { conditions } of [b, a]) {
    assert.equal(conditions.health('second'), 'stopped');
    assert.equal(conditions.of('second').healthy, false);
    assert.ok(conditions.of('first').healthy);
  }
  assert.equal(a.conditions.health('third'), undefined);
  assert.equal(a.conditions.of('third').healthy, false);
});
