/** A broken assumption of the program itself. Never caught to be survived: the process stops rather than guess. */
export class InvariantError extends Error {
  override readonly name = 'InvariantError';
}

/**
 * Stops the room when `condition` is false. Stays on in production: in a store, stopping beats guessing.
 * @param sentence what must hold, as a sentence
 */
export function invariant(condition: unknown, sentence: string): asserts condition {
  if (!condition) throw new InvariantError(sentence);
}
