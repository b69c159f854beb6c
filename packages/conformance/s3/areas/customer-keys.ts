import { area } from '../case.ts';
import { md5 } from '../client.ts';
import type { Code } from '../errors.ts';
import { header, ok, refused, same } from '../expect.ts';
import type { Steps } from '../steps.ts';

const { cases, rule } = area('keys of customers', 'userguide/ServerSideEncryptionCustomerKeys');

const target = 'x-amz-server-side-encryption-customer';
const source = 'x-amz-copy-source-server-side-encryption-customer';
const [mine, other] = [Buffer.alloc(32, 'm'), Buffer.alloc(32, 'o')];
const withKey = (key: Buffer, prefix = target): Record<string, string> => ({
  [`${prefix}-algorithm`]: 'AES256',
  [`${prefix}-key`]: key.toString('base64'),
  [`${prefix}-key-md5`]: md5(key).toString('base64'),
});
const without = (name: string): Record<string, string> =>
  Object.fromEntries(Object.entries(withKey(mine)).filter(([given]) => given !== `${target}-${name}`));
const body = 'the bytes of a customer';
/** Objects with our key, with another, and with none. */
const made = (t: Steps) =>
  t.shared('objects with keys of customers', async (keeper) => {
    const bucket = await keeper.bucket();
    await keeper.put(bucket, 'mine', body, withKey(mine));
    await keeper.put(bucket, 'other', body, withKey(other));
    await keeper.put(bucket, 'plain', body);
    return bucket;
  });

for (const [what, request] of [
  ['PutObject', async (t: Steps) => t.put(await t.bucket(), 'key', body, withKey(mine))],
  ['GetObject', async (t: Steps) => ok(await t.get(await made(t), 'mine', { headers: withKey(mine) }))],
  ['HeadObject', async (t: Steps) => ok(await t.head(await made(t), 'mine', { headers: withKey(mine) }))],
  [
    'CopyObject',
    async (t: Steps) =>
      ok(
        await t.send('PUT', await t.bucket(), 'key', {
          headers: { 'x-amz-copy-source': `/${await made(t)}/plain`, ...withKey(mine) },
        }),
      ),
  ],
  [
    'CreateMultipartUpload',
    async (t: Steps) =>
      ok(await t.send('POST', await t.bucket(), 'key', { query: { uploads: '' }, headers: withKey(mine) })),
  ],
] as const) {
  const page = { source: `API/API_${what}` };
  rule(
    `${what} with a key answers its algorithm`,
    async (t) => void header(await request(t), `${target}-algorithm`, 'AES256'),
    page,
  );
  rule(
    `${what} with a key answers its MD5`,
    async (t) => void header(await request(t), `${target}-key-md5`, md5(mine).toString('base64')),
    page,
  );
  rule(
    `${what} with a key does not answer the key`,
    async (t) => void header(await request(t), `${target}-key`, undefined),
    page,
  );
  rule(
    `${what} with a key does not say AES256 of the store`,
    async (t) => void header(await request(t), 'x-amz-server-side-encryption', undefined),
    page,
  );
}
rule('GetObject with the key answers the bytes', async (t) => {
  const answer = ok(await t.get(await made(t), 'mine', { headers: withKey(mine) }));
  same(answer.body.toString(), body, 'content', answer);
});
rule('GetObject of a range with the key answers the range', async (t) => {
  const answer = ok(await t.get(await made(t), 'mine', { headers: { ...withKey(mine), range: 'bytes=4-8' } }), 206);
  same(answer.body.toString(), body.slice(4, 9), 'content', answer);
});

/* Reads with a key that does not fit. */
type Headers = Record<string, string>;
const reads: readonly (readonly [name: string, method: string, query: Headers, headers: Headers])[] = [
  ['GetObject', 'GET', {}, {}],
  ['HeadObject', 'HEAD', {}, {}],
  ['GetObject of a range', 'GET', {}, { range: 'bytes=0-1' }],
  ['GetObjectAttributes', 'GET', { attributes: '' }, { 'x-amz-object-attributes': 'ObjectSize' }],
];
for (const [name, method, query, own] of reads) {
  const read = async (t: Steps, key: string, headers: Headers) =>
    t.send(method, await made(t), key, { query, headers: { ...own, ...headers } });
  rule(
    `${name} without the key is refused with InvalidRequest`,
    async (t) => void refused(await read(t, 'mine', {}), 'InvalidRequest'),
  );
  rule(
    `${name} with another key is refused with AccessDenied`,
    async (t) => void refused(await read(t, 'mine', withKey(other)), 'AccessDenied'),
  );
  rule(
    `${name} with a key of an object that has none is refused with InvalidRequest`,
    async (t) => void refused(await read(t, 'plain', withKey(mine)), 'InvalidRequest'),
  );
}

