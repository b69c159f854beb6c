/*
 * What came to a store with users, policies, locks and configurations of buckets: written by one version, asked of a later one. The buckets of it that
 * a client may not change as it likes are asked here and left out of the inventory.
 */
import { createHash } from 'node:crypto';
import { dsom } from '../cluster/cluster.support.ts';
import { type Answer, pathOf, send } from '../src/request.ts';

/** The bucket with locks. */
export const lockedBucket = 'vault';

const site = '/site';
const customerKey = Buffer.alloc(32, 'a key that its customer keeps');
const customer = {
  'x-amz-server-side-encryption-customer-algorithm': 'AES256',
  'x-amz-server-side-encryption-customer-key': customerKey.toString('base64'),
  'x-amz-server-side-encryption-customer-key-md5': createHash('md5').update(customerKey).digest('base64'),
};
const policy = JSON.stringify({
  Version: '2012-10-17',
  Statement: [{ Effect: 'Allow', Principal: '*', Action: 's3:GetObject', Resource: 'arn:aws:s3:::site/public/*' }],
});

const configurations: Readonly<Record<string, string>> = {
  policy,
  ownershipControls:
    '<OwnershipControls><Rule><ObjectOwnership>ObjectWriter</ObjectOwnership></Rule></OwnershipControls>',
  cors: '<CORSConfiguration><CORSRule><AllowedMethod>GET</AllowedMethod><AllowedOrigin>https://app.example</AllowedOrigin></CORSRule></CORSConfiguration>',
  website:
    '<WebsiteConfiguration><IndexDocument><Suffix>index.html</Suffix></IndexDocument><ErrorDocument><Key>error.html</Key></ErrorDocument></WebsiteConfiguration>',
  lifecycle:
    '<LifecycleConfiguration><Rule><ID>old</ID><Status>Enabled</Status><Filter><Prefix>logs/</Prefix></Filter><Expiration><Days>36500</Days></Expiration></Rule></LifecycleConfiguration>',
  encryption:
    '<ServerSideEncryptionConfiguration><Rule><ApplyServerSideEncryptionByDefault><SSEAlgorithm>AES256</SSEAlgorithm></ApplyServerSideEncryptionByDefault></Rule></ServerSideEncryptionConfiguration>',
  requestPayment: '<RequestPaymentConfiguration><Payer>BucketOwner</Payer></RequestPaymentConfiguration>',
  accelerate: '<AccelerateConfiguration><Status>Enabled</Status></AccelerateConfiguration>',
};
const metrics = '<MetricsConfiguration><Id>all</Id></MetricsConfiguration>';

/** One request, by its method, path, query and headers. */
export type Question = readonly [
  method: string,
  at: string,
  query: Record<string, string>,
  headers?: Record<string, string>,
];

const questions: readonly Question[] = [
  ...Object.keys(configurations).map((kind): Question => ['GET', site, { [kind]: '' }]),
  ['GET', site, { metrics: '', id: 'all' }],
  ['GET', site, { policyStatus: '' }],
  ['GET', site, { acl: '' }],
  ['GET', pathOf('site', 'shared'), { acl: '' }],
  ['GET', pathOf('site', 'renamed'), {}],
  ['GET', pathOf('site', 'old name'), {}],
  ['GET', `/${lockedBucket}`, { 'object-lock': '' }],
  ['GET', pathOf(lockedBucket, 'retained'), { retention: '' }],
  ['GET', pathOf(lockedBucket, 'held'), { 'legal-hold': '' }],
  ['GET', pathOf(lockedBucket, 'held'), { retention: '' }],
  ['GET', pathOf(lockedBucket, 'customer'), {}, customer],
  ['GET', pathOf(lockedBucket, 'customer'), {}],
];

interface Answered {
  readonly asked: string;
  readonly status: number;
  readonly text: string;
}

/** To requests, and to commands. */
export interface Answers {
  readonly requests: readonly Answered[];
  readonly [command: string]: readonly unknown[];
}

/** Characters of an answer that are kept as they are. */
const mostText = 2000;
const digest = (text: string): string => createHash('sha256').update(text).digest('hex');

/** Differs with every request. */
const passing = /<(RequestId|HostId)>[^<]*<\/\1>/g;

/** What is asked of a later version too: the code of an error, and not the words beside it. */
export const wordless = ({ requests, ...rest }: Answers): Answers => ({
  ...rest,
  requests: requests.map((one) => ({ ...one, text: one.text.replace(/<Message>[^<]*<\/Message>/, '') })),
});

