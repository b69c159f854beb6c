import { area } from '../case.ts';
import { md5 } from '../client.ts';
import type { Code } from '../errors.ts';
import { header, ok, refused, same, shape } from '../expect.ts';
import type { Steps } from '../steps.ts';
import { find } from '../xml.ts';
import {
  byDefault,
  change,
  configuration,
  configure,
  configured,
  hold,
  inDays,
  legalHold,
  locking,
  mode,
  page,
  put,
  read,
  remove,
  retained,
  retention,
  until,
} from './lock-steps.ts';

const { cases, rule } = area('object lock', 'userguide/object-lock');

/* The bucket. */
rule(
  'CreateBucket with x-amz-bucket-object-lock-enabled makes a bucket that locks, without a rule',
  async (t) => {
    const answer = shape(ok(await configured(t, await locking(t))), 'ObjectLockConfiguration', {
      ObjectLockEnabled: 'Enabled',
    });
    same(answer.text('Rule'), undefined, 'Rule', answer);
  },
  page('CreateBucket'),
);
rule(
  'CreateBucket with x-amz-bucket-object-lock-enabled turns versioning on',
  async (t) => {
    const answer = ok(await t.get(await locking(t), '', { query: { versioning: '' } }));
    same(answer.text('Status'), 'Enabled', 'Status', answer);
  },
  page('CreateBucket'),
);
rule(
  'GetObjectLockConfiguration of a bucket that does not lock is refused with ObjectLockConfigurationNotFoundError',
  async (t) => void refused(await configured(t, await t.bucket()), 'ObjectLockConfigurationNotFoundError'),
  page('GetObjectLockConfiguration'),
);
rule('PutBucketVersioning with Suspended of a bucket that locks is refused with InvalidBucketState', async (t) => {
  const text = '<VersioningConfiguration><Status>Suspended</Status></VersioningConfiguration>';
  refused(await t.document('PUT', await locking(t), 'versioning', text), 'InvalidBucketState');
});
rule(
  'PutObjectLockConfiguration of a bucket without versioning is refused with InvalidBucketState',
  async (t) => void refused(await configure(t, await t.bucket(), configuration('')), 'InvalidBucketState'),
  page('PutObjectLockConfiguration'),
);
rule(
  'PutObjectLockConfiguration lets a bucket with versioning lock',
  async (t) => {
    const bucket = await t.versioned();
    ok(await configure(t, bucket, configuration('')));
    const versionId = await put(t, bucket, 'key', retained('GOVERNANCE'));
    refused(await remove(t, bucket, 'key', versionId), 'AccessDenied');
  },
  page('PutObjectLockConfiguration'),
);
for (const which of ['GOVERNANCE', 'COMPLIANCE'])
  for (const [unit, most] of [
    ['Days', 36_500],
    ['Years', 100],
  ] as const)
    for (const count of [1, most])
      rule(
        `PutObjectLockConfiguration with ${count} ${unit} of ${which} reads back`,
        async (t) => {
          const bucket = await locking(t);
          ok(await configure(t, bucket, byDefault(`<Mode>${which}</Mode><${unit}>${count}</${unit}>`)));
          const answer = ok(await configured(t, bucket));
          const found = find(answer.xml, 'Rule', 'DefaultRetention');
          same([find(found, 'Mode')?.text, find(found, unit)?.text], [which, String(count)], 'retention', answer);
        },
        page('PutObjectLockConfiguration'),
      );
