import { createHash } from 'node:crypto';
import type { Answer } from '../answer.ts';
import { area } from '../case.ts';
import { header, ok, refused, same, shape } from '../expect.ts';
import type { Steps } from '../steps.ts';
import { all, find } from '../xml.ts';
import { complete, initiate, MiB, part, threeParts } from './uploads.ts';

const { cases, rule } = area('attributes', 'API/API_GetObjectAttributes');

const made = (t: Steps) =>
  t.shared('an object with attributes', async (keeper) => {
    const bucket = await keeper.bucket();
    const { etag } = await keeper.put(bucket, 'object', 'attributes');
    return { bucket, etag };
  });
const ask = (
  t: Steps,
  bucket: string,
  key: string,
  names: string | undefined,
  headers: Record<string, string> = {},
  query: Record<string, string> = {},
): Promise<Answer> =>
  t.get(bucket, key, {
    query: { attributes: '', ...query },
    headers: { ...(names !== undefined && { 'x-amz-object-attributes': names }), ...headers },
  });

for (const [name, text] of [
  ['ETag', /^[0-9a-f]{32}$/],
  ['ObjectSize', '10'],
  ['StorageClass', 'STANDARD'],
] as const) {
  rule(`${name} is answered when it is asked for`, async (t) => {
    shape(ok(await ask(t, (await made(t)).bucket, 'object', name)), 'GetObjectAttributesResponse', { [name]: text });
  });
  rule(`${name} is not answered when it is not asked for`, async (t) => {
    const others = ['ETag', 'ObjectSize', 'StorageClass'].filter((other) => other !== name).join(',');
    const answer = ok(await ask(t, (await made(t)).bucket, 'object', others));
    same(answer.text(name), undefined, name, answer);
  });
}
rule('all attributes may be asked for at once', async (t) => {
  const answer = ok(
    await ask(t, (await made(t)).bucket, 'object', 'ETag,Checksum,ObjectParts,StorageClass,ObjectSize'),
  );
  same(
    ['ETag', 'StorageClass', 'ObjectSize'].map((name) => answer.text(name) !== undefined),
    [true, true, true],
    'attributes',
    answer,
  );
});
rule('attributes may come in a header each, which are signed as one with commas between their values', async (t) => {
  const name = 'x-amz-object-attributes';
  const answer = ok(
    await t.get((await made(t)).bucket, 'object', {
      query: { attributes: '' },
      headers: { [name]: 'ETag,ObjectSize' },
      signing: { spoil: ({ headers }) => Object.assign(headers, { [name]: ['ETag', 'ObjectSize'] }) },
    }),
  );
  same(
    ['ETag', 'StorageClass', 'ObjectSize'].map((one) => answer.text(one) !== undefined),
    [true, false, true],
    'attributes',
    answer,
  );
});
rule('the ETag is without quotes', async (t) => {
  const { bucket, etag } = await made(t);
  const answer = ok(await ask(t, bucket, 'object', 'ETag'));
  same(answer.text('ETag'), etag.slice(1, -1), 'ETag', answer);
});
rule('Last-Modified is in a header', async (t) => {
  header(ok(await ask(t, (await made(t)).bucket, 'object', 'ETag')), 'last-modified', /GMT$/);
});
rule('a request without x-amz-object-attributes is refused with InvalidArgument or InvalidRequest', async (t) => {
  refused(await ask(t, (await made(t)).bucket, 'object', undefined), 'InvalidArgument', 'InvalidRequest');
});
rule('an attribute that is not known is refused with InvalidArgument', async (t) => {
  refused(await ask(t, (await made(t)).bucket, 'object', 'ETag,Color'), 'InvalidArgument');
});
rule('an object without parts has no ObjectParts', async (t) => {
  const answer = ok(await ask(t, (await made(t)).bucket, 'object', 'ObjectParts'));
  same(find(answer.xml, 'ObjectParts', 'Part'), undefined, 'Part', answer);
});
rule('ObjectParts of an object of three parts counts them', async (t) => {
  const { bucket } = await threeParts(t);
  const answer = ok(await ask(t, bucket, 'three', 'ObjectParts'));
  same(
    answer.text('ObjectParts', 'PartsCount') ?? answer.text('ObjectParts', 'TotalPartsCount'),
    '3',
    'PartsCount',
    answer,
  );
});
const summed = (t: Steps) =>
  t.shared('an object of two parts with checksums', async (keeper) => {
    const bucket = await keeper.bucket();
    const uploadId = await initiate(keeper, bucket, 'summed', { 'x-amz-checksum-algorithm': 'SHA256' });
    const parts: [number, string, string][] = [];
    for (const [at, body] of [Buffer.alloc(5 * MiB), Buffer.from('end')].entries()) {
      const sum = createHash('sha256').update(body).digest('base64');
      const { etag } = ok(
        await part(keeper, bucket, 'summed', uploadId, at + 1, body, { 'x-amz-checksum-sha256': sum }),
      );
      parts.push([at + 1, etag, `<ChecksumSHA256>${sum}</ChecksumSHA256>`]);
    }
    ok(await complete(keeper, bucket, 'summed', uploadId, parts));
    return bucket;
  });
