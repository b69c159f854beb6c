import { area } from '../case.ts';
import { type Sent, sha256, timeOf } from '../client.ts';
import { header, ok, refused, same } from '../expect.ts';
import type { Options, Steps } from '../steps.ts';

const { cases, rule } = area('signatures in the header', 'API/sigv4-auth-using-authorization-header');
const calculation = { source: 'API/sig-v4-header-based-auth' };
const errors = { source: 'API/ErrorResponses' };

const made = (t: Steps) =>
  t.shared('an object to sign for', async (keeper) => {
    const bucket = await keeper.bucket();
    await keeper.put(bucket, 'object', 'signed');
    return bucket;
  });
const minute = 60_000;
const hour = 60 * minute;

/* What is taken. */
const taken: readonly (readonly [string, Options])[] = [
  ['a request signed now', {}],
  ['a request signed 14 minutes ago', { signing: { skewMs: -14 * minute } }],
  ['a request signed 14 minutes ahead', { signing: { skewMs: 14 * minute } }],
  ['UNSIGNED-PAYLOAD', { signing: { payload: 'UNSIGNED-PAYLOAD' } }],
  [
    'a header that is not signed and is none of x-amz-',
    { headers: { 'x-other': 'a' }, signing: { unsigned: ['x-other'] } },
  ],
  ['a signed header with spaces around its value', { headers: { 'x-amz-meta-a': '  a  ' } }],
  ['a signed header with two spaces within its value', { headers: { 'x-amz-meta-a': 'a  b' } }],
  ['a query with characters that are encoded', { query: { 'response-content-type': 'text/a b+c;d=é' } }],
  ['a query parameter without a value', { query: { unknown: '' } }],
  ['query parameters in another order than signed', { query: { b: '2', a: '1', 'b-c': '3' } }],
];
for (const [what, options] of taken)
  rule(
    `${what} is taken`,
    async (t) => {
      const answer = ok(await t.get(await made(t), 'object', options));
      same(answer.body.toString(), 'signed', 'body', answer);
    },
    calculation,
  );
rule('the components of Authorization may stand without spaces', async (t) => {
  const spoil = ({ headers }: Sent) => {
    headers['authorization'] = String(headers['authorization']).replaceAll(', ', ',');
  };
  ok(await t.get(await made(t), 'object', { signing: { spoil } }));
});
rule(
  'a body whose hash is signed is taken',
  async (t) => {
    ok(await t.send('PUT', await t.bucket(), 'key', { body: 'the body' }));
  },
  calculation,
);

/* What is changed after it was signed. */
type Spoil = (sent: Sent) => void;
const authorization =
  (change: (text: string) => string): Spoil =>
  ({ headers }) => {
    headers['authorization'] = change(String(headers['authorization']));
  };
