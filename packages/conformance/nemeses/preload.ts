import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { atEnd } from '../src/ending.ts';

/*
 * Faults that a process cannot tell from real ones: libraries put between it and the C library. `faketime` answers calls for the time of day (never those
 * for the monotonic clock), `faults.c` fails system calls and is built here. Neither touches etcd, which asks the kernel itself.
 */

const clockLibrary = ['x86_64', 'aarch64']
  .map((machine) => `/usr/lib/${machine}-linux-gnu/faketime/libfaketimeMT.so.1`)
  .find((one) => existsSync(one));

/** Why clocks cannot be set here; false when they can. */
export const clockMissing: string | false =
  clockLibrary === undefined && 'libfaketime is not there (Debian: apt-get install faketime)';

const built: { readonly library: string } | { readonly missing: string } = (() => {
  const folder = mkdtempSync(path.join(process.env['DSOM_SCRATCH'] ?? tmpdir(), 'dsom-faults-'));
  atEnd(() => rmSync(folder, { recursive: true, force: true }));
  const library = path.join(folder, 'faults.so');
  const source = path.join(import.meta.dirname, 'faults.c');
  try {
    execFileSync('cc', ['-O1', '-shared', '-fPIC', '-o', library, source, '-ldl'], {
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    return { library };
  } catch (cause) {
    const said = String((cause as { stderr?: unknown }).stderr ?? '').trim();
    return {
      missing: `faults.c cannot be built (Debian: apt-get install gcc libc6-dev): ${said || (cause as Error).message}`,
    };
  }
})();

/** Why calls of a disk cannot be failed here; false when they can. */
export const callsMissing: string | false = 'missing' in built && built.missing;

/** Calls that can fail, in the order of `faults.c`. */
const kinds = ['syncs', 'writes', 'reads'] as const;
export type DiskCalls = (typeof kinds)[number];

/** What one node's processes are told of time and disk. */
export class Preload {
  readonly #clock: string;
  readonly #calls: string;

  /** @param folder of files that steer the libraries; one for each node */
  constructor(folder: string) {
    mkdirSync(folder, { recursive: true });
    this.#clock = path.join(folder, 'clock');
    this.#calls = path.join(folder, 'calls');
    this.shiftClock(0);
    this.failCalls('syncs', 0);
  }

  /** Environment of the node's process. */
  environment(): Record<string, string> {
    const libraries = [clockLibrary, 'library' in built ? built.library : undefined].filter((one) => one !== undefined);
    if (libraries.length === 0) return {};
    return {
      LD_PRELOAD: libraries.join(' '),
      FAKETIME_TIMESTAMP_FILE: this.#clock,
      FAKETIME_NO_CACHE: '1',
      FAKETIME_DONT_FAKE_MONOTONIC: '1',
      CALL_FAULTS: this.#calls,
    };
  }

  /** Sets the node's clock so far off the right time, at once. */
  shiftClock(seconds: number): void {
    writeFileSync(this.#clock, `${seconds < 0 ? '' : '+'}${seconds}\n`);
  }

  /** From now on this share of the node's calls on files fails with EIO, and no others do. */
  failCalls(which: DiskCalls, share: number): void {
    // In place: the file is mapped, and behind the shares the library counts.
    const shares = kinds.map((kind) => (kind === which ? share * 1e6 : 0));
    const isThere = existsSync(this.#calls);
    writeFileSync(this.#calls, Uint32Array.from(isThere ? shares : [...shares, 0]), { flag: isThere ? 'r+' : 'w' });
  }

  /** Calls that failed so far. */
  failedCalls(): number {
    return readFileSync(this.#calls).readUint32LE(kinds.length * 4);
  }
}
