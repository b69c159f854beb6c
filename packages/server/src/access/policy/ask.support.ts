import { type AccessRequest, CompiledPolicy, contextOf, type PolicySet, parsePolicy, type Requester } from './index.ts';

/* Short ways to ask one question of few policies. */

export const account = '111122223333';
export const otherAccount = '444455556666';

export const ann: Requester = { kind: 'user', account, arn: `arn:aws:iam::${account}:user/ann` };
export const anonymous: Requester = { kind: 'anonymous' };
export const root: Requester = { kind: 'root', account, arn: `arn:aws:iam::${account}:root` };
export const reader: Requester = {
  kind: 'role',
  account,
  arn: `arn:aws:sts::${account}:assumed-role/reader/s1`,
  role: `arn:aws:iam::${account}:role/reader`,
};

type Element = Readonly<Record<string, unknown>>;

export const document = (statements: readonly Element[], version = '2012-10-17'): string =>
  JSON.stringify({ Version: version, Statement: statements });

/** A policy of an identity; Action and Resource are everything unless said. */
export const identity = (...statements: readonly Element[]): CompiledPolicy =>
  new CompiledPolicy(
    parsePolicy(
      document(
        statements.map((one) => ({
          Effect: 'Allow',
          ...(!('NotAction' in one) && { Action: '*' }),
          ...(!('NotResource' in one) && { Resource: '*' }),
          ...one,
        })),
      ),
      { kind: 'identity' },
    ),
  );

/** The policy of a bucket; everyone unless said. */
export const bucket = (...statements: readonly Element[]): CompiledPolicy =>
  new CompiledPolicy(
    parsePolicy(
      document(
        statements.map((one) => ({
          Effect: 'Allow',
          ...(!('NotPrincipal' in one) && { Principal: '*' }),
          Action: 's3:*',
          Resource: '*',
          ...one,
        })),
      ),
      { kind: 'resource' },
    ),
  );

export const set = (given: Partial<PolicySet>): PolicySet => ({
  identity: [],
  boundary: undefined,
  session: undefined,
  resource: undefined,
  ...given,
});

/** ann reads b/a of her own account, unless said otherwise. */
export const ask = (
  given: Partial<Omit<AccessRequest, 'context'>> & {
    readonly context?: Readonly<Record<string, string | readonly string[]>>;
  } = {},
): AccessRequest => ({
  requester: ann,
  action: 's3:GetObject',
  resource: 'arn:aws:s3:::b/a',
  resourceAccount: account,
  ...given,
  context: contextOf(Object.entries(given.context ?? {})),
});
