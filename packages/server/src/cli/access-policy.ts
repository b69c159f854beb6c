/*
 * `policy explain`: why access policies in files allow or deny a request, without a server. (The other commands of `policy` are about what
 * bytes are kept with.)
 */
import { readFileSync } from 'node:fs';
import type { Command } from 'commander';
import type { CompiledPolicy, PolicyKind, Requester } from '../access/index.ts';
import { clientCommand, collect, type Run } from './command.ts';
import type { CommonOptions, Context } from './context.ts';
import { CommandError, exitCode, UsageError } from './exit.ts';
import { printable } from './format.ts';

interface ExplainOptions extends CommonOptions {
  readonly policy?: readonly string[];
  readonly boundary?: string;
  readonly sessionPolicy?: readonly string[];
  readonly action?: string;
  readonly resource?: string;
  readonly principal?: string;
  readonly account?: string;
  readonly context?: readonly string[];
}

const principalHelp =
  'write anonymous, an account (12 digits), the ARN of a user, a role, a session of it or a federated user, or the host name of a service';

/** Who asks, from one name; and what the context of his requests would say of him. */
function requesterOf(name: string): { requester: Requester; context: Readonly<Record<string, string>> } {
  const about = (account: string, arn: string, type: string, more: Readonly<Record<string, string>> = {}) => ({
    'aws:PrincipalAccount': account,
    'aws:PrincipalArn': arn,
    'aws:PrincipalType': type,
    ...more,
  });
  if (name === 'anonymous' || name === '*')
    return { requester: { kind: 'anonymous' }, context: { 'aws:PrincipalType': 'Anonymous' } };
  if (/^[a-z0-9-]+(\.[a-z0-9-]+)+$/.test(name)) {
    const context = { 'aws:PrincipalIsAWSService': 'true', 'aws:PrincipalServiceName': name };
    return { requester: { kind: 'service', service: name }, context };
  }
  const [, whole] = /^(\d{12})$/.exec(name) ?? /^arn:aws:iam::(\d{12}):root$/.exec(name) ?? [];
  if (whole !== undefined) {
    const arn = `arn:aws:iam::${whole}:root`;
    return { requester: { kind: 'root', account: whole, arn }, context: about(whole, arn, 'Account') };
  }
  const [, service, account, kind, rest] =
    /^arn:aws:(iam|sts)::(\d{12}):(user|role|assumed-role|federated-user)\/(.+)$/.exec(name) ?? [];
  if (account === undefined || rest === undefined || (service === 'iam') !== (kind === 'user' || kind === 'role'))
    throw new UsageError(`${JSON.stringify(name)} is no principal: ${principalHelp}`);
  const last = rest.slice(rest.lastIndexOf('/') + 1);
  switch (kind) {
    case 'user':
      return {
        requester: { kind, account, arn: name },
        context: about(account, name, 'User', { 'aws:username': last }),
      };
    case 'federated-user': {
      // Which user asked for the session is not in its name: policies that name him mean nobody here.
      return {
        requester: { kind: 'federated', account, arn: name, user: '' },
        context: about(account, name, 'FederatedUser'),
      };
    }
    default: {
      const session = kind === 'role' ? `arn:aws:sts::${account}:assumed-role/${last}/explained` : name;
      const role = kind === 'role' ? name : `arn:aws:iam::${account}:role/${rest.split('/')[0]}`;
      return {
        requester: { kind: 'role', account, arn: session, role },
        context: about(account, role, 'AssumedRole'),
      };
    }
  }
}

/** `BUCKET/KEY`, `s3://BUCKET/KEY`, `*` or an ARN. */
function resourceOf(given: string): string {
  if (given.startsWith('arn:')) return given;
  return `arn:aws:s3:::${given.startsWith('s3://') ? given.slice(5) : given}`;
}

function needed(value: string | undefined, option: string, example: string): string {
  if (value === undefined) throw new UsageError(`${option} is missing: write ${option} ${example}`);
  return value;
}

type Access = typeof import('../access/index.ts');

