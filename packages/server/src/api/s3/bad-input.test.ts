import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { after, before, describe, it } from 'node:test';
import type { ErrorCode, StoreError } from '../../errors.ts';
import type { Exchange } from '../http/exchange.ts';
import { lineOf, rightBody, rightHeaders, rows } from './bad-input.support.ts';
import { kinds, type Refused } from './bad-input-cells.support.ts';
import { type Answer, type Harness, secret, startHarness } from './harness.support.ts';
import { refusedOperations, type S3Operation, supportedOperations } from './names.ts';
import { operations } from './operations.ts';
import { type MemoryStore, openMemoryStore } from './store.support.ts';

/*
 * Every operation × every kind of bad input, really sent to the protocol over the real store: status, code and the words that AWS has for it, and a
 * line in the log that explains it. Nothing of it changes the store.
 */

/** How messages begin that AWS has words for (https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html, and what it answers). */
const words: Partial<Record<ErrorCode, RegExp>> = {
  BucketAlreadyExists: /^The requested bucket name is not available/,
  BucketNotEmpty: /^The bucket you tried to delete is not empty/,
  InvalidBucketName: /^The specified bucket is not valid/,
  InvalidDigest: /^The Content-MD5 (?:or checksum value )?(?:that )?you specified/,
  InvalidEncryptionAlgorithmError: /^The encryption request that you specified is not valid/,
  InvalidLocationConstraint: /^The specified location constraint is not valid/,
  InvalidObjectState: /current state of the object|not.*archived|Restore is not allowed/i,
  InvalidPart: /^One or more of the specified parts could not be found/,
  InvalidPartOrder: /^The list of parts was not in ascending order/,
  InvalidRange: /^The requested range is not satisfiable/,
  InvalidStorageClass: /^The storage class (?:that )?you specified is not valid/,
  KeyTooLongError: /^Your key is too long/,
  MalformedXML: /^The XML you provided was not well-formed or did not validate against our published schema/,
  MaxMessageLengthExceeded: /^Your request was too large/,
  MetadataTooLarge: /^Your metadata headers exceed the maximum allowed metadata size/,
  MissingContentLength: /^You must provide the Content-Length HTTP header/,
  MissingRequestBodyError: /^Request body is empty/,
  NoSuchBucket: /^The specified bucket does not exist/,
  NoSuchBucketPolicy: /^The bucket policy does not exist/,
  NoSuchKey: /^The specified key does not exist/,
  NoSuchTagSet: /^The TagSet does not exist/,
  NoSuchUpload: /^The specified upload does not exist/,
  PreconditionFailed: /^At least one of the pre-conditions you specified did not hold/,
};

const all: readonly S3Operation[] = [...supportedOperations, ...refusedOperations];
const table = rows(all);

let store: MemoryStore;
let s3: Harness;
let upload = '';
/** What was logged of refusals, by the id of the request. */
const logged = new Map<string, { readonly operation: string; readonly error: StoreError }>();

before(async () => {
  store = await openMemoryStore();
  const refusals = {
    note: ({ id, operation }: Exchange, error: StoreError) => void logged.set(id, { operation, error }),
  };
  s3 = await startHarness(store.objects, { position: store.position, refusals });
  const lists = { 'x-amz-object-ownership': 'BucketOwnerPreferred' };
  const locks = { 'x-amz-bucket-object-lock-enabled': 'true' };
  for (const [name, headers] of [
    ['bad', lists],
    ['enforced', {}],
    ['locked', locks],
  ] as const) {
    assert.equal((await s3.send('PUT', `/${name}`, { headers })).status, 200);
    assert.equal((await s3.send('PUT', `/${name}/k`, { body: 'x' })).status, 200);
  }
  upload = (await s3.send('POST', '/bad/u', { query: { uploads: '' } })).xml('UploadId') ?? '';
});
after(async () => {
  await s3.close();
  await store.close();
});

