/*
 * Access control lists of another store in the words of this one. Who is granted something there is an account there: the owner of the bucket is
 * whoever the copy belongs to here, groups are the same everywhere, and any other account has to be named by who migrates. What is granted to nobody
 * here is left out and told, so that a list here never grants more than the one that it comes from.
 */
import { DsomError } from '@dsom/sdk';
import type { S3Connection } from './connection.ts';
import { migrateLimits } from './limits.ts';
import { elements, escapeXml, textOf } from './xml.ts';

const permissions = ['FULL_CONTROL', 'READ', 'READ_ACP', 'WRITE', 'WRITE_ACP'] as const;
type Permission = (typeof permissions)[number];

export interface Grant {
  /** `id`: of an account, in the form of its store. `uri`: of a group. `email`: what only the store of the list can resolve. */
  readonly kind: 'id' | 'uri' | 'email';
  readonly grantee: string;
  readonly permission: Permission;
}

export interface AccessList {
  /** Id of the account that owns the thing. */
  readonly owner: string;
  readonly grants: readonly Grant[];
}

const unreadable = (what: string) =>
  new DsomError('InvalidResponse', {
    message: `The access control list has ${what}, which cannot be read: look at it at the source, or leave lists out with --no-acls.`,
  });

function grantOf(inner: string): Grant | undefined {
  const permission = permissions.find((one) => one === textOf(inner, 'Permission')?.trim());
  if (permission === undefined) throw unreadable(`the permission "${textOf(inner, 'Permission') ?? ''}"`);
  for (const [kind, name] of [
    ['id', 'ID'],
    ['uri', 'URI'],
    ['email', 'EmailAddress'],
  ] as const) {
    const grantee = textOf(inner, name)?.trim();
    if (grantee) return { kind, grantee, permission };
  }
  return undefined;
}

/** Reads an AccessControlPolicy; what is granted to nobody, as by stores that have no lists but answer one, is not in it. @throws DsomError InvalidResponse */
export function accessList(document: string): AccessList {
  if (!document.includes('<AccessControlPolicy')) throw unreadable('no AccessControlPolicy');
  const owner = textOf(elements(document, 'Owner')[0]?.inner ?? '', 'ID')?.trim() ?? '';
  const grants = elements(document, 'Grant').map(({ inner }) => grantOf(inner));
  return { owner, grants: grants.filter((grant) => grant !== undefined) };
}

/** The list of a bucket, or of an object by `key`; undefined where the store has no lists. @throws DsomError when it may not be read */
export async function readList(
  store: S3Connection,
  bucket: string,
  key?: string,
  versionId?: string,
): Promise<AccessList | undefined> {
  const request = { method: 'GET', bucket, query: { acl: '', versionId }, ...(key !== undefined && { key }) } as const;
  try {
    return accessList((await store.send(request)).text);
  } catch (cause) {
    if (!(cause instanceof DsomError)) throw cause;
    if (cause.status === 405 || cause.status === 501) return undefined;
    if (cause.status !== 403) throw cause;
    const message = `${cause.message} It is about the access control list: let the key of the source read lists (s3:GetBucketAcl, s3:GetObjectAcl, s3:GetObjectVersionAcl), or leave them out with --no-acls.`;
    throw new DsomError(cause.code, { message, status: cause.status, cause });
  }
}

/** How accounts of the source are called here. */
export interface Accounts {
  /** Who owns the bucket there. */
  readonly owner: string;
  /** Canonical id of who owns the copies. */
  readonly self: string;
  /** Canonical ids here, by the ids there that were named. */
  readonly named: ReadonlyMap<string, string>;
  /** Whether nothing may be granted to everybody: the source takes such grants for none, or the target refuses them. */
  readonly blocksPublic: boolean;
}

const publicGroups = /\/(AllUsers|AuthenticatedUsers)$/;
const knownGroups = /^http:\/\/acs\.amazonaws\.com\/groups\/(global\/(AllUsers|AuthenticatedUsers)|s3\/LogDelivery)$/;

/** The same account here; undefined: nobody said. */
const accountHere = (id: string, { owner, self, named }: Accounts): string | undefined =>
  named.get(id) ?? (id === owner ? self : undefined);

/**
 * What a list can grant here.
 * @param leave told of every grant that is left out, and why
 */
export function grantsHere(list: AccessList, accounts: Accounts, leave: (why: string) => void): Grant[] {
  const kept: Grant[] = [];
  for (const grant of list.grants) {
    const { kind, grantee } = grant;
    if (kind === 'id') {
      const here = accountHere(grantee, accounts);
      if (here === undefined)
        leave(`grant to the account ${grantee}, left out: --account ${grantee}=ID says who that is here`);
      else kept.push({ ...grant, grantee: here });
    } else if (kind === 'email') leave(`grant to ${grantee}, left out: grant it to an account of this store`);
    else if (!knownGroups.test(grantee)) leave(`grant to the group ${grantee}, left out: this store does not have it`);
    else if (accounts.blocksPublic && publicGroups.test(grantee))
      leave('grant to everybody, left out: by the public access block of the bucket it counts for nothing');
    else kept.push(grant);
  }
  if (accountHere(list.owner, accounts) !== accounts.self)
    leave(`owner ${list.owner} of an object, became the account that migrates`);
  const unlike = kept.filter((one, at) => kept.findIndex((other) => sameGrant(one, other)) === at);
  if (unlike.length > migrateLimits.grants)
    throw new DsomError('InvalidRequest', {
      message: `The access control list has more than ${migrateLimits.grants} grants: remove some at the source, or leave lists out with --no-acls.`,
    });
  return unlike;
}

const sameGrant = (one: Grant, other: Grant): boolean =>
  one.grantee === other.grantee && one.permission === other.permission;

/** Whether a list says no more than that its owner has everything. */
export const isPlain = (grants: readonly Grant[], self: string): boolean =>
  grants.every(({ grantee, permission }) => grantee === self && permission === 'FULL_CONTROL');

/** The headers with which a thing is made that has this list from its first moment on. */
export function grantHeaders(grants: readonly Grant[]): Record<string, string> {
  const headers: Record<string, string> = {};
  for (const { kind, grantee, permission } of grants) {
    const name = `x-amz-grant-${permission.toLowerCase().replace('_', '-')}`;
    const value = `${kind}="${grantee}"`;
    headers[name] = headers[name] === undefined ? value : `${headers[name]}, ${value}`;
  }
  return headers;
}

/** The document of a list. */
export function listDocument(owner: string, grants: readonly Grant[]): string {
  const schema = 'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"';
  const rows = grants.map(({ kind, grantee, permission }) => {
    const [type, name] = kind === 'uri' ? ['Group', 'URI'] : ['CanonicalUser', 'ID'];
    return `<Grant><Grantee ${schema} xsi:type="${type}"><${name}>${escapeXml(grantee)}</${name}></Grantee><Permission>${permission}</Permission></Grant>`;
  });
  return `<AccessControlPolicy xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Owner><ID>${escapeXml(owner)}</ID></Owner><AccessControlList>${rows.join('')}</AccessControlList></AccessControlPolicy>`;
}
