import { area } from '../case.ts';
import type { Code } from '../errors.ts';
import { header, ok, refused, same } from '../expect.ts';
import type { Options, Steps } from '../steps.ts';
import { nobody, openBucket, withPolicy } from './accounts.ts';

const { cases, rule } = area('websites', 'userguide/WebsiteHosting');
const putting = { source: 'API/API_PutBucketWebsite' };
const serving = { source: 'userguide/WebsiteEndpoints', needs: ['website'] as const };
const redirecting = { source: 'userguide/how-to-page-redirect', needs: ['website'] as const };

const website = (inner: string) =>
  `<WebsiteConfiguration xmlns="http://s3.amazonaws.com/doc/2006-03-01/">${inner}</WebsiteConfiguration>`;
const index = '<IndexDocument><Suffix>index.html</Suffix></IndexDocument>';
const error = '<ErrorDocument><Key>error.html</Key></ErrorDocument>';
const host = '<HostName>www.example.com</HostName>';
const rules = (...all: readonly string[]) =>
  `<RoutingRules>${all.map((one) => `<RoutingRule>${one}</RoutingRule>`).join('')}</RoutingRules>`;
const redirect = (inner: string) => `<Redirect>${inner}</Redirect>`;
const when = (inner: string) => `<Condition>${inner}</Condition>${redirect('<ReplaceKeyWith>page</ReplaceKeyWith>')}`;
const put = (t: Steps, bucket: string, inner: string) => t.document('PUT', bucket, 'website', website(inner));
const get = (t: Steps, bucket: string) => t.get(bucket, '', { query: { website: '' } });

/* The configuration. */
const good: readonly (readonly [what: string, inner: string, element: string, ...texts: string[]])[] = [
  ['an index', index, 'Suffix', 'index.html'],
  ['an error document', index + error, 'Key', 'error.html'],
  ['a host for all requests', `<RedirectAllRequestsTo>${host}</RedirectAllRequestsTo>`, 'HostName', 'www.example.com'],
  [
    'a host and a protocol for all requests',
    `<RedirectAllRequestsTo>${host}<Protocol>https</Protocol></RedirectAllRequestsTo>`,
    'Protocol',
    'https',
  ],
  ['a rule with a prefix', index + rules(when('<KeyPrefixEquals>old/</KeyPrefixEquals>')), 'KeyPrefixEquals', 'old/'],
  [
    'a rule with an error',
    index + rules(when('<HttpErrorCodeReturnedEquals>404</HttpErrorCodeReturnedEquals>')),
    'HttpErrorCodeReturnedEquals',
    '404',
  ],
  ['a rule without a condition', index + rules(redirect(host)), 'HostName', 'www.example.com'],
  [
    'a rule with a code',
    index + rules(redirect(`${host}<HttpRedirectCode>307</HttpRedirectCode>`)),
    'HttpRedirectCode',
    '307',
  ],
  [
    'two rules in their order',
    index + rules(redirect('<HostName>a.example</HostName>'), redirect('<HostName>b.example</HostName>')),
    'HostName',
    'a.example',
    'b.example',
  ],
];
for (const [what, inner, element, ...texts] of good)
  rule(
    `PutBucketWebsite with ${what} reads back`,
    async (t) => {
      const bucket = await t.bucket();
      ok(await put(t, bucket, inner));
      const answer = ok(await get(t, bucket));
      same(answer.texts(element), texts, element, answer);
    },
    putting,
  );
