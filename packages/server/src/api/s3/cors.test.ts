/* Cross-origin access as a bucket allows it: what may be configured, preflights, and the headers on actual answers. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { StoreError } from '../../errors.ts';
import { limits } from '../../limits.ts';
import { type CorsRule, corsForm, corsGrant, fitsPattern } from './configurations/cors.ts';
import { documentOf } from './configurations/form.ts';
import { type Send, serveFake } from './harness.support.ts';
import { parseXml } from './xml/parser.ts';

const { s3 } = await serveFake(async (harness) => {
  for (const bucket of ['bucket', 'bare', 'open']) await harness.send('PUT', `/${bucket}`);
});

const rule = (inner: string) => `<CORSRule>${inner}</CORSRule>`;
const one = (name: string, ...values: string[]) => values.map((value) => `<${name}>${value}</${name}>`).join('');
const get = one('AllowedMethod', 'GET');
const any = one('AllowedOrigin', '*');
const md5 = async (body: string) => (await import('node:crypto')).createHash('md5').update(body).digest('base64');
const put = async (rules: string, bucket = 'bucket', headers?: Record<string, string>) => {
  const body = `<CORSConfiguration>${rules}</CORSConfiguration>`;
  const sent = headers ?? { 'content-md5': await md5(body) };
  return s3.send('PUT', `/${bucket}`, { query: { cors: '' }, body, headers: sent });
};
const preflight = (path: string, origin: string | undefined, method: string | undefined, headers?: string) =>
  s3.send('OPTIONS', path, {
    as: 'anonymous',
    headers: {
      ...(origin !== undefined && { origin }),
      ...(method !== undefined && { 'access-control-request-method': method }),
      ...(headers !== undefined && { 'access-control-request-headers': headers }),
    },
  });

const site = rule(
  one('ID', 'site') +
    one('AllowedMethod', 'GET', 'PUT') +
    one('AllowedOrigin', 'https://app.example', 'https://*.sub.example') +
    one('AllowedHeader', 'x-amz-*', 'Content-Type') +
    one('MaxAgeSeconds', '600') +
    one('ExposeHeader', 'ETag', 'x-amz-version-id'),
);

describe('a CORS configuration', () => {
  it('is answered as it was put, in the order of AWS, until it is deleted', async () => {
    assert.equal((await put(site)).status, 200);
    const got = await s3.send('GET', '/bucket', { query: { cors: '' } });
    assert.equal(got.status, 200);
    assert.equal(got.headers['content-type'], 'application/xml');
    assert.deepEqual(got.all('AllowedMethod'), ['GET', 'PUT']);
    assert.deepEqual(got.all('AllowedOrigin'), ['https://app.example', 'https://*.sub.example']);
    assert.deepEqual(
      [got.xml('ID'), got.xml('MaxAgeSeconds'), got.all('ExposeHeader')],
      ['site', '600', ['ETag', 'x-amz-version-id']],
    );
    const gone = await s3.send('DELETE', '/bucket', { query: { cors: '' } });
    assert.deepEqual([gone.status, gone.body.length], [204, 0]);
    assert.equal((await s3.send('DELETE', '/bucket', { query: { cors: '' } })).status, 204);
    const none = await s3.send('GET', '/bucket', { query: { cors: '' } });
    assert.deepEqual([none.status, none.code, none.xml('BucketName')], [404, 'NoSuchCORSConfiguration', 'bucket']);
  });

  const refusals: readonly [what: string, rules: string, code: string, message: RegExp][] = [
    ['no rule', '', 'MalformedXML', /at least one CORSRule/],
    ['a rule without a method', rule(any), 'MalformedXML', /at least one AllowedMethod/],
    ['a rule without an origin', rule(get), 'MalformedXML', /one AllowedOrigin/],
    ['a method that is none of five', rule(any + one('AllowedMethod', 'PATCH')), 'InvalidRequest', /method is PATCH/],
    ['a method in lower case', rule(any + one('AllowedMethod', 'get')), 'InvalidRequest', /method is get/],
    ['two wildcards in an origin', rule(get + one('AllowedOrigin', 'http://*.*')), 'InvalidRequest', /one wildcard/],
    ['two wildcards in a header', rule(get + any + one('AllowedHeader', '*x*')), 'InvalidRequest', /one wildcard/],
    [
      'a wildcard in what is exposed',
      rule(get + any + one('ExposeHeader', '*')),
      'InvalidRequest',
      /ExposeHeader "\*"/,
    ],
    ['an exposed header that is no name', rule(get + any + one('ExposeHeader', 'a b')), 'InvalidRequest', /not valid/],
    ['an empty origin', rule(get + one('AllowedOrigin', '')), 'InvalidRequest', /not valid/],
    ['an origin with a line break in it', rule(get + one('AllowedOrigin', 'a&#13;b')), 'InvalidRequest', /not valid/],
    ['an ID of 256 characters', rule(get + any + one('ID', 'x'.repeat(256))), 'InvalidRequest', /255 characters/],
    ['an ID twice', rule(get + any + one('ID', 'a')).repeat(2), 'InvalidRequest', /one rule only/],
    ['an age that is no number', rule(get + any + one('MaxAgeSeconds', '-1')), 'MalformedXML', /MaxAgeSeconds/],
    ['an age twice', rule(get + any + one('MaxAgeSeconds', '1', '2')), 'MalformedXML', /more than once/],
    ['101 rules', rule(get + any).repeat(101), 'InvalidRequest', /limit of 100 rules/],
    ['an unknown element in a rule', rule(get + any + one('AllowedIp', 'x')), 'MalformedXML', /AllowedIp/],
    ['an unknown element beside rules', rule(get + any) + one('Rule', 'x'), 'MalformedXML', /Rule/],
    ['elements where text stands', rule(`${any}<AllowedMethod><GET/></AllowedMethod>`), 'MalformedXML', /text only/],
  ];
  for (const [what, rules, code, message] of refusals) {
    it(`is refused with ${what}`, async () => {
      const got = await put(rules);
      assert.deepEqual([got.status, got.code], [400, code], got.text);
      assert.match(got.xml('Message')!.replaceAll('&quot;', '"'), message);
    });
  }

  it('may have 100 rules, and is refused without a digest, with a wrong one, without a body, malformed, and beyond 64 KiB', async () => {
    assert.equal((await put(rule(get + any).repeat(limits.corsRules))).status, 200);
    assert.equal((await put(site, 'bucket', {})).code, 'InvalidRequest');
    assert.equal((await put(site, 'bucket', { 'content-md5': await md5('other') })).code, 'BadDigest');
    const empty = { 'content-md5': await md5('') };
    const send = (options: Send) => s3.send('PUT', '/bucket', { query: { cors: '' }, ...options });
    assert.equal((await send({ headers: empty })).code, 'MissingRequestBodyError');
    for (const body of ['<CORSConfiguration>', '{}', '<Other/>', '<!DOCTYPE x><CORSConfiguration/>'])
      assert.equal((await send({ body, headers: { 'content-md5': await md5(body) } })).code, 'MalformedXML', body);
    const long = `<CORSConfiguration>${rule(get + any + one('ID', 'x'.repeat(70_000)))}</CORSConfiguration>`;
    const got = await send({ body: long, headers: { 'content-md5': await md5(long) } });
    assert.deepEqual([got.status, got.code], [400, 'MaxMessageLengthExceeded']);
  });

  it("is nobody else's to read or write, and is of a bucket that is there", async () => {
    for (const method of ['GET', 'PUT', 'DELETE']) {
      assert.equal((await s3.send(method, '/bucket', { query: { cors: '' }, as: 'anonymous' })).code, 'AccessDenied');
      assert.equal((await s3.send(method, '/bucket', { query: { cors: '' }, as: 'scoped' })).code, 'AccessDenied');
    }
    for (const method of ['PUT', 'DELETE'])
      assert.equal((await s3.send(method, '/bucket', { query: { cors: '' }, as: 'readonly' })).code, 'AccessDenied');
    assert.equal((await put(site, 'missing')).code, 'NoSuchBucket');
    assert.equal((await s3.send('GET', '/missing', { query: { cors: '' } })).code, 'NoSuchBucket');
    assert.equal((await s3.send('DELETE', '/missing', { query: { cors: '' } })).code, 'NoSuchBucket');
  });

  it('is kept in a form that reads as what was written, whatever it holds', () => {
    const text = fc.string({ unit: fc.constantFrom(...Array.from('abcXYZ019-_.')), minLength: 1, maxLength: 8 });
    const pattern = fc.tuple(text, fc.constantFrom('', '*'), text).map((parts) => parts.join(''));
    const arbitrary: fc.Arbitrary<CorsRule> = fc.record(
      {
        id: fc.option(
          fc
            .string({ unit: 'grapheme', maxLength: 20 })
            .map((id) => id.replace(/[\x00-\x20\x7f\ufffe\uffff]/g, '').trim()),
          { nil: undefined },
        ),
        methods: fc.subarray(['GET', 'PUT', 'POST', 'DELETE', 'HEAD'], { minLength: 1 }),
        origins: fc.array(pattern, { minLength: 1, maxLength: 3 }),
        headers: fc.array(pattern, { maxLength: 3 }),
        maxAgeSeconds: fc.option(fc.nat(999_999_999), { nil: undefined }),
        exposed: fc.array(text, { maxLength: 3 }),
      },
      { noNullPrototype: true },
    );
    const rules = fc.uniqueArray(arbitrary, { minLength: 1, maxLength: 5, selector: ({ id }) => id ?? {} });
    fc.assert(
      fc.property(rules, (value) => {
        assert.deepEqual(corsForm.parse(parseXml(documentOf(corsForm, value))), value);
      }),
    );
  });

  it('ends in a value or a StoreError, whatever the bytes', () => {
    const words = fc.constantFrom(
      'CORSConfiguration',
      'CORSRule',
      'ID',
      'AllowedMethod',
      'AllowedOrigin',
      'MaxAgeSeconds',
      '<',
      '>',
      '</',
      '/>',
      '&',
      '*',
      'GET',
      '1',
    );
    const soup = fc.array(fc.oneof(words, fc.string({ maxLength: 4 })), { maxLength: 30 }).map((all) => all.join(''));
    fc.assert(
      fc.property(soup, fc.boolean(), (inner, wrapped) => {
        try {
          corsForm.parse(parseXml(Buffer.from(wrapped ? `<CORSConfiguration>${inner}</CORSConfiguration>` : inner)));
        } catch (error) {
          assert.ok(error instanceof StoreError, `${error}`);
        }
      }),
      { numRuns: 500 },
    );
  });
});

describe('a rule', () => {
  it('fits by at most one wildcard, which stands for any characters or none', () => {
    const part = fc.string({ unit: fc.constantFrom('a', 'b', '.'), maxLength: 6 });
    fc.assert(
      fc.property(part, part, part, (before, behind, text) => {
        const form = new RegExp(`^${before.replaceAll('.', '\\.')}.*${behind.replaceAll('.', '\\.')}$`);
        assert.equal(fitsPattern(`${before}*${behind}`, text), form.test(text));
        assert.ok(fitsPattern(`${before}*${behind}`, before + text + behind));
        assert.equal(fitsPattern(before, text), before === text);
      }),
    );
  });

  it('has a wildcard between what stands before and behind it, never over both', () => {
    for (const [pattern, text, fits] of [
      ['aba*aba', 'aba', false],
      ['aba*aba', 'ababa', false],
      ['aba*aba', 'abaaba', true],
      ['*', '', true],
    ] as const)
      assert.equal(fitsPattern(pattern, text), fits, `${pattern} ${text}`);
  });

  it('that comes first counts, and origins and methods are compared as they stand', () => {
    const base = { id: undefined, headers: [], exposed: [], origins: ['*'], methods: ['GET'] };
    const rules: CorsRule[] = [
      { ...base, origins: ['https://a.example'], maxAgeSeconds: 1 },
      { ...base, maxAgeSeconds: 2 },
    ];
    const ask = (origin: string, method = 'GET', headers: string[] = []) =>
      corsGrant(rules, { origin, method, headers });
    assert.equal(ask('https://a.example')?.rule.maxAgeSeconds, 1);
    assert.equal(ask('https://A.example')?.rule.maxAgeSeconds, 2);
    assert.equal(ask('https://a.example', 'get'), undefined);
    assert.equal(ask('https://a.example', 'GET', ['x']), undefined);
  });
});

describe('a preflight', () => {
  it('is answered without credentials when origin, method and every header fit', async () => {
    await put(site);
    const got = await preflight('/bucket/a/key', 'https://app.example', 'PUT', 'X-Amz-Date, content-type');
    assert.equal(got.status, 200);
    const { headers } = got;
    assert.equal(headers['access-control-allow-origin'], 'https://app.example');
    assert.equal(headers['access-control-allow-methods'], 'GET, PUT');
    assert.equal(headers['access-control-allow-headers'], 'x-amz-date, content-type');
    assert.equal(headers['access-control-expose-headers'], 'ETag, x-amz-version-id');
    assert.equal(headers['access-control-max-age'], '600');
    assert.equal(headers['access-control-allow-credentials'], 'true');
    assert.equal(headers['vary'], 'Origin, Access-Control-Request-Headers, Access-Control-Request-Method');
    assert.equal(headers['content-length'], '0');
    assert.equal(s3.telemetry.at(-1)?.operation, 'OptionsObject');
    const below = await preflight('/bucket', 'https://a.sub.example', 'GET');
    assert.equal(below.headers['access-control-allow-origin'], 'https://a.sub.example');
  });

  it('is answered with a star, and without credentials, where every origin may', async () => {
    await put(rule(get + any), 'open');
    const { headers } = await preflight('/open/k', 'https://anybody.example', 'GET');
    assert.equal(headers['access-control-allow-origin'], '*');
    assert.equal(headers['access-control-allow-credentials'], undefined);
    assert.equal(headers['access-control-allow-headers'], undefined);
    assert.equal(headers['access-control-max-age'], undefined);
  });

  const forbidden: readonly [what: string, path: string, origin: string, method: string, headers?: string][] = [
    ['another origin', '/bucket/k', 'https://evil.example', 'GET'],
    ['the same host with another scheme', '/bucket/k', 'http://app.example', 'GET'],
    ['the same host with a port', '/bucket/k', 'https://app.example:8443', 'GET'],
    ['a name that only ends alike', '/bucket/k', 'https://xsub.example', 'GET'],
    ['another method', '/bucket/k', 'https://app.example', 'DELETE'],
    ['one header that does not fit', '/bucket/k', 'https://app.example', 'PUT', 'x-amz-date, authorization'],
    ['a bucket without CORS', '/bare/k', 'https://app.example', 'GET'],
    ['a bucket that is not there', '/missing/k', 'https://app.example', 'GET'],
  ];
  for (const [what, path, origin, method, headers] of forbidden) {
    it(`is forbidden for ${what}`, async () => {
      await put(site);
      const got = await preflight(path, origin, method, headers);
      assert.deepEqual([got.status, got.code], [403, 'AccessForbidden'], got.text);
      assert.match(got.xml('Message')!, /^CORSResponse: /);
      assert.deepEqual([got.xml('Method'), got.xml('ResourceType')], [method, 'OBJECT']);
      assert.equal(got.headers['access-control-allow-origin'], undefined);
    });
  }

  it('without an origin or with a method that is none is a bad request', async () => {
    for (const [origin, method, message] of [
      [undefined, 'GET', /Origin request header needed/],
      ['https://app.example', undefined, /Invalid Access-Control-Request-Method: null/],
      ['https://app.example', 'TRACE', /Invalid Access-Control-Request-Method: TRACE/],
    ] as const) {
      const got = await preflight('/bucket/k', origin, method);
      assert.deepEqual([got.status, got.code], [400, 'BadRequest']);
      assert.match(got.xml('Message')!, message);
    }
    assert.equal((await preflight('/bucket/k', 'https://app.example', 'PUT', 'a b')).code, 'BadRequest');
  });
});

describe('an actual answer', () => {
  const from = (method: string, path: string, origin: string | undefined, options: Send = {}) =>
    s3.send(method, path, { ...options, headers: { ...options.headers, ...(origin !== undefined && { origin }) } });

  it('carries what the first rule that fits says, successful or not', async () => {
    await put(site);
    const written = await from('PUT', '/bucket/k', 'https://app.example', { body: 'x' });
    const answers = [
      written,
      await from('GET', '/bucket/k', 'https://app.example'),
      await from('GET', '/bucket/none', 'https://app.example'),
      await from('GET', '/bucket/k', 'https://app.example', { as: 'anonymous' }),
      await from('GET', '/bucket/k', 'https://app.example', {
        headers: { 'if-none-match': written.headers.etag as string },
      }),
      await from('GET', '/bucket', 'https://app.example', { query: { metadataTable: '' } }),
    ];
    assert.deepEqual(
      answers.map(({ status }) => status),
      [200, 200, 404, 403, 304, 501],
    );
    for (const { headers } of answers) {
      assert.equal(headers['access-control-allow-origin'], 'https://app.example');
      assert.equal(headers['access-control-expose-headers'], 'ETag, x-amz-version-id');
      assert.equal(headers['vary'], 'Origin, Access-Control-Request-Headers, Access-Control-Request-Method');
    }
  });

  it('carries nothing but Vary where no rule fits, and nothing at all without an origin or without CORS', async () => {
    await put(site);
    await s3.send('PUT', '/bucket/k', { body: 'x' });
    await s3.send('PUT', '/bare/k', { body: 'x' });
    const other = await from('GET', '/bucket/k', 'https://evil.example');
    assert.deepEqual([other.status, other.text], [200, 'x']);
    assert.equal(other.headers['access-control-allow-origin'], undefined);
    assert.match(String(other.headers['vary']), /^Origin/);
    assert.equal(
      (await from('DELETE', '/bucket/k2', 'https://app.example')).headers['access-control-allow-origin'],
      undefined,
    );
    for (const answer of [
      await from('GET', '/bucket/k', undefined),
      await from('GET', '/bare/k', 'https://app.example'),
    ])
      assert.deepEqual([answer.headers['access-control-allow-origin'], answer.headers['vary']], [undefined, undefined]);
  });

  it('follows the newest configuration', async () => {
    await put(site);
    assert.ok((await from('GET', '/bucket/k', 'https://app.example')).headers['access-control-allow-origin']);
    await put(rule(get + one('AllowedOrigin', 'https://new.example')));
    assert.equal(
      (await from('GET', '/bucket/k', 'https://app.example')).headers['access-control-allow-origin'],
      undefined,
    );
    assert.ok((await from('GET', '/bucket/k', 'https://new.example')).headers['access-control-allow-origin']);
  });
});
