import { area } from '../case.ts';
import { md5 } from '../client.ts';
import type { Code } from '../errors.ts';
import { header, holds, ok, refused, same } from '../expect.ts';
import type { Steps } from '../steps.ts';

const { cases, rule: anyRule } = area('named keys', 'userguide/specifying-kms-encryption');

type Headers = Readonly<Record<string, string>>;
const sse = 'x-amz-server-side-encryption';
const keyHeader = `${sse}-aws-kms-key-id`;
const body = 'bytes under a named key';

/** A key of the store's KMS, as it was given. */
const keyOf = (t: Steps, which = 0): string => t.store.kms?.[which] ?? '';
const named = (t: Steps, more: Headers = {}): Record<string, string> => ({
  [sse]: 'aws:kms',
  [keyHeader]: keyOf(t),
  ...more,
});
/** By its id or by its ARN, which ends in the id. */
const isKey = (t: Steps, which = 0): RegExp =>
  new RegExp(`(^|/)${RegExp.escape(keyOf(t, which).replace(/^.*\//, ''))}$`);
const rule: typeof anyRule = (name, run, more = {}) => anyRule(name, run, { ...more, needs: ['kms'] });
const made = (t: Steps) =>
  t.shared('objects with named keys', async (keeper) => {
    const bucket = await keeper.bucket();
    await keeper.put(bucket, 'named', body, named(keeper));
    await keeper.put(bucket, 'plain', body);
    return bucket;
  });
const context = (text: string) => Buffer.from(text).toString('base64');

/* What answers say. */
for (const [what, request] of [
  ['PutObject', async (t: Steps) => t.put(await t.bucket(), 'key', body, named(t))],
  ['GetObject', async (t: Steps) => ok(await t.get(await made(t), 'named'))],
  ['HeadObject', async (t: Steps) => ok(await t.head(await made(t), 'named'))],
  [
    'CopyObject',
    async (t: Steps) => {
      const headers = { 'x-amz-copy-source': `/${await made(t)}/plain`, ...named(t) };
      return ok(await t.send('PUT', await t.bucket(), 'key', { headers }));
    },
  ],
  [
    'CreateMultipartUpload',
    async (t: Steps) =>
      ok(await t.send('POST', await t.bucket(), 'key', { query: { uploads: '' }, headers: named(t) })),
  ],
] as const) {
  const page = { source: `API/API_${what}` };
  rule(`${what} of a named key answers aws:kms`, async (t) => void header(await request(t), sse, 'aws:kms'), page);
  rule(`${what} of a named key answers the key`, async (t) => void header(await request(t), keyHeader, isKey(t)), page);
}

rule('GetObject under a named key answers the bytes', async (t) => {
  const answer = ok(await t.get(await made(t), 'named'));
  same(answer.body.toString(), body, 'content', answer);
});
rule('GetObject of a range under a named key answers the range', async (t) => {
  const answer = ok(await t.get(await made(t), 'named', { headers: { range: 'bytes=6-10' } }), 206);
  same(answer.body.toString(), body.slice(6, 11), 'content', answer);
});
rule(
  'the ETag of an object under a named key is not the MD5 of its bytes',
  async (t) => {
    const answer = ok(await t.head(await made(t), 'named'));
    const plain = `"${md5(body).toString('hex')}"`;
    header(answer, 'etag', new RegExp(`^(?!${plain}$)`));
  },
  { source: 'API/API_Object' },
);
rule('an object without a named key beside one names none', async (t) => {
  header(ok(await t.head(await made(t), 'plain')), keyHeader, undefined);
});
rule('PutObject with aws:kms and no key takes a key of its own, and answers it', async (t) => {
  const answer = await t.put(await t.bucket(), 'key', body, { [sse]: 'aws:kms' });
  header(answer, keyHeader, /./);
  header(answer, sse, 'aws:kms');
});
rule(
  'an object of several parts is under the key of its upload',
  async (t) => {
    const bucket = await t.bucket();
    const begun = ok(await t.send('POST', bucket, 'key', { query: { uploads: '' }, headers: named(t) }));
    const uploadId = begun.text('UploadId') ?? '';
    const part = ok(await t.send('PUT', bucket, 'key', { query: { partNumber: '1', uploadId }, body }));
    header(part, keyHeader, isKey(t));
    const list = `<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>${part.headers.etag}</ETag></Part></CompleteMultipartUpload>`;
    header(ok(await t.send('POST', bucket, 'key', { query: { uploadId }, body: list })), keyHeader, isKey(t));
    const answer = header(ok(await t.get(bucket, 'key')), keyHeader, isKey(t));
    same(answer.body.toString(), body, 'content', answer);
  },
  { source: 'API/API_UploadPart' },
);

