import { limits } from '../../limits.ts';
import { s3Actions } from './actions.ts';
import { compileResource } from './arn.ts';
import type {
  Effect,
  Listed,
  Policy,
  PolicyKind,
  PolicyVersion,
  PrincipalName,
  PrincipalType,
  Statement,
} from './document.ts';
import { nearest } from './failure.ts';
import type { JsonNode } from './json.ts';
import { readConditions } from './parse-conditions.ts';
import { Place } from './place.ts';
import { readPrincipal } from './principals.ts';
import { parseTemplate } from './template.ts';
import { compilePattern } from './wildcard.ts';

/*
 * From text to a checked document. Strict: what is not understood is refused, since a policy that is half understood says something
 * else than its author meant. The grammar is
 * https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_grammar.html
 */

export interface ParseOptions {
  readonly kind: PolicyKind;
  /** Of a resource policy: the bucket it is for, which all its resources must be or be in. */
  readonly bucket?: string;
}

const most: Readonly<Record<PolicyKind, number>> = {
  identity: limits.identityPolicyBytes,
  resource: limits.bucketPolicyBytes,
  trust: limits.trustPolicyBytes,
};

const documentElements = ['Version', 'Id', 'Statement'];
const statementElements = [
  'Sid',
  'Effect',
  'Principal',
  'NotPrincipal',
  'Action',
  'NotAction',
  'Resource',
  'NotResource',
  'Condition',
];

const principalTypes: readonly PrincipalType[] = ['AWS', 'CanonicalUser', 'Federated', 'Service'];

function readPrincipals(place: Place, node: JsonNode): PrincipalName[] {
  if (node.kind === 'string') {
    if (node.text === '*') return [{ type: 'AWS', value: '*' }];
    throw place.fail('must be "*", or an object as {"AWS": "arn:aws:iam::123456789012:user/NAME"}', node);
  }
  const found: PrincipalName[] = [];
  for (const [type, member] of place.members(node, principalTypes)) {
    const inside = place.at(type);
    for (const value of inside.strings(member.value))
      found.push(inside.checked(value, () => readPrincipal({ type: type as PrincipalType, value: value.text })));
  }
  if (found.length === 0) throw place.fail('names nobody: write "*" for everyone, or remove the statement', node);
  return found;
}

/** Prefix and name are compared without case (https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_action.html). */
const actionForm = /^(?:\*|([a-z0-9-]+):([a-z0-9*?]+))$/i;

/** An action of a bucket's policy must be one of S3; in policies of identities the services are many, and newer ones are no error. */
function checkAction(place: Place, value: Extract<JsonNode, { text: string }>, { kind }: ParseOptions): void {
  const parts = actionForm.exec(value.text);
  if (!parts) {
    throw place.fail(
      `${JSON.stringify(value.text)} is no action: write SERVICE:ACTION, as s3:GetObject or s3:Get*, or *`,
      value,
    );
  }
  if (kind !== 'resource' || value.text === '*') return;
  const [, service = '', name = ''] = parts;
  if (service.toLowerCase() !== 's3')
    throw place.fail(`the policy of a bucket has actions of s3 only, not of ${service}`, value);
  const test = compilePattern(parseTemplate(name.toLowerCase(), { wildcards: true, variables: false }));
  for (const action of s3Actions.keys()) if (test(action.toLowerCase(), 0, nothing)) return;
  throw place.fail(`S3 has no action ${value.text}${nearest(name, s3Actions.keys())}`, value);
}

const nothing = { values: () => undefined };

function checkResource(
  place: Place,
  value: Extract<JsonNode, { text: string }>,
  version: PolicyVersion,
  { kind, bucket }: ParseOptions,
): void {
  place.checked(value, () =>
    compileResource(parseTemplate(value.text, { wildcards: true, variables: version === '2012-10-17' })),
  );
  if (kind !== 'resource' || value.text === '*') return;
  const fields = value.text.split(':');
  if (fields[2] !== 's3') throw place.fail('the policy of a bucket has resources of s3 only', value);
  if (bucket === undefined) return;
  const name = fields.slice(5).join(':').split('/')[0] as string;
  const test = compilePattern(parseTemplate(name, { wildcards: true, variables: false }));
  if (!test(bucket, 0, nothing)) {
    throw place.fail(
      `the policy is for the bucket ${bucket}: write arn:aws:s3:::${bucket} or arn:aws:s3:::${bucket}/*`,
      value,
    );
  }
}

/** One of two elements that exclude each other, as a list of strings. */
function either(
  place: Place,
  members: ReadonlyMap<string, { readonly value: JsonNode }>,
  name: string,
  check: (place: Place, value: Extract<JsonNode, { text: string }>) => void,
  node: JsonNode,
): Listed<string> | undefined {
  const plain = members.get(name);
  const inverse = members.get(`Not${name}`);
  if (plain && inverse) throw place.fail(`${name} and Not${name} exclude each other: keep one`, node);
  const member = plain ?? inverse;
  if (!member) return undefined;
  const inside = place.at(plain ? name : `Not${name}`);
  const values = inside.strings(member.value);
  for (const value of values) check(inside, value);
  return { not: member === inverse, list: values.map((value) => value.text) };
}

