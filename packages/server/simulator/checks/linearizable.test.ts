import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { absent, type KeyHistory, never, type Read, type Write } from '../seen.ts';
import { Dice } from '../world/dice.ts';
import { linearizable, ordered } from './linearizable.ts';

/** Tries every order of the operations that respects their times: what the check must agree with. */
function bruteForce({ writes, reads }: KeyHistory): boolean {
  const all: (Write | Read)[] = [...writes.filter(({ refused }) => !refused), ...reads];
  const seen = new Set<string>();
  const search = (left: readonly (Write | Read)[], value: string): boolean => {
    if (left.every((one) => one.end === never)) return true;
    const key = `${left.map((one) => all.indexOf(one)).join()} ${value}`;
    if (seen.has(key)) return false;
    seen.add(key);
    const firstEnd = Math.min(...left.map(({ end }) => end));
    return left.some((one) => {
      if (one.start > firstEnd) return false;
      const rest = left.filter((other) => other !== one);
      if (one.kind === 'read') return one.value === value && search(rest, value);
      return search(rest, one.removes && one.value === undefined ? absent : (one.value ?? `unseen ${one.what}`));
    });
  };
  return search(all, absent);
}

interface Shape {
  readonly operations: number;
  /** Deletes leave a marker that reads name. */
  readonly markers: boolean;
  readonly deletes: boolean;
}

/** A history that a register could have given, and then, in half of the cases, one read of it changed. */
function someHistory(dice: Dice, shape: Shape): KeyHistory {
  const writes: Write[] = [];
  const reads: Read[] = [];
  const width = dice.pick([8, 15, 40]);
  const spans = Array.from({ length: shape.operations }, (_, i) => {
    // Fractions keep all times apart.
    const [before, after] = [dice.float(), dice.float()];
    return { start: i * 10 - before * width, end: i * 10 + after * width };
  });
  let value = absent;
  for (const [index, { start, end }] of spans.entries()) {
    if (dice.chance(0.5)) {
      reads.push({ kind: 'read', start, end, value, order: undefined, what: `read ${index}` });
      continue;
    }
    const removes = shape.deletes && dice.chance(0.3);
    const name = removes ? (shape.markers ? `marker ${index}` : undefined) : `w${index}`;
    writes.push({
      kind: 'write',
      start,
      end: dice.chance(0.15) ? never : end,
      value: name,
      order: undefined,
      what: `write ${index}`,
      write: index,
      removes,
      refused: false,
    });
    value = name ?? absent;
  }
  const values = [absent, ...writes.flatMap((one) => (one.value === undefined ? [] : [one.value]))];
  for (let changes = dice.below(3); changes > 0 && reads.length > 0; changes--) {
    const at = dice.below(reads.length);
    reads[at] = { ...(reads[at] as Read), value: dice.pick(values) };
  }
  return { name: 'k', writes, reads };
}

function compare(shape: Shape, count: number, sound: 'exact' | 'necessary') {
  const dice = new Dice(1, JSON.stringify(shape));
  let bad = 0;
  for (let i = 0; i < count; i++) {
    const history = someHistory(dice, shape);
    const found = linearizable(history) === undefined;
    const truth = bruteForce(history);
    if (!truth) bad++;
    if (sound === 'exact' || truth)
      assert.equal(found, truth, `${i}: ${linearizable(history)} ${JSON.stringify(history)}`);
  }
  assert.ok(bad > count / 20, `${bad} of ${count} histories were bad`);
}

describe('linearizability of unique writes', () => {
  it('agrees with a search through all orders when every value has a name', () => {
    // Nothing is there only before the first write, and no read says which write it was: left out here.
    const dice = new Dice(2, 'exact');
    let bad = 0;
    for (let i = 0; i < 20_000; i++) {
      const history = someHistory(dice, { operations: dice.between(3, 7), markers: true, deletes: true });
      const named = { ...history, reads: history.reads.filter(({ value }) => value !== absent) };
      const truth = bruteForce(named);
      if (!truth) bad++;
      assert.equal(linearizable(named) === undefined, truth, `${linearizable(named)} ${JSON.stringify(named)}`);
    }
    assert.ok(bad > 2000, `${bad} histories were bad`);
  });

  it('never calls a good history bad where deletes have no names', () => {
    compare({ operations: 6, markers: false, deletes: true }, 10_000, 'necessary');
    compare({ operations: 6, markers: true, deletes: true }, 10_000, 'necessary');
  });

  it('finds an object that is gone though nobody deleted it', () => {
    const write = { kind: 'write', order: undefined, removes: false, refused: false, write: 1 } as const;
    const put: Write = { ...write, start: 1, end: 2, value: 'w1', what: 'put' };
    const read: Read = { kind: 'read', start: 3, end: 4, value: absent, order: undefined, what: 'get' };
    assert.match(linearizable({ name: 'k', writes: [put], reads: [read] }) ?? '', /nobody had deleted it/);
    const remove: Write = { ...write, start: 1, end: 3, value: undefined, what: 'delete', removes: true };
    assert.equal(linearizable({ name: 'k', writes: [put, remove], reads: [read] }), undefined);
  });

  it('is decided for two hundred thousand operations of one key in a moment', () => {
    const writes: Write[] = [];
    const reads: Read[] = [];
    for (let i = 0; i < 100_000; i++) {
      const at = i * 4;
      const what = `w${i}`;
      writes.push({
        kind: 'write',
        start: at,
        end: at + 5,
        value: what,
        order: i,
        what,
        write: i,
        removes: false,
        refused: false,
      });
      reads.push({ kind: 'read', start: at + 3, end: at + 6, value: what, order: i, what });
    }
    const history = { name: 'k', writes, reads };
    assert.equal(linearizable(history), undefined);
    reads[80_000] = { ...(reads[80_000] as Read), value: 'w79990', order: 79_990 };
    assert.notEqual(linearizable(history), undefined);
    const keys = new Map([['k', history]]);
    assert.match(ordered({ keys } as never) ?? '', /comes before it/);
  });
});