/* Bucket keys, contexts, a second layer. */
for (const enabled of ['true', 'false'])
  rule(
    `a bucket key that is ${enabled} is ${enabled === 'true' ? 'answered by writes and reads' : 'not said by reads'}`,
    async (t) => {
      const bucket = await t.bucket();
      const name = `${sse}-bucket-key-enabled`;
      await t.put(bucket, 'key', body, named(t, { [name]: enabled }));
      const answer = ok(await t.head(bucket, 'key'));
      header(answer, name, enabled === 'true' ? 'true' : /^(false|)$/);
    },
    { source: 'userguide/configuring-bucket-key-object' },
  );
rule('an encryption context is taken, and reads need not send it', async (t) => {
  const bucket = await t.bucket();
  await t.put(bucket, 'key', body, named(t, { [`${sse}-context`]: context('{"team":"a"}') }));
  const answer = ok(await t.get(bucket, 'key'));
  same(answer.body.toString(), body, 'content', answer);
});
for (const [what, text] of [
  ['that is no base64', '!!!'],
  ['that is no JSON', context('team')],
  ['that is no map of strings', context('{"team":1}')],
] as const)
  rule(`an encryption context ${what} is refused with InvalidArgument`, async (t) => {
    const headers = named(t, { [`${sse}-context`]: text });
    refused(await t.send('PUT', await t.bucket(), 'key', { body, headers }), 'InvalidArgument');
  });
rule(
  'PutObject with aws:kms:dsse answers it',
  async (t) =>
    void header(
      await t.put(await t.bucket(), 'key', body, { ...named(t), [sse]: 'aws:kms:dsse' }),
      sse,
      'aws:kms:dsse',
    ),
  { source: 'userguide/UsingDSSEncryption' },
);

/* Said wrong. */
const wrong: readonly (readonly [what: string, headers: (t: Steps) => Headers, ...codes: Code[]])[] = [
  [
    'a key that is not there',
    () => ({ [sse]: 'aws:kms', [keyHeader]: '00000000-0000-4000-8000-000000000000' }),
    'KMS.NotFoundException',
  ],
  ['a key and no algorithm', (t) => ({ [keyHeader]: keyOf(t) }), 'InvalidArgument'],
  ['a key with AES256', (t) => named(t, { [sse]: 'AES256' }), 'InvalidArgument'],
  [
    'an algorithm that there is not',
    (t) => named(t, { [sse]: 'aws:none' }),
    'InvalidArgument',
    'InvalidEncryptionAlgorithmError',
  ],
  ['a context and no algorithm', () => ({ [`${sse}-context`]: context('{"a":"b"}') }), 'InvalidArgument'],
  [
    'a bucket key that is neither true nor false',
    (t) => named(t, { [`${sse}-bucket-key-enabled`]: 'maybe' }),
    'InvalidArgument',
  ],
  [
    'a key of a customer, too',
    (t) => {
      const key = Buffer.alloc(32, 'k');
      const name = `${sse}-customer`;
      return named(t, {
        [`${name}-algorithm`]: 'AES256',
        [`${name}-key`]: key.toString('base64'),
        [`${name}-key-md5`]: md5(key).toString('base64'),
      });
    },
    'InvalidArgument',
  ],
];
for (const [what, headers, ...codes] of wrong) {
  rule(`PutObject with ${what} is refused with ${codes[0]}`, async (t) => {
    const bucket = await t.bucket();
    refused(await t.send('PUT', bucket, 'key', { body, headers: headers(t) }), ...codes);
    refused(await t.head(bucket, 'key'), 'NoSuchKey');
  });
  rule(`CreateMultipartUpload with ${what} is refused with ${codes[0]}`, async (t) => {
    const query = { uploads: '' };
    refused(await t.send('POST', await t.bucket(), 'key', { query, headers: headers(t) }), ...codes);
  });
}

