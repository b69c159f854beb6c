import { randomBytes } from 'node:crypto';
import { area } from '../case.ts';
import { md5 } from '../client.ts';
import { header, holds, ok, refused, same } from '../expect.ts';
import type { Steps } from '../steps.ts';

const { cases, rule } = area('objects', 'API/API_PutObject');
const reading = { source: 'API/API_GetObject' };
const heading = { source: 'API/API_HeadObject' };
const metadata = { source: 'userguide/UsingMetadata' };
const bucketOf = (t: Steps) => t.shared('a bucket for objects', (keeper) => keeper.bucket());

/* Bodies. */
for (const size of [0, 1, 4095, 4096, 4097, 65_535, 65_536, 65_537, 1_048_576, 8_388_609])
  rule(`an object of ${size.toLocaleString('en')} bytes comes back as it was, with the MD5 as its ETag`, async (t) => {
    const bucket = await bucketOf(t);
    const body = randomBytes(size);
    const put = await t.put(bucket, `size-${size}`, body);
    header(put, 'etag', `"${md5(body).toString('hex')}"`);
    const got = ok(await t.get(bucket, `size-${size}`));
    header(got, 'content-length', String(size));
    holds(got.body.equals(body), 'the bytes are others');
    header(ok(await t.head(bucket, `size-${size}`)), 'content-length', String(size));
  });
rule('PutObject answers 200 without a body', async (t) => {
  const answer = await t.put(await bucketOf(t), 'answer');
  same(answer.body.length, 0, 'bytes of the body', answer);
});
rule('PutObject replaces the object whole: nothing of its headers stays', async (t) => {
  const bucket = await bucketOf(t);
  await t.put(bucket, 'replaced', 'a', {
    'content-type': 'text/x-old',
    'cache-control': 'no-store',
    'x-amz-meta-old': 'yes',
  });
  await t.put(bucket, 'replaced', 'b');
  const got = ok(await t.get(bucket, 'replaced'));
  same(got.body.toString(), 'b', 'body', got);
  for (const name of ['cache-control', 'x-amz-meta-old']) header(got, name, undefined);
});
rule('PutObject into a bucket that is not there is refused with NoSuchBucket', async (t) => {
  refused(await t.send('PUT', t.newName(), 'key', { body: 'x' }), 'NoSuchBucket');
});
rule('PutObject with the Content-MD5 of the body succeeds', async (t) => {
  await t.put(await bucketOf(t), 'md5', 'body', { 'content-md5': md5('body').toString('base64') });
});
rule('PutObject with the Content-MD5 of another body is refused with BadDigest', async (t) => {
  const bucket = await bucketOf(t);
  const headers = { 'content-md5': md5('another').toString('base64') };
  refused(await t.send('PUT', bucket, 'bad-digest', { body: 'body', headers }), 'BadDigest');
  refused(await t.get(bucket, 'bad-digest'), 'NoSuchKey');
});
for (const [what, value] of [
  ['in hexadecimal', md5('body').toString('hex')],
  ['too short', md5('body').subarray(0, 8).toString('base64')],
  ['no base64', '********'],
  ['too long', Buffer.concat([md5('body'), md5('body')]).toString('base64')],
] as const)
  rule(`PutObject with a Content-MD5 that is ${what} is refused with InvalidDigest`, async (t) => {
    refused(
      await t.send('PUT', await bucketOf(t), 'invalid-digest', { body: 'body', headers: { 'content-md5': value } }),
      'InvalidDigest',
    );
  });
rule('an object is served as binary/octet-stream when nothing was said of its type', async (t) => {
  const bucket = await bucketOf(t);
  await t.put(bucket, 'untyped');
  header(ok(await t.get(bucket, 'untyped')), 'content-type', 'binary/octet-stream');
});

