import type { Listed, PrincipalName } from './document.ts';
import { TemplateError } from './template.ts';

/*
 * Who asks, and whether a policy means him. https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_principal.html
 */

/** Who sends a request, after authentication. Accounts are 12 digits; `canonicalId` is the account's, as 64 hexadecimal digits. */
export type Requester =
  | { readonly kind: 'anonymous' }
  /** `arn`: arn:aws:iam::ACCOUNT:root */
  | { readonly kind: 'root'; readonly account: string; readonly arn: string; readonly canonicalId?: string }
  /** `arn`: arn:aws:iam::ACCOUNT:user/PATH/NAME */
  | { readonly kind: 'user'; readonly account: string; readonly arn: string; readonly canonicalId?: string }
  /** `arn`: arn:aws:sts::ACCOUNT:assumed-role/NAME/SESSION; `role`: arn:aws:iam::ACCOUNT:role/PATH/NAME */
  | {
      readonly kind: 'role';
      readonly account: string;
      readonly arn: string;
      readonly role: string;
      readonly canonicalId?: string;
    }
  /** `arn`: arn:aws:sts::ACCOUNT:federated-user/NAME; `user`: who asked for the session */
  | {
      readonly kind: 'federated';
      readonly account: string;
      readonly arn: string;
      readonly user: string;
      readonly canonicalId?: string;
    }
  /** Somebody whom an identity provider vouches for, before he has a role. `provider`: its name or ARN */
  | { readonly kind: 'provider'; readonly provider: string }
  /** A part of the server that acts for a bucket; `service`: logging.s3.amazonaws.com */
  | { readonly kind: 'service'; readonly service: string };

/**
 * How a statement names a requester. `direct`: him, or everyone. `origin`: the role or user behind his session. `account`: his account,
 * which leaves it to the account's own policies who of it may.
 */
export type PrincipalMatch = 'none' | 'account' | 'origin' | 'direct';

/** Whether a text is the id of an account: 12 digits. Each decision asks, so it is no regular expression. */
export function isAccount(text: string): boolean {
  if (text.length !== 12) return false;
  for (let at = 0; at < 12; at++) {
    const code = text.charCodeAt(at);
    if (code < 48 || code > 57) return false;
  }
  return true;
}
const iamArn = /^arn:aws(?:-[a-z]+)*:iam::(\d{12}):(?:(root)|(?:user|role)\/[\x21-\x7e]{1,512})$/;
const stsArn = /^arn:aws(?:-[a-z]+)*:sts::\d{12}:(?:assumed-role\/[\w+=,.@-]{1,64}|federated-user)\/[\w+=,.@-]{2,64}$/;
const providerForm =
  /^(?:arn:aws(?:-[a-z]+)*:iam::\d{12}:(?:saml-provider|oidc-provider)\/[\x21-\x7e]{1,512}|[a-z0-9.-]+(?:\/[\x21-\x7e]{0,512})?)$/;
const serviceForm = /^[a-z0-9-]+(?:\.[a-z0-9-]+)+$/;
const canonicalForm = /^[0-9a-f]{64}$/;

/** Checks one principal and gives it its one form. @throws TemplateError when it is of no known form */
export function readPrincipal({ type, value }: PrincipalName): PrincipalName {
  const given = JSON.stringify(value);
  switch (type) {
    case 'AWS': {
      if (value === '*') return { type, value };
      if (isAccount(value)) return { type, value: `arn:aws:iam::${value}:root` };
      if (/[*?]/.test(value)) {
        throw new TemplateError(
          `${given}: a principal is * or one name in full; for several use "*" and the condition key aws:PrincipalArn`,
        );
      }
      if (iamArn.test(value) || stsArn.test(value)) return { type, value };
      throw new TemplateError(
        `${given} is no principal: write 123456789012, arn:aws:iam::123456789012:user/NAME, …:role/NAME, or the ARN of a session`,
      );
    }
    case 'CanonicalUser':
      if (canonicalForm.test(value)) return { type, value };
      throw new TemplateError(`${given} is no canonical user id: write its 64 hexadecimal digits, in lower case`);
    case 'Federated':
      if (providerForm.test(value)) return { type, value };
      throw new TemplateError(`${given} is no identity provider: write its host name or its ARN`);
    case 'Service':
      if (serviceForm.test(value)) return { type, value };
      throw new TemplateError(`${given} is no service: write its host name, as logging.s3.amazonaws.com`);
    default:
      throw new TemplateError(
        `${String(type)} is no kind of principal: write AWS, CanonicalUser, Federated or Service`,
      );
  }
}

const accountOfRoot = (arn: string): string | undefined => {
  const parts = iamArn.exec(arn);
  return parts?.[2] === undefined ? undefined : parts[1];
};

/** The principals of a statement, ready to be asked. */
class PrincipalSet {
  readonly #everyone: boolean;
  readonly #accounts = new Set<string>();
  readonly #arns = new Set<string>();
  /** Canonical ids, providers and services, with their type before them. */
  readonly #others = new Set<string>();

  constructor(list: readonly PrincipalName[]) {
    this.#everyone = list.some(({ type, value }) => type === 'AWS' && value === '*');
    for (const { type, value } of list) {
      if (type !== 'AWS') this.#others.add(`${type} ${value}`);
      else {
        const account = accountOfRoot(value);
        if (account === undefined) this.#arns.add(value);
        else this.#accounts.add(account);
      }
    }
  }

  /** How `Principal` names the requester. */
  match(who: Requester): PrincipalMatch {
    if (this.#everyone) return 'direct';
    switch (who.kind) {
      case 'anonymous':
        return 'none';
      case 'provider':
        return this.#others.has(`Federated ${who.provider}`) ? 'direct' : 'none';
      case 'service':
        return this.#others.has(`Service ${who.service}`) ? 'direct' : 'none';
      case 'root':
        return this.#names(who) ? 'direct' : 'none';
      case 'user':
      case 'role':
      case 'federated': {
        if (this.#arns.has(who.arn)) return 'direct';
        if (who.kind === 'role' && this.#arns.has(who.role)) return 'origin';
        if (who.kind === 'federated' && this.#arns.has(who.user)) return 'origin';
        return this.#names(who) ? 'account' : 'none';
      }
      default:
        return 'none';
    }
  }

  /**
   * Whether `NotPrincipal` leaves the requester out: all that he is must be listed, account, role and session. A list that names the
   * user and not his account does not spare him.
   */
  spares(who: Requester): boolean {
    switch (who.kind) {
      case 'provider':
      case 'service':
        return this.match(who) === 'direct';
      case 'root':
        return this.#names(who);
      case 'user':
      case 'federated':
        return this.#names(who) && this.#arns.has(who.arn);
      case 'role':
        return this.#names(who) && this.#arns.has(who.role) && this.#arns.has(who.arn);
      default:
        return false;
    }
  }

  #names(who: { readonly account: string; readonly canonicalId?: string }): boolean {
    return (
      this.#accounts.has(who.account) ||
      (who.canonicalId !== undefined && this.#others.has(`CanonicalUser ${who.canonicalId}`))
    );
  }
}

/**
 * How a statement of a resource policy means a requester.
 * @param bounded whether he has a permissions boundary: `NotPrincipal` denies all who have one, whatever it lists
 */
export function compilePrincipals({
  not,
  list,
}: Listed<PrincipalName>): (who: Requester, bounded: boolean) => PrincipalMatch {
  const set = new PrincipalSet(list);
  if (!not) return (who) => set.match(who);
  return (who, bounded) => (bounded || !set.spares(who) ? 'direct' : 'none');
}
