import { ok } from '../expect.ts';
import type { Options, Steps } from '../steps.ts';
import { find } from '../xml.ts';

/* Who is who in cases about permissions: the first account, the second one, and nobody. */

/** Not signed: an anonymous request. */
export const nobody = { form: 'none' } as const;
/** Signed by the second account. */
export const second = (t: Steps) => ({ account: t.store.second! });

/** The canonical id of an account, by which S3 names owners. */
const canonicalId = (t: Steps, name: string, options: Options) =>
  t.shared(`the canonical id of ${name}`, async (keeper) => {
    const answer = ok(await keeper.at('GET', '/', options));
    return find(answer.xml, 'Owner', 'ID')?.text ?? '';
  });
export const ourId = (t: Steps): Promise<string> => canonicalId(t, 'the first account', {});
export const theirId = (t: Steps): Promise<string> =>
  canonicalId(t, 'the second account', { signing: { account: t.store.second! } });

/** The digits of an account, by which policies name principals. */
const accountOf = (t: Steps, name: string, account: NonNullable<Options['signing']>['account'] & object) =>
  t.shared(`the account of ${name}`, async (keeper) => {
    const body = 'Action=GetCallerIdentity&Version=2011-06-15';
    const headers = { 'content-type': 'application/x-www-form-urlencoded' };
    const answer = ok(await keeper.at('POST', '/', { body, headers, signing: { service: 'sts', account } }));
    return answer.texts('Account')[0] ?? '';
  });
export const ourAccount = (t: Steps): Promise<string> => accountOf(t, 'the first account', t.store.account);
export const theirAccount = (t: Steps): Promise<string> => accountOf(t, 'the second account', t.store.second!);

export interface Statement {
  readonly Effect?: 'Allow' | 'Deny';
  readonly Principal?: unknown;
  readonly Action: string | readonly string[];
  readonly Resource?: string | readonly string[];
  readonly Condition?: unknown;
}

/** The text of a policy; a statement is of everyone and of the whole bucket when it says nothing else. */
export const policyOf = (bucket: string, ...statements: readonly Statement[]): string =>
  JSON.stringify({
    Version: '2012-10-17',
    Statement: statements.map((one) => ({
      Effect: 'Allow',
      Principal: '*',
      Resource: [`arn:aws:s3:::${bucket}`, `arn:aws:s3:::${bucket}/*`],
      ...one,
    })),
  });

/** A block of public access with these four, the others being false. */
export const blockOf = (...names: readonly string[]): string =>
  `<PublicAccessBlockConfiguration>${[
    'BlockPublicAcls',
    'IgnorePublicAcls',
    'BlockPublicPolicy',
    'RestrictPublicBuckets',
  ]
    .map((name) => `<${name}>${names.includes(name)}</${name}>`)
    .join('')}</PublicAccessBlockConfiguration>`;

/** A new bucket whose block of public access is off: AWS blocks new buckets. */
export async function openBucket(t: Steps, options: Options = {}): Promise<string> {
  const bucket = await t.bucket(options);
  ok(await t.document('PUT', bucket, 'publicAccessBlock', blockOf()));
  return bucket;
}

/** Gives a bucket a policy. */
export async function withPolicy(t: Steps, bucket: string, ...statements: readonly Statement[]): Promise<void> {
  ok(await t.send('PUT', bucket, '', { query: { policy: '' }, body: policyOf(bucket, ...statements) }), 204);
}
