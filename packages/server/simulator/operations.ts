import type { StoreError } from '../src/errors.ts';
import { limits } from '../src/limits.ts';
import { type PartRecord, shardOfNumber } from '../src/metadata/index.ts';
import { etagText, uploadIdText, versionIdText } from '../src/objects/index.ts';
import { relock, removeVersion } from './locking.ts';
import { lockAsked, lockedUntilMs } from './locks.ts';
import { renameStep } from './renames.ts';
import { claimPrefix, isFading, isRegister } from './ruled.ts';
import { type Operation, type OperationKind, operationText } from './scenario.ts';
import { absent } from './seen.ts';
import { describing, heldBy, markerOf, type Outcome, type Session, scopeOf, writerOf } from './session.ts';
import { bodyOf, writesIn } from './world/content.ts';
import { lifecycleDayMs } from './world/lifecycle.ts';

/* What clients do, one function for each kind of operation: it asks the server, and writes down what its client saw. */

async function writeBody(session: Session, operation: Operation): Promise<Outcome<unknown>> {
  const { bucket, write, kind } = operation;
  const { history, coverage } = session.parts;
  const name = `${bucket}/${operation.key}`;
  const bytes = bodyOf(write, Number(operation.with['size']));
  const copies = operation.with['copies'];
  const request = {
    ...describing(write),
    bucket,
    key: Buffer.from(operation.key),
    owner: 'o',
    expected: {},
    guard: operation.with['guard'] === 'absent' ? { ifNoneMatch: '*' } : undefined,
    redundancy: copies === undefined ? undefined : { copies: Number(copies) },
    ...(operation.with['lock'] !== undefined && { lock: lockOf(operation.with['lock']) }),
  };
  const offset = operation.with['offset'] === 'known' ? session.sizes.get(name) : undefined;
  const beganMs = session.parts.scheduler.now;
  const record = session.begin(operation);
  const outcome = await session.ask((objects, pause) => {
    const whole = { ...request, body: session.body(operation, bytes, pause) };
    return kind === 'put' ? objects.put(whole) : objects.append({ ...whole, offset });
  }, scopeOf(operation));
  session.end(record, operation, outcome);
  if (outcome.kind === 'refused' && ['PreconditionFailed', 'InvalidWriteOffset'].includes(outcome.error.code)) {
    coverage.hit('a write was refused for its condition');
    if (operation.key.startsWith(claimPrefix)) coverage.hit('a second claim of a key was refused');
  }
  if (outcome.kind === 'refused' && outcome.error.code === 'QuotaExceeded')
    coverage.hit('a write was refused for its quota');
  if (outcome.kind !== 'done') return outcome;
  if (isFading(bucket, operation.key)) history.puts.set(name, Math.max(history.puts.get(name) ?? 0, beganMs));
  const { version } = outcome.result;
  const before = version.size - bytes.length;
  if (kind === 'put') {
    if (before !== 0) throw new Error(`${name} has ${version.size} bytes after a put of ${bytes.length}`);
    history.learnBytes(name, heldBy(version), [write], `put ${write}`);
    if (request.guard) session.saw(operation, record.start, absent, undefined);
  } else {
    if (offset !== undefined && offset !== before)
      throw new Error(`${name}: an append at ${offset} came behind ${before} bytes`);
    // Whoever appends says what was there before.
    session.saw(operation, record.start, before === 0 ? absent : `w${writerOf(version)}/${before}`, undefined);
  }
  return outcome;
}

const lockOf = (asked: string) => {
  const { mode, held } = lockAsked(asked);
  return { ...(mode && { retention: { mode, untilMs: lockedUntilMs } }), ...(held && { legalHold: true }) };
};

