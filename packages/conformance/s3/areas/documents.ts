import { area } from '../case.ts';
import { md5 } from '../client.ts';
import type { Code } from '../errors.ts';
import { ok, refused, same, shape } from '../expect.ts';
import type { Steps } from '../steps.ts';
import { uploaded } from './uploads.ts';

const { cases, rule } = area('documents', 'API/ErrorResponses');

/** An operation that takes a document, and one that it takes. */
interface Taker {
  readonly operation: string;
  readonly method: 'PUT' | 'POST';
  readonly subresource: string;
  readonly key?: string;
  readonly root: string;
  readonly inner: string;
  /** Whether the documentation wants a Content-MD5 or a checksum. */
  readonly digest: boolean;
  /** What an empty body is refused with. */
  readonly empty: readonly Code[];
  /** Elements of one name may stand beside each other at the root. */
  readonly many?: boolean;
}
const missing: readonly Code[] = ['MissingRequestBodyError', 'MalformedXML'];
const takers: readonly Taker[] = [
  {
    operation: 'PutBucketVersioning',
    method: 'PUT',
    subresource: 'versioning',
    root: 'VersioningConfiguration',
    inner: '<Status>Enabled</Status>',
    digest: false,
    empty: missing,
  },
  {
    operation: 'PutBucketTagging',
    method: 'PUT',
    subresource: 'tagging',
    root: 'Tagging',
    inner: '<TagSet><Tag><Key>a</Key><Value>b</Value></Tag></TagSet>',
    digest: false,
    empty: missing,
  },
  {
    operation: 'PutObjectTagging',
    method: 'PUT',
    subresource: 'tagging',
    key: 'object',
    root: 'Tagging',
    inner: '<TagSet><Tag><Key>a</Key><Value>b</Value></Tag></TagSet>',
    digest: false,
    empty: missing,
  },
  {
    operation: 'PutBucketCors',
    method: 'PUT',
    subresource: 'cors',
    root: 'CORSConfiguration',
    inner: '<CORSRule><AllowedMethod>GET</AllowedMethod><AllowedOrigin>*</AllowedOrigin></CORSRule>',
    digest: true,
    empty: missing,
    many: true,
  },
  {
    operation: 'PutBucketEncryption',
    method: 'PUT',
    subresource: 'encryption',
    root: 'ServerSideEncryptionConfiguration',
    inner:
      '<Rule><ApplyServerSideEncryptionByDefault><SSEAlgorithm>AES256</SSEAlgorithm></ApplyServerSideEncryptionByDefault></Rule>',
    digest: true,
    empty: missing,
  },
  {
    operation: 'PutBucketOwnershipControls',
    method: 'PUT',
    subresource: 'ownershipControls',
    root: 'OwnershipControls',
    inner: '<Rule><ObjectOwnership>BucketOwnerEnforced</ObjectOwnership></Rule>',
    digest: true,
    empty: missing,
  },
  {
    operation: 'PutPublicAccessBlock',
    method: 'PUT',
    subresource: 'publicAccessBlock',
    root: 'PublicAccessBlockConfiguration',
    inner: '<BlockPublicAcls>true</BlockPublicAcls>',
    digest: true,
    empty: missing,
  },
  {
    operation: 'PutBucketRequestPayment',
    method: 'PUT',
    subresource: 'requestPayment',
    root: 'RequestPaymentConfiguration',
    inner: '<Payer>Requester</Payer>',
    digest: true,
    empty: missing,
  },
  {
    operation: 'PutBucketAccelerateConfiguration',
    method: 'PUT',
    subresource: 'accelerate',
    root: 'AccelerateConfiguration',
    inner: '<Status>Enabled</Status>',
    digest: false,
    empty: missing,
  },
  {
    operation: 'DeleteObjects',
    method: 'POST',
    subresource: 'delete',
    root: 'Delete',
    inner: '<Object><Key>object</Key></Object>',
    digest: true,
    empty: missing,
    many: true,
  },
];
const namespace = 'xmlns="http://s3.amazonaws.com/doc/2006-03-01/"';
const page = (operation: string) => ({ source: `API/API_${operation}` });

