import { area } from '../case.ts';
import { md5 } from '../client.ts';
import type { Code } from '../errors.ts';
import { header, ok, refused, same, shape } from '../expect.ts';
import type { Steps } from '../steps.ts';
import { find } from '../xml.ts';

const { cases, rule } = area('configurations', 'API/API_PutBucketEncryption');

/** One configuration of a bucket that is a document. */
interface Kind {
  /** As the operations call it. */
  readonly name: string;
  readonly subresource: string;
  readonly root: string;
  /** What a bucket that never had one answers: a code, or elements of the document. */
  readonly unset: Code | readonly (readonly [string, string])[];
  /** Contents of the root that are taken: elements along a path, and their text when it is read back. */
  readonly good: readonly (readonly [what: string, inner: string, path: string, text: string])[];
  readonly bad: readonly (readonly [what: string, inner: string, ...codes: Code[]])[];
  /** Whether it can be deleted. */
  readonly deletable: boolean;
  readonly operations: { readonly get: string; readonly put: string; readonly delete?: string };
}

const encryption = (inner: string) =>
  `<Rule><ApplyServerSideEncryptionByDefault>${inner}</ApplyServerSideEncryptionByDefault></Rule>`;
const block = (text: string) =>
  ['BlockPublicAcls', 'IgnorePublicAcls', 'BlockPublicPolicy', 'RestrictPublicBuckets']
    .map((name) => `<${name}>${text}</${name}>`)
    .join('');
const kinds: readonly Kind[] = [
  {
    name: 'encryption',
    subresource: 'encryption',
    root: 'ServerSideEncryptionConfiguration',
    unset: [['Rule/ApplyServerSideEncryptionByDefault/SSEAlgorithm', 'AES256']],
    good: [
      [
        'AES256',
        encryption('<SSEAlgorithm>AES256</SSEAlgorithm>'),
        'Rule/ApplyServerSideEncryptionByDefault/SSEAlgorithm',
        'AES256',
      ],
      [
        'bucket keys',
        encryption('<SSEAlgorithm>AES256</SSEAlgorithm>').replace(
          '</Rule>',
          '<BucketKeyEnabled>true</BucketKeyEnabled></Rule>',
        ),
        'Rule/BucketKeyEnabled',
        'true',
      ],
    ],
    bad: [
      ['an algorithm that is not known', encryption('<SSEAlgorithm>ROT13</SSEAlgorithm>'), 'MalformedXML'],
      ['no algorithm', encryption(''), 'MalformedXML'],
      ['no rule', '', 'MalformedXML'],
      [
        'a key of the KMS with AES256',
        encryption('<SSEAlgorithm>AES256</SSEAlgorithm><KMSMasterKeyID>key</KMSMasterKeyID>'),
        'InvalidArgument',
      ],
      [
        'BucketKeyEnabled that is neither true nor false',
        encryption('<SSEAlgorithm>AES256</SSEAlgorithm>').replace(
          '</Rule>',
          '<BucketKeyEnabled>maybe</BucketKeyEnabled></Rule>',
        ),
        'MalformedXML',
      ],
    ],
    deletable: true,
    operations: { get: 'GetBucketEncryption', put: 'PutBucketEncryption', delete: 'DeleteBucketEncryption' },
  },
  {
    name: 'ownership controls',
    subresource: 'ownershipControls',
    root: 'OwnershipControls',
    unset: [['Rule/ObjectOwnership', 'BucketOwnerEnforced']],
    good: [
      [
        'BucketOwnerEnforced',
        '<Rule><ObjectOwnership>BucketOwnerEnforced</ObjectOwnership></Rule>',
        'Rule/ObjectOwnership',
        'BucketOwnerEnforced',
      ],
    ],
    bad: [
      ['an ownership that is not known', '<Rule><ObjectOwnership>Everybody</ObjectOwnership></Rule>', 'MalformedXML'],
      ['no rule', '', 'MalformedXML'],
      ['no ownership', '<Rule></Rule>', 'MalformedXML'],
      ['two rules', '<Rule><ObjectOwnership>BucketOwnerEnforced</ObjectOwnership></Rule>'.repeat(2), 'MalformedXML'],
    ],
    deletable: true,
    operations: {
      get: 'GetBucketOwnershipControls',
      put: 'PutBucketOwnershipControls',
      delete: 'DeleteBucketOwnershipControls',
    },
  },
  {
    name: 'block of public access',
    subresource: 'publicAccessBlock',
    root: 'PublicAccessBlockConfiguration',
    unset: [
      ['BlockPublicAcls', 'true'],
      ['IgnorePublicAcls', 'true'],
      ['BlockPublicPolicy', 'true'],
      ['RestrictPublicBuckets', 'true'],
    ],
    good: [
      ...['BlockPublicAcls', 'IgnorePublicAcls', 'BlockPublicPolicy', 'RestrictPublicBuckets'].flatMap((name) => [
        [`${name} true`, `<${name}>true</${name}>`, name, 'true'] as const,
        [`${name} false`, block('true').replace(`<${name}>true`, `<${name}>false`), name, 'false'] as const,
      ]),
      [
        'one of the four left out, which is false then',
        '<BlockPublicAcls>true</BlockPublicAcls>',
        'RestrictPublicBuckets',
        'false',
      ],
    ],
    bad: [
      ['a value that is neither true nor false', block('maybe'), 'MalformedXML'],
      ['an element of another name', '<BlockEverything>true</BlockEverything>', 'MalformedXML'],
    ],
    deletable: true,
    operations: { get: 'GetPublicAccessBlock', put: 'PutPublicAccessBlock', delete: 'DeletePublicAccessBlock' },
  },
  {
    name: 'request payment',
    subresource: 'requestPayment',
    root: 'RequestPaymentConfiguration',
    unset: [['Payer', 'BucketOwner']],
    good: [
      ['Requester', '<Payer>Requester</Payer>', 'Payer', 'Requester'],
      ['BucketOwner', '<Payer>BucketOwner</Payer>', 'Payer', 'BucketOwner'],
    ],
    bad: [
      ['a payer that is not known', '<Payer>Nobody</Payer>', 'MalformedXML'],
      ['no payer', '', 'MalformedXML'],
    ],
    deletable: false,
    operations: { get: 'GetBucketRequestPayment', put: 'PutBucketRequestPayment' },
  },
  {
    name: 'acceleration',
    subresource: 'accelerate',
    root: 'AccelerateConfiguration',
    unset: [],
    good: [
      ['Enabled', '<Status>Enabled</Status>', 'Status', 'Enabled'],
      ['Suspended', '<Status>Suspended</Status>', 'Status', 'Suspended'],
    ],
    bad: [
      ['a status that is not known', '<Status>Fast</Status>', 'MalformedXML'],
      ['no status', '', 'MalformedXML'],
    ],
    deletable: false,
    operations: { get: 'GetBucketAccelerateConfiguration', put: 'PutBucketAccelerateConfiguration' },
  },
];