/* System metadata: kept with the object, and sent with it. */
const kept: readonly (readonly [string, string])[] = [
  ['Content-Type', 'text/plain; charset=utf-8'],
  ['Content-Type', 'application/x-something-else'],
  ['Content-Encoding', 'gzip'],
  ['Content-Encoding', 'identity, br'],
  ['Content-Disposition', 'attachment; filename="a b.txt"'],
  ['Content-Language', 'de, en'],
  ['Cache-Control', 'max-age=3600, public'],
  ['Expires', 'Thu, 01 Dec 2033 16:00:00 GMT'],
  ['Expires', 'not a date at all'],
];
for (const [name, value] of kept)
  for (const method of ['GET', 'HEAD'] as const)
    rule(
      `${method} sends ${name} as it was put (${value})`,
      async (t) => {
        const bucket = await bucketOf(t);
        const key = `header ${method} ${name} ${value}`;
        await t.put(bucket, key, 'x', { [name]: value });
        const given = String(ok(await t.send(method, bucket, key)).headers[name.toLowerCase()]);
        holds(given.replaceAll(', ', ',') === value.replaceAll(', ', ','), `${name}: ${given}`);
      },
      metadata,
    );
rule(
  'Content-Encoding: aws-chunked is about the transfer and not kept',
  async (t) => {
    const bucket = await bucketOf(t);
    await t.put(bucket, 'encoded', 'x', { 'content-encoding': 'gzip' });
    header(ok(await t.head(bucket, 'encoded')), 'content-encoding', 'gzip');
  },
  { source: 'API/sigv4-streaming' },
);

/* User metadata. */
const userMetadata: readonly (readonly [string, string, string])[] = [
  ['plain text', 'plain', 'some text'],
  ['an empty value', 'empty', ''],
  ['a name with hyphens', 'with-hy-phens', 'x'],
  ['a name of digits', '0815', 'x'],
  ['punctuation', 'punctuation', '!"#$%&()*+,-./:;<=>?@[]^_`{|}~'],
  ['a long value', 'long', 'x'.repeat(1500)],
];
for (const [what, name, value] of userMetadata)
  rule(
    `user metadata with ${what} comes back`,
    async (t) => {
      const bucket = await bucketOf(t);
      await t.put(bucket, `meta ${name}`, 'x', { [`x-amz-meta-${name}`]: value });
      header(ok(await t.head(bucket, `meta ${name}`)), `x-amz-meta-${name}`, value);
    },
    metadata,
  );
rule(
  'names of user metadata are in lower case',
  async (t) => {
    const bucket = await bucketOf(t);
    await t.put(bucket, 'meta-case', 'x', { 'X-Amz-Meta-MixedCase': 'Value' });
    header(ok(await t.get(bucket, 'meta-case')), 'x-amz-meta-mixedcase', 'Value');
  },
  metadata,
);
rule(
  'several pairs of user metadata come back together',
  async (t) => {
    const bucket = await bucketOf(t);
    await t.put(bucket, 'meta-many', 'x', { 'x-amz-meta-a': '1', 'x-amz-meta-b': '2', 'x-amz-meta-c': '3' });
    const got = ok(await t.get(bucket, 'meta-many'));
    same(
      ['a', 'b', 'c'].map((name) => got.headers[`x-amz-meta-${name}`]),
      ['1', '2', '3'],
      'metadata',
      got,
    );
  },
  metadata,
);
rule(
  '2 KB of user metadata are taken',
  async (t) => {
    await t.put(await bucketOf(t), 'meta-2k', 'x', { 'x-amz-meta-a': 'x'.repeat(2047) });
  },
  metadata,
);
rule(
  'more than 2 KB of user metadata are refused with MetadataTooLarge',
  async (t) => {
    const headers = { 'x-amz-meta-a': 'x'.repeat(2048) };
    refused(await t.send('PUT', await bucketOf(t), 'meta-big', { body: 'x', headers }), 'MetadataTooLarge');
  },
  metadata,
);
rule(
  'the size of user metadata is that of all names and values together',
  async (t) => {
    const headers = Object.fromEntries(
      Array.from({ length: 30 }, (_, at) => [`x-amz-meta-name-${at}`, 'x'.repeat(70)]),
    );
    refused(await t.send('PUT', await bucketOf(t), 'meta-sum', { body: 'x', headers }), 'MetadataTooLarge');
  },
  metadata,
);
rule(
  'user metadata of a PutObject that was refused is not kept',
  async (t) => {
    const bucket = await bucketOf(t);
    const headers = { 'x-amz-meta-a': 'new', 'content-md5': md5('another').toString('base64') };
    await t.put(bucket, 'meta-refused', 'x', { 'x-amz-meta-a': 'old' });
    refused(await t.send('PUT', bucket, 'meta-refused', { body: 'y', headers }), 'BadDigest');
    header(ok(await t.head(bucket, 'meta-refused')), 'x-amz-meta-a', 'old');
  },
  metadata,
);

