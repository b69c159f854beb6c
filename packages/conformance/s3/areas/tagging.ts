import type { Answer } from '../answer.ts';
import { area } from '../case.ts';
import { header, ok, refused, same, shape } from '../expect.ts';
import type { Steps } from '../steps.ts';
import { escapeXml } from '../xml.ts';

const { cases, rule } = area('tagging', 'API/API_PutObjectTagging');
const ofBucket = { source: 'API/API_PutBucketTagging' };
const ofHeader = { source: 'API/API_PutObject' };
const limits = { source: 'userguide/object-tagging' };

const document = (tags: readonly (readonly [string, string])[]): string =>
  `<Tagging><TagSet>${tags.map(([key, value]) => `<Tag><Key>${escapeXml(key)}</Key><Value>${escapeXml(value)}</Value></Tag>`).join('')}</TagSet></Tagging>`;

/** The documentation has 200 in the syntax of PutBucketTagging, and 204 in its example. */
const taken = (answer: Answer): Answer => ok(answer, answer.status === 204 ? 204 : 200);

/** What tags are on: an object, or a bucket. */
interface Place {
  readonly name: string;
  readonly source: string;
  readonly most: number;
  readonly make: (t: Steps) => Promise<{ bucket: string; key: string }>;
}
const places: readonly Place[] = [
  {
    name: 'an object',
    source: 'API/API_PutObjectTagging',
    most: 10,
    make: async (t) => {
      const bucket = await t.bucket();
      await t.put(bucket, 'key');
      return { bucket, key: 'key' };
    },
  },
  {
    name: 'a bucket',
    source: 'API/API_PutBucketTagging',
    most: 50,
    make: async (t) => ({ bucket: await t.bucket(), key: '' }),
  },
];

