/* Lives of a log that end in a crash, and what each of them promised. */
import assert from 'node:assert/strict';
import fc from 'fast-check';
import { entries, payload } from '../suite.ts';
import type { Log, LogEntry } from '../types.ts';

/** Lets everything that needs no timer run for a while: `turns` steps, so that a crash falls between any two of them. */
export async function turns(count: number): Promise<void> {
  for (let i = 0; i < count; i++) await Promise.resolve();
}

export interface Life {
  /** Sizes of entries; each list is appended in one turn. */
  readonly groups: number[][];
  readonly trimAfter: number;
  /** Steps between the last append and the crash. */
  readonly steps: number;
  readonly seed: number;
}

export const life: fc.Arbitrary<Life> = fc.record({
  groups: fc.array(fc.array(fc.oneof(fc.nat({ max: 60 }), fc.nat({ max: 2500 })), { minLength: 1, maxLength: 8 }), {
    maxLength: 8,
  }),
  trimAfter: fc.nat({ max: 16 }),
  steps: fc.oneof(fc.nat({ max: 3 }), fc.nat({ max: 60 })),
  seed: fc.nat(),
});

/** What one life of the log promised. */
export class Promised {
  /** Acknowledged, by position. */
  readonly acknowledged = new Map<number, LogEntry>();
  /** Everything that was ever appended at a position since it was last known, as payloads. */
  readonly possible = new Map<number, Set<string>>();
  trimmed = 0;

  async check(log: Log): Promise<void> {
    const found = await entries(log);
    const positions = [...this.acknowledged.keys()];
    assert.ok(log.head >= Math.max(0, ...positions), 'every acknowledged entry is there');
    assert.ok(
      log.tail <= Math.max(1, this.trimmed),
      `nothing is gone that was not trimmed: ${log.tail}, ${this.trimmed}`,
    );
    for (const entry of found) {
      const known = this.acknowledged.get(entry.position);
      if (known) assert.deepEqual(entry, known);
      else
        assert.ok(
          this.possible.get(entry.position)?.has(entry.payload.toString()),
          `entry ${entry.position} was appended`,
        );
      // What is found now is what the log is from here on.
      this.acknowledged.set(entry.position, entry);
    }
    this.possible.clear();
    assert.equal(found.length, log.head - log.tail + 1);
  }
}

export async function live(log: Log, { groups, trimAfter, steps }: Life, promised: Promised): Promise<void> {
  let next = log.head + 1;
  for (const [index, sizes] of groups.entries()) {
    for (const size of sizes) {
      const bytes = payload(next * 1000 + index, size);
      const position = next++;
      const possible = promised.possible.get(position) ?? new Set();
      promised.possible.set(position, possible.add(bytes.toString()));
      log.append(bytes).then(
        (entry) => {
          assert.equal(entry.position, position);
          promised.acknowledged.set(position, { ...entry, payload: Buffer.from(entry.payload) });
        },
        () => {},
      );
    }
    // Some groups wait for the one before, some come while it is written.
    if (index < groups.length - 1) await turns(sizes.length * 7);
    if (index === trimAfter) {
      promised.trimmed = Math.max(promised.trimmed, log.head);
      log.trim(log.head).catch(() => {});
    }
  }
  await turns(steps);
}