async function copy(session: Session, operation: Operation): Promise<Outcome<unknown>> {
  const [bucket, key] = (operation.with['from'] as string).split('/') as [string, string];
  const { history } = session.parts;
  const record = session.begin(operation);
  const outcome = await session.ask(
    (objects) =>
      objects.copy({
        source: { bucket, key: Buffer.from(key), versionId: undefined, guard: undefined },
        bucket: operation.bucket,
        key: Buffer.from(operation.key),
        owner: 'o',
        guard: undefined,
        storageClass: 'STANDARD',
        metadata: describing(operation.write).metadata,
        checksumAlgorithm: undefined,
      }),
    { bucket: operation.bucket, wide: true },
  );
  session.end(record, operation, outcome);
  if (outcome.kind !== 'done') return outcome;
  const { source, version } = outcome.result;
  if (shardOfNumber(source.sequence) !== shardOfNumber(version.sequence))
    session.parts.coverage.hit('bytes were copied from one shard to another');
  session.saw(operation, record.start, heldBy(source), source.sequence, bucket, key);
  const made = history.bytesOf(`${bucket}/${key}`, heldBy(source));
  if (made !== undefined) {
    const writes = made.split(',').map(Number);
    history.learnBytes(`${operation.bucket}/${operation.key}`, heldBy(version), writes, `copy ${operation.write}`);
  }
  return outcome;
}

async function patch(session: Session, operation: Operation): Promise<Outcome<unknown>> {
  const record = session.begin(operation);
  const outcome = await session.ask(
    (objects) =>
      objects.patch({
        bucket: operation.bucket,
        key: Buffer.from(operation.key),
        versionId: undefined,
        guard: undefined,
        owner: 'o',
        metadata: { clear: true, set: describing(operation.write).metadata },
      }),
    scopeOf(operation),
  );
  session.end(record, operation, outcome);
  return outcome;
}

async function remove(session: Session, operation: Operation): Promise<Outcome<unknown>> {
  const { scheduler } = session.parts;
  const record = session.begin(operation);
  const item = { key: Buffer.from(operation.key), versionId: undefined, guard: undefined };
  const outcome = await session.ask((objects) => objects.delete(operation.bucket, 'o', [item]), scopeOf(operation));
  if (outcome.kind === 'unknown') return outcome;
  record.end = scheduler.stamp();
  if (outcome.kind === 'refused') {
    record.refused = true;
    return outcome;
  }
  const [result] = outcome.result;
  if (result?.error) throw new Error(`a delete without a condition answers ${result.error.code}`);
  session.sizes.delete(`${operation.bucket}/${operation.key}`);
  if (operation.bucket === 'kept' && result?.marker && result.version) {
    record.value = markerOf(versionIdText(result.version));
    record.order = result.version.sequence;
  }
  return outcome;
}

/** Deletes a version for good that a newer one has replaced: what the key shows does not change. */
async function removeOld(session: Session, operation: Operation): Promise<Outcome<unknown>> {
  const { history, coverage, dice } = session.parts;
  const versions = history.versions.get(`${operation.bucket}/${operation.key}`) ?? [];
  const newest = Math.max(...versions.map(({ sequence }) => sequence));
  const old = versions.filter((one) => one.sequence < newest && !one.condemned);
  if (old.length === 0) return { kind: 'unknown' };
  const version = dice.pick(old);
  version.condemned = true;
  const item = { key: Buffer.from(operation.key), versionId: version.id, guard: undefined };
  const outcome = await session.ask((objects) => objects.delete(operation.bucket, 'o', [item]), scopeOf(operation));
  if (outcome.kind === 'done') coverage.hit('an old version was deleted for good');
  return outcome;
}

