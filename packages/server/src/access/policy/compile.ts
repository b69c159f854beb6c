import { FifoMap } from '../../fifo.ts';
import { limits } from '../../limits.ts';
import { compileResource } from './arn.ts';
import { type ConditionTest, compileCondition } from './condition.ts';
import type { RequestContext } from './context.ts';
import type { Listed, Policy, Statement } from './document.ts';
import { compilePrincipals, type PrincipalMatch, type Requester } from './principals.ts';
import { parseTemplate } from './template.ts';
import { compilePattern } from './wildcard.ts';

/** What is asked: may he do this to that? */
export interface AccessRequest {
  readonly requester: Requester;
  /** `s3:GetObject`; the case of letters does not count. */
  readonly action: string;
  /** An ARN: `arn:aws:s3:::bucket/key`, key as it is stored; for what is done to no bucket `arn:aws:s3:::*`. */
  readonly resource: string;
  /** Account that owns the resource; undefined: the requester's own. */
  readonly resourceAccount: string | undefined;
  readonly context: RequestContext;
  /** What the access control list of the resource grants him, as if a policy did. Absent: it has none, or none that counts. */
  readonly granted?: PrincipalMatch | undefined;
  /** The resource is not its bucket's owner's: the policy of the bucket may deny it, and cannot allow it. */
  readonly foreign?: boolean | undefined;
}

/** A statement, ready to be asked. */
export interface CompiledStatement {
  readonly statement: Statement;
  /** By name, in any case. */
  readonly action: (action: string) => boolean;
  readonly resource: (resource: string, context: RequestContext) => boolean;
  readonly principal: ((who: Requester, bounded: boolean) => PrincipalMatch) | undefined;
  readonly conditions: readonly ConditionTest[];
  readonly denies: boolean;
}

function compileActions({ not, list }: Listed<string>): (action: string) => boolean {
  const context = { values: () => undefined };
  const tests = list.map((one) =>
    compilePattern(parseTemplate(one.toLowerCase(), { wildcards: true, variables: false })),
  );
  return (action) => {
    const lower = action.toLowerCase();
    return tests.some((test) => test(lower, 0, context)) !== not;
  };
}

function compileResources(policy: Policy, { not, list }: Listed<string>): CompiledStatement['resource'] {
  const variables = policy.version === '2012-10-17';
  const tests = list.map((one) => compileResource(parseTemplate(one, { wildcards: true, variables })));
  const [only] = tests;
  if (tests.length === 1 && only && !not) return only;
  return (resource, context) => tests.some((test) => test(resource, context)) !== not;
}

function compileStatement(policy: Policy, statement: Statement): CompiledStatement {
  return {
    statement,
    action: compileActions(statement.actions),
    resource: statement.resources ? compileResources(policy, statement.resources) : () => true,
    principal: statement.principals ? compilePrincipals(statement.principals) : undefined,
    conditions: statement.conditions.map((one) => compileCondition(one, policy.version)),
    denies: statement.effect === 'Deny',
  };
}

const variable = /\$\{\s*([a-z0-9-]+:[^{}$,'"*?]+?)\s*[,}]/gi;

/** Keys of conditions, and of variables in them and in resources. */
function keysOf({ conditions, resources }: Statement): string[] {
  const texts = [...(resources?.list ?? []), ...conditions.flatMap(({ values }) => values)];
  const inside = texts.flatMap((text) => Array.from(text.matchAll(variable), (found) => found[1] as string));
  return [...conditions.map(({ key }) => key), ...inside].map((key) => key.toLowerCase());
}

const everyAction: ReadonlySet<string> = new Set(['*', 's3:*']);

const isAllOfS3 = ({ effect, actions, resources, conditions }: Statement): boolean =>
  effect === 'Allow' &&
  conditions.length === 0 &&
  !actions.not &&
  actions.list.some((one) => everyAction.has(one.toLowerCase())) &&
  resources?.not === false &&
  resources.list.includes('*');

/** A policy, compiled once and asked for every request. */
export class CompiledPolicy {
  readonly policy: Policy;
  readonly statements: readonly CompiledStatement[];
  /** Condition keys, in lower case, whose values it may ask for: what costs a look-up need not be looked up for others. */
  readonly keys: ReadonlySet<string>;
  /** Some statement of it denies something. */
  readonly denies: boolean;
  /** Some statement of it allows every action of S3 on everything, to whoever has the policy and without a condition. Nothing rests on false. */
  readonly allowsS3: boolean;
  /** What was asked by {@link asksFor}: words of this program, so there is an end to them. */
  readonly #asked = new Map<string, boolean>();
  /** For an action that was asked about before, the statements that are about it: denials first. */
  readonly #byAction = new FifoMap<string, readonly CompiledStatement[]>(limits.policyActionsKept);

  constructor(policy: Policy) {
    this.policy = policy;
    this.statements = policy.statements.map((one) => compileStatement(policy, one));
    this.keys = new Set(policy.statements.flatMap(keysOf));
    this.denies = this.statements.some((one) => one.denies);
    this.allowsS3 = policy.kind === 'identity' && policy.statements.some(isAllOfS3);
  }

  /** Whether it may ask for a condition key, in lower case; what ends with a slash is the beginning of many. */
  asksFor(key: string): boolean {
    let asks = this.#asked.get(key);
    if (asks === undefined) {
      asks = key.endsWith('/') ? [...this.keys].some((one) => one.startsWith(key)) : this.keys.has(key);
      this.#asked.set(key, asks);
    }
    return asks;
  }

  about(action: string): readonly CompiledStatement[] {
    const known = this.#byAction.get(action);
    if (known) return known;
    const found = this.statements.filter((one) => one.action(action));
    const sorted = [...found.filter((one) => one.denies), ...found.filter((one) => !one.denies)];
    this.#byAction.set(action, sorted);
    return sorted;
  }
}

/** Whether all conditions of a statement hold. */
export function holds({ conditions }: CompiledStatement, context: RequestContext): boolean {
  for (const test of conditions) if (!test(context)) return false;
  return true;
}
