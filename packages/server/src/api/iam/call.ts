import {
  type Administration,
  type AuthenticatedKey,
  authorize,
  type Directory,
  type Identity,
  type RequestContext,
  type SessionTokens,
} from '../../access/index.ts';
import { StoreError } from '../../errors.ts';
import type { Clock } from '../../host/index.ts';
import type { IdentityKind, IdentityOf } from '../../metadata/index.ts';
import type { Exchange } from '../http/exchange.ts';
import type { Service } from './answer.ts';
import { type Parameters, type rules, rules as textRules } from './parameters.ts';

/** What all calls of one handler share. */
export interface IdentityService {
  readonly administration: Administration;
  readonly directory: Directory;
  readonly tokens: SessionTokens;
  readonly clock: Clock;
}

/** What an action is done to, as policies see it. */
export interface Target {
  /** ARN. */
  readonly resource: string;
  /** Condition keys of this action, besides those that every request has; names in lower case. */
  readonly keys?: Readonly<Record<string, string | readonly string[] | undefined>>;
  /** Of what it is done to. */
  readonly tags?: Iterable<readonly [string, string]>;
  /** Tags that the request sets, or keys that it takes away. */
  readonly requestTags?: Iterable<readonly [string, string]>;
  readonly tagKeys?: readonly string[];
}

/** One authenticated request on its way to its action. */
export class IdentityCall {
  readonly service: IdentityService;
  readonly exchange: Exchange;
  readonly action: string;
  readonly of: Service;
  readonly caller: Identity;
  /** The credentials that signed. */
  readonly credentials: AuthenticatedKey;
  readonly parameters: Parameters;
  /** Of the caller: all that IAM does is done in it. */
  readonly account: string;
  readonly #general: RequestContext;

  constructor(about: {
    readonly service: IdentityService;
    readonly exchange: Exchange;
    readonly action: string;
    readonly of: Service;
    readonly caller: Identity;
    readonly credentials: AuthenticatedKey;
    readonly parameters: Parameters;
    readonly account: string;
    readonly general: RequestContext;
  }) {
    this.service = about.service;
    this.exchange = about.exchange;
    this.action = about.action;
    this.of = about.of;
    this.caller = about.caller;
    this.credentials = about.credentials;
    this.parameters = about.parameters;
    this.account = about.account;
    this.#general = about.general;
  }

  get administration(): Administration {
    return this.service.administration;
  }

  /** A name that the request gives. */
  name(parameter: string, rule: keyof typeof rules): string {
    return this.parameters.required(parameter, textRules[rule]);
  }

  /** @throws StoreError NoSuchEntity */
  get<Kind extends IdentityKind>(kind: Kind, name: string): IdentityOf<Kind> {
    return this.administration.get(this.account, kind, name);
  }

  change<Kind extends IdentityKind>(
    kind: Kind,
    name: string,
    next: (before: IdentityOf<Kind>) => IdentityOf<Kind>,
  ): Promise<void> {
    return this.administration.change(this.account, kind, name, next);
  }

  /** The context that conditions of policies ask, for what this action is done to. */
  context({ keys = {}, tags = [], requestTags, tagKeys }: Target): RequestContext {
    const given = requestTags && [...requestTags];
    const of = (pairs: Iterable<readonly [string, string]>, key: string) => {
      const found = Array.from(pairs).flatMap(([name, value]) => (name.toLowerCase() === key ? [value] : []));
      return found.length === 0 ? undefined : found;
    };
    return {
      values: (key) => {
        if (Object.hasOwn(keys, key)) return keys[key];
        const slash = key.indexOf('/');
        const tag = key.slice(slash + 1);
        switch (slash < 0 ? key : key.slice(0, slash + 1)) {
          case 'aws:requesttag/':
            return given && of(given, tag);
          case 'aws:tagkeys': {
            const all = tagKeys ?? given?.map(([name]) => name) ?? [];
            return all.length === 0 ? undefined : all;
          }
          case 'aws:resourcetag/':
          case 'iam:resourcetag/':
            return of(tags, tag);
          default:
            return this.#general.values(key);
        }
      },
    };
  }

  /** Whether the caller's own policies let him do something in his account. */
  may(action: string, target: Target): boolean {
    return authorize(this.caller, {
      action,
      resource: target.resource,
      rules: { account: this.account, policy: undefined },
      context: this.context(target),
    }).allowed;
  }

  /** @throws StoreError AccessDenied */
  require(action: string, target: Target): void {
    if (!this.may(action, target)) throw this.denied(action, target.resource);
  }

  /** @param why what would have to be so */
  denied(
    action: string,
    resource: string,
    why = ` because no identity-based policy allows the ${action} action`,
  ): StoreError {
    const { requester } = this.caller.standing;
    const who = 'arn' in requester ? requester.arn : requester.kind;
    return new StoreError('AccessDenied', {
      message: `User: ${who} is not authorized to perform: ${action} on resource: ${resource}${why}`,
    });
  }
}

/**
 * An action of IAM or STS. What it is done to is found before it is asked whether it may be, and nothing is done before: no action can
 * forget to ask.
 */
export interface Action {
  readonly of: Service;
  /** undefined: everybody may who has credentials. */
  readonly target: ((call: IdentityCall) => Target) | undefined;
  /** @returns XML of the result; undefined: the action answers none */
  readonly run: (call: IdentityCall) => Promise<string | undefined> | string | undefined;
}

export type Actions = Readonly<Record<string, Action>>;

export const iam = (target: Action['target'], run: Action['run']): Action => ({ of: 'iam', target, run });