const changed: readonly (readonly [string, Options])[] = [
  ['another method', { signing: { spoil: (sent) => (sent.method = 'HEAD') } }],
  ['another key', { signing: { spoil: (sent) => (sent.target = sent.target.replace('object', 'objecu')) } }],
  [
    'a key with a letter in upper case',
    { signing: { spoil: (sent) => (sent.target = sent.target.replace('object', 'Object')) } },
  ],
  ['a query parameter that was added', { signing: { spoil: (sent) => (sent.target += '?versions') } }],
  [
    'a query parameter that was taken away',
    {
      query: { 'response-expires': 'x' },
      signing: { spoil: (sent) => (sent.target = sent.target.split('?')[0] ?? '') },
    },
  ],
  [
    'another value of a query parameter',
    {
      query: { 'response-expires': 'x' },
      signing: { spoil: (sent) => (sent.target = sent.target.replace('=x', '=y')) },
    },
  ],
  [
    'another value of a signed header',
    { headers: { 'x-amz-meta-a': 'a' }, signing: { spoil: ({ headers }) => (headers['x-amz-meta-a'] = 'b') } },
  ],
  [
    'a signed header that was taken away',
    { headers: { 'x-amz-meta-a': 'a' }, signing: { spoil: ({ headers }) => delete headers['x-amz-meta-a'] } },
  ],
  ['another host', { signing: { spoil: ({ headers }) => (headers['host'] = 'elsewhere.example') } }],
  ['another time', { signing: { spoil: ({ headers }) => (headers['x-amz-date'] = timeOf(Date.now() + 2000)) } }],
  [
    'another hash of the body',
    { signing: { spoil: ({ headers }) => (headers['x-amz-content-sha256'] = sha256('another')) } },
  ],
  [
    'another digit of the signature',
    { signing: { spoil: authorization((text) => text.slice(0, -1) + (text.endsWith('0') ? '1' : '0')) } },
  ],
  ['the secret of another key', { signing: { spoil: () => undefined } }],
];
for (const [what, options] of changed)
  rule(
    `${what} is refused with SignatureDoesNotMatch`,
    async (t) => {
      const { account } = t.store;
      const signing = what.startsWith('the secret')
        ? { account: { ...account, secretAccessKey: `${account.secretAccessKey}x` } }
        : options.signing;
      refused(
        await t.get(await made(t), 'object', { ...options, ...(signing && { signing }) }),
        'SignatureDoesNotMatch',
      );
    },
    errors,
  );
rule(
  'a body that is not the one that was signed is refused, and nothing is written',
  async (t) => {
    const bucket = await t.bucket();
    const spoil = (sent: Sent) => (sent.body = Buffer.from('other body'));
    refused(
      await t.send('PUT', bucket, 'key', { body: 'signed one', signing: { spoil } }),
      'XAmzContentSHA256Mismatch',
    );
    refused(await t.get(bucket, 'key'), 'NoSuchKey');
  },
  errors,
);
rule(
  'SignatureDoesNotMatch says which key it was for',
  async (t) => {
    const answer = refused(
      await t.get(await made(t), 'object', { signing: { spoil: (sent) => (sent.target += 'x') } }),
      'SignatureDoesNotMatch',
    );
    same(answer.text('AWSAccessKeyId'), t.store.account.accessKeyId, 'AWSAccessKeyId', answer);
  },
  errors,
);
rule(
  'SignatureDoesNotMatch says what was signed',
  async (t) => {
    const answer = refused(
      await t.get(await made(t), 'object', { signing: { spoil: (sent) => (sent.target += 'x') } }),
      'SignatureDoesNotMatch',
    );
    same(
      [
        answer.text('StringToSign')?.startsWith('AWS4-HMAC-SHA256'),
        answer.text('CanonicalRequest')?.startsWith('GET\n'),
      ],
      [true, true],
      'StringToSign, CanonicalRequest',
      answer,
    );
  },
  errors,
);
for (const name of ['x-amz-acl', 'x-amz-meta-a', 'x-amz-copy-source', 'x-amz-tagging'])
  rule(
    `${name} that is sent and not signed is refused: "you must include … any x-amz-* headers"`,
    async (t) => {
      const headers = { [name]: 'a' };
      refused(
        await t.send('PUT', await made(t), 'unsigned', { headers, signing: { unsigned: [name] } }),
        'AccessDenied',
        'SignatureDoesNotMatch',
      );
    },
    calculation,
  );
rule(
  'a request whose host is not signed is refused',
  async (t) => {
    refused(
      await t.get(await made(t), 'object', { signing: { unsigned: ['host'] } }),
      'AccessDenied',
      'SignatureDoesNotMatch',
      'AuthorizationHeaderMalformed',
    );
  },
  calculation,
);

/* Time. */
for (const [what, skewMs] of [
  ['16 minutes ago', -16 * minute],
  ['16 minutes ahead', 16 * minute],
  ['an hour ago', -hour],
  ['an hour ahead', hour],
] as const)
  rule(
    `a request signed ${what} is refused with RequestTimeTooSkewed`,
    async (t) => {
      refused(await t.get(await made(t), 'object', { signing: { skewMs } }), 'RequestTimeTooSkewed');
    },
    errors,
  );