/** Reads a file of a policy. @throws CommandError that names the file and the place in it */
function load(access: Access, file: string, kind: PolicyKind | undefined): CompiledPolicy {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (cause) {
    throw new CommandError(
      exitCode.notFound,
      `${file}: ${(cause as Error).message}`,
      'Name a file that holds a policy.',
    );
  }
  // A quote inside a string is written \", so this is the name of an element.
  const ofResource = /"(?:Not)?Principal"\s*:/.test(text);
  try {
    return new access.CompiledPolicy(
      access.parsePolicy(text, { kind: kind ?? (ofResource ? 'resource' : 'identity') }),
    );
  } catch (cause) {
    if (cause instanceof access.PolicyError) throw new CommandError(exitCode.usage, `${file}: ${cause.message}`);
    throw cause;
  }
}

/** Context keys from `key=value`; a key that is given again has several values. */
function contextFrom(access: Access, given: readonly string[], base: Readonly<Record<string, string>>) {
  const held = new Map<string, string[]>();
  for (const one of given) {
    const equals = one.indexOf('=');
    if (equals < 1) throw new UsageError(`${JSON.stringify(one)}: write --context KEY=VALUE, as s3:prefix=home/`);
    const key = one.slice(0, equals);
    if (!access.conditionKey(key)) throw new UsageError(`there is no condition key ${JSON.stringify(key)}`);
    const values = held.get(key.toLowerCase()) ?? [];
    values.push(one.slice(equals + 1));
    held.set(key.toLowerCase(), values);
  }
  for (const [key, value] of Object.entries(base))
    if (!held.has(key.toLowerCase())) held.set(key.toLowerCase(), [value]);
  return access.contextOf(
    [...held].map(([key, values]) => [key, values.length === 1 ? (values[0] as string) : values]),
  );
}

async function explain(context: Context, _: readonly string[], options: ExplainOptions): Promise<void> {
  // Loaded when it is asked for: no other command needs it.
  const access = await import('../access/index.ts');
  const action = needed(options.action, '--action', 's3:GetObject');
  if (!/^[a-z0-9-]+:[A-Za-z0-9]+$/.test(action))
    throw new UsageError(`${JSON.stringify(action)} is no action: write SERVICE:ACTION, as s3:GetObject`);
  const resource = resourceOf(needed(options.resource, '--resource', 'BUCKET/KEY'));
  const who = requesterOf(needed(options.principal, '--principal', 'arn:aws:iam::123456789012:user/NAME'));
  if (options.account !== undefined && !/^\d{12}$/.test(options.account))
    throw new UsageError('--account takes the 12 digits of the account that owns the resource');
  const all = (options.policy ?? []).map((file) => load(access, file, undefined));
  const ofResource = all.filter(({ policy }) => policy.kind === 'resource');
  if (ofResource.length > 1)
    throw new UsageError('several policies name principals, and a bucket has one policy: give one of them');
  const session = options.sessionPolicy?.map((file) => load(access, file, 'identity'));
  const why = access.explain(
    {
      identity: all.filter(({ policy }) => policy.kind === 'identity'),
      boundary: options.boundary === undefined ? undefined : load(access, options.boundary, 'identity'),
      session,
      resource: ofResource[0],
    },
    {
      requester: who.requester,
      action,
      resource,
      resourceAccount: options.account,
      context: contextFrom(access, options.context ?? [], who.context),
    },
  );
  await context.result(why, access.explanationText(why).map(printable));
  if (!why.allowed) throw new CommandError(exitCode.accessDenied, `denied: ${why.sentence}`);
  context.succeed();
}

/** Adds `explain` to the commands of `policy`. */
export function addExplainCommand(policy: Command, run: Run): void {
  clientCommand(policy, 'explain', 'why access policies in files allow or deny a request (needs no server)')
    .option('--policy <file>', 'of the identity, or of the bucket when it names principals; several times', collect)
    .option('--boundary <file>', 'permissions boundary of the identity')
    .option('--session-policy <file>', 'policy of the session; several times', collect)
    .option('--action <action>', 'as s3:GetObject')
    .option('--resource <resource>', 'BUCKET/KEY, an ARN, or * for what is done to no bucket')
    .option('--principal <principal>', 'anonymous, an account, an ARN, or a service')
    .option('--account <account>', "account that owns the resource; the principal's own when left out")
    .option('--context <key=value>', 'what the request says, as aws:SourceIp=10.0.0.1; several times', collect)
    .action(run(explain));
}
