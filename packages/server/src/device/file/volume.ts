import * as fs from 'node:fs';
import { dirname, join } from 'node:path';
import { type Clock, realHost } from '../../host/index.ts';
import { checkName, systemError } from '../names.ts';
import type { Volume, VolumeFile } from '../types.ts';
import { Pace } from './pace.ts';
import { roomIn } from './room.ts';

/*
 * A directory of the real file system.
 *
 * Small transfers run as plain system calls on this thread. A trip through the thread pool costs 20 to 30 µs; copying 64 KiB to or
 * from the page cache costs 6 to 20 µs, and while it lasts this thread would have had to serve the pool's answer anyway. What can
 * stall (pages that are not cached, a kernel that throttles dirty pages) shows in the time a call takes: after a slow one the next
 * ones go through the pool. See Pace.
 */

/** Largest write made on this thread, bytes. */
const directWriteBytes = 256 * 1024;
/** Largest read made on this thread, bytes. */
const directReadBytes = 136 * 1024;
/** A call slower than this, in ms, met the device and not the page cache. */
const slowReadMs = 1;
const slowWriteMs = 4;
const slowSyncMs = 4;

const flags = {
  create: fs.constants.O_RDWR | fs.constants.O_CREAT | (fs.constants.O_NOFOLLOW ?? 0),
  existing: fs.constants.O_RDWR | (fs.constants.O_NOFOLLOW ?? 0),
  read: fs.constants.O_RDONLY | (fs.constants.O_NOFOLLOW ?? 0),
} as const;

type Done<T> = (error: NodeJS.ErrnoException | null, value: T) => void;

/** Callbacks are several times cheaper here than `fs.promises`, whose file handles do far more for each call. */
function call<T>(start: (done: Done<T>) => void): Promise<T> {
  return new Promise((resolve, reject) => start((error, value) => (error ? reject(error) : resolve(value))));
}

class OpenFile implements VolumeFile {
  readonly #fd: number;
  readonly #name: string;
  readonly #clock: Clock;
  readonly #reads: Pace;
  readonly #writes: Pace;
  /** undefined: syncs never run on this thread. */
  readonly #syncs: Pace | undefined;
  #closed = false;

  constructor(fd: number, name: string, clock: Clock, paces: { reads: Pace; writes: Pace; syncs: Pace | undefined }) {
    this.#fd = fd;
    this.#name = name;
    this.#clock = clock;
    this.#reads = paces.reads;
    this.#writes = paces.writes;
    this.#syncs = paces.syncs;
  }

  /** A closed descriptor's number may by now be another file's: never pass it on. */
  #live(): number {
    if (this.#closed) throw systemError('EBADF', 'use after close', this.#name);
    return this.#fd;
  }

  async read(into: Uint8Array, position: number): Promise<number> {
    const fd = this.#live();
    const direct = into.length <= directReadBytes && this.#reads.direct();
    const start = direct ? this.#clock.monotonic() : 0;
    let done = 0;
    while (done < into.length) {
      const at = done;
      const got = direct
        ? fs.readSync(fd, into, at, into.length - at, position + at)
        : await call<number>((back) => fs.read(fd, into, at, into.length - at, position + at, back));
      if (got === 0) break;
      done += got;
    }
    if (direct) this.#reads.took(this.#clock.monotonic() - start);
    return done;
  }

