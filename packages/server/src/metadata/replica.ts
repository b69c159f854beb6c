import { CorruptionError } from '../errors.ts';
import type { Kv, KvChange } from '../kv/index.ts';
import type { Log, LogEntry } from '../log/index.ts';
import { type Applied, appliedKey, encodeApplied, readApplied, restoringKey } from './applied.ts';
import { RunningDigest } from './digest.ts';
import { ReplicaError } from './failure.ts';
import { apply } from './machine/apply.ts';
import type { Effect } from './machine/effects.ts';
import { decodeEntry } from './machine/entry.ts';
import { isKnownFeature } from './machine/features.ts';
import { Application } from './machine/manifests.ts';
import { Overlay } from './machine/overlay.ts';
import { View } from './machine/view.ts';

/*
 * The replica: the rows, and how far in the log they are. Rows, position, running hash and digest are committed together, so whatever
 * state the KV opens in after a crash is the state after some entry, and the log goes on from there. Applying an entry twice is
 * impossible by construction, and an entry that does not fit stops the replica; none is ever skipped.
 */

/** Entries, and bytes of them, that are applied in one commit. */
const BATCH_ENTRIES = 256;
const BATCH_BYTES = 4 * 1024 * 1024;

/** What is known of an entry that was applied. */
export type EntryHead = Pick<LogEntry, 'position' | 'epoch' | 'hash'>;

/** Makes a commit, again and again when need be, and hears of how many bytes of entries it is made. */
export type Commit = (step: () => void, bytes: number) => Promise<void>;

const once: Commit = async (step) => step();

export class Replica {
  readonly #kv: Kv;
  readonly #digest: RunningDigest;
  #applied: Applied;

  constructor(kv: Kv) {
    if (kv.get(restoringKey))
      throw new ReplicaError('diverged', 'a snapshot was not restored to its end: restore it again');
    this.#kv = kv;
    this.#applied = appliedOf(kv);
    checkFeatures(new View(kv).features());
    this.#digest = new RunningDigest(this.#applied.digest);
  }

  get applied(): Applied {
    return this.#applied;
  }

