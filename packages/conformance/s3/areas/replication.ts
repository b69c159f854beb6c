import { setTimeout as sleep } from 'node:timers/promises';
import type { Answer } from '../answer.ts';
import { area } from '../case.ts';
import { md5 } from '../client.ts';
import type { Code } from '../errors.ts';
import { header, ok, refused, same, shape } from '../expect.ts';
import type { Options, Steps } from '../steps.ts';
import { second } from './accounts.ts';

const { cases, rule } = area('replication', 'API/API_PutBucketReplication');

const query = { replication: '' };
const reading = { source: 'API/API_GetBucketReplication' };
const deleting = { source: 'API/API_DeleteBucketReplication' };
/** Rules are taken only where their destination can be looked at. */
const needs = ['replicates'] as const;

const markers = (status: string): string =>
  `<DeleteMarkerReplication><Status>${status}</Status></DeleteMarkerReplication>`;
const tag = (key: string, value: string): string => `<Tag><Key>${key}</Key><Value>${value}</Value></Tag>`;
const arnOf = (bucket: string): string => `arn:aws:s3:::${bucket}`;
const enabled = '<Status>Enabled</Status>';
/** Stands for the Destination, which each case has of its own. */
const there = '<There/>';
const usual = `${enabled}<Priority>1</Priority><Filter/>${markers('Disabled')}${there}`;
const document = (...rules: readonly string[]): string =>
  `<ReplicationConfiguration><Role>arn:aws:iam::123456789012:role/replicator</Role>${rules.map((inner) => `<Rule>${inner}</Rule>`).join('')}</ReplicationConfiguration>`;

/** @param rules with {@link there} where their destination is to stand */
const put = (t: Steps, from: string, to: string, rules: string, headers?: Options['headers']): Promise<Answer> =>
  t.document(
    'PUT',
    from,
    'replication',
    rules
      .replaceAll(there, `<Destination><Bucket>${arnOf(to)}</Bucket></Destination>`)
      .replaceAll('<Destination/>', `<Bucket>${arnOf(to)}</Bucket>`),
    { ...(headers && { headers }) },
  );
const read = (t: Steps, bucket: string): Promise<Answer> => t.get(bucket, '', { query });
const buckets = async (t: Steps) => ({ from: await t.versioned(), to: await t.versioned() });
/** Two buckets, the first replicated to the second. */
async function pair(t: Steps, rules: string = document(usual)) {
  const { from, to } = await buckets(t);
  ok(await put(t, from, to, rules));
  return { from, to };
}

/* What is taken, and read back. */
const good: readonly (readonly [what: string, rules: string, path: string, text: string])[] = [
  ['an empty filter', document(usual), 'Rule/Priority', '1'],
  ['an ID', document(`<ID>one</ID>${usual}`), 'Rule/ID', 'one'],
  [
    'a filter by prefix',
    document(usual.replace('<Filter/>', '<Filter><Prefix>a/</Prefix></Filter>')),
    'Rule/Filter/Prefix',
    'a/',
  ],
  [
    'a filter by tag',
    document(usual.replace('<Filter/>', `<Filter>${tag('k', 'v')}</Filter>`)),
    'Rule/Filter/Tag/Value',
    'v',
  ],
  [
    'a filter by prefix and tag',
    document(usual.replace('<Filter/>', `<Filter><And><Prefix>a/</Prefix>${tag('k', 'v')}</And></Filter>`)),
    'Rule/Filter/And/Tag/Key',
    'k',
  ],
  [
    'replication of delete markers',
    document(usual.replace(markers('Disabled'), markers('Enabled'))),
    'Rule/DeleteMarkerReplication/Status',
    'Enabled',
  ],
  ['a rule that is off', document(usual.replace(enabled, '<Status>Disabled</Status>')), 'Rule/Status', 'Disabled'],
  [
    'two rules of different priority',
    document(`<ID>one</ID>${usual}`, `<ID>two</ID>${usual.replace('>1<', '>2<')}`),
    'Rule/ID',
    'one',
  ],
  ['the first form, with a prefix', document(`${enabled}<Prefix>a/</Prefix>${there}`), 'Rule/Prefix', 'a/'],
  [
    'a storage class',
    document(usual.replace(there, '<Destination><Destination/><StorageClass>STANDARD_IA</StorageClass></Destination>')),
    'Rule/Destination/StorageClass',
    'STANDARD_IA',
  ],
];
for (const [what, rules, path, text] of good)
  rule(
    `PutBucketReplication takes ${what}, and GetBucketReplication answers it`,
    async (t) => {
      const { from, to } = await pair(t, rules);
      const answer = shape(ok(await read(t, from)), 'ReplicationConfiguration');
      same(answer.text(...path.split('/')), text, path, answer);
      same(answer.text('Rule', 'Destination', 'Bucket'), arnOf(to), 'Bucket', answer);
      same(answer.text('Role'), 'arn:aws:iam::123456789012:role/replicator', 'Role', answer);
    },
    { needs },
  );
