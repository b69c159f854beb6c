import assert from 'node:assert/strict';
import { before, describe, it } from 'node:test';
import { StoreError } from '../../errors.ts';
import type { KvReader, KvView } from '../../kv/index.ts';
import { apply } from '../machine/apply.ts';
import { decide } from '../machine/decide.ts';
import { Application } from '../machine/manifests.ts';
import { Overlay } from '../machine/overlay.ts';
import type { ObjectVersion } from '../machine/records.ts';
import { renameId } from '../machine/renames.ts';
import { View } from '../machine/view.ts';
import { openMetadataReader } from '../reader.ts';
import { inlinePiece } from '../rig.support.ts';
import type { Command, MetadataReader, Reply } from '../types.ts';
import { shardedReader } from './reader.ts';
import { ShardedRig } from './rig.support.ts';

/*
 * A rename between two shards, as its steps are decided and applied: all ways in which those of whoever renames, of the owners of the two shards who finish or
 * give up what he left, and of somebody who writes the old name may come one after the other. He may die before any of his steps, and then takes no more:
 * each way is looked at after each step, so that is in it too.
 */

const oldName = Buffer.from('from');
const id = 1;
let [S, D] = [0, 0];
let newName: Buffer;
let bases: readonly KvReader[];
let bucket = 0;
let rename: Buffer;

before(async () => {
  const rig = await ShardedRig.start(2);
  bucket = await rig.bucket('bucket');
  S = rig.reader.shardOf(bucket, oldName);
  newName = Array.from({ length: 40 }, (_, i) => Buffer.from(`to${i}`)).find(
    (key) => rig.reader.shardOf(bucket, key) !== S,
  )!;
  D = rig.reader.shardOf(bucket, newName);
  await rig.put(bucket, 'from', inlinePiece('content'));
  bases = rig.each.map(({ kv }) => kv);
  rename = renameId(D, Buffer.alloc(14, id));
});

/** Rows of the three shards: each state lies over the one before it. */
type State = readonly KvReader[];

const viewOf = (rows: KvReader): KvView => {
  const view = { get: rows.get.bind(rows), range: rows.range.bind(rows) };
  return {
    ...view,
    changeCount: () => undefined,
    snapshot: () => ({ ...view, release() {} }),
    close: async () => {},
  } as KvView;
};
const readersOf = (state: State): MetadataReader[] => state.map((rows) => openMetadataReader(viewOf(rows)));

let positions = 100;
let draws = 0;

/** One entry of one shard. @throws StoreError, and then nothing has changed */
function entry(state: State, shard: number, command: Command): { readonly state: State; readonly reply: Reply } {
  const rows = new Overlay(state[shard]!);
  const view = new View(rows);
  const random = (length: number): Buffer => Buffer.alloc(length, ++draws);
  const stamp = {
    now: 5000,
    lockNow: 5000,
    position: ++positions,
    started: 0,
    shard,
    alone: true,
    digest: Buffer.alloc(16),
    random,
  };
  const { effects, reply } = decide(view, command, stamp);
  apply(new Application(rows, stamp.position, view), effects);
  return { state: state.map((one, number) => (number === shard ? rows : one)), reply };
}

/** What an actor knows, and what he does next: undefined, he is done. */
interface Actor {
  readonly step: string;
  readonly version?: ObjectVersion;
  readonly ticket?: Buffer;
}
type Turn = (state: State, actor: Actor, actors: readonly Actor[]) => { readonly state: State; readonly actor: Actor };

const done: Actor = { step: 'done' };
const at = () => ({ rename, bucket });

/** The next step, or the other where this one is refused. */
function attempt(
  state: State,
  shard: number,
  command: Command,
  next: string,
  otherwise: string,
): { readonly state: State; readonly actor: Actor; readonly reply: Reply | undefined } {
  try {
    const { state: changed, reply } = entry(state, shard, command);
    return { state: changed, actor: { step: next }, reply };
  } catch (error) {
    if (!(error instanceof StoreError)) throw error;
    return { state, actor: { step: otherwise }, reply: undefined };
  }
}

const release = (): Command => ({ type: 'rename.release', ...at(), key: oldName, shard: S });
const unhold = (): Command => ({ type: 'rename.unhold', ...at(), key: oldName, shard: S });
const abort = (): Command => ({ type: 'rename.abort', rename });
const forget = (): Command => ({ type: 'rename.forget', rename });

