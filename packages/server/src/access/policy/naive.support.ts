/*
 * A second evaluator, written from the documented rules alone and as plainly as they read: it takes the JSON of policies, compiles
 * nothing, shares nothing with the room, and is slow. Where the two differ, one of them is wrong.
 */

type Json = Record<string, unknown>;
type Values = readonly string[];

export interface NaiveRequester {
  readonly kind: 'anonymous' | 'root' | 'user' | 'role' | 'federated' | 'provider' | 'service';
  readonly account?: string;
  readonly arn?: string;
  readonly role?: string;
  readonly user?: string;
  readonly provider?: string;
  readonly service?: string;
  readonly canonicalId?: string;
}

export interface NaiveRequest {
  readonly requester: NaiveRequester;
  readonly action: string;
  readonly resource: string;
  readonly resourceAccount: string | undefined;
  /** Names in lower case. */
  readonly context: ReadonlyMap<string, Values>;
}

export interface NaivePolicies {
  readonly identity: readonly Json[];
  readonly boundary: Json | undefined;
  readonly session: readonly Json[] | undefined;
  readonly resource: Json | undefined;
}

const listOf = (value: unknown): unknown[] => (Array.isArray(value) ? value : [value]);
const strings = (value: unknown): string[] => listOf(value).map(String);

const escapeRegExp = (text: string) => text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');

/** A text with wildcards and variables as a regular expression; undefined: a variable has no value. */
function expression(text: string, wild: boolean, variables: boolean, request: NaiveRequest): string | undefined {
  let source = '';
  let rest = text;
  while (rest !== '') {
    const variable = variables ? /^\$\{([^}]*)\}/.exec(rest) : null;
    if (variable) {
      const inner = variable[1] as string;
      rest = rest.slice(variable[0].length);
      if (['*', '?', '$'].includes(inner)) source += escapeRegExp(inner);
      else {
        const [, key = '', , fallback] = /^([^,]*?)(\s*,\s*'([^']*)')?$/.exec(inner) ?? [];
        const values = request.context.get(key.toLowerCase());
        const value = values?.length === 1 ? values[0] : fallback;
        if (value === undefined) return undefined;
        source += escapeRegExp(value);
      }
    } else {
      const char = String.fromCodePoint(rest.codePointAt(0) as number);
      rest = rest.slice(char.length);
      source += wild && char === '*' ? '[\\s\\S]*' : wild && char === '?' ? '[\\s\\S]' : escapeRegExp(char);
    }
  }
  return source;
}

const whole = (source: string, flags = 'u') => new RegExp(`^(?:${source})$`, flags);

function likeText(pattern: string, given: string, variables: boolean, request: NaiveRequest): boolean {
  const source = expression(pattern, true, variables, request);
  return source !== undefined && whole(source).test(given);
}

/** Fields of an ARN: five without a colon, and the rest. Colons inside `${…}` separate nothing. */
function fieldsOf(arn: string): string[] {
  const fields = [''];
  for (const part of arn.match(/\$\{[^}]*\}|[\s\S]/gu) ?? []) {
    if (part === ':' && fields.length < 6) fields.push('');
    else fields[fields.length - 1] += part;
  }
  return fields;
}

function likeArn(pattern: string, given: string, variables: boolean, request: NaiveRequest): boolean {
  const wanted = fieldsOf(pattern);
  const actual = fieldsOf(given.replace(/\$/g, '\u0000')).map((field) => field.replaceAll('\u0000', '$'));
  if (wanted.length < 6 && pattern.startsWith('$' + '{'))
    return actual.length === 6 && likeText(pattern, given, variables, request);
  return (
    wanted.length === 6 &&
    actual.length === 6 &&
    wanted.every((field, i) => likeText(field, actual[i] as string, variables, request))
  );
}

const numberOf = (text: string) => (/^[+-]?\d+(\.\d+)?$/.test(text) ? Number.parseFloat(text) : Number.NaN);
const timeOf = (text: string) => (/^\d{5,}$/.test(text) ? Number(text) * 1000 : Date.parse(text));

