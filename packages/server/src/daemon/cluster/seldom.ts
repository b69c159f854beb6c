import { FifoMap } from '../../fifo.ts';
import type { Clock } from '../../host/index.ts';
import { limits } from '../../limits.ts';

/** Says the same thing once in `limits.seldomMs`: a node that is away is tried again many times a minute. */
export function seldom(clock: Clock, say: (what: string) => void): (cause: unknown) => void {
  const said = new FifoMap<string, number>(limits.seldomTexts);
  return (cause) => {
    const text = cause instanceof Error ? cause.message : String(cause);
    const now = clock.monotonic();
    const before = said.get(text);
    if (before !== undefined && now - before < limits.seldomMs) return;
    said.set(text, now);
    say(text);
  };
}