/** The steps of whoever renames that can be refused. */
function sentBy(
  state: State,
  { step, version, ticket }: Actor,
): { readonly shard: number; readonly command: Command } | undefined {
  const about = { ...at(), owner: 'o', guard: undefined } as const;
  switch (step) {
    case 'begin':
      return {
        shard: D,
        command: { type: 'rename.prepare', ...at(), key: newName, guard: undefined, source: oldName },
      };
    case 'hold': {
      const expected = version ?? openMetadataReader(viewOf(state[S]!)).version(bucket, oldName, undefined);
      const { sequence, nonce } = expected ?? { sequence: 0, nonce: Buffer.alloc(8) };
      return { shard: S, command: { type: 'rename.hold', ...about, key: oldName, expected: { sequence, nonce } } };
    }
    default: {
      if (!version || !ticket) return undefined;
      const pieces = [version.manifest.embedded!];
      return { shard: D, command: { type: 'rename.commit', ...about, key: newName, ticket, source: version, pieces } };
    }
  }
}

/** As objects/rename-over-shards.ts does it. */
const renamer: Turn = (state, actor) => {
  switch (actor.step) {
    case 'begin':
    case 'hold':
    case 'commit': {
      const { shard, command } = sentBy(state, actor)!;
      const next = { begin: 'hold', hold: 'commit', commit: 'release' }[actor.step];
      const tried = attempt(state, shard, command, next, actor.step === 'begin' ? 'done' : 'abort');
      const version = tried.reply?.type === 'version' && actor.step === 'hold' ? tried.reply.version : actor.version;
      const ticket = actor.ticket ?? openMetadataReader(viewOf(tried.state[D]!)).renames.of(rename)?.ticket;
      return { ...tried, actor: { ...tried.actor, ...(version && { version }), ...(ticket && { ticket }) } };
    }
    case 'release':
      return attempt(state, S, release(), 'forget', 'done');
    case 'forget':
      return attempt(state, D, forget(), 'done', 'done');
    case 'abort':
      return attempt(state, D, abort(), 'unhold', 'done');
    default:
      return attempt(state, S, unhold(), 'done', 'done');
  }
};

/** As daemon/cluster/renames.ts does it, in the shard of the old name. */
const ownerOfOld: Turn = (state, { step }) => {
  switch (step) {
    case 'begin':
      return openMetadataReader(viewOf(state[S]!)).renames.hold(bucket, oldName)
        ? attempt(state, D, abort(), 'unhold', 'release')
        : { state, actor: { step: 'begin' } };
    case 'unhold':
      return attempt(state, S, unhold(), 'done', 'done');
    case 'release':
      return attempt(state, S, release(), 'forget', 'done');
    default:
      return attempt(state, D, forget(), 'done', 'done');
  }
};

/** The same, in the shard of the new name. */
const ownerOfNew: Turn = (state, { step }) => {
  if (step !== 'begin')
    return step === 'release'
      ? attempt(state, S, release(), 'forget', 'done')
      : attempt(state, D, forget(), 'done', 'done');
  const found = openMetadataReader(viewOf(state[D]!)).renames.of(rename);
  if (!found) return { state, actor: { step: 'begin' } };
  return found.state === 'prepared'
    ? attempt(state, D, abort(), 'done', 'done')
    : { state, actor: { step: 'release' } };
};

/** What was sent twice, and comes whenever it may after it was sent first. */
const late =
  (step: 'prepare' | 'hold' | 'commit'): Turn =>
  (state, actor, [first]) => {
    const order = ['begin', 'hold', 'commit'];
    const sent = { prepare: 'begin', hold: 'hold', commit: 'commit' }[step];
    const isSent = !order.slice(0, order.indexOf(sent) + 1).includes(first!.step);
    if (!isSent) return { state, actor };
    const again = sentBy(state, { ...first!, step: sent });
    return again ? attempt(state, again.shard, again.command, 'done', 'done') : { state, actor: done };
  };

/** Somebody locks, describes, overwrites or deletes the old name: each as soon as he may. */
const writerWith =
  (command: () => Command): Turn =>
  (state) =>
    attempt(state, S, command(), 'done', 'begin');

const names = (state: State): string => {
  const reader = shardedReader(readersOf(state));
  const query = { bucket, prefix: Buffer.alloc(0), delimiter: Buffer.alloc(0), start: Buffer.alloc(0), limit: 10 };
  const listed = reader.list(query).items.map((item) => ('key' in item ? item.key.toString() : ''));
  const versions = reader
    .listVersions({ ...query, after: undefined })
    .items.flatMap((item) => ('key' in item && item.isLatest ? item.key.toString() : []));
  const found = [oldName, newName]
    .filter((key) => reader.version(bucket, key, undefined)?.kind === 'object')
    .map(String);
  assert.deepEqual(listed, found, 'lists say what looks say');
  assert.deepEqual(versions, found);
  return found.join();
};

