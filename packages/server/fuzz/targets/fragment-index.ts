import assert from 'node:assert/strict';
import { crc32c } from '../../src/codec/index.ts';
import { CorruptionError } from '../../src/errors.ts';
import { blockBytes, type Geometry, geometryOf, isPlausible, roundUp } from '../../src/fragments/geometry.ts';
import { checksumCount, decodeHeader, encodeHeader, headerBytesAt } from '../../src/fragments/header.ts';
import {
  bitmapKey,
  decodeBitmap,
  decodeFragment,
  decodeSlab,
  encodeBitmap,
  encodeFragment,
  encodeSlab,
  fragmentKey,
  regionLength,
  slabKey,
} from '../../src/fragments/rows.ts';
import { decodeTable } from '../../src/fragments/table.ts';
import type { FragmentRecord } from '../../src/fragments/types.ts';
import type { Target } from '../target.ts';

/*
 * What the fragment store reads back: rows of its index (a kind, the length of the key, key, value), headers, the table of windows.
 * Each is what was written, or refused; with checksums that were made to fit, all numbers still make sense.
 */

const geometry: Geometry = geometryOf(1 << 20);
const id = Buffer.alloc(16, 'fragment');
const nonce = Buffer.alloc(8, 'nonce');
const address = 2 * geometry.tableBytes;

function recordOf(length: number, checksumBytes: number): FragmentRecord {
  const count = checksumCount(length, checksumBytes);
  const headerBytes = 60 + 4 * count + 8;
  const checksums = Array.from({ length: count }, (_, i) => (0x9e3779b1 * (i + 1)) >>> 0);
  const extent = { address, length: roundUp(headerBytes + length) };
  return { id, extent, headerBytes, length, checksumBytes, checksums };
}

const kinds = ['fragment', 'bitmap', 'slab', 'header', 'table'] as const;
type Kind = (typeof kinds)[number];

const input = (kind: Kind, key: Buffer, value: Buffer): Buffer =>
  Buffer.concat([Buffer.from([kinds.indexOf(kind), key.length]), key, value]);

function seeds(): Buffer[] {
  const out: Buffer[] = [];
  const records = [recordOf(0, 512), recordOf(5000, 4096), recordOf(100_000, 65_552), recordOf(20_000, 512)];
  for (const record of records) {
    out.push(input('fragment', fragmentKey(id), encodeFragment(fragmentKey(id), record)));
    const header = Buffer.alloc(record.headerBytes);
    encodeHeader(header, nonce, record);
    out.push(input('header', nonce, header));
  }
  const bits = new Uint8Array(regionLength(geometry, 0) / 8).fill(0x11);
  const used = (regionLength(geometry, 0) / 8) * 2;
  out.push(input('bitmap', bitmapKey(0, 0), encodeBitmap(bitmapKey(0, 0), bits, bits.length * 8, used) as Buffer));
  const row = { slab: 3, fragments: 7, touched: 200, used: Uint16Array.from({ length: geometry.regions }, () => used) };
  out.push(input('slab', slabKey(3), encodeSlab(slabKey(3), row)));
  return out;
}

/** Appends, or puts into its place, the checksum that a row or header needs. */
function resealedPart(kind: Kind, key: Buffer, value: Buffer): Buffer {
  const out = Buffer.from(value);
  if (kind === 'header') {
    if (out.length < 60) return out;
    const end = Math.min(out.length, out.readUInt32LE(48));
    if (end >= 60) out.writeUInt32LE(crc32c(out.subarray(0, end - 4)), end - 4);
  } else if (kind === 'table') {
    if (out.length < 24) return out;
    const end = Math.min(out.length - 4, 20 + out.readUInt32LE(16));
    out.writeUInt32LE(crc32c(out.subarray(0, end)), end);
  } else if (out.length >= 5) {
    out.writeUInt32LE(crc32c(out.subarray(0, -4), crc32c(key)), out.length - 4);
  }
  return out;
}

