import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { CorruptionError } from '../errors.ts';
import type { Device } from './types.ts';

async function text(device: Device, address: number, length: number): Promise<string> {
  const into = Buffer.alloc(length);
  await device.read(into, address);
  return into.toString();
}

/** What every device does. @param make gives a fresh one with slabs of 64 KiB; it is called once for each case */
export function describeDevice(product: string, make: () => Promise<Device>): void {
  describe(`device: ${product}`, () => {
    it('gives back what was written, in any slab', async () => {
      const device = await make();
      for (const slab of [0, 1, 7]) {
        const at = slab * device.slabBytes + 4096;
        await device.write([Buffer.from('slab '), Buffer.from(String(slab))], at);
        await device.sync(at);
        assert.equal(await text(device, at, 6), `slab ${slab}`);
      }
      await device.close();
    });

    it('writes up to the end of a slab, and refuses to cross it', async () => {
      const device = await make();
      const end = device.slabBytes;
      await device.write([Buffer.from('end')], end - 3);
      assert.equal(await text(device, end - 3, 3), 'end');
      await assert.rejects(device.write([Buffer.from('over')], end - 3), /never crosses a slab/);
      await assert.rejects(device.read(Buffer.alloc(4), end - 3), /never crosses a slab/);
      await device.close();
    });

    it('says that bytes were never written', async () => {
      const device = await make();
      await assert.rejects(device.read(Buffer.alloc(10), 0), CorruptionError);
      await device.write([Buffer.from('abc')], 0);
      await assert.rejects(device.read(Buffer.alloc(4), 0), CorruptionError);
      await assert.rejects(device.read(Buffer.alloc(1), device.slabBytes), CorruptionError);
      await device.close();
    });

    it('serves many at once', async () => {
      const device = await make();
      const addresses = Array.from({ length: 40 }, (_, i) => (i % 5) * device.slabBytes + i * 512);
      await Promise.all(
        addresses.map(async (address, i) => {
          await device.write([Buffer.alloc(512, i)], address);
          await device.sync(address);
        }),
      );
      for (const [i, address] of addresses.entries())
        assert.equal(await text(device, address, 512), String.fromCharCode(i).repeat(512));
      await device.close();
    });

    it('gives the end of a slab back, and nothing from its middle', async () => {
      const device = await make();
      const at = (offset: number): number => 3 * device.slabBytes + offset;
      await device.write([Buffer.alloc(16_384, 7)], at(0));
      await device.sync(at(0));
      const { free } = await device.capacity();
      await device.discard(at(0), 8192);
      assert.equal(await text(device, at(8188), 8), '\x07'.repeat(8));
      await device.discard(at(8192), device.slabBytes - 8192);
      assert.equal(await text(device, at(8184), 8), '\x07'.repeat(8));
      await assert.rejects(device.read(Buffer.alloc(1), at(8192)), CorruptionError);
      await device.discard(at(8192), device.slabBytes - 8192);
      // Exact only where nobody else uses the volume.
      if (product.startsWith('memory')) assert.equal((await device.capacity()).free - free, 8192);
      await device.write([Buffer.from('new')], at(12_288));
      await device.sync(at(12_288));
      assert.equal(await text(device, at(12_288), 3), 'new');
      await device.close();
    });

    it('syncs and discards what it never wrote, and knows its capacity', async () => {
      const device = await make();
      await device.sync(0);
      await device.discard(0, 4096);
      const { total, free } = await device.capacity();
      assert.ok(total > 0 && free <= total);
      assert.equal(device.health(), 'good');
      await device.close();
    });
  });
}
