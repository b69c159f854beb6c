import { area } from '../case.ts';
import type { Code } from '../errors.ts';
import { ok, refused, same, shape } from '../expect.ts';
import { openBucket, ourId, theirId } from './accounts.ts';
import {
  byId,
  get,
  grant,
  grants,
  groups,
  has,
  kinds,
  listed,
  listOf,
  ofBucket,
  ofObject,
  ownership,
  put,
  putDocument,
} from './acl-steps.ts';

const { cases, rule } = area('access control lists', 'userguide/acl-overview');

/* Reading. */
for (const [what, key, , , operation] of kinds) {
  const page = { source: `API/API_${operation}` };
  rule(
    `${operation} of ${what} that is new grants its owner everything, and nobody else anything`,
    async (t) => has(t, await get(t, await listed(t), key)),
    page,
  );
  rule(
    `${operation} names the owner`,
    async (t) => {
      const answer = shape(ok(await get(t, await listed(t), key)), 'AccessControlPolicy');
      same(answer.text('Owner', 'ID'), await ourId(t), 'ID of the owner', answer);
    },
    page,
  );
  rule(
    `${operation} with lists off grants the owner everything`,
    async (t) => {
      const bucket = await t.bucket();
      await t.put(bucket, 'key');
      await has(t, await get(t, bucket, key));
    },
    page,
  );
  rule(
    `${operation} in a bucket that is not there is refused with NoSuchBucket`,
    async (t) => void refused(await get(t, t.newName(), key), 'NoSuchBucket'),
    page,
  );
}
rule(
  'GetObjectAcl of a key that is not there is refused with NoSuchKey',
  async (t) => void refused(await get(t, await listed(t), 'none'), 'NoSuchKey'),
  { source: 'API/API_GetObjectAcl' },
);
rule(
  'PutObjectAcl of a key that is not there is refused with NoSuchKey',
  async (t) => void refused(await put(t, await listed(t), 'none', { 'x-amz-acl': 'private' }), 'NoSuchKey'),
  ofObject,
);
rule(
  'PutBucketAcl of a bucket that is not there is refused with NoSuchBucket',
  async (t) => void refused(await put(t, t.newName(), '', { 'x-amz-acl': 'private' }), 'NoSuchBucket'),
  ofBucket,
);

/* Canned. */
const canned: readonly (readonly [name: string, ...grants: string[]])[] = [
  ['private'],
  ['public-read', 'READ global/AllUsers'],
  ['public-read-write', 'READ global/AllUsers', 'WRITE global/AllUsers'],
  ['authenticated-read', 'READ global/AuthenticatedUsers'],
];
for (const [name, ...expected] of canned) {
  for (const [, key, page, operation] of kinds)
    rule(
      `${operation} with ${name} grants ${expected.join(' and ') || 'nobody else anything'}`,
      async (t) => {
        const bucket = await listed(t);
        ok(await put(t, bucket, key, { 'x-amz-acl': name }));
        await has(t, await get(t, bucket, key), ...expected);
      },
      page,
    );
  rule(
    `PutObject with x-amz-acl: ${name} grants ${expected.join(' and ') || 'nobody else anything'}`,
    async (t) => {
      const bucket = await listed(t);
      await t.put(bucket, 'new', 'x', { 'x-amz-acl': name });
      await has(t, await get(t, bucket, 'new'), ...expected);
    },
    { source: 'API/API_PutObject' },
  );
  rule(
    `CopyObject with x-amz-acl: ${name} grants ${expected.join(' and ') || 'nobody else anything'}`,
    async (t) => {
      const bucket = await listed(t);
      ok(await t.send('PUT', bucket, 'new', { headers: { 'x-amz-copy-source': `/${bucket}/key`, 'x-amz-acl': name } }));
      await has(t, await get(t, bucket, 'new'), ...expected);
    },
    { source: 'API/API_CopyObject' },
  );
}
rule(
  'PutBucketAcl with log-delivery-write grants WRITE and READ_ACP to the group of log delivery',
  async (t) => {
    const bucket = await listed(t);
    ok(await put(t, bucket, '', { 'x-amz-acl': 'log-delivery-write' }));
    await has(t, await get(t, bucket), 'READ_ACP s3/LogDelivery', 'WRITE s3/LogDelivery');
  },
  ofBucket,
);