  /**
   * The commit of what an overlay of this replica's KV holds, as the state after `entry`: a step that can be made again when the KV refused
   * it. Nothing else may be staged before it was made.
   */
  stage(overlay: Overlay, entry: EntryHead): () => void {
    const changes: KvChange[] = [];
    for (const { key, before, after } of overlay.changes()) {
      this.#digest.change(key, before, after);
      changes.push([key, after]);
    }
    const { position, epoch, hash } = entry;
    const applied = { position, epoch, hash: Buffer.from(hash), digest: this.#digest.value() };
    changes.push([appliedKey, encodeApplied(applied)]);
    return () => {
      this.#kv.commit(changes);
      this.#applied = applied;
    };
  }

  /**
   * Applies what the log holds beyond the applied position, up to its head at the time of the call or until `signal` aborts. `compare`: looks
   * first whether the state is one of this log.
   * @throws ReplicaError when KV and log do not belong together, an entry is unknown or does not fit, or the digest differs from one that
   * the log holds. What was committed before is good.
   */
  async replay(
    log: Pick<Log, 'head' | 'tail' | 'read'>,
    { compare = true, commit = once, signal }: { compare?: boolean; commit?: Commit; signal?: AbortSignal } = {},
  ): Promise<number> {
    const start = this.#applied.position;
    if (start > log.head) {
      throw new ReplicaError(
        'ahead',
        `the state is at position ${start}, but the log ends at ${log.head}: entries were lost`,
      );
    }
    const from = compare && start > 0 && start >= log.tail ? start : start + 1;
    if (from > log.head) return 0;
    const batch = new Batch(this, this.#kv, commit);
    try {
      for await (const entry of log.read(from)) {
        if (signal?.aborted) break;
        if (entry.position > start) await batch.add(entry);
        else if (!entry.hash.equals(this.#applied.hash)) {
          throw new ReplicaError('diverged', `the state at position ${start} is not that of this log`);
        }
      }
    } catch (cause) {
      if (!(cause instanceof RangeError)) throw cause;
      const why = `the state is at position ${start}, but the log begins at ${log.tail}`;
      throw new ReplicaError('behind', why, cause);
    }
    await batch.flush();
    return this.#applied.position - start;
  }
}

/** What is turned on is used: who does not know it can neither read the state nor change it. */
function checkFeatures(names: readonly string[]): void {
  const unknown = names.filter((name) => !isKnownFeature(name));
  if (unknown.length > 0)
    throw new ReplicaError(
      'unknown',
      `this version of DSOM does not know ${unknown.join(', ')}, which is in use here: start a version that does (the one that ran before). Nothing was changed`,
    );
}

/** What an entry says; one without a payload is the log's own. */
function effectsOf({ position, payload }: LogEntry): Effect[] {
  try {
    // The rows of effects are views of the payload, and the log gives that away again with the next entry: keep a copy.
    const effects = payload.length === 0 ? [] : decodeEntry(Buffer.from(payload));
    checkFeatures(effects.flatMap((effect) => (effect.type === 'feature.enable' ? [effect.feature] : [])));
    return effects;
  } catch (cause) {
    if (!(cause instanceof CorruptionError) || cause instanceof ReplicaError) throw cause;
    throw new ReplicaError('unknown', `entry ${position}: ${cause.message}`, cause);
  }
}

function appliedOf(kv: Kv): Applied {
  try {
    return readApplied(kv);
  } catch (cause) {
    throw cause instanceof CorruptionError ? new ReplicaError('diverged', cause.message, cause) : cause;
  }
}

/** Entries applied, but not committed yet. */
class Batch {
  readonly #replica: Replica;
  readonly #kv: Kv;
  readonly #commit: Commit;
  #overlay: Overlay;
  #last: EntryHead | undefined;
  #entries = 0;
  #bytes = 0;

  constructor(replica: Replica, kv: Kv, commit: Commit) {
    this.#replica = replica;
    this.#kv = kv;
    this.#commit = commit;
    this.#overlay = new Overlay(kv);
  }

  async add(entry: LogEntry): Promise<void> {
    const { position, epoch } = this.#last ?? this.#replica.applied;
    if (entry.position !== position + 1) throw new CorruptionError(`the log has no entry ${position + 1}`);
    // An owner that was deposed without knowing wrote it: every replica passes over it alike.
    const effects = entry.epoch < epoch ? [] : effectsOf(entry);
    // What is kept of an entry is kept before anything is waited for.
    const head = { position: entry.position, epoch: Math.max(epoch, entry.epoch), hash: Buffer.from(entry.hash) };
    const { length } = entry.payload;
    for (const effect of effects) {
      if (effect.type !== 'digest') continue;
      await this.flush();
      if (!effect.digest.equals(this.#replica.applied.digest)) {
        throw new ReplicaError(
          'diverged',
          `the state digest at position ${position} is not the one that the log holds: rebuild`,
        );
      }
    }
    try {
      apply(new Application(this.#overlay, head.position), effects);
    } catch (cause) {
      if (!(cause instanceof CorruptionError)) throw cause;
      throw new ReplicaError('diverged', `entry ${head.position}: ${cause.message}`, cause);
    }
    this.#last = head;
    this.#entries++;
    this.#bytes += length;
    if (this.#entries >= BATCH_ENTRIES || this.#bytes >= BATCH_BYTES) await this.flush();
  }

  async flush(): Promise<void> {
    if (!this.#last) return;
    const step = this.#replica.stage(this.#overlay, this.#last);
    const bytes = this.#bytes;
    this.#overlay = new Overlay(this.#kv);
    this.#last = undefined;
    this.#entries = 0;
    this.#bytes = 0;
    await this.#commit(step, bytes);
  }
}