rule(
  'PutObjectLockConfiguration without a rule takes the default away',
  async (t) => {
    const bucket = await locking(t);
    ok(await configure(t, bucket, byDefault('<Mode>GOVERNANCE</Mode><Days>1</Days>')));
    ok(await configure(t, bucket, configuration('')));
    const answer = ok(await configured(t, bucket));
    same(answer.text('Rule'), undefined, 'Rule', answer);
  },
  page('PutObjectLockConfiguration'),
);
const governance = '<Mode>GOVERNANCE</Mode>';
const badConfigurations: readonly (readonly [what: string, text: string, ...codes: Code[]])[] = [
  ['no ObjectLockEnabled', '<ObjectLockConfiguration/>', 'MalformedXML'],
  ['ObjectLockEnabled Disabled', configuration('').replace('Enabled<', 'Disabled<'), 'MalformedXML'],
  ['a rule without a DefaultRetention', configuration('<Rule/>'), 'MalformedXML'],
  ['a DefaultRetention without a mode', byDefault('<Days>1</Days>'), 'MalformedXML'],
  ['a DefaultRetention without a period', byDefault(governance), 'MalformedXML'],
  ['Days and Years', byDefault(`${governance}<Days>1</Days><Years>1</Years>`), 'MalformedXML'],
  ['a mode that there is not', byDefault('<Mode>HARD</Mode><Days>1</Days>'), 'MalformedXML'],
  ['a mode in lower case', byDefault('<Mode>governance</Mode><Days>1</Days>'), 'MalformedXML'],
  ['days that are no number', byDefault(`${governance}<Days>many</Days>`), 'MalformedXML'],
  ['an element that is not known', configuration('<Other/>'), 'MalformedXML'],
  ['another root', '<Other/>', 'MalformedXML'],
  ['XML that ends early', configuration('').slice(0, -3), 'MalformedXML'],
  ['nothing', '', 'MissingRequestBodyError', 'MalformedXML'],
  ['0 days', byDefault(`${governance}<Days>0</Days>`), 'InvalidRetentionPeriod', 'InvalidArgument'],
  ['days below 0', byDefault(`${governance}<Days>-1</Days>`), 'InvalidRetentionPeriod', 'InvalidArgument'],
  ['0 years', byDefault(`${governance}<Years>0</Years>`), 'InvalidRetentionPeriod', 'InvalidArgument'],
  ['36,501 days', byDefault(`${governance}<Days>36501</Days>`), 'InvalidRetentionPeriod', 'InvalidArgument'],
  ['101 years', byDefault(`${governance}<Years>101</Years>`), 'InvalidRetentionPeriod', 'InvalidArgument'],
];
for (const [what, text, ...codes] of badConfigurations)
  rule(
    `PutObjectLockConfiguration with ${what} is refused with ${codes[0]}`,
    async (t) => void refused(await configure(t, await locking(t), text), ...codes),
    page('PutObjectLockConfiguration'),
  );

