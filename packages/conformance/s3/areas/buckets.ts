import { area } from '../case.ts';
import { percent } from '../client.ts';
import { header, ok, refused, same, shape } from '../expect.ts';

const { cases, rule } = area('buckets', 'API/API_CreateBucket');

/* Names (userguide/bucketnamingrules). */
const naming = { source: 'userguide/bucketnamingrules' };
const refusedNames: readonly (readonly [string, string])[] = [
  ['has at least 3 characters: one is refused', 'a'],
  ['has at least 3 characters: two are refused', 'ab'],
  ['has at most 63 characters: 64 are refused', 'x'.repeat(64)],
  ['has at most 63 characters: 255 are refused', 'x'.repeat(255)],
  ['has no uppercase letters', 'UpperCase'],
  ['has no uppercase letter at its end', 'name-of-a-buckeT'],
  ['has no underscore', 'has_underscore'],
  ['has no space', 'has space'],
  ['has no exclamation mark', 'has!mark'],
  ['has no plus sign', 'has+plus'],
  ['has no at sign', 'has@sign'],
  ['has no asterisk', 'has*asterisk'],
  ['has no dollar sign', 'has$dollar'],
  ['has no colon', 'has:colon'],
  ['has no letters beyond a to z', 'bücket'],
  ['has no control characters', 'has\u0001control'],
  ['begins with a letter or a number: no hyphen', '-begins'],
  ['begins with a letter or a number: no period', '.begins'],
  ['ends with a letter or a number: no hyphen', 'ends-'],
  ['ends with a letter or a number: no period', 'ends.'],
  ['has no two adjacent periods', 'two..periods'],
  ['is not formatted as an IP address', '192.168.5.4'],
];
for (const [name, bucket] of refusedNames)
  rule(
    `the name of a bucket ${name}`,
    async (t) => refused(await t.at('PUT', `/${percent(bucket)}`), 'InvalidBucketName'),
    naming,
  );

const acceptedNames: readonly (readonly [string, (random: string) => string])[] = [
  ['may have 3 characters', (r) => r.slice(6, 9)],
  ['may have 63 characters', (r) => r.padEnd(63, 'x')],
  ['may hold hyphens', (r) => `${r}-a-b`],
  ['may hold two hyphens side by side', (r) => `${r}--b`],
  ['may hold periods', (r) => `${r}.a.b`],
  ['may begin with a number', (r) => `7${r}`],
  ['may end with a number', (r) => `${r}-7`],
  ['may be numbers only', (r) => r.replace(/\D/g, (c) => String(c.charCodeAt(0) % 10))],
  ['may look like an address of five numbers', (r) => `1.2.3.4.${r.slice(6, 12)}`],
];
for (const [name, make] of acceptedNames)
  rule(
    `the name of a bucket ${name}`,
    async (t) => {
      const bucket = make(t.newName());
      ok(await t.send('PUT', bucket));
      t.mine(bucket);
      ok(await t.send('HEAD', bucket));
    },
    naming,
  );

/* CreateBucket. */
rule('CreateBucket answers 200 with the Location of the bucket', async (t) => {
  const bucket = t.mine(t.newName());
  const made = ok(await t.send('PUT', bucket));
  header(made, 'location', /\/dsomc-/);
  same(made.body.length, 0, 'bytes of the body', made);
});
rule("CreateBucket of one's own bucket is refused with BucketAlreadyOwnedByYou outside us-east-1", async (t) => {
  const bucket = await t.bucket();
  const again = await t.send('PUT', bucket);
  // "For legacy compatibility, if you re-create an existing bucket that you already own in us-east-1, Amazon S3 returns 200 OK".
  if (t.store.region === 'us-east-1' && again.status === 200) return;
  refused(again, 'BucketAlreadyOwnedByYou');
});
rule('CreateBucket again leaves the objects of the bucket alone', async (t) => {
  const bucket = await t.bucket();
  await t.put(bucket, 'stays');
  await t.send('PUT', bucket);
  ok(await t.get(bucket, 'stays'));
});
rule(
  'CreateBucket of a bucket of another account is refused with BucketAlreadyExists',
  async (t) => {
    const bucket = await t.bucket();
    refused(await t.send('PUT', bucket, '', { signing: { account: t.store.second! } }), 'BucketAlreadyExists');
  },
  { needs: ['second', 'tenant'] },
);
const configuration = (inner: string) =>
  `<CreateBucketConfiguration xmlns="http://s3.amazonaws.com/doc/2006-03-01/">${inner}</CreateBucketConfiguration>`;
