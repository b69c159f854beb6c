/* Access logs: what is taken, what a line says, and where the lines go. */
import assert from 'node:assert/strict';
import { hash } from 'node:crypto';
import { after, describe, it } from 'node:test';
import fc from 'fast-check';
import { canonicalIdOf, firstAccount } from '../../access/index.ts';
import { type Host, realHost } from '../../host/index.ts';
import { limits } from '../../limits.ts';
import type { LifecycleDone } from '../../objects/index.ts';
import { AccessDelivery, logKey } from './access-delivery.ts';
import { AccessLog } from './access-log.ts';
import { accessLine, requestOperation } from './access-record.ts';
import { documentOf } from './configurations/form.ts';
import { type Logging, loggingForm } from './configurations/logging.ts';
import { type Answer, startHarness } from './harness.support.ts';
import { LifecycleLog } from './lifecycle-log.ts';
import { fakeObjects } from './objects.support.ts';
import { parseXml } from './xml/parser.ts';

const fake = fakeObjects();
const failures: unknown[] = [];
const host: Host = realHost();
const options = {
  objects: fake.service,
  host,
  region: 'us-east-1',
  everyMs: 3_600_000,
  onFailure: (fields: unknown) => void failures.push(fields),
};
const accessLog = new AccessLog(options);
const s3 = await startHarness(fake.service, { accessLog, websites: { domains: ['site.test'], hosts: [] } });
after(async () => {
  await s3.close();
  await accessLog.close();
});
for (const name of ['source', 'logs', 'both']) await s3.send('PUT', `/${name}`);

const query = { logging: '' };
const put = (inner: string, bucket = 'source'): Promise<Answer> =>
  s3.send('PUT', `/${bucket}`, { query, body: `<BucketLoggingStatus>${inner}</BucketLoggingStatus>` });
const enabled = (inner: string) => `<LoggingEnabled>${inner}</LoggingEnabled>`;
const to = (bucket: string, more = '', prefix = 'p/') =>
  enabled(`<TargetBucket>${bucket}</TargetBucket><TargetPrefix>${prefix}</TargetPrefix>${more}`);

/** Lines of requests come once their answers have left, which the system tells when the loop asks it: this process may have stood still until the timer was due. */
async function written(): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, 20));
  for (let turn = 0; turn < 3; turn++) await new Promise((resolve) => setImmediate(resolve));
}

/** The log objects of a bucket, and the fields of all their lines. */
async function logged(bucket = 'logs'): Promise<{ keys: string[]; lines: string[][] }> {
  await written();
  await accessLog.flush();
  const keys = (await s3.send('GET', `/${bucket}`, { query: { prefix: 'p/' } })).all('Key');
  const lines: string[][] = [];
  for (const key of keys) {
    const text = (await s3.send('GET', `/${bucket}/${key}`)).text;
    assert.ok(text.endsWith('\n'));
    for (const line of text.trimEnd().split('\n')) lines.push(line.match(/\[[^\]]*\]|"[^"]*"|\S+/g) ?? []);
    await s3.send('DELETE', `/${bucket}/${key}`);
  }
  return { keys, lines };
}

