import type { Answer } from '../answer.ts';
import { area } from '../case.ts';
import { md5 } from '../client.ts';
import { header, holds, ok, refused, same } from '../expect.ts';
import { all } from '../xml.ts';
import {
  byDefault,
  bypass,
  change,
  configure,
  day,
  hold,
  legalHold,
  locking,
  mode,
  page,
  put,
  remove,
  retained,
  retention,
  until,
} from './lock-steps.ts';

const { cases, rule } = area('locked versions', 'userguide/object-lock');

/* What a lock keeps. */
type Outcome = (answer: Answer) => Answer;
const denied: Outcome = (answer) => refused(answer, 'AccessDenied');
const done: Outcome = (answer) => ok(answer, answer.method === 'DELETE' ? 204 : 200);
const kept: readonly (readonly [
  what: string,
  headers: () => Record<string, string>,
  plain: Outcome,
  bypassed: Outcome,
])[] = [
  ['retained by GOVERNANCE', () => retained('GOVERNANCE'), denied, done],
  ['retained by COMPLIANCE', () => retained('COMPLIANCE'), denied, denied],
  ['with a legal hold', () => ({ [hold]: 'ON' }), denied, denied],
  ['with a legal hold that is off', () => ({ [hold]: 'OFF' }), done, done],
];
for (const [what, headers, plain, bypassed] of kept)
  for (const [how, more, outcome] of [
    ['', {}, plain],
    [' with the bypass of governance', bypass, bypassed],
  ] as const) {
    rule(
      `DeleteObject${how} of a version ${what} is ${outcome === done ? 'done' : 'refused with AccessDenied'}`,
      async (t) => {
        const bucket = await locking(t);
        const versionId = await put(t, bucket, 'key', headers());
        outcome(await remove(t, bucket, 'key', versionId, more));
      },
    );
    rule(
      `DeleteObjects${how} of a version ${what} ${outcome === done ? 'deletes it' : 'answers AccessDenied for it'}`,
      async (t) => {
        const bucket = await locking(t);
        const versionId = await put(t, bucket, 'key', headers());
        const text = `<Delete><Object><Key>key</Key><VersionId>${versionId}</VersionId></Object></Delete>`;
        const answer = ok(await t.document('POST', bucket, 'delete', text, { headers: more }));
        const gone = outcome === done;
        same(
          [all(answer.xml, 'Deleted').length, answer.texts('Code')],
          gone ? [1, []] : [0, ['AccessDenied']],
          'results',
          answer,
        );
        if (!gone) ok(await t.get(bucket, 'key', { query: { versionId } }));
      },
    );
  }
for (const [what, headers] of kept.slice(0, 3)) {
  rule(`DeleteObject without a version of an object ${what} puts a delete marker, and keeps the version`, async (t) => {
    const bucket = await locking(t);
    const versionId = await put(t, bucket, 'key', headers());
    header(ok(await t.remove(bucket, 'key'), 204), 'x-amz-delete-marker', 'true');
    ok(await t.get(bucket, 'key', { query: { versionId } }));
  });
  rule(`PutObject on an object ${what} makes a version, and keeps the other`, async (t) => {
    const bucket = await locking(t);
    const versionId = await put(t, bucket, 'key', headers());
    await put(t, bucket, 'key');
    ok(await t.get(bucket, 'key', { query: { versionId } }));
    refused(await remove(t, bucket, 'key', versionId), 'AccessDenied');
  });
  rule(`tags of a version ${what} can be changed`, async (t) => {
    const bucket = await locking(t);
    await put(t, bucket, 'key', headers());
    const text = '<Tagging><TagSet><Tag><Key>a</Key><Value>b</Value></Tag></TagSet></Tagging>';
    ok(await t.document('PUT', bucket, 'tagging', text, { key: 'key' }));
  });
  rule(`DeleteBucket with a version ${what} is refused with BucketNotEmpty`, async (t) => {
    const bucket = await locking(t);
    await put(t, bucket, 'key', headers());
    refused(await t.send('DELETE', bucket), 'BucketNotEmpty');
  });
}

