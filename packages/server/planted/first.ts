/* A reporter of tests that ends the process at the first failure: a bug that one test noticed need not be shown to the others. */
import type { EventData } from 'node:test';

interface Reported {
  readonly type: string;
  readonly data: unknown;
}

export default async function* first(source: AsyncIterable<Reported>): AsyncGenerator<string> {
  for await (const { type, data } of source) {
    if (type !== 'test:fail') continue;
    const { name, details } = data as EventData.TestFail;
    // A suite fails after its tests; its error says nothing of its own.
    const error = details.error as Error & { readonly failureType?: string };
    if (error.failureType === 'subtestsFailed') continue;
    const cause = error.cause instanceof Error ? error.cause.stack : error.cause;
    // In one piece, and now: what is yielded would be written after the end.
    process.stderr.write(`✖ ${name}\n${cause ?? error.stack}\n`);
    process.exit(1);
  }
  yield '';
}
