import { area } from '../case.ts';
import { pathOf } from '../client.ts';
import { header, ok, refused, same, shape } from '../expect.ts';
import type { Options, Steps } from '../steps.ts';

const { cases, rule } = area('conditions of reads', 'API/API_GetObject');

const earlier = 'Sat, 01 Jan 2000 00:00:00 GMT';
const other = '"00000000000000000000000000000000"';
const made = (t: Steps) =>
  t.shared('an object for conditions', async (keeper) => {
    const bucket = await keeper.bucket();
    const { etag } = await keeper.put(bucket, 'object', 'conditions');
    const modified = String((await keeper.head(bucket, 'object')).headers['last-modified']);
    return { bucket, etag, modified };
  });
type Made = Awaited<ReturnType<typeof made>>;

/* Every combination of the four: RFC 9110 §13.2.2, and the notes on combinations at GetObject and CopyObject. */
const states = ['absent', 'true', 'false'] as const;
type State = (typeof states)[number];
interface Combination {
  readonly match: State;
  readonly unmodified: State;
  readonly noneMatch: State;
  readonly modified: State;
}

function* combinations(): Generator<Combination> {
  for (const match of states)
    for (const unmodified of states)
      for (const noneMatch of states)
        for (const modified of states)
          if ([match, unmodified, noneMatch, modified].some((state) => state !== 'absent'))
            yield { match, unmodified, noneMatch, modified };
}

/** If-Match decides before If-Unmodified-Since, If-None-Match before If-Modified-Since; the first two before the others. */
function verdict({ match, unmodified, noneMatch, modified }: Combination): 200 | 304 | 412 {
  const first = match === 'absent' ? unmodified : match;
  if (first === 'false') return 412;
  const second = noneMatch === 'absent' ? modified : noneMatch;
  return second === 'false' ? 304 : 200;
}

const names = {
  match: 'If-Match',
  unmodified: 'If-Unmodified-Since',
  noneMatch: 'If-None-Match',
  modified: 'If-Modified-Since',
};

function sentence(combination: Combination): string {
  const said = Object.entries(names)
    .map(([field, name]) => [name, combination[field as keyof Combination]] as const)
    .filter(([, state]) => state !== 'absent')
    .map(([name, state]) => `${name} ${state}`);
  return said.length === 1 ? String(said[0]) : `${said.slice(0, -1).join(', ')} and ${said.at(-1)}`;
}

function valuesOf({ etag, modified }: Made, combination: Combination, prefix = ''): Record<string, string> {
  const values: Record<string, Record<State, string>> = {
    'if-match': { true: etag, false: other, absent: '' },
    'if-unmodified-since': { true: modified, false: earlier, absent: '' },
    'if-none-match': { true: other, false: etag, absent: '' },
    'if-modified-since': { true: earlier, false: modified, absent: '' },
  };
  const headers: Record<string, string> = {};
  for (const [field, name] of Object.entries(names)) {
    const value = values[name.toLowerCase()]?.[combination[field as keyof Combination]] ?? '';
    if (value !== '') headers[prefix + name.toLowerCase()] = value;
  }
  return headers;
}

for (const combination of combinations()) {
  const status = verdict(combination);
  for (const method of ['GET', 'HEAD'] as const)
    rule(
      `${method} with ${sentence(combination)} answers ${status}`,
      async (t) => {
        const it = await made(t);
        const answer = await t.send(method, it.bucket, 'object', { headers: valuesOf(it, combination) });
        if (status === 412) return refused(answer, 'PreconditionFailed');
        ok(answer, status);
        const content = status === 304 || method === 'HEAD' ? '' : 'conditions';
        return same(answer.body.toString(), content, 'body', answer);
      },
      { source: method === 'GET' ? 'API/API_GetObject' : 'API/API_HeadObject' },
    );
  const copied = status === 200 ? 200 : 412;
  rule(
    `CopyObject with ${sentence(combination).replace(/If-[A-Za-z-]+/g, (name) => `x-amz-copy-source-${name.toLowerCase()}`)} answers ${copied}`,
    async (t) => {
      const it = await made(t);
      const target = await t.shared('a bucket for copies under conditions', (keeper) => keeper.bucket());
      const key = sentence(combination);
      const headers = {
        'x-amz-copy-source': pathOf(it.bucket, 'object'),
        ...valuesOf(it, combination, 'x-amz-copy-source-'),
      };
      const answer = await t.send('PUT', target, key, { headers });
      if (copied === 200) return shape(ok(answer), 'CopyObjectResult', { ETag: it.etag });
      refused(answer, 'PreconditionFailed');
      return refused(await t.get(target, key), 'NoSuchKey');
    },
    { source: 'API/API_CopyObject' },
  );
}

