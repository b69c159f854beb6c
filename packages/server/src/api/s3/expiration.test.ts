/* What answers say of the lifecycle of their bucket: when an object expires, and when an upload is aborted. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { describe, it } from 'node:test';
import { serveFake } from './harness.support.ts';

const { s3, fake } = await serveFake(async (harness) => {
  for (const bucket of ['bucket', 'other']) await harness.send('PUT', `/${bucket}`);
});

const md5 = (body: string) => createHash('md5').update(body).digest('base64');
const query = { lifecycle: '' };
const root = (inner: string) => `<LifecycleConfiguration>${inner}</LifecycleConfiguration>`;
const put = (inner: string) => {
  const body = root(inner);
  return s3.send('PUT', '/bucket', { query, body, headers: { 'content-md5': md5(body) } });
};
const rule = (actions: string, filter = '<Filter/>', more = '<ID>r</ID>') =>
  `<Rule>${more}${filter}<Status>Enabled</Status>${actions}</Rule>`;
const days = (count: number) => `<Expiration><Days>${count}</Days></Expiration>`;
const prefixed = '<Filter><Prefix>logs/</Prefix></Filter>';

describe('answers of a bucket with a lifecycle', () => {
  const expiry = /^expiry-date="\w{3}, \d\d \w{3} \d{4} 00:00:00 GMT", rule-id="a%20rule\/1"$/;

  it('say when an object expires, and by which rule', async () => {
    await put(rule(days(3), prefixed, '<ID>a rule/1</ID>'));
    await s3.send('PUT', '/other/logs/k', { body: 'x' });
    const written = await s3.send('PUT', '/bucket/logs/k', { body: 'x' });
    const copy = await s3.send('PUT', '/bucket/logs/copy', { headers: { 'x-amz-copy-source': '/bucket/logs/k' } });
    const [read, head] = [await s3.send('GET', '/bucket/logs/k'), await s3.send('HEAD', '/bucket/logs/k')];
    for (const { status, headers } of [written, copy, read, head]) {
      assert.equal(status, 200);
      assert.match(String(headers['x-amz-expiration']), expiry);
    }
    assert.equal((await s3.send('PUT', '/bucket/k', { body: 'x' })).headers['x-amz-expiration'], undefined);
    assert.equal((await s3.send('GET', '/other/logs/k')).headers['x-amz-expiration'], undefined);
  });

  it('say it of the newest version only, named or not', async () => {
    await s3.send('PUT', '/versions');
    const enabled = '<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>';
    await s3.send('PUT', '/versions', { query: { versioning: '' }, body: enabled });
    const body = root(rule(days(3)));
    await s3.send('PUT', '/versions', { query, body, headers: { 'content-md5': md5(body) } });
    const ids: string[] = [];
    for (const content of ['1', '2'])
      ids.push(String((await s3.send('PUT', '/versions/k', { body: content })).headers['x-amz-version-id']));
    const said = async (method: string, versionId: string) => {
      const answer = await s3.send(method, '/versions/k', { query: { versionId } });
      assert.equal(answer.status, 200);
      return answer.headers['x-amz-expiration'] !== undefined;
    };
    for (const method of ['GET', 'HEAD'])
      assert.deepEqual([await said(method, ids[0]!), await said(method, ids[1]!)], [false, true]);
    await s3.send('DELETE', '/versions/k');
    assert.equal(await said('GET', ids[1]!), false, 'a marker is newer');
  });

  it('are given although the rules cannot be read', async () => {
    await s3.send('PUT', '/later');
    const document = Buffer.from('<LifecycleConfiguration><OfALaterVersion/></LifecycleConfiguration>');
    await fake.service.configure('later', 'lifecycle', document);
    const written = await s3.send('PUT', '/later/k', { body: 'x' });
    assert.deepEqual([written.status, written.headers['x-amz-expiration']], [200, undefined]);
    assert.equal((await s3.send('GET', '/later/k')).status, 200);
    assert.equal((await s3.send('POST', '/later/k', { query: { uploads: '' } })).status, 200);
    assert.notEqual((await s3.send('GET', '/later', { query })).status, 200, 'whoever asks for them hears it');
  });

  it('say when an upload is aborted', async () => {
    await put(
      rule(
        '<AbortIncompleteMultipartUpload><DaysAfterInitiation>7</DaysAfterInitiation></AbortIncompleteMultipartUpload>',
        prefixed,
      ),
    );
    const started = await s3.send('POST', '/bucket/logs/big', { query: { uploads: '' } });
    const listed = await s3.send('GET', '/bucket/logs/big', { query: { uploadId: started.xml('UploadId')! } });
    for (const { status, headers } of [started, listed]) {
      assert.equal(status, 200);
      assert.match(String(headers['x-amz-abort-date']), /00:00:00 GMT$/);
      assert.equal(headers['x-amz-abort-rule-id'], 'r');
    }
    const other = await s3.send('POST', '/bucket/big', { query: { uploads: '' } });
    assert.equal(other.headers['x-amz-abort-date'], undefined);
  });
});
