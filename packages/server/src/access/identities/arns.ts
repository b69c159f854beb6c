import type { IdentityRecord } from '../../metadata/index.ts';

/* https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_identifiers.html */

type Named = Pick<IdentityRecord, 'account' | 'path' | 'name'>;

export const userArn = ({ account, path, name }: Named): string => `arn:aws:iam::${account}:user${path}${name}`;
export const groupArn = ({ account, path, name }: Named): string => `arn:aws:iam::${account}:group${path}${name}`;
export const roleArn = ({ account, path, name }: Named): string => `arn:aws:iam::${account}:role${path}${name}`;

/** The ARN of a session of a role, which has no path. */
export const sessionArn = ({ account, name }: Named, session: string): string =>
  `arn:aws:sts::${account}:assumed-role/${name}/${session}`;

export const rootArn = (account: string): string => `arn:aws:iam::${account}:root`;

const form = /^arn:aws:iam::(\d{12}):role(\/(?:[\x21-\x7e]+\/)?)([\w+=,.@-]+)$/;

/** Account, path and name of a role's ARN; undefined for what is none. */
export function readRoleArn(arn: string): Named | undefined {
  const [, account, path, name] = form.exec(arn) ?? [];
  return account === undefined || path === undefined || name === undefined ? undefined : { account, path, name };
}

/** Whether a text can be the ARN of a managed policy. */
export const readPolicyArn = (arn: string): boolean =>
  /^arn:aws:iam::(?:\d{12}|aws):policy\/(?:[\x21-\x7e]+\/)?[\w+=,.@-]+$/.test(arn);