/** Asks one thing. @param asked what it is called in the manifest */
export async function answered(
  endpoint: string,
  asked: string,
  method: string,
  at: string,
  options: Parameters<typeof send>[3],
): Promise<Answered> {
  const answer = await send(endpoint, method, at, options);
  const text = answer.text().replaceAll(passing, '');
  return { asked, status: answer.status, text: text.length > mostText ? `SHA-256 ${digest(text)}` : text };
}

export async function answersOf(endpoint: string): Promise<Answers> {
  const requests: Answered[] = [];
  const ask = async (...question: [string, string, string, Parameters<typeof send>[3]]) =>
    void requests.push(await answered(endpoint, ...question));
  for (const [method, at, query, headers = {}] of questions)
    await ask(`${method} ${at} ${Object.keys(query).join()}${headers === customer ? ' with key' : ''}`, method, at, {
      query,
      headers,
    });
  for (const key of ['public/page', 'shared', 'renamed'])
    await ask(`nobody reads ${key}`, 'GET', pathOf('site', key), { anonymous: true });
  const versions = await send(endpoint, 'GET', `/${lockedBucket}`, { query: { versions: '' } });
  const keys = versions.elements('Key');
  for (const [at, versionId] of versions.elements('VersionId').entries())
    if (keys[at] !== 'customer')
      await ask(`${keys[at]} is not deleted`, 'DELETE', pathOf(lockedBucket, keys[at]), { query: { versionId } });
  return {
    requests,
    tenants: await dsom(endpoint, 'tenant', 'list'),
    users: await dsom(endpoint, 'user', 'list', '--tenant', 'acme'),
  };
}

/** Requests that must be done. */
export const doing =
  (endpoint: string) =>
  async (method: string, at: string, options: Parameters<typeof send>[3] = {}): Promise<Answer> => {
    const { body } = options;
    const md5 = createHash('md5')
      .update(body ?? '')
      .digest('base64');
    const headers = { 'content-md5': md5, ...options.headers };
    const answer = await send(endpoint, method, at, { ...options, headers });
    if (answer.status >= 300) throw new Error(`${method} ${at}: ${answer.status} ${answer.text()}`);
    return answer;
  };

export async function fillWhole(endpoint: string): Promise<void> {
  const must = doing(endpoint);
  await must('PUT', site);
  for (const [kind, body] of Object.entries(configurations)) await must('PUT', site, { query: { [kind]: '' }, body });
  await must('PUT', site, { query: { metrics: '', id: 'all' }, body: metrics });
  await must('PUT', pathOf('site', 'public/page'), { body: 'a page' });
  await must('PUT', pathOf('site', 'shared'), { body: 'shared', headers: { 'x-amz-acl': 'public-read' } });
  await must('PUT', pathOf('site', 'old name'), { body: Buffer.alloc(20_000, 'renamed ') });
  await must('PUT', pathOf('site', 'renamed'), {
    query: { renameObject: '' },
    headers: { 'x-amz-rename-source': 'old%20name' },
  });
  await must('PUT', `/${lockedBucket}`, { headers: { 'x-amz-bucket-object-lock-enabled': 'true' } });
  const rule = '<Rule><DefaultRetention><Mode>GOVERNANCE</Mode><Years>70</Years></DefaultRetention></Rule>';
  const lock = `<ObjectLockConfiguration><ObjectLockEnabled>Enabled</ObjectLockEnabled>${rule}</ObjectLockConfiguration>`;
  await must('PUT', `/${lockedBucket}`, { query: { 'object-lock': '' }, body: lock });
  await must('PUT', pathOf(lockedBucket, 'retained'), {
    body: Buffer.alloc(9000, 'kept '),
    headers: { 'x-amz-object-lock-mode': 'COMPLIANCE', 'x-amz-object-lock-retain-until-date': '2099-01-01T00:00:00Z' },
  });
  await must('PUT', pathOf(lockedBucket, 'held'), {
    body: 'held',
    headers: { 'x-amz-object-lock-legal-hold': 'ON' },
  });
  await must('PUT', pathOf(lockedBucket, 'customer'), { body: Buffer.alloc(50_000, 'sealed '), headers: customer });
  await dsom(endpoint, 'tenant', 'create', 'acme');
  await dsom(endpoint, 'user', 'create', 'admin', '--tenant', 'acme', '--policy', 'AdministratorAccess');
}