for (const { name, subresource, root, unset, good, bad, deletable, operations } of kinds) {
  const putting = { source: `API/API_${operations.put}` };
  const reading = { source: `API/API_${operations.get}` };
  const document = (inner: string) => `<${root} xmlns="http://s3.amazonaws.com/doc/2006-03-01/">${inner}</${root}>`;
  const put = (t: Steps, bucket: string, inner: string) => t.document('PUT', bucket, subresource, document(inner));
  const read = (t: Steps, bucket: string) => t.get(bucket, '', { query: { [subresource]: '' } });
  const first = good[0]!;

  rule(
    `${operations.get} of a new bucket answers ${typeof unset === 'string' ? unset : unset.map((pair) => pair.join(' ')).join(', ') || 'an empty document'}`,
    async (t) => {
      const answer = await read(t, await t.bucket());
      if (typeof unset === 'string') return refused(answer, unset);
      shape(ok(answer), root);
      for (const [path, text] of unset) same(find(answer.xml, ...path.split('/'))?.text, text, path, answer);
      return answer;
    },
    reading,
  );
  for (const [what, inner, path, text] of good)
    rule(
      `${operations.put} with ${what} reads back`,
      async (t) => {
        const bucket = await t.bucket();
        ok(await put(t, bucket, inner));
        const answer = shape(ok(await read(t, bucket)), root);
        same(find(answer.xml, ...path.split('/'))?.text, text, path, answer);
      },
      putting,
    );
  for (const [what, inner, ...codes] of bad)
    rule(
      `${operations.put} with ${what} is refused with ${codes[0]}`,
      async (t) => {
        refused(await put(t, await t.bucket(), inner), ...codes);
      },
      putting,
    );
  rule(
    `${operations.put} that is refused leaves the ${name} as it was`,
    async (t) => {
      const bucket = await t.bucket();
      ok(await put(t, bucket, first[1]));
      ok(await put(t, bucket, bad[0]![1]), 400);
      const answer = ok(await read(t, bucket));
      same(find(answer.xml, ...first[2].split('/'))?.text, first[3], first[2], answer);
    },
    putting,
  );
  rule(
    `${operations.put} of a bucket that is not there is refused with NoSuchBucket`,
    async (t) => {
      refused(await put(t, t.newName(), first[1]), 'NoSuchBucket');
    },
    putting,
  );
  rule(
    `${operations.put} with the Content-MD5 of another document is refused with BadDigest`,
    async (t) => {
      const headers = { 'content-md5': md5('another').toString('base64') };
      refused(await t.document('PUT', await t.bucket(), subresource, document(first[1]), { headers }), 'BadDigest');
    },
    putting,
  );
  rule(
    `the ${name} of a bucket that is deleted is not that of a new one of its name`,
    async (t) => {
      const bucket = await t.bucket();
      const last = good.at(-1)!;
      ok(await put(t, bucket, last[1]));
      ok(await t.send('DELETE', bucket), 204);
      ok(await t.send('PUT', bucket));
      const [fresh, other] = [await read(t, bucket), await read(t, await t.bucket())];
      same(
        [fresh.status, fresh.xml.children.map((child) => (child.name === 'Resource' ? '' : child.name))],
        [other.status, other.xml.children.map((child) => (child.name === 'Resource' ? '' : child.name))],
        'answer',
        fresh,
      );
    },
    reading,
  );
  if (!deletable) continue;
  const deleting = { source: `API/API_${operations.delete}` };
  rule(
    `${operations.delete} answers 204, also when there is nothing to delete`,
    async (t) => {
      const bucket = await t.bucket();
      ok(await put(t, bucket, first[1]));
      for (let time = 0; time < 2; time++)
        ok(await t.send('DELETE', bucket, '', { query: { [subresource]: '' } }), 204);
    },
    deleting,
  );
  rule(
    `${operations.delete} of a bucket that is not there is refused with NoSuchBucket`,
    async (t) => {
      refused(await t.send('DELETE', t.newName(), '', { query: { [subresource]: '' } }), 'NoSuchBucket');
    },
    deleting,
  );
}

