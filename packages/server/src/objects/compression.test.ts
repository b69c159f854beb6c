import assert from 'node:assert/strict';
import { test } from 'node:test';
import { zstdCompressSync } from 'node:zlib';
import { CorruptionError } from '../errors.ts';
import { FramePacker, mayShrink, unpack } from './compression.ts';
import { noise } from './stripes.fixture.ts';

const frame = 65_536;
const prose = Buffer.alloc(frame, 'one frame of prose that says the same thing again and again; ');
const random = noise(frame, 3);

test('a frame that shrinks is packed and comes back; one that does not is left', () => {
  const packer = new FramePacker(true);
  const packed = packer.pack([prose.subarray(0, 1000), prose.subarray(1000)], frame, 0);
  assert.ok(packed && packed.length < frame / 10);
  assert.ok(unpack(packed, frame).equals(prose));
  assert.equal(packer.pack([random], frame, 1), undefined);
  const short = packer.pack([prose.subarray(0, 777)], 777, 2);
  assert.ok(short);
  assert.ok(unpack(short, 777).equals(prose.subarray(0, 777)));
});

test('noise is sampled twice in a stripe, and each stripe starts anew', () => {
  const packer = new FramePacker(true);
  for (const index of [0, 1, 2, 3]) assert.equal(packer.pack([random], frame, index), undefined);
  assert.equal(packer.pack([prose], frame, 4), undefined, 'prose behind noise is not tried any more');
  assert.ok(packer.pack([prose], frame, 0), 'the next stripe is sampled');
  for (const index of [1, 2, 3]) assert.equal(packer.pack([random], frame, index), undefined);
  assert.equal(packer.pack([prose], frame, 4), undefined, 'three failures in a row end the trying');
});

test('the second sample finds prose behind a head that is packed already', () => {
  const packer = new FramePacker(true);
  assert.equal(packer.pack([random], frame, 0), undefined);
  assert.equal(packer.pack([prose], frame, 1), undefined);
  assert.ok(packer.pack([prose], frame, 2));
  assert.ok(packer.pack([prose], frame, 3));
});

test('nothing is tried when it was ruled out', () => {
  assert.equal(new FramePacker(false).pack([prose], frame, 0), undefined);
});

test('bytes that unpack to another length, or not at all, are corrupt', () => {
  assert.throws(() => unpack(zstdCompressSync(prose), frame - 1), CorruptionError);
  assert.throws(() => unpack(zstdCompressSync(prose), frame + 1), CorruptionError);
  assert.throws(() => unpack(random.subarray(0, 100), 1000), CorruptionError);
  assert.throws(() => unpack(zstdCompressSync(Buffer.alloc(50_000_000)), frame), CorruptionError);
});

test('content that says it is packed is not tried', () => {
  const packed = ['image/jpeg', 'video/mp4', 'audio/mpeg', 'application/zip', 'application/gzip', 'application/x-xz'];
  for (const contentType of packed) assert.equal(mayShrink({ contentType }), false, contentType);
  assert.equal(mayShrink({ contentType: 'text/plain', contentEncoding: 'gzip' }), false);
  const plain = ['text/plain', 'image/svg+xml', 'application/json', 'application/octet-stream', 'audio/wav'];
  for (const contentType of plain) assert.equal(mayShrink({ contentType }), true, contentType);
  assert.equal(mayShrink({}), true);
  assert.equal(mayShrink({ contentEncoding: 'identity' }), true);
});
