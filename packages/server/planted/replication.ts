import type { Plant } from './plant.ts';

/* Bugs in what is written once more to another store. */

const between = 'src/replication/replicator.test.ts';
const rules = 'src/api/s3/replication.test.ts';

export const replicationPlants: readonly Plant[] = [
  {
    name: 'replication: what another store replicates is replicated back',
    file: 'src/api/s3/announce.ts',
    find: 'const replication = replica ? undefined : configured;',
    replace: 'const replication = configured;',
    tests: [between],
    pattern: 'told nothing twice',
  },
  {
    name: 'replication: what is there already is written again',
    file: 'src/replication/replicator.ts',
    find: 'if (isThere(there, version)) {',
    replace: 'if (version.size < 0) {',
    tests: [between],
    pattern: 'is not written again|what is missing is sent',
  },
  {
    name: 'replication: an older version that comes again is written over the newest',
    file: 'src/replication/replicator.ts',
    find: "if (!isNewest && newest && isThere(there, newest)) return 'there';",
    replace: '',
    tests: [between],
    pattern: 'nor an older version over the newest',
  },
  {
    name: 'replication: a marker that comes again deletes what was written since',
    file: 'src/replication/replicator.ts',
    find: "if (await this.#newest(bucket, key)) return 'left';",
    replace: '',
    tests: [between],
    pattern: 'nor an older version over the newest',
  },
  {
    name: 'replication: markers are replicated whatever the rule says',
    file: 'src/replication/replicator.ts',
    find: "if (!rule?.deleteMarkers) return 'left';",
    replace: "if (!rule) return 'left';",
    tests: [between],
    pattern: 'has no markers there',
  },
  {
    name: 'replication: a rule replicates whatever tags an object has',
    file: 'src/api/s3/configurations/replication.ts',
    find: 'tags.some(([other, its]) => other === name && its === value)',
    replace: 'tags.some(([other]) => other !== value || other === name)',
    tests: [rules, between],
    pattern: 'highest priority counts|has no markers there',
  },
  {
    name: 'replication: a rule that is off replicates',
    file: 'src/api/s3/configurations/replication.ts',
    find: 'rule.enabled &&\n    placeText(rule) === place &&',
    replace: 'placeText(rule) === place &&',
    tests: [rules],
    pattern: 'highest priority counts',
  },
  {
    name: 'replication: a store that is in trouble counts as one that refuses',
    file: 'src/replication/store.ts',
    find: 'if (code !== undefined && ofObjects.has(code)) return new RefusalError(message);',
    replace: 'if (code !== undefined) return new RefusalError(message);',
    tests: [between],
    pattern: 'told apart',
  },
  {
    name: 'replication: versioning is suspended under the rules',
    file: 'src/api/s3/operations/put-bucket-versioning.ts',
    find: "if (status === 'Suspended' && objects.configuration(call.bucket, 'replication'))",
    replace:
      "if (status === 'Suspended' && objects.configuration(call.bucket, 'objectLock') && status === ('' as string))",
    tests: [rules],
    pattern: 'keeps the rules',
  },
  {
    name: 'replication: a destination is not asked whether it keeps versions',
    file: 'src/api/s3/operations/put-bucket-replication.ts',
    find: 'if (failure !== undefined) throw',
    replace: 'if (failure === arn) throw',
    tests: [rules],
    pattern: 'where it could not be done',
  },
  {
    name: 'replication: a deleted key is passed over when a bucket is compared',
    file: 'src/replication/resync.ts',
    find: 'if (item.isLatest) yield item.key;',
    replace: "if (item.isLatest && item.record.kind === 'object') yield item.key;",
    tests: [between],
    pattern: 'what is missing is sent',
  },
  {
    name: 'replication: what came while a bucket is compared is not the newest there',
    file: 'src/replication/replicator.ts',
    find: "if (what !== 'sent' || isSame(now, await this.#newest(bucket, key))) return what;",
    replace: 'return what;',
    tests: [between],
    pattern: 'written while it is compared',
  },
];
