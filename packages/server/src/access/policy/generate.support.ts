import fc from 'fast-check';
import type { NaivePolicies, NaiveRequest, NaiveRequester } from './naive.support.ts';

/* Policies and requests that meet often: few names, so that patterns match, and every element of the language. */

const [here, there] = ['111122223333', '444455556666'] as const;
const canonicalId = 'c'.repeat(64);

export const requesters: readonly NaiveRequester[] = [
  { kind: 'anonymous' },
  { kind: 'service', service: 'logging.s3.amazonaws.com' },
  { kind: 'provider', provider: 'accounts.example.com' },
  ...[here, there].flatMap((account): NaiveRequester[] => [
    { kind: 'root', account, arn: `arn:aws:iam::${account}:root`, ...(account === here && { canonicalId }) },
    { kind: 'user', account, arn: `arn:aws:iam::${account}:user/ann` },
    { kind: 'user', account, arn: `arn:aws:iam::${account}:user/team/bob`, ...(account === here && { canonicalId }) },
    {
      kind: 'role',
      account,
      arn: `arn:aws:sts::${account}:assumed-role/reader/night`,
      role: `arn:aws:iam::${account}:role/reader`,
    },
    {
      kind: 'federated',
      account,
      arn: `arn:aws:sts::${account}:federated-user/guest`,
      user: `arn:aws:iam::${account}:user/ann`,
    },
  ]),
];

const awsNames = [
  '*',
  here,
  there,
  ...requesters.flatMap((one) => [one.arn, one.role, one.user].filter((name) => name !== undefined)),
];

const some = <Item>(items: readonly Item[], most = 3) =>
  fc.array(fc.constantFrom(...items), { minLength: 1, maxLength: most });
const oneOrSome = <Item>(items: readonly Item[]) => fc.oneof(fc.constantFrom(...items), some(items));

const principal = (everyone: boolean) => {
  const names = everyone ? awsNames : awsNames.filter((name) => name !== '*');
  const byType = fc
    .record(
      {
        AWS: oneOrSome(names),
        Service: fc.constant('logging.s3.amazonaws.com'),
        Federated: fc.constant('accounts.example.com'),
        CanonicalUser: fc.constantFrom(canonicalId, 'd'.repeat(64)),
      },
      { requiredKeys: [] },
    )
    .filter((one) => Object.keys(one).length > 0);
  return everyone
    ? fc.oneof({ weight: 1, arbitrary: fc.constant('*' as const) }, { weight: 4, arbitrary: byType })
    : byType;
};

export const actions = [
  's3:GetObject',
  's3:GetObjectVersion',
  's3:PutObject',
  's3:ListBucket',
  's3:DeleteObject',
  's3:GetBucketPolicy',
];
const actionPatterns = [
  ...actions,
  '*',
  's3:*',
  's3:Get*',
  's3:getobject',
  's3:*Object',
  's3:?etObject',
  's3:PutObject?*',
];

export const resources = [
  'arn:aws:s3:::b',
  'arn:aws:s3:::b/a',
  'arn:aws:s3:::b/a/x:y',
  'arn:aws:s3:::b/home/ann/1',
  'arn:aws:s3:::b/home/*/1',
  'arn:aws:s3:::b/A',
  'arn:aws:s3:::b/\u{1f600}',
  'arn:aws:s3:::bb/a/../b',
  'arn:aws:s3:::*',
];
const resourcePatterns = [
  '*',
  ...resources,
  'arn:aws:s3:::b/*',
  'arn:aws:s3:::b*',
  'arn:aws:s3:::b/?',
  'arn:aws:s3:::b/??',
  'arn:*:s3:::b/a*',
  'arn:aws:s3:*:*:b/*',
  'arn:aws:s3:::b/home/${aws:username}/*',
  "arn:aws:s3:::b/home/${aws:username, 'nobody'}/*",
  'arn:aws:s3:::b/home/${*}/?',
  'arn:aws:s3:::*/a',
];

const texts = ['', 'a', 'ab', 'A', 'home/ann/', 'home/*', 'x:y', '\u{1f600}', 'true'];
const textPatterns = [
  ...texts,
  '*',
  'a*',
  '?',
  'h*/ann?',
  '${aws:username}',
  "${aws:username, 'a'}",
  '${*}',
  'home/${*}',
];
const arns = [
  'arn:aws:iam::111122223333:user/ann',
  'arn:aws:iam::111122223333:role/reader',
  'arn:aws:s3:::b',
  'no arn',
];
const arnPatterns = [
  ...arns.slice(0, 3),
  'arn:aws:iam::*:user/*',
  'arn:aws:*:*:*:*',
  'arn:aws:iam::1111*:?ole/reader',
  'arn:*:s3:::${s3:prefix}',
  '${aws:PrincipalArn}',
];
const numbers = ['0', '1', '1.5', '-2', '10', '100', 'many'];
const dates = [
  '2026-01-01T00:00:00Z',
  '2026-01-01T01:00:00+01:00',
  '2025-12-31',
  '1767225600',
  '2026-06-01T12:30:15.5Z',
];
const addresses = ['10.0.0.1', '10.0.1.255', '192.0.2.7', '::ffff:10.0.0.1', '2001:db8::1', '2001:db8:1::', '::'];
const networks = [
  '10.0.0.0/8',
  '10.0.0.0/24',
  '10.0.0.1',
  '0.0.0.0/0',
  '::/0',
  '2001:db8::/48',
  '2001:db8::1/128',
  '192.0.2.0/31',
];