rule(
  'RequestTimeTooSkewed says the time of the request, of the server, and what may lie between',
  async (t) => {
    const answer = refused(
      await t.get(await made(t), 'object', { signing: { skewMs: -hour } }),
      'RequestTimeTooSkewed',
    );
    same(
      ['RequestTime', 'ServerTime', 'MaxAllowedSkewMilliseconds'].map((name) => answer.text(name) !== undefined),
      [true, true, true],
      'details',
      answer,
    );
  },
  errors,
);
rule('a request without a date is refused with AccessDenied', async (t) => {
  refused(
    await t.get(await made(t), 'object', { signing: { spoil: ({ headers }) => delete headers['x-amz-date'] } }),
    'AccessDenied',
  );
});
for (const [what, date] of [
  ['in another form', '2024-01-01T00:00:00Z'],
  ['that is none', 'today'],
] as const)
  rule(`a request with an x-amz-date ${what} is refused with AccessDenied`, async (t) => {
    refused(
      await t.get(await made(t), 'object', { signing: { spoil: ({ headers }) => (headers['x-amz-date'] = date) } }),
      'AccessDenied',
    );
  });

/* The scope. */
for (const [what, signing] of [
  ['another region', { region: 'mars-north-1' }],
  ['another service', { service: 'ec2' }],
  ['another ending than aws4_request', { terminal: 'aws5_request' }],
  ['another day than the request', { day: '20200101' }],
  ['a day in another form', { day: '2020-01-01' }],
] as const)
  rule(
    `a credential scope of ${what} is refused with AuthorizationHeaderMalformed`,
    async (t) => {
      refused(await t.get(await made(t), 'object', { signing }), 'AuthorizationHeaderMalformed');
    },
    errors,
  );
rule(
  'AuthorizationHeaderMalformed of another region names the right one',
  async (t) => {
    const answer = refused(
      await t.get(await made(t), 'object', { signing: { region: 'mars-north-1' } }),
      'AuthorizationHeaderMalformed',
    );
    same(answer.text('Region'), t.store.region, 'Region', answer);
  },
  errors,
);
rule(
  'HeadBucket signed for another region says in x-amz-bucket-region which one is right',
  async (t) => {
    const answer = await t.head(await made(t), '', { signing: { region: 'mars-north-1' } });
    same(answer.status, 400, 'status', answer);
    header(answer, 'x-amz-bucket-region', t.store.region);
  },
  errors,
);

/* The form. */
for (const [what, change, codes] of [
  ['without Credential', (text: string) => text.replace(/Credential=[^,]*, /, ''), ['AuthorizationHeaderMalformed']],
  [
    'without SignedHeaders',
    (text: string) => text.replace(/SignedHeaders=[^,]*, /, ''),
    ['AuthorizationHeaderMalformed'],
  ],
  ['without Signature', (text: string) => text.replace(/, Signature=.*/, ''), ['AuthorizationHeaderMalformed']],
  [
    'with a Credential without a scope',
    (text: string) => text.replace(/Credential=[^,]*/, 'Credential=AKID'),
    ['AuthorizationHeaderMalformed'],
  ],
  [
    'with an empty Credential',
    (text: string) => text.replace(/Credential=[^,]*/, 'Credential='),
    ['AuthorizationHeaderMalformed'],
  ],
  ['that is nothing but the algorithm', () => 'AWS4-HMAC-SHA256', ['AuthorizationHeaderMalformed', 'InvalidArgument']],
  [
    'of another algorithm',
    (text: string) => text.replace('AWS4-HMAC-SHA256', 'AWS4-HMAC-SHA999'),
    ['InvalidArgument', 'InvalidRequest', 'AccessDenied'],
  ],
  ['of the scheme Basic', () => 'Basic dXNlcjpwYXNz', ['InvalidArgument', 'InvalidRequest', 'AccessDenied']],
  ['of the scheme Bearer', () => 'Bearer token', ['InvalidArgument', 'InvalidRequest', 'AccessDenied']],
  [
    'of signature version 2',
    (text: string) => `AWS ${/Credential=([^/]*)/.exec(text)?.[1]}:c2lnbmF0dXJl`,
    ['InvalidRequest', 'SignatureDoesNotMatch'],
  ],
  ['that is empty', () => '', ['AccessDenied', 'InvalidArgument']],
] as const)
  rule(
    `an Authorization ${what} is refused with ${codes[0]}`,
    async (t) => {
      refused(await t.get(await made(t), 'object', { signing: { spoil: authorization(change) } }), ...codes);
    },
    errors,
  );
