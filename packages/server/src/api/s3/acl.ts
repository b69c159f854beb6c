import {
  accountOf,
  canonicalIdOf,
  type Grant,
  type Grantee,
  type Group,
  groups,
  isCanonicalId,
  type Permission,
  permissions,
} from '../../access/index.ts';
import { StoreError } from '../../errors.ts';
import { limits } from '../../limits.ts';
import { invalidArgument } from './failure.ts';
import { ownerElement } from './listing.ts';
import { allowOnly, childOf, textOf, type XmlElement } from './xml/parser.ts';
import { element, s3Document } from './xml/writer.ts';

/*
 * Access control lists in the words of S3: canned ones, headers that grant, and documents.
 * https://docs.aws.amazon.com/AmazonS3/latest/userguide/acl-overview.html
 */

const everything = (to: Grantee): Grant => ({ to, permission: 'FULL_CONTROL' });
const ofAccount = (owner: string): Grantee => ({ id: canonicalIdOf(accountOf(owner)) });

/** What its owner has of a thing that says nothing of itself. */
export const ownersList = (owner: string): readonly Grant[] => [everything(ofAccount(owner))];

/** Whom the canned list `aws-exec-read` means: EC2, as S3 shows it. */
const machines: Grantee = { id: '6aa5a366c34c1cbe25dc49211496e913e0351eb0e8c37aa3477e40942ec6b97c' };

const all: Grantee = { group: 'AllUsers' };
const one = (to: Grantee, permission: Permission): readonly Grant[] => [{ to, permission }];

/** What each canned list grants besides what the owner has. */
const canned: Readonly<Record<string, (bucketOwner: string) => readonly Grant[]>> = {
  private: () => [],
  'public-read': () => one(all, 'READ'),
  'public-read-write': () => [...one(all, 'READ'), ...one(all, 'WRITE')],
  'aws-exec-read': () => one(machines, 'READ'),
  'authenticated-read': () => one({ group: 'AuthenticatedUsers' }, 'READ'),
  'bucket-owner-read': (bucketOwner) => one(ofAccount(bucketOwner), 'READ'),
  'bucket-owner-full-control': (bucketOwner) => [everything(ofAccount(bucketOwner))],
  'log-delivery-write': () => [...one({ group: 'LogDelivery' }, 'WRITE'), ...one({ group: 'LogDelivery' }, 'READ_ACP')],
};

const sameGrantee = (a: Grantee, b: Grantee): boolean =>
  'id' in a ? 'id' in b && a.id === b.id : 'group' in b && a.group === b.group;

/** @throws StoreError InvalidArgument for a name that no canned list has */
export function cannedGrants(name: string, owner: string, bucketOwner: string): readonly Grant[] {
  if (!Object.hasOwn(canned, name)) throw invalidArgument('x-amz-acl', name, 'The canned ACL is not known.');
  const [own] = ownersList(owner) as [Grant];
  return [own, ...(canned[name]?.(bucketOwner) ?? []).filter(({ to }) => !sameGrantee(to, own.to))];
}

const grantHeaders: Readonly<Record<string, Permission>> = {
  'x-amz-grant-full-control': 'FULL_CONTROL',
  'x-amz-grant-read': 'READ',
  'x-amz-grant-read-acp': 'READ_ACP',
  'x-amz-grant-write': 'WRITE',
  'x-amz-grant-write-acp': 'WRITE_ACP',
};
/** Made once: every write is asked for them. */
const grantEntries = Object.entries(grantHeaders);

function groupOf(uri: string, argument: string): Grantee {
  const found = (Object.keys(groups) as Group[]).find((name) => groups[name] === uri);
  if (!found) throw invalidArgument(argument, uri, 'Invalid group uri');
  return { group: found };
}

function accountOfId(id: string, argument: string): Grantee {
  if (!isCanonicalId(id)) throw invalidArgument(argument, id, 'Invalid id');
  return { id };
}

const byEmail = () =>
  new StoreError('UnresolvableGrantByEmailAddress', {
    message: 'No account is known by this e-mail address: name it by its canonical id.',
  });

