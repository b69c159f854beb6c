/* Buckets read as websites: what is configured, and what a reader sees under a host name of its own. */
import assert from 'node:assert/strict';
import { hash } from 'node:crypto';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { StoreError } from '../../errors.ts';
import { limits } from '../../limits.ts';
import { documentOf } from './configurations/form.ts';
import { websiteForm } from './configurations/website.ts';
import { type Answer, type Send, serveFake } from './harness.support.ts';
import { locationOf, ruleFor } from './website/routing.ts';
import { parseXml } from './xml/parser.ts';

const websites = { domains: ['site.test'], hosts: ['www.own.test', '*.wild.test'] };
const { s3 } = await serveFake(
  async (harness) => {
    for (const bucket of [
      'web',
      'bare',
      'listed',
      'private',
      'moved',
      'ruled',
      'www.own.test',
      'a.wild.test',
      'wild.test',
    ]) {
      await harness.send('PUT', `/${bucket}`);
      for (const key of ['index.html', 'docs/index.html', 'a b/ü/index.html', 'page', 'error.html', '/x/index.html'])
        await harness.send('PUT', `/${bucket}/${key}`, {
          body: `${key} of ${bucket}`,
          headers: { 'content-type': 'text/html' },
        });
      await harness.send('PUT', `/${bucket}/secret/page`, { body: 'secret' });
    }
  },
  { websites },
);

const put = (bucket: string, name: string, body: string): Promise<Answer> =>
  s3.send('PUT', `/${bucket}`, {
    query: { [name]: '' },
    body,
    headers: { 'content-md5': hash('md5', body, 'base64') },
  });
const website = (inner: string) => `<WebsiteConfiguration>${inner}</WebsiteConfiguration>`;
const index = '<IndexDocument><Suffix>index.html</Suffix></IndexDocument>';
const error = '<ErrorDocument><Key>error.html</Key></ErrorDocument>';
const rules = (...all: string[]) =>
  `<RoutingRules>${all.map((rule) => `<RoutingRule>${rule}</RoutingRule>`).join('')}</RoutingRules>`;
const allow = async (bucket: string, list = false) => {
  const statement = (Action: string, Resource: string) => ({ Effect: 'Allow', Principal: '*', Action, Resource });
  const arn = `arn:aws:s3:::${bucket}`;
  const deny = { Effect: 'Deny', Principal: '*', Action: 's3:GetObject', Resource: `${arn}/secret/*` };
  const Statement = [statement('s3:GetObject', `${arn}/*`), deny, ...(list ? [statement('s3:ListBucket', arn)] : [])];
  const got = await s3.send('PUT', `/${bucket}`, {
    query: { policy: '' },
    body: JSON.stringify({ Version: '2012-10-17', Statement }),
  });
  assert.equal(got.status, 204, got.text);
};
for (const [bucket, document, list] of [
  ['web', index + error, true],
  ['bare', index, true],
  ['listed', index, false],
  ['www.own.test', index, true],
  ['a.wild.test', index, true],
  ['wild.test', index, true],
  ['moved', '<RedirectAllRequestsTo><HostName>new.test</HostName></RedirectAllRequestsTo>', true],
  [
    'ruled',
    index +
      error +
      rules(
        '<Condition><KeyPrefixEquals>old/</KeyPrefixEquals></Condition><Redirect><ReplaceKeyPrefixWith>new/</ReplaceKeyPrefixWith></Redirect>',
        '<Condition><KeyPrefixEquals>away</KeyPrefixEquals></Condition><Redirect><Protocol>https</Protocol><HostName>other.test:8443</HostName><HttpRedirectCode>307</HttpRedirectCode></Redirect>',
        '<Condition><HttpErrorCodeReturnedEquals>404</HttpErrorCodeReturnedEquals><KeyPrefixEquals>lost/</KeyPrefixEquals></Condition><Redirect><ReplaceKeyWith>page</ReplaceKeyWith><HttpRedirectCode>302</HttpRedirectCode></Redirect>',
        '<Condition><HttpErrorCodeReturnedEquals>403</HttpErrorCodeReturnedEquals></Condition><Redirect><HostName>login.test</HostName></Redirect>',
      ),
    true,
  ],
] as const) {
  assert.equal((await put(bucket, 'website', website(document))).status, 200, bucket);
  await allow(bucket, list);
}
await put('private', 'website', website(index));

const read = (host: string, path: string, more: Send & { readonly method?: string } = {}) =>
  s3.send(more.method ?? 'GET', '/', { as: 'anonymous', rawPath: path, ...more, headers: { host, ...more.headers } });
