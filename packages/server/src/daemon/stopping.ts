import type { Host } from '../host/index.ts';
import { limits } from '../limits.ts';
import type { StructuredLog } from '../telemetry/index.ts';
import { NotWritten, notWrittenText } from './closing.ts';

/** One step of a stop: what is waited for, in words that go on from "waits for". */
export type StopStep = readonly [waitsFor: string, step: () => Promise<unknown> | undefined];

/**
 * Does the steps of a stop one after the other, and says of one that takes long what it is, and of one that found no space what it left out.
 * @throws Error when they have not ended within `limits.stopMs`: the caller ends the process, and the next start recovers as after a crash
 */
export async function stopInOrder(steps: readonly StopStep[], host: Host, log: StructuredLog): Promise<void> {
  let waitsFor = '';
  const cancelTelling = host.timers.every(limits.stopTellMs, () =>
    log.warn('the server is ending, and not done yet', { waitsFor }),
  );
  const late = Promise.withResolvers<never>();
  const cancel = host.timers.after(limits.stopMs, () =>
    late.reject(new Error(`it waited for ${waitsFor} still after ${limits.stopMs / 1000} s`)),
  );
  const all = async (): Promise<void> => {
    for (const [what, step] of steps) {
      waitsFor = what;
      try {
        await step();
      } catch (cause) {
        if (!(cause instanceof NotWritten)) throw cause;
        log.warn(notWrittenText, { what: [...new Set(cause.what)] });
      }
    }
  };
  try {
    await Promise.race([all(), late.promise]);
  } finally {
    cancel();
    cancelTelling();
  }
}
