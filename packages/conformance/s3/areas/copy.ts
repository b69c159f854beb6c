import { randomBytes } from 'node:crypto';
import { area } from '../case.ts';
import { pathOf } from '../client.ts';
import { header, holds, ok, refused, same, shape } from '../expect.ts';
import type { Steps } from '../steps.ts';
import { complete, initiate, MiB } from './uploads.ts';

const { cases, rule } = area('copying', 'API/API_CopyObject');
const ofParts = { source: 'API/API_UploadPartCopy' };

const made = (t: Steps) =>
  t.shared('objects to copy', async (keeper) => {
    const bucket = await keeper.bucket();
    const headers = {
      'content-type': 'text/x-source',
      'cache-control': 'no-store',
      'x-amz-meta-from': 'source',
      'x-amz-tagging': 'color=red',
    };
    const { etag } = await keeper.put(bucket, 'source', 'content of the source', headers);
    for (const key of ['a b+c', 'größe/ü', 'percent%20']) await keeper.put(bucket, key, key);
    return { bucket, etag, target: await keeper.bucket() };
  });
const copy = (t: Steps, bucket: string, key: string, source: string, headers: Record<string, string> = {}) =>
  t.send('PUT', bucket, key, { headers: { 'x-amz-copy-source': source, ...headers } });

rule('CopyObject answers a CopyObjectResult with ETag and LastModified', async (t) => {
  const { bucket, etag, target } = await made(t);
  shape(ok(await copy(t, target, 'answer', `/${bucket}/source`)), 'CopyObjectResult', {
    ETag: etag,
    LastModified: /^\d{4}-\d\d-\d\dT.*Z$/,
  });
});
rule('a copy has the bytes of its source', async (t) => {
  const { bucket, target } = await made(t);
  ok(await copy(t, target, 'bytes', `/${bucket}/source`));
  const answer = ok(await t.get(target, 'bytes'));
  same(answer.body.toString(), 'content of the source', 'content', answer);
});
rule('a copy of 9 MiB has the bytes of its source', async (t) => {
  const { target } = await made(t);
  const body = randomBytes(9 * MiB);
  await t.put(target, 'large', body);
  ok(await copy(t, target, 'large copy', `/${target}/large`));
  holds(ok(await t.get(target, 'large copy')).body.equals(body), 'the bytes are others');
});
rule('a copy stays when its source is deleted', async (t) => {
  const { target } = await made(t);
  await t.put(target, 'short-lived', 'stays');
  ok(await copy(t, target, 'survivor', `/${target}/short-lived`));
  ok(await t.remove(target, 'short-lived'), 204);
  const answer = ok(await t.get(target, 'survivor'));
  same(answer.body.toString(), 'stays', 'content', answer);
});

/* The source. */
for (const [what, key, source] of [
  ['without a slash before the bucket', 'source', (bucket: string) => `${bucket}/source`],
  ['with a slash before the bucket', 'source', (bucket: string) => `/${bucket}/source`],
  ['percent-encoded', 'a b+c', (bucket: string) => `/${bucket}/a%20b%2Bc`],
  ['with a plus for a space', 'a b+c', (bucket: string) => `${bucket}%2Fa+b%2Bc`],
  ['percent-encoded beyond ASCII', 'größe/ü', (bucket: string) => pathOf(bucket, 'größe/ü')],
  ['with its slash percent-encoded', 'größe/ü', (bucket: string) => `/${bucket}/gr%C3%B6%C3%9Fe%2F%C3%BC`],
  ['of a key that looks percent-encoded', 'percent%20', (bucket: string) => `/${bucket}/percent%2520`],
] as const)
  rule(`the source of a copy may be named ${what}`, async (t) => {
    const { bucket, target } = await made(t);
    ok(await copy(t, target, `named ${what}`, source(bucket)));
    const answer = ok(await t.get(target, `named ${what}`));
    same(answer.body.toString(), key === 'source' ? 'content of the source' : key, 'content', answer);
  });
rule('a source that is not there is refused with NoSuchKey', async (t) => {
  const { bucket, target } = await made(t);
  refused(await copy(t, target, 'no-key', `/${bucket}/not-there`), 'NoSuchKey');
});
rule('a source in a bucket that is not there is refused with NoSuchBucket', async (t) => {
  refused(await copy(t, (await made(t)).target, 'no-bucket', `/${t.newName()}/source`), 'NoSuchBucket');
});
rule('a target in a bucket that is not there is refused with NoSuchBucket', async (t) => {
  refused(await copy(t, t.newName(), 'key', `/${(await made(t)).bucket}/source`), 'NoSuchBucket');
});
for (const [what, source] of [
  ['is empty', ''],
  ['has no key', 'bucket-only'],
  ['has an empty key', 'bucket-only/'],
  ['is percent-encoded wrongly', 'bucket/%zz'],
] as const)
  rule(`a source that ${what} is refused with InvalidArgument`, async (t) => {
    refused(await copy(t, (await made(t)).target, 'invalid', source), 'InvalidArgument');
  });