/** A signature of zeros, over these headers: what is wrong with them is said before it is looked at. */
function unverified(headers: Record<string, string>): void {
  const now = new Date().toISOString().replace(/[-:]|\.\d{3}/g, '');
  headers['x-amz-date'] = now;
  const names = [...Object.keys(headers).filter((name) => name.startsWith('x-amz-')), 'host'].sort().join(';');
  headers['authorization'] =
    `AWS4-HMAC-SHA256 Credential=key-root/${now.slice(0, 8)}/us-east-1/s3/aws4_request, SignedHeaders=${names}, Signature=${'0'.repeat(64)}`;
}

function send(
  operation: S3Operation,
  { line = lineOf(operation), body = rightBody(operation), headers: change, as }: Refused,
): Promise<Answer> {
  const [method = '', target = ''] = line.replaceAll('{upload}', upload).split(' ');
  const [path = '', query] = target.split('?');
  const md5 = body === '' ? {} : { 'content-md5': createHash('md5').update(body).digest('base64') };
  const headers = Object.fromEntries(
    Object.entries({ ...rightHeaders(operation), ...md5, ...change }).filter(
      (one): one is [string, string] => one[1] !== undefined,
    ),
  );
  if (headers['authorization'] !== undefined) unverified(headers);
  return s3.send(method, path, {
    query: Object.fromEntries(new URLSearchParams(query)),
    headers,
    body,
    ...(as && { as }),
  });
}

async function check(operation: S3Operation, cell: Refused): Promise<void> {
  const answer = await send(operation, cell);
  const at = `${cell.line ?? lineOf(operation)} ${JSON.stringify(cell.headers ?? {})} ${(cell.body ?? '').slice(0, 120)}: ${answer.text.slice(0, 500)}`;
  const code = answer.code ?? answer.headers['x-dsom-error-code'];
  assert.deepEqual([answer.status, code], [cell.status, cell.code], at);
  const message = answer.xml('Message');
  if (message !== undefined) {
    assert.match(message, words[cell.code] ?? /\w+ \w+/, at);
    if (cell.message) assert.match(message.replaceAll('&apos;', "'"), cell.message, at);
  }
  const line = logged.get(String(answer.headers['x-amz-request-id']));
  assert.ok(line, `nothing is logged of ${at}`);
  assert.deepEqual([line.operation, line.error.code], [operation, cell.code], at);
  assert.ok(!line.error.message.includes(secret));
}

describe('bad input', () => {
  it('is thought of for every operation, and every kind', () => {
    assert.deepEqual([...table.keys()].sort(), [...operations.keys()].sort());
    for (const [operation, row] of table)
      for (const kind of kinds)
        assert.ok(
          row[kind].length > 0 && (typeof row[kind] !== 'string' || row[kind].length > 20),
          `${operation}: ${kind} is neither sent nor explained`,
        );
    const cells = [...table.values()].flatMap((row) => Object.values(row));
    assert.ok(cells.filter((cell) => typeof cell !== 'string').length >= 480, 'most cells are sent');
  });

  for (const [operation, row] of table)
    it(`${operation} refuses it as documented`, async () => {
      await Promise.all(
        kinds.flatMap((kind) => (typeof row[kind] === 'string' ? [] : row[kind].map((cell) => check(operation, cell)))),
      );
    });

  it('has changed nothing, and nothing of it was a failure of the server', async () => {
    assert.deepEqual(s3.logged, []);
    assert.deepEqual((await s3.send('GET', '/')).all('Name'), ['bad', 'enforced', 'locked']);
    assert.deepEqual((await s3.send('GET', '/bad')).all('Key'), ['k']);
    assert.equal((await s3.send('GET', '/bad/k')).text, 'x');
    assert.equal((await s3.send('GET', '/bad', { query: { uploads: '' } })).xml('UploadId'), upload);
    for (const query of ['tagging', 'policy', 'cors', 'website', 'lifecycle'])
      assert.equal((await s3.send('GET', '/bad', { query: { [query]: '' } })).status, 404, query);
  });
});