describe('the configuration of access logs', () => {
  it('is kept as it was given, and is empty before and after', async () => {
    const get = () => s3.send('GET', '/source', { query });
    assert.equal((await get()).xml('BucketLoggingStatus'), '');
    for (const format of [
      '',
      '<TargetObjectKeyFormat><SimplePrefix/></TargetObjectKeyFormat>',
      '<TargetObjectKeyFormat><PartitionedPrefix><PartitionDateSource>EventTime</PartitionDateSource></PartitionedPrefix></TargetObjectKeyFormat>',
    ]) {
      const done = await put(to('logs', format));
      assert.deepEqual([done.status, done.text], [200, '']);
      assert.equal((await get()).xml('BucketLoggingStatus'), to('logs', format));
    }
    assert.equal((await put(to('logs', '<TargetGrants/>', ''))).status, 200);
    assert.equal((await put('')).status, 200);
    assert.equal((await get()).xml('BucketLoggingStatus'), '');
  });

  it('is refused as AWS refuses it', async () => {
    const grants =
      '<TargetGrants><Grant><Grantee><ID>a</ID></Grantee><Permission>READ</Permission></Grant></TargetGrants>';
    const cases: readonly (readonly [string, string])[] = [
      [to('missing'), 'InvalidTargetBucketForLogging'],
      [to('logs', grants), 'AccessControlListNotSupported'],
      [to('logs', '', 'x'.repeat(801)), 'InvalidArgument'],
      [enabled('<TargetBucket>logs</TargetBucket>'), 'MalformedXML'],
      [enabled('<TargetPrefix>a</TargetPrefix>'), 'MalformedXML'],
      [to('logs', '<Other/>'), 'MalformedXML'],
      [to('logs', '<TargetObjectKeyFormat/>'), 'MalformedXML'],
      [
        to('logs', '<TargetObjectKeyFormat><SimplePrefix/><PartitionedPrefix/></TargetObjectKeyFormat>'),
        'MalformedXML',
      ],
      [
        to(
          'logs',
          '<TargetObjectKeyFormat><PartitionedPrefix><PartitionDateSource>Now</PartitionDateSource></PartitionedPrefix></TargetObjectKeyFormat>',
        ),
        'MalformedXML',
      ],
      ['<Other/>', 'MalformedXML'],
      [to('logs') + to('logs'), 'MalformedXML'],
    ];
    for (const [inner, code] of cases) {
      const answer = await put(inner);
      assert.deepEqual([answer.code, answer.status], [code, 400], `${inner} ${answer.text}`);
    }
    assert.equal((await put(to('logs'), 'missing')).code, 'NoSuchBucket');
    for (const as of ['anonymous', 'readonly', 'scoped'] as const)
      assert.equal(
        (await s3.send('PUT', '/source', { query, body: '<BucketLoggingStatus/>', as })).code,
        'AccessDenied',
      );
  });

  it('is read by the parser that took it in', () => {
    const logging: fc.Arbitrary<Logging> = fc.record(
      {
        bucket: fc.stringMatching(/^[a-z]{3,9}$/),
        prefix: fc.string({ unit: 'grapheme-ascii', maxLength: 20 }),
        format: fc.constantFrom(undefined, 'simple', 'EventTime', 'DeliveryTime'),
      },
      { noNullPrototype: true },
    );
    fc.assert(
      fc.property(logging, (value) => {
        assert.deepEqual(loggingForm.parse(parseXml(documentOf(loggingForm, value))), value);
      }),
    );
  });
});