function bitsOf(address: string): string | undefined {
  if (/^\d+\.\d+\.\d+\.\d+$/.test(address))
    return `4:${address
      .split('.')
      .map((part) => Number(part).toString(2).padStart(8, '0'))
      .join('')}`;
  if (!address.includes(':')) return undefined;
  const v4 = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address);
  if (v4) return bitsOf(v4[1] as string);
  const [left = '', right] = address.split('::');
  const head = left === '' ? [] : left.split(':');
  const tail = right === undefined || right === '' ? [] : right.split(':');
  const parts = right === undefined ? head : [...head, ...Array(8 - head.length - tail.length).fill('0'), ...tail];
  return `6:${parts.map((part) => Number.parseInt(part, 16).toString(2).padStart(16, '0')).join('')}`;
}

function inNetwork(network: string, address: string): boolean {
  const [base = '', length] = network.split('/');
  const [wanted, given] = [bitsOf(base), bitsOf(address)];
  if (!wanted || !given) return false;
  const prefix = 2 + (length === undefined ? wanted.length - 2 : Number(length));
  return wanted.slice(0, prefix) === given.slice(0, prefix);
}

/** What one value of the request and one of the policy are to each other; the operator without `Not`. */
function related(operator: string, wanted: string, given: string, variables: boolean, request: NaiveRequest): boolean {
  const text = (flags: string) => {
    const source = expression(wanted, false, variables, request);
    return source !== undefined && whole(source, flags).test(given);
  };
  switch (operator) {
    case 'StringEquals':
      return text('u');
    case 'StringEqualsIgnoreCase':
      return text('ui');
    case 'StringLike':
      return likeText(wanted, given, variables, request);
    case 'ArnEquals':
    case 'ArnLike':
      return likeArn(wanted, given, variables, request);
    case 'Bool':
      return wanted.toLowerCase() === given.toLowerCase();
    case 'BinaryEquals':
      return wanted === given;
    case 'IpAddress':
      return inNetwork(wanted, given);
    default: {
      const read = operator.startsWith('Numeric') ? numberOf : timeOf;
      const [a, b] = [read(given), read(wanted)];
      switch (operator.replace(/^(Numeric|Date)/, '')) {
        case 'Equals':
          return a === b;
        case 'LessThan':
          return a < b;
        case 'LessThanEquals':
          return a <= b;
        case 'GreaterThan':
          return a > b;
        case 'GreaterThanEquals':
          return a >= b;
        default:
          throw new Error(`no rule for ${operator}`);
      }
    }
  }
}

function conditionHolds(name: string, key: string, wanted: Values, variables: boolean, request: NaiveRequest): boolean {
  const given = request.context.get(key.toLowerCase());
  if (name === 'Null') return wanted.includes(given === undefined ? 'true' : 'false');
  const quantifier = /^(ForAllValues|ForAnyValue):/.exec(name)?.[1];
  const plain = name.replace(/^For\w+:/, '').replace(/IfExists$/, '');
  const negated = plain.includes('Not');
  const operator = plain.replace('Not', '');
  if (given === undefined) {
    if (name.endsWith('IfExists') || quantifier === 'ForAllValues') return true;
    return quantifier === undefined && negated;
  }
  const matches = (value: string) => wanted.some((one) => related(operator, one, value, variables, request));
  const passes = (value: string) => (negated ? !matches(value) : matches(value));
  if (quantifier === 'ForAllValues') return given.every(passes);
  if (quantifier === 'ForAnyValue') return given.some(passes);
  return negated ? !given.some(matches) : given.some(matches);
}

/** How the Principal element of a statement means the requester. */
function namedAs(principal: unknown, who: NaiveRequester): 'none' | 'account' | 'origin' | 'direct' {
  const by = (principal === '*' ? { AWS: '*' } : principal) as Json;
  const aws = by['AWS'] === undefined ? [] : strings(by['AWS']);
  if (aws.includes('*')) return 'direct';
  if (who.kind === 'service') return strings(by['Service'] ?? []).includes(who.service as string) ? 'direct' : 'none';
  if (who.kind === 'provider')
    return strings(by['Federated'] ?? []).includes(who.provider as string) ? 'direct' : 'none';
  if (who.kind === 'anonymous') return 'none';
  const account =
    aws.includes(who.account as string) ||
    aws.includes(`arn:aws:iam::${who.account}:root`) ||
    (who.canonicalId !== undefined && strings(by['CanonicalUser'] ?? []).includes(who.canonicalId));
  if (who.kind === 'root') return account ? 'direct' : 'none';
  if (aws.includes(who.arn as string)) return 'direct';
  if (who.kind === 'role' && aws.includes(who.role as string)) return 'origin';
  if (who.kind === 'federated' && aws.includes(who.user as string)) return 'origin';
  return account ? 'account' : 'none';
}