rule('an empty version id of the source is refused with InvalidArgument', async (t) => {
  const { bucket, target } = await made(t);
  refused(await copy(t, target, 'empty-version', `/${bucket}/source?versionId=`), 'InvalidArgument');
});

/* Metadata. */
for (const [name, value] of [
  ['content-type', 'text/x-source'],
  ['cache-control', 'no-store'],
  ['x-amz-meta-from', 'source'],
] as const) {
  rule(`a copy has the ${name} of its source`, async (t) => {
    const { bucket, target } = await made(t);
    ok(await copy(t, target, 'kept', `/${bucket}/source`));
    header(ok(await t.head(target, 'kept')), name, value);
  });
  rule(
    `a copy with x-amz-metadata-directive: COPY has the ${name} of its source, whatever the request says`,
    async (t) => {
      const { bucket, target } = await made(t);
      ok(
        await copy(t, target, `copied ${name}`, `/${bucket}/source`, {
          'x-amz-metadata-directive': 'COPY',
          [name]: 'of-the-request',
        }),
      );
      header(ok(await t.head(target, `copied ${name}`)), name, value);
    },
  );
  rule(`a copy with x-amz-metadata-directive: REPLACE has the ${name} of the request`, async (t) => {
    const { bucket, target } = await made(t);
    ok(
      await copy(t, target, `replaced ${name}`, `/${bucket}/source`, {
        'x-amz-metadata-directive': 'REPLACE',
        [name]: 'of-the-request',
      }),
    );
    header(ok(await t.head(target, `replaced ${name}`)), name, 'of-the-request');
  });
}
rule('a copy with x-amz-metadata-directive: REPLACE keeps nothing of the metadata of its source', async (t) => {
  const { bucket, target } = await made(t);
  ok(await copy(t, target, 'bare', `/${bucket}/source`, { 'x-amz-metadata-directive': 'REPLACE' }));
  const answer = ok(await t.head(target, 'bare'));
  for (const name of ['cache-control', 'x-amz-meta-from']) header(answer, name, undefined);
});
rule('another x-amz-metadata-directive is refused with InvalidArgument', async (t) => {
  const { bucket, target } = await made(t);
  refused(
    await copy(t, target, 'directive', `/${bucket}/source`, { 'x-amz-metadata-directive': 'MERGE' }),
    'InvalidArgument',
  );
});
const tagsOf = async (t: Steps, bucket: string, key: string) =>
  ok(await t.get(bucket, key, { query: { tagging: '' } })).texts('Value');
rule('a copy has the tags of its source', async (t) => {
  const { bucket, target } = await made(t);
  const answer = ok(await copy(t, target, 'tags', `/${bucket}/source`));
  same(await tagsOf(t, target, 'tags'), ['red'], 'tags', answer);
});
rule('a copy with x-amz-tagging-directive: REPLACE has the tags of the request', async (t) => {
  const { bucket, target } = await made(t);
  const answer = ok(
    await copy(t, target, 'tags-replaced', `/${bucket}/source`, {
      'x-amz-tagging-directive': 'REPLACE',
      'x-amz-tagging': 'size=big',
    }),
  );
  same(await tagsOf(t, target, 'tags-replaced'), ['big'], 'tags', answer);
});
rule('a copy with x-amz-tagging-directive: REPLACE and no tags has none', async (t) => {
  const { bucket, target } = await made(t);
  const answer = ok(await copy(t, target, 'tags-none', `/${bucket}/source`, { 'x-amz-tagging-directive': 'REPLACE' }));
  same(await tagsOf(t, target, 'tags-none'), [], 'tags', answer);
});
rule('another x-amz-tagging-directive is refused with InvalidArgument', async (t) => {
  const { bucket, target } = await made(t);
  refused(
    await copy(t, target, 'directive', `/${bucket}/source`, { 'x-amz-tagging-directive': 'MERGE' }),
    'InvalidArgument',
  );
});
rule('a copy is of the storage class of the request, STANDARD when it names none', async (t) => {
  const { target } = await made(t);
  await t.put(target, 'rare', 'x', { 'x-amz-storage-class': 'STANDARD_IA' });
  ok(await copy(t, target, 'rare copy', `/${target}/rare`));
  header(ok(await t.head(target, 'rare copy')), 'x-amz-storage-class', undefined);
  ok(await copy(t, target, 'rare too', `/${target}/rare`, { 'x-amz-storage-class': 'STANDARD_IA' }));
  header(ok(await t.head(target, 'rare too')), 'x-amz-storage-class', 'STANDARD_IA');
});

