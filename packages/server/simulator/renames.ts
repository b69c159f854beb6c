import { type ObjectVersion, shardOfNumber } from '../src/metadata/index.ts';
import type { Place } from './checks/renamed.ts';
import { type Operation, operationText } from './scenario.ts';
import { never } from './seen.ts';
import type { Outcome, Session } from './session.ts';
import { bodyOf, writesIn } from './world/content.ts';
import type { Dice } from './world/dice.ts';

/*
 * Objects that get other names all the time, in a bucket of their own. Each object is put once, and each name is asked for once and never by two: so the name that an object
 * has is a register whose writes, the put and the renames, all write different values, and whoever finds the object reads it. Whoever does not find it under a name
 * says that it was not there at some moment of his look.
 */

export const renamedBucket = 'renamed';

const nameOf = ({ key, write }: Operation): string => `${key}.${write}`;

type Naming = Place['writes'][number];

function beginWrite({ parts }: Session, operation: Operation, from: string | undefined): Naming {
  const write: Naming = {
    kind: 'write',
    start: parts.scheduler.stamp(),
    end: never,
    value: nameOf(operation),
    order: undefined,
    what: operationText(operation),
    write: operation.write,
    removes: false,
    refused: false,
    from,
  };
  const place = parts.history.renamed.of(operation.key);
  place.writes.push(write);
  return write;
}

function endWrite(
  { parts }: Session,
  write: Naming,
  outcome: Outcome<{ readonly version: Pick<ObjectVersion, 'sequence'> }>,
): void {
  if (outcome.kind === 'unknown') return;
  write.end = parts.scheduler.stamp();
  write.refused = outcome.kind === 'refused';
  if (outcome.kind === 'done') write.order = outcome.result.version.sequence;
}

async function putObject(session: Session, operation: Operation): Promise<Outcome<unknown>> {
  const place = session.parts.history.renamed.of(operation.key);
  place.body = operation.write;
  const write = beginWrite(session, operation, undefined);
  const key = Buffer.from(nameOf(operation));
  const bytes = bodyOf(operation.write, Number(operation.with['size']));
  const scope = { bucket: renamedBucket, key };
  const outcome = await session.ask((objects, pause) => {
    const about = { headers: {}, metadata: [], tags: [], storageClass: 'STANDARD' } as const;
    const body = session.body(operation, bytes, pause);
    return objects.put({ ...about, ...scope, owner: 'o', expected: {}, guard: undefined, redundancy: undefined, body });
  }, scope);
  endWrite(session, write, outcome);
  return outcome;
}

async function renameObject(session: Session, operation: Operation): Promise<Outcome<unknown>> {
  const { history, dice, coverage, scheduler } = session.parts;
  const place = history.renamed.of(operation.key);
  const { names } = place;
  if (names.length === 0) return { kind: 'unknown' };
  const from = dice.chance(0.8) ? (names.at(-1) as string) : dice.pick(names);
  const write = beginWrite(session, operation, from);
  const key = Buffer.from(nameOf(operation));
  const source = { key: Buffer.from(from), guard: undefined };
  const outcome = await session.ask(
    (objects, _pause, die) => {
      const ms = operation.with['kill'];
      const asked = ms === undefined ? objects : objects.announcing((one) => void (one.equals(key) && die(Number(ms))));
      return asked.rename({ bucket: renamedBucket, key, owner: 'o', guard: undefined, source, token: undefined });
    },
    { bucket: renamedBucket, wide: true },
  );
  endWrite(session, write, outcome);
  const read = { kind: 'read', start: write.start, end: scheduler.stamp(), value: from, order: undefined } as const;
  if (outcome.kind === 'refused' && outcome.error.code === 'NoSuchKey')
    place.misses.push({ ...read, what: write.what });
  if (outcome.kind !== 'done') return outcome;
  place.reads.push({ ...read, what: write.what });
  sawAs(session, place, write.value, write.what);
  const brought = place.writes.find(({ value }) => value === from)?.order;
  if (brought !== undefined && shardOfNumber(brought) !== shardOfNumber(outcome.result.version.sequence))
    coverage.hit('an object was renamed between shards');
  return outcome;
}

