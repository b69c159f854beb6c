/*
 * What came to a store with named keys, quotas, limits and archives: written by one version, asked of a later one. The bucket whose objects cannot be read is asked
 * here and left out of the inventory.
 */
import { dsom, until } from '../cluster/cluster.support.ts';
import { pathOf, send } from '../src/request.ts';
import { type Answers, answered, doing, type Question } from './whole.ts';

const named = '/named';
/** The bucket with archived objects. */
export const cold = 'cold';
const kms = (key: string, more: Record<string, string> = {}) => ({
  'x-amz-server-side-encryption': 'aws:kms',
  'x-amz-server-side-encryption-aws-kms-key-id': `alias/${key}`,
  ...more,
});
const context = { 'x-amz-server-side-encryption-context': Buffer.from('{"team":"blue"}').toString('base64') };
const byDefault =
  '<ServerSideEncryptionConfiguration><Rule><ApplyServerSideEncryptionByDefault><SSEAlgorithm>aws:kms</SSEAlgorithm><KMSMasterKeyID>alias/payroll</KMSMasterKeyID></ApplyServerSideEncryptionByDefault><BucketKeyEnabled>true</BucketKeyEnabled></Rule></ServerSideEncryptionConfiguration>';
const restoring = (days: number) => `<RestoreRequest><Days>${days}</Days></RestoreRequest>`;

const questions: readonly Question[] = [
  ['GET', named, { encryption: '' }],
  ['GET', pathOf(cold, 'held by a disabled key'), {}],
  [
    'GET',
    `/${cold}`,
    { 'list-type': '2', prefix: 'restored' },
    { 'x-amz-optional-object-attributes': 'RestoreStatus' },
  ],
  ['GET', pathOf(cold, 'archived'), {}],
  // It comes while this directory is kept, so what is asked does not tell.
  ['GET', pathOf(cold, 'on its way'), { tagging: '' }],
  ['GET', pathOf(cold, 'restored'), {}],
  ['PUT', pathOf(cold, 'beyond the quota'), {}],
];

export async function namedAnswersOf(endpoint: string): Promise<Answers> {
  const requests: Answers['requests'][number][] = [];
  for (const [method, at, query, headers = {}] of questions)
    requests.push(
      await answered(endpoint, `${method} ${at} ${Object.keys(query).join()}`, method, at, { query, headers }),
    );
  return {
    requests,
    keys: await dsom(endpoint, 'kms', 'list'),
    quotas: await dsom(endpoint, 'quota', 'show'),
    limits: await dsom(endpoint, 'limit', 'show'),
    policies: await dsom(endpoint, 'policy', 'list'),
  };
}

export async function fillNamed(endpoint: string): Promise<void> {
  const must = doing(endpoint);
  for (const key of ['payroll', 'retired']) await dsom(endpoint, 'kms', 'create', key);
  await must('PUT', named);
  await must('PUT', named, { query: { encryption: '' }, body: byDefault });
  await must('PUT', pathOf('named', 'by default'), { body: Buffer.alloc(40_000, 'sealed by default ') });
  await must('PUT', pathOf('named', 'with a context'), {
    body: Buffer.alloc(9 << 20, 'sealed '),
    headers: kms('payroll', context),
  });
  await dsom(endpoint, 'kms', 'rotate', 'alias/payroll');
  await must('PUT', pathOf('named', 'by the second version'), { body: 'sealed', headers: kms('payroll') });

  for (const name of ['GLACIER', 'DEEP_ARCHIVE'])
    await dsom(endpoint, 'policy', 'set', name, '1', '--archive', name === 'GLACIER' ? '0s' : '720h');
  await must('PUT', `/${cold}`);
  for (const [key, storageClass] of [
    ['archived', 'GLACIER'],
    ['restored', 'GLACIER'],
    ['on its way', 'DEEP_ARCHIVE'],
  ] as const)
    await must('PUT', pathOf(cold, key), {
      body: Buffer.alloc(20_000, `${key} `),
      headers: { 'x-amz-storage-class': storageClass },
    });
  await must('PUT', pathOf(cold, 'held by a disabled key'), { body: 'closed', headers: kms('retired') });
  await dsom(endpoint, 'kms', 'disable', 'alias/retired');
  for (const key of ['restored', 'on its way'])
    await must('POST', pathOf(cold, key), { query: { restore: '' }, body: restoring(20_000) });
  await until(
    'one is restored',
    30_000,
    async () => (await send(endpoint, 'GET', pathOf(cold, 'restored'))).status === 200,
  );

  await dsom(endpoint, 'quota', 'set', 's3://named', '--bytes', '1GiB');
  await dsom(endpoint, 'quota', 'set', `s3://${cold}`, '--objects', '4');
  await dsom(endpoint, 'tenant', 'create', 'acme');
  await dsom(endpoint, 'quota', 'set', '--tenant', 'acme', '--bytes', '10TiB', '--objects', '50000000');
  await dsom(endpoint, 'limit', 'set', 'acme', '--requests', '500', '--concurrent', '64');
}