/* Onto itself. */
rule('a copy onto itself that changes nothing is refused with InvalidRequest', async (t) => {
  const { bucket } = await made(t);
  refused(await copy(t, bucket, 'source', `/${bucket}/source`), 'InvalidRequest');
});
for (const [what, headers] of [
  ['metadata', { 'x-amz-metadata-directive': 'REPLACE', 'x-amz-meta-a': 'new' }],
  ['the storage class', { 'x-amz-storage-class': 'STANDARD_IA' }],
  ['the website redirect', { 'x-amz-website-redirect-location': '/new' }],
  ['the encryption', { 'x-amz-server-side-encryption': 'AES256' }],
] as const)
  rule(`a copy onto itself may change ${what}`, async (t) => {
    const bucket = await t.bucket();
    await t.put(bucket, 'self', 'stays');
    ok(await copy(t, bucket, 'self', `/${bucket}/self`, headers));
    const answer = ok(await t.get(bucket, 'self'));
    same(answer.body.toString(), 'stays', 'content', answer);
    for (const [name, value] of Object.entries(headers)) if (!name.endsWith('directive')) header(answer, name, value);
  });

rule(
  'a copy does not have the website redirect of its source',
  async (t) => {
    const { target } = await made(t);
    await t.put(target, 'redirected', 'x', { 'x-amz-website-redirect-location': '/there' });
    ok(await copy(t, target, 'redirected copy', `/${target}/redirected`));
    header(ok(await t.head(target, 'redirected copy')), 'x-amz-website-redirect-location', undefined);
  },
  { source: 'userguide/how-to-page-redirect' },
);

/* Versions. */
rule('a copy of a version has the bytes of this version, and names it', async (t) => {
  const { target } = await made(t);
  const bucket = await t.versioned();
  const { versionId } = await t.put(bucket, 'key', 'old');
  await t.put(bucket, 'key', 'new');
  const answer = ok(await copy(t, target, 'of-version', `/${bucket}/key?versionId=${versionId}`));
  header(answer, 'x-amz-copy-source-version-id', versionId);
  same(ok(await t.get(target, 'of-version')).body.toString(), 'old', 'content', answer);
});
rule('a copy of the current version in a bucket with versions names it', async (t) => {
  const { target } = await made(t);
  const bucket = await t.versioned();
  const { versionId } = await t.put(bucket, 'key');
  header(ok(await copy(t, target, 'of-current', `/${bucket}/key`)), 'x-amz-copy-source-version-id', versionId);
});
rule('a copy of a version that is not there is refused with NoSuchVersion', async (t) => {
  const { target } = await made(t);
  const bucket = await t.versioned();
  const { versionId } = await t.put(bucket, 'other');
  await t.put(bucket, 'key');
  refused(await copy(t, target, 'no-version', `/${bucket}/key?versionId=${versionId}`), 'NoSuchVersion');
});
rule('a copy of a key whose current version is a delete marker is refused with NoSuchKey', async (t) => {
  const { target } = await made(t);
  const bucket = await t.versioned();
  await t.put(bucket, 'key');
  ok(await t.remove(bucket, 'key'), 204);
  refused(await copy(t, target, 'of-marker', `/${bucket}/key`), 'NoSuchKey');
});
rule('a copy of a delete marker by its version id is refused with InvalidRequest', async (t) => {
  const { target } = await made(t);
  const bucket = await t.versioned();
  const { versionId } = ok(await t.remove(bucket, 'key'), 204);
  refused(await copy(t, target, 'of-marker', `/${bucket}/key?versionId=${versionId}`), 'InvalidRequest');
});
rule(
  'an older version is made current again by copying it onto its key',
  async (t) => {
    const bucket = await t.versioned();
    const { versionId } = await t.put(bucket, 'key', 'old');
    await t.put(bucket, 'key', 'new');
    ok(await copy(t, bucket, 'key', `/${bucket}/key?versionId=${versionId}`));
    const answer = ok(await t.get(bucket, 'key'));
    same(answer.body.toString(), 'old', 'content', answer);
  },
  { source: 'userguide/RestoringPreviousVersions' },
);
rule(
  'a source that its reader may not read is refused with AccessDenied',
  async (t) => {
    const { bucket } = await made(t);
    const target = t.newName();
    const account = t.store.second!;
    const made2 = await t.send('PUT', target, '', { signing: { account } });
    ok(made2);
    const answer = await t.send('PUT', target, 'stolen', {
      headers: { 'x-amz-copy-source': `/${bucket}/source` },
      signing: { account },
    });
    await t.send('DELETE', target, '', { signing: { account } });
    refused(answer, 'AccessDenied');
  },
  { needs: ['second', 'tenant'] },
);

