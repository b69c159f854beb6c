import { spawnSync } from 'node:child_process';
import { closeSync, mkdirSync, openSync, rmSync, writeSync } from 'node:fs';
import path from 'node:path';
import { atEnd } from '../src/ending.ts';

const MiB = 1 << 20;

const run = (command: string, ...args: string[]) => spawnSync(command, args);

/** A small file system in memory, to be filled. Undefined where this process may not mount. */
export class SmallDisk {
  readonly folder: string;
  readonly #unmount: () => void;
  readonly #isUnmounted: () => void;

  private constructor(folder: string) {
    this.folder = folder;
    // Lazily, because a killed process may still hold files.
    this.#unmount = () => void run('umount', '-l', folder);
    this.#isUnmounted = atEnd(this.#unmount);
  }

  static mount(folder: string, mebibytes: number): SmallDisk | undefined {
    mkdirSync(folder, { recursive: true });
    const { status } = run('mount', '-t', 'tmpfs', '-o', `size=${mebibytes}m`, 'tmpfs', folder);
    return status === 0 ? new SmallDisk(folder) : undefined;
  }

  /** Takes all space that is left. @returns gives it back */
  fill(): () => void {
    const file = path.join(this.folder, 'filled-by-test');
    const fd = openSync(file, 'w');
    const piece = Buffer.alloc(MiB, 1);
    try {
      for (;;) writeSync(fd, piece);
    } catch (cause) {
      if ((cause as NodeJS.ErrnoException).code !== 'ENOSPC') throw cause;
    } finally {
      closeSync(fd);
    }
    return () => rmSync(file, { force: true });
  }

  close(): void {
    this.#isUnmounted();
    this.#unmount();
  }
}
