import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { conditionKey, s3Actions } from '../../access/index.ts';
import { refusedOperations, type S3Operation, supportedOperations } from './names.ts';
import { causesOf, type NeedCause, permissionsOf, questionsOf, type RequestFacts } from './permissions.ts';

const all: readonly S3Operation[] = [...supportedOperations, ...refusedOperations];

/** Answered before anybody is asked who he is. */
const preflight = 'OptionsObject';

const asked = (operation: S3Operation, facts: Partial<RequestFacts> & { readonly why?: readonly NeedCause[] } = {}) =>
  questionsOf(operation, {
    target: { bucket: 'b', key: 'k', versionId: undefined },
    source: undefined,
    each: [],
    causes: new Set(facts.why),
    ...facts,
  }).map(({ action, resource }) => `${action.slice(3)} ${resource.slice(13)}`);

describe('what operations need', () => {
  it('is known of every operation; none that is done is allowed by nothing', () => {
    for (const operation of all) assert.ok(permissionsOf(operation), operation);
    for (const operation of supportedOperations.filter((one) => one !== preflight))
      assert.ok(
        permissionsOf(operation).needs.some((need) => need.cause === undefined),
        operation,
      );
  });

  it('is made of actions of S3, on what they can be done to, and of condition keys that exist', () => {
    const level = { account: 'account', bucket: 'bucket', object: 'object', source: 'object', each: 'object' } as const;
    for (const operation of all) {
      const { needs, keys } = permissionsOf(operation);
      for (const { action, versionAction, target } of needs)
        for (const name of [action, versionAction])
          assert.equal(s3Actions.get(name), level[target], `${operation}: ${name}`);
      for (const key of keys) assert.ok(conditionKey(key.endsWith('/') ? `${key}x` : key), `${operation}: ${key}`);
      assert.equal(new Set(keys).size, keys.length, operation);
    }
  });

  it('depends on the version', () => {
    const target = { bucket: 'b', key: 'k', versionId: 'v' };
    assert.deepEqual(asked('GetObject'), ['GetObject b/k']);
    assert.deepEqual(asked('GetObject', { target }), ['GetObjectVersion b/k']);
    assert.deepEqual(asked('HeadObject', { target }), ['GetObjectVersion b/k']);
    assert.deepEqual(asked('DeleteObject', { target }), ['DeleteObjectVersion b/k']);
    assert.deepEqual(asked('GetObjectAttributes', { target }), [
      'GetObjectVersionAttributes b/k',
      'GetObjectVersion b/k',
    ]);
  });

  it('is more where headers ask for more', () => {
    assert.deepEqual(asked('PutObject'), ['PutObject b/k']);
    assert.deepEqual(asked('PutObject', { why: ['tagging'] }), ['PutObject b/k', 'PutObjectTagging b/k']);
    assert.deepEqual(asked('PutObject', { why: ['acl', 'retention', 'legal-hold'] }).sort(), [
      'PutObject b/k',
      'PutObjectAcl b/k',
      'PutObjectLegalHold b/k',
      'PutObjectRetention b/k',
    ]);
    assert.deepEqual(asked('DeleteObject', { why: ['bypass'] }), ['DeleteObject b/k', 'BypassGovernanceRetention b/k']);
    assert.deepEqual(asked('CreateBucket', { why: ['object-lock'] }), [
      'CreateBucket b',
      'PutBucketObjectLockConfiguration b',
      'PutBucketVersioning b',
    ]);
  });

  it('GHSA-mx42, GHSA-wfxj: is asked of the source of a copy too, with its version', () => {
    const source = { bucket: 'from', key: 'old', versionId: undefined };
    for (const operation of ['CopyObject', 'UploadPartCopy'] as const) {
      assert.deepEqual(asked(operation, { source }), ['PutObject b/k', 'GetObject from/old']);
      const versioned = { ...source, versionId: 'v' };
      assert.deepEqual(asked(operation, { source: versioned }), ['PutObject b/k', 'GetObjectVersion from/old']);
    }
    assert.deepEqual(asked('CopyObject', { source, why: ['copied-tags'] }), [
      'PutObject b/k',
      'GetObject from/old',
      'GetObjectTagging from/old',
      'PutObjectTagging b/k',
    ]);
  });

  it('is never asked of a copy without its source', () => {
    assert.throws(() => asked('CopyObject'), /names its source/);
  });

  it('is asked of every object of a batch', () => {
    const each = [
      { bucket: 'b', key: 'x', versionId: undefined },
      { bucket: 'b', key: 'y', versionId: 'v' },
    ];
    assert.deepEqual(asked('DeleteObjects', { each }), ['DeleteObject b/x', 'DeleteObjectVersion b/y']);
  });

  it('names the account where there is no bucket', () => {
    assert.deepEqual(asked('ListBuckets'), ['ListAllMyBuckets *']);
  });
});

it('headers are causes of needs', () => {
  const causes = (headers: Record<string, string>) => [...causesOf((name) => headers[name], Object.keys(headers))];
  assert.deepEqual(causes({ 'content-type': 'text/plain' }), []);
  assert.deepEqual(causes({ 'x-amz-grant-read': 'id=x', 'x-amz-tagging': '' }), ['acl', 'tagging']);
  assert.deepEqual(causes({ 'x-amz-acl': 'private', 'x-amz-object-ownership': 'ObjectWriter' }), ['acl', 'ownership']);
  assert.deepEqual(causes({ 'x-amz-object-lock-mode': 'GOVERNANCE', 'x-amz-object-lock-legal-hold': 'ON' }), [
    'retention',
    'legal-hold',
  ]);
  assert.deepEqual(causes({ 'x-amz-bypass-governance-retention': 'TRUE' }), ['bypass']);
  assert.deepEqual(causes({ 'x-amz-bypass-governance-retention': 'false' }), []);
  assert.deepEqual(causes({ 'x-amz-bucket-object-lock-enabled': 'true' }), ['object-lock']);
});
