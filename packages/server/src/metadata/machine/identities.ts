import { ByteReader, ByteWriter } from '../../codec/index.ts';
import { choice, count, ended, format, readPairs, writePairs } from './fields.ts';

/*
 * Accounts, and who and what is in them: users, groups, roles and managed policies, as IAM has them. Documents of policies are texts here; what they
 * mean is known to `access`. Everything of one identity is one row, found by an id that is never used again: a user who is made anew under
 * an old name is another one, and what was given to the first (keys, sessions) is not his.
 */

/** A tenant: what owns buckets and identities. */
export interface AccountRecord {
  /** 12 digits. */
  readonly id: string;
  /** 64 hexadecimal digits: how S3 names the account as an owner. */
  readonly canonicalId: string;
  /** Unique among accounts. */
  readonly name: string;
  readonly createdMs: number;
}

export const identityKinds = ['user', 'group', 'role', 'policy'] as const;
export type IdentityKind = (typeof identityKinds)[number];

type Pairs = readonly (readonly [string, string])[];

interface IdentityBase {
  /** `AIDA…`, `AGPA…`, `AROA…` or `ANPA…`: never used again. */
  readonly id: string;
  /** 12 digits. */
  readonly account: string;
  /** Unique in its account and kind, whatever the case of its letters. */
  readonly name: string;
  /** Begins and ends with `/`. */
  readonly path: string;
  readonly createdMs: number;
  /** Counts the changes, from 1: a change names the one it was made from. */
  readonly revision: number;
  readonly tags: Pairs;
}

/** What policies are attached to. */
interface PolicyHolder {
  /** ARNs of managed policies. */
  readonly attached: readonly string[];
  /** Name and document. */
  readonly inline: Pairs;
}

export interface UserRecord extends IdentityBase, PolicyHolder {
  readonly kind: 'user';
  /** ARN of the managed policy that bounds him. */
  readonly boundary: string | undefined;
  /** Ids of groups. */
  readonly groups: readonly string[];
  /** Ids of his access keys; written by the commands of keys alone. */
  readonly accessKeys: readonly string[];
  readonly email: string;
}

export interface UserGroupRecord extends IdentityBase, PolicyHolder {
  readonly kind: 'group';
}

export interface RoleRecord extends IdentityBase, PolicyHolder {
  readonly kind: 'role';
  readonly boundary: string | undefined;
  /** Document of the trust policy. */
  readonly trust: string;
  readonly description: string;
  readonly maxSessionSeconds: number;
}

export interface PolicyVersion {
  readonly number: number;
  readonly createdMs: number;
  readonly document: string;
}

export interface ManagedPolicyRecord extends IdentityBase {
  readonly kind: 'policy';
  readonly description: string;
  readonly updatedMs: number;
  readonly defaultVersion: number;
  /** Number of the next version: they are never used again. */
  readonly nextVersion: number;
  /** Oldest first. */
  readonly versions: readonly PolicyVersion[];
}

export type IdentityRecord = UserRecord | UserGroupRecord | RoleRecord | ManagedPolicyRecord;

/** How an identity uses another thing: as a policy that gives, as one that bounds, or as a group that it is in. */
export const identityUses = ['attached', 'boundary', 'member'] as const;
export type IdentityUse = (typeof identityUses)[number];

/** ARN of a managed policy of an account. */
export const policyArn = ({ account, path, name }: Pick<IdentityBase, 'account' | 'path' | 'name'>): string =>
  `arn:aws:iam::${account}:policy${path}${name}`;

/** What an identity refers to: each is a row of table `identityUses` as long as the identity says so. */
export function usesOf(identity: IdentityRecord): readonly (readonly [use: IdentityUse, target: string])[] {
  if (identity.kind === 'policy') return [];
  const uses: [IdentityUse, string][] = identity.attached.map((arn) => ['attached', arn]);
  if (identity.kind === 'group') return uses;
  if (identity.boundary !== undefined) uses.push(['boundary', identity.boundary]);
  if (identity.kind === 'user') for (const group of identity.groups) uses.push(['member', group]);
  return uses;
}

const writeList = (out: ByteWriter, list: readonly string[]): ByteWriter => {
  out.varint(list.length);
  for (const one of list) out.string(one);
  return out;
};

const readList = (from: ByteReader): string[] => Array.from({ length: count(from) }, () => from.string());

const optional = (text: string): string | undefined => (text === '' ? undefined : text);

export const encodeAccount = ({ id, canonicalId, name, createdMs }: AccountRecord): Buffer =>
  new ByteWriter(128).u8(1).string(id).string(canonicalId).string(name).u64(createdMs).finish();

export function decodeAccount(bytes: Uint8Array): AccountRecord {
  const from = new ByteReader(bytes);
  format(from, 1, 'account');
  return ended(from, { id: from.string(), canonicalId: from.string(), name: from.string(), createdMs: from.u64() });
}

/** The row of table `identities`; the same bytes travel in log entries. */
export function encodeIdentity(identity: IdentityRecord): Buffer {
  const { kind, id, account, name, path, createdMs, revision, tags } = identity;
  const out = new ByteWriter(512).u8(1).u8(identityKinds.indexOf(kind)).string(id).string(account).string(name);
  out.string(path).u64(createdMs).varint(revision);
  writePairs(out, tags);
  if (kind === 'policy') {
    out.string(identity.description).u64(identity.updatedMs).varint(identity.defaultVersion);
    out.varint(identity.nextVersion).varint(identity.versions.length);
    for (const version of identity.versions) out.varint(version.number).u64(version.createdMs).string(version.document);
    return out.finish();
  }
  writePairs(writeList(out, identity.attached), identity.inline);
  if (kind === 'user') {
    writeList(out.string(identity.boundary ?? ''), identity.groups);
    writeList(out, identity.accessKeys).string(identity.email);
  } else if (kind === 'role') {
    out
      .string(identity.boundary ?? '')
      .string(identity.trust)
      .string(identity.description);
    out.varint(identity.maxSessionSeconds);
  }
  return out.finish();
}

export function decodeIdentity(bytes: Uint8Array): IdentityRecord {
  const from = new ByteReader(bytes);
  format(from, 1, 'identity');
  const kind = choice(identityKinds, from.u8(), 'kind of identity');
  const base = {
    id: from.string(),
    account: from.string(),
    name: from.string(),
    path: from.string(),
    createdMs: from.u64(),
    revision: from.varint(),
    tags: readPairs(from),
  };
  if (kind === 'policy') {
    const about = { description: from.string(), updatedMs: from.u64(), defaultVersion: from.varint() };
    const nextVersion = from.varint();
    const versions = Array.from({ length: count(from) }, () => ({
      number: from.varint(),
      createdMs: from.u64(),
      document: from.string(),
    }));
    return ended(from, { kind, ...base, ...about, nextVersion, versions });
  }
  const holder = { attached: readList(from), inline: readPairs(from) };
  if (kind === 'group') return ended(from, { kind, ...base, ...holder });
  const boundary = optional(from.string());
  if (kind === 'user') {
    const own = { groups: readList(from), accessKeys: readList(from), email: from.string() };
    return ended(from, { kind, ...base, ...holder, boundary, ...own });
  }
  const own = { trust: from.string(), description: from.string(), maxSessionSeconds: from.varint() };
  return ended(from, { kind, ...base, ...holder, boundary, ...own });
}
