import * as fs from 'node:fs';
import { resolve } from 'node:path';
import { CorruptionError, StoreError } from '../errors.ts';
import type { Cancel, Host } from '../host/index.ts';
import { invariant } from '../invariant.ts';
import { limits } from '../limits.ts';
import { NoRoomForCheckpoint, parseMetas, restoreCheckpoint, writeCheckpoint } from './checkpoint.ts';
import { changeCountOf, commitCounted, newCounts } from './counts.ts';
import {
  dataFile,
  type Environment,
  openEnvironment,
  pageBytes,
  type ReadTransaction,
  type TreePages,
} from './environment.ts';
import { meaning } from './failures.ts';
import { beginLife, endLife, isSuspected, suspectKv } from './lives.ts';
import { settleKv } from './settle.ts';
import { checkKvFile, type KvLook, walkState } from './structure.ts';
import type { KvChange, KvRange, KvRow, KvSnapshot, KvStatistics, SharedKv } from './types.ts';
import { expired, Reads } from './view.ts';

/** Where and how a KV is opened. */
export interface KvOptions {
  /** Belongs to this KV alone, and to one process at a time. */
  readonly directory: string;
  readonly host: Host;
  /** Address space to reserve, and so the largest size of the file; 1 TiB when left out. */
  readonly mapBytes?: number;
  /** Open it although its file contradicts itself: nothing else can be had. */
  readonly asItIs?: boolean;
  /** Hears of a look at the structure of the file, which takes seconds for each GiB. */
  readonly onLook?: (look: KvLook) => void;
}

const fdatasync = (fd: number): Promise<void> =>
  new Promise((done, fail) => fs.fdatasync(fd, (error) => (error ? fail(error) : done())));

const pagesOf = (tree: TreePages): number => tree.treeBranchPageCount + tree.treeLeafPageCount + tree.overflowPages;

/** Directories open in this thread: restoring the meta pages of a live environment would destroy it. */
const openDirectories = new Set<string>();

class LmdbKv implements SharedKv {
  readonly counts: Int32Array = newCounts();
  readonly #directory: string;
  readonly #environment: Environment;
  readonly #reads: Reads;
  /** The data file once more, to read meta pages and to sync. */
  readonly #file: number;
  /** Protects the pages of the newest checkpoint. */
  #held: ReadTransaction | undefined;
  #pagesAtCheckpoint = 0;
  /** True when something was committed that no checkpoint has begun to cover. */
  #dirty = false;
  /** Bytes of values committed since a sync was begun. */
  #unsynced = 0;
  #ahead: Promise<unknown> | undefined;
  #running: Promise<void> | undefined;
  #waiting: Promise<void> | undefined;
  #failure: unknown;
  #closing = false;
  #closed = false;
  readonly #looks = new Set<Promise<void>>();
  readonly #lives: number;
  readonly #clock: Host['clock'];
  /** What has gone well for so long was not the file's fault, however it ends. */
  readonly #lasting: Cancel;

  constructor(directory: string, environment: Environment, host: Host, lives: number) {
    this.#directory = directory;
    this.#lives = lives;
    this.#clock = host.clock;
    this.#lasting = host.timers.after(limits.kvLifeMs, () => endLife(directory, lives));
    this.#environment = environment;
    this.#reads = new Reads(environment, directory, host, 'never');
    this.#file = fs.openSync(`${directory}/${dataFile}`, 'r');
    this.#held = this.#reads.hold();
  }

  changeCount(first: number): number | undefined {
    return changeCountOf(this.counts, first);
  }

  get(key: Uint8Array): Buffer | undefined {
    this.#alive();
    return this.#reads.get(key);
  }

  range(range: KvRange): Iterable<KvRow> {
    this.#alive();
    return this.#reads.range(range);
  }

  snapshot(ageMs?: number): KvSnapshot {
    this.#alive();
    return this.#reads.snapshot(ageMs);
  }

  #alive(): void {
    invariant(!this.#closed, 'a KV is not used after its close');
  }

  #writable(): void {
    this.#alive();
    if (this.#failure !== undefined) throw this.#failure;
  }