rule('CreateBucket takes a CreateBucketConfiguration without a LocationConstraint', async (t) => {
  ok(await t.send('PUT', t.mine(t.newName()), '', { body: configuration('') }));
});
rule('CreateBucket refuses a LocationConstraint that is no region', async (t) => {
  const body = configuration('<LocationConstraint>nowhere-at-all</LocationConstraint>');
  refused(
    await t.send('PUT', t.mine(t.newName()), '', { body }),
    'InvalidLocationConstraint',
    'IllegalLocationConstraintException',
  );
});
rule('a bucket that CreateBucket has refused is not there', async (t) => {
  const bucket = t.mine(t.newName());
  await t.send('PUT', bucket, '', { body: configuration('<LocationConstraint>nowhere-at-all</LocationConstraint>') });
  refused(await t.get(bucket, ''), 'NoSuchBucket');
});
rule('CreateBucket takes tags in its configuration', async (t) => {
  const bucket = t.mine(t.newName());
  const body = configuration('<Tags><Tag><Key>team</Key><Value>red</Value></Tag></Tags>');
  ok(await t.send('PUT', bucket, '', { body }));
  const tags = ok(await t.send('GET', bucket, '', { query: { tagging: '' } }));
  same(tags.texts('Key'), ['team'], 'tag keys', tags);
});
rule('CreateBucket refuses an ACL that it does not know', async (t) => {
  refused(await t.send('PUT', t.mine(t.newName()), '', { headers: { 'x-amz-acl': 'everybody' } }), 'InvalidArgument');
});
rule('CreateBucket refuses an object ownership that it does not know', async (t) => {
  const headers = { 'x-amz-object-ownership': 'Nobody' };
  refused(await t.send('PUT', t.mine(t.newName()), '', { headers }), 'InvalidArgument');
});
rule('CreateBucket keeps the object ownership of its header', async (t) => {
  const bucket = await t.bucket({ headers: { 'x-amz-object-ownership': 'BucketOwnerEnforced' } });
  const controls = ok(await t.send('GET', bucket, '', { query: { ownershipControls: '' } }));
  same(controls.texts('ObjectOwnership'), ['BucketOwnerEnforced'], 'ObjectOwnership', controls);
});
rule('a name is free again once its bucket is deleted', async (t) => {
  const bucket = await t.bucket();
  ok(await t.send('DELETE', bucket), 204);
  ok(await t.send('PUT', bucket));
});
rule('a bucket that is made again is empty', async (t) => {
  const bucket = await t.bucket();
  await t.put(bucket, 'object');
  ok(await t.remove(bucket, 'object'), 204);
  ok(await t.send('DELETE', bucket), 204);
  ok(await t.send('PUT', bucket));
  const listed = ok(await t.get(bucket, ''));
  same(listed.texts('Key'), [], 'keys', listed);
});

/* HeadBucket. */
const heading = { source: 'API/API_HeadBucket' };
rule(
  'HeadBucket answers 200 without a body',
  async (t) => {
    const answer = ok(await t.send('HEAD', await t.bucket()));
    same(answer.body.length, 0, 'bytes of the body', answer);
  },
  heading,
);
rule(
  'HeadBucket names the region of the bucket',
  async (t) => {
    header(ok(await t.send('HEAD', await t.bucket())), 'x-amz-bucket-region', /^[a-z0-9-]+$/);
  },
  heading,
);
rule(
  'HeadBucket of a bucket that is not there answers 404 without a body',
  async (t) => {
    refused(await t.send('HEAD', t.newName()), 'NoSuchBucket');
  },
  heading,
);
rule(
  'HeadBucket takes a path with a slash behind the name',
  async (t) => {
    ok(await t.at('HEAD', `/${await t.bucket()}/`));
  },
  heading,
);
rule(
  'HeadBucket of a bucket of another account answers 403',
  async (t) => {
    refused(await t.send('HEAD', await t.bucket(), '', { signing: { account: t.store.second! } }), 'AccessDenied');
  },
  { ...heading, needs: ['second'] },
);

/* DeleteBucket. */
const deleting = { source: 'API/API_DeleteBucket' };
rule(
  'DeleteBucket answers 204 without a body',
  async (t) => {
    const answer = ok(await t.send('DELETE', await t.bucket()), 204);
    same(answer.body.length, 0, 'bytes of the body', answer);
  },
  deleting,
);
rule(
  'a bucket is not there after DeleteBucket',
  async (t) => {
    const bucket = await t.bucket();
    ok(await t.send('DELETE', bucket), 204);
    refused(await t.send('HEAD', bucket), 'NoSuchBucket');
  },
  deleting,
);
rule(
  'DeleteBucket of a bucket that is not there is refused with NoSuchBucket',
  async (t) => {
    refused(await t.send('DELETE', t.newName()), 'NoSuchBucket');
  },
  deleting,
);
rule(
  'DeleteBucket of a bucket with an object is refused with BucketNotEmpty',
  async (t) => {
    const bucket = await t.bucket();
    await t.put(bucket, 'object');
    refused(await t.send('DELETE', bucket), 'BucketNotEmpty');
    ok(await t.get(bucket, 'object'));
  },
  deleting,
);
rule(
  'DeleteBucket of a bucket with nothing but a delete marker is refused with BucketNotEmpty',
  async (t) => {
    const bucket = await t.versioned();
    ok(await t.remove(bucket, 'never-was'), 204);
    refused(await t.send('DELETE', bucket), 'BucketNotEmpty');
  },
  deleting,
);
rule(
  'DeleteBucket of a bucket with a version behind a delete marker is refused with BucketNotEmpty',
  async (t) => {
    const bucket = await t.versioned();
    await t.put(bucket, 'object');
    ok(await t.remove(bucket, 'object'), 204);
    refused(await t.send('DELETE', bucket), 'BucketNotEmpty');
  },
  deleting,
);
rule(
  'DeleteBucket succeeds once all versions are deleted',
  async (t) => {
    const bucket = await t.versioned();
    const { versionId } = await t.put(bucket, 'object');
    ok(await t.remove(bucket, 'object', { query: { versionId } }), 204);
    ok(await t.send('DELETE', bucket), 204);
  },
  deleting,
);
rule(
  'DeleteBucket of a bucket of another account is refused with AccessDenied',
  async (t) => {
    refused(await t.send('DELETE', await t.bucket(), '', { signing: { account: t.store.second! } }), 'AccessDenied');
  },
  { ...deleting, needs: ['second'] },
);

/* GetBucketLocation. */
const location = { source: 'API/API_GetBucketLocation' };
rule(
  'GetBucketLocation answers a LocationConstraint that is empty in us-east-1',
  async (t) => {
    const answer = ok(await t.send('GET', await t.bucket(), '', { query: { location: '' } }));
    shape(answer, 'LocationConstraint');
    if (t.store.region === 'us-east-1') same(answer.xml.text, '', 'region', answer);
  },
  location,
);

export const bucketCases = cases;