/** Goes all ways; `look` sees each state. @returns how many ways there are */
function explore(turns: readonly Turn[], look: (state: State, actors: readonly Actor[]) => void): number {
  let ways = 0;
  const go = (state: State, actors: readonly Actor[]): void => {
    look(state, actors);
    let moved = false;
    for (const [index, turn] of turns.entries()) {
      const actor = actors[index]!;
      if (actor.step === 'done') continue;
      const next = turn(state, actor, actors);
      // Whoever finds nothing to do yet is asked again when somebody else has done something.
      if (next.state === state && next.actor.step === actor.step) continue;
      moved = true;
      go(next.state, actors.with(index, next.actor));
    }
    if (!moved) ways++;
  };
  go(
    bases,
    turns.map(() => ({ step: 'begin' })),
  );
  return ways;
}

describe('a rename between two shards, whatever is done in whichever order', () => {
  it('leaves the object one name at each moment, and nothing behind', () => {
    const look = (state: State): void => {
      const found = names(state);
      assert.ok(found === 'from' || found === newName.toString(), `it has the names ${found}`);
    };
    assert.ok(explore([renamer, ownerOfOld, ownerOfNew], look) > 100);
    for (const step of ['prepare', 'hold', 'commit'] as const)
      assert.ok(explore([renamer, ownerOfOld, late(step)], look) > 20, step);
  });

  it('is finished, or given up, by the owners of the shards, wherever it was left', () => {
    const left = new Set<string>();
    explore([renamer], (state, [actor]) => {
      let now = state;
      for (let turn = 0; turn < 12; turn++) {
        for (const owner of [ownerOfOld, ownerOfNew]) {
          for (let one: Actor = { step: 'begin' }; one.step !== 'done'; ) {
            const next = owner(now, one, []);
            if (next.state === now && next.actor.step === one.step) break;
            now = next.state;
            one = next.actor;
          }
        }
      }
      left.add(`${actor!.step} ${names(now) === 'from' ? 'old' : 'new'}`);
      const readers = readersOf(now);
      assert.deepEqual([readers[S]!.renames.holds(), readers[D]!.renames.all()], [[], []]);
      assert.equal(new View(now[S]!).counter('holds'), 0);
      assert.equal(new View(now[D]!).counter('renames'), 0);
    });
    assert.deepEqual([...left], ['begin old', 'hold old', 'commit old', 'release new', 'forget new', 'done new']);
  });

  const guard = undefined;
  const writes: Readonly<Record<string, () => Command>> = {
    overwrites: () => put('other'),
    deletes: () => ({
      type: 'object.delete',
      bucket,
      owner: 'o',
      items: [{ key: oldName, version: undefined, guard }],
    }),
    describes: () => ({
      type: 'object.annotate',
      bucket,
      key: oldName,
      version: undefined,
      guard,
      change: { tags: { clear: true, set: [['a', 'b']] } },
    }),
  };
  const put = (text: string): Command => {
    const piece = inlinePiece(text);
    const draft = {
      size: piece.size,
      etag: piece.md5,
      etagParts: 0,
      storageClass: 'STANDARD',
      headers: {},
      metadata: [],
      tags: [],
      checksum: undefined,
      wrappedKey: Buffer.from('k'),
      partSizes: [],
    };
    return { type: 'object.put', bucket, key: oldName, owner: 'o', guard, draft, pieces: [piece] };
  };

  for (const [what, command] of Object.entries(writes))
    it(`beside somebody who ${what} the old name loses neither change`, () => {
      const outcomes = new Set<string>();
      explore([renamer, ownerOfOld, writerWith(command)], (state, actors) => {
        const reader = shardedReader(readersOf(state));
        const told = (key: Buffer): string => {
          const found = reader.version(bucket, key, undefined);
          return found?.kind === 'object' ? `${found.size}${found.tags.join('')}` : '-';
        };
        const found = `${told(oldName)} ${told(newName)}`;
        const written = actors[2]!.step === 'done';
        outcomes.add(`${written} ${found}`);
      });
      // 7 bytes are those of the object, 5 those of what overwrites it.
      const allowed: Readonly<Record<string, readonly string[]>> = {
        overwrites: ['false 7 -', 'false - 7', 'true 5 -', 'true 5 7', 'true - 5'],
        deletes: ['false 7 -', 'false - 7', 'true - -', 'true - 7'],
        describes: ['false 7 -', 'false - 7', 'true 7a,b -', 'true - 7a,b'],
      };
      assert.deepEqual([...outcomes].sort(), [...allowed[what]!].sort());
    });
});