/* Grants in headers and documents. */
for (const [permission, header] of [
  ['READ', 'read'],
  ['WRITE', 'write'],
  ['READ_ACP', 'read-acp'],
  ['WRITE_ACP', 'write-acp'],
  ['FULL_CONTROL', 'full-control'],
] as const)
  for (const [, key, page, operation] of kinds) {
    if (permission === 'WRITE' && key !== '') continue;
    rule(
      `${operation} with x-amz-grant-${header} to a group grants ${permission}`,
      async (t) => {
        const bucket = await listed(t);
        const headers = { [`x-amz-grant-${header}`]: `uri="${groups}global/AuthenticatedUsers"` };
        ok(await put(t, bucket, key, headers));
        const answer = await get(t, bucket, key);
        same(
          (await grants(t, answer)).includes(`${permission} global/AuthenticatedUsers`),
          true,
          'the grant is there',
          answer,
        );
      },
      page,
    );
    rule(
      `${operation} with a document grants ${permission} to another account`,
      async (t) => {
        const bucket = await listed(t);
        const [us, them] = [await ourId(t), await theirId(t)];
        ok(
          await putDocument(t, bucket, key, listOf(us, grant(byId(us), 'FULL_CONTROL'), grant(byId(them), permission))),
        );
        await has(t, await get(t, bucket, key), `${permission} ${them}`);
      },
      { ...page, needs: ['second'] },
    );
  }

/* What is refused. */
type Bad = readonly [
  what: string,
  headers: Record<string, string>,
  document: ((us: string) => string) | undefined,
  ...codes: Code[],
];
const everyone = grant(`<URI>${groups}global/AllUsers</URI>`, 'READ', 'Group');
const bad: readonly Bad[] = [
  ['neither headers nor a document', {}, undefined, 'MissingSecurityHeader'],
  ['a canned list that there is not', { 'x-amz-acl': 'open' }, undefined, 'InvalidArgument'],
  ['a canned list in capitals', { 'x-amz-acl': 'PRIVATE' }, undefined, 'InvalidArgument'],
  [
    'a canned list and a grant',
    { 'x-amz-acl': 'private', 'x-amz-grant-read': `uri="${groups}global/AllUsers"` },
    undefined,
    'InvalidRequest',
  ],
  ['a canned list and a document', { 'x-amz-acl': 'private' }, (us) => listOf(us), 'UnexpectedContent'],
  ['a grant to an id that is none', { 'x-amz-grant-read': 'id=12' }, undefined, 'InvalidArgument'],
  [
    'a grant to a group that there is not',
    { 'x-amz-grant-read': `uri="${groups}global/Nobody"` },
    undefined,
    'InvalidArgument',
  ],
  ['a grant to a kind that there is not', { 'x-amz-grant-read': 'name="ann"' }, undefined, 'InvalidArgument'],
  [
    'a grant to an address that nobody has',
    { 'x-amz-grant-read': 'emailAddress="nobody@example.com"' },
    undefined,
    'UnresolvableGrantByEmailAddress',
  ],
  ['XML that ends early', {}, () => '<AccessControlPolicy', 'MalformedACLError', 'MalformedXML'],
  ['another root', {}, () => '<Other/>', 'MalformedACLError', 'MalformedXML'],
  ['a document without an owner', {}, (us) => listOf(us).replace(/<Owner>.*<\/Owner>/, ''), 'MalformedACLError'],
  [
    'a document without a list',
    {},
    (us) => listOf(us).replace(/<AccessControlList>.*<\/AccessControlList>/, ''),
    'MalformedACLError',
  ],
  ['another owner', {}, (us) => listOf(us).replace(us, us.replace(/./g, '1')), 'AccessDenied'],
  ['a permission that there is not', {}, (us) => listOf(us, everyone.replace('READ', 'ALL')), 'MalformedACLError'],
  ['a permission in lower case', {}, (us) => listOf(us, everyone.replace('READ', 'read')), 'MalformedACLError'],
  ['a grantee that is nobody', {}, (us) => listOf(us, grant('', 'READ')), 'MalformedACLError'],
  [
    'a grantee who is two',
    {},
    (us) => listOf(us, grant(`${byId(us)}<URI>${groups}global/AllUsers</URI>`, 'READ')),
    'MalformedACLError',
  ],
  ['an id that is none', {}, (us) => listOf(us, grant(byId('12'), 'READ')), 'InvalidArgument'],
  [
    'a group that there is not',
    {},
    (us) => listOf(us, everyone.replace('AllUsers', 'Nobody')),
    'InvalidArgument',
    'MalformedACLError',
  ],
  [
    'an address that nobody has',
    {},
    (us) => listOf(us, grant('<EmailAddress>nobody@example.com</EmailAddress>', 'READ', 'AmazonCustomerByEmail')),
    'UnresolvableGrantByEmailAddress',
  ],
  ['101 grants', {}, (us) => listOf(us, ...Array.from({ length: 101 }, () => everyone)), 'MalformedACLError'],
  ['an element that is not known', {}, (us) => listOf(us, '<Deny/>'), 'MalformedACLError', 'MalformedXML'],
];
for (const [what, headers, document, ...codes] of bad)
  for (const [, key, page, operation] of kinds)
    rule(
      `${operation} with ${what} is refused with ${codes[0]}`,
      async (t) => {
        const bucket = await listed(t);
        const answer = document
          ? await putDocument(t, bucket, key, document(await ourId(t)), { headers })
          : await put(t, bucket, key, headers);
        refused(answer, ...codes);
        await has(t, await get(t, bucket, key));
      },
      page,
    );