/* Said wrong. */
const wrong: readonly (readonly [what: string, headers: Headers, message: RegExp, ...codes: Code[]])[] = [
  ['without the algorithm', without('algorithm'), /valid encryption algorithm/, 'InvalidArgument'],
  ['without the key itself', without('key'), /appropriate secret key/, 'InvalidArgument'],
  ['without the MD5 of the key', without('key-md5'), /client calculated MD5/, 'InvalidArgument'],
  [
    'with an algorithm that there is not',
    { ...withKey(mine), [`${target}-algorithm`]: 'AES128' },
    /AES256/,
    'InvalidEncryptionAlgorithmError',
    'InvalidArgument',
  ],
  ['with a key of 16 bytes', withKey(Buffer.alloc(16)), /invalid/, 'InvalidArgument'],
  ['with a key of 33 bytes', withKey(Buffer.alloc(33)), /invalid/, 'InvalidArgument'],
  ['with an empty key', withKey(Buffer.alloc(0)), /./, 'InvalidArgument'],
  [
    'with a key that is not base64',
    { ...withKey(mine), [`${target}-key`]: '!'.repeat(44) },
    /invalid/,
    'InvalidArgument',
  ],
  [
    'with the MD5 of another key',
    { ...withKey(mine), [`${target}-key-md5`]: md5(other).toString('base64') },
    /did not match/,
    'InvalidArgument',
  ],
  [
    'with an MD5 that is none',
    { ...withKey(mine), [`${target}-key-md5`]: 'x' },
    /did not match|invalid/,
    'InvalidArgument',
    'InvalidDigest',
  ],
  [
    'with AES256 of the store, too',
    { ...withKey(mine), 'x-amz-server-side-encryption': 'AES256' },
    /./,
    'InvalidArgument',
    'InvalidRequest',
  ],
];
for (const [what, headers, message, ...codes] of wrong)
  for (const [name, send] of [
    ['PutObject', async (t: Steps) => t.send('PUT', await t.bucket(), 'key', { body, headers })],
    [
      'CreateMultipartUpload',
      async (t: Steps) => t.send('POST', await t.bucket(), 'key', { query: { uploads: '' }, headers }),
    ],
    [
      'CopyObject',
      async (t: Steps) =>
        t.send('PUT', await t.bucket(), 'key', {
          headers: { 'x-amz-copy-source': `/${await made(t)}/plain`, ...headers },
        }),
    ],
  ] as const)
    rule(
      `${name} ${what} is refused with ${codes[0]}`,
      async (t) => {
        const answer = refused(await send(t), ...codes);
        same(message.test(answer.message), true, `"${answer.message}" says what is wrong`, answer);
      },
      { source: `API/API_${name}` },
    );
rule('a key in the query of a presigned URL is refused', async (t) => {
  refused(await t.get(await made(t), 'mine', { query: withKey(mine), signing: { form: 'query' } }), 'InvalidRequest');
});

/* Copies. */
for (const [from, fromKey] of [
  ['plain', undefined],
  ['mine', mine],
  ['other', other],
] as const)
  for (const [to, toKey] of [
    ['none', undefined],
    ['ours', mine],
    ['another', other],
  ] as const)
    rule(
      `CopyObject from an object ${fromKey ? `with the key ${from}` : 'without a key'} to ${toKey ? `${to} key` : to} keeps the bytes`,
      async (t) => {
        const bucket = await t.bucket();
        const headers = {
          'x-amz-copy-source': `/${await made(t)}/${from}`,
          ...(fromKey && withKey(fromKey, source)),
          ...(toKey && withKey(toKey)),
        };
        ok(await t.send('PUT', bucket, 'copy', { headers }));
        const answer = ok(await t.get(bucket, 'copy', { headers: toKey ? withKey(toKey) : {} }));
        same(answer.body.toString(), body, 'content', answer);
        if (toKey) refused(await t.get(bucket, 'copy'), 'InvalidRequest');
      },
      { source: 'API/API_CopyObject' },
    );
