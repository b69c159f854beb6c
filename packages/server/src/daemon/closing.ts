import { isSpaceExhausted } from '../device/index.ts';
import { StoreError } from '../errors.ts';
import type { Cancel, Host } from '../host/index.ts';
import { limits } from '../limits.ts';
import { dropBallast } from './ballast.ts';
import type { Owner } from './owner.ts';

/*
 * A stop on a full disk. What is written at the end (checkpoints, marks of what is closed) makes the next start a short one, and nothing that was
 * acknowledged rests on it: the log has that. So what finds no space is left out, said, and everything else is closed all the same.
 */

/** Retries that a stop waits for space, before it gives up the ballast, and then what it would write. */
export const fullLooks = 4;

export const notWrittenText = 'the disk is full: not written at the end';

/** Some of what is written at the end found no space. */
export class NotWritten extends Error {
  /** Each as words that go on from "not written: ". */
  readonly what: readonly string[];

  constructor(what: readonly string[]) {
    super(`the disk is full, not written: ${what.join(', ')}`);
    this.what = what;
  }
}

type Step = () => Promise<unknown> | undefined;

/** A step that writes what need not be written. @throws NotWritten where there is no space for it */
export const writing =
  (what: string, step: Step): (() => Promise<void>) =>
  async () => {
    try {
      await step();
    } catch (cause) {
      const isFull = isSpaceExhausted(cause) || (cause instanceof StoreError && cause.code === 'StorageFull');
      throw isFull ? new NotWritten([what]) : cause;
    }
  };

/**
 * Does the steps, the last one first, and takes each from the list.
 * @throws NotWritten when all were done, and some found no space; any other failure of a step at once
 */
export async function closeAll(steps: Step[]): Promise<void> {
  const what: string[] = [];
  for (let step = steps.pop(); step; step = steps.pop())
    try {
      await step();
    } catch (cause) {
      if (!(cause instanceof NotWritten)) throw cause;
      what.push(...cause.what);
    }
  if (what.length > 0) throw new NotWritten(what);
}

/**
 * While a server ends: entries that wait for space get the ballast, and are given up where there is none. The next start does what they would have done.
 * @param givenUp called when they are
 * @returns what ends the watch
 */
export function giveUpWhenFull(
  { directories, metadata }: Pick<Owner, 'directories' | 'metadata'>,
  { timers }: Pick<Host, 'timers'>,
  givenUp: () => void,
): Cancel {
  let looks = 0;
  const cancel = timers.every(limits.fullRetryMs, () => {
    looks = metadata.failure() === undefined ? 0 : looks + 1;
    if (looks < fullLooks) return;
    looks = 0;
    if (directories.all.map(({ path }) => dropBallast(path)).includes(true)) return;
    cancel();
    givenUp();
    void metadata.close();
  });
  return cancel;
}