/* Forms of the values. */
const forms: readonly (readonly [string, (made: Made) => Record<string, string>, 200 | 304 | 412])[] = [
  ['If-Match: * holds for every object', () => ({ 'if-match': '*' }), 200],
  ['If-None-Match: * fails for every object', () => ({ 'if-none-match': '*' }), 304],
  ['If-Match takes an ETag without quotes', ({ etag }) => ({ 'if-match': etag.slice(1, -1) }), 200],
  ['If-None-Match takes an ETag without quotes', ({ etag }) => ({ 'if-none-match': etag.slice(1, -1) }), 304],
  ['If-Match takes a list of ETags of which one fits', ({ etag }) => ({ 'if-match': `${other}, ${etag}` }), 200],
  [
    'If-Match fails for a list of which none fits',
    () => ({ 'if-match': `${other}, "11111111111111111111111111111111"` }),
    412,
  ],
  [
    'If-None-Match takes a list of ETags of which one fits',
    ({ etag }) => ({ 'if-none-match': `${other}, ${etag}` }),
    304,
  ],
  ['If-None-Match compares weakly', ({ etag }) => ({ 'if-none-match': `W/${etag}` }), 304],
  ['If-Match compares every character', ({ etag }) => ({ 'if-match': `${etag.slice(0, -2)}0"` }), 412],
  ['If-Modified-Since that is no date is passed over', () => ({ 'if-modified-since': 'yesterday' }), 200],
  ['If-Unmodified-Since that is no date is passed over', () => ({ 'if-unmodified-since': 'yesterday' }), 200],
  ['If-Unmodified-Since in the future holds', () => ({ 'if-unmodified-since': 'Fri, 01 Jan 2100 00:00:00 GMT' }), 200],
  [
    'If-Modified-Since takes the obsolete form of RFC 850',
    () => ({ 'if-modified-since': 'Saturday, 01-Jan-00 00:00:00 GMT' }),
    200,
  ],
  [
    'If-Modified-Since takes the obsolete form of asctime',
    () => ({ 'if-modified-since': 'Sat Jan  1 00:00:00 2000' }),
    200,
  ],
  [
    'If-Unmodified-Since takes the obsolete form of asctime',
    () => ({ 'if-unmodified-since': 'Sat Jan  1 00:00:00 2000' }),
    412,
  ],
];
for (const [what, headers, status] of forms)
  rule(
    what,
    async (t) => {
      const it = await made(t);
      const answer = await t.get(it.bucket, 'object', { headers: headers(it) });
      return status === 412 ? refused(answer, 'PreconditionFailed') : ok(answer, status);
    },
    { source: 'https://www.rfc-editor.org/rfc/rfc9110#section-13.1' },
  );

rule(
  'a 304 has the ETag and Last-Modified that the object has',
  async (t) => {
    const it = await made(t);
    const answer = ok(await t.get(it.bucket, 'object', { headers: { 'if-none-match': it.etag } }), 304);
    header(answer, 'etag', it.etag);
    header(answer, 'last-modified', it.modified);
  },
  { source: 'https://www.rfc-editor.org/rfc/rfc9110#section-15.4.5' },
);
rule(
  'PreconditionFailed names the condition that failed',
  async (t) => {
    const it = await made(t);
    const answer = refused(await t.get(it.bucket, 'object', { headers: { 'if-match': other } }), 'PreconditionFailed');
    same(answer.text('Condition'), 'If-Match', 'Condition', answer);
  },
  { source: 'API/ErrorResponses' },
);
for (const name of ['if-match', 'if-none-match', 'if-modified-since', 'if-unmodified-since'])
  rule(`GET with ${name} of a key that is not there is refused with NoSuchKey`, async (t) => {
    const it = await made(t);
    const headers = { [name]: name.endsWith('match') ? other : earlier };
    refused(await t.get(it.bucket, 'not-there', { headers }), 'NoSuchKey');
  });

/* The same on the source of a part. */
const sourceConditions: readonly (readonly [string, (made: Made) => string, boolean])[] = [
  ['if-match', ({ etag }) => etag, true],
  ['if-match', () => other, false],
  ['if-none-match', () => other, true],
  ['if-none-match', ({ etag }) => etag, false],
  ['if-modified-since', () => earlier, true],
  ['if-modified-since', ({ modified }) => modified, false],
  ['if-unmodified-since', ({ modified }) => modified, true],
  ['if-unmodified-since', () => earlier, false],
];
for (const [name, value, holds] of sourceConditions)
  rule(
    `UploadPartCopy with x-amz-copy-source-${name} that is ${holds} answers ${holds ? 200 : 412}`,
    async (t) => {
      const it = await made(t);
      const bucket = await t.bucket();
      const uploadId = ok(await t.send('POST', bucket, 'parts', { query: { uploads: '' } })).text('UploadId') ?? '';
      const options: Options = {
        query: { partNumber: '1', uploadId },
        headers: { 'x-amz-copy-source': pathOf(it.bucket, 'object'), [`x-amz-copy-source-${name}`]: value(it) },
      };
      const answer = await t.send('PUT', bucket, 'parts', options);
      return holds ? ok(answer) : refused(answer, 'PreconditionFailed');
    },
    { source: 'API/API_UploadPartCopy' },
  );

export const readConditionCases = cases;