/* UploadPartCopy. */
const partCopy = async (t: Steps, source: string, headers: Record<string, string> = {}, number = '1') => {
  const bucket = await t.bucket();
  const uploadId = await initiate(t, bucket, 'parts');
  const answer = await t.send('PUT', bucket, 'parts', {
    query: { partNumber: number, uploadId },
    headers: { 'x-amz-copy-source': source, ...headers },
  });
  return { bucket, uploadId, answer };
};
rule(
  'UploadPartCopy answers a CopyPartResult with ETag and LastModified',
  async (t) => {
    const { answer } = await partCopy(t, `/${(await made(t)).bucket}/source`);
    shape(ok(answer), 'CopyPartResult', { ETag: /^"[0-9a-f]{32}"$/, LastModified: /Z$/ });
  },
  ofParts,
);
rule(
  'UploadPartCopy of a whole object gives its bytes to the part',
  async (t) => {
    const { bucket, uploadId, answer } = await partCopy(t, `/${(await made(t)).bucket}/source`);
    ok(await complete(t, bucket, 'parts', uploadId, [[1, ok(answer).text('ETag') ?? '']]));
    same(ok(await t.get(bucket, 'parts')).body.toString(), 'content of the source', 'content', answer);
  },
  ofParts,
);
for (const [range, content] of [
  ['bytes=0-6', 'content'],
  ['bytes=8-9', 'of'],
  ['bytes=20-20', 'e'],
  ['bytes=0-20', 'content of the source'],
] as const)
  rule(
    `UploadPartCopy with x-amz-copy-source-range: ${range} copies these bytes`,
    async (t) => {
      const { bucket, uploadId, answer } = await partCopy(t, `/${(await made(t)).bucket}/source`, {
        'x-amz-copy-source-range': range,
      });
      ok(await complete(t, bucket, 'parts', uploadId, [[1, ok(answer).text('ETag') ?? '']]));
      same(ok(await t.get(bucket, 'parts')).body.toString(), content, 'content', answer);
    },
    ofParts,
  );
for (const [what, range] of [
  ['without an end', 'bytes=5-'],
  ['of last bytes', 'bytes=-5'],
  ['without a unit', '0-5'],
  ['whose end is before its beginning', 'bytes=5-2'],
  ['of no numbers', 'bytes=a-b'],
  ['of several ranges', 'bytes=0-1,3-4'],
  ['that is empty', ''],
] as const)
  rule(
    `UploadPartCopy with a range ${what} is refused with InvalidArgument: it is bytes=first-last`,
    async (t) => {
      const { answer } = await partCopy(t, `/${(await made(t)).bucket}/source`, { 'x-amz-copy-source-range': range });
      refused(answer, 'InvalidArgument');
    },
    ofParts,
  );
for (const range of ['bytes=0-21', 'bytes=21-30'])
  rule(
    `UploadPartCopy with a range beyond the source (${range} of 21 bytes) is refused`,
    async (t) => {
      const { answer } = await partCopy(t, `/${(await made(t)).bucket}/source`, { 'x-amz-copy-source-range': range });
      refused(answer, 'InvalidRange', 'InvalidArgument', 'InvalidRequest');
    },
    ofParts,
  );
rule(
  'UploadPartCopy of a source that is not there is refused with NoSuchKey',
  async (t) => {
    refused((await partCopy(t, `/${(await made(t)).bucket}/not-there`)).answer, 'NoSuchKey');
  },
  ofParts,
);
rule(
  'UploadPartCopy with part number 10,001 is refused with InvalidArgument',
  async (t) => {
    refused((await partCopy(t, `/${(await made(t)).bucket}/source`, {}, '10001')).answer, 'InvalidArgument');
  },
  ofParts,
);
rule(
  'UploadPartCopy of a version names it',
  async (t) => {
    const bucket = await t.versioned();
    const { versionId } = await t.put(bucket, 'key', 'old');
    const { answer } = await partCopy(t, `/${bucket}/key?versionId=${versionId}`);
    header(ok(answer), 'x-amz-copy-source-version-id', versionId);
  },
  ofParts,
);
rule(
  'UploadPartCopy to an upload that is not there is refused with NoSuchUpload',
  async (t) => {
    const { bucket } = await made(t);
    const query = { partNumber: '1', uploadId: 'bm90LWFuLXVwbG9hZC1pZA' };
    refused(
      await t.send('PUT', bucket, 'parts', { query, headers: { 'x-amz-copy-source': `/${bucket}/source` } }),
      'NoSuchUpload',
    );
  },
  ofParts,
);

export const copyCases = cases;
