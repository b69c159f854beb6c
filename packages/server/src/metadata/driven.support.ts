import assert from 'node:assert/strict';
import type { StoreError } from '../errors.ts';
import type { Piece, Versioning, VersionRecord } from './machine/records.ts';
import { ModelBucket, type ModelVersion, refusal } from './model.support.ts';
import { recodeStep } from './recoding.support.ts';
import { renameStep } from './renaming.support.ts';
import { draftOf, inlinePiece, Rig, stripedPiece } from './rig.support.ts';
import { hex, names, type Operation, selectorOf, texts } from './scenarios.support.ts';
import type { Guard, VersionSelector } from './types.ts';
import { uploadStep } from './uploading.support.ts';

/** A shard and the model that is told the same. */
export class Run {
  readonly rig: Rig;
  readonly model: ModelBucket[] = [];
  readonly ids: number[] = [];
  snapshot: Buffer[] | undefined;

  constructor(rig: Rig) {
    this.rig = rig;
  }

  at(op: Operation) {
    const text = texts[op.key]!;
    return { bucket: this.model[op.bucket]!, id: this.ids[op.bucket]!, text, key: Buffer.from(text, 'latin1') };
  }

  guard(op: Operation): Guard | undefined {
    const current = this.at(op).bucket.live(this.at(op).text);
    switch (op.guard) {
      case 'absent':
        return { ifNoneMatch: '*' };
      case 'any':
        return { ifMatch: '*' };
      case 'current':
        return { ifMatch: current ? `"${current.etag}"` : '"0"' };
      case 'other':
        return { ifMatch: '"feed"' };
      case 'unmodified':
        return { ifUnmodifiedSinceMs: (current?.modifiedMs ?? 0) + (op.a % 3) * 1000 - 1000 };
      default:
        return undefined;
    }
  }

  /** The version as the model keeps it; what only the owner decides is taken from its answer. */
  added(op: Operation, record: VersionRecord, pieces: readonly Piece[], before?: ModelVersion): void {
    const { bucket, text } = this.at(op);
    assert.equal(record.isNull, bucket.versioning !== 'enabled');
    const object = record.kind === 'object' ? record : undefined;
    bucket.add(text, {
      sequence: record.sequence,
      nonce: Buffer.from(record.nonce),
      isNull: record.isNull,
      marker: !object,
      etag: object ? `${hex(object.etag)}${object.etagParts > 0 ? `-${object.etagParts}` : ''}` : '',
      size: pieces.reduce((sum, piece) => sum + piece.size, before?.size ?? 0),
      modifiedMs: record.modifiedMs,
      tags: object?.tags ?? [],
      pieces: [...(before?.pieces ?? []), ...pieces.map((piece) => hex(piece.md5))],
      pieceSizes: [...(before?.pieceSizes ?? []), ...pieces.map((piece) => piece.size)],
      manifest: object ? Buffer.from(object.manifest.id) : Buffer.alloc(0),
    });
  }

  /** Runs a write that may be refused by its guard; undefined when it was. */
  async guarded<Result>(
    op: Operation,
    guard: Guard | undefined,
    write: () => Promise<Result>,
  ): Promise<Result | undefined> {
    const { bucket, text } = this.at(op);
    const expected = refusal(guard, bucket.live(text));
    if (expected === undefined) return write();
    await assert.rejects(write, (error: StoreError) => error.code === expected);
    return undefined;
  }

  async pieces(op: Operation): Promise<Piece[]> {
    if (op.kind === 'put') return [inlinePiece(`${op.a} ${op.b}`)];
    if (op.kind === 'putStriped') return [stripedPiece(await this.rig.stripes(1 + (op.a % 4)), 5000 + op.a)];
    if (op.a % 2 === 0) return [stripedPiece(await this.rig.stripes(5 + (op.a % 3)), 50_000 + op.a)];
    return [
      stripedPiece(await this.rig.stripes(1), 700),
      inlinePiece('two'),
      stripedPiece(await this.rig.stripes(2), 900),
    ];
  }