/* Documents of objects. */
for (const [name, operation, good, bad] of [
  [
    'retention',
    'PutObjectRetention',
    retention('GOVERNANCE', 2),
    [
      ['a mode that there is not', retention('HARD', 2), 'MalformedXML'],
      ['a mode in lower case', retention('governance', 2), 'MalformedXML'],
      ['no mode', retention('X', 2).replace('<Mode>X</Mode>', ''), 'MalformedXML'],
      ['no date', '<Retention><Mode>GOVERNANCE</Mode></Retention>', 'MalformedXML'],
      ['a date that is none', retention('GOVERNANCE', 2).replace(/\d{4}-[^<]+/, 'tomorrow'), 'MalformedXML'],
      ['a date that has passed', retention('GOVERNANCE', -2), 'InvalidArgument'],
      ['an element that is not known', '<Retention><Other/></Retention>', 'MalformedXML'],
      ['another root', '<LegalHold/>', 'MalformedXML'],
      ['XML that ends early', '<Retention>', 'MalformedXML'],
      ['nothing', '', 'MissingRequestBodyError', 'MalformedXML'],
    ],
  ],
  [
    'legal-hold',
    'PutObjectLegalHold',
    legalHold('ON'),
    [
      ['a status that there is not', legalHold('MAYBE'), 'MalformedXML'],
      ['a status in lower case', legalHold('on'), 'MalformedXML'],
      ['no status', '<LegalHold/>', 'MalformedXML'],
      ['an element that is not known', '<LegalHold><Other/></LegalHold>', 'MalformedXML'],
      ['another root', '<Retention/>', 'MalformedXML'],
      ['XML that ends early', '<LegalHold>', 'MalformedXML'],
      ['nothing', '', 'MissingRequestBodyError', 'MalformedXML'],
    ],
  ],
] as const) {
  const getting = page(operation.replace('Put', 'Get'));
  const putting = page(operation);
  for (const [what, text, ...codes] of bad as readonly (readonly [string, string, ...Code[]])[])
    rule(
      `${operation} with ${what} is refused with ${codes[0]}`,
      async (t) => {
        const bucket = await locking(t);
        await put(t, bucket, 'key');
        refused(await change(t, bucket, 'key', name, text), ...codes);
      },
      putting,
    );
  rule(
    `${operation} of a key that is not there is refused with NoSuchKey`,
    async (t) => void refused(await change(t, await locking(t), 'none', name, good), 'NoSuchKey'),
    putting,
  );
  rule(
    `${operation} in a bucket that is not there is refused with NoSuchBucket`,
    async (t) => void refused(await change(t, t.newName(), 'none', name, good), 'NoSuchBucket'),
    putting,
  );
  rule(
    `${operation} in a bucket that does not lock is refused with InvalidRequest`,
    async (t) => {
      const bucket = await t.bucket();
      await t.put(bucket, 'key');
      refused(await change(t, bucket, 'key', name, good), 'InvalidRequest');
    },
    putting,
  );
  rule(
    `${operation} of a delete marker is refused with MethodNotAllowed`,
    async (t) => {
      const bucket = await locking(t);
      await put(t, bucket, 'key');
      const { versionId } = ok(await t.remove(bucket, 'key'), 204);
      refused(await change(t, bucket, 'key', name, good, { query: { versionId } }), 'MethodNotAllowed');
    },
    putting,
  );
  rule(
    `${operation} with the Content-MD5 of another document is refused with BadDigest`,
    async (t) => {
      const bucket = await locking(t);
      await put(t, bucket, 'key');
      const headers = { 'content-md5': md5('other').toString('base64') };
      refused(await change(t, bucket, 'key', name, good, { headers }), 'BadDigest');
    },
    putting,
  );
  rule(
    `${operation} is of the version that it names`,
    async (t) => {
      const bucket = await locking(t);
      const [one, two] = [await put(t, bucket, 'key'), await put(t, bucket, 'key')];
      ok(await change(t, bucket, 'key', name, good, { query: { versionId: one } }));
      refused(await remove(t, bucket, 'key', one), 'AccessDenied');
      ok(await remove(t, bucket, 'key', two), 204);
    },
    putting,
  );
  rule(
    `${operation.replace('Put', 'Get')} of an object without one is refused with NoSuchObjectLockConfiguration`,
    async (t) => {
      const bucket = await locking(t);
      await put(t, bucket, 'key');
      refused(await read(t, bucket, 'key', name), 'NoSuchObjectLockConfiguration');
    },
    getting,
  );
  rule(
    `${operation.replace('Put', 'Get')} of a key that is not there is refused with NoSuchKey`,
    async (t) => void refused(await read(t, await locking(t), 'none', name), 'NoSuchKey'),
    getting,
  );
  rule(
    `${operation.replace('Put', 'Get')} in a bucket that does not lock is refused with InvalidRequest`,
    async (t) => {
      const bucket = await t.bucket();
      await t.put(bucket, 'key');
      refused(await read(t, bucket, 'key', name), 'InvalidRequest');
    },
    getting,
  );
}
rule(
  'GetObjectRetention answers the mode and the date',
  async (t) => {
    const bucket = await locking(t);
    const headers = retained('COMPLIANCE');
    await put(t, bucket, 'key', headers);
    const answer = shape(ok(await read(t, bucket, 'key', 'retention')), 'Retention', { Mode: 'COMPLIANCE' });
    same(Date.parse(answer.text('RetainUntilDate') ?? ''), Date.parse(headers[until]!), 'RetainUntilDate', answer);
  },
  page('GetObjectRetention'),
);
for (const status of ['ON', 'OFF'])
  rule(
    `GetObjectLegalHold answers ${status}`,
    async (t) => {
      const bucket = await locking(t);
      await put(t, bucket, 'key');
      ok(await change(t, bucket, 'key', 'legal-hold', legalHold(status)));
      shape(ok(await read(t, bucket, 'key', 'legal-hold')), 'LegalHold', { Status: status });
    },
    page('GetObjectLegalHold'),
  );