rule(
  'PutBucketReplication gives a rule without an ID one',
  async (t) => {
    const answer = ok(await read(t, (await pair(t)).from));
    same((answer.text('Rule', 'ID') ?? '').length > 0, true, 'an ID', answer);
  },
  { needs },
);
rule(
  'PutBucketReplication replaces all rules that there were',
  async (t) => {
    const { from, to } = await pair(t, document(`<ID>old</ID>${usual}`));
    ok(await put(t, from, to, document(`<ID>new</ID>${usual}`)));
    const answer = ok(await read(t, from));
    same(answer.texts('ID'), ['new'], 'ID', answer);
  },
  { needs },
);

/* What is refused. */
const bad: readonly (readonly [what: string, rules: string, ...codes: Code[]])[] = [
  ['without a rule', document(), 'MalformedXML'],
  ['without a Role', document(usual).replace(/<Role>.*<\/Role>/, ''), 'MalformedXML'],
  ['with a status that there is not', document(usual.replace('Enabled', 'On')), 'MalformedXML'],
  ['without a status', document(usual.replace(enabled, '')), 'MalformedXML'],
  ['without a destination', document(usual.replace(there, '')), 'MalformedXML'],
  ['whose destination has no bucket', document(usual.replace(there, '<Destination></Destination>')), 'MalformedXML'],
  [
    'whose destination is no ARN',
    document(usual.replace(there, '<Destination><Bucket>there</Bucket></Destination>')),
    'InvalidArgument',
    'MalformedXML',
  ],
  ['with an element that is not known', document(`${usual}<Unheard>of</Unheard>`), 'MalformedXML'],
  ['with an ID of 256 characters', document(`<ID>${'i'.repeat(256)}</ID>${usual}`), 'InvalidArgument'],
  [
    'with one ID twice',
    document(`<ID>one</ID>${usual}`, `<ID>one</ID>${usual.replace('>1<', '>2<')}`),
    'InvalidArgument',
    'InvalidRequest',
  ],
  ['with one priority twice', document(usual, usual), 'InvalidRequest'],
  [
    'with a filter and no priority',
    document(usual.replace('<Priority>1</Priority>', '')),
    'InvalidRequest',
    'MalformedXML',
  ],
  ['with a priority that is no number', document(usual.replace('>1<', '>first<')), 'MalformedXML'],
  ['with a negative priority', document(usual.replace('>1<', '>-1<')), 'MalformedXML', 'InvalidArgument'],
  ['with a filter and no word on delete markers', document(usual.replace(markers('Disabled'), '')), 'InvalidRequest'],
  ['with a filter and a prefix', document(`<Prefix>a</Prefix>${usual}`), 'MalformedXML', 'InvalidRequest'],
  ['with neither filter nor prefix', document(usual.replace('<Filter/>', '')), 'MalformedXML', 'InvalidRequest'],
  [
    'with rules of both forms',
    document(usual, `${enabled}<Prefix>a/</Prefix>${there}`),
    'MalformedXML',
    'InvalidRequest',
  ],
  [
    'that replicates delete markers by tag',
    document(
      usual.replace('<Filter/>', `<Filter>${tag('k', 'v')}</Filter>`).replace(markers('Disabled'), markers('Enabled')),
    ),
    'InvalidRequest',
  ],
  [
    'with a tag and a prefix without And',
    document(usual.replace('<Filter/>', `<Filter><Prefix>a</Prefix>${tag('k', 'v')}</Filter>`)),
    'MalformedXML',
  ],
  [
    'that selects named keys and names none of the destination',
    document(
      `${usual}<SourceSelectionCriteria><SseKmsEncryptedObjects>${enabled}</SseKmsEncryptedObjects></SourceSelectionCriteria>`,
    ),
    'InvalidRequest',
    'MalformedXML',
  ],
  ['that is no XML', 'this is no document', 'MalformedXML'],
  ['of another root', '<VersioningConfiguration/>', 'MalformedXML'],
];
for (const [what, rules, ...codes] of bad)
  rule(`PutBucketReplication refuses a document ${what}, and keeps nothing of it`, async (t) => {
    const { from, to } = await buckets(t);
    refused(await put(t, from, to, rules), ...codes);
    refused(await read(t, from), 'ReplicationConfigurationNotFoundError');
  });
