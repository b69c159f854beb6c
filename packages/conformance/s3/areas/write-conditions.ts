import { area } from '../case.ts';
import { pathOf } from '../client.ts';
import { ok, refused, same } from '../expect.ts';
import type { Steps } from '../steps.ts';

const { cases, rule } = area('conditions of writes', 'userguide/conditional-writes');

const other = '"00000000000000000000000000000000"';

/** One way to write a key, under conditions. */
type Write = (t: Steps, bucket: string, key: string, headers: Record<string, string>) => ReturnType<Steps['send']>;

const ways: readonly (readonly [string, Write])[] = [
  ['PutObject', (t, bucket, key, headers) => t.send('PUT', bucket, key, { body: 'new', headers })],
  [
    'CopyObject',
    async (t, bucket, key, headers) => {
      await t.put(bucket, 'source', 'new');
      return t.send('PUT', bucket, key, { headers: { 'x-amz-copy-source': pathOf(bucket, 'source'), ...headers } });
    },
  ],
  [
    'CompleteMultipartUpload',
    async (t, bucket, key, headers) => {
      const uploadId = ok(await t.send('POST', bucket, key, { query: { uploads: '' } })).text('UploadId') ?? '';
      const part = ok(await t.send('PUT', bucket, key, { query: { partNumber: '1', uploadId }, body: 'new' }));
      const body = `<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>${part.etag}</ETag></Part></CompleteMultipartUpload>`;
      return t.send('POST', bucket, key, { query: { uploadId }, body, headers });
    },
  ],
];

async function holdsNow(t: Steps, bucket: string, key: string, content: string): Promise<void> {
  const answer = ok(await t.get(bucket, key));
  same(answer.body.toString(), content, 'content', answer);
}

for (const [operation, write] of ways) {
  rule(`${operation} with If-None-Match: * makes an object where there is none`, async (t) => {
    const bucket = await t.bucket();
    ok(await write(t, bucket, 'key', { 'if-none-match': '*' }));
    await holdsNow(t, bucket, 'key', 'new');
  });
  rule(`${operation} with If-None-Match: * is refused with 412 where there is an object, which stays`, async (t) => {
    const bucket = await t.bucket();
    await t.put(bucket, 'key', 'old');
    refused(await write(t, bucket, 'key', { 'if-none-match': '*' }), 'PreconditionFailed');
    await holdsNow(t, bucket, 'key', 'old');
  });
  rule(`${operation} with If-None-Match: * succeeds where the current version is a delete marker`, async (t) => {
    const bucket = await t.versioned();
    await t.put(bucket, 'key', 'old');
    ok(await t.remove(bucket, 'key'), 204);
    ok(await write(t, bucket, 'key', { 'if-none-match': '*' }));
  });
  rule(
    `${operation} with If-None-Match: * in a bucket with versions is refused where there is a current version`,
    async (t) => {
      const bucket = await t.versioned();
      await t.put(bucket, 'key', 'old');
      refused(await write(t, bucket, 'key', { 'if-none-match': '*' }), 'PreconditionFailed');
    },
  );
  rule(`${operation} with If-Match of the object's ETag replaces it`, async (t) => {
    const bucket = await t.bucket();
    const { etag } = await t.put(bucket, 'key', 'old');
    ok(await write(t, bucket, 'key', { 'if-match': etag }));
    await holdsNow(t, bucket, 'key', 'new');
  });
  rule(`${operation} with If-Match takes the ETag without quotes`, async (t) => {
    const bucket = await t.bucket();
    const { etag } = await t.put(bucket, 'key', 'old');
    ok(await write(t, bucket, 'key', { 'if-match': etag.slice(1, -1) }));
  });
  rule(`${operation} with If-Match of another ETag is refused with 412, and the object stays`, async (t) => {
    const bucket = await t.bucket();
    await t.put(bucket, 'key', 'old');
    refused(await write(t, bucket, 'key', { 'if-match': other }), 'PreconditionFailed');
    await holdsNow(t, bucket, 'key', 'old');
  });
  rule(`${operation} with If-Match of an ETag that the object had before is refused with 412`, async (t) => {
    const bucket = await t.bucket();
    const { etag } = await t.put(bucket, 'key', 'old');
    await t.put(bucket, 'key', 'meanwhile');
    refused(await write(t, bucket, 'key', { 'if-match': etag }), 'PreconditionFailed');
  });
  rule(`${operation} with If-Match where there is no object is refused with 404`, async (t) => {
    refused(await write(t, await t.bucket(), 'key', { 'if-match': other }), 'NoSuchKey');
  });
  rule(`${operation} with If-Match where the current version is a delete marker is refused with 404`, async (t) => {
    const bucket = await t.versioned();
    const { etag } = await t.put(bucket, 'key', 'old');
    ok(await t.remove(bucket, 'key'), 204);
    refused(await write(t, bucket, 'key', { 'if-match': etag }), 'NoSuchKey');
  });
  rule(`${operation} with If-Match in a bucket with versions is decided by the current version`, async (t) => {
    const bucket = await t.versioned();
    const { etag } = await t.put(bucket, 'key', 'old');
    await t.put(bucket, 'key', 'current');
    refused(await write(t, bucket, 'key', { 'if-match': etag }), 'PreconditionFailed');
  });
  if (operation !== 'CopyObject')
    rule(
      `${operation} with If-None-Match of an ETag is refused with NotImplemented: it expects *`,
      async (t) => {
        refused(await write(t, await t.bucket(), 'key', { 'if-none-match': other }), 'NotImplemented');
      },
      { source: operation === 'PutObject' ? 'API/API_PutObject' : 'API/API_CompleteMultipartUpload' },
    );
}
rule('of two PutObject with If-None-Match: * at the same time one succeeds', async (t) => {
  const bucket = await t.bucket();
  const answers = await Promise.all(
    ['a', 'b', 'c', 'd'].map((body) => t.send('PUT', bucket, 'key', { body, headers: { 'if-none-match': '*' } })),
  );
  const won = answers.filter(({ status }) => status === 200);
  same(won.length, 1, 'writes that succeeded', answers[0]!);
  for (const answer of answers)
    if (answer.status !== 200) same([409, 412].includes(answer.status), true, 'refused with 409 or 412', answer);
});
rule('an upload whose completion was refused with 412 goes on', async (t) => {
  const bucket = await t.bucket();
  await t.put(bucket, 'key', 'old');
  const uploadId = ok(await t.send('POST', bucket, 'key', { query: { uploads: '' } })).text('UploadId') ?? '';
  const { etag } = ok(await t.send('PUT', bucket, 'key', { query: { partNumber: '1', uploadId }, body: 'new' }));
  const body = `<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>${etag}</ETag></Part></CompleteMultipartUpload>`;
  const complete = (headers: Record<string, string>) =>
    t.send('POST', bucket, 'key', { query: { uploadId }, body, headers });
  refused(await complete({ 'if-none-match': '*' }), 'PreconditionFailed');
  ok(await complete({}));
});