for (const [what, value] of [
  ['too short', 'abcdef'],
  ['too long', `${'a'.repeat(64)}b`],
  ['in capitals', 'A'.repeat(64)],
  ['of no hexadecimal digits', 'z'.repeat(64)],
  ['of zeros', '0'.repeat(64)],
] as const)
  rule(
    `a signature that is ${what} is refused`,
    async (t) => {
      const spoil = authorization((text) => text.replace(/Signature=.*/, `Signature=${value}`));
      refused(
        await t.get(await made(t), 'object', { signing: { spoil } }),
        'SignatureDoesNotMatch',
        'AuthorizationHeaderMalformed',
      );
    },
    errors,
  );
rule(
  'a key id that is not known is refused with InvalidAccessKeyId, which names it',
  async (t) => {
    const account = { accessKeyId: 'AKIANOBODYKNOWSIT', secretAccessKey: 'secret' };
    const answer = refused(await t.get(await made(t), 'object', { signing: { account } }), 'InvalidAccessKeyId');
    same(answer.text('AWSAccessKeyId'), 'AKIANOBODYKNOWSIT', 'AWSAccessKeyId', answer);
  },
  errors,
);
rule(
  'no error repeats the signature header of the request',
  async (t) => {
    const answer = await t.get(await made(t), 'object', { signing: { spoil: (sent) => (sent.target += 'x') } });
    same(answer.body.toString().includes(t.store.account.secretAccessKey), false, 'secret in the error', answer);
  },
  errors,
);

/* x-amz-content-sha256. */
rule('a request without x-amz-content-sha256 is refused with InvalidRequest', async (t) => {
  refused(
    await t.get(await made(t), 'object', {
      signing: { spoil: ({ headers }) => delete headers['x-amz-content-sha256'] },
    }),
    'InvalidRequest',
    'SignatureDoesNotMatch',
  );
});
for (const [what, payload] of [
  ['a word that is not known', 'SIGNED-SOMEHOW'],
  ['a hash in capitals', 'E'.repeat(64)],
  ['too short', 'abc'],
] as const)
  rule(`x-amz-content-sha256 that is ${what} is refused with InvalidArgument`, async (t) => {
    refused(
      await t.get(await made(t), 'object', { signing: { payload } }),
      'InvalidArgument',
      'XAmzContentSHA256Mismatch',
    );
  });

/* Anonymous. */
rule(
  'a request without a signature is refused with AccessDenied',
  async (t) => {
    refused(await t.get(await made(t), 'object', { signing: { form: 'none' } }), 'AccessDenied');
  },
  errors,
);
rule(
  'a request without a signature does not learn whether a key is there',
  async (t) => {
    refused(await t.get(await made(t), 'not-there', { signing: { form: 'none' } }), 'AccessDenied');
  },
  { source: 'API/API_GetObject' },
);
rule(
  'a refusal says nothing of the object',
  async (t) => {
    const answer = refused(await t.head(await made(t), 'object', { signing: { form: 'none' } }), 'AccessDenied');
    header(answer, 'etag', undefined);
  },
  errors,
);

export const headerSignatureCases = cases;
