/* Object lock over the real store: every operation and header of it, and every way to say it wrong. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { after, before, describe, it } from 'node:test';
import { type Answer, type Harness, type Send, startHarness } from './harness.support.ts';
import { type MemoryStore, openMemoryStore } from './store.support.ts';

const day = 86_400_000;
const md5 = (body: string | Buffer) => createHash('md5').update(body).digest('base64');
const inDays = (days: number) => new Date(Date.now() + days * day).toISOString();
const mode = 'x-amz-object-lock-mode';
const until = 'x-amz-object-lock-retain-until-date';
const hold = 'x-amz-object-lock-legal-hold';
const bypass = { 'x-amz-bypass-governance-retention': 'true' };
const retained = (which: string, date = inDays(2)) => ({ [mode]: which, [until]: date });

let store: MemoryStore;
let s3: Harness;

before(async () => {
  store = await openMemoryStore();
  s3 = await startHarness(store.objects, { position: store.position });
  const locks = { 'x-amz-bucket-object-lock-enabled': 'true' };
  for (const bucket of ['locking', 'default'])
    assert.equal((await s3.send('PUT', `/${bucket}`, { headers: locks })).status, 200);
  for (const bucket of ['plain', 'later']) assert.equal((await s3.send('PUT', `/${bucket}`)).status, 200);
});
after(async () => {
  await s3.close();
  await store.close();
});

const document = (method: string, path: string, name: string, body: string, more: Send = {}): Promise<Answer> =>
  s3.send(method, path, {
    ...more,
    query: { [name]: '', ...more.query },
    body,
    headers: { 'content-md5': md5(body), ...more.headers },
  });
const put = (path: string, headers: Readonly<Record<string, string>> = {}, body = 'bytes') =>
  s3.send('PUT', path, { body, headers: { 'content-md5': md5(body), ...headers } });
const get = (path: string, name: string, more: Send = {}) =>
  s3.send('GET', path, { ...more, query: { [name]: '', ...more.query } });
const idOf = (answer: Answer): string => {
  assert.equal(answer.status, 200, answer.text);
  return answer.headers['x-amz-version-id'] as string;
};
const remove = (
  path: string,
  versionId: string,
  headers: Readonly<Record<string, string>> = {},
  as: Send['as'] = 'root',
) => s3.send('DELETE', path, { query: { versionId }, headers, as });
const rule = (inner: string) =>
  `<ObjectLockConfiguration xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><ObjectLockEnabled>Enabled</ObjectLockEnabled>${inner}</ObjectLockConfiguration>`;
const byDefault = (inner: string) => rule(`<Rule><DefaultRetention>${inner}</DefaultRetention></Rule>`);
const governance = '<Mode>GOVERNANCE</Mode>';
const retention = (which: string, date: string) =>
  `<Retention><Mode>${which}</Mode><RetainUntilDate>${date}</RetainUntilDate></Retention>`;
const legalHold = (status: string) => `<LegalHold><Status>${status}</Status></LegalHold>`;
const versioning = (bucket: string, status: string) =>
  s3.send('PUT', `/${bucket}`, {
    query: { versioning: '' },
    body: `<VersioningConfiguration><Status>${status}</Status></VersioningConfiguration>`,
  });
const says = (answer: Answer, status: number, code: string, message = /./) => {
  assert.deepEqual([answer.status, answer.code], [status, code], answer.text);
  assert.match((answer.xml('Message') ?? '').replaceAll('&apos;', "'"), message);
};

describe('a bucket that locks', () => {
  it('is made with a header, has versioning, and cannot stop either', async () => {
    const shown = await get('/locking', 'object-lock');
    assert.deepEqual([shown.status, shown.xml('ObjectLockEnabled'), shown.xml('Rule')], [200, 'Enabled', undefined]);
    assert.equal((await get('/locking', 'versioning')).xml('Status'), 'Enabled');
    says(await versioning('locking', 'Suspended'), 409, 'InvalidBucketState', /versioning state cannot be changed/);
    assert.equal((await versioning('locking', 'Enabled')).status, 200);
    says(
      await s3.send('PUT', '/other', { headers: { 'x-amz-bucket-object-lock-enabled': 'yes' } }),
      400,
      'InvalidArgument',
    );
  });

  it('can be made of one with versioning', async () => {
    says(await get('/later', 'object-lock'), 404, 'ObjectLockConfigurationNotFoundError');
    says(await document('PUT', '/later', 'object-lock', rule('')), 409, 'InvalidBucketState', /must be 'Enabled'/);
    await versioning('later', 'Enabled');
    assert.equal(
      (await document('PUT', '/later', 'object-lock', byDefault(`${governance}<Years>2</Years>`))).status,
      200,
    );
    const shown = await get('/later', 'object-lock');
    assert.deepEqual([shown.xml('Mode'), shown.xml('Years'), shown.xml('Days')], ['GOVERNANCE', '2', undefined]);
    assert.equal((await document('PUT', '/later', 'object-lock', rule(''))).status, 200);
    assert.equal((await get('/later', 'object-lock')).xml('Rule'), undefined);
  });

  it('refuses a configuration that says it wrong', async () => {
    const malformed = [
      '<ObjectLockConfiguration/>',
      '<ObjectLockConfiguration><ObjectLockEnabled>Disabled</ObjectLockEnabled></ObjectLockConfiguration>',
      rule('<Rule/>'),
      rule('<Other/>'),
      byDefault(''),
      byDefault(governance),
      byDefault('<Days>1</Days>'),
      byDefault(`${governance}<Days>1</Days><Years>1</Years>`),
      byDefault('<Mode>governance</Mode><Days>1</Days>'),
      byDefault(`${governance}<Days>many</Days>`),
      byDefault(`${governance}<Days></Days>`),
      byDefault(`${governance}<Days>1</Days><Days>2</Days>`),
      '<Other/>',
      'text',
    ];
    for (const body of malformed) says(await document('PUT', '/locking', 'object-lock', body), 400, 'MalformedXML');
    for (const period of [
      '<Days>0</Days>',
      '<Days>-1</Days>',
      '<Years>0</Years>',
      '<Days>36501</Days>',
      '<Years>101</Years>',
    ])
      says(
        await document('PUT', '/locking', 'object-lock', byDefault(governance + period)),
        400,
        'InvalidRetentionPeriod',
      );
    says(await s3.send('PUT', '/locking', { query: { 'object-lock': '' }, body: rule('') }), 400, 'InvalidRequest');
    says(await document('PUT', '/locking', 'object-lock', ''), 400, 'MissingRequestBodyError');
    says(await document('PUT', '/missing', 'object-lock', rule('')), 404, 'NoSuchBucket');
    says(await get('/missing', 'object-lock'), 404, 'NoSuchBucket');
    for (const as of ['anonymous', 'readonly', 'scoped'] as const)
      says(await document('PUT', '/locking', 'object-lock', rule(''), { as }), 403, 'AccessDenied');
    says(await s3.send('DELETE', '/locking', { query: { 'object-lock': '' } }), 405, 'MethodNotAllowed');
  });

  it('answers a deletion with MFA by name', async () => {
    const body =
      '<VersioningConfiguration><Status>Enabled</Status><MfaDelete>Enabled</MfaDelete></VersioningConfiguration>';
    says(await s3.send('PUT', '/locking', { query: { versioning: '' }, body }), 501, 'NotImplemented', /MFA/);
  });
});

describe('a locked object', () => {
  it('shows its lock, and stays, whoever asks', async () => {
    const date = inDays(2);
    const id = idOf(await put('/locking/a', { ...retained('COMPLIANCE', date), [hold]: 'OFF' }));
    for (const method of ['GET', 'HEAD']) {
      const { headers } = await s3.send(method, '/locking/a');
      assert.deepEqual([headers[mode], headers[until], headers[hold]], ['COMPLIANCE', date, 'OFF']);
    }
    const shown = await get('/locking/a', 'retention', { query: { versionId: id } });
    assert.deepEqual([shown.xml('Mode'), shown.xml('RetainUntilDate')], ['COMPLIANCE', date]);
    for (const as of ['root', 'readwrite'] as const)
      for (const headers of [{}, bypass])
        says(await remove('/locking/a', id, headers, as), 403, 'AccessDenied', /protected by object lock/);
    says(await s3.send('DELETE', '/locking'), 409, 'BucketNotEmpty');
    const marker = await s3.send('DELETE', '/locking/a');
    assert.deepEqual([marker.status, marker.headers['x-amz-delete-marker']], [204, 'true']);
    assert.equal((await remove('/locking/a', marker.headers['x-amz-version-id'] as string)).status, 204);
    assert.equal((await s3.send('GET', '/locking/a')).text, 'bytes');
  });

  it('of governance goes for who bypasses it, and may', async () => {
    const id = idOf(await put('/locking/b', retained('GOVERNANCE')));
    says(await remove('/locking/b', id), 403, 'AccessDenied');
    says(await remove('/locking/b', id, { 'x-amz-bypass-governance-retention': 'false' }), 403, 'AccessDenied');
    // MinIO CVE-2023-25812: what is asked with the bypass needs a permission of its own.
    for (const as of ['readonly', 'scoped', 'anonymous'] as const)
      says(await remove('/locking/b', id, bypass, as), 403, 'AccessDenied');
    assert.equal((await remove('/locking/b', id, bypass)).status, 204);
    says(await s3.send('GET', '/locking/b', { query: { versionId: id } }), 404, 'NoSuchVersion');
  });

  it('shows its lock to who may ask for it, and gives way to no bypass that a policy denies (CVE-2023-25812)', async () => {
    const statement = (effect: string, action: string) => ({
      Effect: effect,
      Principal: '*',
      Action: action,
      Resource: 'arn:aws:s3:::policed/*',
    });
    const locks = { 'x-amz-bucket-object-lock-enabled': 'true' };
    assert.equal((await s3.send('PUT', '/policed', { headers: locks })).status, 200);
    const policy = (...statements: readonly object[]) =>
      document('PUT', '/policed', 'policy', JSON.stringify({ Version: '2012-10-17', Statement: statements }));
    const id = idOf(await put('/policed/a', { ...retained('GOVERNANCE'), [hold]: 'OFF' }));
    const allowed = await policy(statement('Allow', 's3:GetObject'), statement('Deny', 's3:BypassGovernanceRetention'));
    assert.ok(allowed.status < 300, allowed.text);
    const seen = (await s3.send('GET', '/policed/a', { as: 'anonymous' })).headers;
    assert.deepEqual([seen[mode], seen[until], seen[hold]], [undefined, undefined, undefined]);
    says(await get('/policed/a', 'retention', { as: 'anonymous' }), 403, 'AccessDenied');
    says(await remove('/policed/a', id, bypass, 'readwrite'), 403, 'AccessDenied');
    const shorter = retention('GOVERNANCE', inDays(1));
    says(
      await document('PUT', '/policed/a', 'retention', shorter, { headers: bypass, as: 'readwrite' }),
      403,
      'AccessDenied',
    );
    const body = `<Delete><Object><Key>a</Key><VersionId>${id}</VersionId></Object></Delete>`;
    const many = await document('POST', '/policed', 'delete', body, { headers: bypass, as: 'readwrite' });
    assert.deepEqual([many.all('Code'), many.all('Deleted').length], [['AccessDenied'], 0], many.text);
    await policy(statement('Allow', 's3:GetObject'));
    assert.equal((await remove('/policed/a', id, bypass, 'readwrite')).status, 204);
  });

  it('of a legal hold goes once the hold is off', async () => {
    const id = idOf(await put('/locking/c', { [hold]: 'ON' }));
    assert.equal((await get('/locking/c', 'legal-hold')).xml('Status'), 'ON');
    says(await remove('/locking/c', id, bypass), 403, 'AccessDenied');
    assert.equal((await document('PUT', '/locking/c', 'legal-hold', legalHold('OFF'))).status, 200);
    assert.equal((await get('/locking/c', 'legal-hold')).xml('Status'), 'OFF');
    assert.equal((await remove('/locking/c', id)).status, 204);
  });

  it('is refused key by key where many are deleted', async () => {
    const held = idOf(await put('/locking/d', { [hold]: 'ON' }));
    const governed = idOf(await put('/locking/e', retained('GOVERNANCE')));
    const free = idOf(await put('/locking/f'));
    const item = (key: string, id: string) => `<Object><Key>${key}</Key><VersionId>${id}</VersionId></Object>`;
    const body = `<Delete>${item('d', held)}${item('e', governed)}${item('f', free)}</Delete>`;
    const first = await document('POST', '/locking', 'delete', body);
    assert.deepEqual(first.all('Code'), ['AccessDenied', 'AccessDenied'], first.text);
    assert.equal(first.all('Deleted').length, 1);
    const second = await document('POST', '/locking', 'delete', body, { headers: bypass });
    assert.deepEqual([second.all('Code'), second.all('Deleted').length], [['AccessDenied'], 2], second.text);
    assert.equal((await s3.send('GET', '/locking/d')).text, 'bytes');
  });

  it('has its retention changed as its mode allows', async () => {
    const change = (key: string, body: string, headers = {}) =>
      document('PUT', `/locking/${key}`, 'retention', body, { headers });
    const compliant = inDays(3);
    idOf(await put('/locking/g', retained('COMPLIANCE', compliant)));
    for (const headers of [{}, bypass]) {
      says(await change('g', retention('COMPLIANCE', inDays(1)), headers), 403, 'AccessDenied');
      says(await change('g', retention('GOVERNANCE', inDays(9)), headers), 403, 'AccessDenied');
      says(await change('g', '<Retention/>', headers), 403, 'AccessDenied');
    }
    assert.equal((await change('g', retention('COMPLIANCE', compliant))).status, 200);
    assert.equal((await change('g', retention('COMPLIANCE', inDays(4)))).status, 200);
    idOf(await put('/locking/h', retained('GOVERNANCE')));
    says(await change('h', retention('GOVERNANCE', inDays(1))), 403, 'AccessDenied');
    says(
      await document('PUT', '/locking/h', 'retention', '<Retention/>', { headers: bypass, as: 'readonly' }),
      403,
      'AccessDenied',
    );
    assert.equal((await change('h', retention('GOVERNANCE', inDays(1)), bypass)).status, 200);
    assert.equal((await change('h', '<Retention/>', bypass)).status, 200);
    says(await get('/locking/h', 'retention'), 404, 'NoSuchObjectLockConfiguration');
  });

  it('refuses documents and headers that say it wrong', async () => {
    idOf(await put('/locking/i'));
    says(await get('/locking/i', 'retention'), 404, 'NoSuchObjectLockConfiguration');
    says(await get('/locking/i', 'legal-hold'), 404, 'NoSuchObjectLockConfiguration');
    for (const body of [
      retention('OTHER', inDays(1)),
      retention('GOVERNANCE', 'tomorrow'),
      '<Retention><Mode>GOVERNANCE</Mode></Retention>',
      `<Retention><RetainUntilDate>${inDays(1)}</RetainUntilDate></Retention>`,
      '<Retention><Other/></Retention>',
      '<LegalHold/>',
      'text',
    ])
      says(await document('PUT', '/locking/i', 'retention', body), 400, 'MalformedXML');
    for (const body of [
      legalHold('on'),
      legalHold(''),
      '<LegalHold/>',
      '<LegalHold><Other/></LegalHold>',
      '<Retention/>',
    ])
      says(await document('PUT', '/locking/i', 'legal-hold', body), 400, 'MalformedXML');
    says(
      await document('PUT', '/locking/i', 'retention', retention('GOVERNANCE', inDays(-1))),
      400,
      'InvalidArgument',
      /future/,
    );
    for (const [name, body] of [
      ['retention', retention('GOVERNANCE', inDays(1))],
      ['legal-hold', legalHold('ON')],
    ] as const) {
      says(await s3.send('PUT', '/locking/i', { query: { [name]: '' }, body }), 400, 'InvalidRequest');
      says(await document('PUT', '/locking/i', name, ''), 400, 'MissingRequestBodyError');
      says(await document('PUT', '/locking/none', name, body), 404, 'NoSuchKey');
      says(
        await document('PUT', '/locking/i', name, body, { query: { versionId: '0'.repeat(32) } }),
        404,
        'NoSuchVersion',
      );
      says(await document('PUT', '/plain/i', name, body), 400, 'InvalidRequest', /missing Object Lock Configuration/);
      says(await document('PUT', '/missing/i', name, body), 404, 'NoSuchBucket');
      for (const as of ['anonymous', 'readonly', 'scoped'] as const)
        says(await document('PUT', '/locking/i', name, body, { as }), 403, 'AccessDenied');
      says(await get('/locking/none', name), 404, 'NoSuchKey');
    }
    for (const [headers, message] of [
      [{ [mode]: 'GOVERNANCE' }, /must both be supplied/],
      [{ [until]: inDays(1) }, /must both be supplied/],
      [retained('OTHER'), /wormMode/],
      [retained('GOVERNANCE', 'soon'), /ISO 8601/],
      [retained('GOVERNANCE', inDays(-1)), /future/],
      [{ [hold]: 'YES' }, /'ON' or 'OFF'/],
    ] as const) {
      says(await put('/locking/j', headers), 400, 'InvalidArgument', message);
      says(await s3.send('POST', '/locking/j', { query: { uploads: '' }, headers }), 400, 'InvalidArgument', message);
      const copy = { ...headers, 'x-amz-copy-source': '/locking/i' };
      says(await s3.send('PUT', '/locking/j', { headers: copy }), 400, 'InvalidArgument', message);
    }
    const bare = await s3.send('PUT', '/locking/j', { body: 'x', headers: { [hold]: 'ON' } });
    says(bare, 400, 'InvalidRequest', /Content-MD5 OR x-amz-checksum/);
    for (const headers of [retained('GOVERNANCE'), { [hold]: 'ON' }]) {
      says(await put('/plain/j', headers), 400, 'InvalidRequest', /missing Object Lock Configuration/);
      says(await s3.send('POST', '/plain/j', { query: { uploads: '' }, headers }), 400, 'InvalidRequest');
    }
    idOf(await put('/locking/k'));
    await s3.send('DELETE', '/locking/k');
    says(await get('/locking/k', 'retention'), 404, 'NoSuchKey');
  });
});

describe('the default retention', () => {
  it('is that of what is put, copied and assembled; a copy has not that of its source', async () => {
    const configured = await document('PUT', '/default', 'object-lock', byDefault(`${governance}<Days>7</Days>`));
    assert.equal(configured.status, 200, configured.text);
    const check = async (key: string) => {
      const { headers } = await s3.send('HEAD', `/default/${key}`);
      assert.equal(headers[mode], 'GOVERNANCE', key);
      const left = Date.parse(headers[until] as string) - Date.now();
      assert.ok(left > 7 * day - 60_000 && left <= 7 * day, `${left}`);
    };
    // Clients that never heard of locks write into such buckets too.
    idOf(await s3.send('PUT', '/default/a', { body: 'x' }));
    await check('a');
    idOf(await put('/locking/source', retained('COMPLIANCE')));
    const copy = await s3.send('PUT', '/default/b', { headers: { 'x-amz-copy-source': '/locking/source' } });
    assert.equal(copy.status, 200, copy.text);
    await check('b');
    const begun = await s3.send('POST', '/default/c', { query: { uploads: '' } });
    const uploadId = begun.xml('UploadId')!;
    const part = { partNumber: '1', uploadId };
    const sent = await s3.send('PUT', '/default/c', { query: part, body: 'x' });
    const done = `<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>${sent.headers.etag as string}</ETag></Part></CompleteMultipartUpload>`;
    const whole = await s3.send('POST', '/default/c', { query: { uploadId }, body: done });
    assert.equal(whole.status, 200, whole.text);
    await check('c');
    const own = await s3.send('POST', '/default/d', {
      query: { uploads: '' },
      headers: { ...retained('COMPLIANCE'), [hold]: 'ON' },
    });
    const id = own.xml('UploadId')!;
    const bare = { query: { partNumber: '1', uploadId: id }, body: 'x' };
    says(await s3.send('PUT', '/default/d', bare), 400, 'InvalidRequest', /Put Part/);
    await s3.send('PUT', '/default/d', {
      query: { partNumber: '1', uploadId: id },
      body: 'x',
      headers: { 'content-md5': md5('x') },
    });
    assert.equal((await s3.send('POST', '/default/d', { query: { uploadId: id }, body: done })).status, 200);
    const { headers } = await s3.send('HEAD', '/default/d');
    assert.deepEqual([headers[mode], headers[hold]], ['COMPLIANCE', 'ON']);
  });
});
