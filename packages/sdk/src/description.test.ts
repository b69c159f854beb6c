import assert from 'node:assert/strict';
import { test } from 'node:test';
import { infoFromHeaders } from './description.ts';

test('the checksum of an answer is found, by each algorithm of S3, and nothing else is taken for one', () => {
  const of = (name: string) => {
    const headers = new Headers({ [`x-amz-checksum-${name}`]: 'AAAA', 'x-amz-checksum-type': 'FULL_OBJECT' });
    return infoFromHeaders('b', 'k', headers).checksum;
  };
  const names = ['crc32', 'crc32c', 'crc64nvme', 'md5', 'sha1', 'sha256', 'sha512', 'xxhash64', 'xxhash3', 'xxhash128'];
  for (const name of names)
    assert.deepEqual(of(name), { algorithm: name.toUpperCase(), value: 'AAAA', type: 'FULL_OBJECT' });
  for (const name of ['algorithm', 'mode', 'crc16', 'xxhash', 'xxhash32', 'sha384']) assert.equal(of(name), undefined);
});
