import assert from 'node:assert/strict';
import { after, describe, it } from 'node:test';
import { realHost } from '../host/index.ts';
import { createRestHandler, routes } from './rest/handler.ts';
import type { Route } from './rest/route.ts';
import { type Send, secret, startHarness } from './s3/harness.support.ts';
import { refusedOperations, type S3Operation, supportedOperations } from './s3/names.ts';
import { fakeObjects } from './s3/objects.support.ts';
import { permissionsOf } from './s3/permissions.ts';
import { examples } from './s3/requests.support.ts';

/*
 * Every operation of S3 and every route of the native API, with every kind of credentials: what is not expected to be let in is not. The
 * table is total: a new operation, route or way to say who one is cannot come without an answer here.
 */

const { service } = fakeObjects();
const host = realHost();
const nothing = new Proxy({}, { get: () => () => Promise.resolve([]) });
const s3 = await startHarness(service, {
  beside: (authenticator) =>
    createRestHandler({
      objects: service,
      keys: {
        list: () => [],
        use: () => undefined,
        create: () => Promise.reject(new Error('none')),
        revoke: () => Promise.resolve(),
      },
      accounts: nothing as never,
      quotas: nothing as never,
      authenticator,
      host,
      region: 'us-east-1',
      version: '0',
      position: () => 0,
      admin: () => Promise.resolve({}),
      exchange: { clock: host.clock, timers: host.timers, ended: () => undefined },
      requestId: () => 'id',
      unexpected: () => undefined,
    }),
});
after(() => s3.close());
/** Whether a request may have changed what they are asked about: one that was refused has not. */
let changed = true;
const restore = async () => {
  if (!changed) return;
  changed = false;
  for (const bucket of ['b0b', 'scoped']) await s3.send('PUT', `/${bucket}`);
  for (const kind of ['acl', 'ownershipControls', 'policy', 'publicAccessBlock'] as const)
    await service.configure('b0b', kind, null);
  await s3.send('PUT', '/b0b/k', { body: 'x' });
};

type Kind =
  | 'anonymous'
  | 'root'
  | 'readwrite'
  | 'readonly'
  | 'scoped'
  | 'foreign'
  | 'presigned'
  | 'wrong signature'
  | 'unknown key'
  | 'bearer'
  | 'wrong bearer'
  | 'old signature'
  | 'other scheme'
  | 'two kinds'
  | 'session token';

/** A signature of zeros over the headers that are always there. */
function unsigned(id: string): Send {
  const now = new Date(host.clock.now()).toISOString().replace(/[-:]|\.\d{3}/g, '');
  const scope = `${now.slice(0, 8)}/us-east-1/s3/aws4_request`;
  const authorization = `AWS4-HMAC-SHA256 Credential=${id}/${scope}, SignedHeaders=host;x-amz-content-sha256;x-amz-date, Signature=${'0'.repeat(64)}`;
  return { as: 'anonymous', headers: { authorization, 'x-amz-date': now, 'x-amz-content-sha256': 'UNSIGNED-PAYLOAD' } };
}

/** How a request says who it is, and what is answered when that is no way to say it: a status and a code, or `as` whose key it is. */
const kinds: Readonly<Record<Kind, { readonly send: Send; readonly refused?: readonly [number, string] }>> = {
  anonymous: { send: { as: 'anonymous' } },
  root: { send: { as: 'root' } },
  readwrite: { send: { as: 'readwrite' } },
  readonly: { send: { as: 'readonly' } },
  scoped: { send: { as: 'scoped' } },
  foreign: { send: { as: 'foreign' } },
  presigned: { send: { as: 'presigned' } },
  'wrong signature': { send: unsigned('key-root'), refused: [403, 'SignatureDoesNotMatch'] },
  'unknown key': { send: unsigned('nobody'), refused: [403, 'InvalidAccessKeyId'] },
  bearer: { send: { as: 'anonymous', headers: { authorization: `Bearer key-root.${secret}` } } },
  'wrong bearer': {
    send: { as: 'anonymous', headers: { authorization: 'Bearer key-root.guess' } },
    refused: [403, 'AccessDenied'],
  },
  'old signature': {
    send: { as: 'anonymous', headers: { authorization: 'AWS key-root:c2ln' } },
    refused: [400, 'InvalidRequest'],
  },
  'other scheme': {
    send: { as: 'anonymous', headers: { authorization: 'Basic a2V5OnNlY3JldA==' } },
    refused: [400, 'InvalidArgument'],
  },
  'two kinds': {
    send: { as: 'presigned', headers: { authorization: `Bearer key-root.${secret}` } },
    refused: [400, 'InvalidArgument'],
  },
  'session token': {
    send: { as: 'root', headers: { 'x-amz-security-token': 'forged' } },
    refused: [400, 'InvalidToken'],
  },
};

