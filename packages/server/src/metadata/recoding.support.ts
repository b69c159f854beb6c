import assert from 'node:assert/strict';
import { StoreError } from '../errors.ts';
import type { Run } from './driven.support.ts';
import { lentTo } from './lending.ts';
import { stripesOf } from './machine/pieces.ts';
import { type Operation, selectorOf } from './scenarios.support.ts';

/** Keeps all or half of the stripes of one piece of some version in another way. May be refused where the piece is shared. */
export async function recodeStep(run: Run, op: Operation): Promise<void> {
  const { reader } = run.rig;
  const found = run.pick(op);
  const record = found && reader.version(found.id, found.key, selectorOf(found.version));
  if (!found || record?.kind !== 'object') return;
  const striped = reader
    .placedPieces(record.manifest, 0, 10_000)
    .flatMap((placed) => [...lentTo(reader, placed)])
    .filter(({ piece }) => stripesOf(piece).some(({ group }) => group === 3));
  const chosen = striped[op.a % Math.max(1, striped.length)];
  if (!chosen) return;
  const old = stripesOf(chosen.piece).filter((_, index) => op.b % 3 === 0 || index % 2 === 0);
  const fresh = await run.rig.stripes(old.length);
  const swaps = old.map(({ id }, index) => ({ from: id, to: (fresh[index] as { id: Buffer }).id, group: 4 }));
  const command = {
    type: 'object.recode',
    bucket: found.id,
    key: found.key,
    sequence: record.sequence,
    manifest: record.manifest.id,
    place: chosen.place,
    swaps,
    mayUnshare: op.a % 5 > 0,
  } as const;
  const position = reader.recodedAt();
  try {
    await run.rig.do(command, 'done');
  } catch (error) {
    assert.ok(error instanceof StoreError && error.code === 'ConditionalRequestConflict', String(error));
    assert.ok(chosen.isShared, 'only what is shared is refused');
    assert.equal(reader.recodedAt(), position);
    return;
  }
  assert.ok(reader.recodedAt() > position, 'what was decoded before is out of date');
  const after = reader.version(found.id, found.key, selectorOf(found.version));
  assert.ok(after?.kind === 'object');
  found.version.manifest = Buffer.from(after.manifest.id);
  const now = reader
    .placedPieces(after.manifest, 0, 10_000)
    .flatMap((placed) => [...lentTo(reader, placed)])
    .flatMap(({ piece }) => stripesOf(piece));
  for (const { from, to, group } of swaps) {
    assert.ok(!now.some(({ id }) => id.equals(from)), 'the old stripe is gone');
    const there = now.find(({ id }) => id.equals(to));
    assert.deepEqual([there?.group, there?.length], [group, 100]);
  }
  await assert.rejects(run.rig.do(command, 'done'), { code: 'ConditionalRequestConflict' });
}