describe('a line of an access log', () => {
  it('has the fields of AWS, for what was done and for what was refused', async () => {
    // What the tests before were written for.
    await logged();
    await put(to('logs'));
    const done = await s3.send('PUT', '/source/a b', {
      body: 'content',
      headers: { 'user-agent': 'a "quoted" agent', referer: 'http://page/?a b' },
    });
    await s3.send('GET', '/source/a b', { headers: { range: 'bytes=1-2' } });
    await s3.send('GET', '/source/none', { as: 'readonly' });
    await s3.send('GET', '/source', { as: 'anonymous' });
    await s3.send('GET', '/source/a b', { as: 'presigned' });
    const { keys, lines } = await logged();
    assert.equal(keys.length, 1);
    assert.match(keys[0] as string, /^p\/\d{4}-\d\d-\d\d-\d\d-\d\d-\d\d-[0-9A-F]{16}$/);
    // The one that turned it on came before there was a log.
    const [first, ranged, missing, anonymous, presigned] = lines;
    assert.ok(lines.length >= 5 && lines.every((fields) => fields.length === 27), `${lines}`);
    assert.match(first?.[2] ?? '', /^\[\d\d\/[A-Z][a-z]{2}\/\d{4}:\d\d:\d\d:\d\d \+0000\]$/);
    const at = (fields: string[] | undefined, ...places: number[]) => places.map((place) => fields?.[place]);
    assert.deepEqual(
      [...(first?.slice(0, 2) ?? []), ...(first?.slice(3, 13) ?? [])],
      [
        canonicalIdOf(firstAccount),
        'source',
        '127.0.0.1',
        'key-root',
        done.headers['x-amz-request-id'],
        'REST.PUT.OBJECT',
        'a%2520b',
        '"PUT /source/a%20b HTTP/1.1"',
        '200',
        '-',
        '-',
        '7',
      ],
    );
    assert.match(first?.[13] ?? '', /^\d+$/);
    assert.deepEqual(
      [...(first?.slice(15, 17) ?? []), ...at(first, 18, 19, 20, 21, 22, 23, 24, 25, 26)],
      [
        '"http://page/?a b"',
        '"a %22quoted%22 agent"',
        'dsom',
        'SigV4',
        '-',
        'AuthHeader',
        s3.host,
        '-',
        '-',
        '-',
        'us-east-1',
      ],
    );
    assert.deepEqual(at(ranged, 6, 9, 10, 11, 12), ['REST.GET.OBJECT', '206', '-', '2', '7']);
    assert.deepEqual(at(missing, 4, 6, 9, 10, 12), ['key-readonly', 'REST.GET.OBJECT', '404', 'NoSuchKey', '-']);
    assert.deepEqual(at(anonymous, 4, 6, 7, 9, 10, 19), ['-', 'REST.GET.BUCKET', '-', '403', 'AccessDenied', '-']);
    assert.deepEqual(at(presigned, 9, 19, 21), ['200', 'SigV4', 'QueryString']);
  });

  it('says of a request of a website that it is one', async () => {
    await put(to('logs'));
    await logged();
    await s3.raw('GET /page HTTP/1.1\r\nhost: source.site.test\r\nconnection: close\r\n\r\n');
    const { lines } = await logged();
    assert.deepEqual(
      lines.map((fields) => [fields[6], fields[7], fields[22]]),
      [['WEBSITE.GET.OBJECT', 'page', 'source.site.test']],
    );
  });

  it('names operations as AWS does', () => {
    const of = requestOperation;
    assert.equal(of('GetBucketLogging', 'GET'), 'REST.GET.LOGGING_STATUS');
    assert.equal(of('GetBucketVersioning', 'GET'), 'REST.GET.VERSIONING');
    assert.equal(of('PutBucketLifecycleConfiguration', 'PUT'), 'REST.PUT.LIFECYCLE');
    assert.equal(of('DeleteObjects', 'POST'), 'REST.POST.MULTI_OBJECT_DELETE');
    assert.equal(of('PutObjectTagging', 'PUT'), 'REST.PUT.OBJECT_TAGGING');
    assert.equal(of('GetBucketAcl', 'GET'), 'REST.GET.ACL');
    assert.equal(of('UploadPartCopy', 'PUT'), 'REST.COPY.PART');
    assert.equal(of(undefined, 'PUT'), 'REST.PUT.UNKNOWN');
  });

  it('says with which cipher and version of TLS the request came', () => {
    const line = accessLine({ ...blank, cipher: 'ECDHE-RSA-AES128-GCM-SHA256', tls: 'TLSv1.2', hostHeader: 'h' });
    assert.match(line, / h - ECDHE-RSA-AES128-GCM-SHA256 - h TLSv1\.2 - - r\n$/);
  });

  it('is one line of 27 fields, whatever a client writes', () => {
    const text = fc.string({ unit: 'binary', maxLength: 20 });
    fc.assert(
      fc.property(text, text, text, fc.uint8Array({ maxLength: 9 }), (userAgent, referer, hostHeader, key) => {
        const request = { line: referer, userAgent, referer };
        const line = accessLine({ ...blank, request, hostHeader, key: Buffer.from(key) });
        assert.equal(line.indexOf('\n'), line.length - 1);
        assert.equal(line.match(/\[[^\]]*\]|"[^"]*"|\S+/g)?.length, 27, line);
        assert.match(line, /^[\x20-\x7e]*\n$/);
      }),
    );
  });
});

