import { area } from '../case.ts';
import type { Code } from '../errors.ts';
import { header, ok, refused, same, shape } from '../expect.ts';
import type { Steps } from '../steps.ts';

const { cases, rule } = area('CORS', 'userguide/ManageCorsUsing');
const putting = { source: 'API/API_PutBucketCors' };
const asking = { source: 'API/RESTOPTIONSobject' };

const one = (name: string, ...values: string[]) => values.map((value) => `<${name}>${value}</${name}>`).join('');
const ruleOf = (inner: string) => `<CORSRule>${inner}</CORSRule>`;
const document = (...rules: string[]) => `<CORSConfiguration>${rules.map(ruleOf).join('')}</CORSConfiguration>`;
const basic = one('AllowedMethod', 'GET') + one('AllowedOrigin', 'https://app.example');
const put = (t: Steps, bucket: string, body: string) => t.document('PUT', bucket, 'cors', body);

const configured = (t: Steps) =>
  t.shared('a bucket with CORS', async (keeper) => {
    const bucket = await keeper.bucket();
    await keeper.put(bucket, 'object');
    const rules = [
      one('AllowedMethod', 'GET', 'PUT') +
        one('AllowedOrigin', 'https://app.example') +
        one('AllowedHeader', 'Content-Type', 'x-amz-*') +
        one('ExposeHeader', 'ETag', 'x-amz-request-id') +
        one('MaxAgeSeconds', '600'),
      one('AllowedMethod', 'DELETE') + one('AllowedOrigin', 'https://*.sub.example') + one('AllowedHeader', '*'),
      one('AllowedMethod', 'HEAD') + one('AllowedOrigin', '*'),
    ];
    ok(await put(keeper, bucket, document(...rules)));
    return bucket;
  });
const ask = async (
  t: Steps,
  origin: string | undefined,
  method: string | undefined,
  headers?: string,
  key = 'object',
) =>
  t.send('OPTIONS', await configured(t), key, {
    headers: {
      ...(origin !== undefined && { origin }),
      ...(method !== undefined && { 'access-control-request-method': method }),
      ...(headers !== undefined && { 'access-control-request-headers': headers }),
    },
    signing: { form: 'none' },
  });

/* The configuration. */
rule(
  'GetBucketCors of a bucket without CORS is refused with NoSuchCORSConfiguration',
  async (t) => {
    refused(await t.get(await t.bucket(), '', { query: { cors: '' } }), 'NoSuchCORSConfiguration');
  },
  { source: 'API/API_GetBucketCors' },
);
for (const [name, values] of [
  ['AllowedMethod', ['GET', 'PUT', 'POST', 'DELETE', 'HEAD']],
  ['AllowedOrigin', ['https://a.example', 'http://*.b.example', '*']],
  ['AllowedHeader', ['Authorization', 'x-amz-*', '*']],
  ['ExposeHeader', ['ETag', 'x-amz-version-id']],
  ['MaxAgeSeconds', ['3000']],
  ['ID', ['the rule']],
] as const)
  rule(
    `PutBucketCors keeps ${name}`,
    async (t) => {
      const bucket = await t.bucket();
      const own = one(name, ...values);
      const rest =
        (name === 'AllowedMethod' ? '' : one('AllowedMethod', 'GET')) +
        (name === 'AllowedOrigin' ? '' : one('AllowedOrigin', '*'));
      ok(await put(t, bucket, document(own + rest)));
      const answer = shape(ok(await t.get(bucket, '', { query: { cors: '' } })), 'CORSConfiguration');
      same(answer.texts(name), values, name, answer);
    },
    putting,
  );
