import assert from 'node:assert/strict';
import { CorruptionError } from '../../src/errors.ts';
import { manualHost } from '../../src/host/index.ts';
import { type MemoryKv, memoryKv } from '../../src/kv/index.ts';
import { apply } from '../../src/metadata/machine/apply.ts';
import type { Effect } from '../../src/metadata/machine/effects.ts';
import { decodeEntry, encodeEntry } from '../../src/metadata/machine/entry.ts';
import { Application } from '../../src/metadata/machine/manifests.ts';
import { Overlay } from '../../src/metadata/machine/overlay.ts';
import { draftOf, inlinePiece, Rig, stripedPiece } from '../../src/metadata/rig.support.ts';
import type { Target } from '../target.ts';

/*
 * The payload of a log entry. It is refused, or holds effects that are written to the same effects again; and effects that do not fit the
 * state stop the replica by a CorruptionError, never by another failure.
 */

let base: MemoryKv;
let position = 0;

function decode(payload: Buffer): Effect[] | undefined {
  try {
    return decodeEntry(payload);
  } catch (error) {
    if (error instanceof CorruptionError) return undefined;
    throw error;
  }
}

/** Does a bit of everything. */
async function work(rig: Rig, bucket: number): Promise<void> {
  await rig.put(bucket, 'a', inlinePiece('one'));
  const striped = async (count: number, size: number) => stripedPiece(await rig.stripes(count), size);
  const { version } = await rig.put(bucket, 'b', await striped(2, 9000));
  const key = Buffer.from('b');
  const source = { bucket, key, version: undefined, manifest: version.manifest.id };
  const about = { bucket, owner: 'o', guard: undefined };
  const draft = draftOf(9000, version.etag, { tags: [['t', '1']] });
  await rig.do({ type: 'object.share', ...about, key: Buffer.from('c'), draft, source }, 'version');
  const piece = await striped(1, 700);
  const added = { piece, draft: draftOf(piece.size, piece.md5), offset: 9000 };
  await rig.do({ type: 'object.append', ...about, key, ...added }, 'version');
  const place = { bucket, key: Buffer.from('up') };
  const empty = { headers: {}, metadata: [], tags: [], checksumAlgorithm: undefined, checksumType: undefined } as const;
  const create = { type: 'upload.create', ...place, owner: 'o', storageClass: 'STANDARD', ...empty } as const;
  const { upload } = await rig.do({ ...create, wrappedKey: Buffer.alloc(60) }, 'upload');
  for (const number of [1, 2, 2]) {
    const part = await striped(1 + number, 5 * 1024 * 1024);
    await rig.do({ type: 'upload.part', ...place, upload: upload.id, number, piece: part }, 'part');
  }
  await rig.remove(bucket, 'a');
  await rig.remove(bucket, 'c');
  await rig.do({ type: 'upload.abort', ...place, upload: upload.id }, 'done');
  const rows = rig.reader.garbage(3);
  await rig.do({ type: 'garbage.collected', rows }, 'done');
  await rig.do({ type: 'group.define', groups: [{ id: 1, epoch: 1, devices: ['d1', 'd2'] }] }, 'done');
  await rig.metadata.propose({ type: 'digest' });
}

export const target: Target = {
  name: 'metadata-entry',
  maximum: 4096,
  words: ['\x01', '\x05', '\x10', '\xff\xff\xff\xff', '\xff\xff\xff\xff\xff\xff\xff\x0f', '\0\0\0\0'],
  async seeds() {
    const rig = await Rig.open(3);
    const bucket = await rig.bucket('bucket', 'enabled');
    await work(rig, bucket);
    // The state to apply to: what follows fits it, what came before does not.
    base = memoryKv(manualHost());
    base.commit(
      Array.from(
        rig.kv.range({ start: Buffer.alloc(0), end: Buffer.alloc(2, 0xff) }),
        (row) => [row.key, row.value] as const,
      ),
    );
    position = rig.log.head;
    await work(rig, bucket);
    await rig.bucket('another', 'suspended');
    await rig.do({ type: 'bucket.delete', name: 'another' }, 'done');
    return rig.log.entries.map((entry) => entry.payload);
  },
  check(input) {
    const effects = decode(input);
    if (!effects) return;
    assert.deepEqual(decodeEntry(encodeEntry(effects)), effects);
    const overlay = new Overlay(base);
    try {
      apply(new Application(overlay, position + 1), effects);
    } catch (error) {
      if (error instanceof CorruptionError) return;
      throw error;
    }
    for (const { key } of overlay.changes()) assert.ok(key.length > 0);
  },
};
