import { combine, type Findings, type Outcome, reasons } from './combine.ts';
import type { AccessRequest, CompiledPolicy, CompiledStatement } from './compile.ts';
import { nearer, type PolicySet } from './decide.ts';
import type { Condition } from './document.ts';
import type { PrincipalMatch } from './principals.ts';

/*
 * Why a request is allowed or denied. Nothing is cut short here: every statement of every policy is asked everything, and what it says
 * is put together by the same rules as in decide.ts. A property holds the two to the same answer.
 */

export type PolicyRole = 'identity' | 'boundary' | 'session' | 'resource';

export interface ConditionExplanation {
  /** As in the policy: `ForAnyValue:StringLike s3:prefix`. */
  readonly test: string;
  readonly wanted: readonly string[];
  /** What the request has; undefined: the key is absent. */
  readonly given: readonly string[] | undefined;
  readonly holds: boolean;
}

export interface StatementExplanation {
  readonly policy: PolicyRole;
  /** Which policy of that role, and which statement of it, from 0. */
  readonly policyIndex: number;
  readonly statement: number;
  readonly sid: string | undefined;
  readonly effect: 'Allow' | 'Deny';
  readonly applies: boolean;
  readonly action: boolean;
  readonly resource: boolean;
  /** undefined where statements name no principals. */
  readonly principal: PrincipalMatch | undefined;
  readonly conditions: readonly ConditionExplanation[];
}

export interface Explanation extends Outcome {
  readonly sentence: string;
  readonly statements: readonly StatementExplanation[];
}

const listOf = (given: string | readonly string[] | undefined): readonly string[] | undefined =>
  typeof given === 'string' ? [given] : given;

const nameOf = ({ quantifier, operator, ifExists, key }: Condition): string =>
  `${quantifier ? `${quantifier}:` : ''}${operator}${ifExists ? 'IfExists' : ''} ${key}`;

function explainStatement(
  one: CompiledStatement,
  request: AccessRequest,
  bounded: boolean,
): Omit<StatementExplanation, 'policy' | 'policyIndex' | 'statement'> {
  const { context } = request;
  const conditions = one.statement.conditions.map((condition, i) => ({
    test: nameOf(condition),
    wanted: condition.values,
    given: listOf(context.values(condition.key.toLowerCase())),
    holds: one.conditions[i]?.(context) ?? false,
  }));
  const action = one.action(request.action);
  const resource = one.resource(request.resource, context);
  const principal = one.principal?.(request.requester, bounded);
  return {
    sid: one.statement.sid,
    effect: one.statement.effect,
    applies: action && resource && principal !== 'none' && conditions.every((condition) => condition.holds),
    action,
    resource,
    principal,
    conditions,
  };
}

/** @returns the decision of `decide`, and what every statement had to do with it */
export function explain(policies: PolicySet, request: AccessRequest): Explanation {
  const { identity, boundary, session, resource } = policies;
  const all: readonly (readonly [PolicyRole, readonly CompiledPolicy[]])[] = [
    ['identity', identity],
    ['boundary', boundary ? [boundary] : []],
    ['session', session ?? []],
    ['resource', resource ? [resource] : []],
  ];
  const statements = all.flatMap(([role, list]) =>
    list.flatMap((policy, policyIndex) =>
      policy.statements.map((one, statement) => ({
        policy: role,
        policyIndex,
        statement,
        ...explainStatement(one, request, boundary !== undefined),
      })),
    ),
  );
  const applying = statements.filter((one) => one.applies);
  const allows = (role: PolicyRole) => applying.some((one) => one.policy === role && one.effect === 'Allow');
  const found: Findings = {
    denied: applying.some((one) => one.effect === 'Deny'),
    identity: allows('identity'),
    boundary: boundary && allows('boundary'),
    session: session && allows('session'),
    resource: applying
      .filter((one) => one.policy === 'resource' && one.effect === 'Allow' && !request.foreign)
      .reduce<PrincipalMatch>((nearest, one) => nearer(nearest, one.principal ?? 'none'), request.granted ?? 'none'),
    trust: resource?.policy.kind === 'trust',
  };
  const outcome = combine(request, found);
  return { ...outcome, sentence: reasons[outcome.reason], statements };
}

const principalWords: Readonly<Record<PrincipalMatch, string>> = {
  none: 'is about other principals',
  account: "names the requester's account",
  origin: 'names the role or user behind the session',
  direct: 'names the requester',
};

const quoted = (values: readonly string[]): string => values.map((value) => JSON.stringify(value)).join(', ');

function whyNot(one: StatementExplanation): string[] {
  const lines: string[] = [];
  if (!one.action) lines.push('it is about other actions');
  if (!one.resource) lines.push('it is about other resources');
  if (one.principal === 'none') lines.push(`it ${principalWords.none}`);
  for (const { test, wanted, given, holds } of one.conditions) {
    if (!holds) lines.push(`${test} wants ${quoted(wanted)}, the request has ${given ? quoted(given) : 'no such key'}`);
  }
  return lines;
}

/** The explanation as lines of text: the decision, then each statement with what it did and why it did not apply. */
export function explanationText({ allowed, sentence, statements }: Explanation): string[] {
  const lines = [`${allowed ? 'ALLOWED' : 'DENIED'}: ${sentence}`];
  for (const one of statements) {
    const name = `${one.policy} policy ${one.policyIndex + 1}, statement ${one.statement + 1}`;
    const sid = one.sid === undefined ? '' : ` (${one.sid})`;
    const what = one.effect === 'Allow' ? 'allows' : 'denies';
    if (one.applies) {
      const who = one.principal && one.principal !== 'none' ? `, ${principalWords[one.principal]}` : '';
      lines.push(`  ${name}${sid}: ${what} it${who}`);
    } else lines.push(`  ${name}${sid}: does not apply: ${whyNot(one).join('; ')}`);
  }
  if (statements.length === 0) lines.push('  there are no policies');
  return lines;
}
