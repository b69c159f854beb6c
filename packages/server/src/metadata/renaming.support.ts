import assert from 'node:assert/strict';
import type { StoreError } from '../errors.ts';
import type { Run } from './driven.support.ts';
import { refusal } from './model.support.ts';
import { latin1, type Operation, texts } from './scenarios.support.ts';

/** Renames some key of the bucket to the one of the operation; both, or none, of the two changes is made. */
export async function renameStep(run: Run, op: Operation): Promise<void> {
  const { rig } = run;
  const { bucket, id, text, key } = run.at(op);
  const index = (op.key + 1 + (op.a % 3)) % texts.length;
  const from = texts[index]!;
  // Where no single change can do it, nobody asks.
  if (from === text || rig.reader.shardOf(id, latin1(from)) !== rig.reader.shardOf(id, key)) return;
  const source = bucket.live(from);
  const guard = run.guard(op);
  const target = { type: 'object.rename', bucket: id, key, owner: 'o', guard } as const;
  const ask = (ifMatch: string) => rig.do({ ...target, source: { key: latin1(from), guard: { ifMatch } } }, 'version');
  if (!source) return assert.rejects(ask('*'), (error: StoreError) => error.code === 'NoSuchKey');
  const refused = refusal(guard, bucket.live(text));
  if (refused !== undefined) return assert.rejects(ask('*'), (error: StoreError) => error.code === refused);
  await assert.rejects(ask('"feed"'), (error: StoreError) => error.code === 'PreconditionFailed');
  const { version } = await ask(`"${source.etag}"`);
  if (bucket.versioning === 'off') assert.equal(version.modifiedMs, source.modifiedMs, 'its time goes along');
  run.added(op, version, [], source);
  if (!bucket.marks(from)) return;
  const marker = rig.reader.version(id, latin1(from), undefined);
  assert.equal(marker?.kind, 'marker');
  assert.ok(marker!.sequence > version.sequence, 'every version has a sequence of its own');
  run.added({ ...op, key: index }, marker!, []);
}
