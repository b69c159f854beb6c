import { createHash } from 'node:crypto';
import type { Answer } from '../answer.ts';
import { area } from '../case.ts';
import { header, ok, refused, same, shape } from '../expect.ts';
import type { Steps } from '../steps.ts';
import { all, find } from '../xml.ts';
import { algorithms } from './checksum-algorithms.ts';
import { aws } from './chunks.ts';
import { formOf, sendForm, signedFields } from './form-steps.ts';
import { complete, initiate, MiB, part } from './uploads.ts';

const page = 'userguide/checking-object-integrity';
const { cases, rule } = area('checksums', page);
const bucketOf = (t: Steps) => t.shared('a bucket for checksums', (keeper) => keeper.bucket());

for (const { name, digest, types } of algorithms) {
  const field = `x-amz-checksum-${name.toLowerCase()}`;
  const element = `Checksum${name}`;
  const sum = (text: string | Uint8Array) => digest(Buffer.from(text)).toString('base64');
  const body = 'the content that is summed';
  const put = (t: Steps, bucket: string, key: string, headers: Record<string, string>) =>
    t.send('PUT', bucket, key, { body, headers });

  rule(
    `PutObject with ${field} of the body succeeds and repeats it`,
    async (t) => {
      const answer = ok(await put(t, await bucketOf(t), `header ${name}`, { [field]: sum(body) }));
      header(answer, field, sum(body));
      header(answer, 'x-amz-checksum-type', 'FULL_OBJECT');
    },
    { source: 'API/API_PutObject' },
  );
  for (const method of ['GET', 'HEAD'] as const) {
    rule(`${method} with x-amz-checksum-mode: ENABLED answers ${field}`, async (t) => {
      const bucket = await bucketOf(t);
      ok(await put(t, bucket, `read ${method} ${name}`, { [field]: sum(body) }));
      const answer = ok(
        await t.send(method, bucket, `read ${method} ${name}`, { headers: { 'x-amz-checksum-mode': 'ENABLED' } }),
      );
      header(answer, field, sum(body));
    });
  }
  rule(`GET without x-amz-checksum-mode does not answer ${field}`, async (t) => {
    const bucket = await bucketOf(t);
    ok(await put(t, bucket, `silent ${name}`, { [field]: sum(body) }));
    header(ok(await t.get(bucket, `silent ${name}`)), field, undefined);
  });
  rule(`PutObject with ${field} of another body is refused with BadDigest, and nothing is written`, async (t) => {
    const bucket = await bucketOf(t);
    refused(await put(t, bucket, `bad ${name}`, { [field]: sum('another') }), 'BadDigest');
    refused(await t.get(bucket, `bad ${name}`), 'NoSuchKey');
  });
  for (const [what, value] of [
    ['no base64', '!!!!'],
    ['too short', Buffer.from('ab').toString('base64')],
    ['in hexadecimal', digest(Buffer.from(body)).toString('hex')],
    ['empty', ''],
  ] as const)
    rule(`PutObject with ${field} that is ${what} is refused with InvalidRequest`, async (t) => {
      refused(await put(t, await bucketOf(t), `invalid ${name}`, { [field]: value }), 'InvalidRequest');
    });
  rule(
    `a trailer with ${field} of an unsigned chunked body is checked and kept`,
    async (t) => {
      const bucket = await bucketOf(t);
      ok(await aws(t, bucket, `trailer ${name}`, { form: 'unsigned', content: body, trailer: [field, sum(body)] }));
      header(
        ok(await t.head(bucket, `trailer ${name}`, { headers: { 'x-amz-checksum-mode': 'ENABLED' } })),
        field,
        sum(body),
      );
    },
    { source: 'API/sigv4-streaming-trailers' },
  );
  rule(
    `a trailer with ${field} of a signed chunked body is checked and kept`,
    async (t) => {
      const bucket = await bucketOf(t);
      ok(
        await aws(t, bucket, `signed trailer ${name}`, { form: 'signed', content: body, trailer: [field, sum(body)] }),
      );
      header(
        ok(await t.head(bucket, `signed trailer ${name}`, { headers: { 'x-amz-checksum-mode': 'ENABLED' } })),
        field,
        sum(body),
      );
    },
    { source: 'API/sigv4-streaming-trailers' },
  );
  for (const form of ['unsigned', 'signed'] as const)
    rule(
      `a trailer with ${field} of another ${form} body is refused with BadDigest`,
      async (t) => {
        const bucket = await bucketOf(t);
        refused(
          await aws(t, bucket, `bad ${form} trailer ${name}`, {
            form,
            content: body,
            trailer: [field, sum('another')],
          }),
          'BadDigest',
        );
        refused(await t.get(bucket, `bad ${form} trailer ${name}`), 'NoSuchKey');
      },
      { source: 'API/sigv4-streaming-trailers' },
    );
  rule(
    `x-amz-sdk-checksum-algorithm: ${name} without the checksum is refused with InvalidRequest`,
    async (t) => {
      refused(
        await put(t, await bucketOf(t), `sdk ${name}`, { 'x-amz-sdk-checksum-algorithm': name }),
        'InvalidRequest',
      );
    },
    { source: 'API/API_PutObject' },
  );
  rule(
    `listings name ${name} as the algorithm of the object`,
    async (t) => {
      const bucket = await t.bucket();
      ok(await put(t, bucket, 'key', { [field]: sum(body) }));
      for (const query of [{ 'list-type': '2' }, {}, { versions: '' }]) {
        const answer = ok(await t.get(bucket, '', { query }));
        same(
          [answer.texts('ChecksumAlgorithm'), answer.texts('ChecksumType')],
          [[name], ['FULL_OBJECT']],
          'algorithm and type',
          answer,
        );
      }
    },
    { source: 'API/API_Object' },
  );
  rule(
    `GetObjectAttributes answers ${element}`,
    async (t) => {
      const bucket = await bucketOf(t);
      ok(await put(t, bucket, `attributes ${name}`, { [field]: sum(body) }));
      const answer = ok(
        await t.get(bucket, `attributes ${name}`, {
          query: { attributes: '' },
          headers: { 'x-amz-object-attributes': 'Checksum' },
        }),
      );
      same(answer.text('Checksum', element), sum(body), element, answer);
    },
    { source: 'API/API_GetObjectAttributes' },
  );
  rule(
    `CopyObject with x-amz-checksum-algorithm: ${name} sums the copy`,
    async (t) => {
      const bucket = await bucketOf(t);
      await t.put(bucket, `source ${name}`, body);
      const source = `/${bucket}/source%20${name}`;
      const answer = ok(
        await t.send('PUT', bucket, `copy ${name}`, {
          headers: { 'x-amz-copy-source': source, 'x-amz-checksum-algorithm': name },
        }),
      );
      same(answer.text(element), sum(body), element, answer);
    },
    { source: 'API/API_CopyObject' },
  );
  rule(
    `a copy has the ${name} of its source`,
    async (t) => {
      const bucket = await bucketOf(t);
      ok(await put(t, bucket, `kept source ${name}`, { [field]: sum(body) }));
      ok(
        await t.send('PUT', bucket, `kept copy ${name}`, {
          headers: { 'x-amz-copy-source': `/${bucket}/kept%20source%20${name}` },
        }),
      );
      header(
        ok(await t.head(bucket, `kept copy ${name}`, { headers: { 'x-amz-checksum-mode': 'ENABLED' } })),
        field,
        sum(body),
      );
    },
    { source: 'API/API_CopyObject' },
  );

  rule(
    `a form with ${field} is checked, and the sum kept`,
    async (t) => {
      const bucket = await bucketOf(t);
      const form = (key: string, value: string) =>
        sendForm(t, bucket, formOf(signedFields(t, bucket, { key, [field]: value }), { file: body }));
      refused(await form(`bad form ${name}`, sum('another')), 'BadDigest');
      refused(await t.get(bucket, `bad form ${name}`), 'NoSuchKey');
      ok(await form(`form ${name}`, sum(body)), 204);
      header(
        ok(await t.head(bucket, `form ${name}`, { headers: { 'x-amz-checksum-mode': 'ENABLED' } })),
        field,
        sum(body),
      );
    },
    { source: 'API/RESTObjectPOST' },
  );

  /* Parts. */
  const twoParts = async (t: Steps, key: string, type: string, wrong = false): Promise<Answer> => {
    const bucket = await bucketOf(t);
    const uploadId = await initiate(t, bucket, key, { 'x-amz-checksum-algorithm': name, 'x-amz-checksum-type': type });
    const bodies = [Buffer.alloc(5 * MiB, name), Buffer.from('the end')];
    const sums = bodies.map((bytes) => sum(bytes));
    const parts: [number, string, string][] = [];
    for (const [at, bytes] of bodies.entries()) {
      const sent = ok(await part(t, bucket, key, uploadId, at + 1, bytes, { [field]: sums[at] ?? '' }));
      header(sent, field, sums[at]);
      parts.push([at + 1, sent.etag, `<${element}>${wrong ? sum('another') : sums[at]}</${element}>`]);
    }
    const answer = await complete(t, bucket, key, uploadId, parts);
    if (wrong) return refused(answer, 'InvalidPart', 'BadDigest');
    const composite = `${sum(Buffer.concat(sums.map((text) => Buffer.from(text, 'base64'))))}-2`;
    const value = type === 'COMPOSITE' ? composite : sum(Buffer.concat(bodies));
    shape(ok(answer), 'CompleteMultipartUploadResult', { [element]: value, ChecksumType: type });
    return header(ok(await t.head(bucket, key, { headers: { 'x-amz-checksum-mode': 'ENABLED' } })), field, value);
  };
  for (const type of types)
    rule(
      `a multipart upload of ${name} with the type ${type} has ${type === 'COMPOSITE' ? 'the sum of the sums of its parts' : 'the sum of all its bytes'}`,
      (t) => twoParts(t, `parts ${name} ${type}`, type),
    );
  rule(`CompleteMultipartUpload with another ${element} of a part is refused`, (t) =>
    twoParts(t, `wrong parts ${name}`, types[0] ?? '', true),
  );
  rule(`an upload with ${name} is ${types[0]} when it names no type`, async (t) => {
    const answer = ok(
      await t.send('POST', await bucketOf(t), `default ${name}`, {
        query: { uploads: '' },
        headers: { 'x-amz-checksum-algorithm': name },
      }),
    );
    header(answer, 'x-amz-checksum-algorithm', name);
    header(answer, 'x-amz-checksum-type', types[0]);
  });
  for (const type of ['COMPOSITE', 'FULL_OBJECT'] as const)
    if (!types.includes(type))
      rule(`an upload with ${name} of the type ${type} is refused with InvalidRequest`, async (t) => {
        const headers = { 'x-amz-checksum-algorithm': name, 'x-amz-checksum-type': type };
        refused(
          await t.send('POST', await bucketOf(t), `type ${name}`, { query: { uploads: '' }, headers }),
          'InvalidRequest',
        );
      });
  rule(
    `UploadPart with ${field} of another body is refused with BadDigest`,
    async (t) => {
      const bucket = await bucketOf(t);
      const uploadId = await initiate(t, bucket, `bad part ${name}`, { 'x-amz-checksum-algorithm': name });
      refused(await part(t, bucket, `bad part ${name}`, uploadId, 1, body, { [field]: sum('another') }), 'BadDigest');
    },
    { source: 'API/API_UploadPart' },
  );
  rule(
    `UploadPartCopy answers ${element} of the part, and ListMultipartUploads names ${name}`,
    async (t) => {
      const bucket = await t.bucket();
      await t.put(bucket, 'source', body);
      const uploadId = await initiate(t, bucket, 'key', { 'x-amz-checksum-algorithm': name });
      const copied = ok(
        await t.send('PUT', bucket, 'key', {
          query: { partNumber: '1', uploadId },
          headers: { 'x-amz-copy-source': `/${bucket}/source` },
        }),
      );
      same(copied.text(element), sum(body), element, copied);
      const listed = ok(await t.get(bucket, '', { query: { uploads: '' } }));
      same(
        [listed.texts('ChecksumAlgorithm'), listed.texts('ChecksumType')],
        [[name], [types[0]]],
        'algorithm and type',
        listed,
      );
    },
    { source: 'API/API_UploadPartCopy' },
  );
  rule(
    `ListParts answers ${element} of each part`,
    async (t) => {
      const bucket = await bucketOf(t);
      const uploadId = await initiate(t, bucket, `list ${name}`, { 'x-amz-checksum-algorithm': name });
      ok(await part(t, bucket, `list ${name}`, uploadId, 1, body, { [field]: sum(body) }));
      const answer = ok(await t.get(bucket, `list ${name}`, { query: { uploadId } }));
      same(
        [answer.text('ChecksumAlgorithm'), all(answer.xml, 'Part').map((one) => find(one, element)?.text)],
        [name, [sum(body)]],
        'algorithm and sums',
        answer,
      );
    },
    { source: 'API/API_ListParts' },
  );
}