const bad: readonly (readonly [what: string, inner: string, ...codes: Code[]])[] = [
  ['nothing in it', '', 'InvalidArgument', 'MalformedXML'],
  ['no index', error, 'InvalidArgument', 'MalformedXML'],
  ['an empty index', '<IndexDocument><Suffix/></IndexDocument>', 'InvalidArgument', 'MalformedXML'],
  ['a slash in the index', '<IndexDocument><Suffix>a/b</Suffix></IndexDocument>', 'InvalidArgument'],
  ['an empty error document', `${index}<ErrorDocument><Key/></ErrorDocument>`, 'InvalidArgument', 'MalformedXML'],
  ['two indices', index + index, 'MalformedXML'],
  [
    'an index and a host for all requests',
    `${index}<RedirectAllRequestsTo>${host}</RedirectAllRequestsTo>`,
    'InvalidRequest',
    'MalformedXML',
    'InvalidArgument',
  ],
  [
    'a protocol that there is not',
    `<RedirectAllRequestsTo>${host}<Protocol>ftp</Protocol></RedirectAllRequestsTo>`,
    'InvalidRequest',
    'MalformedXML',
  ],
  [
    'a code that does not redirect',
    index + rules(redirect(`${host}<HttpRedirectCode>200</HttpRedirectCode>`)),
    'InvalidRequest',
  ],
  [
    'an error that is none',
    index + rules(when('<HttpErrorCodeReturnedEquals>200</HttpErrorCodeReturnedEquals>')),
    'InvalidRequest',
  ],
  [
    'two ways to replace the key',
    index + rules(redirect('<ReplaceKeyWith>a</ReplaceKeyWith><ReplaceKeyPrefixWith>b</ReplaceKeyPrefixWith>')),
    'InvalidRequest',
    'MalformedXML',
  ],
  ['an empty redirect', index + rules(redirect('')), 'MalformedXML', 'InvalidRequest'],
  [
    'a rule without a redirect',
    index + rules('<Condition><KeyPrefixEquals>a</KeyPrefixEquals></Condition>'),
    'MalformedXML',
  ],
  ['an empty condition', index + rules(when('')), 'InvalidRequest', 'MalformedXML'],
  ['an element that is not known', `${index}<Other/>`, 'MalformedXML'],
  ['51 rules', index + rules(...Array.from({ length: 51 }, () => redirect(host))), 'InvalidRequest', 'MalformedXML'],
];
for (const [what, inner, ...codes] of bad)
  rule(
    `PutBucketWebsite with ${what} is refused with ${codes[0]}`,
    async (t) => {
      const bucket = await t.bucket();
      refused(await put(t, bucket, inner), ...codes);
      refused(await get(t, bucket), 'NoSuchWebsiteConfiguration');
    },
    putting,
  );
rule(
  'PutBucketWebsite of a bucket that is not there is refused with NoSuchBucket',
  async (t) => void refused(await put(t, t.newName(), index), 'NoSuchBucket'),
  putting,
);
rule(
  'DeleteBucketWebsite answers 204, also when there is none',
  async (t) => {
    const bucket = await t.bucket();
    ok(await put(t, bucket, index));
    for (let time = 0; time < 2; time++) ok(await t.send('DELETE', bucket, '', { query: { website: '' } }), 204);
    refused(await get(t, bucket), 'NoSuchWebsiteConfiguration');
  },
  { source: 'API/API_DeleteBucketWebsite' },
);

/* What a reader gets. */
const made = (t: Steps, name: string, inner: string, list = true) =>
  t.shared(`the website ${name}`, async (keeper) => {
    const bucket = await openBucket(keeper);
    for (const key of ['index.html', 'docs/index.html', 'page', 'error.html'])
      await keeper.put(bucket, key, `this is ${key}`, { 'content-type': 'text/html' });
    await keeper.put(bucket, 'moved', '', { 'x-amz-website-redirect-location': '/page' });
    await keeper.put(bucket, 'far', '', { 'x-amz-website-redirect-location': 'https://www.example.com/far' });
    await withPolicy(keeper, bucket, { Action: ['s3:GetObject', ...(list ? ['s3:ListBucket'] : [])] });
    ok(await put(keeper, bucket, inner));
    return bucket;
  });
const visit = (t: Steps, bucket: string, path: string, method = 'GET', more: Options = {}) =>
  t.at(method, path, { signing: nobody, ...more, headers: { host: `${bucket}.${t.store.website}`, ...more.headers } });
const plain = (t: Steps) => made(t, 'with pages', index + error);
for (const [what, path, body] of [
  ['/ is the index', '/', 'this is index.html'],
  ['a folder with its slash is its index', '/docs/', 'this is docs/index.html'],
  ['a key is its object', '/page', 'this is page'],
  ['a query is passed over', '/page?acl', 'this is page'],
] as const)
  rule(
    what,
    async (t) => {
      const answer = header(ok(await visit(t, await plain(t), path)), 'content-type', 'text/html');
      same(answer.body.toString(), body, 'content', answer);
    },
    serving,
  );