/** For each family of operators: its operators, keys, values of requests and of policies. */
const families = [
  {
    operators: [
      'StringEquals',
      'StringNotEquals',
      'StringEqualsIgnoreCase',
      'StringNotEqualsIgnoreCase',
      'StringLike',
      'StringNotLike',
    ],
    keys: ['s3:prefix', 'aws:username', 'aws:TagKeys', 'aws:PrincipalTag/Team'],
    given: texts,
    wanted: textPatterns,
  },
  {
    operators: ['ArnEquals', 'ArnLike', 'ArnNotEquals', 'ArnNotLike'],
    keys: ['aws:PrincipalArn', 'aws:SourceArn'],
    given: arns,
    wanted: arnPatterns,
  },
  {
    operators: ['Equals', 'NotEquals', 'LessThan', 'LessThanEquals', 'GreaterThan', 'GreaterThanEquals'].map(
      (one) => `Numeric${one}`,
    ),
    keys: ['s3:max-keys', 's3:signatureAge'],
    given: numbers,
    wanted: numbers.slice(0, 6),
  },
  {
    operators: ['Equals', 'NotEquals', 'LessThan', 'LessThanEquals', 'GreaterThan', 'GreaterThanEquals'].map(
      (one) => `Date${one}`,
    ),
    keys: ['aws:CurrentTime', 'aws:TokenIssueTime'],
    given: dates,
    wanted: dates,
  },
  {
    operators: ['Bool'],
    keys: ['aws:SecureTransport', 'aws:MultiFactorAuthPresent'],
    given: ['true', 'false'],
    wanted: ['true', 'false', 'True'],
  },
  {
    operators: ['BinaryEquals'],
    keys: ['s3:x-amz-content-sha256'],
    given: ['YQ==', 'YWI=', '!'],
    wanted: ['YQ==', 'YWI='],
  },
  { operators: ['IpAddress', 'NotIpAddress'], keys: ['aws:SourceIp'], given: addresses, wanted: networks },
] as const;

const condition = fc
  .array(
    fc.oneof(
      {
        weight: 9,
        arbitrary: fc
          .constantFrom(...families)
          .chain(({ operators, keys, wanted }) =>
            fc
              .tuple(
                fc.constantFrom('', '', '', 'ForAllValues:', 'ForAnyValue:'),
                fc.constantFrom(...(operators as readonly string[])),
                fc.constantFrom('', '', 'IfExists'),
                fc.constantFrom(...(keys as readonly string[])),
                oneOrSome(wanted as readonly string[]),
              )
              .map(
                ([quantifier, operator, suffix, key, values]) =>
                  [`${quantifier}${operator}${suffix}`, key, values] as const,
              ),
          ),
      },
      {
        weight: 1,
        arbitrary: fc
          .tuple(
            fc.constantFrom(...families.flatMap((one) => one.keys as readonly string[])),
            fc.constantFrom('true', 'false'),
          )
          .map(([key, value]) => ['Null', key, value] as const),
      },
    ),
    { maxLength: 2 },
  )
  .map((list) => {
    const block: Record<string, Record<string, unknown>> = {};
    for (const [operator, key, values] of list) block[operator] = { ...block[operator], [key]: values };
    return block;
  });

const either = (name: string, values: fc.Arbitrary<unknown>) =>
  fc.tuple(fc.constantFrom(name, name, name, `Not${name}`), values).map(([key, value]) => ({ [key]: value }));

const statement = (resource: boolean) =>
  fc
    .tuple(
      fc.constantFrom('Allow', 'Allow', 'Allow', 'Deny'),
      fc.boolean(),
      principal(true),
      principal(false),
      either('Action', oneOrSome(actionPatterns)),
      either('Resource', oneOrSome(resourcePatterns)),
      condition,
    )
    .map(([effect, inverse, everyone, named, action, target, conditions]) => ({
      Effect: effect,
      ...(resource && (effect === 'Deny' && inverse ? { NotPrincipal: named } : { Principal: everyone })),
      ...action,
      ...target,
      ...(Object.keys(conditions).length > 0 && { Condition: conditions }),
    }));

/** A whole ARN as a variable is one in the newer version only; in the older it is a text without six fields, which is refused. */
const newerOnly = '"${aws:PrincipalArn}"';

export const policy = (resource: boolean): fc.Arbitrary<Record<string, unknown>> =>
  fc
    .record({
      Version: fc.constantFrom('2012-10-17', '2012-10-17', '2008-10-17'),
      Statement: fc.array(statement(resource), { minLength: 1, maxLength: 3 }),
    })
    .map((one) => (JSON.stringify(one).includes(newerOnly) ? { ...one, Version: '2012-10-17' } : one));

const perhaps = <Value>(arbitrary: fc.Arbitrary<Value>) => fc.option(arbitrary, { nil: undefined, freq: 2 });

export const policies: fc.Arbitrary<NaivePolicies> = fc.record({
  identity: fc.array(policy(false), { maxLength: 2 }),
  boundary: perhaps(policy(false)),
  session: perhaps(fc.array(policy(false), { minLength: 1, maxLength: 2 })),
  resource: fc.option(policy(true), { nil: undefined }),
});

/** Some keys of the context, each with one value or a few. */
const context = fc
  .tuple(
    ...families.flatMap(({ keys, given }) =>
      keys.map((key) => {
        const values = given as readonly string[];
        const several = key === 'aws:TagKeys' ? some(values) : some(values, 1);
        return fc.option(
          several.map((list) => [key.toLowerCase(), list] as const),
          { nil: undefined },
        );
      }),
    ),
  )
  .map((entries) => new Map(entries.filter((entry) => entry !== undefined)));

export const request: fc.Arbitrary<NaiveRequest> = fc.record({
  requester: fc.constantFrom(...requesters),
  action: fc.constantFrom(...actions),
  resource: fc.constantFrom(...resources),
  resourceAccount: fc.constantFrom(here, here, there, undefined),
  context,
});