/* How a retention may change. */
const changes: readonly (readonly [from: string, to: string, text: () => string, plain: Outcome, bypassed: Outcome])[] =
  [
    ['GOVERNANCE', 'a later date', () => retention('GOVERNANCE', 3), done, done],
    ['GOVERNANCE', 'an earlier date', () => retention('GOVERNANCE', 1), denied, done],
    ['GOVERNANCE', 'COMPLIANCE of a later date', () => retention('COMPLIANCE', 3), denied, done],
    ['GOVERNANCE', 'none', () => '<Retention/>', denied, done],
    ['COMPLIANCE', 'a later date', () => retention('COMPLIANCE', 3), done, done],
    ['COMPLIANCE', 'an earlier date', () => retention('COMPLIANCE', 1), denied, denied],
    ['COMPLIANCE', 'GOVERNANCE of a later date', () => retention('GOVERNANCE', 3), denied, denied],
    ['COMPLIANCE', 'none', () => '<Retention/>', denied, denied],
  ];
for (const [from, to, text, plain, bypassed] of changes)
  for (const [how, headers, outcome] of [
    ['', {}, plain],
    [' with the bypass', bypass, bypassed],
  ] as const)
    rule(
      `PutObjectRetention${how} from ${from} to ${to} is ${outcome === done ? 'done' : 'refused with AccessDenied'}`,
      async (t) => {
        const bucket = await locking(t);
        await put(t, bucket, 'key', retained(from));
        outcome(await change(t, bucket, 'key', 'retention', text(), { headers }));
        const now = ok(await t.head(bucket, 'key'));
        if (outcome === denied) header(now, mode, from);
      },
      page('PutObjectRetention'),
    );
rule('a legal hold and a retention are independent: taking the hold off leaves the retention', async (t) => {
  const bucket = await locking(t);
  const versionId = await put(t, bucket, 'key', { ...retained('COMPLIANCE'), [hold]: 'ON' });
  ok(await change(t, bucket, 'key', 'legal-hold', legalHold('OFF')));
  refused(await remove(t, bucket, 'key', versionId, bypass), 'AccessDenied');
});

/* The default. */
rule('an object gets the default retention of its bucket, counted from when it was made', async (t) => {
  const bucket = await locking(t);
  ok(await configure(t, bucket, byDefault('<Mode>GOVERNANCE</Mode><Days>3</Days>')));
  await put(t, bucket, 'key');
  const answer = header(ok(await t.head(bucket, 'key')), mode, 'GOVERNANCE');
  const left = Date.parse(String(answer.headers[until])) - Date.now();
  holds(left > 3 * day - 600_000 && left < 3 * day + 600_000, `it is retained for ${left} ms more`);
});
rule('an own retention goes before the default of the bucket', async (t) => {
  const bucket = await locking(t);
  ok(await configure(t, bucket, byDefault('<Mode>GOVERNANCE</Mode><Days>3</Days>')));
  await put(t, bucket, 'key', retained('COMPLIANCE', 1));
  header(ok(await t.head(bucket, 'key')), mode, 'COMPLIANCE');
});
rule('objects that are there keep what they have when the default changes', async (t) => {
  const bucket = await locking(t);
  await put(t, bucket, 'before');
  ok(await configure(t, bucket, byDefault('<Mode>COMPLIANCE</Mode><Days>1</Days>')));
  header(ok(await t.head(bucket, 'before')), mode, undefined);
});
rule('an uploaded object gets the default retention when it is completed', async (t) => {
  const bucket = await locking(t);
  ok(await configure(t, bucket, byDefault('<Mode>GOVERNANCE</Mode><Days>3</Days>')));
  const begun = ok(await t.send('POST', bucket, 'key', { query: { uploads: '' } }));
  const uploadId = begun.text('UploadId') ?? '';
  const headers = { 'content-md5': md5('x').toString('base64') };
  const { etag } = ok(await t.send('PUT', bucket, 'key', { query: { uploadId, partNumber: '1' }, body: 'x', headers }));
  const body = `<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>${etag}</ETag></Part></CompleteMultipartUpload>`;
  ok(await t.send('POST', bucket, 'key', { query: { uploadId }, body }));
  header(ok(await t.head(bucket, 'key')), mode, 'GOVERNANCE');
});

export const lockedVersionCases = cases;