const granteeForm = /^\s*(id|uri|emailAddress)\s*=\s*"?([^",]*)"?\s*$/i;

/** What the headers x-amz-grant-… say; undefined: there are none. @throws StoreError InvalidArgument, UnresolvableGrantByEmailAddress */
export function grantsOfHeaders(header: (name: string) => string | undefined): readonly Grant[] | undefined {
  const grants: Grant[] = [];
  let any = false;
  for (const [name, permission] of grantEntries) {
    const value = header(name);
    if (value === undefined) continue;
    any = true;
    for (const part of value.split(',')) {
      const found = granteeForm.exec(part);
      if (!found) throw invalidArgument(name, value, 'Argument format not recognized');
      const [, kind = '', text = ''] = found;
      if (/^emailAddress$/i.test(kind)) throw byEmail();
      grants.push({ to: /^uri$/i.test(kind) ? groupOf(text, name) : accountOfId(text, name), permission });
    }
  }
  return any ? bounded(grants) : undefined;
}

const malformed = (message: string) => new StoreError('MalformedACLError', { message });

function bounded(grants: readonly Grant[]): readonly Grant[] {
  if (grants.length > limits.aclGrants)
    throw malformed(`An access control list has ${limits.aclGrants} grants at most.`);
  return grants;
}

function grantOf(grant: XmlElement): Grant {
  allowOnly(grant, ['Grantee', 'Permission']);
  const grantee = childOf(grant, 'Grantee');
  const text = textOf(grant, 'Permission')?.trim();
  const permission = permissions.find((known) => known === text);
  if (!grantee) throw malformed('A Grant has a Grantee.');
  if (!permission) throw malformed(`A Permission is one of ${permissions.join(', ')}.`);
  allowOnly(grantee, ['ID', 'DisplayName', 'URI', 'EmailAddress']);
  const [id, uri] = [textOf(grantee, 'ID')?.trim(), textOf(grantee, 'URI')?.trim()];
  if (textOf(grantee, 'EmailAddress') !== undefined) throw byEmail();
  if ((id === undefined) === (uri === undefined)) throw malformed('A Grantee has an ID or a URI.');
  const to = id === undefined ? groupOf(uri as string, 'Group/URI') : accountOfId(id, 'CanonicalUser/ID');
  return { to, permission };
}

/**
 * What an AccessControlPolicy says.
 * @param owner whose the thing is: a list does not give it away
 * @throws StoreError MalformedACLError, InvalidArgument, AccessDenied for another owner, UnresolvableGrantByEmailAddress
 */
export function grantsOfDocument(document: XmlElement, owner: string): readonly Grant[] {
  try {
    allowOnly(document, ['Owner', 'AccessControlList']);
    const named = childOf(document, 'Owner');
    const list = childOf(document, 'AccessControlList');
    if (!named || !list) throw malformed('An AccessControlPolicy has an Owner and an AccessControlList.');
    allowOnly(named, ['ID', 'DisplayName']);
    allowOnly(list, ['Grant']);
    if (textOf(named, 'ID')?.trim() !== canonicalIdOf(accountOf(owner)))
      throw new StoreError('AccessDenied', { message: 'The Owner of an access control list cannot be changed.' });
    return bounded(list.children.map(grantOf));
  } catch (error) {
    if (error instanceof StoreError && error.code === 'MalformedXML')
      throw new StoreError('MalformedACLError', { message: error.message, cause: error });
    throw error;
  }
}

const schema = 'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"';

function grantXml({ to, permission }: Grant): string {
  const grantee =
    'id' in to
      ? `<Grantee ${schema} xsi:type="CanonicalUser">${element('ID', to.id)}</Grantee>`
      : `<Grantee ${schema} xsi:type="Group">${element('URI', groups[to.group])}</Grantee>`;
  return `<Grant>${grantee}${element('Permission', permission)}</Grant>`;
}

/** @param owner as buckets and versions name theirs */
export const aclDocument = (owner: string, grants: readonly Grant[]): string =>
  s3Document(
    'AccessControlPolicy',
    `${ownerElement('Owner', owner)}<AccessControlList>${grants.map(grantXml).join('')}</AccessControlList>`,
  );