  async step(op: Operation): Promise<void> {
    const { rig } = this;
    const { bucket, id, text, key } = this.at(op);
    rig.host.advance(op.b % 1500);
    switch (op.kind) {
      case 'put':
      case 'putStriped':
      case 'putLarge': {
        const pieces = await this.pieces(op);
        const guard = this.guard(op);
        const size = pieces.reduce((sum, piece) => sum + piece.size, 0);
        const draft = draftOf(size, pieces[0]!.md5);
        const put = () => rig.put(id, key, pieces[0]!, { guard, draft, pieces });
        const before = bucket.of(text).some((each) => each.isNull);
        const reply = await this.guarded(op, guard, put);
        if (!reply) return;
        assert.equal(reply.replacedNull, bucket.versioning !== 'enabled' && before);
        return this.added(op, reply.version, pieces);
      }
      case 'copy': {
        const from = this.pick(op);
        // Where bytes cannot be shared, no copy is asked for.
        if (!from || rig.reader.shardOf(from.id, from.key) !== rig.reader.shardOf(id, key)) return;
        const guard = this.guard(op);
        const source = {
          bucket: from.id,
          key: from.key,
          version: selectorOf(from.version),
          manifest: from.version.manifest,
        };
        const draft = draftOf(from.version.size, Buffer.from(from.version.etag.slice(0, 32), 'hex'), {
          tags: [['copy', `${op.a}`]],
        });
        const command = { type: 'object.share', bucket: id, key, owner: 'o', guard, draft, source } as const;
        const reply = await this.guarded(op, guard, () => rig.do(command, 'version'));
        if (reply) this.added(op, reply.version, [], from.version);
        return;
      }
      case 'append': {
        const guard = this.guard(op);
        const before = bucket.live(text);
        const piece = op.a % 2 ? inlinePiece(`+${op.a}`) : stripedPiece(await rig.stripes(1), 100 + op.a);
        const draft = draftOf(piece.size, piece.md5);
        const at = {
          bucket: id,
          key,
          owner: 'o',
          guard,
          draft,
          piece,
          offset: before?.size ?? 0,
        };
        const reply = await this.guarded(op, guard, () => rig.do({ type: 'object.append', ...at }, 'version'));
        if (!reply) return;
        return this.added(op, reply.version, [piece], before);
      }
      case 'delete': {
        const guard = this.guard(op);
        const refused = refusal(guard, bucket.live(text));
        const items = [{ key, version: undefined, guard }];
        const [result] = (await rig.do({ type: 'object.delete', bucket: id, owner: 'o', items }, 'deleted')).results;
        assert.equal(result!.error?.code, refused);
        if (refused) return;
        const newest = bucket.newest(text);
        if (bucket.marks(text)) {
          assert.equal(result!.marker, true);
          this.added(op, result!.version!, []);
        } else assert.equal(result!.version?.sequence, newest?.sequence);
        return;
      }
      case 'deleteVersion':
      case 'deleteNewest': {
        const found = op.kind === 'deleteNewest' ? this.newest(op) : this.pick(op);
        const version: VersionSelector = found
          ? selectorOf(found.version)
          : { sequence: 999_999, nonce: Buffer.alloc(8) };
        const items = [{ key: found?.key ?? key, version, guard: undefined }];
        const [result] = (
          await rig.do({ type: 'object.delete', bucket: found?.id ?? id, owner: 'o', items }, 'deleted')
        ).results;
        assert.equal(result!.version?.sequence, found?.version.sequence);
        assert.equal(result!.marker, found?.version.marker ?? false);
        found?.bucket.removeVersion(found.text, found.version);
        return;
      }
      case 'appendTwice':
        await this.step({ ...op, kind: 'append' });
        return this.step({ ...op, kind: 'append', a: op.a + 1 });
      case 'partTwice':
        await this.step({ ...op, kind: 'part' });
        return this.step({ ...op, kind: 'part', b: op.b % 2 ? op.b : op.b + 1 });
      case 'annotate': {
        const found = this.pick(op);
        if (!found) return;
        const tags = [['t', `${op.a}`]] as const;
        const where = { bucket: found.id, key: found.key, version: selectorOf(found.version), guard: undefined };
        await rig.do({ type: 'object.annotate', ...where, change: { tags: { clear: true, set: tags } } }, 'version');
        found.version.tags = tags;
        return;
      }
      case 'rename':
        return renameStep(this, op);
      case 'recode':
        return recodeStep(this, op);
      case 'touch': {
        const found = this.pick(op);
        if (!found) return;
        const items = [{ bucket: found.id, key: found.key, sequence: found.version.sequence, idleMs: 1000 }];
        await rig.do({ type: 'object.touch', items }, 'done');
        return;
      }
      case 'versioning': {
        const next = (['off', 'enabled', 'suspended'] as const)[op.a % 3]!;
        const set = () => rig.do({ type: 'bucket.update', name: names[op.bucket]!, versioning: next }, 'bucket');
        if (next === 'off' && bucket.versioning !== 'off') {
          await assert.rejects(set, (error: StoreError) => error.code === 'IllegalVersioningConfigurationException');
        } else {
          await set();
          bucket.versioning = next;
        }
        return;
      }
      default:
        return uploadStep(this, op);
    }
  }

  newest(op: Operation) {
    const { bucket, id, text, key } = this.at(op);
    const version = bucket.newest(text);
    return version && { bucket, text, version, id, key };
  }

  /** Some version that exists. */
  pick(op: Operation) {
    const all = this.model.flatMap((bucket, index) =>
      [...bucket.keys].flatMap(([text, versions]) =>
        versions.map((version) => ({ bucket, text, version, id: this.ids[index]!, key: Buffer.from(text, 'latin1') })),
      ),
    );
    const wanted = op.kind === 'deleteVersion' ? all : all.filter(({ version }) => !version.marker);
    return wanted[op.b % Math.max(1, wanted.length)];
  }
}

export async function startRun(versioning: Versioning = 'off', rig?: Rig): Promise<Run> {
  const run = new Run(rig ?? (await Rig.open()));
  for (const name of names) {
    run.ids.push(await run.rig.bucket(name, versioning));
    run.model.push(new ModelBucket(versioning));
  }
  return run;
}
