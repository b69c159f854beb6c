import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { canonicalPolicy, conditionKeys, PolicyError, type PolicyKind, parsePolicy } from './index.ts';

const read = (policy: unknown, kind: PolicyKind = 'identity', bucket?: string) =>
  parsePolicy(typeof policy === 'string' ? policy : JSON.stringify(policy), {
    kind,
    ...(bucket !== undefined && { bucket }),
  });

const one = (statement: object, version = '2012-10-17') => ({ Version: version, Statement: [statement] });
const plain = { Effect: 'Allow', Action: 's3:GetObject', Resource: 'arn:aws:s3:::b/*' };
const open = { ...plain, Principal: '*' };
const when = (Condition: unknown) => one({ ...plain, Condition });

/** Text, kind, place, and what the message says. */
const refused: readonly (readonly [unknown, PolicyKind, string, RegExp])[] = [
  ['', 'identity', '', /ends too early/],
  ['[]', 'identity', '', /must be an object/],
  ['{"Version":"2012-10-17",}', 'identity', '', /name of an element must stand here/],
  ['{"Statement":[]} x', 'identity', '', /more text behind the end/],
  ['{"Statement":[],"Statement":[]}', 'identity', '', /"Statement" is given twice/],
  ['{"Version":"2012-10-17","Version":"2008-10-17","Statement":[]}', 'identity', '', /"Version" is given twice/],
  [`${'['.repeat(20)}`, 'identity', '', /nested too deeply/],
  ['{"Id":"\\ud800","Statement":[]}', 'identity', '', /half of a character/],
  [`{"Statement":[]}${' '.repeat(10_240)}`, 'identity', '', /10256 bytes, 10240 are allowed/],
  [`{"Statement":[]}${' '.repeat(20_480)}`, 'resource', '', /20496 bytes, 20480 are allowed/],
  [{ Version: '2012-10-17' }, 'identity', '', /has no Statement/],
  [{ Statement: [] }, 'identity', 'Statement', /is empty/],
  [{ ...one(plain), Version: '2012-10-18' }, 'identity', 'Version', /must be "2012-10-17"/],
  [{ ...one(plain), version: '2012-10-17' }, 'identity', '', /"version"; did you mean Version\?/],
  [one({ ...plain, Effects: 'Deny' }), 'identity', 'Statement[0]', /"Effects"; did you mean Effect\?/],
  [one({ ...plain, Effect: 'allow' }), 'identity', 'Statement[0].Effect', /did you mean Allow/],
  [one({ ...plain, Effect: undefined }), 'identity', 'Statement[0]', /has no Effect/],
  [one({ ...plain, Action: undefined }), 'identity', 'Statement[0]', /has no Action/],
  [one({ ...plain, Resource: undefined }), 'identity', 'Statement[0]', /has no Resource/],
  [one({ ...plain, NotAction: 's3:*' }), 'identity', 'Statement[0]', /Action and NotAction exclude/],
  [one({ ...plain, NotResource: '*' }), 'identity', 'Statement[0]', /Resource and NotResource exclude/],
  [one({ ...plain, Action: [] }), 'identity', 'Statement[0].Action', /empty list/],
  [one({ ...plain, Action: 'GetObject' }), 'identity', 'Statement[0].Action', /write SERVICE:ACTION/],
  [one({ ...plain, Action: '*:GetObject' }), 'identity', 'Statement[0].Action', /is no action/],
  [one({ ...plain, Action: 7 }), 'identity', 'Statement[0].Action', /must be a string/],
  [one({ ...plain, Resource: 'b/*' }), 'identity', 'Statement[0].Resource', /six fields/],
  [one({ ...plain, Resource: 'arn:aws:*:::b' }), 'identity', 'Statement[0].Resource', /service .* written out/],
  [one({ ...plain, Resource: 'arn:aws:s3::${aws:username}:b' }), 'identity', 'Statement[0].Resource', /fifth colon/],
  [one({ ...plain, Resource: 'arn:aws:s3:::b/${aws:username' }), 'identity', 'Statement[0].Resource', /not closed/],
  [one({ ...plain, Resource: 'arn:aws:s3:::b/${user}' }), 'identity', 'Statement[0].Resource', /is no variable/],
  [one({ ...plain, Sid: 'a b' }), 'identity', 'Statement[0].Sid', /letters and digits/],
  [
    {
      Statement: [
        { ...plain, Sid: 'a' },
        { ...plain, Sid: 'a' },
      ],
    },
    'identity',
    'Statement[1].Sid',
    /earlier statement/,
  ],
  [one(open), 'identity', 'Statement[0]', /names no principal/],
  [one(plain), 'resource', 'Statement[0]', /names no Principal/],
  [one({ ...open, Principal: {} }), 'resource', 'Statement[0].Principal', /names nobody/],
  [one({ ...open, Principal: 'ann' }), 'resource', 'Statement[0].Principal', /must be "\*"/],
  [one({ ...open, Principal: { Aws: '*' } }), 'resource', 'Statement[0].Principal', /did you mean AWS/],
  [one({ ...open, Principal: { AWS: 'ann' } }), 'resource', 'Statement[0].Principal.AWS', /is no principal/],
  [one({ ...open, Principal: { AWS: '12345678901' } }), 'resource', 'Statement[0].Principal.AWS', /is no principal/],
  [
    one({ ...open, Principal: { AWS: 'arn:aws:iam::111122223333:user/*' } }),
    'resource',
    'Statement[0].Principal.AWS',
    /aws:PrincipalArn/,
  ],
  [
    one({ ...open, Principal: { Federated: '*' } }),
    'resource',
    'Statement[0].Principal.Federated',
    /no identity provider/,
  ],
  [one({ ...open, Principal: { Service: '*' } }), 'resource', 'Statement[0].Principal.Service', /no service/],
  [
    one({ ...open, Principal: { CanonicalUser: 'F'.repeat(64) } }),
    'resource',
    'Statement[0].Principal.CanonicalUser',
    /64 hexadecimal/,
  ],
  [one({ ...plain, NotPrincipal: { AWS: '111122223333' } }), 'resource', 'Statement[0]', /NotPrincipal with Allow/],
  [one({ ...plain, Effect: 'Deny', NotPrincipal: '*' }), 'resource', 'Statement[0].NotPrincipal', /spares everyone/],
  [one({ ...open, NotPrincipal: '*' }), 'resource', 'Statement[0]', /exclude each other/],
  [one({ ...open, Action: 's3:GetObjekt' }), 'resource', 'Statement[0].Action', /did you mean GetObject\?/],
  [one({ ...open, Action: 'iam:GetUser' }), 'resource', 'Statement[0].Action', /actions of s3 only/],
  [one({ ...open, Resource: 'arn:aws:iam:::x' }), 'resource', 'Statement[0].Resource', /resources of s3 only/],
  [one(open), 'trust', 'Statement[0]', /remove Resource/],
  [when({}), 'identity', 'Statement[0].Condition', /is empty/],
  [when({ StringEquals: {} }), 'identity', 'Statement[0].Condition.StringEquals', /is empty/],
  [
    when({ StringEquals: { 's3:prefix': [] } }),
    'identity',
    'Statement[0].Condition.StringEquals.s3:prefix',
    /empty list/,
  ],
  [
    when({ StringEquals: { 's3:prefix': null } }),
    'identity',
    'Statement[0].Condition.StringEquals.s3:prefix',
    /must be a string/,
  ],
  [when({ StringEqual: { 's3:prefix': 'a' } }), 'identity', 'Statement[0].Condition', /did you mean StringEquals/],
  [when({ stringEquals: { 's3:prefix': 'a' } }), 'identity', 'Statement[0].Condition', /did you mean StringEquals/],
  [when({ constructor: { 's3:prefix': 'a' } }), 'identity', 'Statement[0].Condition', /there is no operator/],
  [
    when({ 'ForSomeValues:StringEquals': { 's3:prefix': 'a' } }),
    'identity',
    'Statement[0].Condition',
    /there is no operator/,
  ],
  [when({ NullIfExists: { 's3:prefix': 'true' } }), 'identity', 'Statement[0].Condition', /Null takes neither/],
  [when({ Null: { 's3:prefix': 'yes' } }), 'identity', 'Statement[0].Condition.Null.s3:prefix', /"true"/],
  [
    when({ StringEquals: { 's3:prefx': 'a' } }),
    'identity',
    'Statement[0].Condition.StringEquals',
    /did you mean s3:prefix/,
  ],
  [
    when({ StringEquals: { 'aws:PrincipalTag/': 'a' } }),
    'identity',
    'Statement[0].Condition.StringEquals',
    /no condition key/,
  ],
  [
    when({ StringEquals: { 's3:prefix': 'a', 'S3:Prefix': 'b' } }),
    'identity',
    'Statement[0].Condition.StringEquals',
    /given twice/,
  ],
  [
    when({ NumericEquals: { 's3:max-keys': '1e3' } }),
    'identity',
    'Statement[0].Condition.NumericEquals.s3:max-keys',
    /not a number/,
  ],
  [
    when({ NumericEquals: { 's3:max-keys': '${s3:prefix}' } }),
    'identity',
    'Statement[0].Condition.NumericEquals.s3:max-keys',
    /not a number/,
  ],
  [
    when({ DateEquals: { 'aws:CurrentTime': '2026-02-30' } }),
    'identity',
    'Statement[0].Condition.DateEquals.aws:CurrentTime',
    /not a time/,
  ],
  [
    when({ Bool: { 'aws:SecureTransport': 'yes' } }),
    'identity',
    'Statement[0].Condition.Bool.aws:SecureTransport',
    /true or false/,
  ],
  [when({ BinaryEquals: { 's3:prefix': 'a' } }), 'identity', 'Statement[0].Condition.BinaryEquals.s3:prefix', /base64/],
  [
    when({ IpAddress: { 'aws:SourceIp': '10.0.0.0/33' } }),
    'identity',
    'Statement[0].Condition.IpAddress.aws:SourceIp',
    /no address/,
  ],
  [
    when({ IpAddress: { 'aws:SourceIp': '*' } }),
    'identity',
    'Statement[0].Condition.IpAddress.aws:SourceIp',
    /no address/,
  ],
  [
    when({ ArnLike: { 'aws:SourceArn': '*' } }),
    'identity',
    'Statement[0].Condition.ArnLike.aws:SourceArn',
    /six fields/,
  ],
];

