import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Accounts, accessList, grantHeaders, grantsHere, isPlain, listDocument } from './acl.ts';
import { denies, renamed } from './configurations.ts';

const [me, other] = ['a'.repeat(64), 'b'.repeat(64)];
const everybody = 'http://acs.amazonaws.com/groups/global/AllUsers';
const accounts: Accounts = { owner: 'first', self: me, named: new Map([['second', other]]), blocksPublic: false };

const grant = (grantee: string, permission = 'READ') =>
  `<Grant><Grantee xmlns:xsi="x" xsi:type="y">${grantee}</Grantee><Permission>${permission}</Permission></Grant>`;
const id = (name: string) => `<ID>${name}</ID><DisplayName>someone</DisplayName>`;
const list = (owner: string, ...grants: string[]) =>
  accessList(
    `<AccessControlPolicy xmlns="z"><Owner>${id(owner)}</Owner><AccessControlList>${grants.join('')}</AccessControlList></AccessControlPolicy>`,
  );

function here(given: ReturnType<typeof list>, change: Partial<Accounts> = {}) {
  const left: string[] = [];
  const grants = grantsHere(given, { ...accounts, ...change }, (why) => left.push(why));
  return { headers: grantHeaders(grants), plain: isPlain(grants, me), left: left.join('\n'), grants };
}

test('a list grants here what it grants there, to whom accounts are called here', () => {
  const given = list(
    'first',
    grant(id('first'), 'FULL_CONTROL'),
    grant(id('second')),
    grant(id('second'), 'READ_ACP'),
    grant(`<URI>${everybody}</URI>`),
  );
  const { headers, left, plain, grants } = here(given);
  assert.deepEqual(headers, {
    'x-amz-grant-full-control': `id="${me}"`,
    'x-amz-grant-read': `id="${other}", uri="${everybody}"`,
    'x-amz-grant-read-acp': `id="${other}"`,
  });
  assert.deepEqual([left, plain], ['', false]);
  assert.deepEqual(accessList(listDocument(me, grants)), { owner: me, grants });
});

test('what has nobody here, or counts for nothing there, is left out by name', () => {
  const given = list(
    'first',
    grant(id('first'), 'FULL_CONTROL'),
    grant(id('stranger')),
    grant(`<URI>${everybody}</URI>`),
    grant('<URI>http://acs.amazonaws.com/groups/other</URI>'),
    grant('<EmailAddress>a@example.com</EmailAddress>'),
  );
  const { headers, left, plain } = here(given, { blocksPublic: true });
  assert.deepEqual(headers, { 'x-amz-grant-full-control': `id="${me}"` });
  assert.ok(plain);
  for (const said of [/stranger, left out: --account stranger=ID/, /everybody/, /groups\/other/, /a@example.com/])
    assert.match(left, said);
});

test('an object of another owner becomes that of who migrates, and is told', () => {
  const { headers, left } = here(list('second', grant(id('second'), 'FULL_CONTROL'), grant(id('first'))));
  assert.deepEqual(headers, { 'x-amz-grant-full-control': `id="${other}"`, 'x-amz-grant-read': `id="${me}"` });
  assert.match(left, /owner second/);
});

test('a list that cannot be read grants nothing and ends the copy', () => {
  assert.throws(() => list('first', grant(id('second'), 'EVERYTHING')), { code: 'InvalidResponse' });
  assert.throws(() => accessList('<ListBucketResult></ListBucketResult>'), { code: 'InvalidResponse' });
  // Of a store without lists.
  assert.deepEqual(list('', grant('', 'FULL_CONTROL')), { owner: '', grants: [] });
});

test('a policy that denies is told from one that only allows', () => {
  const policy = (...effects: string[]) => JSON.stringify({ Statement: effects.map((Effect) => ({ Effect })) });
  assert.equal(denies(policy('Allow', 'Allow')), false);
  assert.equal(denies(policy('Allow', 'Deny')), true);
  assert.equal(denies('{"Statement":{"Effect":"Deny"}}'), true);
  assert.equal(denies('{"Statement":'), true);
});

test('a bucket of another name is called so in its own documents, and no other is', () => {
  const text = '["arn:aws:s3:::a.b","arn:aws:s3:::a.b/*","arn:aws:s3:::a.b-c/*","arn:aws:s3:::axb/*"]';
  assert.equal(
    renamed(text, 'a.b', 'n'),
    '["arn:aws:s3:::n","arn:aws:s3:::n/*","arn:aws:s3:::a.b-c/*","arn:aws:s3:::axb/*"]',
  );
  assert.equal(renamed('<TargetBucket>a.b</TargetBucket>', 'a.b', 'n'), '<TargetBucket>n</TargetBucket>');
});
