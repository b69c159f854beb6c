import type { Plant } from './plant.ts';

const growing = ['src/metadata/sharded/growing.test.ts'];
const further = ['src/daemon/cluster/further.test.ts'];
const sharding = ['src/daemon/cluster/sharding.test.ts'];

/* Bugs of buckets that get more shards, and of clusters that do. */

export const reshardPlants: readonly Plant[] = [
  {
    name: 'reshard: a shard makes a key again that it has left to another',
    file: 'src/metadata/machine/places.ts',
    find: 'if (leaves(row, shard, key) && !view.holds(bucket, key))',
    replace: 'if (leaves(row, shard, key) && view.holds(bucket, key) && bucket < 0)',
    tests: growing,
    pattern: 'takes a key that was deleted',
  },
  {
    name: 'reshard: a key that is there is looked for in its new place only',
    file: 'src/metadata/machine/places.ts',
    find: 'if (before !== place) found.push(shards[before] as number);',
    replace: '',
    tests: growing,
    pattern: 'keeps what it has where it is',
  },
  {
    name: 'reshard: an open upload does not hold its key',
    file: 'src/metadata/machine/view.ts',
    find: 'for (const _ of this.rows.range({ start, end, limit: 1 })) return true;',
    replace: 'for (const _ of this.rows.range({ start, end, limit: 1 })) return false;',
    tests: growing,
    pattern: 'keeps a key with an open upload',
  },
  {
    name: 'reshard: a deletion is answered by a shard that the key has left',
    file: 'src/metadata/machine/decide-deletes.ts',
    find: '  checkHere(view, bucket.id, key, stamp.shard);\n',
    replace: '',
    tests: growing,
    pattern: 'takes a key that was deleted',
  },
  {
    name: 'reshard: a key is made in its new place although the old one has not heard of it',
    file: 'src/metadata/sharded/reader.ts',
    find: 'return mayMake.at(-1) ?? made;',
    replace: 'return made;',
    tests: growing,
    pattern: 'goes on with what was taken over',
  },
  {
    name: 'reshard: another shard is asked when nobody knows what became of a write',
    file: 'src/metadata/sharded/proposer.ts',
    find: "        if (!isRefusal(error, 'NotInThisShard')) throw error;\n      }\n      gone",
    replace:
      "        if (!isRefusal(error, 'NotInThisShard') && !isRefusal(error, 'ServiceUnavailable')) throw error;\n      }\n      gone",
    tests: ['src/daemon/cluster/growing.test.ts'],
  },
  {
    name: 'reshard: a key that is seen in two shards is listed twice',
    file: 'src/metadata/sharded/listing.ts',
    find: 'given !== undefined && given.source !== source && given.key.equals(keyOf(item));',
    replace: 'given !== undefined && given.source === source && given.key.equals(keyOf(item)) && false;',
    tests: ['src/metadata/sharded/listing.test.ts'],
    pattern: 'that two shards are seen to have',
  },
  {
    name: 'reshard: causal trusts a token where keys may have changed their shard',
    file: 'src/api/http/consistency.ts',
    find: 'shared.moves(scope, named.keys()) ? shared.latest(scope) : undefined',
    replace: 'shared.moves(scope, named.keys()) ? undefined : undefined',
    tests: ['src/api/http/consistency.test.ts'],
  },
  {
    name: 'reshard: a node that knows less than its session does not see that keys have changed their shard',
    file: 'src/daemon/cluster/gate.ts',
    find: '?.generation ?? 0) > place.generation) return true;',
    replace: '?.generation ?? 0) > place.generation) return false;',
    tests: ['src/daemon/cluster/gate.test.ts'],
    pattern: 'asks for more at causal',
  },
  {
    name: 'reshard: a read at strong waits for the new place of a key alone',
    file: 'src/daemon/cluster/gate.ts',
    find: 'reader.placesOf(bucket.id, key)',
    replace: 'reader.placesOf(bucket.id, key).slice(0, 1)',
    tests: ['src/daemon/cluster/growing.test.ts'],
    pattern: 'loses no write, shows no old one, and has no',
  },
  {
    name: 'reshard: an object shard is used before every node has it',
    file: 'src/daemon/cluster/sharding.ts',
    find: 'if (!shard || lacking(system.reader, shard).length > 0) return;',
    replace: 'if (!shard) return;',
    tests: sharding,
  },
  {
    name: 'reshard: one doubling of a bucket calls for the next',
    file: 'src/daemon/cluster/sharding.ts',
    find: 'if (versions <= keysPerShard * place.shards.length) continue;',
    replace: 'if (versions <= keysPerShard) continue;',
    tests: sharding,
    pattern: 'are doubled by themselves',
  },
  {
    name: 'reshard: a node says that it has a further shard, which it could not open',
    file: 'src/daemon/cluster/further.ts',
    find: '} else await openNext();',
    replace: '} else await openNext().catch(() => sayOpen(open[0] as Opened, options).then(() => (number += 1)));',
    tests: further,
  },
  {
    name: 'reshard: a node that was removed says that it has a further shard',
    file: 'src/daemon/cluster/further.ts',
    find: "?.state === 'removed') return;",
    replace: '?.state === undefined) return;',
    tests: further,
  },
  {
    name: 'reshard: what is added to the shards of a node is not read',
    file: 'src/metadata/sharded/shards.ts',
    find: 'this.#readers.push(shard.reader);',
    replace: '',
    tests: further,
  },
  {
    name: 'reshard: a position of a shard that is not open yet is taken for reached',
    file: 'src/daemon/cluster/gate.ts',
    find: 'await gateOf(shardOfNumber(position)).reached(',
    replace: 'await gates[shardOfNumber(position)]?.reached(',
    tests: further,
  },
];