const web = (path: string, more?: Send & { readonly method?: string }) => read('web.site.test', path, more);

describe('a website', () => {
  it('shows objects, and the index of folders, with their headers', async () => {
    for (const [path, body] of [
      ['/', 'index.html of web'],
      ['/docs/', 'docs/index.html of web'],
      ['/page', 'page of web'],
      ['/page?versionId=x&acl&uploads&list-type=2', 'page of web'],
      ['/a%20b/%C3%BC/', 'a b/ü/index.html of web'],
      ['/?location', 'index.html of web'],
    ] as const) {
      const got = await web(path);
      assert.deepEqual([got.status, got.text, got.headers['content-type']], [200, body, 'text/html'], path);
      const head = await web(path, { method: 'HEAD' });
      assert.deepEqual(
        [head.status, head.text, head.headers['content-length']],
        [200, '', got.headers['content-length']],
      );
    }
    const { headers } = await web('/page');
    assert.equal((await web('/page', { headers: { 'if-none-match': headers.etag! } })).status, 304);
    const part = await web('/page', { headers: { range: 'bytes=0-3' } });
    assert.deepEqual([part.status, part.text], [206, 'page']);
  });

  it('is found by its host name alone, in any case and with a port', async () => {
    assert.equal((await read('WEB.Site.Test:8080', '/page')).text, 'page of web');
    assert.equal((await read('www.own.test', '/page')).text, 'page of www.own.test');
    assert.equal((await read('a.wild.test', '/')).text, 'index.html of a.wild.test');
    for (const host of ['wild.test', 'site.test', 'xsite.test', 'webxsite.test'])
      assert.notEqual((await read(host, '/page')).text, 'page of web', host);
    assert.equal((await read('wild.test', '/page')).code, 'AccessDenied', 'a path-style request for a bucket "page"');
    const unknown = await read('nobody.site.test', '/');
    assert.deepEqual([unknown.status, unknown.headers['x-amz-error-code']], [404, 'NoSuchBucket']);
    const odd = await read('..site.test', '/');
    assert.deepEqual([odd.status, odd.headers['x-amz-error-code']], [404, 'NoSuchBucket']);
  });

  it('sends to a folder that was asked for without its slash', async () => {
    const got = await web('/docs');
    assert.deepEqual([got.status, got.headers.location, got.text], [302, '/docs/', '']);
    assert.equal((await web('/a%20b/%C3%BC')).headers.location, '/a%20b/%C3%BC/');
    assert.equal((await web('//x')).headers.location, '/%2Fx/', 'never another host');
    assert.equal((await web('/nothing')).status, 404);
  });

  it('shows its own page for an error, with the status of the error', async () => {
    const got = await web('/nothing');
    assert.deepEqual([got.status, got.text, got.headers['x-amz-error-code']], [404, 'error.html of web', 'NoSuchKey']);
    assert.deepEqual([got.headers['content-type'], got.headers['content-length']], ['text/html', '17']);
    const head = await web('/nothing', { method: 'HEAD' });
    assert.deepEqual([head.status, head.text, head.headers['content-length']], [404, '', '17']);
    const secret = await web('/secret/page');
    assert.deepEqual(
      [secret.status, secret.text, secret.headers['x-amz-error-code']],
      [403, 'error.html of web', 'AccessDenied'],
    );
    assert.deepEqual([(await web('/page', { headers: { range: 'bytes=99-' } })).status], [416]);
  });

  it('without a page for errors gets one of ours, in which nothing of a reader is markup (CVE-2020-1760)', async () => {
    const got = await read('bare.site.test', '/%3Cscript%3Ealert(1)%3C/script%3E');
    assert.deepEqual([got.status, got.headers['content-type']], [404, 'text/html; charset=utf-8']);
    assert.match(
      got.text,
      /<title>404 Not Found<\/title>[\s\S]*<li>Code: NoSuchKey<\/li>[\s\S]*<li>RequestId: request-/,
    );
    assert.ok(
      got.text.includes('<li>Key: &lt;script&gt;alert(1)&lt;/script&gt;</li>') && !got.text.includes('<script>'),
    );
    assert.equal(
      (await put('bare', 'website', website(`${index}<ErrorDocument><Key>none.html</Key></ErrorDocument>`))).status,
      200,
    );
    const both = await read('bare.site.test', '/nothing');
    assert.match(
      both.text,
      /Code: NoSuchKey[\s\S]*An Error Occurred While Attempting to Retrieve a Custom Error Document[\s\S]*NoSuchKey/,
    );
  });

  it('does not say that a key is missing where nobody may list the bucket', async () => {
    const got = await read('listed.site.test', '/nothing');
    assert.deepEqual([got.status, got.headers['x-amz-error-code']], [403, 'AccessDenied']);
    assert.equal((await read('listed.site.test', '/docs')).headers.location, '/docs/', 'but a folder is one');
  });

  it('shows nobody what only some may read, whatever he signs', async () => {
    for (const as of ['anonymous', 'root', 'presigned'] as const) {
      const got = await s3.send('GET', '/index.html', { as, headers: { host: 'private.site.test' } });
      assert.deepEqual([got.status, got.headers['x-amz-error-code']], [403, 'AccessDenied'], as);
    }
  });

  it('is read, and nothing else', async () => {
    for (const method of ['PUT', 'POST', 'DELETE', 'OPTIONS', 'PATCH']) {
      const got = await web('/page', { method });
      assert.deepEqual(
        [got.status, got.headers.allow, got.headers['x-amz-error-code']],
        [405, 'GET, HEAD', 'MethodNotAllowed'],
        method,
      );
    }
    assert.equal((await web('/page')).text, 'page of web');
  });

  it('sends on where the object says so', async () => {
    await s3.send('PUT', '/web/gone', { headers: { 'x-amz-website-redirect-location': '/page' } });
    await s3.send('PUT', '/web/far', { headers: { 'x-amz-website-redirect-location': 'https://far.test/a?b' } });
    assert.deepEqual([(await web('/gone')).status, (await web('/gone')).headers.location], [301, '/page']);
    assert.equal((await web('/far')).headers.location, 'https://far.test/a?b');
  });

  it('sends everything elsewhere, or by rule', async () => {
    const all = await read('moved.site.test', '/a%20b/c?d=e');
    assert.deepEqual([all.status, all.headers.location], [301, 'http://new.test/a%20b/c']);
    const ruled = (path: string) => read('ruled.site.test:80', path);
    const where = async (path: string) => {
      const { status, headers } = await ruled(path);
      return [status, headers.location];
    };
    assert.deepEqual(await where('/old/a%20b'), [301, '/new/a%20b']);
    assert.deepEqual(await where('/away/x'), [307, 'https://other.test:8443/away/x']);
    assert.deepEqual(await where('/lost/x'), [302, '/page']);
    assert.deepEqual(await where('/secret/page'), [301, 'http://login.test/secret/page']);
    assert.equal((await ruled('/nothing')).text, 'error.html of ruled');
    assert.equal((await ruled('/page')).text, 'page of ruled');
  });

  it('is no more, once its configuration is deleted', async () => {
    await s3.send('PUT', '/scoped');
    await put('scoped', 'website', website(index));
    await s3.send('DELETE', '/scoped', { query: { website: '' } });
    const got = await read('scoped.site.test', '/');
    assert.deepEqual([got.status, got.headers['x-amz-error-code']], [404, 'NoSuchWebsiteConfiguration']);
    assert.equal((await s3.send('GET', '/scoped', { query: { website: '' } })).code, 'NoSuchWebsiteConfiguration');
  });
});