/* Lists that are off. */
for (const [what, headers] of [
  ['a canned list', { 'x-amz-acl': 'public-read' }],
  ['a grant', { 'x-amz-grant-read': `uri="${groups}global/AllUsers"` }],
] as const) {
  for (const [, key, , operation] of kinds)
    rule(
      `${operation} with ${what} in a bucket with BucketOwnerEnforced is refused with AccessControlListNotSupported`,
      async (t) => {
        const bucket = await openBucket(t);
        await t.put(bucket, 'key');
        refused(await put(t, bucket, key, headers), 'AccessControlListNotSupported');
      },
      ownership,
    );
  rule(
    `PutObject with ${what} in a bucket with BucketOwnerEnforced is refused with AccessControlListNotSupported`,
    async (t) => {
      refused(await t.send('PUT', await openBucket(t), 'key', { body: 'x', headers }), 'AccessControlListNotSupported');
    },
    ownership,
  );
}
rule(
  'PutObject with bucket-owner-full-control in a bucket with BucketOwnerEnforced is taken',
  async (t) => {
    await t.put(await openBucket(t), 'key', 'x', { 'x-amz-acl': 'bucket-owner-full-control' });
  },
  ownership,
);
rule(
  'CreateBucket with public-read and BucketOwnerEnforced is refused with InvalidBucketAclWithObjectOwnership',
  async (t) => {
    refused(
      await t.send('PUT', t.newName(), '', {
        headers: { 'x-amz-acl': 'public-read', 'x-amz-object-ownership': 'BucketOwnerEnforced' },
      }),
      'InvalidBucketAclWithObjectOwnership',
    );
  },
  { source: 'API/API_CreateBucket' },
);
rule(
  'CreateBucket with an ownership that there is not is refused with InvalidArgument',
  async (t) => {
    refused(await t.send('PUT', t.newName(), '', { headers: { 'x-amz-object-ownership': 'Mine' } }), 'InvalidArgument');
  },
  { source: 'API/API_CreateBucket' },
);
rule(
  'PutBucketOwnershipControls with BucketOwnerEnforced of a bucket that grants to others is refused with InvalidBucketAclWithObjectOwnership',
  async (t) => {
    const bucket = await listed(t);
    ok(await put(t, bucket, '', { 'x-amz-acl': 'public-read' }));
    const text =
      '<OwnershipControls><Rule><ObjectOwnership>BucketOwnerEnforced</ObjectOwnership></Rule></OwnershipControls>';
    refused(await t.document('PUT', bucket, 'ownershipControls', text), 'InvalidBucketAclWithObjectOwnership');
  },
  ownership,
);
for (const kind of ['ObjectWriter', 'BucketOwnerPreferred'])
  rule(
    `PutBucketOwnershipControls with ${kind} reads back`,
    async (t) => {
      const bucket = await t.bucket();
      ok(
        await t.document(
          'PUT',
          bucket,
          'ownershipControls',
          `<OwnershipControls><Rule><ObjectOwnership>${kind}</ObjectOwnership></Rule></OwnershipControls>`,
        ),
      );
      const answer = ok(await t.get(bucket, '', { query: { ownershipControls: '' } }));
      same(answer.texts('ObjectOwnership'), [kind], 'ObjectOwnership', answer);
    },
    { source: 'API/API_PutBucketOwnershipControls' },
  );

export const aclCases = cases;
