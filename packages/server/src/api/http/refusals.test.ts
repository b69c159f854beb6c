import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { StoreError } from '../../errors.ts';
import { limits } from '../../limits.ts';
import { createLog, type LogLevel } from '../../telemetry/index.ts';
import type { Exchange } from './exchange.ts';
import { Refusals } from './refusals.ts';

/** What is logged of refusals, by a real log at this level and a clock that stands. */
function open(level: LogLevel = 'info') {
  const clock = { ms: 0, now: () => 0, monotonic: () => clock.ms };
  const lines: Record<string, unknown>[] = [];
  const log = createLog({
    clock,
    level,
    write: (line) => void lines.push(JSON.parse(line) as Record<string, unknown>),
  });
  return { clock, lines, refusals: new Refusals(log, clock) };
}

const exchange = (url = '/bucket/key', authorization?: string): Exchange =>
  ({
    id: 'ID1',
    operation: 'PutObject',
    request: { method: 'PUT', url, headers: { authorization } },
    connection: { address: '10.0.0.1' },
  }) as unknown as Exchange;

describe('the log of refused requests', () => {
  it('says which request, of whom, with which code, and why', () => {
    const { lines, refusals } = open();
    const cause = new Error('what no client sees');
    const detail = { ArgumentName: 'partNumber', ArgumentValue: 'x' };
    refusals.note(
      exchange('/bucket/key?partNumber=x', 'AWS4-HMAC-SHA256 Credential=AKID/20260101/us-east-1/s3/aws4_request, S=1'),
      new StoreError('InvalidArgument', { message: 'Part number must be an integer.', detail, cause }),
    );
    const [{ time: _, cause: logged, ...line } = { cause: undefined }] = lines;
    assert.deepEqual(line, {
      level: 'info',
      event: 'request refused',
      operation: 'PutObject',
      requestId: 'ID1',
      status: 400,
      code: 'InvalidArgument',
      reason: 'Part number must be an integer.',
      detail: { ArgumentName: 'partNumber' },
      method: 'PUT',
      path: '/bucket/key',
      accessKeyId: 'AKID',
      address: '10.0.0.1',
    });
    assert.equal((logged as { message: string }).message, 'what no client sees');
  });

  it('has what answers an honest question at debug only', () => {
    for (const [level, codes] of [
      ['info', ['AccessDenied']],
      ['debug', ['NoSuchKey', 'PreconditionFailed', 'NotModified', 'AccessDenied']],
      ['warn', []],
    ] as const) {
      const { lines, refusals } = open(level);
      for (const code of ['NoSuchKey', 'PreconditionFailed', 'NotModified', 'AccessDenied'] as const)
        refusals.note(exchange(), new StoreError(code));
      assert.deepEqual(
        lines.map((line) => line['code']),
        codes,
      );
    }
  });

  it('writes so many lines a second of one code, no fewer of another, and says how many it left out', () => {
    const { clock, lines, refusals } = open();
    for (let i = 0; i < limits.refusalLines + 7; i++) refusals.note(exchange(), new StoreError('AccessDenied'));
    assert.equal(lines.length, limits.refusalLines);
    refusals.note(exchange(), new StoreError('MalformedXML'));
    assert.equal(lines.at(-1)?.['code'], 'MalformedXML');
    clock.ms = 1000;
    refusals.note(exchange(), new StoreError('AccessDenied'));
    assert.equal(lines.at(-1)?.['leftOut'], 7);
    refusals.note(exchange(), new StoreError('AccessDenied'));
    assert.equal(lines.at(-1)?.['leftOut'], undefined);
  });

  it('names the key that was claimed, and never a secret (CVE-2018-16889, GHSA-r54g, GHSA-8cm2, GHSA-333v)', () => {
    const { lines, refusals } = open('debug');
    const secret = 'wJalrXUtnFEMIK7MDENGbPxRfiCYEXAMPLEKEY';
    const signature = 'f'.repeat(64);
    for (const [url, authorization] of [
      [`/b/k?X-Amz-Credential=AKID%2F20260101%2Fr%2Fs3%2Faws4_request&X-Amz-Signature=${signature}`, undefined],
      [
        `/b/k?x-amz-security-token=${secret}`,
        `AWS4-HMAC-SHA256 Credential=AKID/20260101/r/s3/q, Signature=${signature}`,
      ],
      ['/b/k', `Bearer AKID.${secret}`],
    ] as const) {
      const detail = { ArgumentName: 'Authorization', ArgumentValue: authorization ?? secret, StringToSign: secret };
      const cause = Object.assign(new Error(`secret: ${secret}`), { signature, secretAccessKey: secret });
      refusals.note(exchange(url, authorization), new StoreError('SignatureDoesNotMatch', { detail, cause }));
      assert.equal(lines.at(-1)?.['accessKeyId'], 'AKID');
      const text = JSON.stringify(lines.at(-1));
      assert.ok(!text.includes(secret) && !text.includes(signature), text);
    }
  });

  it('bounds what a request can put into a line', () => {
    const { lines, refusals } = open();
    const long = 'x'.repeat(100_000);
    refusals.note(exchange(`/${long}`, `AWS4-HMAC-SHA256 Credential=${long}/`), new StoreError('InvalidURI'));
    assert.ok(JSON.stringify(lines).length < 2000);
    refusals.noteMalformed(new StoreError('BadRequest', { cause: 'Parse Error: Invalid header token' }), '10.0.0.1');
    assert.deepEqual([lines[1]?.['code'], lines[1]?.['cause']], ['BadRequest', 'Parse Error: Invalid header token']);
  });
});