describe('the configuration of a website', () => {
  const redirect = (inner: string) => rules(`<Redirect>${inner}</Redirect>`);
  const when = (inner: string) =>
    rules(`<Condition>${inner}</Condition><Redirect><ReplaceKeyWith>k</ReplaceKeyWith></Redirect>`);
  const host = '<HostName>h.test</HostName>';

  it('is answered as it was put', async () => {
    const got = await s3.send('GET', '/ruled', { query: { website: '' } });
    assert.deepEqual(
      [got.xml('Suffix'), got.xml('Key'), got.all('RoutingRule').length, got.all('HttpRedirectCode')],
      ['index.html', 'error.html', 4, ['307', '302']],
    );
  });

  it('is refused with the code of AWS where something is wrong in it', async () => {
    const cases: [string, string][] = [
      ['MalformedXML', '<Other/>'],
      ['MalformedXML', `${index}${index}`],
      ['MalformedXML', `${index}<ErrorDocument/>`],
      ['MalformedXML', `${index}<RoutingRules><Other/></RoutingRules>`],
      ['MalformedXML', `${index}${rules('')}`],
      ['MalformedXML', `${index}${redirect('')}`],
      ['MalformedXML', '<RedirectAllRequestsTo/>'],
      ['InvalidArgument', ''],
      ['InvalidArgument', error],
      ['InvalidArgument', '<IndexDocument/>'],
      ['InvalidArgument', '<IndexDocument><Suffix/></IndexDocument>'],
      ['InvalidArgument', '<IndexDocument><Suffix>a/b</Suffix></IndexDocument>'],
      ['InvalidArgument', `${index}<ErrorDocument><Key/></ErrorDocument>`],
      ['InvalidArgument', `${index}<ErrorDocument><Key>${'k'.repeat(1025)}</Key></ErrorDocument>`],
      ['InvalidRequest', `${index}<RedirectAllRequestsTo>${host}</RedirectAllRequestsTo>`],
      ['InvalidRequest', `<RedirectAllRequestsTo>${host}<Protocol>ftp</Protocol></RedirectAllRequestsTo>`],
      ['InvalidRequest', `${index}${redirect('<Protocol>ftp</Protocol>')}`],
      ['InvalidRequest', `${index}${redirect('<HttpRedirectCode>300</HttpRedirectCode>')}`],
      ['InvalidRequest', `${index}${redirect('<HttpRedirectCode>314</HttpRedirectCode>')}`],
      ['InvalidRequest', `${index}${redirect('<HttpRedirectCode>200</HttpRedirectCode>')}`],
      [
        'InvalidRequest',
        `${index}${redirect('<ReplaceKeyWith>a</ReplaceKeyWith><ReplaceKeyPrefixWith>b</ReplaceKeyPrefixWith>')}`,
      ],
      ['InvalidRequest', `${index}${when('')}`],
      ['InvalidRequest', `${index}${when('<HttpErrorCodeReturnedEquals>200</HttpErrorCodeReturnedEquals>')}`],
      ['InvalidRequest', `${index}${when('<HttpErrorCodeReturnedEquals>4xx</HttpErrorCodeReturnedEquals>')}`],
      [
        'InvalidRequest',
        `${index}${rules(...Array.from({ length: limits.routingRules + 1 }, () => `<Redirect>${host}</Redirect>`))}`,
      ],
      // A header is never ended by a configuration (CVE-2021-3524).
      ...['a.test/', 'a.test&#13;&#10;X: y', 'user@a.test', 'a b', ''].map((name): [string, string] => [
        'InvalidRequest',
        `<RedirectAllRequestsTo><HostName>${name}</HostName></RedirectAllRequestsTo>`,
      ]),
    ];
    for (const [code, inner] of cases) {
      const got = await put('other-site', 'website', website(inner));
      assert.deepEqual([got.status, got.code], [400, code], inner);
    }
    assert.equal((await put('missing', 'website', website(index))).code, 'NoSuchBucket');
    for (const as of ['anonymous', 'readonly', 'scoped'] as const)
      assert.equal((await s3.send('PUT', '/web', { query: { website: '' }, body: website(index), as })).status, 403);
  });

  it('is kept as what reads the same', () => {
    const part = fc.constantFrom(
      index,
      error,
      '<RedirectAllRequestsTo><HostName>h.test</HostName></RedirectAllRequestsTo>',
      '<RedirectAllRequestsTo><HostName>h.test:1</HostName><Protocol>https</Protocol></RedirectAllRequestsTo>',
      redirect('<ReplaceKeyPrefixWith/>'),
      redirect('<ReplaceKeyWith>&lt;</ReplaceKeyWith><HttpRedirectCode>308</HttpRedirectCode>'),
      when('<KeyPrefixEquals/>'),
      when('<HttpErrorCodeReturnedEquals>503</HttpErrorCodeReturnedEquals><KeyPrefixEquals>x</KeyPrefixEquals>'),
    );
    let taken = 0;
    fc.assert(
      fc.property(fc.uniqueArray(part, { maxLength: 3 }), (inner) => {
        try {
          const value = websiteForm.parse(parseXml(Buffer.from(website(inner.join('')))));
          assert.deepEqual(websiteForm.parse(parseXml(documentOf(websiteForm, value))), value);
          taken++;
        } catch (error) {
          if (!(error instanceof StoreError)) throw error;
        }
      }),
      { numRuns: 500 },
    );
    assert.ok(taken > 30, `${taken}`);
  });

  it('leads to one line of a header, whatever the key is', () => {
    const rule = {
      status: undefined,
      prefix: 'a',
      redirect: { protocol: undefined, host: undefined, status: undefined, replaceKey: undefined, replacePrefix: '/b' },
    };
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 20 }), (bytes) => {
        const key = Buffer.concat([Buffer.from('a'), bytes]);
        assert.equal(ruleFor([rule], key, undefined), rule);
        assert.match(locationOf(rule, key, { protocol: 'http', host: 'h' }), /^\/%2Fb[!-~]*$/);
      }),
    );
  });
});