for (const { name, source, most, make } of places) {
  const where = { source };
  const put = async (t: Steps, body: string) => {
    const place = await make(t);
    return { ...place, answer: await t.document('PUT', place.bucket, 'tagging', body, { key: place.key }) };
  };
  const tagsOf = async (t: Steps, bucket: string, key: string) => {
    const answer = ok(await t.get(bucket, key, { query: { tagging: '' } }));
    return { answer, tags: answer.texts('Key').map((text, at) => [text, answer.texts('Value')[at]]) };
  };
  const kept: readonly (readonly [string, readonly (readonly [string, string])[]])[] = [
    ['one tag', [['a', '1']]],
    [
      'several tags',
      [
        ['a', '1'],
        ['b', '2'],
        ['c', '3'],
      ],
    ],
    [
      `${most} tags`,
      Array.from({ length: most }, (_, at) => [`key-${String(at).padStart(2, '0')}`, String(at)] as const),
    ],
    ['an empty value', [['a', '']]],
    ['a key of 128 characters', [['k'.repeat(128), 'x']]],
    ['a value of 256 characters', [['k', 'v'.repeat(256)]]],
    ['the characters + - = . _ : / @', [['+-=._:/@', '@/:_.=-+']]],
    ['spaces within', [['a key', 'a value']]],
    ['letters beyond ASCII', [['größe', 'groß']]],
    [
      'keys that differ in case',
      [
        ['Key', '1'],
        ['key', '2'],
      ],
    ],
  ];
  for (const [what, tags] of kept)
    rule(
      `tags of ${name} with ${what} come back`,
      async (t) => {
        const { bucket, key, answer } = await put(t, document(tags));
        taken(answer);
        const read = await tagsOf(t, bucket, key);
        same(read.tags.toSorted(), tags.toSorted(), 'tags', read.answer);
      },
      where,
    );
  const bad: readonly (readonly [string, string, 'InvalidTag' | 'MalformedXML' | 'BadRequest'])[] = [
    [`more than ${most} tags`, document(Array.from({ length: most + 1 }, (_, at) => [`k${at}`, 'v'])), 'BadRequest'],
    ['a key of 129 characters', document([['k'.repeat(129), 'v']]), 'InvalidTag'],
    ['a value of 257 characters', document([['k', 'v'.repeat(257)]]), 'InvalidTag'],
    ['an empty key', document([['', 'v']]), 'InvalidTag'],
    [
      'a key twice',
      document([
        ['k', '1'],
        ['k', '2'],
      ]),
      'InvalidTag',
    ],
    ['a key that begins with aws:', document([['aws:mine', 'v']]), 'InvalidTag'],
    ['a character that is not allowed in a key', document([['k!', 'v']]), 'InvalidTag'],
    ['a character that is not allowed in a value', document([['k', 'v#']]), 'InvalidTag'],
    ['no TagSet', '<Tagging></Tagging>', 'MalformedXML'],
    ['a tag without a key', '<Tagging><TagSet><Tag><Value>v</Value></Tag></TagSet></Tagging>', 'MalformedXML'],
    ['a tag without a value', '<Tagging><TagSet><Tag><Key>k</Key></Tag></TagSet></Tagging>', 'MalformedXML'],
    ['another root', '<Tags><TagSet><Tag><Key>k</Key><Value>v</Value></Tag></TagSet></Tags>', 'MalformedXML'],
  ];
  for (const [what, body, code] of bad)
    rule(
      `tags of ${name} with ${what} are refused with ${code}`,
      async (t) => {
        refused((await put(t, body)).answer, code);
      },
      code === 'MalformedXML' ? where : limits,
    );
  rule(
    `tags of ${name} that are refused leave those alone that are there`,
    async (t) => {
      const { bucket, key } = await put(t, document([['old', '1']]));
      refused(await t.document('PUT', bucket, 'tagging', document([['k!', 'v']]), { key }), 'InvalidTag');
      const read = await tagsOf(t, bucket, key);
      same(read.tags, [['old', '1']], 'tags', read.answer);
    },
    where,
  );
  rule(
    `tags of ${name} that are put replace all that are there`,
    async (t) => {
      const { bucket, key } = await put(
        t,
        document([
          ['old', '1'],
          ['both', '1'],
        ]),
      );
      taken(await t.document('PUT', bucket, 'tagging', document([['both', '2']]), { key }));
      const read = await tagsOf(t, bucket, key);
      same(read.tags, [['both', '2']], 'tags', read.answer);
    },
    where,
  );
  rule(
    `tags of ${name} are gone after their DELETE, which answers 204`,
    async (t) => {
      const { bucket, key } = await put(t, document([['a', '1']]));
      ok(await t.send('DELETE', bucket, key, { query: { tagging: '' } }), 204);
      const read = await t.get(bucket, key, { query: { tagging: '' } });
      if (key === '') refused(read, 'NoSuchTagSet');
      else same(ok(read).texts('Key'), [], 'tags', read);
    },
    { source: source.replace('Put', 'Delete') },
  );
  rule(
    `tags of ${name} that never had any: ${name === 'a bucket' ? 'NoSuchTagSet' : 'an empty TagSet'}`,
    async (t) => {
      const { bucket, key } = await make(t);
      const read = await t.get(bucket, key, { query: { tagging: '' } });
      if (key === '') refused(read, 'NoSuchTagSet');
      else shape(ok(read), 'Tagging', { TagSet: '' });
    },
    { source: source.replace('Put', 'Get') },
  );
  rule(
    `DELETE of the tags of ${name} that has none answers 204`,
    async (t) => {
      const { bucket, key } = await make(t);
      ok(await t.send('DELETE', bucket, key, { query: { tagging: '' } }), 204);
    },
    { source: source.replace('Put', 'Delete') },
  );
  rule(
    `an empty TagSet leaves ${name} without tags`,
    async (t) => {
      const { bucket, key } = await put(t, document([['a', '1']]));
      taken(await t.document('PUT', bucket, 'tagging', document([]), { key }));
      const read = await t.get(bucket, key, { query: { tagging: '' } });
      if (read.status === 404) refused(read, 'NoSuchTagSet');
      else same(ok(read).texts('Key'), [], 'tags', read);
    },
    where,
  );
}

/* Tags of an object by a header, and of versions. */
for (const [what, text, tags] of [
  ['one tag', 'a=1', [['a', '1']]],
  [
    'several tags',
    'a=1&b=2',
    [
      ['a', '1'],
      ['b', '2'],
    ],
  ],
  ['a tag without a value', 'a', [['a', '']]],
  ['an empty value', 'a=', [['a', '']]],
  ['percent-encoded characters', 'k%20ey=v%2B', [['k ey', 'v+']]],
  ['plus signs for spaces', 'k+ey=v+1', [['k ey', 'v 1']]],
] as const)
  rule(
    `x-amz-tagging with ${what} sets the tags of the object`,
    async (t) => {
      const bucket = await t.bucket();
      await t.put(bucket, 'key', 'x', { 'x-amz-tagging': text });
      const answer = ok(await t.get(bucket, 'key', { query: { tagging: '' } }));
      same(
        answer
          .texts('Key')
          .map((key, at) => [key, answer.texts('Value')[at]])
          .toSorted(),
        tags,
        'tags',
        answer,
      );
    },
    ofHeader,
  );
