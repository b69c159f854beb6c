import assert from 'node:assert/strict';
import { it } from 'node:test';
import { openMemoryStore } from '../api/s3/store.support.ts';
import { type ChecksumAlgorithm, digestBytes, digestOf } from '../codec/index.ts';
import type { MetadataReader, NodeRecord } from '../metadata/index.ts';
import { describedSource } from './described.ts';
import { Feed } from './feed.ts';
import { keep } from './keep.ts';

it('an object is kept without a checksum that not every node of the cluster knows, and with it once they all do', async (t) => {
  const store = await openMemoryStore();
  t.after(() => store.close());
  const { objects } = store;
  const bucket = await objects.createBucket({ name: 'bucket', owner: 'owner', region: 'here' });
  const body = Buffer.from('what is at the source');
  const nodes = [{ id: 'n1' } as NodeRecord];
  const arrive = async (
    algorithm: ChecksumAlgorithm,
    name: string,
    reader: Pick<MetadataReader, 'nodes' | 'features'>,
  ) => {
    const headers = {
      'content-length': String(body.length),
      'last-modified': 'Wed, 21 Oct 2015 07:28:00 GMT',
      etag: `"${digestOf('MD5', body).toString('hex')}"`,
      [`x-amz-checksum-${algorithm.toLowerCase()}`]: digestOf(algorithm, body).toString('base64'),
    };
    const feed = new Feed();
    void feed.give(body);
    feed.end();
    const key = Buffer.from(name);
    await keep(
      objects,
      reader,
      { bucket: 'bucket', key, found: describedSource(bucket, headers, [], undefined) },
      feed,
    );
    const { version } = await objects.read({ bucket: 'bucket', key, versionId: undefined, guard: undefined });
    return version.checksum?.algorithm;
  };
  for (const algorithm of Object.keys(digestBytes) as ChecksumAlgorithm[]) {
    const newer = ['SHA512', 'MD5', 'XXHASH64', 'XXHASH3', 'XXHASH128'].includes(algorithm);
    const before = { nodes: () => nodes, features: () => [] };
    assert.equal(await arrive(algorithm, `before ${algorithm}`, before), newer ? undefined : algorithm);
    const after = { nodes: () => nodes, features: () => ['newerChecksums'] };
    assert.equal(await arrive(algorithm, `after ${algorithm}`, after), algorithm);
  }
});