rule(
  'PutBucketCors keeps 100 rules in their order',
  async (t) => {
    const bucket = await t.bucket();
    const ids = Array.from({ length: 100 }, (_, at) => `rule-${at}`);
    ok(await put(t, bucket, document(...ids.map((id) => one('ID', id) + basic))));
    const answer = ok(await t.get(bucket, '', { query: { cors: '' } }));
    same(answer.texts('ID'), ids, 'IDs', answer);
  },
  putting,
);
rule(
  'PutBucketCors replaces all rules',
  async (t) => {
    const bucket = await t.bucket();
    ok(await put(t, bucket, document(one('ID', 'old') + basic)));
    ok(await put(t, bucket, document(one('ID', 'new') + basic)));
    const answer = ok(await t.get(bucket, '', { query: { cors: '' } }));
    same(answer.texts('ID'), ['new'], 'IDs', answer);
  },
  putting,
);
const bad: readonly (readonly [string, string, ...Code[]])[] = [
  ['101 rules', document(...Array.from({ length: 101 }, () => basic)), 'InvalidRequest', 'MalformedXML'],
  ['no rule', '<CORSConfiguration></CORSConfiguration>', 'MalformedXML'],
  ['a rule without a method', document(one('AllowedOrigin', '*')), 'MalformedXML'],
  ['a rule without an origin', document(one('AllowedMethod', 'GET')), 'MalformedXML'],
  ['the method OPTIONS', document(one('AllowedMethod', 'OPTIONS') + one('AllowedOrigin', '*')), 'InvalidRequest'],
  ['a method in lower case', document(one('AllowedMethod', 'get') + one('AllowedOrigin', '*')), 'InvalidRequest'],
  [
    'two wildcards in an origin',
    document(one('AllowedMethod', 'GET') + one('AllowedOrigin', 'https://*.*.example')),
    'InvalidRequest',
  ],
  ['two wildcards in a header', document(basic + one('AllowedHeader', 'x-*-*')), 'InvalidRequest'],
  ['a wildcard in an exposed header', document(basic + one('ExposeHeader', 'x-amz-*')), 'InvalidRequest'],
  ['a MaxAgeSeconds that is no number', document(basic + one('MaxAgeSeconds', 'long')), 'MalformedXML'],
  ['an ID of 256 characters', document(one('ID', 'x'.repeat(256)) + basic), 'InvalidRequest', 'MalformedXML'],
];
for (const [what, body, ...codes] of bad)
  rule(
    `PutBucketCors with ${what} is refused with ${codes[0]}`,
    async (t) => {
      refused(await put(t, await t.bucket(), body), ...codes);
    },
    putting,
  );
rule(
  'DeleteBucketCors answers 204, and there is none any more',
  async (t) => {
    const bucket = await t.bucket();
    ok(await put(t, bucket, document(basic)));
    ok(await t.send('DELETE', bucket, '', { query: { cors: '' } }), 204);
    refused(await t.get(bucket, '', { query: { cors: '' } }), 'NoSuchCORSConfiguration');
  },
  { source: 'API/API_DeleteBucketCors' },
);
rule(
  'DeleteBucketCors of a bucket without CORS answers 204',
  async (t) => {
    ok(await t.send('DELETE', await t.bucket(), '', { query: { cors: '' } }), 204);
  },
  { source: 'API/API_DeleteBucketCors' },
);

/* Preflights: origin, method, headers, and what is allowed. */
const granted: readonly (readonly [string, string, string, string | undefined])[] = [
  ['an origin and a method of a rule', 'https://app.example', 'GET', undefined],
  ['the other method of a rule', 'https://app.example', 'PUT', undefined],
  ['a header of the rule', 'https://app.example', 'PUT', 'content-type'],
  ['a header of the rule in another case', 'https://app.example', 'PUT', 'CONTENT-TYPE'],
  ['a header that fits a wildcard', 'https://app.example', 'PUT', 'x-amz-date'],
  ['several headers of the rule', 'https://app.example', 'PUT', 'content-type, x-amz-date,x-amz-acl'],
  ['an origin that fits a wildcard', 'https://a.sub.example', 'DELETE', undefined],
  ['an origin that fits a wildcard over several labels', 'https://a.b.sub.example', 'DELETE', undefined],
  ['any header of a rule that allows all', 'https://a.sub.example', 'DELETE', 'x-whatever, authorization'],
  ['any origin of a rule that allows all', 'http://nobody.knows', 'HEAD', undefined],
];
for (const [what, origin, method, headers] of granted)
  rule(
    `a preflight with ${what} is granted without credentials`,
    async (t) => {
      const answer = ok(await ask(t, origin, method, headers));
      header(answer, 'access-control-allow-origin', method === 'HEAD' ? '*' : origin);
      header(answer, 'access-control-allow-methods', new RegExp(method));
      if (headers) header(answer, 'access-control-allow-headers', /./);
    },
    asking,
  );
