/* Requests that come too late, or are ended while they are under way: what has come meanwhile stays, and nothing is waited for. */
import assert from 'node:assert/strict';
import { afterEach, it } from 'node:test';
import { OvertakenError } from './store.ts';
import { arrived, get, here, pair, replicatorOf, restart, settled, there, untold, versions } from './stores.fixture.ts';

afterEach(() => {
  there.gate = undefined;
});

/** The first request of this kind waits before the store until it is let in. */
function hold(request: string) {
  const come = Promise.withResolvers<void>();
  const go = Promise.withResolvers<void>();
  let first = true;
  there.gate = (what) => {
    if (!first || what !== request) return undefined;
    first = false;
    come.resolve();
    return go.promise;
  };
  return { come: come.promise, go: () => go.resolve() };
}
const place = (bucket: string): string => `arn:dsom:s3::dr:${bucket}`;
const key = Buffer.from('k');
const write = (bucket: string, body: string) => here.s3.send('PUT', `/${bucket}/k`, { body });
const idsOf = async (bucket: string) => (await versions(there, bucket)).all('VersionId');

for (const request of ['PUT', 'DELETE'] as const)
  it(`a ${request} of an owner that has died, which comes behind those of the next one, changes nothing`, async () => {
    const bucket = await pair();
    if (request === 'DELETE') {
      await write(bucket, 'older');
      await arrived(bucket, 'k');
      await untold(bucket, () => here.s3.send('DELETE', `/${bucket}/k`));
    } else await untold(bucket, () => write(bucket, 'older'));
    const dead = replicatorOf(here);
    const { come, go } = hold(`${request} /${bucket}/k`);
    const late =
      request === 'PUT' ? dead.made(bucket, place(bucket), key, undefined) : dead.removed(bucket, place(bucket), key);
    const refused = assert.rejects(late, OvertakenError);
    await come;
    await write(bucket, 'newer');
    await settled();
    const before = await idsOf(bucket);
    go();
    await refused;
    assert.equal((await get(there, bucket, 'k')).text, 'newer');
    assert.deepEqual(await idsOf(bucket), before);
    await dead.close();
  });

it('what is under way when it is ended is not waited for, and comes again', async () => {
  const bucket = await pair();
  const { come, go } = hold(`PUT /${bucket}/k`);
  await write(bucket, 'x');
  await come;
  await restart(here);
  go();
  await arrived(bucket, 'k');
  await settled();
  assert.equal((await idsOf(bucket)).length, 1);
});

it('an upload that is overtaken changes nothing, and leaves no parts', async () => {
  const bucket = await pair();
  await untold(bucket, async () => {
    const { xml } = await here.s3.send('POST', `/${bucket}/k`, { query: { uploads: '' } });
    const uploadId = xml('UploadId') as string;
    const query = { uploadId, partNumber: '1' };
    const { headers } = await here.s3.send('PUT', `/${bucket}/k`, { query, body: 'part' });
    const body = `<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>${headers.etag}</ETag></Part></CompleteMultipartUpload>`;
    await here.s3.send('POST', `/${bucket}/k`, { query: { uploadId }, body });
  });
  const dead = replicatorOf(here);
  const { come, go } = hold(`POST /${bucket}/k?uploads=`);
  const refused = assert.rejects(dead.made(bucket, place(bucket), key, undefined), OvertakenError);
  await come;
  await write(bucket, 'newer');
  await settled();
  go();
  await refused;
  assert.equal((await get(there, bucket, 'k')).text, 'newer');
  const listed = await there.s3.send('GET', `/${bucket}`, { query: { uploads: '' } });
  assert.deepEqual(listed.all('UploadId'), []);
  await dead.close();
});
