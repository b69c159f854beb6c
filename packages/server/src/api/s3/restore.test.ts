/* RestoreObject: nothing is archived here, and that is said as AWS says it. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { serveFake } from './harness.support.ts';

const { s3 } = await serveFake(async (harness) => {
  await harness.send('PUT', '/bucket');
});

describe('restoring', () => {
  const restore = (key: string, body: string, more: Record<string, string> = {}) =>
    s3.send('POST', `/bucket/${key}`, { query: { restore: '', ...more }, body });
  const request = (inner: string) => `<RestoreRequest>${inner}</RestoreRequest>`;
  const good = request('<Days>1</Days><GlacierJobParameters><Tier>Standard</Tier></GlacierJobParameters>');

  it('is answered as for an object that is not archived: every class can be read at once', async () => {
    await s3.send('PUT', '/bucket/k', { body: 'x', headers: { 'x-amz-storage-class': 'STANDARD_IA' } });
    const got = await restore('k', good);
    assert.deepEqual([got.status, got.code, got.xml('StorageClass')], [403, 'InvalidObjectState', 'STANDARD_IA']);
    assert.equal(got.xml('Message'), 'Restore is not allowed for the object&apos;s current storage class');
    assert.equal((await restore('none', good)).code, 'NoSuchKey');
    assert.equal((await s3.send('POST', '/missing/k', { query: { restore: '' }, body: good })).code, 'NoSuchBucket');
    assert.equal(
      (await s3.send('POST', '/bucket/k', { query: { restore: '' }, body: good, as: 'readonly' })).code,
      'AccessDenied',
    );
  });

  it('is refused where it is not as documented', async () => {
    const rows = [
      ['', 'MissingRequestBodyError'],
      ['<Other/>', 'MalformedXML'],
      [request(''), 'MalformedXML'],
      [request('<Days>many</Days>'), 'MalformedXML'],
      [request('<Days>0</Days>'), 'InvalidArgument'],
      [request('<Days>1</Days><Other/>'), 'MalformedXML'],
      [request('<Days>1</Days><Tier>Fast</Tier>'), 'MalformedXML'],
      [request('<Type>SELECT</Type><SelectParameters/>'), 'NotImplemented'],
    ] as const;
    for (const [body, code] of rows) assert.equal((await restore('k', body)).code, code, body);
  });
});