/* Website redirects and storage classes. */
rule('GET sends x-amz-website-redirect-location as it was put', async (t) => {
  const bucket = await bucketOf(t);
  await t.put(bucket, 'redirect', 'x', { 'x-amz-website-redirect-location': '/elsewhere' });
  header(ok(await t.get(bucket, 'redirect')), 'x-amz-website-redirect-location', '/elsewhere');
});
for (const location of ['http://example.com/a', 'https://example.com/a'])
  rule(`a redirect may go to ${location.split(':')[0]}`, async (t) => {
    await t.put(await bucketOf(t), 'redirect-away', 'x', { 'x-amz-website-redirect-location': location });
  });
rule('a redirect that is neither a path nor a URL is refused with InvalidRedirectLocation', async (t) => {
  const headers = { 'x-amz-website-redirect-location': 'elsewhere' };
  refused(await t.send('PUT', await bucketOf(t), 'redirect-bad', { body: 'x', headers }), 'InvalidRedirectLocation');
});
rule(
  'the storage class STANDARD is not named in answers to GET and HEAD',
  async (t) => {
    const bucket = await bucketOf(t);
    await t.put(bucket, 'standard', 'x', { 'x-amz-storage-class': 'STANDARD' });
    header(ok(await t.head(bucket, 'standard')), 'x-amz-storage-class', undefined);
  },
  heading,
);
for (const storageClass of ['STANDARD_IA', 'REDUCED_REDUNDANCY'])
  rule(
    `the storage class ${storageClass} is kept and named by HEAD`,
    async (t) => {
      const bucket = await bucketOf(t);
      await t.put(bucket, storageClass, 'x', { 'x-amz-storage-class': storageClass });
      header(ok(await t.head(bucket, storageClass)), 'x-amz-storage-class', storageClass);
    },
    heading,
  );
rule('a storage class that is not known is refused with InvalidStorageClass', async (t) => {
  const headers = { 'x-amz-storage-class': 'GOLD_PLATED' };
  refused(await t.send('PUT', await bucketOf(t), 'class', { body: 'x', headers }), 'InvalidStorageClass');
});
rule('an ACL that is not known is refused with InvalidArgument', async (t) => {
  refused(
    await t.send('PUT', await bucketOf(t), 'acl', { body: 'x', headers: { 'x-amz-acl': 'everybody' } }),
    'InvalidArgument',
  );
});

/* GetObject and HeadObject. */
rule(
  'GET of a key that is not there is refused with NoSuchKey, which names it',
  async (t) => {
    const answer = refused(await t.get(await bucketOf(t), 'not-there'), 'NoSuchKey');
    same(answer.text('Key'), 'not-there', 'Key', answer);
  },
  reading,
);
rule(
  'HEAD of a key that is not there answers 404 without a body',
  async (t) => {
    refused(await t.head(await bucketOf(t), 'not-there'), 'NoSuchKey');
  },
  heading,
);
rule(
  'HEAD answers what GET answers but for the body',
  async (t) => {
    const bucket = await bucketOf(t);
    await t.put(bucket, 'both', 'content', { 'content-type': 'text/x-both', 'x-amz-meta-a': 'b' });
    const got = ok(await t.get(bucket, 'both'));
    const head = ok(await t.head(bucket, 'both'));
    for (const name of ['etag', 'last-modified', 'content-length', 'content-type', 'accept-ranges', 'x-amz-meta-a'])
      header(head, name, got.headers[name] as string);
    same(head.body.length, 0, 'bytes of the body', head);
  },
  heading,
);
rule(
  'Last-Modified is a date of HTTP, and about now',
  async (t) => {
    const bucket = await bucketOf(t);
    await t.put(bucket, 'now');
    const text = String(ok(await t.head(bucket, 'now')).headers['last-modified']);
    holds(/^[A-Z][a-z]{2}, \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d GMT$/.test(text), `Last-Modified: ${text}`);
    holds(Math.abs(Date.parse(text) - Date.now()) < 600_000, `Last-Modified: ${text}`);
  },
  reading,
);
const overrides: readonly (readonly [string, string, string])[] = [
  ['response-content-type', 'content-type', 'text/x-other'],
  ['response-content-language', 'content-language', 'fr'],
  ['response-expires', 'expires', 'Thu, 01 Dec 2044 16:00:00 GMT'],
  ['response-cache-control', 'cache-control', 'no-cache'],
  ['response-content-disposition', 'content-disposition', 'attachment; filename="other.txt"'],
  ['response-content-encoding', 'content-encoding', 'x-other'],
];
const described = {
  'content-type': 'text/x-own',
  'content-language': 'en',
  'cache-control': 'max-age=1',
  'content-disposition': 'inline',
  'content-encoding': 'x-own',
  expires: 'Thu, 01 Dec 2033 16:00:00 GMT',
};
for (const [parameter, name, value] of overrides)
  for (const method of ['GET', 'HEAD'] as const)
    rule(
      `${method} with ${parameter} answers this ${name} in place of the object's, once`,
      async (t) => {
        const bucket = await bucketOf(t);
        await t.put(bucket, 'overridden', 'x', described);
        header(ok(await t.send(method, bucket, 'overridden', { query: { [parameter]: value } })), name, value);
        header(ok(await t.send(method, bucket, 'overridden')), name, described[name as keyof typeof described]);
      },
      method === 'GET' ? reading : heading,
    );
