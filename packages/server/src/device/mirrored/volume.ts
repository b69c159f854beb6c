import { isMissing, isSpaceExhausted } from '../names.ts';
import type { Volume, VolumeFile } from '../types.ts';

/*
 * Two volumes that hold the same files, as one.
 *
 * Every change goes to both, side by side, and resolves when both have made it: what a resolved sync covers is durable on both. When a change
 * fails on one side, that side is never used again; the change resolves with the other one alone, but only after whoever made the pair has
 * heard of it (`onLost`), so that nothing is acknowledged on one side before that is written down. When it fails on both, it rejects, and
 * both sides stay: there is nothing to go on with.
 *
 * Want of space is not a failure of a side. It rejects, and the caller takes back what he began, on both.
 *
 * Reads are served by the first side, by the second when the first fails to read. What is read is not compared; who can tell that it is wrong
 * asks for the same bytes of the other side (`readOther`).
 *
 * Rejected: dropping a side that is full (it would be out of date for want of a few megabytes that deletions bring back), and coming back to a
 * side while the pair is open (after a failed sync nothing that the side says can be believed).
 */

export interface MirroredVolume extends Volume {
  /** The side that failed, and why; undefined while there are two. */
  readonly lost: { readonly side: Side; readonly cause: unknown } | undefined;
}

/** Number of one of the two volumes. */
export type Side = 0 | 1;
/** Called once, when a side has failed. The change that failed waits for it, and rejects when it does. */
export type OnLost = (side: Side, cause: unknown) => Promise<void>;

type Run<Result> = (side: Side) => Promise<Result>;

const sides = [0, 1] as const;

class Mirror implements MirroredVolume {
  readonly #volumes: readonly [Volume, Volume];
  readonly #onLost: OnLost;
  #lost: MirroredVolume['lost'];
  #told: Promise<void> | undefined;

  constructor(volumes: readonly [Volume, Volume], onLost: OnLost) {
    this.#volumes = volumes;
    this.#onLost = onLost;
  }

  get lost(): MirroredVolume['lost'] {
    return this.#lost;
  }

  uses(side: Side): boolean {
    return this.#lost?.side !== side;
  }

  /** Runs a change on each side that is in use. @returns the results of those that made it */
  async change<Result>(run: Run<Result>, spaceMatters = true): Promise<Result[]> {
    // The second first: the first may do its part on this thread, and the other goes on meanwhile.
    const used = sides.filter((side) => this.uses(side));
    const running = used.toReversed().map((side) => ({ side, result: run(side) }));
    const settled = await Promise.allSettled(running.map(({ result }) => result));
    const made: Result[] = [];
    const failed: { readonly side: Side; readonly cause: unknown }[] = [];
    for (const [index, one] of settled.entries()) {
      if (one.status === 'fulfilled') made.unshift(one.value);
      else failed.unshift({ side: (running[index] as { side: Side }).side, cause: one.reason });
    }
    const full = spaceMatters ? failed.find(({ cause }) => isSpaceExhausted(cause)) : undefined;
    const [first] = failed;
    // Also when the one that made it was lost meanwhile.
    const alone = this.#lost !== undefined && first?.side !== this.#lost.side;
    if (first && (full || made.length === 0 || alone)) throw (full ?? first).cause;
    if (first && this.#lost === undefined) {
      this.#lost = first;
      this.#told = this.#onLost(first.side, first.cause);
    }
    await this.#told;
    return made;
  }

  async open(name: string, mode: 'create' | 'existing' | 'read'): Promise<VolumeFile> {
    const files: [VolumeFile?, VolumeFile?] = [];
    try {
      await this.change(async (side) => {
        files[side] = await this.#volumes[side].open(name, mode);
      });
    } catch (error) {
      for (const file of files) await file?.close();
      throw error;
    }
    return new MirroredFile(this, files);
  }

  async list(): Promise<string[]> {
    const [names] = await this.change((side) => this.#volumes[side].list());
    return names as string[];
  }

  async rename(from: string, to: string): Promise<void> {
    await this.change((side) => this.#volumes[side].rename(from, to));
  }

  /** A file that only one side has, because the other had no space for it, is gone when it is gone there. */
  async remove(name: string): Promise<void> {
    let missing: unknown;
    const removed = await this.change((side) =>
      this.#volumes[side].remove(name).then(
        () => true,
        (error: unknown) => {
          if (!isMissing(error)) throw error;
          missing = error;
          return false;
        },
      ),
    );
    if (!removed.includes(true)) throw missing;
  }

  async syncDirectory(): Promise<void> {
    await this.change((side) => this.#volumes[side].syncDirectory(), false);
  }

  async capacity(): Promise<{ readonly total: number; readonly free: number }> {
    const all = await this.change((side) => this.#volumes[side].capacity());
    return all.reduce((least, one) => (one.free < least.free ? one : least));
  }
}

class MirroredFile implements VolumeFile {
  readonly #mirror: Mirror;
  readonly #files: readonly [VolumeFile?, VolumeFile?];

  constructor(mirror: Mirror, files: readonly [VolumeFile?, VolumeFile?]) {
    this.#mirror = mirror;
    this.#files = files;
  }

  /** A side that is in use was in use when the file was opened. */
  #file(side: Side): VolumeFile {
    return this.#files[side] as VolumeFile;
  }

  async #first<Result>(run: (file: VolumeFile) => Promise<Result>): Promise<Result> {
    const [side, other] = sides.filter((one) => this.#mirror.uses(one)) as [Side, Side?];
    try {
      return await run(this.#file(side));
    } catch (error) {
      if (other === undefined) throw error;
      return run(this.#file(other));
    }
  }

  read(into: Uint8Array, position: number): Promise<number> {
    return this.#first((file) => file.read(into, position));
  }

  async readOther(into: Uint8Array, position: number): Promise<number> {
    const [, other] = sides.filter((one) => this.#mirror.uses(one)) as [Side, Side?];
    return other === undefined ? 0 : this.#file(other).read(into, position);
  }

  size(): Promise<number> {
    return this.#first((file) => file.size());
  }

  async write(pieces: readonly Uint8Array[], position: number): Promise<void> {
    await this.#mirror.change((side) => this.#file(side).write(pieces, position));
  }

  async sync(): Promise<void> {
    await this.#mirror.change((side) => this.#file(side).sync(), false);
  }

  async truncate(length: number): Promise<void> {
    await this.#mirror.change((side) => this.#file(side).truncate(length));
  }

  async close(): Promise<void> {
    for (const side of sides)
      await this.#files[side]?.close().catch((error: unknown) => {
        if (this.#mirror.uses(side)) throw error;
      });
  }
}

/**
 * Two volumes with the same files as one. The caller has made them equal.
 * @param onLost hears of the side that fails, before any change resolves that the other made alone
 */
export function mirroredVolume(volumes: readonly [Volume, Volume], onLost: OnLost): MirroredVolume {
  return new Mirror(volumes, onLost);
}
