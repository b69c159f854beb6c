import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { serveFake, withLarge } from './harness.support.ts';

/* Requests put together at random, all signed as they should be. */

const { s3 } = await serveFake(withLarge);

describe('any request at all', () => {
  it('is answered below 500, or by name with 501', async () => {
    const names = [
      'range',
      'if-match',
      'if-none-match',
      'if-range',
      'if-modified-since',
      'content-md5',
      'content-type',
      'content-encoding',
      'x-amz-acl',
      'x-amz-tagging',
      'x-amz-copy-source',
      'x-amz-metadata-directive',
      'x-amz-checksum-crc32',
      'x-amz-checksum-sha512',
      'x-amz-checksum-xxhash3',
      'x-amz-checksum-algorithm',
      'x-amz-checksum-mode',
      'x-amz-object-attributes',
      'x-amz-max-parts',
      'x-amz-storage-class',
      'x-amz-meta-a',
      'x-dsom-redundancy',
      'x-dsom-token',
      'x-amz-trailer',
      'x-amz-if-match-size',
      'x-amz-copy-source-range',
      'x-amz-mp-object-size',
    ];
    const parameters = [
      'acl',
      'tagging',
      'versioning',
      'uploads',
      'uploadId',
      'partNumber',
      'versionId',
      'delete',
      'list-type',
      'prefix',
      'delimiter',
      'marker',
      'max-keys',
      'continuation-token',
      'encoding-type',
      'versions',
      'key-marker',
      'version-id-marker',
      'attributes',
      'max-parts',
      'response-content-type',
      'location',
      'x-amz-acl',
      'select',
      'max-buckets',
    ];
    const value = fc.oneof(
      fc.constantFrom(
        '',
        '0',
        '1',
        '-1',
        '1000',
        '*',
        'null',
        '"x"',
        '/bucket/large',
        'bytes=0-5',
        'url',
        'COPY',
        'REPLACE',
        'CRC32',
        'ETag,ObjectParts',
        'f'.repeat(32),
        'Tue, 14 Nov 2023 22:13:20 GMT',
        '\u00e9',
        '%',
      ),
      fc.string({ maxLength: 12 }).map((s) => s.replace(/[^\x21-\x7e]/g, '')),
    );
    const body = fc.oneof(
      fc.constant(''),
      fc.constant('<Delete><Object><Key>a</Key></Object></Delete>'),
      fc.constant('<Tagging><TagSet/></Tagging>'),
      fc.string(),
    );
    const request = fc.record({
      method: fc.constantFrom('GET', 'HEAD', 'PUT', 'POST', 'DELETE', 'OPTIONS', 'PATCH'),
      path: fc.constantFrom(
        '/',
        '/bucket',
        '/bucket/',
        '/bucket/fuzz',
        '/bucket/large',
        '/missing/x',
        '/Bad_/x',
        '/bucket/ü',
      ),
      query: fc.dictionary(fc.constantFrom(...parameters), value, { maxKeys: 3 }),
      headers: fc.dictionary(fc.constantFrom(...names), value, { maxKeys: 3 }),
      body,
      as: fc.constantFrom('root', 'readonly', 'presigned', 'anonymous'),
    });
    await fc.assert(
      fc.asyncProperty(request, async ({ method, path, query, headers, body: text, as }) => {
        const got = await s3.send(method, path, {
          query,
          headers,
          body: ['GET', 'HEAD', 'OPTIONS'].includes(method) ? '' : text,
          as: as as 'root',
        });
        assert.ok(got.status < 500 || got.status === 501, `${got.status} ${got.text}`);
        if (got.status >= 400 && method !== 'HEAD') assert.ok(got.code, got.text);
      }),
      { numRuns: 600 },
    );
    assert.deepEqual(
      s3.logged.filter(({ fields }) => fields?.['code'] === 'InternalError'),
      [],
    );
  });
});
