import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { ByteWriter, crc32c } from '../codec/index.ts';
import { memoryDevice } from '../device/index.ts';
import { CorruptionError } from '../errors.ts';
import { manualHost } from '../host/index.ts';
import { limits } from '../limits.ts';
import { geometryOf } from './geometry.ts';
import { openFragmentOwner } from './owner.ts';
import { bitmapKey, decodeFragment, encodeFragment, encodeSlab, fragmentKey, slabKey } from './rows.ts';
import { Space } from './space.ts';
import { auditOf, idOf, newSystem, put, type System, slabBytes, windowBytes } from './system.fixture.ts';
import type { FragmentStore } from './types.ts';

const geometry = geometryOf(slabBytes);

async function filled(): Promise<System & { readonly store: FragmentStore }> {
  const system = await newSystem();
  const store = system.stores[0] as FragmentStore;
  for (let i = 0; i < 8; i++) await put(store, idOf(i), 10_000 + i * 4096);
  return { ...system, store };
}

/** A row whose checksum holds, whatever its key and body are. */
function sealedRow(key: Buffer, body: Buffer): Buffer {
  const bytes = Buffer.concat([Buffer.from([1]), body]);
  return new ByteWriter(bytes.length + 4)
    .raw(bytes)
    .u32(crc32c(bytes, crc32c(key)))
    .finish();
}

const rowBody = (value: Buffer): Buffer => value.subarray(1, -4);

describe('audit of an index', () => {
  it('finds nothing wrong with a sound one, and counts', async () => {
    const { kv, owner } = await filled();
    const { problems, fragments, usedBytes } = auditOf(kv);
    assert.deepEqual(problems, []);
    assert.equal(fragments, 8);
    assert.equal(usedBytes, owner.statistics().usedBytes);
  });

  it('names the fragment whose row is damaged, and the space that nobody has for it', async () => {
    const { kv } = await filled();
    const key = fragmentKey(idOf(3));
    const bad = Buffer.from(kv.get(key) as Buffer);
    bad[3] = (bad[3] as number) ^ 1;
    kv.commit([[key, bad]]);
    const { problems } = auditOf(kv);
    assert.deepEqual(
      problems.map(({ kind, where }) => [kind, where]),
      [
        ['row', `fragment ${idOf(3).toString('hex')}`],
        ['leak', 'slab 0'],
      ],
    );
  });

  it('names the bitmap that is damaged', async () => {
    const { kv } = await filled();
    const key = bitmapKey(0, 0);
    const bad = Buffer.from(kv.get(key) as Buffer);
    bad[9] = (bad[9] as number) ^ 4;
    kv.commit([[key, bad]]);
    assert.deepEqual(
      auditOf(kv).problems.map(({ kind, where }) => [kind, where]),
      [['space', 'bitmap 0 of slab 0']],
    );
  });

  it('tells space that two fragments have, that none has, and that counts as free', async () => {
    const { kv } = await filled();
    const [one, other] = [fragmentKey(idOf(1)), fragmentKey(idOf(2))];
    const record = (key: Buffer) => {
      const row = decodeFragment(geometry, key, kv.get(key) as Buffer);
      return {
        ...row,
        id: key.subarray(1),
        extent: { address: row.address, length: row.extentBytes },
        checksums: Array.from({ length: row.checksums.length / 4 }, (_, i) => row.checksums.readUInt32LE(4 * i)),
      };
    };
    const moved = { ...record(other), extent: { ...record(other).extent, address: record(one).address } };
    kv.commit([[other, encodeFragment(other, moved)]]);
    const both = auditOf(kv);
    assert.deepEqual(
      both.overlapping.map(({ where }) => where),
      [`fragment ${idOf(2).toString('hex')}`],
    );
    assert.ok(both.leakedBytes > 0);

    const free = record(fragmentKey(idOf(5)));
    const far = { ...free, extent: { ...free.extent, address: 5 * slabBytes } };
    kv.commit([[fragmentKey(idOf(5)), encodeFragment(fragmentKey(idOf(5)), far)]]);
    const unprotected = auditOf(kv).problems.find(({ kind }) => kind === 'unprotected');
    assert.deepEqual([unprotected?.where, unprotected?.bytes], ['slab 5', free.extent.length]);
  });

  it('reports rows whose key no slab has, and never reads past them', async () => {
    for (const tail of [[], [0], [0, 0, 0], [0, 0, 0, 0, 0], [0xff, 0xff, 0xff, 0xff]]) {
      const { kv } = await filled();
      const key = Buffer.from([3, ...tail]);
      const good = kv.get(slabKey(0)) as Buffer;
      const rows = [sealedRow(key, rowBody(good)), Buffer.from([7]), Buffer.alloc(0)];
      for (const row of rows) {
        kv.commit([[key, row]]);
        const { problems } = auditOf(kv);
        assert.deepEqual(
          problems.map(({ kind, where }) => [kind, where]),
          [['space', `slab row ${key.toString('hex', 1)}`]],
        );
      }
    }
  });

  it('survives any rows at all', async () => {
    const { kv } = await filled();
    const kept = [...kv.range({ start: Buffer.from([1]), end: Buffer.from([6]) })].map(
      ({ key, value }) => [key, value] as const,
    );
    fc.assert(
      fc.property(
        fc.array(
          fc.tuple(
            fc.integer({ min: 1, max: 5 }),
            fc.uint8Array({ maxLength: 20 }),
            fc.uint8Array({ maxLength: 200 }),
            fc.boolean(),
          ),
          { maxLength: 8 },
        ),
        (rows) => {
          const keys = rows.map(([table, tail]) => Buffer.from([table, ...tail]));
          kv.commit(
            rows.map(([, , body, sealed], i) => [
              keys[i] as Buffer,
              sealed ? sealedRow(keys[i] as Buffer, Buffer.from(body)) : Buffer.from(body),
            ]),
          );
          auditOf(kv);
          kv.commit([...keys.map((key) => [key, undefined] as const), ...kept]);
        },
      ),
      { numRuns: 300 },
    );
    assert.deepEqual(auditOf(kv).problems, []);
  });

  it('reads one state, however much is written meanwhile', async () => {
    const { store, stores } = await filled();
    const audit = store.audit();
    const problems = [];
    for (let step = audit.next(), round = 0; !step.done; step = audit.next(), round++) {
      if (step.value) problems.push(step.value);
      await put(stores[1] as FragmentStore, idOf(100 + round), 5000);
      await store.remove([idOf(round)]);
    }
    assert.deepEqual(problems, []);
  });
});