rule('PutBucketReplication of a bucket that never kept versions is refused with InvalidRequest', async (t) => {
  refused(await put(t, await t.bucket(), await t.versioned(), document(usual)), 'InvalidRequest');
});
rule('PutBucketReplication of a bucket whose versioning is suspended is refused with InvalidRequest', async (t) => {
  const { from, to } = await buckets(t);
  await t.versioning(from, 'Suspended');
  refused(await put(t, from, to, document(usual)), 'InvalidRequest');
});
rule('PutBucketReplication to a bucket that keeps no versions is refused with InvalidRequest', async (t) => {
  refused(await put(t, await t.versioned(), await t.bucket(), document(usual)), 'InvalidRequest');
});
rule('PutBucketReplication to a bucket that is not there is refused with InvalidRequest', async (t) => {
  refused(await put(t, await t.versioned(), t.newName(), document(usual)), 'InvalidRequest');
});
rule('PutBucketReplication of a bucket that is not there is refused with NoSuchBucket', async (t) => {
  refused(await put(t, t.newName(), await t.versioned(), document(usual)), 'NoSuchBucket');
});
rule('PutBucketReplication with the Content-MD5 of another document is refused with BadDigest', async (t) => {
  const { from, to } = await buckets(t);
  refused(await put(t, from, to, document(usual), { 'content-md5': md5('another').toString('base64') }), 'BadDigest');
});
rule('PutBucketReplication without Content-MD5 or a checksum is refused with InvalidRequest', async (t) => {
  const { from, to } = await buckets(t);
  const body = document(usual.replace(there, `<Destination><Bucket>${arnOf(to)}</Bucket></Destination>`));
  refused(await t.send('PUT', from, '', { query, body }), 'InvalidRequest');
});
for (const [method, name] of [
  ['GET', 'GetBucketReplication'],
  ['PUT', 'PutBucketReplication'],
  ['DELETE', 'DeleteBucketReplication'],
] as const)
  rule(
    `${name} of a bucket of another account is refused with AccessDenied`,
    async (t) => {
      const body = method === 'PUT' ? { body: document(usual) } : {};
      refused(await t.send(method, await t.bucket(), '', { query, ...body, signing: second(t) }), 'AccessDenied');
    },
    { source: `API/API_${name}`, needs: ['second'] },
  );

/* What rules hold, and their end. */
rule(
  'PutBucketVersioning with Suspended of a bucket with rules is refused with InvalidBucketState',
  async (t) => {
    const { from } = await pair(t);
    const text = '<VersioningConfiguration><Status>Suspended</Status></VersioningConfiguration>';
    refused(await t.document('PUT', from, 'versioning', text), 'InvalidBucketState');
    ok(await t.send('DELETE', from, '', { query }), 204);
    ok(await t.document('PUT', from, 'versioning', text));
  },
  { needs, source: 'userguide/replication' },
);
rule(
  'DeleteBucketReplication takes the rules away',
  async (t) => {
    const { from } = await pair(t);
    ok(await t.send('DELETE', from, '', { query }), 204);
    refused(await read(t, from), 'ReplicationConfigurationNotFoundError');
  },
  { needs, ...deleting },
);
rule(
  'DeleteBucketReplication answers 204, also when there is nothing to delete',
  async (t) => void ok(await t.send('DELETE', await t.bucket(), '', { query }), 204),
  deleting,
);
for (const [method, source] of [
  ['GET', reading],
  ['DELETE', deleting],
] as const)
  rule(
    `${method === 'GET' ? 'Get' : 'Delete'}BucketReplication of a bucket that is not there is refused with NoSuchBucket`,
    async (t) => void refused(await t.send(method, t.newName(), '', { query }), 'NoSuchBucket'),
    source,
  );
rule(
  'the rules of a bucket that is deleted are not those of a new one of its name',
  async (t) => {
    const { from } = await pair(t);
    ok(await t.send('DELETE', from), 204);
    ok(await t.send('PUT', from));
    refused(await read(t, from), 'ReplicationConfigurationNotFoundError');
  },
  { needs },
);

