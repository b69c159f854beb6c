import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { conditionKeys, type RequestContext, type Standing } from '../../access/index.ts';
import { refusedOperations, supportedOperations } from './names.ts';
import { permissionsOf } from './permissions.ts';
import { type RequestKnowledge, requestContext } from './request-context.ts';

const account = '111122223333';
const ann: Standing = {
  requester: { kind: 'user', account, arn: `arn:aws:iam::${account}:user/team/ann` },
  userId: 'AIDA1',
  tags: new Map([['Team', 'red']]),
  session: undefined,
};

const nothing = () => new Map<string, string>();

interface Given extends Partial<Omit<RequestKnowledge, 'header' | 'parameter'>> {
  readonly headers?: Readonly<Record<string, string>>;
  readonly parameters?: Readonly<Record<string, string>>;
}

const contextFor = ({ headers = {}, parameters = {}, ...more }: Given = {}): RequestContext =>
  requestContext({
    operation: 'GetObject',
    standing: ann,
    connection: { address: '::ffff:10.1.2.3', secure: true, tls: 'TLSv1.3', device: undefined },
    nowMs: Date.UTC(2026, 0, 31, 12),
    region: 'us-east-1',
    header: (name) => headers[name],
    parameter: (name) => parameters[name],
    signature: { where: 'header', madeMs: Date.UTC(2026, 0, 31, 11, 59) },
    resourceAccount: account,
    versionId: undefined,
    requestTags: nothing,
    objectTags: nothing,
    bucketTags: nothing,
    locationConstraint: undefined,
    ...more,
  });