/* Headers of writes. */
const badHeaders: readonly (readonly [what: string, headers: () => Record<string, string>])[] = [
  ['a mode without a date', () => ({ [mode]: 'GOVERNANCE' })],
  ['a date without a mode', () => ({ [until]: inDays(1) })],
  ['a mode that there is not', () => retained('HARD')],
  ['a date that is none', () => ({ [mode]: 'GOVERNANCE', [until]: 'soon' })],
  ['a date that has passed', () => retained('GOVERNANCE', -1)],
  ['a legal hold that is neither ON nor OFF', () => ({ [hold]: 'YES' })],
];
for (const [what, headers] of badHeaders)
  for (const [operation, send] of [
    [
      'PutObject',
      (t: Steps, bucket: string) =>
        t.send('PUT', bucket, 'key', {
          body: 'x',
          headers: { 'content-md5': md5('x').toString('base64'), ...headers() },
        }),
    ],
    [
      'CreateMultipartUpload',
      (t: Steps, bucket: string) => t.send('POST', bucket, 'key', { query: { uploads: '' }, headers: headers() }),
    ],
    [
      'CopyObject',
      (t: Steps, bucket: string) =>
        t.send('PUT', bucket, 'key', { headers: { 'x-amz-copy-source': `/${bucket}/source`, ...headers() } }),
    ],
  ] as const)
    rule(
      `${operation} with ${what} is refused with InvalidArgument`,
      async (t) => {
        const bucket = await locking(t);
        await put(t, bucket, 'source');
        refused(await send(t, bucket), 'InvalidArgument');
        refused(await t.get(bucket, 'key'), 'NoSuchKey');
      },
      page(operation),
    );
for (const [what, headers] of [
  ['a retention', () => retained('GOVERNANCE')],
  ['a legal hold', () => ({ [hold]: 'ON' })],
] as readonly (readonly [string, () => Record<string, string>])[]) {
  rule(
    `PutObject with ${what} and without a digest is refused with InvalidRequest`,
    async (t) =>
      void refused(await t.send('PUT', await locking(t), 'key', { body: 'x', headers: headers() }), 'InvalidRequest'),
    page('PutObject'),
  );
  rule(
    `PutObject with ${what} in a bucket that does not lock is refused with InvalidRequest`,
    async (t) => {
      const digest = { 'content-md5': md5('x').toString('base64') };
      refused(
        await t.send('PUT', await t.bucket(), 'key', { body: 'x', headers: { ...digest, ...headers() } }),
        'InvalidRequest',
      );
    },
    page('PutObject'),
  );
  for (const method of ['GET', 'HEAD'])
    rule(
      `${method} of an object shows ${what} in headers`,
      async (t) => {
        const bucket = await locking(t);
        const given = headers();
        await put(t, bucket, 'key', given);
        const answer = ok(await t.send(method, bucket, 'key'));
        if (given[mode] !== undefined) header(answer, mode, given[mode]);
        if (given[until] !== undefined)
          same(Date.parse(String(answer.headers[until])), Date.parse(given[until]), until, answer);
        if (given[hold] !== undefined) header(answer, hold, given[hold]);
      },
      page(method === 'GET' ? 'GetObject' : 'HeadObject'),
    );
  rule(
    `CopyObject does not take over ${what} of its source`,
    async (t) => {
      const bucket = await locking(t);
      await put(t, bucket, 'source', headers());
      ok(await t.send('PUT', bucket, 'copy', { headers: { 'x-amz-copy-source': `/${bucket}/source` } }));
      refused(await read(t, bucket, 'copy', 'retention'), 'NoSuchObjectLockConfiguration');
      refused(await read(t, bucket, 'copy', 'legal-hold'), 'NoSuchObjectLockConfiguration');
    },
    page('CopyObject'),
  );
}

export const objectLockCases = cases;