  commit(changes: Iterable<KvChange>): void {
    this.#writable();
    this.#dirty = true;
    try {
      this.#unsynced += commitCounted(this.counts, this.#environment, changes);
      if (this.#unsynced >= limits.kvAheadBytes) this.#syncAhead();
    } catch (error) {
      this.#checkUsable();
      throw meaning(error, this.#directory);
    }
  }

  /**
   * Syncs what a checkpoint would find to do, in the background and bit by bit: 64 MiB at once would hold up every sync of the log beside
   * it for a tenth of a second. It writes nothing twice, because no page is written again before the next checkpoint.
   */
  #syncAhead(): void {
    this.#unsynced = 0;
    if (this.#running || this.#ahead) return;
    this.#ahead = fdatasync(this.#file)
      .catch((error: unknown) => this.#fail('could not be synced', error))
      .finally(() => {
        this.#ahead = undefined;
      });
  }

  /** The kernel may have dropped what it could not write: a second sync that succeeds would prove nothing. */
  #fail(what: string, cause: unknown): unknown {
    this.#failure ??= new Error(`the key-value store in ${this.#directory} ${what}`, { cause });
    return this.#failure;
  }

  /** A failed write of a meta page leaves LMDB unusable, and the next transaction would end the process: see whether it still reads. */
  #checkUsable(): void {
    try {
      this.#environment.resetReadTxn();
      this.#environment.getStats();
    } catch (error) {
      this.#failure = meaning(error, this.#directory);
    }
  }

  async checkpoint(): Promise<void> {
    this.#writable();
    if (this.#running) {
      // It began before the newest commits: all who come now share the next.
      this.#waiting ??= this.#running.then(() => {
        this.#waiting = undefined;
        return this.checkpoint();
      });
      return this.#waiting;
    }
    if (!this.#dirty) return;
    this.#running = this.#makeCheckpoint().finally(() => {
      this.#running = undefined;
    });
    return this.#running;
  }

  /** Makes the checkpoint of a new KV, of which no file says anything yet. */
  async first(): Promise<void> {
    this.#dirty = true;
    await this.checkpoint();
  }

  async #makeCheckpoint(): Promise<void> {
    // In one turn: no commit can come between the read transaction and the copy of its meta pages.
    const held = this.#reads.hold();
    const pages = this.#environment.getStats().pagesWritten;
    const bytes = this.#metaPages();
    this.#dirty = false;
    this.#unsynced = 0;
    try {
      const metas = parseMetas(bytes);
      await fdatasync(this.#file);
      // One that fails while this one succeeds: what it could not write may have been of this state.
      await this.#ahead;
      if (this.#failure !== undefined) throw this.#failure;
      await writeCheckpoint(this.#directory, metas);
    } catch (error) {
      if (error instanceof NoRoomForCheckpoint) {
        // The data is on disk and the old side file in its place: the next attempt may find room.
        this.#dirty = true;
        held.done();
        throw new StoreError('StorageFull', { cause: error.cause });
      }
      held.done();
      throw this.#fail('could not make a checkpoint', error);
    }
    this.#held?.done();
    this.#held = held;
    this.#pagesAtCheckpoint = pages;
  }

  #metaPages(): Buffer {
    const bytes = Buffer.alloc(2 * pageBytes);
    return bytes.subarray(0, fs.readSync(this.#file, bytes, 0, bytes.length, 0));
  }

  checkFile(step: (bytes: number) => Promise<unknown>): Promise<void> {
    this.#alive();
    const look = this.#look(step).finally(() => this.#looks.delete(look));
    this.#looks.add(look);
    return look;
  }

  async #look(step: (bytes: number) => Promise<unknown>): Promise<void> {
    // In one turn, as for a checkpoint. What it holds is not written to meanwhile.
    const held = this.#reads.hold();
    const until = this.#clock.monotonic() + limits.stateSnapshotMs;
    try {
      await walkState(this.#directory, parseMetas(this.#metaPages()), async (bytes) => {
        if (this.#closing || this.#clock.monotonic() > until) throw expired();
        await step(bytes);
      });
    } catch (error) {
      if (error instanceof CorruptionError) suspectKv(this.#directory);
      throw error;
    } finally {
      held.done();
    }
  }

  statistics(): KvStatistics {
    this.#alive();
    const { entryCount, pagesWritten, lastPageNumber, ...tree } = this.#environment.getStats();
    const used = pagesOf(tree) + pagesOf(tree.free);
    return {
      rows: entryCount,
      fileBytes: fs.fstatSync(this.#file).size,
      freeBytes: Math.max(0, lastPageNumber - 1 - used) * pageBytes,
      pendingBytes: (pagesWritten - this.#pagesAtCheckpoint) * pageBytes,
    };
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closing = true;
    this.#lasting();
    try {
      if (this.#failure === undefined) await this.checkpoint();
    } finally {
      this.#closed = true;
      await this.#ahead;
      await Promise.allSettled(this.#looks);
      this.#reads.releaseAll();
      this.#held?.done();
      await this.#environment.close();
      fs.closeSync(this.#file);
      if (this.#failure === undefined) endLife(this.#directory, this.#lives);
      openDirectories.delete(this.#directory);
    }
  }
}

/**
 * Opens the KV for its owner: the one thread that commits and makes checkpoints. It begins at its newest checkpoint.
 * Other threads read through {@link openKvReader}, which they open after this resolved and close before this closes.
 * Throws CorruptionError when the checkpoint or the file is damaged: rebuild the KV in an empty directory. The structure of the file is looked at
 * when lives before this one have ended without order (lives.ts); what is {@link KvDamaged} can be opened {@link KvOptions.asItIs}.
 */
export async function openKv(options: KvOptions): Promise<SharedKv> {
  const directory = resolve(options.directory);
  invariant(!openDirectories.has(directory), 'a KV is opened by one owner at a time');
  openDirectories.add(directory);
  try {
    await settleKv(directory);
    await fs.promises.mkdir(directory, { recursive: true });
    const existed = await restoreCheckpoint(directory);
    const looks = existed && !options.asItIs && isSuspected(directory);
    if (looks) await checkKvFile(directory, options.onLook);
    // Before LMDB reads the file: it may end the process.
    const lives = options.asItIs ? 0 : beginLife(directory, looks);
    const kv = new LmdbKv(directory, openEnvironment(directory, options.mapBytes, false), options.host, lives);
    if (!existed) await kv.first();
    return kv;
  } catch (error) {
    openDirectories.delete(directory);
    throw meaning(error, directory);
  }
}
