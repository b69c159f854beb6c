import { FifoMap } from '../../fifo.ts';
import { limits } from '../../limits.ts';
import type { AccessKeyRecord, IdentityReader, RoleRecord, UserRecord } from '../../metadata/index.ts';
import { canonicalIdOf, ownerOf } from '../account.ts';
import type { Identity } from '../identity.ts';
import { allowAllOfS3, CompiledPolicy, type Policy, parsePolicy } from '../policy/index.ts';
import { roleArn, sessionArn, userArn } from './arns.ts';
import { builtInPolicy } from './built-in.ts';
import type { Session } from './session.ts';

/*
 * From the rows of users and roles to who somebody is and what his policies are. What cannot be read, or is not there, is not left out: a policy that
 * is lost may have held a Deny, so in its place everything is denied.
 */

/** In the place of a policy that cannot be read. */
const denyAll: Policy = {
  kind: 'identity',
  version: '2012-10-17',
  id: undefined,
  statements: [
    {
      sid: 'Unreadable',
      effect: 'Deny',
      principals: undefined,
      actions: { not: false, list: ['*'] },
      resources: { not: false, list: ['*'] },
      conditions: [],
    },
  ],
};
const unreadable = new CompiledPolicy(denyAll);

/** Users and roles of this store, as they are now. One per thread. */
export class Directory {
  readonly #identities: IdentityReader;
  /** By text, whoever has them: most users have policies of others too. */
  readonly #compiled = new FifoMap<string, CompiledPolicy>(limits.identitiesCompiled);
  /** By id of the user, or by access key of the session. */
  #known = new FifoMap<string, Identity>(limits.identitiesCompiled);
  #generation: number | undefined;

  constructor(identities: IdentityReader) {
    this.#identities = identities;
  }

  /** Everything that was made of rows before they changed is made again. */
  #renew(): void {
    const generation = this.#identities.generation();
    if (generation === this.#generation) return;
    this.#generation = generation;
    this.#known = new FifoMap(limits.identitiesCompiled);
  }

  #compile(document: string): CompiledPolicy {
    const held = this.#compiled.get(document);
    if (held) return held;
    let made: CompiledPolicy;
    try {
      made = new CompiledPolicy(parsePolicy(document, { kind: 'identity' }));
    } catch {
      made = unreadable;
    }
    this.#compiled.set(document, made);
    return made;
  }

  /** A managed policy in its default version. */
  managed(arn: string): CompiledPolicy {
    const builtIn = builtInPolicy(arn);
    if (builtIn) return this.#compile(builtIn.document);
    const policy = this.#identities.policy(arn);
    const version = policy?.versions.find(({ number }) => number === policy.defaultVersion);
    return version ? this.#compile(version.document) : unreadable;
  }

  /** Policies given with a session. */
  documents(documents: readonly string[], arns: readonly string[]): CompiledPolicy[] {
    return [...documents.map((one) => this.#compile(one)), ...arns.map((arn) => this.managed(arn))];
  }

  /** What the policies of a user or role say, those of his groups with them. */
  policiesOf(holder: UserRecord | RoleRecord): Identity['policies'] {
    const identity = [
      ...holder.inline.map(([, document]) => this.#compile(document)),
      ...holder.attached.map((arn) => this.managed(arn)),
    ];
    for (const id of holder.kind === 'user' ? holder.groups : []) {
      const group = this.#identities.identity(id);
      if (group?.kind !== 'group') identity.push(unreadable);
      else {
        identity.push(...group.inline.map(([, document]) => this.#compile(document)));
        identity.push(...group.attached.map((arn) => this.managed(arn)));
      }
    }
    const boundary = holder.boundary === undefined ? undefined : this.managed(holder.boundary);
    return { identity, boundary, session: undefined };
  }

  /** Who a user is; undefined when there is none of this id any more. */
  user(id: string): Identity | undefined {
    this.#renew();
    const held = this.#known.get(id);
    if (held) return held;
    const user = this.#identities.identity(id);
    if (user?.kind !== 'user') return undefined;
    const { account } = user;
    const policies = this.policiesOf(user);
    const identity: Identity = {
      standing: {
        requester: { kind: 'user', account, arn: userArn(user), canonicalId: canonicalIdOf(account) },
        userId: id,
        tags: new Map(user.tags),
        session: undefined,
      },
      policies,
      account,
      owner: ownerOf(account),
      unlimited: allowAllOfS3(policies),
    };
    this.#known.set(id, identity);
    return identity;
  }

  /** Whose key it is: a user's; undefined when that user is gone. */
  ofKey(key: AccessKeyRecord): Identity | undefined {
    if (key.user === undefined) return undefined;
    const identity = this.user(key.user);
    return identity?.account === key.account ? identity : undefined;
  }

  /**
   * Who a session is, as its user or role is now; undefined when that is gone.
   * @param root who has the session, where it is no user's and no role's
   */
  ofSession(session: Session, root: () => Identity | undefined): Identity | undefined {
    this.#renew();
    const held = this.#known.get(session.accessKeyId);
    if (held) return held;
    const made = this.#ofSession(session, root);
    if (made) this.#known.set(session.accessKeyId, made);
    return made;
  }

  #ofSession(session: Session, root: () => Identity | undefined): Identity | undefined {
    switch (session.kind) {
      case 'role':
        return this.#ofRole(session);
      case 'user': {
        const whole = session.principal === '' ? root() : this.user(session.principal);
        return whole && { ...whole, standing: { ...whole.standing, session: this.#facts(session) }, unlimited: false };
      }
      case 'federated':
        return this.#ofFederated(session, root);
      default:
        return undefined;
    }
  }

  #facts({ issuedMs, sourceIdentity }: Session): NonNullable<Identity['standing']['session']> {
    return { issuedMs, secondFactorMs: undefined, provider: undefined, sourceIdentity };
  }

  #ofRole(session: Session): Identity | undefined {
    const role = this.#identities.identity(session.principal);
    if (role?.kind !== 'role' || role.account !== session.account) return undefined;
    const { account } = role;
    const restricted = session.documents.length + session.policyArns.length > 0;
    const policies = {
      ...this.policiesOf(role),
      session: restricted ? this.documents(session.documents, session.policyArns) : undefined,
    };
    return {
      standing: {
        requester: {
          kind: 'role',
          account,
          arn: sessionArn(role, session.name),
          role: roleArn(role),
          canonicalId: canonicalIdOf(account),
        },
        userId: `${role.id}:${session.name}`,
        tags: new Map([...role.tags, ...session.tags]),
        session: this.#facts(session),
      },
      policies,
      account,
      owner: ownerOf(account),
      unlimited: allowAllOfS3(policies),
    };
  }

  #ofFederated(session: Session, root: () => Identity | undefined): Identity | undefined {
    const whole = session.principal === '' ? root() : this.user(session.principal);
    const by = whole?.standing.requester;
    if (!whole || (by?.kind !== 'user' && by?.kind !== 'root')) return undefined;
    const { account } = session;
    return {
      standing: {
        requester: {
          kind: 'federated',
          account,
          arn: `arn:aws:sts::${account}:federated-user/${session.name}`,
          user: by.arn,
          canonicalId: canonicalIdOf(account),
        },
        userId: `${account}:${session.name}`,
        tags: new Map([...whole.standing.tags, ...session.tags]),
        session: this.#facts(session),
      },
      policies: { ...whole.policies, session: this.documents(session.documents, session.policyArns) },
      account,
      owner: ownerOf(account),
      unlimited: false,
    };
  }
}
