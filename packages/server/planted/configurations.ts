import type { Plant } from './plant.ts';

/* Bugs in what a bucket has configured, and in who may read it from a page of another origin. */

const cors = 'src/api/s3/cors.test.ts';
const metadata = 'src/metadata/configurations.test.ts';

export const configurationPlants: readonly Plant[] = [
  {
    name: 'metadata: configurations outlive their bucket',
    file: 'src/metadata/machine/bucket-documents.ts',
    find: 'for (const { key } of configured) app.rows.set(key, undefined);',
    replace: 'void configured;',
    tests: [metadata],
    pattern: 'goes with its bucket',
  },
  {
    name: 'metadata: a configuration may have any size',
    file: 'src/metadata/machine/decide-configurations.ts',
    find: 'if (document.length > most)',
    replace: 'if (document.length > 10 * most)',
    tests: [metadata],
    pattern: 'beyond the bytes',
  },
  {
    name: 'metadata: configurations are written before every node knows them',
    file: 'src/metadata/machine/features.ts',
    find: "'configuration.write': ({ kind }) =>\n    kind === 'objectLock' || kind === 'replication' ? new Set(['configurations', kind]) : 'configurations',",
    replace: '',
    tests: [metadata],
    pattern: 'waits in a cluster',
  },
  {
    name: 'metadata: a reader keeps configurations when something was committed',
    file: 'src/metadata/kept.ts',
    find: 'kv,\n      tables.configurations,',
    replace: 'kv,\n      tables.rates,',
    tests: [metadata],
    pattern: 'read anew',
  },
  {
    name: 'metadata: a reader keeps that a bucket has no configuration',
    file: 'src/metadata/kept.ts',
    find: 'this.#configured = new Kept(kv, tables.configurations,',
    replace: 'this.#configured = new Kept(kv, tables.rates,',
    tests: ['src/metadata/kept.test.ts'],
  },
  {
    name: 'metadata: a reader keeps the groups until nodes change',
    file: 'src/metadata/reader.ts',
    find: 'new Kept(kv, tables.groups,',
    replace: 'new Kept(kv, tables.nodes,',
    tests: ['src/metadata/kept.test.ts'],
  },
  {
    name: 'api: a wildcard of an origin overlaps what stands on both of its sides',
    file: 'src/api/s3/configurations/cors.ts',
    find: 'text.length >= star + behind && ',
    replace: '',
    tests: [cors],
    pattern: 'never over both',
  },
  {
    name: 'api: one header that fits is enough for a preflight',
    file: 'src/api/s3/configurations/cors.ts',
    find: 'question.headers.every(allowed)',
    replace: '(question.headers.length === 0 || question.headers.some(allowed))',
    tests: [cors],
    pattern: 'a preflight',
  },
  {
    name: 'api: every origin that fits a rule is answered with a star',
    file: 'src/api/s3/configurations/cors.ts',
    find: "origin: pattern === '*' ? '*' : question.origin",
    replace: "origin: pattern.includes('*') ? '*' : question.origin",
    tests: [cors],
    pattern: 'a preflight|an actual answer|that comes first',
  },
  {
    name: 'api: refusals say nothing to pages',
    file: 'src/api/s3/handler.ts',
    find: 'if (request.headers.origin !== undefined && target.bucket !== undefined)',
    replace: 'if (request.headers.authorization !== undefined && target.bucket !== undefined)',
    tests: [cors],
    pattern: 'an actual answer',
  },
  {
    name: 'api: what a bucket had configured is remembered by its name alone',
    file: 'src/api/s3/configurations/form.ts',
    find: 'if (known && (known.bytes === bytes || known.bytes.equals(bytes))) return known.value;',
    replace: 'if (known) return known.value;',
    tests: [cors],
  },
  {
    name: 'api: a server that does not encrypt promises to',
    file: 'src/api/s3/operations/put-bucket-encryption.ts',
    find: 'if (call.service.objects.plain)',
    replace: 'if (call.bucket.length === 0)',
    tests: ['src/api/s3/configurations.test.ts'],
    pattern: 'default encryption',
  },
  {
    name: 'api: ownership controls that were taken away read as in a new bucket',
    file: 'src/api/s3/operations/get-bucket-ownership-controls.ts',
    find: 'kept?.length === 0',
    replace: 'kept?.length === 1',
    tests: ['src/api/s3/configurations.test.ts'],
    pattern: 'ownership',
  },
];