async function get(session: Session, operation: Operation): Promise<Outcome<unknown>> {
  const { bucket, key } = operation;
  const { history, scheduler, coverage, dice } = session.parts;
  const name = `${bucket}/${key}`;
  const kept = operation.with['version'] === 'old' ? (history.versions.get(name) ?? []) : [];
  const old = kept.length > 0 ? dice.pick(kept) : undefined;
  const level = operation.with['level'] === 'causal' ? 'causal' : 'strong';
  const putMs = bucket === 'fading' && session.parts.clocksAgree ? history.puts.get(name) : undefined;
  const start = scheduler.stamp();
  const outcome = await session.ask(
    async (objects, pause) => {
      const request = { bucket, key: Buffer.from(key), versionId: old?.id, guard: undefined };
      const reading = await objects.read(request);
      const { version } = reading;
      // Longer than what was looked up is kept for whoever has not begun to read.
      if (operation.with['pace'] === 'late') await pause(2 * limits.unopenedReadMs + dice.float() * 4000);
      const from =
        operation.with['slice'] === undefined ? 0 : Math.floor((version.size * Number(operation.with['slice'])) / 1000);
      const slice = { start: from, end: version.size };
      const whole = dice.chance(0.5) ? reading.immediate(slice) : undefined;
      if (whole) return { version, bytes: whole, from };
      const chunks: Buffer[] = [];
      for await (const chunk of reading.open(slice)) {
        chunks.push(Buffer.from(chunk));
        if (operation.with['pace'] === 'slow') await pause(dice.float() * 400);
      }
      return { version, bytes: Buffer.concat(chunks), from };
    },
    scopeOf(operation),
    level,
  );
  if (outcome.kind === 'refused' && level === 'strong') {
    sawNothing(session, operation, start, old !== undefined, outcome.error);
    if (outcome.error.code === 'NoSuchKey' && putMs !== undefined && scheduler.now < putMs + lifecycleDayMs)
      throw new Error(`${name} was put at ${putMs}, and is gone before its day was over`);
  }
  if (outcome.kind !== 'done') return outcome;
  const { version, bytes, from } = outcome.result;
  session.learn(name, version);
  if (bytes.length !== version.size - from)
    throw new Error(`${name} gave ${bytes.length} of ${version.size - from} bytes`);
  if (from === 0) history.learnBytes(name, heldBy(version), writesIn(bytes), operationText(operation));
  if (!old && isRegister(bucket)) session.sees(name, version.sequence, operationText(operation));
  if (!old && level === 'strong') session.saw(operation, start, heldBy(version), version.sequence);
  else if (!old) coverage.hit('a session read at the causal level');
  if (old) {
    coverage.hit('an old version was read by its id');
    if (heldBy(version) !== old.value)
      throw new Error(`version ${old.id} of ${name} was ${old.value} and is ${heldBy(version)}`);
  }
  return outcome;
}

/** There is no object; in the bucket that keeps versions, the answer names the marker. */
function sawNothing(session: Session, operation: Operation, start: number, old: boolean, error: StoreError): void {
  if (old || error.code !== 'NoSuchKey') return;
  // Deleted under the hands of its reader: what it saw cannot be told.
  if (error.message.startsWith('The object was deleted')) {
    session.parts.coverage.hit('a slow read ended after its version was deleted');
    return;
  }
  const id = error.detail['VersionId'];
  session.saw(operation, start, id === undefined ? absent : markerOf(id), undefined);
}

async function list(session: Session, operation: Operation): Promise<Outcome<unknown>> {
  const { bucket } = operation;
  const { history, scheduler, coverage } = session.parts;
  let after = Buffer.alloc(0);
  const none = Buffer.alloc(0);
  const limit = Number(operation.with['limit']);
  for (;;) {
    const start = scheduler.stamp();
    const query = { bucket, prefix: none, delimiter: none, after, limit };
    const outcome = await session.ask((objects) => objects.list(query), { bucket });
    if (outcome.kind !== 'done') return outcome;
    const { items, truncated } = outcome.result;
    const listed = new Map(items.flatMap((item) => ('key' in item ? [[item.key.toString(), item] as const] : [])));
    const last = [...listed.keys()].at(-1);
    for (const name of history.keys.keys()) {
      const [inBucket, key] = name.split('/') as [string, string];
      if (inBucket !== bucket || key <= after.toString() || (truncated && last !== undefined && key > last)) continue;
      const item = listed.get(key);
      if (!item) session.saw(operation, start, absent, undefined, bucket, key);
      else {
        const what = operationText(operation);
        const read = { kind: 'read', start, end: scheduler.stamp(), order: undefined, what } as const;
        history.sawListed(name, { etag: etagText(item), size: item.size, read });
      }
    }
    if (!truncated || last === undefined) return outcome;
    coverage.hit('a list was cut at its page');
    after = Buffer.from(last);
    await scheduler.sleep(1, session.name);
  }
}