/* Defaults of buckets, and copies. */
const byDefault = (t: Steps) =>
  `<ServerSideEncryptionConfiguration><Rule><ApplyServerSideEncryptionByDefault><SSEAlgorithm>aws:kms</SSEAlgorithm><KMSMasterKeyID>${keyOf(t)}</KMSMasterKeyID></ApplyServerSideEncryptionByDefault><BucketKeyEnabled>true</BucketKeyEnabled></Rule></ServerSideEncryptionConfiguration>`;
const defaulting = async (t: Steps) => {
  const bucket = await t.bucket();
  ok(await t.document('PUT', bucket, 'encryption', byDefault(t)));
  return bucket;
};
const page = { source: 'userguide/bucket-encryption' };
rule(
  'GetBucketEncryption answers the named key of the default',
  async (t) => {
    const answer = ok(await t.send('GET', await defaulting(t), '', { query: { encryption: '' } }));
    same([answer.texts('SSEAlgorithm'), answer.texts('KMSMasterKeyID')], [['aws:kms'], [keyOf(t)]], 'default', answer);
  },
  page,
);
rule(
  'what is written without a word is under the named key of the default',
  async (t) => {
    const bucket = await defaulting(t);
    header(await t.put(bucket, 'key', body), keyHeader, isKey(t));
    header(ok(await t.head(bucket, 'key')), `${sse}-bucket-key-enabled`, 'true');
  },
  page,
);
rule(
  'AES256 of a request wins over the named key of the default',
  async (t) => {
    const bucket = await defaulting(t);
    header(header(await t.put(bucket, 'key', body, { [sse]: 'AES256' }), sse, 'AES256'), keyHeader, undefined);
  },
  page,
);
rule(
  'another key of a request wins over the named key of the default',
  async (t) => {
    const answer = await t.put(await defaulting(t), 'key', body, named(t, { [keyHeader]: keyOf(t, 1) }));
    header(answer, keyHeader, isKey(t, 1));
  },
  page,
);
const copying = { source: 'API/API_CopyObject' };
rule(
  'CopyObject of an object under a named key leaves the key behind, unless it is said',
  async (t) => {
    const headers = { 'x-amz-copy-source': `/${await made(t)}/named` };
    header(ok(await t.send('PUT', await t.bucket(), 'key', { headers })), keyHeader, undefined);
  },
  copying,
);
rule(
  'CopyObject takes the named key of the default of its bucket',
  async (t) => {
    const headers = { 'x-amz-copy-source': `/${await made(t)}/plain` };
    const bucket = await defaulting(t);
    header(ok(await t.send('PUT', bucket, 'key', { headers })), keyHeader, isKey(t));
    const answer = ok(await t.get(bucket, 'key'));
    same(answer.body.toString(), body, 'content', answer);
  },
  copying,
);

/* Another key for what is there. */
const updating = { source: 'API/API_UpdateObjectEncryption' };
const encryption = (inner: string) =>
  `<ObjectEncryption xmlns="http://s3.amazonaws.com/doc/2006-03-01/">${inner}</ObjectEncryption>`;
const arnOf = (t: Steps, which: number) =>
  keyOf(t, which).startsWith('arn:')
    ? keyOf(t, which)
    : `arn:aws:kms:${t.store.region}:000000000000:key/${keyOf(t, which)}`;