function principalsOf(
  place: Place,
  members: ReadonlyMap<string, { readonly value: JsonNode }>,
  effect: Effect,
  kind: PolicyKind,
  node: JsonNode,
): Listed<PrincipalName> | undefined {
  const plain = members.get('Principal');
  const inverse = members.get('NotPrincipal');
  if (kind === 'identity') {
    const given = plain ?? inverse;
    if (given)
      throw place.fail('the policy of an identity names no principal: it is about whom it is attached to', given.value);
    return undefined;
  }
  if (plain && inverse) throw place.fail('Principal and NotPrincipal exclude each other: keep one', node);
  if (inverse) {
    if (kind === 'trust') throw place.fail('a trust policy has no NotPrincipal: write Principal', inverse.value);
    if (effect === 'Allow') {
      throw place.fail(
        'NotPrincipal with Allow would let in everyone else, strangers too: write Principal, or use it with Deny',
        inverse.value,
      );
    }
    const list = readPrincipals(place.at('NotPrincipal'), inverse.value);
    if (list.some(({ value }) => value === '*'))
      throw place.at('NotPrincipal').fail('spares everyone: remove the statement, or name some', inverse.value);
    return { not: true, list };
  }
  if (!plain) throw place.fail('names no Principal: write "Principal": "*" for everyone, or name some', node);
  return { not: false, list: readPrincipals(place.at('Principal'), plain.value) };
}

function readStatement(place: Place, node: JsonNode, version: PolicyVersion, options: ParseOptions): Statement {
  const { kind } = options;
  const members = place.members(node, statementElements);
  const sid = members.has('Sid') ? place.at('Sid').string(members.get('Sid')?.value as JsonNode) : undefined;
  const form = kind === 'identity' ? /^[A-Za-z0-9]*$/ : /^[\x20-\x7e]*$/;
  if (sid && (!form.test(sid.text) || sid.text.length > limits.policySidChars))
    throw place.at('Sid').fail('must be letters and digits, not too many', sid);
  const given = members.get('Effect')?.value;
  if (!given) throw place.fail('has no Effect: write "Effect": "Allow" or "Effect": "Deny"', node);
  const { text: effect } = place.at('Effect').string(given);
  if (effect !== 'Allow' && effect !== 'Deny')
    throw place.at('Effect').fail(`must be "Allow" or "Deny"${nearest(effect, ['Allow', 'Deny'])}`, given);
  const principals = principalsOf(place, members, effect, kind, node);
  const actions = either(place, members, 'Action', (inside, value) => checkAction(inside, value, options), node);
  if (!actions) throw place.fail('has no Action: write "Action": "s3:GetObject" or another', node);
  const resources = either(
    place,
    members,
    'Resource',
    (inside, value) => checkResource(inside, value, version, options),
    node,
  );
  if (kind === 'trust' && resources)
    throw place.fail('a trust policy is about the role it belongs to: remove Resource', node);
  if (kind !== 'trust' && !resources)
    throw place.fail('has no Resource: write "Resource": "arn:aws:s3:::BUCKET/*" or another', node);
  const condition = members.get('Condition')?.value;
  return {
    sid: sid?.text === '' ? undefined : sid?.text,
    effect,
    principals,
    actions,
    resources,
    conditions: condition ? readConditions(place.at('Condition'), condition, version) : [],
  };
}

/**
 * Reads a policy.
 * @param text JSON
 * @throws PolicyError naming the place, what is wrong, and what to write instead
 */
export function parsePolicy(text: string, options: ParseOptions): Policy {
  const root = Place.of(text, most[options.kind]);
  const { node } = root;
  const members = root.place.members(node, documentElements);
  const stated = members.get('Version')?.value;
  const version = stated ? root.place.at('Version').string(stated).text : '2008-10-17';
  if (version !== '2012-10-17' && version !== '2008-10-17')
    throw root.place
      .at('Version')
      .fail('must be "2012-10-17" (or "2008-10-17", which has no variables)', stated ?? node);
  const id = members.get('Id')?.value;
  const statement = members.get('Statement')?.value;
  if (!statement) throw root.place.fail('has no Statement: write "Statement": [ … ]', node);
  const nodes = statement.kind === 'array' ? statement.items : [statement];
  const list = root.place.at('Statement');
  if (nodes.length === 0) throw list.fail('is empty: write a statement, or remove the policy', statement);
  if (nodes.length > limits.policyStatements)
    throw list.fail(`holds more than ${limits.policyStatements} statements: merge some`, statement);
  const sids = new Set<string>();
  const statements = nodes.map((one, index) => {
    const place = statement.kind === 'array' ? list.item(index) : list;
    const read = readStatement(place, one, version, options);
    if (read.sid !== undefined && sids.has(read.sid))
      throw place.at('Sid').fail(`${JSON.stringify(read.sid)} is the Sid of an earlier statement: change one`, one);
    if (read.sid !== undefined) sids.add(read.sid);
    return read;
  });
  return {
    kind: options.kind,
    version,
    id: id ? root.place.at('Id').string(id).text : undefined,
    statements,
  };
}