for (const [what, from, headers, code] of [
  ['without the key of its source', 'mine', {}, 'InvalidRequest'],
  ['with the key of its source in the place of the target', 'mine', withKey(mine), 'InvalidRequest'],
  ['with another key of its source', 'mine', withKey(other, source), 'AccessDenied'],
  ['with a key of a source that has none', 'plain', withKey(mine, source), 'InvalidRequest'],
] as const)
  rule(
    `CopyObject ${what} is refused with ${code}`,
    async (t) => {
      const copied = { 'x-amz-copy-source': `/${await made(t)}/${from}`, ...headers };
      refused(await t.send('PUT', await t.bucket(), 'copy', { headers: copied }), code);
    },
    { source: 'API/API_CopyObject' },
  );

/* Uploads of parts. */
const begun = async (t: Steps, headers: Headers) => {
  const bucket = await t.bucket();
  const answer = ok(await t.send('POST', bucket, 'key', { query: { uploads: '' }, headers }));
  return { bucket, uploadId: answer.text('UploadId') ?? '' };
};
const parting = { source: 'API/API_UploadPart' };
for (const [what, first, then, code] of [
  ['without the key of its upload', withKey(mine), {}, 'InvalidRequest'],
  ['with another key than its upload', withKey(mine), withKey(other), 'InvalidRequest'],
  ['with a key of an upload that has none', {}, withKey(mine), 'InvalidRequest'],
] as const)
  rule(
    `UploadPart ${what} is refused with ${code}`,
    async (t) => {
      const { bucket, uploadId } = await begun(t, first);
      refused(await t.send('PUT', bucket, 'key', { query: { uploadId, partNumber: '1' }, body, headers: then }), code);
    },
    parting,
  );
rule(
  'an upload with a key becomes an object that needs it',
  async (t) => {
    const { bucket, uploadId } = await begun(t, withKey(mine));
    const query = { uploadId, partNumber: '1' };
    const part = header(
      ok(await t.send('PUT', bucket, 'key', { query, body, headers: withKey(mine) })),
      `${target}-algorithm`,
      'AES256',
    );
    const list = `<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>${part.etag}</ETag></Part></CompleteMultipartUpload>`;
    ok(await t.send('POST', bucket, 'key', { query: { uploadId }, body: list }));
    refused(await t.get(bucket, 'key'), 'InvalidRequest');
    const answer = ok(await t.get(bucket, 'key', { headers: withKey(mine) }));
    same(answer.body.toString(), body, 'content', answer);
  },
  parting,
);

/* What needs no key. */
for (const [what, request] of [
  [
    'listed',
    async (t: Steps, bucket: string) =>
      same((await t.get(bucket, '')).texts('Key'), ['key'], 'keys', ok(await t.get(bucket, ''))),
  ],
  ['deleted', async (t: Steps, bucket: string) => ok(await t.remove(bucket, 'key'), 204)],
  [
    'tagged',
    async (t: Steps, bucket: string) =>
      ok(
        await t.document(
          'PUT',
          bucket,
          'tagging',
          '<Tagging><TagSet><Tag><Key>a</Key><Value>b</Value></Tag></TagSet></Tagging>',
          { key: 'key' },
        ),
      ),
  ],
  [
    'replaced by one without a key',
    async (t: Steps, bucket: string) => {
      await t.put(bucket, 'key', 'new');
      ok(await t.get(bucket, 'key'));
    },
  ],
] as const)
  rule(`an object with a key is ${what} without it`, async (t) => {
    const bucket = await t.bucket();
    await t.put(bucket, 'key', body, withKey(mine));
    await request(t, bucket);
  });
rule(
  'a bucket that blocks SSE-C refuses a key with AccessDenied',
  async (t) => {
    const bucket = await t.bucket();
    const text =
      '<ServerSideEncryptionConfiguration><Rule><ApplyServerSideEncryptionByDefault><SSEAlgorithm>AES256</SSEAlgorithm></ApplyServerSideEncryptionByDefault><BlockedEncryptionTypes><EncryptionType>SSE-C</EncryptionType></BlockedEncryptionTypes></Rule></ServerSideEncryptionConfiguration>';
    ok(await t.document('PUT', bucket, 'encryption', text));
    refused(await t.send('PUT', bucket, 'key', { body, headers: withKey(mine) }), 'AccessDenied');
    await t.put(bucket, 'key', body);
  },
  { source: 'API/API_PutBucketEncryption' },
);

export const customerKeyCases = cases;
