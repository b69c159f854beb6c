import type { Plant } from './plant.ts';

/* Bugs that let a locked version go. */

const metadata = 'src/metadata/locks.test.ts';
const histories = 'src/metadata/locks-model.test.ts';
const s3 = 'src/api/s3/object-lock.test.ts';
const file = 'src/metadata/machine/locks.ts';

export const lockPlants: readonly Plant[] = [
  {
    name: 'metadata: a retention ends one millisecond early',
    file,
    find: 'if (!retention || retention.untilMs <= time.lockNow) return;\n  if (retention.mode',
    replace: 'if (!retention || retention.untilMs <= time.lockNow + 1) return;\n  if (retention.mode',
    tests: [metadata],
    pattern: 'stays until its time',
  },
  {
    name: 'metadata: compliance gives way to who bypasses governance',
    file,
    find: "if (retention.mode === 'GOVERNANCE' && bypasses) return;",
    replace: 'if (bypasses) return;',
    tests: [metadata, histories],
    pattern: 'random histories|stays until its time',
  },
  {
    name: 'metadata: a legal hold is not looked at',
    file,
    find: 'if (lock.legalHold) throw locked();',
    replace: '',
    tests: [metadata],
    pattern: 'gives way by governance',
  },
  {
    name: 'metadata: what cannot be read is not locked',
    file,
    find: "throw locked('It cannot be read whether the version is locked, so it counts as locked.', cause);",
    replace: 'return;',
    tests: [metadata],
    pattern: 'cannot be read',
  },
  {
    name: 'metadata: compliance is made shorter by who bypasses governance',
    file,
    find: "if (before.mode === 'GOVERNANCE' && bypasses) return;",
    replace: 'if (bypasses) return;',
    tests: [metadata],
    pattern: 'retained for longer',
  },
  {
    name: 'metadata: a bucket that locks stops keeping versions',
    file: 'src/metadata/machine/decide-buckets.ts',
    find: 'checkVersioningChange(view, before, versioning);',
    replace: '',
    tests: [metadata],
    pattern: 'has versioning, for good',
  },
  {
    name: 'metadata: the default retention is for objects that are put only',
    file: 'src/metadata/machine/decide-uploads.ts',
    find: 'const version = newVersion(view, stamp, bucket, place.identity, draft, manifest);',
    replace:
      'const version = { ...newVersion(view, stamp, bucket, place.identity, draft, manifest), ...(upload.retention ? {} : { retention: undefined as never }) };',
    tests: [metadata],
    pattern: 'is that of every new version',
  },
  {
    name: 'metadata: shards of a bucket are not told that it locks',
    file: 'src/metadata/sharded/proposer.ts',
    find: 'if (bucket) await this.#spread(bucket.id);',
    replace: '',
    tests: [histories],
    pattern: 'with 3 object shards',
  },
  {
    name: 'metadata: the metadata of a locked version change',
    file: 'src/metadata/machine/decide-annotate.ts',
    find: 'if (row && (change.headers || change.metadata)) checkUnlocked(row, stamp, false);',
    replace: '',
    tests: [metadata],
    pattern: 'says what it said',
  },
  {
    name: 'metadata: a clock that is set forward ends retentions',
    file: 'src/metadata/lock-clock.ts',
    find: 'return Math.max(loggedMs, Math.min(wallMs, passed));',
    replace: 'return Math.max(loggedMs, wallMs, passed);',
    tests: ['src/metadata/lock-clock.test.ts'],
    pattern: 'before its time has passed',
  },
  {
    name: 'metadata: the log is not told how late it is',
    file: 'src/metadata/machine/locks.ts',
    find: "return isDue ? [...effects, { type: 'lock.clock', ms: lockNow }] : effects;",
    replace: 'return isDue ? [...effects] : effects;',
    tests: ['src/metadata/lock-clock.test.ts'],
    pattern: 'no new version less',
  },
  {
    name: 'api: deletions of many keys always bypass governance',
    file: 'src/api/s3/operations/delete-objects.ts',
    find: 'const bypasses = bypassesGovernance(call);',
    replace: 'const bypasses = true;\n  bypassesGovernance(call);',
    tests: [s3],
    pattern: 'key by key',
  },
  {
    name: 'api: what is uploaded in parts takes no lock',
    file: 'src/api/s3/operations/create-multipart-upload.ts',
    find: '    lock: lockOfHeaders(call),\n',
    replace: '',
    tests: [s3],
    pattern: 'put, copied and assembled',
  },
];