async function upload(session: Session, operation: Operation): Promise<Outcome<unknown>> {
  const { bucket, key, write } = operation;
  const { coverage, history } = session.parts;
  const at = { bucket, key: Buffer.from(key) };
  const begun = await session.ask(
    (objects) =>
      objects.createUpload({
        ...describing(write),
        ...at,
        owner: 'o',
        checksumAlgorithm: undefined,
        checksumType: undefined,
      }),
    scopeOf(operation),
  );
  if (begun.kind !== 'done') return begun;
  const { spread } = session;
  const uploadId = uploadIdText(begun.result.id);
  const bytes = bodyOf(write, Number(operation.with['size']));
  // Only the last part is named: those before it become garbage, and it may be of any size.
  const count = Number(operation.with['parts']);
  let writes: readonly number[] | undefined = [write];
  let etag = '';
  for (let number = 1; number <= count; number++) {
    if (operation.with['pause'] !== undefined)
      await session.parts.scheduler.sleep(Number(operation.with['pause']), session.name);
    const from = number === count ? operation.with['from'] : undefined;
    const part =
      from === undefined
        ? await session.ask((objects, pause) => {
            const body = session.body(operation, bytes, pause);
            return objects.putPart({ ...at, uploadId, number, body, expected: {} });
          }, scopeOf(operation))
        : await copyPart(session, operation, from, { ...at, uploadId, number }, (its) => {
            writes = its;
          });
    if (part.kind !== 'done') return part;
    etag = etagText({ etag: part.result.piece.md5, etagParts: 0 });
  }
  if (operation.with['end'] === 'leave') return { kind: 'unknown' };
  if (operation.with['end'] === 'abort') {
    const aborted = await session.ask((objects) => objects.abortUpload(bucket, at.key, uploadId), scopeOf(operation));
    if (aborted.kind === 'done') coverage.hit('an upload was aborted');
    return aborted;
  }
  const record = session.begin(operation);
  const parts = [{ number: count, etag, checksum: undefined }];
  const outcome = await session.ask(
    (objects) =>
      objects.completeUpload({ ...at, uploadId, guard: undefined, parts, checksum: undefined, size: undefined }),
    scopeOf(operation),
  );
  session.end(record, operation, outcome);
  if (outcome.kind === 'done') {
    coverage.hit('an upload was completed');
    if (session.spread > spread)
      coverage.hit('an upload was begun before its bucket got more shards, and completed after');
    if (writes) history.learnBytes(`${bucket}/${key}`, heldBy(outcome.result.version), writes, `upload ${write}`);
  }
  return outcome;
}

/** @param made is told the writes whose bytes the part has, where these are known */
async function copyPart(
  session: Session,
  operation: Operation,
  from: string,
  target: { readonly bucket: string; readonly key: Buffer; readonly uploadId: string; readonly number: number },
  made: (writes: readonly number[] | undefined) => void,
): Promise<Outcome<PartRecord>> {
  const [bucket, key] = from.split('/') as [string, string];
  const { coverage, history, scheduler } = session.parts;
  const start = scheduler.stamp();
  const source = { bucket, key: Buffer.from(key), versionId: undefined, guard: undefined };
  const outcome = await session.ask((objects) => objects.copyPart({ ...target, source, slice: undefined }), {
    bucket: operation.bucket,
    wide: true,
  });
  if (outcome.kind !== 'done') return outcome;
  const { part, source: copied } = outcome.result;
  coverage.hit('a part was copied from an object');
  if ('borrowed' in part.piece.body) coverage.hit('a part borrowed the bytes of an object');
  session.saw(operation, start, heldBy(copied), copied.sequence, bucket, key);
  made(history.bytesOf(from, heldBy(copied))?.split(',').map(Number));
  return { kind: 'done', result: part };
}

/** Does one operation. */
export const steps: Readonly<
  Record<OperationKind, (session: Session, operation: Operation) => Promise<Outcome<unknown>>>
> = {
  put: writeBody,
  append: writeBody,
  copy,
  patch,
  delete: remove,
  'delete-old': removeOld,
  get,
  list,
  upload,
  lock: relock,
  'delete-version': removeVersion,
  rename: renameStep,
};
