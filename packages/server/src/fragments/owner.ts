import { type Device, GroupCommit } from '../device/index.ts';
import { StoreError } from '../errors.ts';
import type { Cancel, Host } from '../host/index.ts';
import { InvariantError, invariant } from '../invariant.ts';
import type { Kv } from '../kv/index.ts';
import { limits } from '../limits.ts';
import { Batch } from './batch.ts';
import { type Choice, chooseWindow, takeWindow } from './choose.ts';
import { blockBytes, geometryOf, isPlausible, roundUp } from './geometry.ts';
import type { RebuildOptions } from './rebuild.ts';
import { Reclaim, type ReclaimParts } from './reclaim.ts';
import { clearTombstones, markIndex, readIndex, recover } from './recovery.ts';
import { Space } from './space.ts';
import { type OpenWindow, statisticsOf } from './statistics.ts';
import { WindowTable } from './table.ts';
import type {
  Extent,
  FragmentId,
  FragmentRecord,
  FragmentStatistics,
  OpenFragmentOwner,
  RecoveryReport,
  Window,
} from './types.ts';

/*
 * The owner of a device's index and free space.
 *
 * A fragment is made without asking anybody: its writer has a window (space leased to it alone), puts header and data there and syncs
 * the slab. From then on the fragment is durable, because the window is listed in a table on the device and the header carries the
 * window's nonce: recovery would find it. Only then the owner adds the row to the index, and readers see it. The index is an ordered
 * KV that is flushed now and then (a checkpoint), so that neither a PUT nor a DELETE waits for it.
 *
 * A block is in one of these states:
 *
 *   free ──openWindow──▶ leased ──record──▶ used ──remove──▶ pending ──checkpoint──▶ free
 *                          └────────closeWindow────────────────────────────────────▶ free
 *
 * Invariants:
 * 1. Used blocks are exactly those of the fragments in the index, and of what is held (held.ts). Rows and bitmaps change in one commit, so every state to which a
 *    crash can return the index agrees with itself. (Writing bitmaps only at checkpoints would be cheaper, but a checkpoint may cover
 *    commits made after the bitmaps were written.)
 * 2. A window is listed durably before its writer learns of it, and stays listed until a checkpoint covers all that was recorded in
 *    it. So a fragment that was sealed is in the index after a crash, or in a listed window.
 * 3. Blocks freed by a removal are leased again only after a checkpoint covers the removal: a crash cannot bring back a row whose
 *    space holds something else.
 * 4. A removal of a fragment that lies in a listed window leaves a tombstone, in the same commit, until the list without that window
 *    is durable. So a removal that was flushed is never undone by the walk.
 * 5. No window is opened before the index says durably to which device it belongs; so an index that lost its rows is found out. The list says which
 *    mark an index must have that covers all windows taken off it; so one from a backup is found out too. Both are made anew (rebuild.ts).
 * 6. Leased blocks that the writer neither recorded nor gave back (it cannot say whether a header lies there) become free only when
 *    the window is no longer listed.
 *
 * Recovery, after any kind of stop: the index opens at its newest checkpoint. For each listed window the blocks that are not used are
 * searched for headers with its nonce; a fragment whose id is unknown, which has no tombstone, which a stripe or an intent explains and whose every
 * byte fits its checksums gets its row. After a checkpoint the list is emptied. All other blocks are free by 1. A removal that was not flushed may be undone:
 * who removed asks again. Everything can be done twice, so a crash during recovery is like one before it.
 *
 * To move a fragment (reclaim.ts) needs no more than this: its new window is not listed, so until a checkpoint covers the move a crash leaves
 * it where it was.
 *
 * Rejected: a row durable per seal (one more sync on the path of every PUT, of another file), an allocator in every thread (one more
 * thing to make crash safe), and a log of changes beside the index (the headers are that log).
 */

export interface FragmentOwnerOptions {
  readonly device: Device;
  /** The index; nothing else may be in it. The caller closes it after the owner. */
  readonly kv: Kv;
  readonly host: Host;
  /** Bytes of a window; {@link limits.windowBytes} when left out. */
  readonly windowBytes?: number;
  /** Who to ask when the index is lost, so that it can be made anew. Absent: a lost index is refused. */
  readonly rebuild?: RebuildOptions;
}

