import { rmSync } from 'node:fs';
import { fileVolume, type Volume } from '../device/index.ts';
import { repeat } from '../durability/index.ts';
import { CorruptionError, StoreError } from '../errors.ts';
import type { Host } from '../host/index.ts';
import type { Kv } from '../kv/index.ts';
import { limits } from '../limits.ts';
import type { Log } from '../log/index.ts';
import { checkSnapshot, findSnapshot, type Metadata, storeSnapshot } from '../metadata/index.ts';
import { folders, type Roles } from './directories.ts';

/*
 * Snapshots of the state on the mirror: with the log behind the newest one, all metadata can be made anew from that directory alone.
 *
 * So the log is kept from that snapshot on, and a new one is made when what is kept has grown to a bound: as many bytes as the last snapshot
 * had, so that what snapshots write stays below what the log does. When none can be made, the log is trimmed all the same: a store that goes
 * on with one directory less to spare, and says so, is better than one that stops. But where rows of the state have rotted the log is kept
 * while there is room: what the state was, is in the snapshot before and the log behind it.
 */

export interface SnapshotOptions {
  readonly roles: Roles;
  readonly log: Log;
  /** Whether the mirror still takes part. */
  readonly mirrored: () => boolean;
  readonly host: Host;
}

export class StateSnapshots {
  readonly #log: Log;
  readonly #host: Host;
  readonly #mirrored: () => boolean;
  /** Undefined without a mirror. */
  readonly #volume: Volume | undefined;
  /** Of the primary, where one is left from when it was the mirror. */
  readonly #outdated: string;
  #newest: { readonly position: number; readonly bytes: number } | undefined;
  #failed = false;
  #notBefore = 0;
  #repeated: ReturnType<typeof repeat> | undefined;

  private constructor({ roles, log, mirrored, host }: SnapshotOptions) {
    this.#log = log;
    this.#host = host;
    this.#mirrored = mirrored;
    this.#volume = roles.mirror === undefined ? undefined : fileVolume(folders.snapshot(roles.mirror));
    this.#outdated = folders.snapshot(roles.primary);
  }

  static async open(options: SnapshotOptions): Promise<StateSnapshots> {
    const snapshots = new StateSnapshots(options);
    if (snapshots.#volume) snapshots.#newest = await findSnapshot(snapshots.#volume);
    return snapshots;
  }

  /** The mirror alone could give the state again. */
  get restorable(): boolean {
    if (!this.#volume || !this.#mirrored()) return false;
    return this.#log.tail === 1 || (this.#newest !== undefined && this.#newest.position >= this.#log.tail - 1);
  }

  /** How far the log may be trimmed once the KV covers `covered`. */
  trimmable(covered: number): number {
    if (!this.#volume || !this.#mirrored() || this.#failed) return covered;
    return Math.min(covered, this.#newest?.position ?? 0);
  }

  #due(): boolean {
    if (!this.#volume || !this.#mirrored() || this.#host.clock.monotonic() < this.#notBefore) return false;
    return !this.restorable || this.#log.bytes >= Math.max(limits.stateSnapshotLogBytes, this.#newest?.bytes ?? 0);
  }

  /** Looks from now on whether one is due. @param onError hears of a failure; it tries again */
  start(metadata: Metadata, kv: Kv, onError: (cause: unknown) => void): void {
    const run = async (signal: AbortSignal): Promise<void> => {
      if (!this.#due()) return;
      try {
        await this.make(metadata, kv, signal);
        this.#failed = false;
      } catch (cause) {
        if (signal.aborted) return;
        const told = this.#failed;
        // A state that has rotted can be made anew from the snapshot that is there and the log behind it, for as long as there is room for that.
        this.#failed = !(cause instanceof CorruptionError && this.#log.roomy);
        this.#notBefore = this.#host.clock.monotonic() + limits.stateSnapshotRetryMs;
        // One that waits for space fails again and again.
        if (!told || !(cause instanceof StoreError)) throw cause;
      }
    };
    const { timers } = this.#host;
    this.#repeated = repeat({
      host: this.#host,
      everyMs: limits.stateSnapshotCheckMs,
      run,
      onError: (cause) => onError(cause),
    });
    if (this.#due()) timers.soon(() => this.#repeated?.nudge());
  }

  /** Makes one now. Only with a mirror. */
  async make(metadata: Metadata, kv: Kv, signal: AbortSignal): Promise<void> {
    const { fileBytes, freeBytes } = kv.statistics();
    this.#newest = await storeSnapshot({
      volume: this.#volume as Volume,
      chunks: metadata.snapshot(),
      expectedBytes: fileBytes - freeBytes,
      timers: this.#host.timers,
      signal,
    });
    rmSync(this.#outdated, { recursive: true, force: true });
    await this.#log.trim(this.trimmable(metadata.statistics().checkpointPosition));
  }

  /**
   * Reads the one that is there, as a restore would. One that is damaged counts no more, and another is made at the next look.
   * @returns what is wrong with it; undefined where nothing is, or where there is none
   */
  async check(signal: AbortSignal): Promise<string | undefined> {
    const looked = this.#newest;
    const found = this.#volume && looked && (await findSnapshot(this.#volume));
    if (!looked) return undefined;
    try {
      if (!found) throw new CorruptionError('it is gone, or its beginning is damaged');
      await checkSnapshot(this.#gently(found.read(), signal));
      return undefined;
    } catch (cause) {
      if (!(cause instanceof CorruptionError)) throw cause;
      // Another may have taken its place meanwhile.
      if (this.#newest !== looked) return undefined;
      this.#newest = undefined;
      this.#notBefore = 0;
      return cause.message;
    }
  }

  /** Other work goes on between its chunks. */
  async *#gently(chunks: AsyncIterable<Buffer>, signal: AbortSignal): AsyncGenerator<Buffer> {
    for await (const chunk of chunks) {
      yield chunk;
      await this.#host.timers.sleep(limits.jobRestMs, signal);
    }
  }

  /** Breaks off one that is being made. */
  async stop(): Promise<void> {
    await this.#repeated?.stop();
  }
}