describe('slab rows at the opening', () => {
  const used = new Uint16Array(geometry.regions);

  it('a slab number that no device has is damage, not a reason to fill the memory', async () => {
    const host = manualHost(3);
    for (const number of [limits.slabs, 0x7fffffff, 0xffffffff]) {
      const { device } = await memoryDevice(host, { slabBytes });
      const { kv } = await newSystem();
      const key = slabKey(number);
      kv.commit([[key, encodeSlab(key, { slab: number, fragments: 0, touched: 0, used })]]);
      assert.throws(() => new Space(geometry, kv), CorruptionError);
      await assert.rejects(openFragmentOwner({ device, kv, host, windowBytes }), CorruptionError);
    }
  });

  it('a short or long key is damage', async () => {
    for (const tail of [[], [0], [0, 0, 0, 0, 0]]) {
      const { kv } = await newSystem();
      const key = Buffer.from([3, ...tail]);
      kv.commit([[key, encodeSlab(key, { slab: 0, fragments: 0, touched: 0, used })]]);
      assert.throws(() => new Space(geometry, kv), CorruptionError);
    }
  });

  it('a tombstone with a short key is passed over', async () => {
    const { kv, device, host, owner } = await filled();
    const { nonce } = await owner.openWindow(8192);
    await owner.close();
    kv.commit([[Buffer.concat([Buffer.from([4]), nonce, Buffer.from([1])]), Buffer.from([1])]]);
    const again = await openFragmentOwner({ device, kv, host, windowBytes });
    assert.equal(again.statistics().fragments, 8);
  });
});