function split(bytes: Buffer): { kind: Kind; key: Buffer; value: Buffer } | undefined {
  if (bytes.length < 2) return undefined;
  const kind = kinds[(bytes[0] as number) % kinds.length] as Kind;
  const end = 2 + (bytes[1] as number);
  return { kind, key: bytes.subarray(2, end), value: bytes.subarray(end) };
}

/** The value as the store sees it; undefined when it is refused. */
function read(kind: Kind, key: Buffer, value: Buffer): unknown {
  switch (kind) {
    case 'fragment': {
      const row = decodeFragment(geometry, key, value);
      const { checksums, extentBytes, ...rest } = row;
      assert.ok(isPlausible(geometry, row.address, extentBytes));
      assert.ok(row.headerBytes + row.length <= extentBytes);
      const extent = { address: row.address, length: extentBytes };
      const list = Array.from({ length: checksums.length / 4 }, (_, i) => checksums.readUInt32LE(4 * i));
      const again = encodeFragment(key, { ...rest, id, extent, checksums: list });
      assert.deepEqual(decodeFragment(geometry, key, again), row);
      return again.toString('hex');
    }
    case 'bitmap': {
      const blocks = regionLength(geometry, 0);
      const bits = decodeBitmap(key, value, blocks, blocks / 4);
      assert.equal(bits.length, Math.ceil(blocks / 8));
      return value.toString('hex');
    }
    case 'slab': {
      const row = decodeSlab(geometry, key, value);
      assert.equal(row.used.length, geometry.regions);
      assert.ok(row.used.every((blocks, region) => blocks <= regionLength(geometry, region)));
      const again = encodeSlab(key, row);
      assert.deepEqual(decodeSlab(geometry, key, again), row);
      return again.toString('hex');
    }
    case 'header': {
      if (key.length !== nonce.length) return undefined;
      const block = Buffer.alloc(Math.max(blockBytes, roundUp(value.length)));
      value.copy(block);
      const length = headerBytesAt(block, key);
      if (length === undefined || length > block.length) return undefined;
      const record = decodeHeader(geometry, block.subarray(0, length), address);
      if (!record) return undefined;
      assert.ok(isPlausible(geometry, record.extent.address, record.extent.length));
      assert.ok(record.headerBytes + record.length <= record.extent.length);
      assert.equal(record.checksums.length, checksumCount(record.length, record.checksumBytes));
      return JSON.stringify(record);
    }
    case 'table': {
      const slot = Buffer.alloc(geometry.tableBytes);
      value.copy(slot);
      const stored = decodeTable(geometry, slot);
      for (const window of stored?.windows ?? []) {
        assert.equal(window.nonce.length, 8);
        for (const run of window.runs) assert.ok(isPlausible(geometry, run.address, run.length));
      }
      return undefined;
    }
  }
}

const originals = new Set(
  seeds().map((bytes) => {
    const { kind, key, value } = split(bytes) as NonNullable<ReturnType<typeof split>>;
    return `${kind} ${key.toString('hex')} ${read(kind, key, value)}`;
  }),
);

export const target: Target = {
  name: 'fragment-index',
  maximum: 4096,
  words: [
    'DSFR\x01\0\0\0',
    'DSFW\x01\0\0\0',
    '\x01',
    '\xff\xff\xff\xff\xff\xff\xff\x0f',
    '\x80\x80\x80\x80\x80\x80\x80\x01',
  ],
  seeds,
  reseal(bytes) {
    const parts = split(bytes);
    if (!parts) return bytes;
    const { kind, key, value } = parts;
    return Buffer.concat([bytes.subarray(0, 2), key, resealedPart(kind, key, value)]);
  },
  check(bytes, _dice, resealed) {
    const parts = split(bytes);
    if (!parts) return;
    const { kind, key, value } = parts;
    let found: unknown;
    try {
      found = read(kind, key, value);
    } catch (error) {
      if (error instanceof CorruptionError) return;
      throw error;
    }
    if (found === undefined || resealed) return;
    assert.ok(originals.has(`${kind} ${key.toString('hex')} ${found}`), 'what was read is not what was written');
  },
};
