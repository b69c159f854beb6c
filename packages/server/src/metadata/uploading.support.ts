import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import type { StoreError } from '../errors.ts';
import type { Run } from './driven.support.ts';
import { shardOfNumber } from './machine/numbering.ts';
import { sequenceOf } from './machine/usage.ts';
import { inlinePiece, stripedPiece } from './rig.support.ts';
import { type Operation, selectorOf, texts } from './scenarios.support.ts';

const MiB = 1024 * 1024;

/** Uploads, and what keeps the shard going. */
export async function uploadStep(run: Run, op: Operation): Promise<void> {
  const { rig } = run;
  const { bucket, id, text, key } = run.at(op);
  const at = bucket.uploads.length === 0 ? -1 : op.a % bucket.uploads.length;
  const upload = bucket.uploads[at];
  const place = upload && { bucket: id, key: Buffer.from(upload.key, 'latin1'), upload: upload.id };
  switch (op.kind) {
    case 'create': {
      const about = { headers: {}, metadata: [], tags: [], checksumAlgorithm: undefined, checksumType: undefined };
      const command = {
        type: 'upload.create',
        bucket: id,
        key,
        owner: 'o',
        storageClass: 'STANDARD',
        wrappedKey: Buffer.alloc(60, 1),
        ...about,
      } as const;
      const { upload: made } = await rig.do(command, 'upload');
      bucket.uploads.push({ id: Buffer.from(made.id), key: text, parts: new Map() });
      return;
    }
    case 'part': {
      if (!upload || !place) return;
      const number = 1 + (op.b % 5);
      const small = op.b % 7 === 0;
      const piece = small ? inlinePiece(`p${op.b}`) : stripedPiece(await rig.stripes(1 + (op.a % 6)), 5 * MiB + op.b);
      await rig.do({ type: 'upload.part', ...place, number, piece }, 'part');
      upload.parts.set(number, piece);
      return;
    }
    case 'borrow': {
      const from = run.pick(op);
      const lender = from && rig.reader.version(from.id, from.key, selectorOf(from.version));
      if (!upload || !place || lender?.kind !== 'object' || lender.manifest.embedded) return;
      const shard = shardOfNumber(sequenceOf(upload.id));
      // Where bytes cannot be borrowed, nobody asks for it.
      if (shardOfNumber(lender.sequence) !== shard || rig.reader.shardOf(from!.id, from!.key) !== shard) return;
      const number = 1 + (op.a % 5);
      const { id: manifest, pieces: held } = lender.manifest;
      const end = 1 + (op.a % held);
      const borrowed = { manifest, first: op.b % end, end, offset: 0, depth: 1, key: Buffer.alloc(60, 2) };
      const piece = { ...inlinePiece(`b${op.a} ${op.b}`), size: 5 * MiB + op.b, body: { borrowed } };
      const source = { bucket: from!.id, key: from!.key, version: selectorOf(from!.version) };
      await rig.do({ type: 'upload.part', ...place, number, piece, source }, 'part');
      upload.parts.set(number, piece);
      return;
    }
    case 'complete': {
      if (!upload || !place) return;
      const numbers = [...upload.parts.keys()].sort((a, b) => a - b).filter((number) => (op.b >> number) % 4 !== 0);
      const pieces = numbers.map((number) => upload.parts.get(number)!);
      const size = pieces.reduce((sum, piece) => sum + piece.size, 0);
      const etag = createHash('md5')
        .update(Buffer.concat(pieces.map((piece) => piece.md5)))
        .digest();
      const parts = numbers.map((number, index) => ({ number, md5: pieces[index]!.md5 }));
      const guard = undefined;
      const complete = () =>
        rig.do({ type: 'upload.complete', ...place, guard, parts, etag, size, checksum: undefined }, 'version');
      const expected =
        numbers.length === 0
          ? 'MalformedXML'
          : pieces.slice(0, -1).some((piece) => piece.size < 5 * MiB)
            ? 'EntityTooSmall'
            : undefined;
      if (expected) {
        await assert.rejects(complete, (error: StoreError) => error.code === expected);
        return;
      }
      const { version } = await complete();
      bucket.uploads.splice(at, 1);
      run.added({ ...op, key: texts.indexOf(upload.key) }, version, pieces);
      const again = await complete();
      assert.equal(again.version.sequence, version.sequence, 'a completion that is repeated is answered as before');
      return;
    }
    case 'abort':
      if (!upload || !place) return;
      await rig.do({ type: 'upload.abort', ...place }, 'done');
      bucket.uploads.splice(at, 1);
      return;
    case 'collect': {
      const all = rig.reader.garbage(1000);
      const rows = all.slice(0, op.a % (all.length + 1));
      await rig.do({ type: 'garbage.collected', rows }, 'done');
      const name = ({ position, ordinal, piece }: (typeof all)[number]) => `${position} ${ordinal} ${piece}`;
      const left = new Set(rig.reader.garbage(1000).map(name));
      // What they held may be garbage now.
      for (const [at, row] of all.entries()) assert.equal(left.has(name(row)), at >= rows.length);
      for (const row of rows)
        for (const { id: stripe } of row.stripes) assert.equal(rig.reader.stripeOwner(stripe), undefined);
      return;
    }
    case 'checkpoint':
      await rig.metadata.checkpoint();
      return;
    case 'crash': {
      const before = rig.metadata.digest();
      const { position } = rig.metadata.statistics();
      if (op.a % 2) run.snapshot = [...rig.metadata.snapshot()];
      await rig.crash();
      const entry = rig.log.entries.at(-1);
      if (entry && entry.position === position) assert.deepEqual(rig.metadata.digest(), before);
      return;
    }
    default:
      return;
  }
}