const blank: Parameters<typeof accessLine>[0] = {
  bucketOwner: 'o',
  bucket: 'b',
  timeMs: 0,
  address: undefined,
  cipher: undefined,
  tls: undefined,
  requester: undefined,
  requestId: 'r',
  operation: 'REST.GET.OBJECT',
  key: Buffer.from('k'),
  status: 200,
  errorCode: undefined,
  bytesSent: 0,
  objectSize: undefined,
  versionId: undefined,
  hostId: 'h',
  authentication: undefined,
  hostHeader: undefined,
  region: 'r',
};

describe('lines besides the one of a request', () => {
  const at = (fields: readonly string[], ...places: number[]) => places.map((place) => fields[place]);

  it('tell of each key of a deletion of many', async () => {
    await put(to('logs'));
    await logged();
    await s3.send('PUT', '/source/one', { body: 'four' });
    const objects = ['one', 'none', 'x'.repeat(1025)].map((key) => `<Object><Key>${key}</Key></Object>`).join('');
    const guarded = '<Object><Key>a b</Key><ETag>"other"</ETag></Object>';
    const body = `<Delete>${objects}${guarded}</Delete>`;
    const headers = { 'content-md5': hash('md5', body, 'base64') };
    await s3.send('POST', '/source', { query: { delete: '' }, body, headers });
    const { lines } = await logged();
    const [batch, ...keys] = lines.slice(1) as [string[], ...string[][]];
    assert.deepEqual(at(batch, 6, 7, 9), ['REST.POST.MULTI_OBJECT_DELETE', '-', '200']);
    assert.deepEqual(
      keys.map((line) => at(line, 6, 7, 9, 10, 12)),
      [
        ['BATCH.DELETE.OBJECT', 'one', '204', '-', '4'],
        ['BATCH.DELETE.OBJECT', 'none', '204', '-', '-'],
        ['BATCH.DELETE.OBJECT', 'x'.repeat(1025), '400', 'KeyTooLongError', '-'],
        ['BATCH.DELETE.OBJECT', 'a%2520b', '412', 'PreconditionFailed', '-'],
      ],
    );
    // All of one request, and nothing of it is said twice.
    for (const line of keys) {
      assert.deepEqual(at(line, 2, 3, 4, 5, 18, 19), at(batch, 2, 3, 4, 5, 18, 19));
      assert.deepEqual(at(line, 8, 11, 13, 14, 15, 16), ['-', '-', '-', '-', '-', '-']);
    }
  });

  it('tell the log of its source of a copy, done or refused, and of no other request', async () => {
    await s3.send('PUT', '/elsewhere');
    await s3.send('PUT', '/source/from', { body: 'seven!!' });
    await logged();
    const copy = (source: string, as: 'root' | 'scoped' = 'root') =>
      s3.send('PUT', '/elsewhere/to', { headers: { 'x-amz-copy-source': source }, as });
    const done = await copy('/source/from');
    assert.equal(done.status, 200);
    assert.equal((await copy('/source/none')).status, 404);
    assert.equal((await copy('/source/from', 'scoped')).status, 403);
    await copy('%ff');
    await s3.send('GET', '/elsewhere/to', { headers: { 'x-amz-copy-source': '/source/from' } });
    const { lines } = await logged();
    assert.deepEqual(
      lines.map((line) => at(line, 1, 4, 6, 7, 8, 9, 10, 12)),
      [
        ['source', 'key-root', 'REST.COPY.OBJECT_GET', 'from', '-', '200', '-', '7'],
        ['source', 'key-root', 'REST.COPY.OBJECT_GET', 'none', '-', '404', 'NoSuchKey', '-'],
        ['source', 'key-scoped', 'REST.COPY.OBJECT_GET', 'from', '-', '403', 'AccessDenied', '-'],
      ],
    );
    assert.equal(lines[0]?.[5], done.headers['x-amz-request-id']);
  });

  it('tell what lifecycles do', async () => {
    const log = new LifecycleLog(options);
    const bucket = { ...fake.service.bucket('source'), versioning: 'enabled' as const };
    const key = Buffer.from('k');
    const version = { sequence: 5, nonce: Buffer.alloc(8, 1), isNull: false };
    const id = '00000000000000050101010101010101';
    const moved = (storageClass: string) =>
      ({ action: 'transition', key, version, size: 9, storageClass }) satisfies LifecycleDone;
    log.done(bucket, { action: 'mark', key, version, size: undefined });
    log.done(bucket, { action: 'remove', key, version, size: 9 });
    log.done({ ...bucket, versioning: 'off' }, { action: 'remove', key, version, size: 9 });
    log.done(bucket, { action: 'abort', key, version: undefined, size: undefined });
    for (const name of ['STANDARD_IA', 'GLACIER', 'COLD']) log.done(bucket, moved(name));
    log.done({ ...bucket, name: 'elsewhere' }, { action: 'remove', key, version, size: 9 });
    await log.close();
    const { lines } = await logged();
    assert.ok(
      lines.every((line) => line.length === 27 && line[3] === '-' && line[4] === 'AmazonS3' && line[9] === '-'),
    );
    assert.deepEqual(
      lines.map((line) => at(line, 6, 12, 17)),
      [
        ['S3.CREATE.DELETEMARKER', '-', id],
        ['S3.EXPIRE.OBJECT', '9', id],
        ['S3.EXPIRE.OBJECT', '9', '-'],
        ['S3.DELETE.UPLOAD', '-', '-'],
        ['S3.TRANSITION_SIA.OBJECT', '9', id],
        ['S3.TRANSITION.OBJECT', '9', id],
        ['S3.TRANSITION_COLD.OBJECT', '9', id],
      ],
    );
  });
});