const update = (t: Steps, bucket: string, key: string, inner: string, query: Headers = {}) =>
  t.document('PUT', bucket, 'encryption', encryption(inner), { key, query });
const second = (t: Steps, more = '') => `<SSE-KMS><KMSKeyArn>${arnOf(t, 1)}</KMSKeyArn>${more}</SSE-KMS>`;
const own = async (t: Steps, headers: Headers = named(t)) => {
  const bucket = await t.bucket();
  await t.put(bucket, 'key', body, headers);
  return bucket;
};
for (const [from, headers] of [
  ['a named key', (t: Steps) => named(t)],
  ['AES256', () => ({ [sse]: 'AES256' })],
] as const)
  rule(
    `UpdateObjectEncryption gives an object under ${from} another key, and leaves bytes, ETag and time`,
    async (t) => {
      const bucket = await own(t, headers(t));
      const before = ok(await t.head(bucket, 'key'));
      ok(await update(t, bucket, 'key', second(t, '<BucketKeyEnabled>true</BucketKeyEnabled>')));
      const after = header(ok(await t.get(bucket, 'key')), keyHeader, isKey(t, 1));
      header(after, `${sse}-bucket-key-enabled`, 'true');
      same(after.body.toString(), body, 'content', after);
      header(after, 'last-modified', before.headers['last-modified']);
      if (from !== 'AES256') header(after, 'etag', before.headers.etag);
    },
    updating,
  );
rule(
  'UpdateObjectEncryption of a version leaves the others as they are',
  async (t) => {
    const bucket = await t.versioned();
    const first = await t.put(bucket, 'key', body, named(t));
    await t.put(bucket, 'key', body, named(t));
    const versionId = String(first.headers['x-amz-version-id']);
    ok(await update(t, bucket, 'key', second(t), { versionId }));
    header(ok(await t.head(bucket, 'key', { query: { versionId } })), keyHeader, isKey(t, 1));
    header(ok(await t.head(bucket, 'key')), keyHeader, isKey(t));
  },
  updating,
);
for (const [what, inner, ...codes] of [
  ['of a key that is not there', () => '', 'NoSuchKey'],
  [
    'with a key by its id',
    (t: Steps) => `<SSE-KMS><KMSKeyArn>${keyOf(t, 1).replace(/^.*\//, '')}</KMSKeyArn></SSE-KMS>`,
    'InvalidRequest',
  ],
  ['without a key', () => '<SSE-KMS></SSE-KMS>', 'InvalidRequest', 'MalformedXML'],
  ['to a key of a customer', () => '<SSE-C></SSE-C>', 'InvalidRequest', 'MalformedXML'],
  ['to two layers', (t: Steps) => second(t).replaceAll('SSE-KMS', 'DSSE-KMS'), 'InvalidRequest', 'MalformedXML'],
] as const)
  rule(
    `UpdateObjectEncryption ${what} is refused with ${codes[0]}`,
    async (t) => {
      const bucket = await own(t);
      const missing = codes[0] === 'NoSuchKey';
      refused(await update(t, bucket, missing ? 'nothing' : 'key', missing ? second(t) : inner(t)), ...codes);
      header(ok(await t.head(bucket, 'key')), keyHeader, isKey(t));
    },
    updating,
  );
rule(
  'UpdateObjectEncryption with a document that is none is refused with MalformedXML',
  async (t) => {
    const bucket = await own(t);
    refused(await t.document('PUT', bucket, 'encryption', '<ObjectEncryption>', { key: 'key' }), 'MalformedXML');
  },
  updating,
);
rule('DeleteObject under a named key needs no key', async (t) => {
  const bucket = await own(t);
  ok(await t.remove(bucket, 'key'), 204);
  const gone = await t.head(bucket, 'key');
  holds(gone.status === 404, `HEAD answers ${gone.status} after the deletion`);
});

export const namedKeyCases = cases;
