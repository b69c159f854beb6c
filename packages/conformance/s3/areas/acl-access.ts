import type { Answer } from '../answer.ts';
import { area } from '../case.ts';
import { ok, refused, same } from '../expect.ts';
import type { Steps } from '../steps.ts';
import { find } from '../xml.ts';
import { blockOf, nobody, ourId, policyOf, second, theirId, withPolicy } from './accounts.ts';
import { blocking, byId, get, grant, kinds, listed, listOf, ownership, put, putDocument } from './acl-steps.ts';

const { cases, rule } = area('what lists allow', 'userguide/acl-overview');

/* What lists let in. */
const aclOf: readonly (readonly [acl: string, anonymous: boolean, another: boolean])[] = [
  ['private', false, false],
  ['public-read', true, true],
  ['public-read-write', true, true],
  ['authenticated-read', false, true],
];
for (const [acl, anonymous, another] of aclOf)
  for (const [who, how, allowed, needs] of [
    ['an anonymous request', () => nobody, anonymous, []],
    ['another account', second, another, ['second']],
  ] as const) {
    const outcome = (answer: Answer) => (allowed ? ok(answer) : refused(answer, 'AccessDenied'));
    const verb = allowed ? 'done' : 'refused with AccessDenied';
    rule(
      `GetObject by ${who} of an object with ${acl} is ${verb}`,
      async (t) => {
        const bucket = await listed(t);
        await t.put(bucket, 'open', 'x', { 'x-amz-acl': acl });
        outcome(await t.get(bucket, 'open', { signing: how(t) }));
      },
      { needs },
    );
    rule(
      `ListObjectsV2 by ${who} of a bucket with ${acl} is ${verb}`,
      async (t) => {
        const bucket = await listed(t);
        ok(await put(t, bucket, '', { 'x-amz-acl': acl }));
        outcome(await t.get(bucket, '', { query: { 'list-type': '2' }, signing: how(t) }));
      },
      { needs },
    );
    rule(
      `PutObject by ${who} into a bucket with ${acl} is ${acl === 'public-read-write' ? 'done' : 'refused with AccessDenied'}`,
      async (t) => {
        const bucket = await listed(t);
        ok(await put(t, bucket, '', { 'x-amz-acl': acl }));
        const answer = await t.send('PUT', bucket, 'new', { body: 'x', signing: how(t) });
        if (acl === 'public-read-write') ok(answer);
        else refused(answer, 'AccessDenied');
      },
      { needs },
    );
  }
for (const [permission, reads, readsList, writesList] of [
  ['READ', true, false, false],
  ['READ_ACP', false, true, false],
  ['WRITE_ACP', false, false, true],
  ['FULL_CONTROL', true, true, true],
] as const)
  for (const [what, allowed, request] of [
    ['GetObject', reads, (t: Steps, bucket: string) => t.get(bucket, 'key', { signing: second(t) })],
    ['GetObjectAcl', readsList, (t: Steps, bucket: string) => get(t, bucket, 'key', { signing: second(t) })],
    [
      'PutObjectAcl',
      writesList,
      async (t: Steps, bucket: string) => {
        const us = await ourId(t);
        return putDocument(t, bucket, 'key', listOf(us, grant(byId(us), 'FULL_CONTROL')), { signing: second(t) });
      },
    ],
    ['DeleteObject', false, (t: Steps, bucket: string) => t.remove(bucket, 'key', { signing: second(t) })],
    ['PutObject', false, (t: Steps, bucket: string) => t.send('PUT', bucket, 'key', { body: 'x', signing: second(t) })],
  ] as const)
    rule(
      `${what} by an account with ${permission} of the object is ${allowed ? 'done' : 'refused with AccessDenied'}`,
      async (t) => {
        const bucket = await listed(t);
        const [us, them] = [await ourId(t), await theirId(t)];
        ok(
          await putDocument(
            t,
            bucket,
            'key',
            listOf(us, grant(byId(us), 'FULL_CONTROL'), grant(byId(them), permission)),
          ),
        );
        const answer = await request(t, bucket);
        if (allowed) ok(answer);
        else refused(answer, 'AccessDenied');
      },
      { needs: ['second'] },
    );
rule(
  'a list does not go along with a copy',
  async (t) => {
    const bucket = await listed(t);
    await t.put(bucket, 'open', 'x', { 'x-amz-acl': 'public-read' });
    ok(await t.send('PUT', bucket, 'copy', { headers: { 'x-amz-copy-source': `/${bucket}/open` } }));
    refused(await t.get(bucket, 'copy', { signing: nobody }), 'AccessDenied');
  },
  { source: 'API/API_CopyObject' },
);
rule('a list does not stay for the object that replaces it', async (t) => {
  const bucket = await listed(t);
  await t.put(bucket, 'open', 'x', { 'x-amz-acl': 'public-read' });
  await t.put(bucket, 'open');
  refused(await t.get(bucket, 'open', { signing: nobody }), 'AccessDenied');
});
rule('a policy that denies goes before a list that allows', async (t) => {
  const bucket = await listed(t);
  await t.put(bucket, 'open', 'x', { 'x-amz-acl': 'public-read' });
  await withPolicy(t, bucket, { Action: 's3:GetObject', Effect: 'Deny', Principal: '*' });
  refused(await t.get(bucket, 'open', { signing: nobody }), 'AccessDenied');
});