for (const [parameter, , value] of overrides)
  rule(
    `${parameter} of a request without a signature is refused: it "must be signed"`,
    async (t) => {
      const answer = await t.get(await bucketOf(t), 'overridden', {
        query: { [parameter]: value },
        signing: { form: 'none' },
      });
      refused(answer, 'InvalidRequest', 'AccessDenied');
    },
    reading,
  );
rule(
  'tags are counted in answers to GET',
  async (t) => {
    const bucket = await bucketOf(t);
    await t.put(bucket, 'tagged', 'x', { 'x-amz-tagging': 'a=1&b=2' });
    header(ok(await t.get(bucket, 'tagged')), 'x-amz-tagging-count', '2');
  },
  reading,
);
rule(
  'answers about an object without tags do not count them',
  async (t) => {
    const bucket = await bucketOf(t);
    await t.put(bucket, 'untagged');
    header(ok(await t.get(bucket, 'untagged')), 'x-amz-tagging-count', undefined);
  },
  reading,
);
rule(
  'answers about an object in a bucket without versions have no version id',
  async (t) => {
    const bucket = await bucketOf(t);
    header(await t.put(bucket, 'unversioned'), 'x-amz-version-id', undefined);
    header(ok(await t.get(bucket, 'unversioned')), 'x-amz-version-id', undefined);
  },
  reading,
);

/* DeleteObject. */
const deleting = { source: 'API/API_DeleteObject' };
rule(
  'DeleteObject answers 204, and the object is not there any more',
  async (t) => {
    const bucket = await bucketOf(t);
    await t.put(bucket, 'to-delete');
    same(
      ok(await t.remove(bucket, 'to-delete'), 204).body.length,
      0,
      'bytes of the body',
      ok(await t.remove(bucket, 'to-delete'), 204),
    );
    refused(await t.get(bucket, 'to-delete'), 'NoSuchKey');
    refused(await t.head(bucket, 'to-delete'), 'NoSuchKey');
  },
  deleting,
);
rule(
  'DeleteObject of a key that is not there answers 204',
  async (t) => {
    ok(await t.remove(await bucketOf(t), 'never-there'), 204);
  },
  deleting,
);
rule(
  'DeleteObject in a bucket that is not there is refused with NoSuchBucket',
  async (t) => {
    refused(await t.remove(t.newName(), 'key'), 'NoSuchBucket');
  },
  deleting,
);
rule(
  'DeleteObject leaves keys alone that begin with the key',
  async (t) => {
    const bucket = await bucketOf(t);
    for (const key of ['dir', 'dir/', 'dir/a', 'dirt']) await t.put(bucket, key);
    ok(await t.remove(bucket, 'dir'), 204);
    for (const key of ['dir/', 'dir/a', 'dirt']) ok(await t.get(bucket, key));
  },
  deleting,
);

export const objectCases = cases;