describe('lines on their way', () => {
  it('do not go on for ever in a bucket that is logged into itself', async () => {
    await put(to('both'), 'both');
    await s3.send('PUT', '/both/k', { body: 'x' });
    await written();
    for (let i = 0; i < 5; i++) await accessLog.flush();
    const keys = (await s3.send('GET', '/both', { query: { prefix: 'p/' } })).all('Key');
    assert.equal(keys.length, 1);
    await put('', 'both');
  });

  it('lie below account, region, bucket and day where keys are partitioned', () => {
    const made = { account: '000000000000', region: 'us-east-1', source: 'source' };
    const time = Date.UTC(2026, 10, 9, 7, 5, 3);
    const key = (format: Logging['format']) => logKey({ prefix: 'p/', format }, made, time, 'U');
    assert.equal(key(undefined), 'p/2026-11-09-07-05-03-U');
    assert.equal(key('simple'), 'p/2026-11-09-07-05-03-U');
    assert.equal(key('EventTime'), 'p/000000000000/us-east-1/source/2026/11/09/2026-11-09-07-05-03-U');
    assert.equal(key('DeliveryTime'), key('EventTime'));
  });

  it('are bounded, and lost ones are counted', async () => {
    const delivery = new AccessDelivery(options);
    const source = { name: 'source', owner: 'owner' };
    const lost: Logging = { bucket: 'gone', prefix: '', format: undefined };
    failures.length = 0;
    delivery.add(source, lost, 'line\n');
    await delivery.flush();
    assert.deepEqual([delivery.totals(), failures.length], [{ delivered: 0, lost: 1 }, 1]);
    const line = `${'x'.repeat(999)}\n`;
    const most = Math.floor(limits.accessLogBytes / 1000);
    for (let i = 0; i < most + 10; i++)
      delivery.add(source, { bucket: 'logs', prefix: 'many/', format: undefined }, line);
    await delivery.flush();
    const { delivered, lost: dropped } = delivery.totals();
    assert.equal(delivered + dropped, most + 11);
    assert.ok(dropped >= 10, `${dropped} were dropped`);
    const keys = (await s3.send('GET', '/logs', { query: { prefix: 'many/' } })).all('Key');
    assert.ok(
      keys.length >= Math.floor(limits.accessLogBytes / limits.accessLogObjectBytes) - 1,
      `${keys.length} objects`,
    );
    await delivery.close();
  });
});