/* What deletion leaves. */
rule(
  'default encryption that was deleted is AES256 again',
  async (t) => {
    const bucket = await t.bucket();
    ok(await t.send('DELETE', bucket, '', { query: { encryption: '' } }), 204);
    const answer = ok(await t.get(bucket, '', { query: { encryption: '' } }));
    same(answer.texts('SSEAlgorithm'), ['AES256'], 'SSEAlgorithm', answer);
  },
  { source: 'API/API_DeleteBucketEncryption' },
);
rule(
  'ownership controls that were deleted are refused with OwnershipControlsNotFoundError',
  async (t) => {
    const bucket = await t.bucket();
    ok(await t.send('DELETE', bucket, '', { query: { ownershipControls: '' } }), 204);
    refused(await t.get(bucket, '', { query: { ownershipControls: '' } }), 'OwnershipControlsNotFoundError');
  },
  { source: 'API/API_DeleteBucketOwnershipControls' },
);
rule(
  'a block of public access that was deleted is refused with NoSuchPublicAccessBlockConfiguration',
  async (t) => {
    const bucket = await t.bucket();
    ok(await t.send('DELETE', bucket, '', { query: { publicAccessBlock: '' } }), 204);
    refused(await t.get(bucket, '', { query: { publicAccessBlock: '' } }), 'NoSuchPublicAccessBlockConfiguration');
  },
  { source: 'API/API_DeletePublicAccessBlock' },
);

/* Encryption of objects. */
const objects = { source: 'userguide/UsingServerSideEncryption' };
for (const method of ['GET', 'HEAD'] as const)
  rule(
    `${method} says that an object is encrypted with AES256, which is the default`,
    async (t) => {
      const bucket = await t.bucket();
      header(await t.put(bucket, 'key'), 'x-amz-server-side-encryption', 'AES256');
      header(ok(await t.send(method, bucket, 'key')), 'x-amz-server-side-encryption', 'AES256');
    },
    objects,
  );
rule(
  'PutObject with x-amz-server-side-encryption: AES256 is taken',
  async (t) => {
    header(
      await t.put(await t.bucket(), 'key', 'x', { 'x-amz-server-side-encryption': 'AES256' }),
      'x-amz-server-side-encryption',
      'AES256',
    );
  },
  objects,
);
rule(
  'PutObject with an encryption that is not known is refused',
  async (t) => {
    refused(
      await t.send('PUT', await t.bucket(), 'key', { body: 'x', headers: { 'x-amz-server-side-encryption': 'ROT13' } }),
      'InvalidEncryptionAlgorithmError',
      'InvalidArgument',
    );
  },
  { source: 'API/ErrorResponses' },
);
rule(
  'the ETag of an object encrypted with AES256 is the MD5 of its content',
  async (t) => {
    header(
      await t.put(await t.bucket(), 'key', 'content', { 'x-amz-server-side-encryption': 'AES256' }),
      'etag',
      `"${md5('content').toString('hex')}"`,
    );
  },
  { source: 'API/API_Object' },
);

export const configurationCases = cases;