rule(
  'HEAD of a page has its headers, and no body',
  async (t) => {
    const answer = header(ok(await visit(t, await plain(t), '/page', 'HEAD')), 'content-length', '12');
    same(answer.body.length, 0, 'bytes of the body', answer);
  },
  serving,
);
rule(
  'a folder without its slash is 302 to the one with it',
  async (t) => {
    header(ok(await visit(t, await plain(t), '/docs'), 302), 'location', /\/docs\/$/);
  },
  serving,
);
rule(
  'a key that is missing is 404 with the error document',
  async (t) => {
    const answer = ok(await visit(t, await plain(t), '/none'), 404);
    same(answer.body.toString(), 'this is error.html', 'content', answer);
  },
  serving,
);
rule(
  'a key that is missing where nobody may list is 403',
  async (t) => {
    ok(await visit(t, await made(t, 'without a list', index, false), '/none'), 403);
  },
  serving,
);
rule(
  'an error without an error document is a page in HTML with its code',
  async (t) => {
    const answer = header(
      ok(await visit(t, await made(t, 'without pages for errors', index), '/none'), 404),
      'content-type',
      /^text\/html/,
    );
    same(
      /<html/i.test(answer.body.toString()) && answer.body.includes('NoSuchKey'),
      true,
      'it is HTML with the code',
      answer,
    );
  },
  serving,
);
rule(
  'nothing of a path is markup in the page of an error',
  async (t) => {
    const answer = ok(await visit(t, await made(t, 'without pages for errors', index), '/%3Cscript%3E'), 404);
    same(answer.body.includes('<script>'), false, 'the path is markup', answer);
  },
  serving,
);
for (const method of ['PUT', 'POST', 'DELETE'])
  rule(
    `${method} of a page is 405`,
    async (t) => void ok(await visit(t, await plain(t), '/page', method), 405),
    serving,
  );
rule('a bucket without a website is 404', async (t) => void ok(await visit(t, await t.bucket(), '/'), 404), serving);
rule('a bucket that is not there is 404', async (t) => void ok(await visit(t, t.newName(), '/'), 404), serving);
rule(
  'a website that is not public is 403, whoever signs',
  async (t) => {
    const bucket = await t.bucket();
    await t.put(bucket, 'index.html');
    ok(await put(t, bucket, index));
    ok(await visit(t, bucket, '/', 'GET', { signing: {} }), 403);
  },
  serving,
);
rule(
  'a page answers ranges',
  async (t) => {
    const answer = ok(await visit(t, await plain(t), '/page', 'GET', { headers: { range: 'bytes=0-3' } }), 206);
    same(answer.body.toString(), 'this', 'content', answer);
  },
  serving,
);
for (const [key, location] of [
  ['moved', /\/page$/],
  ['far', /^https:\/\/www\.example\.com\/far$/],
] as const)
  rule(
    `the object ${key} with x-amz-website-redirect-location is 301 to there`,
    async (t) => {
      header(ok(await visit(t, await plain(t), `/${key}`), 301), 'location', location);
    },
    redirecting,
  );
rule(
  'RedirectAllRequestsTo is 301 to the same path there',
  async (t) => {
    const bucket = await made(
      t,
      'that moved',
      `<RedirectAllRequestsTo>${host}<Protocol>https</Protocol></RedirectAllRequestsTo>`,
    );
    header(ok(await visit(t, bucket, '/a/b'), 301), 'location', 'https://www.example.com/a/b');
  },
  redirecting,
);
const routed = (t: Steps) =>
  made(
    t,
    'with rules',
    index +
      rules(
        '<Condition><KeyPrefixEquals>old/</KeyPrefixEquals></Condition><Redirect><ReplaceKeyPrefixWith>new/</ReplaceKeyPrefixWith></Redirect>',
        `<Condition><KeyPrefixEquals>away/</KeyPrefixEquals></Condition><Redirect>${host}<Protocol>https</Protocol><HttpRedirectCode>307</HttpRedirectCode></Redirect>`,
        '<Condition><HttpErrorCodeReturnedEquals>404</HttpErrorCodeReturnedEquals></Condition><Redirect><ReplaceKeyWith>page</ReplaceKeyWith><HttpRedirectCode>302</HttpRedirectCode></Redirect>',
      ),
  );
for (const [what, path, status, location] of [
  ['a prefix is replaced by another', '/old/a', 301, /\/new\/a$/],
  ['a prefix leads to another host, with its own code', '/away/a', 307, /^https:\/\/www\.example\.com\/away\/a$/],
  ['an error leads to another key', '/none', 302, /\/page$/],
] as const)
  rule(
    `by a routing rule ${what}`,
    async (t) => {
      header(ok(await visit(t, await routed(t), path), status), 'location', location);
    },
    redirecting,
  );
rule(
  'a path that no rule is about is its object',
  async (t) => {
    const answer = ok(await visit(t, await routed(t), '/page'));
    same(answer.body.toString(), 'this is page', 'content', answer);
  },
  redirecting,
);

export const websiteCases = cases;
