import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type ChecksumAlgorithm, digestBytes, digestOf } from '../codec/index.ts';
import { StoreError } from '../errors.ts';
import { limits } from '../limits.ts';
import { features, type Proposer } from '../metadata/index.ts';
import { uploadIdText } from './ids.ts';
import { bodyOf, openService, plain } from './service.fixture.ts';
import { noise } from './stripes.fixture.ts';

const older: readonly ChecksumAlgorithm[] = ['CRC32', 'CRC32C', 'CRC64NVME', 'SHA1', 'SHA256'];
const newer = (Object.keys(digestBytes) as ChecksumAlgorithm[]).filter((algorithm) => !older.includes(algorithm));
const feature = 'newerChecksums';

/** A node of a cluster. */
const node = {
  id: 'n1',
  address: 'n1:7000',
  apiAddress: 'n1:9000',
  zone: 'z',
  roles: ['gateway', 'metadata', 'storage'],
  state: 'active',
  version: '0.2.0',
  incarnation: Buffer.alloc(8, 1),
} as const;

const bucket = 'bucket';
const key = Buffer.from('k');
const at = { bucket, key };
const described = { ...plain, ...at, owner: 'owner' };

/** What is proposed is counted. */
async function setUp() {
  const proposed: string[] = [];
  const through = (proposer: Proposer): Proposer => ({
    ...proposer,
    propose: (command, ...rest) => {
      proposed.push(command.type);
      return proposer.propose(command, ...rest);
    },
  });
  const service = await openService({ through });
  const { objects } = service;
  await objects.createBucket({ name: bucket, owner: 'owner', region: 'here' });
  const begin = async (checksumAlgorithm?: ChecksumAlgorithm) => {
    const upload = await objects.createUpload({ ...described, checksumAlgorithm, checksumType: undefined });
    return { ...at, uploadId: uploadIdText(upload.id), number: 1 };
  };
  return { ...service, proposed, begin };
}

/** Everything that would keep a checksum by the algorithm. */
async function ways({ objects, put, begin }: Awaited<ReturnType<typeof setUp>>, algorithm: ChecksumAlgorithm) {
  await put(bucket, 'source', noise(1000, 1));
  const bare = await begin();
  const source = { bucket, key: Buffer.from('source'), versionId: undefined, guard: undefined };
  const sized = (size: number) => {
    const bytes = noise(size, 2);
    return {
      body: bodyOf(bytes, size < 1000),
      expected: { checksum: { algorithm, value: digestOf(algorithm, bytes) } },
    };
  };
  const large = 3 * limits.inlineBytes;
  const write = { redundancy: undefined, guard: undefined };
  return {
    'a small put': () => objects.put({ ...described, ...write, ...sized(10) }),
    'a large put': () => objects.put({ ...described, ...write, ...sized(large) }),
    'an append': () => objects.append({ ...described, ...write, key: Buffer.from('new'), offset: 0, ...sized(10) }),
    'an upload': () => begin(algorithm),
    'a part': () => objects.putPart({ ...bare, ...sized(large) }),
    'a copy': () =>
      objects.copy({
        ...at,
        source,
        owner: 'owner',
        guard: undefined,
        storageClass: 'STANDARD',
        checksumAlgorithm: algorithm,
      }),
  } as const satisfies Record<string, () => Promise<unknown>>;
}

describe('a checksum by one of the newer algorithms', () => {
  for (const algorithm of newer) {
    it(`${algorithm}: is refused, and nothing proposed or written, until every node of a cluster knows it`, async () => {
      const setting = await setUp();
      const { metadata, proposed, stripes } = setting;
      await metadata.propose({ type: 'node.write', node: { ...node, features: [] } });
      const all = await ways(setting, algorithm);
      const before = [proposed.length, stripes.created()];
      const refused = (error: unknown) =>
        error instanceof StoreError &&
        error.code === 'NotImplemented' &&
        /newerChecksums.*cluster features/.test(error.message);
      for (const [what, way] of Object.entries(all)) await assert.rejects(way, refused, what);
      assert.deepEqual([proposed.length, stripes.created()], before);
      // Known by all is not yet turned on.
      await metadata.propose({ type: 'node.write', node: { ...node, features: [...features] } });
      await assert.rejects(all['a small put'], refused);
      await metadata.propose({ type: 'feature.enable', feature });
      for (const way of Object.values(all)) await way();
    });

    it(`${algorithm}: turns the feature on where one process has everything`, async () => {
      for (const what of ['a small put', 'a large put', 'an append', 'an upload', 'a part', 'a copy'] as const) {
        const setting = await setUp();
        const all = await ways(setting, algorithm);
        assert.ok(!setting.metadata.reader.features().includes(feature), what);
        await all[what]();
        assert.ok(setting.metadata.reader.features().includes(feature), what);
      }
    });
  }

  it('an older one needs nothing of any node', async () => {
    for (const algorithm of older) {
      const setting = await setUp();
      await setting.metadata.propose({ type: 'node.write', node: { ...node, features: [] } });
      for (const way of Object.values(await ways(setting, algorithm))) await way();
      assert.deepEqual(setting.metadata.reader.features(), []);
    }
  });
});