/** NotPrincipal spares those of whom every part is listed. */
function isSpared(principal: unknown, who: NaiveRequester): boolean {
  if (who.kind === 'anonymous') return false;
  if (who.kind === 'service' || who.kind === 'provider') return namedAs(principal, who) === 'direct';
  const parts = [{ kind: 'root', account: who.account, ...(who.canonicalId && { canonicalId: who.canonicalId }) }];
  const names = [who.kind === 'root' ? undefined : who.arn, who.kind === 'role' ? who.role : undefined];
  const aws = strings((principal as Json)['AWS'] ?? []);
  return (
    parts.every((part) => namedAs(principal, part as NaiveRequester) === 'direct') &&
    names.every((name) => name === undefined || aws.includes(name))
  );
}

function statementApplies(statement: Json, variables: boolean, request: NaiveRequest): boolean {
  const action = (list: unknown) =>
    strings(list).some((one) => likeText(one.toLowerCase(), request.action.toLowerCase(), false, request));
  const resource = (list: unknown) =>
    strings(list).some((one) => one === '*' || likeArn(one, request.resource, variables, request));
  if ('Action' in statement ? !action(statement['Action']) : action(statement['NotAction'])) return false;
  if ('Resource' in statement && !resource(statement['Resource'])) return false;
  if ('NotResource' in statement && resource(statement['NotResource'])) return false;
  return Object.entries((statement['Condition'] ?? {}) as Json).every(([operator, block]) =>
    Object.entries(block as Json).every(([key, values]) =>
      conditionHolds(operator, key, strings(values), variables, request),
    ),
  );
}

interface Said {
  readonly deny: boolean;
  readonly allow: boolean;
  readonly as: readonly string[];
}

function policySays(policy: Json, request: NaiveRequest, bounded: boolean, resource: boolean): Said {
  const variables = policy['Version'] === '2012-10-17';
  let [deny, allow] = [false, false];
  const as: string[] = [];
  for (const statement of listOf(policy['Statement']) as Json[]) {
    let named = 'direct';
    if (resource) {
      named =
        'Principal' in statement
          ? namedAs(statement['Principal'], request.requester)
          : bounded || !isSpared(statement['NotPrincipal'], request.requester)
            ? 'direct'
            : 'none';
    }
    if (named === 'none' || !statementApplies(statement, variables, request)) continue;
    if (statement['Effect'] === 'Deny') deny = true;
    else {
      allow = true;
      as.push(named);
    }
  }
  return { deny, allow, as };
}

/** The documented flow, step by step. */
export function naiveDecide(policies: NaivePolicies, request: NaiveRequest): boolean {
  const who = request.requester;
  const bounded = policies.boundary !== undefined;
  const identity = policies.identity.map((one) => policySays(one, request, bounded, false));
  const boundary = policies.boundary && policySays(policies.boundary, request, bounded, false);
  const session = policies.session?.map((one) => policySays(one, request, bounded, false));
  const resource = policies.resource && policySays(policies.resource, request, bounded, true);
  const denied = [...identity, ...(session ?? []), boundary, resource].some((one) => one?.deny === true);
  const named = (how: string) => resource?.as.includes(how) === true;
  if (who.kind === 'anonymous' || who.kind === 'service' || who.kind === 'provider') return !denied && named('direct');

  const own = request.resourceAccount === undefined || request.resourceAccount === who.account;
  const lifeline = ['s3:GetBucketPolicy', 's3:PutBucketPolicy', 's3:DeleteBucketPolicy'];
  if (who.kind === 'root' && own && lifeline.includes(request.action)) return true;
  if (denied) return false;
  if (who.kind === 'root') return own || (resource?.allow ?? false);

  const inside = (boundary?.allow ?? true) && (session ? session.some((one) => one.allow) : who.kind !== 'federated');
  const byIdentity = identity.some((one) => one.allow);
  if (own) {
    if (named('direct')) return true;
    return (byIdentity || named('origin')) && inside;
  }
  return byIdentity && inside && (resource?.allow ?? false);
}
