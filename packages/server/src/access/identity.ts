import type { AccessKeyRecord } from '../metadata/index.ts';
import { accountOf, canonicalIdOf } from './account.ts';
import type { PolicySet, Requester } from './policy/index.ts';
import { scopeOf } from './scopes.ts';
import type { Principal } from './types.ts';

/*
 * From credentials that were checked to what is known of who sent them: the only place where that is said. Whoever is not known here is nobody,
 * and has no policies.
 */

/** What is known of who asks, besides his name. */
export interface Standing {
  readonly requester: Requester;
  /** aws:userid */
  readonly userId: string | undefined;
  /** Of the user or role, and of the session, which win. */
  readonly tags: ReadonlyMap<string, string>;
  /** Of temporary credentials; undefined: they are for good. */
  readonly session:
    | {
        readonly issuedMs: number;
        readonly secondFactorMs: number | undefined;
        readonly provider: string | undefined;
        readonly sourceIdentity: string | undefined;
      }
    | undefined;
}

/** Who asks, and what he brings along for the decision. */
export interface Identity {
  readonly standing: Standing;
  readonly policies: Omit<PolicySet, 'resource'>;
  /** 12 digits; undefined: he belongs to none. */
  readonly account: string | undefined;
  /** Under which name what he makes is owned; undefined: he owns nothing. */
  readonly owner: string | undefined;
  /**
   * His own policies allow him every action of S3 on everything, without a condition, and nothing of his denies any: only what others say of what is theirs
   * need be asked. False is always right.
   */
  readonly unlimited: boolean;
}

const nothing: Identity['policies'] = { identity: [], boundary: undefined, session: undefined };

const nobody: Identity = {
  standing: { requester: { kind: 'anonymous' }, userId: undefined, tags: new Map(), session: undefined },
  policies: nothing,
  account: undefined,
  owner: undefined,
  unlimited: false,
};

/** A key that may administer everything is the root of its account; any other is a user of it, called as the key is. */
function requesterOf(key: AccessKeyRecord, account: string): Requester {
  const canonicalId = canonicalIdOf(account);
  return key.role === 'root' && key.buckets.length === 0
    ? { kind: 'root', account, arn: `arn:aws:iam::${account}:root`, canonicalId }
    : { kind: 'user', account, arn: `arn:aws:iam::${account}:user/${key.id}`, canonicalId };
}

function identityOfKey(key: AccessKeyRecord): Identity {
  const account = accountOf(key.owner);
  const requester = requesterOf(key, account);
  return {
    standing: { requester, userId: requester.kind === 'root' ? account : key.id, tags: new Map(), session: undefined },
    policies: scopeOf(key),
    account,
    owner: key.owner,
    unlimited: key.buckets.length === 0 && (key.role === 'root' || key.role === 'readwrite'),
  };
}

/** By the record of the key, which is the same one until a commit changes access keys. */
const known = new WeakMap<AccessKeyRecord, Identity>();

/** Who a principal is. */
export function identityOf(principal: Principal): Identity {
  switch (principal.kind) {
    case 'key': {
      // What a key of a user may, his policies say: it has no scope of its own.
      if (principal.key.user !== undefined || principal.key.status === 'inactive') return nobody;
      const held = known.get(principal.key);
      if (held) return held;
      const made = identityOfKey(principal.key);
      known.set(principal.key, made);
      return made;
    }
    case 'identity':
      return principal.identity;
    default:
      return nobody;
  }
}
