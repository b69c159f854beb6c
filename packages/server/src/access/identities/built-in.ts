/*
 * Managed policies that every account has, under the names that AWS gave them; what they allow is said here in one line each.
 * https://docs.aws.amazon.com/aws-managed-policy/latest/reference/policy-list.html
 */

export interface BuiltInPolicy {
  readonly name: string;
  /** `ANPA…` */
  readonly id: string;
  readonly arn: string;
  readonly description: string;
  readonly document: string;
}

const allow = (actions: readonly string[]): string =>
  JSON.stringify({ Version: '2012-10-17', Statement: [{ Effect: 'Allow', Action: actions, Resource: '*' }] });

const rows: readonly (readonly [name: string, description: string, actions: readonly string[]])[] = [
  ['AdministratorAccess', 'Everything', ['*']],
  ['AmazonS3FullAccess', 'Everything in S3', ['s3:*']],
  ['AmazonS3ReadOnlyAccess', 'Reading and listing in S3', ['s3:Get*', 's3:List*', 's3:Describe*']],
  ['IAMFullAccess', 'Everything in IAM', ['iam:*']],
  ['IAMReadOnlyAccess', 'Reading in IAM', ['iam:Get*', 'iam:List*', 'iam:Simulate*']],
  [
    'ReadOnlyAccess',
    'Reading and listing of everything',
    ['s3:Get*', 's3:List*', 'iam:Get*', 'iam:List*', 'iam:Simulate*'],
  ],
];

const prefix = 'arn:aws:iam::aws:policy/';

export const builtInPolicies: readonly BuiltInPolicy[] = rows.map(([name, description, actions], index) => ({
  name,
  id: `ANPABUILTIN${String(index).padStart(10, '0')}`,
  arn: `${prefix}${name}`,
  description,
  document: allow(actions),
}));

const byArn = new Map(builtInPolicies.map((one) => [one.arn, one]));

/** @returns undefined for what is no ARN of one */
export const builtInPolicy = (arn: string): BuiltInPolicy | undefined => byArn.get(arn);

export const isBuiltIn = (arn: string): boolean => arn.startsWith(prefix);
