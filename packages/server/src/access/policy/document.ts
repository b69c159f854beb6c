/*
 * A policy as it was read: every element checked, nothing compiled. Words and rules are those of
 * https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements.html
 */

/** What a policy is attached to decides which elements it has: `resource` and `trust` name principals, `trust` names no resource. */
export type PolicyKind = 'identity' | 'resource' | 'trust';

export type PolicyVersion = '2012-10-17' | '2008-10-17';

export type Effect = 'Allow' | 'Deny';

export type PrincipalType = 'AWS' | 'CanonicalUser' | 'Federated' | 'Service';

/** `AWS` values are `*` or a full ARN: an account is written as its root. */
export interface PrincipalName {
  readonly type: PrincipalType;
  readonly value: string;
}

/** A list, or everything but a list (`NotAction`, `NotPrincipal`, `NotResource`). */
export interface Listed<Item> {
  readonly not: boolean;
  readonly list: readonly Item[];
}

export type Quantifier = 'ForAllValues' | 'ForAnyValue';

/** One key under one operator: all of a statement must hold, and of the values of one of them any. */
export interface Condition {
  /** Without quantifier and `IfExists`. */
  readonly operator: string;
  readonly quantifier: Quantifier | undefined;
  readonly ifExists: boolean;
  /** As written; keys are compared without case. */
  readonly key: string;
  readonly values: readonly string[];
}

export interface Statement {
  readonly sid: string | undefined;
  readonly effect: Effect;
  /** undefined in identity policies. */
  readonly principals: Listed<PrincipalName> | undefined;
  readonly actions: Listed<string>;
  /** undefined in trust policies. */
  readonly resources: Listed<string> | undefined;
  readonly conditions: readonly Condition[];
}

export interface Policy {
  readonly kind: PolicyKind;
  readonly version: PolicyVersion;
  readonly id: string | undefined;
  readonly statements: readonly Statement[];
}
