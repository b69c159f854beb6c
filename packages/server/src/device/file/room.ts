import { type StatsFs, statfsSync } from 'node:fs';
import { limits } from '../../limits.ts';

/** Bytes of a file system. */
export interface Room {
  readonly total: number;
  /** For whom the server runs as; 0 where there are bytes and hardly a file more can be made. */
  readonly free: number;
  /** Whether inodes are what it lacks. */
  readonly lacksFiles: boolean;
}

type Figures = Pick<StatsFs, 'blocks' | 'bavail' | 'bsize' | 'files' | 'ffree'>;

/** A store that can make no file cannot go on for long: its log needs the next segment, each checkpoint a new file. File systems that make inodes as they need them tell none. */
export function roomIn({ blocks, bavail, bsize, files, ffree }: Figures): Room {
  const lacksFiles = files > 0 && ffree < limits.leastFreeFiles;
  return { total: blocks * bsize, free: lacksFiles ? 0 : bavail * bsize, lacksFiles };
}

/** The same for the file system of a directory. */
export const roomOf = (directory: string): Room => roomIn(statfsSync(directory));