rule('ObjectParts of an object with checksums gives size and checksum of each part', async (t) => {
  const answer = ok(await ask(t, await summed(t), 'summed', 'ObjectParts'));
  const rows = all(find(answer.xml, 'ObjectParts'), 'Part');
  same(
    rows.map((row) => [
      find(row, 'PartNumber')?.text,
      find(row, 'Size')?.text,
      find(row, 'ChecksumSHA256') !== undefined,
    ]),
    [
      ['1', String(5 * MiB), true],
      ['2', '3', true],
    ],
    'parts',
    answer,
  );
});
rule('x-amz-max-parts gives a page of the parts', async (t) => {
  const answer = ok(await ask(t, await summed(t), 'summed', 'ObjectParts', { 'x-amz-max-parts': '1' }));
  same(
    [
      all(find(answer.xml, 'ObjectParts'), 'Part').length,
      answer.text('ObjectParts', 'IsTruncated'),
      answer.text('ObjectParts', 'NextPartNumberMarker'),
    ],
    [1, 'true', '1'],
    'page',
    answer,
  );
});
rule('x-amz-part-number-marker begins behind this part', async (t) => {
  const answer = ok(await ask(t, await summed(t), 'summed', 'ObjectParts', { 'x-amz-part-number-marker': '1' }));
  same(answer.texts('PartNumber'), ['2'], 'numbers', answer);
});
rule('Checksum of an object of parts is composite', async (t) => {
  const answer = ok(await ask(t, await summed(t), 'summed', 'Checksum'));
  same(
    [answer.text('Checksum', 'ChecksumType'), (answer.text('Checksum', 'ChecksumSHA256') ?? '').endsWith('-2')],
    ['COMPOSITE', true],
    'Checksum',
    answer,
  );
});
rule('attributes of a version are those of this version', async (t) => {
  const bucket = await t.versioned();
  const { versionId } = await t.put(bucket, 'key', 'old one');
  await t.put(bucket, 'key', 'new');
  const answer = ok(await ask(t, bucket, 'key', 'ObjectSize', {}, { versionId }));
  same(answer.text('ObjectSize'), '7', 'ObjectSize', answer);
  header(answer, 'x-amz-version-id', versionId);
});
rule('attributes of a key whose current version is a delete marker are refused with NoSuchKey', async (t) => {
  const bucket = await t.versioned();
  ok(await t.remove(bucket, 'key'), 204);
  header(refused(await ask(t, bucket, 'key', 'ETag'), 'NoSuchKey'), 'x-amz-delete-marker', 'true');
});
rule('attributes of a delete marker by its version id are refused with MethodNotAllowed', async (t) => {
  const bucket = await t.versioned();
  const { versionId } = ok(await t.remove(bucket, 'key'), 204);
  refused(await ask(t, bucket, 'key', 'ETag', {}, { versionId }), 'MethodNotAllowed');
});

export const attributeCases = cases;