/* Of all of them. */
const sha = (text: string) => createHash('sha256').update(text).digest('base64');
rule('two checksums of different algorithms are refused with InvalidRequest', async (t) => {
  const headers = {
    'x-amz-checksum-sha256': sha('x'),
    'x-amz-checksum-sha1': createHash('sha1').update('x').digest('base64'),
  };
  refused(await t.send('PUT', await bucketOf(t), 'two', { body: 'x', headers }), 'InvalidRequest');
});
rule('an algorithm of uploads that is not known is refused with InvalidRequest', async (t) => {
  refused(
    await t.send('POST', await bucketOf(t), 'unknown', {
      query: { uploads: '' },
      headers: { 'x-amz-checksum-algorithm': 'ADLER32' },
    }),
    'InvalidRequest',
  );
});
rule('a type of checksums that is not known is refused with InvalidRequest', async (t) => {
  const headers = { 'x-amz-checksum-algorithm': 'CRC32', 'x-amz-checksum-type': 'PARTIAL' };
  refused(await t.send('POST', await bucketOf(t), 'unknown', { query: { uploads: '' }, headers }), 'InvalidRequest');
});
rule(
  'x-amz-sdk-checksum-algorithm of another algorithm than the checksum is refused with InvalidRequest',
  async (t) => {
    const headers = { 'x-amz-sdk-checksum-algorithm': 'CRC32', 'x-amz-checksum-sha256': sha('x') };
    refused(await t.send('PUT', await bucketOf(t), 'sdk', { body: 'x', headers }), 'InvalidRequest');
  },
);
rule(
  'PutObject with x-amz-checksum- of no algorithm is refused with InvalidRequest, and nothing is written',
  async (t) => {
    const bucket = await bucketOf(t);
    const headers = { 'x-amz-checksum-crc16': 'AAA=' };
    refused(await t.send('PUT', bucket, 'bad crc16', { body: 'x', headers }), 'InvalidRequest');
    refused(await t.get(bucket, 'bad crc16'), 'NoSuchKey');
  },
);
rule('Content-MD5 and a checksum may be given together', async (t) => {
  const headers = { 'content-md5': createHash('md5').update('x').digest('base64'), 'x-amz-checksum-sha256': sha('x') };
  ok(await t.send('PUT', await bucketOf(t), 'both', { body: 'x', headers }));
});
rule('a range of an object is answered without the checksum of the whole', async (t) => {
  const bucket = await bucketOf(t);
  ok(await t.send('PUT', bucket, 'ranged', { body: 'content', headers: { 'x-amz-checksum-sha256': sha('content') } }));
  header(
    ok(await t.get(bucket, 'ranged', { headers: { range: 'bytes=0-2', 'x-amz-checksum-mode': 'ENABLED' } }), 206),
    'x-amz-checksum-sha256',
    undefined,
  );
});
rule('an object that came without a checksum gets a CRC64NVME', async (t) => {
  const bucket = await bucketOf(t);
  await t.put(bucket, 'default', 'content');
  header(
    ok(await t.head(bucket, 'default', { headers: { 'x-amz-checksum-mode': 'ENABLED' } })),
    'x-amz-checksum-crc64nvme',
    /./,
  );
});

export const checksumCases = cases;