/* Deletes. */
const deleting = { source: 'userguide/conditional-deletes' };
rule(
  "DeleteObject with If-Match of the object's ETag deletes it",
  async (t) => {
    const bucket = await t.bucket();
    const { etag } = await t.put(bucket, 'key');
    ok(await t.remove(bucket, 'key', { headers: { 'if-match': etag } }), 204);
    refused(await t.get(bucket, 'key'), 'NoSuchKey');
  },
  deleting,
);
rule(
  'DeleteObject with If-Match of another ETag is refused with 412, and the object stays',
  async (t) => {
    const bucket = await t.bucket();
    await t.put(bucket, 'key');
    refused(await t.remove(bucket, 'key', { headers: { 'if-match': other } }), 'PreconditionFailed');
    ok(await t.get(bucket, 'key'));
  },
  deleting,
);
rule(
  'DeleteObject with If-Match: * deletes an object that is there',
  async (t) => {
    const bucket = await t.bucket();
    await t.put(bucket, 'key');
    ok(await t.remove(bucket, 'key', { headers: { 'if-match': '*' } }), 204);
  },
  deleting,
);
rule(
  'DeleteObject with If-Match: * is refused where the current version is a delete marker',
  async (t) => {
    const bucket = await t.versioned();
    await t.put(bucket, 'key');
    ok(await t.remove(bucket, 'key'), 204);
    refused(await t.remove(bucket, 'key', { headers: { 'if-match': '*' } }), 'PreconditionFailed', 'NoSuchKey');
  },
  deleting,
);
for (const value of ['*', other])
  rule(
    `DeleteObject with If-Match: ${value === '*' ? '*' : 'an ETag'} is refused where there is no object`,
    async (t) => {
      refused(
        await t.remove(await t.bucket(), 'key', { headers: { 'if-match': value } }),
        'PreconditionFailed',
        'NoSuchKey',
      );
    },
    deleting,
  );
rule(
  "DeleteObject with If-Match of the current version's ETag makes a delete marker",
  async (t) => {
    const bucket = await t.versioned();
    const { etag } = await t.put(bucket, 'key');
    const gone = ok(await t.remove(bucket, 'key', { headers: { 'if-match': etag } }), 204);
    same(gone.headers['x-amz-delete-marker'], 'true', 'x-amz-delete-marker', gone);
  },
  deleting,
);
const many = (t: Steps, bucket: string, rows: string) =>
  t.document('POST', bucket, 'delete', `<Delete>${rows}</Delete>`);
rule(
  'DeleteObjects with the ETag of an object deletes it',
  async (t) => {
    const bucket = await t.bucket();
    const { etag } = await t.put(bucket, 'key');
    const answer = ok(await many(t, bucket, `<Object><Key>key</Key><ETag>${etag}</ETag></Object>`));
    same(answer.text('Deleted', 'Key'), 'key', 'Deleted', answer);
  },
  deleting,
);
rule(
  'DeleteObjects with another ETag answers an Error of that object, which stays',
  async (t) => {
    const bucket = await t.bucket();
    await t.put(bucket, 'key');
    const answer = ok(await many(t, bucket, `<Object><Key>key</Key><ETag>${other}</ETag></Object>`));
    same(answer.text('Error', 'Code'), 'PreconditionFailed', 'Code of the Error', answer);
    ok(await t.get(bucket, 'key'));
  },
  deleting,
);
rule(
  'DeleteObjects decides each object by its own ETag',
  async (t) => {
    const bucket = await t.bucket();
    const { etag } = await t.put(bucket, 'a');
    await t.put(bucket, 'b', 'another');
    const rows = ['a', 'b'].map((key) => `<Object><Key>${key}</Key><ETag>${etag}</ETag></Object>`).join('');
    const answer = ok(await many(t, bucket, rows));
    same([answer.text('Deleted', 'Key'), answer.text('Error', 'Key')], ['a', 'b'], 'Deleted and Error', answer);
  },
  deleting,
);

export const writeConditionCases = cases;
