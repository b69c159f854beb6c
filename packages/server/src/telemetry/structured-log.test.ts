import assert from 'node:assert/strict';
import { test } from 'node:test';
import { StoreError } from '../errors.ts';
import { manualHost } from '../host/index.ts';
import { limits } from '../limits.ts';
import { createLog, type LogLevel } from './index.ts';

const rootSecret = 'wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY';

function capture(level?: LogLevel) {
  const lines: string[] = [];
  const log = createLog({
    clock: manualHost().clock,
    write: (line) => lines.push(line),
    ...(level ? { level } : {}),
    fields: { worker: 2 },
    secrets: [rootSecret],
  });
  return { log, lines, last: (): Record<string, unknown> => JSON.parse(lines.at(-1) as string) };
}

test('one JSON object per line, from the level on', () => {
  const { log, lines, last } = capture('warn');
  log.info('not written');
  log.with({ request: 'r1' }).warn('disk is slow\nreally', { device: 'd1', took: 12, time: 'forged', none: undefined });
  assert.equal(lines.length, 1);
  assert.equal(lines[0]?.indexOf('\n'), (lines[0]?.length as number) - 1);
  assert.ok(lines[0]?.startsWith('{"time":"2023-11-14T22:13:20.000Z","level":"warn","event":"disk is slow\\nreally"'));
  assert.deepEqual(last(), {
    time: '2023-11-14T22:13:20.000Z',
    level: 'warn',
    event: 'disk is slow\nreally',
    worker: 2,
    request: 'r1',
    device: 'd1',
    took: 12,
  });
  assert.equal(log.enabled('info'), false);
  assert.equal(log.enabled('error'), true);
  const quiet = capture('silent');
  quiet.log.error('x');
  assert.equal(quiet.lines.length, 0);
});

const signature = 'fe5f80f77d5fa3beca038a248ff027d0445342fe2855ddc963176630326f1024';
const authorization = `AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20260101/r/s3/aws4_request, SignedHeaders=host, Signature=${signature}`;

const planted: readonly (readonly [string, unknown, string])[] = [
  ['authorization header as a field', { headers: { Authorization: authorization } }, signature],
  ['authorization header in text', { text: `authorization: ${authorization}` }, signature],
  ['presigned URL', { url: `/b/k?X-Amz-Credential=A&X-Amz-Signature=${signature}&x=1` }, signature],
  ['session token in a URL', { url: '/b/k?X-Amz-Security-Token=FQoGZXIvYXdzEJr&x=1' }, 'FQoGZXIvYXdzEJr'],
  ['bearer', { text: 'Bearer eyJhbGciOi.J9.abc' }, 'eyJhbGciOi.J9.abc'],
  ['basic', { text: 'Authorization: Basic dXNlcjpwYXNzd29yZA==' }, 'dXNlcjpwYXNzd29yZA=='],
  ['signature of version 2', { text: 'AWS AKID:frJIUN8DYpKDtOLCwo0yllqDzg8=' }, 'frJIUN8DYpKDtOLCwo0yllqDzg8'],
  ['secret field', { key: { id: 'AKID', secretAccessKey: 'hunter2hunter2' } }, 'hunter2hunter2'],
  ['secret in JSON text', { text: '{"secretAccessKey":"hunter2hunter2"}' }, 'hunter2hunter2'],
  ['environment', { text: 'DSOM_ROOT_SECRET_ACCESS_KEY=hunter2hunter2' }, 'hunter2hunter2'],
  ['known secret anywhere', { text: `it was ${rootSecret}!` }, rootSecret],
  ['known secret as a name', { [rootSecret]: 1 }, rootSecret],
  ['key material', { masterKey: Buffer.from('material') }, 'material'],
  ['bytes', { body: Buffer.from('plaintext') }, 'plaintext'],
  ['customer key', { 'x-amz-server-side-encryption-customer-key': 'c2VjcmV0a2V5' }, 'c2VjcmV0a2V5'],
  ['cookie', { cookie: 'session=abcdef' }, 'abcdef'],
  ['URL with a password', { endpoint: 'https://user:hunter2@host/x' }, 'hunter2'],
  ['error', { error: new Error(`bad Signature=${signature}`) }, signature],
  [
    'cause of an error',
    { error: new StoreError('InternalError', { cause: new Error(`GET /?X-Amz-Signature=${signature}`) }) },
    signature,
  ],
  ['deep inside a list', { list: [[{ password: 'hunter2' }]] }, 'hunter2'],
];

for (const [name, fields, secret] of planted) {
  test(`hides a secret: ${name}`, () => {
    const { log, lines } = capture();
    log.error('failed', fields as Record<string, unknown>);
    const line = lines[0] ?? '';
    assert.equal(lines.length, 1);
    assert.ok(!line.includes(secret), line);
    assert.ok(line.includes('[hidden]') || line.includes('bytes>'), line);
  });
}

test('hides secrets in the event too', () => {
  const { log, lines } = capture();
  log.info(`GET /?X-Amz-Signature=${signature} with ${rootSecret}`);
  assert.ok(!lines[0]?.includes(signature) && !lines[0]?.includes(rootSecret));
});

test('keeps what an operator needs', () => {
  const { log, last } = capture();
  const error = new StoreError('Damaged', {
    message: 'Stripe 0102 is damaged.',
    resource: '0102',
    cause: new Error('EIO'),
  });
  log.error('read failed', { error, accessKeyId: 'AKIDEXAMPLE', key: 'photos/a.jpg', bytes: Buffer.alloc(5) });
  const line = last();
  const written = line['error'] as Record<string, unknown>;
  assert.equal(written['code'], 'Damaged');
  assert.equal(written['message'], 'Stripe 0102 is damaged.');
  assert.match(String(written['stack']), /structured-log\.test/);
  assert.equal((written['cause'] as Record<string, unknown>)['message'], 'EIO');
  assert.equal(line['accessKeyId'], 'AKIDEXAMPLE');
  assert.equal(line['key'], 'photos/a.jpg');
  assert.equal(line['bytes'], '<5 bytes>');
});

test('is bounded and never throws', () => {
  const { log, lines, last } = capture();
  const circular: Record<string, unknown> = { a: 1 };
  circular['self'] = circular;
  log.info('circular', { circular });
  log.info('long', { text: 'x'.repeat(1_000_000) });
  assert.ok((lines.at(-1) as string).length < limits.logTextChars + 300);
  log.info('wide', { list: Array.from({ length: 100_000 }, () => 'y'.repeat(1000)) });
  assert.equal(last()['truncated'], true);
  log.info('odd', {
    big: 10n,
    nan: Number.NaN,
    fn: () => 1,
    get trap(): never {
      throw new Error('no');
    },
  });
  for (const line of lines) {
    assert.ok(line.length <= limits.logLineChars + 1);
    JSON.parse(line);
  }
  const broken = createLog({
    clock: manualHost().clock,
    write: () => {
      throw new Error('pipe is gone');
    },
  });
  broken.error('nobody hears this');
});