/* Whose an object is. */
for (const [kind, acl, owner] of [
  ['BucketOwnerEnforced', 'bucket-owner-full-control', 'the owner of the bucket'],
  ['BucketOwnerPreferred', 'bucket-owner-full-control', 'the owner of the bucket'],
  ['BucketOwnerPreferred', 'private', 'its writer'],
  ['ObjectWriter', 'bucket-owner-full-control', 'its writer'],
] as const)
  rule(
    `with ${kind}, what another account writes with ${acl} belongs to ${owner}`,
    async (t) => {
      const bucket = await listed(t, kind);
      await withPolicy(t, bucket, { Action: ['s3:PutObject', 's3:PutObjectAcl'] });
      ok(await t.send('PUT', bucket, 'theirs', { body: 'x', headers: { 'x-amz-acl': acl }, signing: second(t) }));
      const answer = ok(
        await t.get(bucket, '', { query: { 'list-type': '2', 'fetch-owner': 'true', prefix: 'theirs' } }),
      );
      const expected = owner === 'its writer' ? await theirId(t) : await ourId(t);
      same(find(answer.xml, 'Contents', 'Owner', 'ID')?.text, expected, 'ID of the owner', answer);
    },
    { ...ownership, needs: ['second'] },
  );

/* Blocks of public access. */
const block = async (t: Steps, bucket: string, ...names: readonly string[]) =>
  ok(await t.document('PUT', bucket, 'publicAccessBlock', blockOf(...names)));
for (const name of ['public-read', 'public-read-write', 'authenticated-read']) {
  for (const [, key, , operation] of kinds)
    rule(
      `BlockPublicAcls refuses ${operation} with ${name} with AccessDenied`,
      async (t) => {
        const bucket = await listed(t);
        await block(t, bucket, 'BlockPublicAcls');
        refused(await put(t, bucket, key, { 'x-amz-acl': name }), 'AccessDenied');
      },
      blocking,
    );
  rule(
    `BlockPublicAcls refuses PutObject with ${name} with AccessDenied`,
    async (t) => {
      const bucket = await listed(t);
      await block(t, bucket, 'BlockPublicAcls');
      refused(await t.send('PUT', bucket, 'new', { body: 'x', headers: { 'x-amz-acl': name } }), 'AccessDenied');
      refused(await t.get(bucket, 'new'), 'NoSuchKey');
    },
    blocking,
  );
  rule(
    `IgnorePublicAcls takes ${name} of an object for nothing`,
    async (t) => {
      const bucket = await listed(t);
      await t.put(bucket, 'open', 'x', { 'x-amz-acl': name });
      await block(t, bucket, 'IgnorePublicAcls');
      refused(await t.get(bucket, 'open', { signing: nobody }), 'AccessDenied');
    },
    blocking,
  );
}
rule(
  'BlockPublicAcls leaves lists that are there',
  async (t) => {
    const bucket = await listed(t);
    await t.put(bucket, 'open', 'x', { 'x-amz-acl': 'public-read' });
    await block(t, bucket, 'BlockPublicAcls');
    ok(await t.get(bucket, 'open', { signing: nobody }));
  },
  blocking,
);
rule(
  'BlockPublicPolicy refuses PutBucketPolicy of a public policy with AccessDenied',
  async (t) => {
    const bucket = await listed(t);
    await block(t, bucket, 'BlockPublicPolicy');
    refused(
      await t.send('PUT', bucket, '', { query: { policy: '' }, body: policyOf(bucket, { Action: 's3:GetObject' }) }),
      'AccessDenied',
    );
  },
  blocking,
);
rule(
  'BlockPublicPolicy takes a policy that is not public',
  async (t) => {
    const bucket = await listed(t);
    await block(t, bucket, 'BlockPublicPolicy');
    await withPolicy(t, bucket, {
      Action: 's3:GetObject',
      Condition: { IpAddress: { 'aws:SourceIp': '192.0.2.0/24' } },
    });
  },
  blocking,
);
rule(
  'BlockPublicPolicy leaves a policy that is there',
  async (t) => {
    const bucket = await listed(t);
    await withPolicy(t, bucket, { Action: 's3:GetObject' });
    await block(t, bucket, 'BlockPublicPolicy');
    ok(await t.get(bucket, 'key', { signing: nobody }));
  },
  blocking,
);
for (const [who, how, needs] of [
  ['anonymous requests', () => nobody, []],
  ['other accounts', second, ['second']],
] as const)
  rule(
    `RestrictPublicBuckets keeps ${who} out of a bucket with a public policy`,
    async (t) => {
      const bucket = await listed(t);
      await withPolicy(t, bucket, { Action: 's3:GetObject' });
      await block(t, bucket, 'RestrictPublicBuckets');
      refused(await t.get(bucket, 'key', { signing: how(t) }), 'AccessDenied');
      ok(await t.get(bucket, 'key'));
    },
    { ...blocking, needs },
  );

export const aclAccessCases = cases;
