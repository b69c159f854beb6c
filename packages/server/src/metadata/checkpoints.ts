import { StoreError } from '../errors.ts';
import type { Cancel, Host } from '../host/index.ts';
import type { Kv } from '../kv/index.ts';
import { limits } from '../limits.ts';
import { isUnavailable } from './failure.ts';

/** Commits between two looks at the KV's statistics, which are not free. */
const LOOK_EVERY = 32;

/**
 * Decides when the KV is flushed, and says so to the log, which is trimmed behind it. By the number of entries, by what the KV would have to
 * flush, by the bytes of the log behind the newest checkpoint, and by time.
 */
export class Checkpoints {
  readonly #kv: Kv;
  readonly #cover: (position: number) => Promise<void>;
  readonly #position: () => number;
  readonly #failed: (cause: unknown) => void;
  readonly #pendingBytes: number;
  readonly #lookEvery: number;
  readonly #timer: Cancel;
  #running: Promise<void> | undefined;
  #entries = 0;
  #bytes = 0;
  #looked = 0;
  #made = 0;
  #dead = false;
  /** Position that the newest checkpoint covers. */
  #covered: number;
  /** Position that the log has been told of. */
  #told: number;

  /**
   * @param cover makes it known that the state at a position is durable; ServiceUnavailable: it is told again later
   * @param covered position that the KV opened at
   * @param failed hears of the first failure but for a full disk; no checkpoint is tried after it
   */
  constructor(
    options: { readonly kv: Kv; readonly host: Host; readonly pendingBytes?: number },
    cover: (position: number) => Promise<void>,
    covered: number,
    position: () => number,
    failed: (cause: unknown) => void,
  ) {
    this.#kv = options.kv;
    this.#cover = cover;
    this.#position = position;
    this.#failed = failed;
    this.#pendingBytes = options.pendingBytes ?? limits.checkpointPendingBytes;
    // A small bound belongs to a small disk, on which what is pending between two looks counts.
    this.#lookEvery = this.#pendingBytes < limits.checkpointPendingBytes ? 4 : LOOK_EVERY;
    this.#covered = covered;
    this.#told = 0;
    this.#timer = options.host.timers.every(limits.checkpointMs, () => {
      if (this.#due) void this.run();
    });
  }

  get made(): number {
    return this.#made;
  }

  get covered(): number {
    return this.#covered;
  }

  /** Something is to be made durable, or to be told. */
  get #due(): boolean {
    return this.#position() > this.#covered || this.#told < this.#covered;
  }

  /** After each commit of an entry with `bytes` of payload. */
  committed(bytes: number): void {
    this.#entries++;
    this.#bytes += bytes;
    if (this.#running) return;
    let due = this.#entries >= limits.checkpointEntries || this.#bytes >= limits.checkpointBytes;
    if (!due && ++this.#looked >= this.#lookEvery) {
      this.#looked = 0;
      due = this.#kv.statistics().pendingBytes >= this.#pendingBytes;
    }
    if (due) void this.run();
  }

  /** Something to wait for while a checkpoint falls behind what is written meanwhile. */
  get backlog(): Promise<void> | undefined {
    return this.#bytes >= limits.checkpointBytes ? this.#running : undefined;
  }

  /** Never rejects: failures go to `failed`. Calls while one runs share it. */
  run(): Promise<void> {
    this.#running ??= this.#make().finally(() => {
      this.#running = undefined;
    });
    return this.#running;
  }

  /** One that covers everything committed before the call. */
  async now(): Promise<void> {
    await this.#running;
    if (this.#due) await this.run();
  }

  async #make(): Promise<void> {
    if (this.#dead) return;
    const position = this.#position();
    this.#entries = 0;
    this.#bytes = 0;
    try {
      if (position > this.#covered) {
        await this.#kv.checkpoint();
        this.#covered = position;
        this.#made++;
      }
      // The entry at the position itself stays: it shows at the next start that state and log belong together.
      await this.#cover(position);
      this.#told = position;
    } catch (cause) {
      // Nothing is lost: the checkpoint before stands, and the log behind it is kept.
      if ((cause instanceof StoreError && cause.code === 'StorageFull') || isUnavailable(cause)) return;
      this.#dead = true;
      this.#timer();
      this.#failed(cause);
    }
  }

  /** None by time any more. */
  stop(): void {
    this.#timer();
  }

  /** Makes a last one where it is needed. */
  async close(): Promise<void> {
    this.stop();
    await this.now();
  }
}
