import type { Plant } from './plant.ts';

const steps = ['src/metadata/sharded/rename-steps.test.ts'];
const sharded = ['src/metadata/sharded/rename.test.ts'];
const left = ['src/daemon/cluster/renames.test.ts'];
const gate = ['src/daemon/cluster/gate.test.ts'];
const objects = ['src/objects/shards.test.ts'];

/* Bugs of renames between two shards. */

export const renamePlants: readonly Plant[] = [
  {
    name: 'renames: an owner lets the old name go before the new one is there, and keeps it afterwards',
    file: 'src/daemon/cluster/renames.ts',
    find: "type: isOver ? 'rename.unhold' : 'rename.release'",
    replace: "type: isOver ? 'rename.release' : 'rename.unhold'",
    tests: left,
    pattern: 'is done by the owners',
  },
  {
    name: 'renames: a key that is held is written',
    file: 'src/metadata/machine/renames.ts',
    find: "if (view.counter('holds') === 0 || command.type === 'rename.release') return;",
    replace: "if (view.counter('holds') >= 0 || command.type === 'rename.release') return;",
    tests: sharded,
    pattern: 'holds the old name',
  },
  {
    name: 'renames: a reader does not look what became of the rename that holds a key',
    file: 'src/metadata/sharded/renames.ts',
    find: "return hold !== undefined && this.stateOf(hold.rename) === 'done';",
    replace: 'return hold === undefined && bucket < 0;',
    tests: steps,
    pattern: 'one name at each moment',
  },
  {
    name: 'renames: a list does not',
    file: 'src/metadata/sharded/renames.ts',
    find: "one.bucket === bucket && this.stateOf(one.rename) === 'done'",
    replace: "one.bucket === bucket && this.stateOf(one.rename) === 'prepared'",
    tests: steps,
    pattern: 'one name at each moment',
  },
  {
    name: 'renames: one that is done is given up',
    file: 'src/metadata/machine/decide-holds.ts',
    find: "  if (rename.state === 'done')\n    throw new StoreError('ConditionalRequestConflict'",
    replace:
      "  if (rename.state !== 'done' && rename.state !== 'prepared')\n    throw new StoreError('ConditionalRequestConflict'",
    tests: sharded,
    pattern: 'cannot be given up',
  },
  {
    name: 'renames: one is forgotten before the old name is released',
    file: 'src/daemon/cluster/renames.ts',
    find: "await all.propose({ type: 'rename.release', rename, bucket, key: source, shard: from });",
    replace: 'void [bucket, source, from];',
    tests: left,
    pattern: 'is done by the owners',
  },
  {
    name: 'renames: a prepare that comes twice makes one that was given up possible again',
    file: 'src/metadata/machine/decide-holds.ts',
    find: 'if (!rename?.ticket.equals(command.ticket)) throw givenUp();',
    replace: 'if (!rename) throw givenUp();',
    tests: steps,
    pattern: 'one name at each moment',
  },
  {
    name: 'renames: what was copied is not what is held',
    file: 'src/metadata/machine/decide-holds.ts',
    find: 'if (before.sequence !== expected.sequence || !before.nonce.equals(expected.nonce)) throw sourceChanged();',
    replace: '',
    tests: sharded,
    pattern: 'not of another version',
  },
  {
    name: 'renames: that one is done is not known any more once it is forgotten',
    file: 'src/metadata/sharded/renames.ts',
    find: '    this.#done.set(name, true);\n',
    replace: '',
    tests: sharded,
    pattern: 'holds the old name',
  },
  {
    name: 'renames: a strong read does not look again at the old name where the other shard knows of nothing',
    file: 'src/daemon/cluster/gate.ts',
    find: 'if (states.includes(undefined)) await calls.latest();',
    replace: '',
    tests: gate,
    pattern: 'what became of its rename',
  },
  {
    name: 'renames: a session that saw a new name may see the old one',
    file: 'src/daemon/cluster/gate.ts',
    find: 'if (id !== undefined && reader.renames.into(id)) return true;',
    replace: '',
    tests: gate,
    pattern: 'asks for more at causal',
  },
  {
    name: 'renames: who asks again with his token renames once more',
    file: 'src/metadata/requests.ts',
    find: "command.type === 'rename.prepare' && command.asks ?",
    replace: "command.type === 'rename.prepare' && command.asks === request ?",
    tests: objects,
    pattern: 'once by whoever asks again',
  },
  {
    name: 'renames: who asks again while the first rename is under way is told that the old name is gone',
    file: 'src/objects/rename-over-shards.ts',
    find: 'request && isRefused(error)',
    replace: 'request && !isRefused(error)',
    tests: objects,
    pattern: 'while the first rename',
  },
];