const reads = (operation: S3Operation) =>
  permissionsOf(operation).needs.every(({ action, cause }) => cause !== undefined || /^(?:Get|List)/.test(action));

/** Whether somebody may do an operation of S3 to a bucket of the first account that says nothing of itself. */
function mayS3(kind: Kind, operation: S3Operation): boolean {
  switch (kind) {
    case 'root':
    case 'readwrite':
    case 'presigned':
      return true;
    case 'readonly':
      return reads(operation);
    case 'scoped':
      return (
        /^List(?:Directory)?Buckets$/.test(operation) ||
        permissionsOf(operation).needs.length === 0 ||
        operation === 'DeleteObjects'
      );
    case 'foreign':
      return (
        /^List(?:Directory)?Buckets$|^CreateBucket$/.test(operation) || permissionsOf(operation).needs.length === 0
      );
    default:
      return false;
  }
}

/** The same over the native API, where the root key's bearer is let in and nobody is anonymous. */
function mayRest(kind: Kind, { access, id }: Route): boolean {
  if (kind === 'anonymous') return false;
  const as = kind === 'bearer' ? 'root' : kind;
  if (access === 'admin') return as === 'root' || as === 'presigned';
  // What it is asked, it asks itself; whoever has a key gets as far.
  if (access === 'open') return id !== 'updateBucket' || !['readonly', 'scoped', 'foreign'].includes(as);
  if (access.later) {
    // An object that only its body names: who may do nothing of the kind is refused before.
    return as !== 'readonly' && as !== 'foreign';
  }
  return access.operations.every((one) => mayS3(as, one));
}

const missingRights: ReadonlySet<number> = new Set([403]);

describe('every operation of S3', () => {
  const all: readonly S3Operation[] = [...supportedOperations, ...refusedOperations];
  for (const kind of Object.keys(kinds) as Kind[])
    it(`with ${kind}`, async () => {
      const { send, refused } = kinds[kind];
      for (const operation of all) {
        await restore();
        const example = examples[operation];
        const [line, headers = {}] = typeof example === 'string' ? [example] : example;
        const [method = '', url = ''] = line.split(' ');
        const [path = '', query = ''] = url.replace(/^\/b\b/, '/b0b').split('?');
        const more = Object.fromEntries(
          Object.entries(headers).map(([name, value]) => [name, value.replace(/^\/?b\//, '/b0b/')]),
        );
        const got = await s3.send(method, path, {
          ...send,
          query: Object.fromEntries(new URLSearchParams(query)),
          headers: { ...more, ...send.headers },
        });
        changed ||= got.status < 400;
        const what = `${operation} with ${kind}: ${got.status} ${got.text}`;
        const code = method === 'HEAD' ? got.headers['x-dsom-error-code'] : got.code;
        if (operation === 'OptionsObject') continue;
        // Signed by its form (post-object tests): whoever says who he is elsewhere, or nowhere, stores nothing.
        if (operation === 'PostObject') {
          assert.ok(got.status >= 400 && got.status < 500, what);
          continue;
        }
        // A header that no signature covers is refused before anybody is looked for.
        const uncovered =
          send.headers?.['x-amz-date'] !== undefined && Object.keys(more).some((name) => name.startsWith('x-amz-'));
        if (refused && kind !== 'wrong bearer' && !uncovered) assert.deepEqual([got.status, code], refused, what);
        else if (mayS3(kind, operation)) assert.ok(!missingRights.has(got.status) || code !== 'AccessDenied', what);
        else assert.deepEqual([got.status, code], [403, 'AccessDenied'], what);
      }
    });
});

describe('every route of the native API (CVE-2023-28432, GHSA-vcwh, GHSA-jqmc, GHSA-f5cv, GHSA-xp32)', () => {
  for (const kind of Object.keys(kinds) as Kind[])
    it(`with ${kind}`, async () => {
      const { send, refused } = kinds[kind];
      for (const route of routes) {
        await restore();
        const path = route.path
          .replace('{bucket}', 'b0b')
          .replace('{key...}', 'k')
          .replace(/\{[a-zA-Z.]+\}/g, '1');
        const query = /\/uploads\/\{/.test(route.path)
          ? { key: 'k' }
          : route.id === 'appendObject'
            ? { append: '' }
            : {};
        // What breaks the connection has begun to answer: there is no owner's thread behind this server.
        const broken = { status: 0, text: '' };
        const got = await s3.send(route.method, `/-/${path}`, { ...send, query }).catch(() => broken);
        changed ||= got.status < 400;
        const code = got.text.startsWith('{') ? String((JSON.parse(got.text) as { code?: string }).code) : '';
        const what = `${route.id} with ${kind}: ${got.status} ${got.text.slice(0, 200)}`;
        if (refused) {
          assert.equal(got.status, refused[0], what);
          if (route.method !== 'HEAD') assert.equal(code, refused[1], what);
        } else assert.equal(got.status !== 403, mayRest(kind, route), what);
      }
    });
});
