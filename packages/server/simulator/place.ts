import type { Thread } from '../src/daemon/thread.ts';
import type { Fault } from './scenario.ts';
import type { Door } from './session.ts';
import type { DiskFault } from './world/disk.ts';

/** Where the store runs: one machine, or a cluster. What a run does to it, and asks of it at the end. */
export interface Place {
  /** Starts every process, and again whenever it is gone or has stopped itself. */
  keepRunning(): void;
  /** A server that takes requests; undefined while there is none. */
  door(): Door | undefined;
  strike(fault: Fault): void;
  /** Nothing goes wrong any more. */
  heal(): void;
  /** Faults of disks that hit something. */
  diskFaults(): Iterable<DiskFault>;
  /** Why the newest start failed; undefined when none did. */
  startFailure(): unknown;
  /** Resolves when every process runs and is well. */
  ready(): Promise<void>;
  /** Of the servers that run: what they know and hold. */
  threads(): readonly Thread[];
  /** Repairs, collects and verifies once. Resolves to what is not in order, as a sentence; empty when nothing is. */
  tidy(): Promise<string>;
  /**
   * Takes the power from a whole zone that nothing needs, by where the stripes are; what is there must be readable then. Resolves when the others serve.
   * @returns the zone; undefined: there is none
   */
  loseZone(): Promise<string | undefined>;
  /** That an object lies less evenly over zones than the devices there are now give room for, as a sentence. */
  crowded(bucket: string, key: string): string | undefined;
  /** The power is back. */
  findZone(): void;
  /** Kills everything and starts it again: the log must replay to the same state. @throws Error when it does not */
  replay(): Promise<void>;
  /** Ends everything in order and starts it again. @throws Error when it does not end */
  restart(): Promise<void>;
  /** Names the processes that run: another answer means that one started anew. */
  lives(): string;
}
