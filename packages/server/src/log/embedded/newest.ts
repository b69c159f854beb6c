import { CorruptionError } from '../../errors.ts';
import type { ExaminedLog } from './examine.ts';

/*
 * Which of several copies of a log is the log.
 *
 * While two sides are written together, both have synced an entry before it is acknowledged, so after a crash each of them holds all that was
 * acknowledged, and one may hold more: what was under way. Their records are the same bytes, so one is a beginning of the other; the longer
 * one wins, and what it has more is legal like any entry under way.
 *
 * A side that goes on without the other is marked `alone`, durably, before the first such entry is acknowledged. So:
 * - of two sides without a mark, one is a beginning of the other, or something is damaged;
 * - a side with a mark beside one without: the marked one holds all that was ever acknowledged, and wins. What the other has more, or has
 *   otherwise, was never acknowledged; that can only be its last group, the entries behind what its last record knew as durable;
 * - two sides with marks went on separately. When one is a beginning of the other, nobody lost anything by it. Else there are two histories,
 *   both acknowledged, and a person must choose.
 *
 * A side marked `behind` is never the log by itself: it lacks entries, or was just being overwritten. A damaged side is replaced by a sound
 * one, but not by one that may be older.
 */

/** The copies of the log contradict each other, or what is left of them is not enough: a person must decide. The message says what. */
export class LogsApart extends Error {
  override readonly name = 'LogsApart';
}

const where = (log: ExaminedLog): string => `${log.side.name}/metadata/log`;

function refuseLeftovers(logs: readonly ExaminedLog[]): void {
  const damaged = logs.find(({ damage }) => damage !== undefined);
  if (damaged)
    throw new CorruptionError(`${damaged.damage?.message} (in ${where(damaged)})`, { cause: damaged.damage });
  const behind = logs.find((log) => log.behind);
  if (!behind) return;
  throw new LogsApart(
    `the log in ${where(behind)} was left behind at position ${behind.head}: another directory of this store has newer entries. Give that one among --data too. ` +
      `If it is lost for good, and everything that was acknowledged since shall be lost with it, remove the file ${where(behind)}/behind and start again.`,
  );
}

/** @throws LogsApart when `log` has acknowledged entries that are not in `newest` */
async function checkContained(log: ExaminedLog, newest: ExaminedLog): Promise<void> {
  const apart = (what: string): LogsApart =>
    new LogsApart(
      `the logs in ${where(newest)} and ${where(log)} went separate ways: ${what}. Each may hold acknowledged entries that the other lacks, so neither is overwritten. ` +
        `Start with the directory whose state shall be kept alone, and look; then move metadata/ and identity of the other directory away, and start with both.`,
    );
  if (!log.identity.equals(newest.identity)) throw apart('they are two different logs');
  const known = await newest.hashAt(log.head);
  if (known ? known.equals(log.headHash) : log.head < newest.first && !log.alone) return;
  // What is more here was never acknowledged, when the other went on without it.
  if (newest.alone && !log.alone) {
    const durable = log.tail?.durable ?? 0;
    const [here, there] = [await log.hashAt(durable), await newest.hashAt(durable)];
    if (here && there ? here.equals(there) : durable < newest.first) return;
  }
  throw apart(
    known
      ? `the entry at position ${log.head} is not the same`
      : `one ends at position ${log.head}, the other has ${newest.first} to ${newest.head}`,
  );
}

/**
 * The side that is the log; undefined when none of them holds one.
 * @throws LogsApart, or CorruptionError when the only sound copy may be older than a damaged one
 */
export async function newestLog(logs: readonly ExaminedLog[]): Promise<ExaminedLog | undefined> {
  const sound = logs.filter((log) => log.tail !== undefined && !log.behind);
  if (sound.length === 0) {
    refuseLeftovers(logs);
    return undefined;
  }
  const marked = sound.filter((log) => log.alone);
  const among = marked.length > 0 ? marked : sound;
  // Of two that end alike, the one that reaches further back: a segment that the other lacks was trimmed there at most, or is lost.
  const newest = among.reduce((best, log) =>
    log.head > best.head || (log.head === best.head && log.first < best.first) ? log : best,
  );
  const damaged = logs.find((log) => log.damage !== undefined && log.alone && !log.behind);
  if (damaged && !newest.alone) {
    throw new CorruptionError(
      `${damaged.damage?.message} (in ${where(damaged)}); the copy in ${where(newest)} is older and cannot replace it`,
      { cause: damaged.damage },
    );
  }
  for (const log of sound) if (log !== newest) await checkContained(log, newest);
  return newest;
}
