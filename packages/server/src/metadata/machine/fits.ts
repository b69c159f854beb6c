import { CorruptionError } from '../../errors.ts';

/** An effect that does not fit the state shows that the two belong to different histories: the replica must stop. */
export function fits(condition: unknown, sentence: string): asserts condition {
  if (!condition) throw new CorruptionError(`log entry does not fit the state: ${sentence}`);
}
