import { invariant } from '../invariant.ts';
import type { AccessKeyRecord } from '../metadata/index.ts';
import type { AccessQuestion } from './types.ts';

/** What each role may do. Anything not in the table is denied. */
const roles = {
  root: { read: true, write: true, admin: true },
  readwrite: { read: true, write: true, admin: false },
  readonly: { read: true, write: false, admin: false },
} as const satisfies Record<AccessKeyRecord['role'], Record<AccessQuestion['kind'], boolean>>;

/**
 * The one authorisation function. Every handler asks it for every action, on the source of a copy as on its destination.
 * A key with a bucket scope is refused whatever names no bucket; a listing of buckets asks for each of them.
 */
export function permits(question: AccessQuestion): boolean {
  invariant(question.action !== '', 'a question names its action');
  const { principal, kind, bucket } = question;
  switch (principal.kind) {
    case 'anonymous':
      return false;
    case 'key': {
      const { role, buckets } = principal.key;
      if (buckets.length > 0 && (bucket === undefined || !buckets.includes(bucket))) return false;
      if (!Object.hasOwn(roles, role) || !Object.hasOwn(roles[role], kind)) return false;
      return roles[role][kind];
    }
    default:
      return false;
  }
}
