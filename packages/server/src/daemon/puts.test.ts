import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MessageChannel } from 'node:worker_threads';
import fc from 'fast-check';
import { realHost } from '../host/index.ts';
import type { Command } from '../metadata/index.ts';
import { connect, type Methods } from './port.ts';
import { listed, listedAnswer, type Proposal, type Proposed, unlisted, unlistedAnswer } from './puts.ts';

type Put = Extract<Command, { readonly type: 'object.put' }>;

const bytes = (length: number) =>
  fc.uint8Array({ minLength: length, maxLength: length }).map((all) => Buffer.from(all));
const pairs = fc.array(fc.tuple(fc.string(), fc.string()), { maxLength: 3 });

/** A put as the object service makes it where nothing is said but what every put says. */
const plain: fc.Arbitrary<Put> = fc
  .record({
    bucket: fc.nat(),
    key: fc.uint8Array({ minLength: 1, maxLength: 40 }).map((all) => Buffer.from(all)),
    owner: fc.string(),
    size: fc.nat({ max: 4096 }),
    md5: bytes(16),
    storageClass: fc.string(),
    headers: fc.record({ contentType: fc.string() }, { requiredKeys: [], noNullPrototype: true }),
    metadata: pairs,
    tags: pairs,
    wrappedKey: bytes(16),
    salt: bytes(8),
    compressed: fc.boolean(),
    sealed: fc.boolean(),
    inline: fc.uint8Array({ maxLength: 60 }).map((all) => Buffer.from(all)),
  })
  .map(({ bucket, key, owner, size, md5, storageClass, headers, metadata, tags, wrappedKey, inline, ...piece }) => ({
    type: 'object.put',
    bucket,
    key,
    owner,
    guard: undefined,
    draft: {
      size,
      etag: md5,
      etagParts: 0,
      storageClass,
      headers,
      metadata,
      tags,
      checksum: undefined,
      wrappedKey,
      partSizes: [],
    },
    pieces: [{ ...piece, size, md5, checksum: undefined, body: { inline } }],
  }));

const checksum = { algorithm: 'CRC32', type: 'FULL_OBJECT', value: Buffer.alloc(4, 1) } as const;

/** Each says one thing more than a list has a place for. */
const more: readonly ((put: Put) => Put)[] = [
  (put) => ({ ...put, guard: { ifNoneMatch: '*' } }),
  (put) => ({ ...put, writer: 'u' }),
  (put) => ({ ...put, announce: {} as NonNullable<Put['announce']> }),
  (put) => ({ ...put, pieces: [...put.pieces, ...put.pieces] }),
  (put) => ({ ...put, pieces: put.pieces.map((piece) => ({ ...piece, body: { stripes: [] } })) }),
  (put) => ({ ...put, pieces: put.pieces.map((piece) => ({ ...piece, checksum })) }),
  (put) => ({ ...put, pieces: put.pieces.map((piece) => ({ ...piece, size: piece.size + 1 })) }),
  (put) => ({ ...put, draft: { ...put.draft, etag: Buffer.alloc(16, 7) } }),
  (put) => ({ ...put, draft: { ...put.draft, etagParts: 1 } }),
  (put) => ({ ...put, draft: { ...put.draft, partSizes: [5] } }),
  (put) => ({ ...put, draft: { ...put.draft, checksum } }),
  (put) => ({ ...put, draft: { ...put.draft, legalHold: true } }),
  (put) => ({ ...put, draft: { ...put.draft, policy: { copies: 1 } } }),
  (put) => ({ ...put, draft: { ...put.draft, acl: Buffer.from('acl') } }),
  (put) => ({ ...put, draft: { ...put.draft, encryption: { kind: 'customer' } } }),
  // What nobody has thought of yet.
  (put) => ({ ...put, later: 1 }) as Put,
  (put) => ({ ...put, draft: { ...put.draft, later: 1 } }) as Put,
  (put) => ({ ...put, pieces: put.pieces.map((piece) => ({ ...piece, later: 1 })) }) as Put,
];

/** The other side of a port says what has come. */
async function across<Value>(values: readonly unknown[]): Promise<Value[]> {
  const { port1, port2 } = new MessageChannel();
  const { timers } = realHost();
  const fail = (cause: unknown) => assert.fail(String(cause));
  const seen: Value[] = [];
  const near = connect(port1, {}, timers, fail);
  const far = connect(port2, { take: (value: Value) => void seen.push(value) } as unknown as Methods, timers, fail);
  await Promise.all(values.map((value) => near.call('take', value)));
  near.close();
  far.close();
  return seen;
}

test('a put says the same on the other side, whatever it says; a plain one goes as a list', () =>
  fc.assert(
    fc.asyncProperty(
      fc.array(fc.tuple(plain, fc.option(fc.nat({ max: more.length - 1 }), { nil: undefined })), { maxLength: 8 }),
      async (puts) => {
        const proposals = puts.map(([put, one]): Proposal => {
          const command = one === undefined ? put : more[one]!(put);
          return { command, request: undefined };
        });
        for (const [i, proposal] of proposals.entries())
          assert.equal(Array.isArray(listed(proposal)), puts[i]?.[1] === undefined);
        const crossed = await across<Parameters<typeof unlisted>[0]>(proposals.map(listed));
        assert.deepEqual(crossed.map(unlisted), proposals);
      },
    ),
    { numRuns: 60 },
  ));

test('each thing more that a put may say keeps it an object', () => {
  const [put] = fc.sample(plain, 1) as [Put];
  assert.ok(Array.isArray(listed({ command: put, request: undefined })));
  for (const [i, add] of more.entries()) {
    const proposal = { command: add(put), request: undefined };
    assert.equal(listed(proposal), proposal, `number ${i}`);
  }
  const asked = { command: put, request: Buffer.alloc(16, 1) };
  assert.equal(listed(asked), asked);
});

test('an answer says the same on the other side', async () => {
  const put = {
    type: 'put',
    guk: Buffer.alloc(16, 1),
    sequence: 2 ** 48 + 3,
    nonce: Buffer.alloc(8, 2),
    isNull: true,
    modifiedMs: 1_700_000_000_000,
    manifest: Buffer.alloc(16, 3),
    pieces: 1,
    embedded: true,
    replacedNull: false,
  } as const;
  const answers: Proposed[] = [
    { reply: put, position: 7 },
    { reply: { ...put, isNull: false, embedded: false, pieces: 3, replacedNull: true }, position: 8 },
    { reply: { type: 'done' }, position: 9 },
  ];
  const crossed = await across<Parameters<typeof unlistedAnswer>[0]>(answers.map(listedAnswer));
  assert.deepEqual(crossed.map(Array.isArray), [true, true, false]);
  assert.deepEqual(crossed.map(unlistedAnswer), answers);
});