describe('a policy that is refused', () => {
  for (const [policy, kind, place, message] of refused) {
    const text = typeof policy === 'string' ? policy : JSON.stringify(policy);
    it(`${kind}: ${text.slice(0, 120)}`, () => {
      assert.throws(
        () => read(policy, kind),
        (error) => error instanceof PolicyError && error.place === place && message.test(error.message),
        `${place}: ${message}`,
      );
    });
  }

  it('says the line and the column', () => {
    const text = JSON.stringify(one({ ...plain, Action: 'GetObject' }), undefined, 2);
    assert.throws(() => read(text), /^PolicyError: Statement\[0\]\.Action \(line 6, column 17\): /);
  });

  it('is for another bucket', () => {
    for (const Resource of ['arn:aws:s3:::c', 'arn:aws:s3:::c/*', 'arn:aws:s3:::bb/*'])
      assert.throws(() => read(one({ ...open, Resource }), 'resource', 'b'), /is for the bucket b/);
    for (const Resource of ['*', 'arn:aws:s3:::b', 'arn:aws:s3:::b/*', 'arn:aws:s3:::b*', 'arn:aws:s3:::?'])
      read(one({ ...open, Resource }), 'resource', 'b');
  });

  it('never fails in another way, whatever the text', () => {
    const words = [
      '{',
      '}',
      '[',
      ']',
      ':',
      ',',
      '"Statement"',
      '"Effect"',
      '"Allow"',
      '"Condition"',
      '"StringLike"',
      '"${"',
      '1',
      'null',
      '\\',
      '"',
    ];
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string(),
          fc.json(),
          fc.array(fc.constantFrom(...words)).map((list) => list.join('')),
        ),
        (text) => {
          try {
            read(text, 'resource');
          } catch (error) {
            assert.ok(error instanceof PolicyError, String(error));
          }
        },
      ),
      { numRuns: 3000 },
    );
  });
});

