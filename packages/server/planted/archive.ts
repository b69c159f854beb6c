import type { Plant } from './plant.ts';

/* Bugs in archives: what is read too early, too long or not at all, and restores that are forgotten; and in configurations that count requests. */

const model = 'src/metadata/restores.test.ts';
const api = 'src/api/s3/restore.test.ts';
const reports = 'src/api/s3/reports.test.ts';

export const archivePlants: readonly Plant[] = [
  {
    name: 'archive: what is restored is due a day early',
    file: 'src/metadata/machine/restores.ts',
    find: 'Math.ceil((fromMs + days * dayMs) / dayMs)',
    replace: 'Math.floor((fromMs + days * dayMs) / dayMs)',
    tests: [model],
    pattern: 'as the rules say',
  },
  {
    name: 'archive: a restore is done before its time',
    file: 'src/metadata/machine/decide-restore.ts',
    find: 'dueMs > stamp.now ||',
    replace: '',
    tests: [model],
    pattern: 'clock of the owner',
  },
  {
    name: 'archive: a row that is out of date moves the restore of its version on',
    file: 'src/metadata/machine/decide-restore.ts',
    find: ' || dueOf(version.restore) !== dueMs',
    replace: '',
    tests: [model],
    pattern: 'as the rules say',
  },
  {
    name: 'archive: nothing tells when a restored object is to be archived again',
    file: 'src/metadata/machine/decide-restore.ts',
    find: '...(restore ? [noted(restore, version.sequence, place)] : []),',
    replace: "...(restore?.state === 'ongoing' ? [noted(restore, version.sequence, place)] : []),",
    tests: [model],
    pattern: 'as the rules say',
  },
  {
    name: 'archive: a slower tier takes the place of a faster one',
    file: 'src/metadata/machine/restores.ts',
    find: 'speeds[tier] > speeds[than]',
    replace: 'speeds[tier] !== speeds[than]',
    tests: [model],
    pattern: 'as the rules say',
  },
  {
    name: 'archive: a renamed object is forgotten while it is restored',
    file: 'src/metadata/machine/decide-rename.ts',
    find: '...gone.effects, ...notes]',
    replace: '...gone.effects]',
    tests: [model],
    pattern: 'as the rules say',
  },
  {
    name: 'archive: a lifecycle moves what is restored',
    file: 'src/metadata/machine/decide-annotate.ts',
    find: 'change.storageClass !== undefined && before.restore)',
    replace: 'change.storageClass === undefined && before.restore)',
    tests: [model],
    pattern: 'keep a lifecycle waiting',
  },
  {
    name: 'archive: an object is read while its restore is under way',
    file: 'src/objects/archive.ts',
    find: "restore?.state !== 'restored' &&",
    replace: 'restore === undefined &&',
    tests: [api],
    pattern: 'while it is restored',
  },
  {
    name: 'archive: an empty archived object is read',
    file: 'src/api/s3/operations/get-object.ts',
    find: 'if (read.archived) throw archivedError(read.version.storageClass);',
    replace: '',
    tests: [api],
    pattern: 'gives no byte',
  },
  {
    name: 'archive: an archived object is copied out of its archive',
    file: 'src/objects/copy.ts',
    find: 'if (isArchived(rooms, found.version))',
    replace: 'if (isArchived(rooms, found.version) && found.version.size > 1_000_000)',
    tests: [api],
    pattern: 'gives no byte',
  },
  {
    name: 'archive: an archived object is made readable by giving it another class',
    file: 'src/objects/annotate.ts',
    find: 'isArchived(rooms, version) && !isArchived(rooms, { storageClass })',
    replace: 'isArchived(rooms, version) && isArchived(rooms, { storageClass })',
    tests: [api],
    pattern: 'gives no byte',
  },
  {
    name: 'metrics: requests of any key count for a metrics configuration by prefix',
    file: 'src/api/s3/request-metrics.ts',
    find: "key !== '' && key.startsWith(filter.prefix ?? '')",
    replace: "key !== ''",
    tests: [reports],
    pattern: 'are counted',
  },
  {
    name: 'metrics: what a request deletes has no tags when it is counted',
    file: 'src/api/s3/request-metrics.ts',
    find: 'tags: byTags ? this.#tagsOf(bucket, target) : undefined',
    replace: 'tags: undefined',
    tests: [reports],
    pattern: 'are counted',
  },
];