interface Removal {
  readonly ids: readonly Uint8Array[];
}
interface Addition {
  readonly records: readonly FragmentRecord[];
  /** Only if they lie there still, by id in hex. */
  readonly from?: ReadonlyMap<string, number>;
}
type Task = (Addition | Removal) & { readonly resolve: () => void; readonly reject: (error: unknown) => void };

class Owner implements OpenFragmentOwner {
  recovery: RecoveryReport = { windows: 0, recovered: 0, torn: 0, unreadableBytes: 0 };
  readonly #device: Device;
  readonly #kv: Kv;
  readonly #host: Host;
  readonly #windowBytes: number;
  readonly #space: Space;
  #table: WindowTable | undefined;
  /** Every window that the table on the device may list, by nonce in hex. */
  readonly #windows = new Map<string, OpenWindow>();
  #tasks: Task[] = [];
  #pending: Extent[] = [];
  readonly #checkpoints = new GroupCommit(() => this.#makeCheckpoint());
  #checkpointCount = 0;
  /** Since the newest checkpoint began. */
  #rows = 0;
  #bytes = 0;
  #timer: Cancel | undefined;
  #reclaiming: Promise<number> | undefined;
  #damagedRows = 0;
  #failure: unknown;
  #closed = false;

  constructor({ device, kv, host, windowBytes }: FragmentOwnerOptions) {
    this.#device = device;
    this.#kv = kv;
    this.#host = host;
    const geometry = geometryOf(device.slabBytes);
    this.#windowBytes = Math.min(windowBytes ?? limits.windowBytes, device.slabBytes);
    this.#space = readIndex(() => new Space(geometry, kv));
  }

  get #listed(): WindowTable {
    invariant(this.#table, 'an owner is used after it was opened');
    return this.#table;
  }

