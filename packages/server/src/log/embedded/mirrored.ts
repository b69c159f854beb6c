import { mirroredVolume, type Volume } from '../../device/index.ts';
import type { Host } from '../../host/index.ts';
import type { Log, Position } from '../types.ts';
import { ExaminedLog, type LogSide } from './examine.ts';
import type { LogLimits } from './log.ts';
import { LogsApart, newestLog } from './newest.ts';
import { openEmbeddedLog } from './open.ts';
import { type CopyProgress, clearMark, equalSpares, refreshLog, setMark } from './refresh.ts';

/*
 * One log on two volumes: each entry is durable on both before it is acknowledged, written and synced side by side (device/mirrored), and
 * each of the two is a whole log by itself. newest.ts says which one counts when they differ, refresh.ts makes them equal before anything
 * is served. A side that fails while the log is open is marked and left alone until the next open.
 */

/** What happens to the sides, for the operator. */
export type MirrorEvent =
  | ({ readonly state: 'copying' } & CopyProgress)
  | { readonly state: 'lost'; readonly side: string; readonly other: string; readonly cause: unknown }
  | ({ readonly state: 'damaged'; readonly position: Position; readonly reason: string } & DamagedSegment);

/** A segment that is damaged in the directory that serves reads, and whole in the other one. */
export interface DamagedSegment {
  readonly side: string;
  readonly other: string;
  readonly segment: string;
}

export interface MirroredLogOptions {
  /** Serves reads; by its name. */
  readonly primary: string;
  /** Undefined: the log goes on alone. */
  readonly mirror: string | undefined;
  readonly host: Host;
  readonly onEvent: (event: MirrorEvent) => void;
  /** For tests; the program's own otherwise. */
  readonly limits?: LogLimits;
}

export interface MirroredLog {
  readonly log: Log;
  /** Name of the side that failed since the log was opened. */
  lost(): string | undefined;
  /** Met by reads since the log was opened; as many as there are segments at most. */
  damaged(): readonly DamagedSegment[];
}

/** The copies of a log that were found. */
export class LogCopies {
  readonly #copies: readonly ExaminedLog[];
  readonly #newest: ExaminedLog | undefined;

  private constructor(copies: readonly ExaminedLog[], newest: ExaminedLog | undefined) {
    this.#copies = copies;
    this.#newest = newest;
  }

  /**
   * Looks at all sides, changing nothing.
   * @param holders those that hold the log @param others those that may be chosen to hold it: what they have is worth nothing
   * @throws LogsApart, CorruptionError
   */
  static async examine(holders: readonly LogSide[], others: readonly LogSide[]): Promise<LogCopies> {
    const copies: ExaminedLog[] = [];
    try {
      for (const side of [...holders, ...others]) copies.push(await ExaminedLog.of(side));
      return new LogCopies(copies, await newestLog(copies.slice(0, holders.length)));
    } catch (error) {
      for (const copy of copies) await copy.close();
      throw error;
    }
  }

  /** Name of the side that is the log; undefined when there is none yet. */
  get newest(): string | undefined {
    return this.#newest?.side.name;
  }

  #copy(name: string): ExaminedLog {
    const copy = this.#copies.find(({ side }) => side.name === name);
    if (!copy) throw new RangeError(`${name} was not examined`);
    return copy;
  }

  /** Makes the two sides equal and opens the log, or begins one. Once only. */
  async open(options: MirroredLogOptions): Promise<MirroredLog> {
    const { host, onEvent, limits } = options;
    const wanted = [options.primary, ...(options.mirror === undefined ? [] : [options.mirror])];
    const copies = wanted.map((name) => this.#copy(name));
    const newest = this.#newest;
    const stray = newest ? undefined : copies.find(({ segments }) => segments.length > 0);
    if (stray) {
      await this.close();
      throw new LogsApart(
        `${stray.side.name}/metadata/log holds a log, though this store has none yet: move it away and start again`,
      );
    }
    try {
      for (const copy of copies) {
        if (!newest || copy === newest || isEqual(copy, newest)) continue;
        await refreshLog(copy, newest, (progress) => onEvent({ state: 'copying', ...progress }));
      }
    } finally {
      await this.close();
    }
    const sides = copies.map(({ side }) => side);
    await equalSpares(sides);
    const [primary, mirror] = sides as [LogSide, LogSide?];
    let lost: string | undefined;
    const damaged: DamagedSegment[] = [];
    let volume: Volume = primary.volume;
    if (mirror) {
      // Now either is the log, and only then the marks that say otherwise go.
      for (const side of sides) await clearMark(side.volume, 'alone');
      for (const side of sides) await clearMark(side.volume, 'behind');
      volume = mirroredVolume([primary.volume, mirror.volume], async (side, cause) => {
        const [gone, stays] = side === 0 ? [primary, mirror] : [mirror, primary];
        lost = gone.name;
        // That side may take nothing more, so nobody waits for it.
        setMark(gone.volume, 'behind').catch(() => {});
        await setMark(stays.volume, 'alone');
        onEvent({ state: 'lost', side: gone.name, other: stays.name, cause });
      });
    } else if (!copies[0]?.alone || copies[0] !== newest) {
      await setMark(primary.volume, 'alone');
      await clearMark(primary.volume, 'behind');
    }
    const log = await openEmbeddedLog({
      volume,
      host,
      ...(limits && { limits }),
      ...(newest?.tail && { tail: newest.tail }),
      ...(mirror && {
        onDamaged: (segment: string, position: Position, reason: string) => {
          const [side, other] = lost === primary.name ? [mirror.name, primary.name] : [primary.name, mirror.name];
          damaged.push({ side, other, segment });
          onEvent({ state: 'damaged', side, other, segment, position, reason });
        },
      }),
    });
    return { log, lost: () => lost, damaged: () => damaged };
  }

  async close(): Promise<void> {
    for (const copy of this.#copies) await copy.close();
  }
}

/** The same entries in the same segments. */
function isEqual(copy: ExaminedLog, newest: ExaminedLog): boolean {
  return (
    !copy.behind &&
    copy.tail !== undefined &&
    copy.head === newest.head &&
    copy.identity.equals(newest.identity) &&
    copy.headHash.equals(newest.headHash) &&
    copy.segments.length === newest.segments.length &&
    copy.segments.every(({ name }, index) => name === newest.segments[index]?.name)
  );
}