/* What is replicated. */
const behaviour = { needs, source: 'userguide/replication-what-is-isnot-replicated' };
/** Asked again until it is so; a store may take its time. @returns the answer that is */
async function arrives(ask: () => Promise<Answer>, is: (answer: Answer) => boolean): Promise<Answer> {
  const end = Date.now() + 120_000;
  for (;;) {
    const answer = await ask();
    if (is(answer) || Date.now() > end) return answer;
    await sleep(50);
  }
}
const came = async (t: Steps, bucket: string, key: string): Promise<Answer> =>
  ok(
    await arrives(
      () => t.get(bucket, key),
      ({ status }) => status === 200,
    ),
  );
rule(
  'a new object is written to the destination, with its ETag, metadata and content type',
  async (t) => {
    const { from, to } = await pair(t);
    const put = await t.put(from, 'a/key', 'content', { 'x-amz-meta-one': 'two', 'content-type': 'text/x' });
    const answer = await came(t, to, 'a/key');
    header(
      header(header(answer, 'x-amz-meta-one', 'two'), 'content-type', 'text/x'),
      'etag',
      put.headers['etag'] as string,
    );
    same(answer.body.toString(), 'content', 'content', answer);
  },
  behaviour,
);
rule(
  'a rule with a prefix replicates what has it, and nothing else',
  async (t) => {
    const filter = '<Filter><Prefix>a/</Prefix></Filter>';
    const { from, to } = await pair(t, document(usual.replace('<Filter/>', filter)));
    await t.put(from, 'b/key');
    await t.put(from, 'a/key');
    await came(t, to, 'a/key');
    refused(await t.get(to, 'b/key'), 'NoSuchKey');
  },
  behaviour,
);
rule(
  'tags of an object are replicated, and their changes',
  async (t) => {
    const { from, to } = await pair(t);
    await t.put(from, 'key', 'content', { 'x-amz-tagging': 'k=1' });
    await came(t, to, 'key');
    ok(
      await t.document('PUT', from, 'tagging', `<Tagging><TagSet>${tag('k', '2')}</TagSet></Tagging>`, { key: 'key' }),
    );
    const tags = () => t.get(to, 'key', { query: { tagging: '' } });
    const answer = await arrives(tags, (one) => one.texts('Value').includes('2'));
    same(answer.texts('Value'), ['2'], 'Value', answer);
  },
  behaviour,
);
rule(
  'a delete marker is replicated where the rule says so',
  async (t) => {
    const { from, to } = await pair(t, document(usual.replace(markers('Disabled'), markers('Enabled'))));
    await t.put(from, 'key');
    await came(t, to, 'key');
    ok(await t.remove(from, 'key'), 204);
    const answer = await arrives(
      () => t.get(to, 'key'),
      ({ status }) => status === 404,
    );
    header(refused(answer, 'NoSuchKey'), 'x-amz-delete-marker', 'true');
  },
  { needs, source: 'userguide/delete-marker-replication' },
);
rule(
  'a delete marker is not replicated where the rule does not say so',
  async (t) => {
    const { from, to } = await pair(t);
    await t.put(from, 'key');
    await came(t, to, 'key');
    ok(await t.remove(from, 'key'), 204);
    await t.put(from, 'key', 'later');
    await arrives(
      () => t.get(to, 'key'),
      (one) => one.body.toString() === 'later',
    );
    const answer = ok(await t.get(to, '', { query: { versions: '' } }));
    same(answer.texts('IsLatest').length, 2, 'versions and markers', answer);
  },
  { needs, source: 'userguide/delete-marker-replication' },
);
rule(
  'a version that is deleted by its id stays at the destination',
  async (t) => {
    const { from, to } = await pair(t, document(usual.replace(markers('Disabled'), markers('Enabled'))));
    const { headers } = await t.put(from, 'key');
    await came(t, to, 'key');
    ok(await t.remove(from, 'key', { query: { versionId: String(headers['x-amz-version-id']) } }), 204);
    await t.put(from, 'behind it');
    await came(t, to, 'behind it');
    ok(await t.get(to, 'key'));
  },
  behaviour,
);
rule(
  'what was there before the rules is not replicated',
  async (t) => {
    const { from, to } = await buckets(t);
    await t.put(from, 'before');
    ok(await put(t, from, to, document(usual)));
    await t.put(from, 'after');
    await came(t, to, 'after');
    refused(await t.get(to, 'before'), 'NoSuchKey');
  },
  behaviour,
);

export const replicationCases = cases;
