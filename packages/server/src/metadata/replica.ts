import { CorruptionError } from '../errors.ts';
import type { Kv, KvChange } from '../kv/index.ts';
import type { Log, LogEntry } from '../log/index.ts';
import { type Applied, appliedKey, encodeApplied, readApplied, restoringKey } from './applied.ts';
import { RunningDigest } from './digest.ts';
import { apply } from './machine/apply.ts';
import { decodeEntry } from './machine/entry.ts';
import { Application } from './machine/manifests.ts';
import { Overlay } from './machine/overlay.ts';

/*
 * The replica: the rows, and how far in the log they are. Rows, position, running hash and digest are committed together, so whatever
 * state the KV opens in after a crash is the state after some entry, and the log goes on from there. Applying an entry twice is
 * impossible by construction, and an entry that does not fit stops the replica; none is ever skipped.
 */

/** Entries, and bytes of them, that replay puts into one commit. */
const REPLAY_ENTRIES = 256;
const REPLAY_BYTES = 4 * 1024 * 1024;

/** The rows are not the state that the log describes, or cannot go on to it: they can be made anew from a snapshot and the log. */
export class StateDamaged extends CorruptionError {}

export class Replica {
  readonly #kv: Kv;
  readonly #digest: RunningDigest;
  #applied: Applied;

  constructor(kv: Kv) {
    if (kv.get(restoringKey)) throw new StateDamaged('a snapshot was not restored to its end: restore it again');
    this.#kv = kv;
    this.#applied = appliedOf(kv);
    this.#digest = new RunningDigest(this.#applied.digest);
  }

  get applied(): Applied {
    return this.#applied;
  }

  /** Commits what an overlay of this replica's KV holds, as the state after `entry`. */
  commit(overlay: Overlay, entry: Pick<LogEntry, 'position' | 'epoch' | 'hash'>): void {
    this.stage(overlay, entry)();
  }

  /** The commit as a step that can be made again when the KV refused it; nothing else may be staged before it was made. */
  stage(overlay: Overlay, entry: Pick<LogEntry, 'position' | 'epoch' | 'hash'>): () => void {
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
   * Applies what the log holds beyond the applied position.
   * @throws StateDamaged when KV and log do not belong together, or the digest differs from one that the log holds: the KV must be rebuilt
   * from a snapshot and the log. CorruptionError when the log lost entries that were applied, or an entry is unknown or does not fit
   */
  async replay(log: Log): Promise<number> {
    const start = this.#applied.position;
    if (start > log.head) {
      throw new CorruptionError(
        `the state is at position ${start}, but the log ends at ${log.head}: entries were lost`,
      );
    }
    const known = start > 0 && start >= log.tail;
    const from = known ? start : start + 1;
    if (from < log.tail) {
      throw new StateDamaged(`the state is at position ${start}, but the log begins at ${log.tail}: rebuild it`);
    }
    const pending = new Pending(this, this.#kv);
    if (from <= log.head) {
      for await (const entry of log.read(from)) {
        if (entry.position > start) pending.add(entry);
        else if (!entry.hash.equals(this.#applied.hash)) {
          throw new StateDamaged(`the state at position ${start} is not that of this log`);
        }
      }
    }
    pending.flush();
    return this.#applied.position - start;
  }
}

function appliedOf(kv: Kv): Applied {
  try {
    return readApplied(kv);
  } catch (cause) {
    throw cause instanceof CorruptionError ? new StateDamaged(cause.message, { cause }) : cause;
  }
}

/** Entries applied, but not committed yet. */
class Pending {
  readonly #replica: Replica;
  readonly #kv: Kv;
  #overlay: Overlay;
  #last: Pick<LogEntry, 'position' | 'epoch' | 'hash'> | undefined;
  #entries = 0;
  #bytes = 0;

  constructor(replica: Replica, kv: Kv) {
    this.#replica = replica;
    this.#kv = kv;
    this.#overlay = new Overlay(kv);
  }

  add(entry: LogEntry): void {
    const { position, epoch } = this.#last ?? this.#replica.applied;
    if (entry.position !== position + 1) throw new CorruptionError(`the log has no entry ${position + 1}`);
    // An owner that was deposed without knowing wrote it: every replica passes over it alike.
    // The rows of effects are views of the payload, and the log gives that away again with the next entry: keep a copy.
    const effects = entry.epoch < epoch ? [] : decodeEntry(Buffer.from(entry.payload));
    for (const effect of effects) {
      if (effect.type !== 'digest') continue;
      this.flush();
      if (!effect.digest.equals(this.#replica.applied.digest)) {
        throw new StateDamaged(`the state digest at position ${position} is not the one that the log holds: rebuild`);
      }
    }
    apply(new Application(this.#overlay, entry.position), effects);
    this.#last = { position: entry.position, epoch: Math.max(epoch, entry.epoch), hash: Buffer.from(entry.hash) };
    this.#entries++;
    this.#bytes += entry.payload.length;
    if (this.#entries >= REPLAY_ENTRIES || this.#bytes >= REPLAY_BYTES) this.flush();
  }

  flush(): void {
    if (!this.#last) return;
    this.#replica.commit(this.#overlay, this.#last);
    this.#overlay = new Overlay(this.#kv);
    this.#last = undefined;
    this.#entries = 0;
    this.#bytes = 0;
  }
}
