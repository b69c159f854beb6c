import { StoreError } from '../errors.ts';
import { invariant } from '../invariant.ts';
import { limits } from '../limits.ts';
import { wholeReply } from './answers.ts';
import { decide } from './machine/decide.ts';
import type { Decision, Stamp } from './machine/deciding.ts';
import { parse } from './machine/keys.ts';
import type { RequestRecord } from './machine/records.ts';
import { decodeRequest } from './machine/rows.ts';
import type { View } from './machine/view.ts';
import { decodeOutcome, encodeOutcome, repeatable } from './outcomes.ts';
import type { Command } from './types.ts';

/*
 * Proposals that may come twice: from another node, which did not hear what became of the first try. Each carries an id; what was answered
 * to it is a row of the state, written by the entry that made the change, so that any later owner answers the second try alike. The rows are
 * numbered in order and lie side by side; which number an id has is known in memory, to the owner alone, from the rows of its term's start on.
 *
 * Refusals changed nothing and have no row. The owner remembers them as long as its term lasts: tries of one term may overtake each
 * other, and a proposal that was refused on the second try must not be made by the first one that comes late. A try of an earlier term
 * is refused with that term.
 */
export class Requests {
  readonly #numbers = new Map<string, number>();
  readonly #refusals = new Map<string, StoreError>();

  constructor(view: View) {
    for (const [request, number] of view.all('requests', requestOf)) this.#numbers.set(request, number);
  }

  /** Decides a command, or answers it as it was answered before. */
  decide(view: View, request: Buffer, command: Command, stamp: Stamp): Decision {
    invariant(request.length === 16, 'the id of a request has 16 bytes');
    const id = request.toString('latin1');
    const row = this.#answered(view, request);
    if (row) return { effects: [], reply: wholeReply(command, decodeOutcome(row.outcome)) };
    const refusal = this.#refusals.get(id);
    if (refusal) throw refusal;
    // It was answered when it was asked for first.
    const asked = command.type === 'rename.prepare' && command.asks ? this.#answered(view, command.asks) : undefined;
    if (asked) return { effects: [], reply: wholeReply(command, decodeOutcome(asked.outcome)) };
    const decision = decide(view, command, stamp);
    const reply = repeatable(decision.reply);
    const number = view.counter('requests');
    keep(this.#numbers, id, number);
    const below = Math.max(0, number + 1 - limits.requests);
    const outcome = encodeOutcome(command, reply);
    return { effects: [...decision.effects, { type: 'request.done', request, outcome, below }], reply };
  }

  #answered(view: View, request: Buffer): RequestRecord | undefined {
    const known = this.#numbers.get(request.toString('latin1'));
    const row = known === undefined ? undefined : view.request(known);
    // An entry that was not logged leaves a number that is another's now.
    return row?.request.equals(request) ? row : undefined;
  }

  /** A refusal that is being answered: what it was decided on has been logged. */
  refused(request: Buffer, cause: unknown, { type }: Pick<Command, 'type'>): void {
    if (!(cause instanceof StoreError)) return;
    // A try that comes late finds that the rename was given up; and whoever was told to ask again for one within a shard, may.
    const isFenced = type === 'rename.commit' || (type === 'object.rename' && cause.code === 'SlowDown');
    if (!isFenced) keep(this.#refusals, request.toString('latin1'), cause);
  }
}

const requestOf = (value: Buffer, key: Buffer): readonly [string, number] => [
  decodeRequest(value).request.toString('latin1'),
  parse.request(key),
];

/** Adds one and, when there are too many, drops the oldest. */
function keep<Value>(kept: Map<string, Value>, id: string, value: Value): void {
  kept.delete(id);
  kept.set(id, value);
  if (kept.size <= limits.requests) return;
  for (const oldest of kept.keys()) {
    kept.delete(oldest);
    return;
  }
}
