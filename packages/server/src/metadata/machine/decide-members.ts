import { StoreError } from '../../errors.ts';
import { limits } from '../../limits.ts';
import type { Command } from '../types.ts';
import { type Decision, done, type Stamp } from './deciding.ts';
import type { AuthorityState } from './records.ts';
import type { View } from './view.ts';

/* Who may become a member, and who says that one is: open invitations, and the authority that certificates come from. */

type Of<Type extends Command['type']> = Extract<Command, { type: Type }>;

const refused = (message: string): StoreError => new StoreError('InvalidRequest', { message });

/** Expired invitations go with the next new one: nothing else looks for them. */
export function decideInvitation(view: View, { invitation }: Of<'invitation.write'>, stamp: Stamp): Decision {
  const { id, secretHash, node } = invitation;
  if (id.length !== 16 || secretHash.length !== 32 || Buffer.byteLength(node) > limits.nodeTextBytes)
    throw new StoreError('InvalidArgument', { message: 'An invitation has an id of 16 bytes, and a hash of 32.' });
  if (view.invitation(id)) throw new StoreError('InvalidArgument', { message: 'The id of the invitation is taken.' });
  const all = view.invitations();
  const expired = all.filter(({ untilMs }) => untilMs <= stamp.now);
  if (all.length - expired.length >= limits.invitations)
    throw refused(
      `${limits.invitations} invitations are open: revoke some with \`dsom cluster invitations revoke\`, or wait until some expire.`,
    );
  return done(...expired.map((one) => ({ type: 'invitation.remove', id: one.id }) as const), {
    type: 'invitation.write',
    invitation: { ...invitation, createdMs: stamp.now },
  });
}

/** Of two that use an invitation at the same time, the second finds it gone. */
export function decideInvitationGone(view: View, { id }: Of<'invitation.remove'>): Decision {
  if (id.length !== 16 || !view.invitation(id))
    throw new StoreError('NotFound', {
      message:
        'There is no such invitation: it was used or revoked, or has expired. `dsom cluster invitations` lists them.',
    });
  return done({ type: 'invitation.remove', id });
}

/** What may follow what; `absent`: the cluster has its first authority. */
const nextStates: Readonly<Record<AuthorityState | 'absent', AuthorityState>> = {
  absent: 'trusted',
  trusted: 'issuing',
  issuing: 'only',
  only: 'trusted',
};

export function decideAuthority(view: View, { authority }: Of<'authority.write'>): Decision {
  const before = view.authority();
  const { number, state, certificate } = authority;
  if (
    certificate.length + authority.sealed.length > limits.authorityBytes ||
    authority.before.length >= limits.authorities
  )
    throw new StoreError('InvalidArgument', { message: 'The authority is too large.' });
  const begins = state === 'trusted';
  const expected = (before?.number ?? 0) + (begins ? 1 : 0);
  if (nextStates[before?.state ?? 'absent'] !== state || number !== expected)
    throw refused(
      `Authority ${before?.number ?? 0} is ${before?.state ?? 'the first one'}: ${begins ? 'wait until the change that is under way has ended (`dsom cluster authority`)' : `it does not become ${state} now`}.`,
    );
  if (!begins && !before?.certificate.equals(certificate))
    throw refused('Only a new authority has another certificate.');
  return done({ type: 'authority.write', authority });
}