  async write(pieces: readonly Uint8Array[], position: number): Promise<void> {
    const fd = this.#live();
    let left = 0;
    for (const piece of pieces) left += piece.length;
    const direct = left <= directWriteBytes && this.#writes.direct();
    const start = direct ? this.#clock.monotonic() : 0;
    let rest = pieces;
    let at = position;
    while (left > 0) {
      const now = rest;
      const put = direct
        ? fs.writevSync(fd, now, at)
        : await call<number>((back) => fs.writev(fd, now as NodeJS.ArrayBufferView[], at, back));
      if (put === 0) throw systemError('EIO', 'write wrote nothing', this.#name);
      left -= put;
      at += put;
      if (left > 0) rest = skip(rest, put);
    }
    if (direct) this.#writes.took(this.#clock.monotonic() - start);
  }

  async sync(): Promise<void> {
    const fd = this.#live();
    if (!this.#syncs?.direct()) {
      await call<void>((back) => fs.fdatasync(fd, back as (error: NodeJS.ErrnoException | null) => void));
      return;
    }
    const start = this.#clock.monotonic();
    fs.fdatasyncSync(fd);
    this.#syncs.took(this.#clock.monotonic() - start);
  }

  async truncate(length: number): Promise<void> {
    const fd = this.#live();
    await call<void>((back) => fs.ftruncate(fd, length, back as (error: NodeJS.ErrnoException | null) => void));
  }

  async size(): Promise<number> {
    const fd = this.#live();
    return (await call<fs.Stats>((back) => fs.fstat(fd, back))).size;
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    const fd = this.#live();
    this.#closed = true;
    await call<void>((back) => fs.close(fd, back as (error?: NodeJS.ErrnoException | null) => void));
  }
}

/** What is left of the pieces after their first `bytes`. */
function skip(pieces: readonly Uint8Array[], bytes: number): Uint8Array[] {
  const rest: Uint8Array[] = [];
  let past = bytes;
  for (const piece of pieces) {
    if (past >= piece.length) {
      past -= piece.length;
      continue;
    }
    rest.push(past === 0 ? piece : piece.subarray(past));
    past = 0;
  }
  return rest;
}

/** Makes the directory and every missing one above it, and makes their names durable. */
function ensureDirectory(directory: string): void {
  const first = fs.mkdirSync(directory, { recursive: true, mode: 0o700 });
  if (first === undefined) return;
  const top = dirname(first);
  for (let at = dirname(directory); ; at = dirname(at)) {
    syncDirectoryNow(at);
    if (at === top || at === dirname(at)) return;
  }
}

function syncDirectoryNow(directory: string): void {
  const fd = fs.openSync(directory, fs.constants.O_RDONLY);
  try {
    fs.fsyncSync(fd);
  } finally {
    fs.closeSync(fd);
  }
}

/**
 * The files of one real directory, which is made (mode 0700) when missing. Sub-directories appear in `list` but cannot be opened.
 * Errors are those of the system, with their `code` (see {@link isSpaceExhausted}, {@link isMissing}).
 * @param directory absolute path
 * @param options.syncHere syncs run on this thread while they are quick: for files that nobody syncs side by side and whose thread has
 *   nothing to do until the sync is over, which spares two changes of thread
 */
export function fileVolume(
  directory: string,
  options: { readonly clock?: Clock; readonly syncHere?: boolean } = {},
): Volume {
  const clock = options.clock ?? realHost().clock;
  ensureDirectory(directory);
  const reads = new Pace(slowReadMs);
  const writes = new Pace(slowWriteMs);
  const syncs = options.syncHere ? new Pace(slowSyncMs) : undefined;
  const path = (name: string): string => {
    checkName(name);
    return join(directory, name);
  };
  return {
    async open(name, mode) {
      const fd = await call<number>((back) => fs.open(path(name), flags[mode], 0o600, back));
      return new OpenFile(fd, name, clock, { reads, writes, syncs });
    },
    list: async () => (await fs.promises.readdir(directory)).sort(),
    rename: (from, to) => fs.promises.rename(path(from), path(to)),
    remove: (name) => fs.promises.unlink(path(name)),
    async syncDirectory() {
      const fd = await call<number>((back) => fs.open(directory, fs.constants.O_RDONLY, 0, back));
      try {
        await call<void>((back) => fs.fsync(fd, back as (error: NodeJS.ErrnoException | null) => void));
      } finally {
        fs.closeSync(fd);
      }
    },
    async capacity() {
      const { total, free } = roomIn(await fs.promises.statfs(directory));
      return { total, free };
    },
  };
}
