import assert from 'node:assert/strict';
import { it } from 'node:test';
import { serveFake } from './harness.support.ts';
import { supportedOperations } from './names.ts';
import { examples } from './requests.support.ts';

/* x-amz-expected-bucket-owner on every operation of a bucket that is there, so that none forgets it. */

const { s3 } = await serveFake(async (harness) => {
  await harness.send('PUT', '/bucket');
  await harness.send('PUT', '/bucket/k', { body: 'x' });
});

/** Those that are about no bucket that is there, and the question of a browser, which nobody signs. */
const without = new Set(['CreateBucket', 'ListBuckets', 'ListDirectoryBuckets', 'OptionsObject']);

for (const operation of supportedOperations) {
  if (without.has(operation)) continue;
  it(`${operation} for another owner than the bucket's is denied`, async () => {
    const example = examples[operation];
    const [line, headers] = typeof example === 'string' ? [example, {}] : example;
    const [method, url] = line.split(' ') as [string, string];
    const { pathname, searchParams } = new URL(url.replace('/b', '/bucket'), 'http://host');
    const got = await s3.send(method, pathname, {
      query: Object.fromEntries(searchParams),
      headers: {
        ...('x-amz-copy-source' in headers ? { 'x-amz-copy-source': '/bucket/k' } : headers),
        'x-amz-expected-bucket-owner': '123456789012',
      },
      // A form says who sends it in its fields.
      as: operation === 'PostObject' ? 'anonymous' : 'root',
    });
    assert.equal(got.status, 403, `${got.status} ${got.text}`);
    if (method !== 'HEAD') assert.equal(got.code, 'AccessDenied');
    assert.equal(s3.telemetry.at(-1)?.operation, operation);
  });
}