for (const { operation, method, subresource, key = '', root, inner, digest, empty, many } of takers) {
  const sent = async (t: Steps, body: string, headers: Record<string, string> = {}) => {
    const bucket = await t.bucket();
    if (key !== '') await t.put(bucket, key);
    return { bucket, answer: await t.document(method, bucket, subresource, body, { key, headers }) };
  };
  const send = async (t: Steps, body: string, headers?: Record<string, string>) =>
    (await sent(t, body, headers)).answer;
  const whole = `<${root} ${namespace}>${inner}</${root}>`;
  const good: readonly (readonly [string, string])[] = [
    ['with the namespace of S3', whole],
    ['without a namespace', `<${root}>${inner}</${root}>`],
    ['with an XML declaration', `<?xml version="1.0" encoding="UTF-8"?>\n${whole}`],
    ['with white space between its elements', whole.replaceAll('><', '>\n  <')],
    ['with a comment', `<!-- why -->${whole}`],
  ];
  for (const [what, body] of good)
    rule(
      `${operation} takes a document ${what}`,
      async (t) => {
        const { answer, bucket } = await sent(t, body);
        same([200, 204].includes(answer.status), true, `taken (${answer.status} ${answer.message})`, answer);
        if (method === 'POST') shape(answer, 'DeleteResult');
        else shape(ok(await t.get(bucket, key, { query: { [subresource]: '' } })), root);
      },
      page(operation),
    );
  const bad: readonly (readonly [string, string])[] = [
    ['that is no XML', 'this is no document'],
    ['that is JSON', '{"Status": "Enabled"}'],
    ['that ends too early', whole.slice(0, -3)],
    ['whose elements overlap', `<${root}><A><B></A></B></${root}>`],
    ['with two roots', `${whole}${whole}`],
    ['of another root', `<Other>${inner}</Other>`],
    ['with a document type', `<!DOCTYPE ${root} [<!ENTITY e "e">]>${whole}`],
    ['with an entity that is not declared', whole.replace('</', '&nothing;</')],
    ['with a byte that is no UTF-8', whole.replace('</', '\ud800</')],
  ];
  for (const [what, body] of bad)
    rule(`${operation} refuses a document ${what} with MalformedXML`, async (t) => {
      const bytes = what.includes('UTF-8')
        ? Buffer.concat([
            Buffer.from(whole.slice(0, -4)),
            Buffer.from([0xff, 0xfe]),
            Buffer.from(whole.slice(-4)),
          ]).toString('latin1')
        : body;
      if (!what.includes('UTF-8')) return refused(await send(t, body), 'MalformedXML');
      const raw = Buffer.from(bytes, 'latin1');
      const bucket = await t.bucket();
      if (key !== '') await t.put(bucket, key);
      const headers = { 'content-md5': md5(raw).toString('base64') };
      return refused(
        await t.send(method, bucket, key, { query: { [subresource]: '' }, body: raw, headers }),
        'MalformedXML',
      );
    });
  rule(`${operation} refuses a document with an element that it does not know with MalformedXML`, async (t) => {
    refused(await send(t, `<${root}>${inner}<Unheard>of</Unheard></${root}>`), 'MalformedXML');
  });
  if (!many)
    rule(`${operation} refuses a document with its content twice with MalformedXML`, async (t) => {
      refused(await send(t, `<${root}>${inner}${inner}</${root}>`), 'MalformedXML');
    });
  rule(`${operation} refuses an empty body`, async (t) => {
    refused(await send(t, ''), ...empty);
  });
  rule(`${operation} refuses a document whose Content-MD5 is of another with BadDigest`, async (t) => {
    refused(await send(t, whole, { 'content-md5': md5('another').toString('base64') }), 'BadDigest');
  });
  rule(`${operation} refuses a document whose Content-MD5 is no digest with InvalidDigest`, async (t) => {
    refused(await send(t, whole, { 'content-md5': 'x' }), 'InvalidDigest');
  });
  rule(
    `${operation} ${digest ? 'refuses a document without Content-MD5 or a checksum with InvalidRequest' : 'takes a document without Content-MD5'}`,
    async (t) => {
      const bucket = await t.bucket();
      if (key !== '') await t.put(bucket, key);
      const answer = await t.send(method, bucket, key, { query: { [subresource]: '' }, body: whole });
      if (digest) refused(answer, 'InvalidRequest');
      else same([200, 204].includes(answer.status), true, `taken (${answer.status})`, answer);
    },
    page(operation),
  );
}

/* The two that have no root of a configuration. */
rule('CreateBucket refuses a document that is no XML with MalformedXML', async (t) => {
  refused(await t.send('PUT', t.mine(t.newName()), '', { body: 'no document' }), 'MalformedXML');
});
rule('CreateBucket refuses a document of another root with MalformedXML', async (t) => {
  refused(await t.send('PUT', t.mine(t.newName()), '', { body: '<Bucket/>' }), 'MalformedXML');
});
for (const [what, body] of [
  ['that is no XML', 'no document'],
  ['that ends too early', '<CompleteMultipartUpload><Part>'],
  [
    'with a document type',
    '<!DOCTYPE a><CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>"a"</ETag></Part></CompleteMultipartUpload>',
  ],
] as const)
  rule(`CompleteMultipartUpload refuses a document ${what} with MalformedXML, and the upload stays`, async (t) => {
    const bucket = await t.bucket();
    const { uploadId } = await uploaded(t, bucket, 'key', 'part');
    refused(await t.send('POST', bucket, 'key', { query: { uploadId }, body }), 'MalformedXML');
    ok(await t.get(bucket, 'key', { query: { uploadId } }));
  });
rule('CompleteMultipartUpload refuses an empty body', async (t) => {
  const bucket = await t.bucket();
  const { uploadId } = await uploaded(t, bucket, 'key', 'part');
  refused(
    await t.send('POST', bucket, 'key', { query: { uploadId } }),
    'InvalidRequest',
    'MalformedXML',
    'MissingRequestBodyError',
  );
});

export const documentCases = cases;
