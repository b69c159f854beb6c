import type { Volume } from '../../device/index.ts';
import type { Host } from '../../host/index.ts';
import { invariant } from '../../invariant.ts';
import { limits } from '../../limits.ts';
import { firstHash, identitySeed, recordHeadBytes, type Session } from '../record.ts';
import type { Log } from '../types.ts';
import { headBytes } from './format.ts';
import { EmbeddedLog, type LogLimits, type OnDamagedCopy } from './log.ts';
import { findTail, type Tail } from './recovery.ts';
import type { Segment } from './segment.ts';
import { SegmentStore } from './store.ts';

/** What a log is opened with. */
export interface EmbeddedLogOptions {
  /** Belongs to this log alone. */
  readonly volume: Volume;
  readonly host: Host;
  /** For tests; the program's own otherwise. */
  readonly limits?: LogLimits;
  /** What was found at the end of the log a moment ago, so that it is not looked for again. */
  readonly tail?: Tail;
  /** Hears once of each segment that was damaged and was read from another copy. */
  readonly onDamaged?: OnDamagedCopy;
}

const embeddedLimits: LogLimits = {
  segmentBytes: limits.logSegmentBytes,
  tailBytes: limits.logTailBytes,
  entryBytes: limits.entryBytes,
};

/**
 * Opens the log on a volume, or begins one on an empty volume. A torn tail is cut off at the last whole record.
 * Throws CorruptionError, naming segment and offset, when an entry that was acknowledged is damaged.
 */
export async function openEmbeddedLog(options: EmbeddedLogOptions): Promise<Log> {
  const { volume, host } = options;
  const bounds = options.limits ?? embeddedLimits;
  invariant(
    bounds.entryBytes + recordHeadBytes <= bounds.segmentBytes - headBytes,
    'a segment holds the largest entry',
  );
  const store = new SegmentStore(volume, bounds.segmentBytes);
  const segments = await store.open();
  if (segments.length === 0) {
    const identity = host.entropy.bytes(16);
    const before = firstHash(identity);
    segments.push(await store.found({ identity, first: 1, before, epoch: 0, previousFirst: 0, previousEnd: 0 }));
  }
  const last = segments.at(-1) as Segment;
  const seed = identitySeed(last.head.identity);
  const find = async (): Promise<Tail> => {
    const found = options.tail ?? (await findTail(last, seed));
    // A process that was killed leaves records that were never synced. From here on they count, so the power may not take them any more.
    await last.file.sync();
    return found;
  };
  const tail = await find().catch(async (error) => {
    for (const segment of segments) await segment.drop();
    throw error;
  });
  for (const place of tail.places) last.note(place, true);
  last.end = tail.place.offset;
  const session: Session = { seed, epoch: tail.epoch + 1, session: host.entropy.bytes(8) };
  const { position, previous } = tail.place;
  const newest = { head: position - 1, hash: previous, offset: tail.last };
  return new EmbeddedLog(store, bounds, session, segments, newest, options.onDamaged);
}
