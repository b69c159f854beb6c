import { closeSync, openSync, readFileSync, rmSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';

/*
 * When the structure of a file is read before LMDB opens it ({@link checkKvFile}): that costs a reading of the file, so not at every start; but
 * a process that LMDB ends by a signal can say nothing, and would be ended again at each start. So the directory counts the lives that did not
 * end in order. After two of them, or after LMDB itself has said that the file is damaged, the next opening looks. A file that was found sound
 * begins at none again: where each life ends by `kill -9`, every second start looks. A life of `limits.kvLifeMs` has shown that the file can be lived with:
 * so two losses of power months apart make no start a long one.
 *
 * The count is in a file, and is not synced: after a power loss it may be any of those that it was.
 */

const livesFile = 'lives';
/** Lives that ended without order, after which the next opening looks. */
const suspicious = 2;

const read = (directory: string): number => {
  try {
    return Number.parseInt(readFileSync(join(directory, livesFile), 'latin1'), 10) || 0;
  } catch {
    return 0;
  }
};

/** Whether the file shall be looked at before it is opened. */
export const isSuspected = (directory: string): boolean => read(directory) >= suspicious;

/** Counts a life that begins. @param looked whether the file was just found sound @returns what {@link endLife} takes */
export function beginLife(directory: string, looked: boolean): number {
  const lives = (looked ? 0 : Math.min(read(directory), suspicious - 1)) + 1;
  try {
    writeFileSync(join(directory, livesFile), `${lives}\n`, { mode: 0o600 });
  } catch {
    // A full disk, for example: nothing is counted.
  }
  return lives;
}

/** A life has ended in order, or lasted; what was suspected meanwhile stays so. */
export function endLife(directory: string, lives: number): void {
  if (read(directory) <= lives) rmSync(join(directory, livesFile), { force: true });
}

/** The next opening of the KV looks at its file, whatever comes before. Not when the directory is not there. */
export function suspectKv(directory: string): void {
  try {
    const file = openSync(join(directory, livesFile), 'w', 0o600);
    writeSync(file, `${suspicious + 1}\n`);
    closeSync(file);
  } catch {
    // It is said by what comes next, too.
  }
}
