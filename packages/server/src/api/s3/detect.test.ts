import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { parseTarget } from '../../access/index.ts';
import { detect } from './detect.ts';
import { refusedOperations, supportedOperations } from './names.ts';
import { operations } from './operations.ts';
import { permissionsOf } from './permissions.ts';
import { examples } from './requests.support.ts';

const of = (line: string, headers: Record<string, string> = {}) => {
  const [method, url] = line.split(' ') as [string, string];
  return detect(method, parseTarget(url, undefined, []), headers);
};

const all = [...supportedOperations, ...refusedOperations];

describe('detect', () => {
  for (const name of all) {
    it(name, () => {
      const example = examples[name];
      assert.equal(typeof example === 'string' ? of(example) : of(...example), name);
    });
  }

  it('has one row for every operation, and a handler for all but the refused', () => {
    assert.equal(new Set(all).size, all.length);
    assert.deepEqual([...operations.keys()].sort(), [...all].sort());
    for (const [name, row] of operations)
      assert.equal(row.handle === undefined, (refusedOperations as readonly string[]).includes(name), name);
  });

  it('calls nothing a read that changes anything', () => {
    for (const name of all) {
      const { needs } = permissionsOf(name);
      if (needs.length === 0) continue;
      const reads = needs.every(({ action }) => /^(?:Get|List)/.test(action));
      const verb = typeof examples[name] === 'string' ? examples[name] : examples[name][0];
      if (reads) assert.match(verb, /^(GET|HEAD|OPTIONS|POST \/b\/k\?select)/, name);
      else assert.match(verb, /^(PUT|POST|DELETE)/, name);
    }
  });

  it('takes a trailing slash behind the bucket for the bucket', () => {
    assert.equal(of('PUT /b/'), 'CreateBucket');
    assert.equal(of('GET /b/?location'), 'GetBucketLocation');
  });

  it('does not let a part number without an upload replace an object', () => {
    assert.equal(of('PUT /b/k?partNumber=1'), 'UploadPart');
    assert.equal(of('PUT /b/k?partNumber=1', { 'x-amz-copy-source': 'b/k' }), 'UploadPartCopy');
  });

  it('refuses two subresources, and methods that a resource does not have', () => {
    assert.deepEqual(of('GET /b?acl&versioning'), { refused: 'Conflicting', names: ['acl', 'versioning'] });
    assert.deepEqual(of('PUT /b/k?tagging&uploadId=1'), { refused: 'Conflicting', names: ['tagging', 'uploadId'] });
    for (const line of [
      'DELETE /b?acl',
      'POST /',
      'PUT /',
      'DELETE /',
      'PATCH /b/k',
      'TRACE /b',
      'GET /b/k?restore',
      'POST /b/k',
      'HEAD /b/k?tagging',
      'CONNECT /b/k',
    ]) {
      assert.equal((of(line) as { refused: string }).refused, 'MethodNotAllowed', line);
    }
  });

  it('is total, also for names that every object has', () => {
    const word = fc.oneof(
      fc.constantFrom(
        'acl',
        'uploads',
        'uploadId',
        'partNumber',
        'versions',
        'delete',
        'list-type',
        '__proto__',
        'constructor',
        'hasOwnProperty',
        'id',
        'toString',
      ),
      fc.string({ maxLength: 6 }),
    );
    const method = fc.oneof(
      fc.constantFrom(
        'GET',
        'PUT',
        'POST',
        'DELETE',
        'HEAD',
        'OPTIONS',
        'PATCH',
        '__proto__',
        'constructor',
        'toString',
      ),
      fc.string({ maxLength: 8 }),
    );
    fc.assert(
      fc.property(
        method,
        fc.boolean(),
        fc.array(fc.tuple(word, word), { maxLength: 4 }),
        fc.boolean(),
        (verb, object, pairs, copy) => {
          const query = pairs
            .map(([name, value]) => `${encodeURIComponent(name)}=${encodeURIComponent(value)}`)
            .join('&');
          const detected = detect(
            verb,
            parseTarget(`/b${object ? '/k' : ''}${query === '' ? '' : `?${query}`}`, undefined, []),
            copy ? { 'x-amz-copy-source': '/b/k' } : {},
          );
          if (typeof detected === 'string') assert.ok(operations.has(detected));
          else assert.ok(detected.refused === 'MethodNotAllowed' || detected.names.length === 2);
        },
      ),
      { numRuns: 3000 },
    );
  });
});
