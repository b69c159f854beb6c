import { reserveOf, roomOf } from '../device/index.ts';
import { StoreError } from '../errors.ts';
import type { Clock } from '../host/index.ts';
import type { Kv } from '../kv/index.ts';
import { limits } from '../limits.ts';
import type { Log } from '../log/index.ts';
import type { Command, Proposer } from '../metadata/index.ts';

/*
 * Room for metadata. Deleting needs space too: for its log entries, for the pages that the KV writes anew, for checkpoints. So what only
 * adds is refused while there is still some left, and what removes goes on. Fragments stop earlier (limits.deviceReserveBytes); half of
 * their reserve is this one's.
 *
 * Objects within rows are refused first, and rows that point to stripes later: when large objects were deleted, their space can be used
 * again within the slabs, though the disk shows no more free space than before. The KV's file never shrinks either: pages that it has free
 * count as room, as long as the log finds some on the disk. When it finds none for its next segment, only what removes is logged in the rest
 * of the present one.
 */

/** Free space is asked for again after this long, ms: so much a burst of writes can overshoot. */
const freshMs = 10;

/** What a command adds to the state: nothing to speak of, rows that point to bytes on devices, or rows as large as what the client sent. */
function additionOf(command: Command): 'none' | 'rows' | 'bytes' {
  switch (command.type) {
    case 'object.put':
      return command.pieces.some((piece) => 'inline' in piece.body) ? 'bytes' : 'rows';
    case 'object.append':
    case 'upload.part':
      return 'inline' in command.piece.body ? 'bytes' : 'rows';
    case 'intent.open':
    case 'upload.create':
    case 'upload.complete':
      return 'rows';
    case 'bucket.configure':
      return command.document === null ? 'none' : 'bytes';
    case 'bucket.create':
    case 'bucket.update':
    case 'account.create':
    case 'identity.write':
    case 'key.create':
    case 'object.share':
    case 'object.rename':
    case 'object.annotate':
      return 'bytes';
    default:
      return 'none';
  }
}

/** How much the KV may write between two checkpoints: on a small disk, a small part of its reserve. */
export function pendingBytesOf(folder: string): number {
  const { total } = roomOf(folder);
  return Math.min(limits.checkpointPendingBytes, Math.max(1024 * 1024, Math.floor(reserveOf(total) / 8)));
}

/** Knows whether metadata may grow. */
export class MetadataSpace {
  readonly #folder: string;
  readonly #kv: Pick<Kv, 'statistics'>;
  readonly #log: Pick<Log, 'roomy' | 'provided'>;
  readonly #clock: Clock;
  #askedAt = Number.NEGATIVE_INFINITY;
  #room = { rows: true, bytes: true };

  /** @param folder lies on the file system of the log and the KV */
  constructor(folder: string, kv: Pick<Kv, 'statistics'>, log: Pick<Log, 'roomy' | 'provided'>, clock: Clock) {
    this.#folder = folder;
    this.#kv = kv;
    this.#log = log;
    this.#clock = clock;
  }

  /** Whether there is room for rows that point to bytes on devices, and for bytes within rows. */
  get room(): { readonly rows: boolean; readonly bytes: boolean } {
    const now = this.#clock.monotonic();
    if (now - this.#askedAt >= freshMs) {
      this.#askedAt = now;
      this.#room = this.#look();
    }
    return this.#room;
  }

  /** Why rows are refused, for an operator; undefined where they are not. */
  get lack(): string | undefined {
    if (this.room.rows) return undefined;
    return roomOf(this.#folder).lacksFiles ? 'its file system has hardly an inode left (df -i)' : 'the disk is full';
  }

  #look(): { readonly rows: boolean; readonly bytes: boolean } {
    if (!this.#log.roomy) return { rows: false, bytes: false };
    const { total, free: left } = roomOf(this.#folder);
    const reserve = reserveOf(total);
    // The log may need one more segment, in which what removes is written; only after that are older ones used again.
    const owed = this.#log.provided === false ? limits.logLeastSegmentBytes : 0;
    const free = left - owed;
    if (free >= reserve / 2) return { rows: true, bytes: true };
    if (free < reserve / 8) return { rows: false, bytes: false };
    const room = free + this.#kv.statistics().freeBytes;
    return { rows: room >= reserve / 4, bytes: room >= reserve / 2 };
  }

  /** Refuses what adds while there is no room for it. */
  guard(proposer: Proposer): Proposer {
    return {
      propose: (command, request) => {
        const addition = additionOf(command);
        if (addition !== 'none' && !this.room[addition]) return Promise.reject(new StoreError('StorageFull'));
        return proposer.propose(command, request);
      },
    };
  }
}
