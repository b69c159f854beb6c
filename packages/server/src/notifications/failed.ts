import { CorruptionError } from '../errors.ts';
import type { Notice } from '../metadata/index.ts';
import type { Message, NoticePlace } from './record.ts';

/*
 * Events that a target has refused for good (dead letters). They stand in the shard in whose log they were, whole, so that they can be delivered again, by any node, whatever has become of
 * the log. Names sort as the log does.
 */

/** Said by a sender: the target has seen the message and does not want it, so that trying soon again helps little. */
export class RefusalError extends Error {
  override readonly name = 'RefusalError';
}

/** Answers below 500 that say to come again: https://www.rfc-editor.org/rfc/rfc9110#name-408-request-timeout, RFC 8470 (425), RFC 6585 (429). */
const again: ReadonlySet<number> = new Set([408, 425, 429]);

/** Whether a status that is none of success says that the message is not wanted. 5xx: the target is in trouble, which passes. */
export const isRefusal = (status: number): boolean => status < 500 && !again.has(status);

/** What is kept of one. */
export interface FailedEvent {
  readonly version: 1;
  /** Of the message. */
  readonly id: string;
  readonly body: string;
  readonly event: string;
  readonly bucket: string;
  readonly key: string;
  readonly failedMs: number;
  readonly tries: number;
  /** What was wrong at last. */
  readonly failure: string;
}

/** @param destination number of the target's destination among those of the notice */
export const failedName = ({ position, ordinal }: NoticePlace, destination: number): string =>
  [position.toString(16).padStart(12, '0'), ordinal.toString(16).padStart(6, '0'), destination].join('-');

export function failedRecord(
  { id, body }: Message,
  { event, origin, key }: Notice,
  what: Pick<FailedEvent, 'failedMs' | 'tries' | 'failure'>,
): Buffer {
  const kept: FailedEvent = {
    version: 1,
    id,
    body: body.toString('utf8'),
    event: `s3:${event}`,
    bucket: origin.bucketName,
    key: key.toString('utf8'),
    ...what,
    failure: what.failure.slice(0, 200),
  };
  return Buffer.from(JSON.stringify(kept));
}

/** @throws CorruptionError at what this version cannot read */
export function failedEvent(record: Buffer): FailedEvent {
  let kept: FailedEvent;
  try {
    kept = JSON.parse(record.toString('utf8')) as FailedEvent;
  } catch (cause) {
    throw new CorruptionError('the record of a failed event cannot be read', { cause });
  }
  if (kept.version !== 1) throw new CorruptionError('the record of a failed event is of a newer version of DSOM');
  return kept;
}