describe('a policy that is taken', () => {
  it('may be of the older version, which has no variables, and is by default', () => {
    const policy = read({ Statement: { ...plain, Resource: 'arn:aws:s3:::b/${aws:username}' } });
    assert.equal(policy.version, '2008-10-17');
    read({ Statement: { ...plain, Resource: 'arn:aws:s3:::b/${' } });
  });

  it('has one canonical form, whatever its spelling', () => {
    const a = one({
      Resource: ['arn:aws:s3:::b/b', 'arn:aws:s3:::b/a', 'arn:aws:s3:::b/a'],
      Action: 's3:GetObject',
      Effect: 'Allow',
      Principal: { AWS: ['111122223333', 'arn:aws:iam::111122223333:root'] },
      Condition: { Bool: { 'aws:SecureTransport': true }, StringEquals: { 'S3:Prefix': ['b', 'a'] } },
    });
    const b = one({
      Effect: 'Allow',
      Principal: { AWS: '111122223333' },
      Action: ['S3:GetObject'.toLowerCase()],
      Resource: ['arn:aws:s3:::b/a', 'arn:aws:s3:::b/b'],
      Condition: { StringEquals: { 's3:prefix': ['a', 'b'] }, Bool: { 'aws:securetransport': 'true' } },
    });
    assert.equal(canonicalPolicy(read(a, 'resource')), canonicalPolicy(read(b, 'resource')));
  });

  it('may ask for every condition key there is, and no key stands in the table twice', () => {
    const names = conditionKeys.map(({ name }) => name.toLowerCase());
    assert.equal(new Set(names).size, names.length);
    for (const { name } of conditionKeys) read(when({ Null: { [name.endsWith('/') ? `${name}x y` : name]: 'true' } }));
  });

  it('may trust accounts, providers and services', () => {
    for (const Principal of [
      { AWS: '111122223333' },
      { Federated: 'accounts.example.com' },
      { Service: 's3.amazonaws.com' },
    ])
      read(one({ Effect: 'Allow', Principal, Action: 'sts:AssumeRole' }), 'trust');
  });
});
