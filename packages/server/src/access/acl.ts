import { limits } from '../limits.ts';
import { canonicalIdOf } from './account.ts';
import type { Identity } from './identity.ts';
import type { PrincipalMatch } from './policy/index.ts';

/*
 * Access control lists: what buckets and objects grant by themselves, besides policies. Whoever owns the thing may everything; a list only adds.
 * https://docs.aws.amazon.com/AmazonS3/latest/userguide/acl-overview.html
 */

export const permissions = ['READ', 'WRITE', 'READ_ACP', 'WRITE_ACP', 'FULL_CONTROL'] as const;
export type Permission = (typeof permissions)[number];

/** Groups, each with what it is called in documents and headers. */
export const groups = {
  AllUsers: 'http://acs.amazonaws.com/groups/global/AllUsers',
  AuthenticatedUsers: 'http://acs.amazonaws.com/groups/global/AuthenticatedUsers',
  LogDelivery: 'http://acs.amazonaws.com/groups/s3/LogDelivery',
} as const;
export type Group = keyof typeof groups;

/** `id`: canonical id of an account, 64 hexadecimal digits. */
export type Grantee = { readonly id: string } | { readonly group: Group };

export interface Grant {
  readonly to: Grantee;
  readonly permission: Permission;
}

const canonicalForm = /^[0-9a-f]{64}$/;

export const isCanonicalId = (text: string): boolean => canonicalForm.test(text);

/**
 * The bytes that are kept of a list: JSON of `{"v":1,"grants":[[permission, grantee], …]}`, a grantee being a canonical id or the name of a group.
 */
export const encodeAcl = (grants: readonly Grant[]): Buffer =>
  Buffer.from(
    JSON.stringify({
      v: 1,
      grants: grants.map(({ to, permission }) => [permission, 'id' in to ? to.id : to.group]),
    }),
    'utf8',
  );

function readGrant(value: unknown): Grant {
  if (!Array.isArray(value) || value.length !== 2) throw new TypeError('a grant is a pair');
  const [permission, grantee] = value as unknown[];
  const known = permissions.find((one) => one === permission);
  if (!known || typeof grantee !== 'string') throw new TypeError('a grant names a permission and a grantee');
  if (isCanonicalId(grantee)) return { to: { id: grantee }, permission: known };
  if (!Object.hasOwn(groups, grantee)) throw new TypeError('a grantee is an account or a group');
  return { to: { group: grantee as Group }, permission: known };
}

/** @throws SyntaxError, TypeError when these are no bytes of {@link encodeAcl} */
function decodeAcl(bytes: Buffer): readonly Grant[] {
  const value = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes)) as {
    v?: unknown;
    grants?: unknown;
  };
  if (value?.v !== 1 || !Array.isArray(value.grants) || value.grants.length > limits.aclGrants)
    throw new TypeError('this is no access control list');
  return value.grants.map(readGrant);
}

/** What a list says; undefined when it cannot be read. */
export function readableGrants(bytes: Buffer): readonly Grant[] | undefined {
  try {
    return decodeAcl(bytes);
  } catch {
    return undefined;
  }
}

/** A list grants nothing when it cannot be read. */
export const grantsOf = (bytes: Buffer | undefined): readonly Grant[] => (bytes && readableGrants(bytes)) ?? [];

/** Whether a list lets in everybody, or everybody who has an account anywhere. */
export const isPublicAcl = (grants: readonly Grant[]): boolean =>
  grants.some(({ to }) => 'group' in to && to.group !== 'LogDelivery');

/** Which permissions an action of S3 is granted by, on a bucket and on an object. */
const ofBucket: Readonly<Record<string, Permission>> = {
  's3:ListBucket': 'READ',
  's3:ListBucketVersions': 'READ',
  's3:ListBucketMultipartUploads': 'READ',
  's3:PutObject': 'WRITE',
  's3:GetBucketAcl': 'READ_ACP',
  's3:PutBucketAcl': 'WRITE_ACP',
};
const ofObject: Readonly<Record<string, Permission>> = {
  's3:GetObject': 'READ',
  's3:GetObjectVersion': 'READ',
  's3:GetObjectAcl': 'READ_ACP',
  's3:GetObjectVersionAcl': 'READ_ACP',
  's3:PutObjectAcl': 'WRITE_ACP',
  's3:PutObjectVersionAcl': 'WRITE_ACP',
};

const rank: Readonly<Record<PrincipalMatch, number>> = { none: 0, account: 1, origin: 2, direct: 3 };

function matchOf(to: Grantee, { standing: { requester }, account }: Identity): PrincipalMatch {
  if ('id' in to) return account !== undefined && canonicalIdOf(account) === to.id ? 'account' : 'none';
  switch (to.group) {
    case 'AllUsers':
      return 'direct';
    case 'AuthenticatedUsers':
      // His account is let in; whether he may use that, his own policies say.
      return account === undefined ? 'none' : 'account';
    case 'LogDelivery':
      return requester.kind === 'service' && requester.service === 'logging.s3.amazonaws.com' ? 'direct' : 'none';
    default:
      return 'none';
  }
}

/** How a list names somebody for an action, as a policy would. */
export function granted(
  grants: readonly Grant[],
  on: 'bucket' | 'object',
  action: string,
  identity: Identity,
): PrincipalMatch {
  const table = on === 'bucket' ? ofBucket : ofObject;
  const wanted = Object.hasOwn(table, action) ? table[action] : undefined;
  if (wanted === undefined) return 'none';
  let nearest: PrincipalMatch = 'none';
  for (const { to, permission } of grants) {
    if (permission !== wanted && permission !== 'FULL_CONTROL') continue;
    const match = matchOf(to, identity);
    if (rank[match] > rank[nearest]) nearest = match;
  }
  return nearest;
}