describe('the context of a request', () => {
  it('says who asks, how and when', () => {
    const context = contextFor({ headers: { 'user-agent': 'aws-cli' } });
    for (const [key, value] of Object.entries({
      'aws:currenttime': '2026-01-31T12:00:00.000Z',
      'aws:epochtime': '1769860800',
      'aws:securetransport': 'true',
      'aws:sourceip': '::ffff:10.1.2.3',
      'aws:useragent': 'aws-cli',
      'aws:username': 'ann',
      'aws:userid': 'AIDA1',
      'aws:principalarn': `arn:aws:iam::${account}:user/team/ann`,
      'aws:principaltype': 'User',
      'aws:principalisawsservice': 'false',
      's3:authtype': 'REST-HEADER',
      's3:signatureversion': 'AWS4-HMAC-SHA256',
      's3:tlsversion': '1.3',
      's3:resourceaccount': account,
    }))
      assert.equal(context.values(key), value, key);
    assert.deepEqual(context.values('aws:principaltag/team'), ['red']);
    for (const key of [
      'aws:referer',
      's3:signatureage',
      'aws:multifactorauthpresent',
      'dsom:deviceid',
      'aws:sourcevpce',
    ])
      assert.equal(context.values(key), undefined, key);
  });

  it('knows of TLS that ends at a proxy, and not its version', () => {
    const connection = { address: '10.1.2.3', secure: true, tls: undefined, device: undefined };
    const context = contextFor({ connection });
    assert.deepEqual([context.values('aws:securetransport'), context.values('s3:tlsversion')], ['true', undefined]);
  });

  it('GHSA-6r96, CVE-2026-21862: is not what headers and parameters call themselves', () => {
    const names = [
      'aws:sourceip',
      'aws:username',
      'aws:principaltag/admin',
      's3:tlsversion',
      's3:authtype',
      'dsom:deviceid',
    ];
    const forged = Object.fromEntries(
      names.flatMap((name) => [
        [name, 'forged'],
        [name.split(':')[1], 'forged'],
      ]),
    );
    const headers = { ...forged, 'x-forwarded-for': '192.0.2.1', 'x-real-ip': '192.0.2.1', forwarded: 'for=192.0.2.1' };
    const honest = contextFor();
    const context = contextFor({ headers, parameters: forged });
    for (const name of names) assert.deepEqual(context.values(name), honest.values(name), name);
  });

  it('has a key of S3 only for operations that have it', () => {
    const parameters = { prefix: 'home/', delimiter: '/', 'max-keys': '7' };
    const headers = { 'x-amz-acl': 'public-read', 'x-amz-storage-class': 'COOL', 'if-match': '"e"' };
    const get = contextFor({ parameters, headers });
    const list = contextFor({ operation: 'ListObjectsV2', parameters, headers });
    const put = contextFor({ operation: 'PutObject', parameters, headers });
    for (const key of ['s3:prefix', 's3:delimiter', 's3:max-keys']) {
      assert.equal(get.values(key), undefined, key);
      assert.equal(put.values(key), undefined, key);
      assert.ok(list.values(key), key);
    }
    for (const key of ['s3:x-amz-acl', 's3:x-amz-storage-class', 's3:if-match']) {
      assert.equal(get.values(key), undefined, key);
      assert.equal(list.values(key), undefined, key);
      assert.ok(put.values(key), key);
    }
  });

  it('has the tags of the object, of the bucket and of the request, by keys without case', () => {
    const tags = {
      requestTags: () =>
        new Map([
          ['A', '1'],
          ['b', '2'],
        ]),
      objectTags: () =>
        new Map([
          ['class', 'x'],
          ['Class', 'y'],
        ]),
      bucketTags: () => new Map([['cost', '9']]),
    };
    const put = contextFor({ operation: 'PutObject', ...tags });
    assert.deepEqual(put.values('s3:requestobjecttag/a'), ['1']);
    assert.deepEqual(put.values('s3:requestobjecttagkeys'), ['A', 'b']);
    assert.equal(put.values('s3:existingobjecttag/class'), undefined);
    const get = contextFor(tags);
    assert.deepEqual(get.values('s3:existingobjecttag/class'), ['x', 'y']);
    assert.equal(get.values('s3:requestobjecttag/a'), undefined);
    assert.deepEqual(get.values('aws:resourcetag/cost'), ['9']);
    assert.equal(contextFor({ operation: 'PutObject' }).values('s3:requestobjecttagkeys'), undefined);
  });

  it('looks tags up only when a policy asks', () => {
    const never = () => assert.fail('looked up');
    const context = contextFor({ requestTags: never, objectTags: never, bucketTags: never });
    assert.equal(context.values('aws:username'), 'ann');
  });

  it('tells presigned requests by their age, and sessions by what they showed', () => {
    const madeMs = Date.UTC(2026, 0, 31, 11, 59);
    assert.equal(contextFor({ signature: { where: 'query', madeMs } }).values('s3:signatureage'), '60000');
    const session = { issuedMs: madeMs, secondFactorMs: undefined, provider: undefined, sourceIdentity: 'ann' };
    const role = {
      kind: 'role',
      account,
      arn: `arn:aws:sts::${account}:assumed-role/r/s`,
      role: `arn:aws:iam::${account}:role/r`,
    } as const;
    const context = contextFor({ standing: { ...ann, requester: role, session } });
    assert.equal(context.values('aws:principalarn'), role.role);
    assert.equal(context.values('aws:username'), undefined);
    assert.equal(context.values('aws:multifactorauthpresent'), 'false');
    assert.equal(context.values('aws:tokenissuetime'), '2026-01-31T11:59:00.000Z');
  });

  it('gives anonymous requests no name, and unencrypted ones no version of TLS', () => {
    const connection = { address: '10.0.0.1', secure: false, tls: undefined, device: undefined };
    const context = contextFor({
      standing: { requester: { kind: 'anonymous' }, userId: undefined, tags: nothing(), session: undefined },
      signature: undefined,
      connection,
    });
    for (const key of [
      'aws:username',
      'aws:principalarn',
      'aws:principalaccount',
      's3:authtype',
      's3:signatureversion',
      's3:tlsversion',
    ])
      assert.equal(context.values(key), undefined, key);
    assert.equal(context.values('aws:securetransport'), 'false');
    assert.equal(context.values('aws:principaltype'), 'Anonymous');
  });

  it('knows nothing that the table of condition keys does not say, and all that it does', () => {
    const lower = (key: string) => (key.endsWith('/') ? `${key}t` : key).toLowerCase();
    const some = () => new Map([['t', 'v']]);
    const device = { id: 'd', fingerprint: '0' };
    const session = { issuedMs: 0, secondFactorMs: 0, provider: 'p', sourceIdentity: 's' };
    const seen = new Set<string>();
    const service = { kind: 'service', service: 'logging.s3.amazonaws.com' } as const;
    for (const operation of [...supportedOperations, ...refusedOperations])
      for (const requester of [ann.requester, service]) {
        const context = requestContext({
          operation,
          standing: { ...ann, requester, session, tags: some() },
          connection: { address: '10.0.0.1', secure: true, tls: 'TLSv1.2', device },
          nowMs: 0,
          region: 'r',
          header: () => '2026-01-01T00:00:00Z',
          parameter: () => '1',
          signature: { where: 'query', madeMs: 0 },
          resourceAccount: account,
          versionId: 'v',
          requestTags: some,
          objectTags: some,
          bucketTags: some,
          locationConstraint: 'l',
        });
        for (const { name, from } of conditionKeys) {
          if (context.values(lower(name)) === undefined) continue;
          assert.ok(from, `${name} has a value here, and the table says that none has`);
          seen.add(name);
        }
        for (const key of permissionsOf(operation).keys) {
          // The document of an inventory is not known here.
          if (key !== 's3:InventoryAccessibleOptionalFields')
            assert.ok(context.values(lower(key)), `${operation}: ${key}`);
        }
      }
    const rest = conditionKeys
      .filter(({ name, from }) => from !== undefined && !seen.has(name))
      .map(({ name }) => name);
    assert.deepEqual(rest, [
      'aws:SourceAccount',
      'aws:SourceArn',
      'iam:PolicyARN',
      'iam:PermissionsBoundary',
      'iam:ResourceTag/',
      'sts:ExternalId',
      'sts:RoleSessionName',
      'sts:SourceIdentity',
      'sts:DurationSeconds',
      'sts:TransitiveTagKeys',
      's3:InventoryAccessibleOptionalFields',
    ]);
  });
});