const denied: readonly (readonly [string, string, string, string | undefined])[] = [
  ['an origin of no rule', 'https://other.example', 'GET', undefined],
  ['an origin with another scheme', 'http://app.example', 'GET', undefined],
  ['an origin with a port', 'https://app.example:8443', 'GET', undefined],
  ['an origin that has the right one within', 'https://app.example.evil.example', 'GET', undefined],
  ['an origin that lacks the wildcard', 'https://sub.example', 'DELETE', undefined],
  ['a method of no rule', 'https://app.example', 'POST', undefined],
  ['a method of another rule', 'https://app.example', 'DELETE', undefined],
  ['a header of no rule', 'https://app.example', 'PUT', 'x-other'],
  ['one header of several that no rule has', 'https://app.example', 'PUT', 'content-type, x-other'],
  ['a header with a rule that has none', 'http://nobody.knows', 'HEAD', 'x-other'],
];
for (const [what, origin, method, headers] of denied)
  rule(
    `a preflight with ${what} is refused with AccessForbidden`,
    async (t) => {
      const answer = refused(await ask(t, origin, method, headers), 'AccessForbidden');
      header(answer, 'access-control-allow-origin', undefined);
    },
    asking,
  );
rule(
  'a preflight is answered with Access-Control-Max-Age of its rule',
  async (t) => {
    header(ok(await ask(t, 'https://app.example', 'GET')), 'access-control-max-age', '600');
  },
  asking,
);
rule(
  'a preflight is answered with Access-Control-Expose-Headers of its rule',
  async (t) => {
    header(ok(await ask(t, 'https://app.example', 'GET')), 'access-control-expose-headers', /ETag.*x-amz-request-id/i);
  },
  asking,
);
rule(
  'a preflight says that its answer depends on the origin',
  async (t) => {
    header(ok(await ask(t, 'https://app.example', 'GET')), 'vary', /Origin/i);
  },
  asking,
);
rule(
  'a preflight is answered for a key that is not there',
  async (t) => {
    ok(await ask(t, 'https://app.example', 'PUT', undefined, 'not-there'));
  },
  asking,
);
rule(
  'a preflight without Origin is refused with BadRequest',
  async (t) => {
    refused(await ask(t, undefined, 'GET'), 'BadRequest');
  },
  asking,
);
rule(
  'a preflight without Access-Control-Request-Method is refused',
  async (t) => {
    refused(await ask(t, 'https://app.example', undefined), 'BadRequest', 'AccessForbidden');
  },
  asking,
);
rule(
  'a preflight for a bucket without CORS is refused with AccessForbidden',
  async (t) => {
    const headers = { origin: 'https://app.example', 'access-control-request-method': 'GET' };
    refused(
      await t.send('OPTIONS', await t.bucket(), 'key', { headers, signing: { form: 'none' } }),
      'AccessForbidden',
    );
  },
  asking,
);

/* Actual requests. */
rule('GET with an Origin that is allowed says so', async (t) => {
  const answer = ok(await t.get(await configured(t), 'object', { headers: { origin: 'https://app.example' } }));
  header(answer, 'access-control-allow-origin', 'https://app.example');
  header(answer, 'access-control-expose-headers', /ETag/i);
});
rule('GET with an Origin that is not allowed is answered without saying so', async (t) => {
  header(
    ok(await t.get(await configured(t), 'object', { headers: { origin: 'https://other.example' } })),
    'access-control-allow-origin',
    undefined,
  );
});
rule('GET without an Origin is answered without headers of CORS', async (t) => {
  header(ok(await t.get(await configured(t), 'object')), 'access-control-allow-origin', undefined);
});
rule(
  'an actual request is matched by its own method, not by Access-Control-Request-Method',
  async (t) => {
    const bucket = await configured(t);
    const headers = (method: string) => ({
      origin: 'https://app.example',
      'access-control-request-method': method,
    });
    const got = ok(await t.get(bucket, 'object', { headers: headers('DELETE') }));
    header(got, 'access-control-allow-origin', 'https://app.example');
    // The rule of this origin does not have DELETE.
    const gone = ok(await t.remove(bucket, 'object-too', { headers: headers('GET') }), 204);
    header(gone, 'access-control-allow-origin', undefined);
  },
  { source: 'API/API_PutBucketCors' },
);
rule('an error is answered with the headers of CORS, too', async (t) => {
  header(
    refused(await t.get(await configured(t), 'not-there', { headers: { origin: 'https://app.example' } }), 'NoSuchKey'),
    'access-control-allow-origin',
    'https://app.example',
  );
});

export const corsCases = cases;