for (const [what, text, codes] of [
  ['eleven tags', Array.from({ length: 11 }, (_, at) => `k${at}=v`).join('&'), ['BadRequest', 'InvalidTag']],
  ['a key twice', 'a=1&a=2', ['InvalidArgument', 'InvalidTag']],
  ['a key of 129 characters', `${'k'.repeat(129)}=v`, ['InvalidTag']],
  ['a value of 257 characters', `k=${'v'.repeat(257)}`, ['InvalidTag']],
  ['a character that is not allowed', 'k%21=v', ['InvalidTag']],
] as const)
  rule(
    `x-amz-tagging with ${what} is refused, and nothing is written`,
    async (t) => {
      const bucket = await t.bucket();
      refused(await t.send('PUT', bucket, 'key', { body: 'x', headers: { 'x-amz-tagging': text } }), ...codes);
      refused(await t.get(bucket, 'key'), 'NoSuchKey');
    },
    ofHeader,
  );
rule(
  'PutObject without x-amz-tagging leaves an object without tags',
  async (t) => {
    const bucket = await t.bucket();
    await t.put(bucket, 'key', 'x', { 'x-amz-tagging': 'a=1' });
    await t.put(bucket, 'key', 'y');
    header(ok(await t.head(bucket, 'key')), 'x-amz-tagging-count', undefined);
  },
  ofHeader,
);
rule('PutObjectTagging does not change ETag and Last-Modified of the object', async (t) => {
  const bucket = await t.bucket();
  await t.put(bucket, 'key');
  const before = ok(await t.head(bucket, 'key'));
  await t.nextSecond();
  ok(await t.document('PUT', bucket, 'tagging', document([['a', '1']]), { key: 'key' }));
  const after = ok(await t.head(bucket, 'key'));
  for (const name of ['etag', 'last-modified']) header(after, name, before.headers[name] as string);
});
rule('PutObjectTagging without a version id is about the current version, and names it', async (t) => {
  const bucket = await t.versioned();
  const old = await t.put(bucket, 'key', 'old');
  const current = await t.put(bucket, 'key', 'new');
  header(
    ok(await t.document('PUT', bucket, 'tagging', document([['a', '1']]), { key: 'key' })),
    'x-amz-version-id',
    current.versionId,
  );
  header(ok(await t.head(bucket, 'key', { query: { versionId: old.versionId } })), 'x-amz-tagging-count', undefined);
});
rule('PutObjectTagging with a version id is about this version', async (t) => {
  const bucket = await t.versioned();
  const { versionId } = await t.put(bucket, 'key', 'old');
  await t.put(bucket, 'key', 'new');
  ok(await t.document('PUT', bucket, 'tagging', document([['a', '1']]), { key: 'key', query: { versionId } }));
  header(ok(await t.head(bucket, 'key', { query: { versionId } })), 'x-amz-tagging-count', '1');
  header(ok(await t.head(bucket, 'key')), 'x-amz-tagging-count', undefined);
});
for (const method of ['GET', 'PUT', 'DELETE'] as const) {
  const source = `API/API_${{ GET: 'Get', PUT: 'Put', DELETE: 'Delete' }[method]}ObjectTagging`;
  const options = { key: 'not-there', query: { tagging: '' } };
  rule(
    `${method} of the tags of a key that is not there is refused with NoSuchKey`,
    async (t) => {
      const bucket = await t.bucket();
      const answer =
        method === 'PUT'
          ? await t.document('PUT', bucket, 'tagging', document([['a', '1']]), options)
          : await t.send(method, bucket, 'not-there', options);
      refused(answer, 'NoSuchKey');
    },
    { source },
  );
  rule(
    `${method} of the tags of a delete marker is refused with MethodNotAllowed`,
    async (t) => {
      const bucket = await t.versioned();
      const { versionId } = ok(await t.remove(bucket, 'not-there'), 204);
      const query = { tagging: '', versionId };
      const answer =
        method === 'PUT'
          ? await t.document('PUT', bucket, 'tagging', document([['a', '1']]), { key: 'not-there', query })
          : await t.send(method, bucket, 'not-there', { query });
      refused(answer, 'MethodNotAllowed');
    },
    { source: 'userguide/DeleteMarker' },
  );
}
rule(
  'PutBucketTagging of a bucket that is not there is refused with NoSuchBucket',
  async (t) => {
    refused(await t.document('PUT', t.newName(), 'tagging', document([['a', '1']])), 'NoSuchBucket');
  },
  ofBucket,
);

export const taggingCases = cases;