/** Who saw an object under a name never sees it again under those that it had before. */
function sawAs(session: Session, place: Place, name: string, what: string): void {
  if (session.left.has(name)) throw new Error(`${what}: its client had seen it under a later name`);
  for (let at: string | undefined = name; at !== undefined; ) {
    const came: Naming | undefined = place.writes.find(({ value }) => value === at);
    at = came?.from;
    if (at !== undefined) session.left.add(at);
  }
}

/** Looks under one name. @returns whether it was there; undefined: nobody can tell */
export async function lookFor(
  session: Session,
  operation: Operation,
  name: string,
  level: 'strong' | 'causal' = 'strong',
): Promise<boolean | undefined> {
  const { history, scheduler } = session.parts;
  const place = history.renamed.of(operation.key);
  const start = scheduler.stamp();
  const key = Buffer.from(name);
  const outcome = await session.ask(
    async (objects) => {
      const reading = await objects.read({ bucket: renamedBucket, key, versionId: undefined, guard: undefined });
      const chunks: Buffer[] = [];
      for await (const chunk of reading.open({ start: 0, end: reading.version.size })) chunks.push(Buffer.from(chunk));
      return Buffer.concat(chunks);
    },
    { bucket: renamedBucket, key },
    level,
  );
  const what = `${operationText(operation)} at ${name}`;
  const read = { kind: 'read', start, end: scheduler.stamp(), value: name, order: undefined, what } as const;
  if (outcome.kind === 'done') {
    if (writesIn(outcome.result).join() !== String(place.body))
      throw new Error(`${what} gave the bytes of another object`);
    sawAs(session, place, name, what);
    if (level === 'strong') place.reads.push(read);
    return true;
  }
  if (level === 'causal' || outcome.kind === 'unknown' || outcome.error.code !== 'NoSuchKey') return undefined;
  // Deleted under the hands of its reader: what it saw cannot be told.
  if (outcome.error.message.startsWith('The object was deleted')) return undefined;
  place.misses.push(read);
  return false;
}

async function lookAround(session: Session, operation: Operation): Promise<Outcome<unknown>> {
  const { history, dice } = session.parts;
  const names = history.renamed.of(operation.key).names.slice(-4);
  while (names.length > 0) {
    const [name] = names.splice(dice.below(names.length), 1);
    await lookFor(session, operation, name as string, dice.chance(0.3) ? 'causal' : 'strong');
  }
  return { kind: 'done', result: undefined };
}

/** Puts an object, gives it another name, or looks for it. */
export function renameStep(session: Session, operation: Operation): Promise<Outcome<unknown>> {
  if (operation.with['do'] === 'put') return putObject(session, operation);
  return operation.with['do'] === 'look' ? lookAround(session, operation) : renameObject(session, operation);
}

const firstWrite = 700_000;
const renamedObjects = 3;

/** What the clients of this bucket do, in a run of so many operations of the others. */
export function renameOperations(dice: Dice, operations: number): Operation[] {
  const clients = dice.between(2, 3);
  const think = dice.pick([10, 60]);
  const about = { kind: 'rename', bucket: renamedBucket } as const;
  const puts = Array.from({ length: renamedObjects }, (_, i): Operation => {
    const size = String(dice.pick([60, 3000, 9000, 90_000]) + dice.below(900));
    return {
      ...about,
      client: 'm1',
      wait: 0,
      write: firstWrite + i,
      key: `t${i}`,
      with: { do: 'put', size, mode: 'whole' },
    };
  });
  const others = Array.from({ length: Math.ceil(operations / 3) }, (_, i): Operation => {
    const wait = Math.round(-Math.log(1 - dice.float()) * think);
    const what = dice.pick(['move', 'move', 'look']);
    // Some die in the middle of it: so many ms after they asked for the new name.
    const kill = what === 'move' && dice.chance(0.12) ? { kill: dice.pick(['0', '0', '2', '5', '20']) } : {};
    const key = `t${dice.below(renamedObjects)}`;
    return {
      ...about,
      client: `m${1 + (i % clients)}`,
      wait,
      write: firstWrite + 100 + i,
      key,
      with: { do: what, ...kill },
    };
  });
  return [...puts, ...others];
}
