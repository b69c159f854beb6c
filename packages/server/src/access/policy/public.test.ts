import assert from 'node:assert/strict';
import { it } from 'node:test';
import { isPublic, parsePolicy } from './index.ts';

const of = (...statements: object[]) =>
  isPublic(
    parsePolicy(
      JSON.stringify({
        Version: '2012-10-17',
        Statement: statements.map((one) => ({
          Effect: 'Allow',
          Principal: '*',
          Action: 's3:GetObject',
          Resource: 'arn:aws:s3:::b/*',
          ...one,
        })),
      }),
      { kind: 'resource' },
    ),
  );
const when = (Condition: object) => of({ Condition });

it('a policy is public until it names who', () => {
  assert.equal(of({}), true);
  assert.equal(of({ Principal: { AWS: '*' } }), true);
  assert.equal(of({ Principal: { AWS: ['123456789012', '*'] } }), true);
  assert.equal(of({ Principal: { AWS: '123456789012' } }), false);
  assert.equal(of({ Principal: { Service: 'logging.s3.amazonaws.com' } }), false);
  assert.equal(of({ Effect: 'Deny' }), false);
  assert.equal(of({ Principal: { AWS: '123456789012' } }, {}), true, 'one statement is enough');
});

it('a condition counts when it holds who asks to fixed values', () => {
  for (const [condition, expected] of [
    [{ IpAddress: { 'aws:SourceIp': '192.0.2.0/24' } }, false],
    [{ IpAddress: { 'aws:SourceIp': ['192.0.2.0/24', '0.0.0.0/1'] } }, true],
    [{ IpAddress: { 'aws:SourceIp': '0.0.0.0/0' } }, true],
    [{ IpAddress: { 'aws:SourceIp': '11.0.0.0/8' } }, false],
    [{ IpAddress: { 'aws:SourceIp': '12.0.0.0/7' } }, true],
    [{ IpAddress: { 'aws:SourceIp': '10.0.0.0/8' } }, false],
    [{ IpAddress: { 'aws:SourceIp': '2001:db8::/32' } }, false],
    [{ IpAddress: { 'aws:SourceIp': '2000::/31' } }, true],
    [{ NotIpAddress: { 'aws:SourceIp': '192.0.2.0/24' } }, true],
    [{ IpAddressIfExists: { 'aws:SourceIp': '192.0.2.0/24' } }, true],
    [{ StringEquals: { 'aws:PrincipalOrgID': 'o-1' } }, false],
    [{ StringLike: { 'aws:PrincipalOrgID': 'o-*' } }, true],
    [{ StringNotEquals: { 'aws:PrincipalOrgID': 'o-1' } }, true],
    [{ StringEquals: { 'aws:SourceVpc': 'vpc-91237329' } }, false],
    [{ StringLike: { 'aws:SourceVpc': 'vpc-*' } }, true],
    [{ StringLike: { 'aws:userid': 'AROAEXAMPLEID:*' } }, false],
    [{ StringLike: { 'aws:userid': '*' } }, true],
    [{ StringEquals: { 'aws:PrincipalArn': '${aws:username}' } }, true],
    [{ 'ForAllValues:StringEquals': { 'aws:PrincipalOrgPaths': 'o-1/r-1/' } }, true],
    [{ 'ForAnyValue:StringEquals': { 'aws:PrincipalOrgPaths': 'o-1/r-1/' } }, false],
    [{ StringEquals: { 'aws:Referer': 'https://example.com' } }, true],
    [{ Bool: { 'aws:SecureTransport': 'true' } }, true],
    [{ Bool: { 'aws:SecureTransport': 'true' }, StringEquals: { 'aws:PrincipalAccount': '123456789012' } }, false],
  ] as const)
    assert.equal(when(condition), expected, JSON.stringify(condition));
});