  async open(rebuild: RebuildOptions | undefined): Promise<void> {
    const listed = await WindowTable.open(this.#device, this.#space.geometry, () => this.#listedWindows());
    this.#table = listed.table;
    this.recovery = await recover({ device: this.#device, kv: this.#kv, space: this.#space, rebuild }, listed);
  }

  *#listedWindows(): Generator<OpenWindow> {
    for (const window of this.#windows.values()) if (!window.leaving) yield window;
  }

  #checkAlive(): void {
    invariant(!this.#closed, 'an owner is not used after its close');
    if (this.#failure === undefined) return;
    throw new StoreError('ServiceUnavailable', {
      message: `The fragment index of device ${this.#device.identity} has stopped after a failure. Look at its disk and restart the server.`,
      cause: this.#failure,
    });
  }

  async openWindow(minimumBytes: number): Promise<Window> {
    this.#checkAlive();
    const minimum = roundUp(minimumBytes) / blockBytes;
    invariant(
      minimum > 0 && minimum * blockBytes <= this.#windowBytes,
      'the smallest useful window is not larger than a window',
    );
    const capacity = await this.#device.capacity();
    this.#checkAlive();
    let promised = 0;
    for (const window of this.#windows.values()) promised += window.fresh;
    const fresh = Math.max(0, capacity.free - promised);
    // On a nearly full device many small windows serve more writers than few large ones.
    const share = Math.floor((fresh + this.statistics().reusableBytes) / 16 / blockBytes);
    const wanted = Math.max(minimum, Math.min(this.#windowBytes / blockBytes, share));
    const choice = chooseWindow(this.#space, { minimum, wanted, fresh: Math.floor(fresh / blockBytes) });
    if (!choice) throw new StoreError('StorageFull', { message: `Device ${this.#device.identity} has no space left.` });
    if (this.#windows.size >= limits.openWindows || !this.#listed.fits([...this.#windows.values(), choice])) {
      throw new StoreError('SlowDown', { message: `Too many windows are open on device ${this.#device.identity}.` });
    }

    const window = this.#lease(choice, false);
    try {
      await this.#listed.save();
    } catch (error) {
      // It may be listed all the same: nothing was written there, so it only has to leave like any other window.
      this.#close(window);
      throw error;
    }
    return { nonce: window.nonce, runs: window.runs };
  }

  /** @param leaving the table on the device does not list it */
  #lease(choice: Choice, leaving: boolean): OpenWindow {
    const window = takeWindow(this.#space, choice, this.#host.entropy.bytes(8), leaving);
    this.#windows.set(window.nonce.toString('hex'), window);
    return window;
  }

  async closeWindow(nonce: Uint8Array, unused: readonly Extent[]): Promise<void> {
    this.#checkAlive();
    // What was handed in before belongs to the window still.
    this.#work();
    const window = this.#windows.get(Buffer.from(nonce).toString('hex'));
    invariant(window && !window.closed, 'an open window is closed once');
    for (const extent of unused.toReversed()) {
      window.leased.remove(extent);
      this.#space.unreserve(extent);
      this.#space.untouch(extent, window.touched);
    }
    this.#close(window);
  }

  #close(window: OpenWindow): void {
    window.closed = true;
    window.fresh = 0;
    this.#space.slab(window.slab).windows--;
    this.#dirty(0, 0);
  }

  async record(records: readonly FragmentRecord[]): Promise<void> {
    return this.#task({ records });
  }

  async remove(ids: readonly FragmentId[]): Promise<void> {
    return this.#task({ ids });
  }

  /** Gathers what comes in one turn of the event loop into one commit. */
  #task(task: Addition | Removal): Promise<void> {
    this.#checkAlive();
    return new Promise((resolve, reject) => {
      this.#tasks.push({ ...task, resolve, reject });
      if (this.#tasks.length === 1) this.#host.timers.soon(() => this.#work());
    });
  }

  #windowOf(extent: Extent): OpenWindow | undefined {
    for (const window of this.#windows.values()) if (!window.closed && window.leased.has(extent)) return window;
    return undefined;
  }

  #work(): void {
    const tasks = this.#tasks;
    if (tasks.length === 0) return;
    this.#tasks = [];
    const done: Task[] = [];
    try {
      this.#checkAlive();
      const batch = new Batch(this.#space, this.#kv, this.#windows.values());
      for (const task of tasks) if (this.#enter(task, batch)) done.push(task);
      this.#kv.commit(batch.changes());
      this.#settle(batch);
    } catch (error) {
      // A commit that found no space changed nothing. A broken assumption means that memory is not to be trusted any more.
      if (error instanceof InvariantError) this.#failure ??= error;
      for (const task of tasks) task.reject(error);
      return;
    }
    for (const task of done) task.resolve();
  }

  /** Puts a task into the batch; rejects it when it is not right, or when a damaged row is in its way. */
  #enter(task: Task, batch: Batch): boolean {
    try {
      if ('ids' in task) for (const id of task.ids) batch.remove(id);
      else for (const record of task.records) this.#checkRecord(record, task.from, batch);
    } catch (error) {
      if ('ids' in task && error instanceof InvariantError) throw error;
      task.reject(error);
      return false;
    }
    if ('records' in task) for (const record of task.records) batch.add(record);
    return true;
  }

  #checkRecord({ id, extent, headerBytes, length }: FragmentRecord, from: Addition['from'], batch: Batch): void {
    if (from && batch.addressOf(id) !== from.get(id.toString('hex'))) throw new StoreError('NotFound');
    const plausible = isPlausible(this.#space.geometry, extent.address, extent.length);
    invariant(plausible && extent.length === roundUp(headerBytes + length), 'a fragment has just the blocks it needs');
    invariant(
      this.#windowOf(extent) && !batch.overlaps(extent),
      'a fragment lies in space that is leased to its writer',
    );
  }

  /** Brings memory to the state that was just committed. */
  #settle(batch: Batch): void {
    batch.draft.apply();
    let bytes = 0;
    for (const extent of batch.added) {
      const window = this.#windowOf(extent);
      invariant(window, 'a recorded fragment lies in a window');
      window.leased.remove(extent);
      window.fresh = Math.max(0, window.fresh - extent.length);
      this.#space.unreserve(extent);
      bytes += extent.length;
    }
    for (const extent of batch.freed) {
      this.#space.reserve(extent);
      this.#pending.push(extent);
    }
    this.#damagedRows += batch.damagedRows;
    this.#space.trim();
    this.#dirty(batch.added.length + batch.freed.length, bytes);
  }

  /** Sees to it that a checkpoint comes in time. */
  #dirty(rows: number, bytes: number): void {
    this.#rows += rows;
    this.#bytes += bytes;
    if (this.#rows >= limits.fragmentCheckpointRows || this.#bytes >= limits.fragmentCheckpointBytes) {
      this.#rows = 0;
      this.#bytes = 0;
      this.#checkpointSoon();
    } else {
      this.#timer ??= this.#host.timers.after(limits.fragmentCheckpointMs, () => this.#checkpointSoon());
    }
  }

  /** Nobody waits for it. A failure is kept: the next call tells it. */
  #checkpointSoon(): void {
    this.checkpoint().catch(() => undefined);
  }

  async checkpoint(): Promise<void> {
    this.#checkAlive();
    this.#work();
    return this.#checkpoints.covered();
  }

  flush(): Promise<void> {
    return this.checkpoint();
  }

  async #makeCheckpoint(): Promise<void> {
    this.#timer?.();
    this.#timer = undefined;
    this.#rows = 0;
    this.#bytes = 0;
    const freed = this.#pending;
    this.#pending = [];
    const closed = [...this.#windows].filter(([, window]) => window.closed);
    let mark: number | undefined;
    try {
      if (closed.length > 0) mark = markIndex(this.#kv, this.#listed);
      await this.#kv.checkpoint();
    } catch (error) {
      if (!(error instanceof StoreError) || error.code !== 'StorageFull') throw (this.#failure ??= error);
      // Without space for it the checkpoint before stands: what was freed waits for the next attempt.
      this.#pending = [...freed, ...this.#pending];
      this.#timer ??= this.#host.timers.after(limits.fragmentCheckpointMs, () => this.#checkpointSoon());
      throw error;
    }
    this.#checkpointCount++;
    for (const extent of freed) this.#space.unreserve(extent);
    if (mark !== undefined) await this.#forget(closed, mark);
    else if (closed.length > 0) this.#dirty(0, 0);
  }

  /** Takes windows off the list, whose records are all covered by a checkpoint. Where that fails the next checkpoint tries again. */
  async #forget(closed: readonly (readonly [string, OpenWindow])[], mark: number): Promise<void> {
    for (const [, window] of closed) window.leaving = true;
    try {
      await this.#listed.save(mark);
    } catch {
      for (const [, window] of closed) window.leaving = false;
      return;
    }
    for (const [name, { nonce, leased }] of closed) {
      this.#windows.delete(name);
      for (const run of leased.list) this.#space.unreserve(run);
      clearTombstones(this.#kv, nonce);
    }
  }

  reclaim(bytes: number, signal?: AbortSignal): Promise<number> {
    this.#checkAlive();
    const own = { device: this.#device, kv: this.#kv, space: this.#space, host: this.#host };
    const parts: ReclaimParts = {
      ...own,
      windows: () => this.#windows.values(),
      checkpoint: () => this.checkpoint(),
      lend: (choice) => this.#lease(choice, true),
      closeWindow: (nonce, unused) => this.closeWindow(nonce, unused),
      move: (record, from) => this.#task({ records: [record], from }),
    };
    this.#reclaiming ??= new Reclaim(parts, signal).run(bytes).finally(() => {
      this.#reclaiming = undefined;
    });
    return this.#reclaiming;
  }

  statistics(): FragmentStatistics {
    const counted = { checkpoints: this.#checkpointCount, damagedRows: this.#damagedRows };
    return statisticsOf(this.#space, this.#windows.values(), counted);
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    try {
      if (this.#failure === undefined) await this.checkpoint();
    } finally {
      this.#closed = true;
      this.#timer?.();
    }
  }
}

/**
 * Opens the fragments of a device for their single owner, and recovers what the process before left.
 * @throws CorruptionError when the index or the window table is damaged; ServiceUnavailable when the device fails
 */
export async function openFragmentOwner(options: FragmentOwnerOptions): Promise<OpenFragmentOwner> {
  const owner = new Owner(options);
  await owner.open(options.rebuild);
  return owner;
}
