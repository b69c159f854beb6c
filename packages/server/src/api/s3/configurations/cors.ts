import { StoreError } from '../../../errors.ts';
import { limits } from '../../../limits.ts';
import { allowOnly, malformed, textOf, type XmlElement } from '../xml/parser.ts';
import { element } from '../xml/writer.ts';
import type { ConfigurationForm } from './form.ts';

/*
 * Cross-origin access as a bucket allows it (https://docs.aws.amazon.com/AmazonS3/latest/userguide/ManageCorsUsing.html): the first rule that fits
 * origin, method and, in a preflight, every header that is asked for. Origins and methods are compared as they stand, names of headers whatever their case.
 */

export interface CorsRule {
  readonly id: string | undefined;
  readonly methods: readonly string[];
  readonly origins: readonly string[];
  readonly headers: readonly string[];
  readonly maxAgeSeconds: number | undefined;
  readonly exposed: readonly string[];
}

/** What a rule may allow, and a preflight ask for. */
export const corsMethods: ReadonlySet<string> = new Set(['GET', 'PUT', 'POST', 'DELETE', 'HEAD']);
/** Name of a header (RFC 9110, token). */
export const headerName = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;
/** What goes into a header of an answer must not end it. */
const visible = /^[\x21-\x7e]+$/;

const invalid = (message: string): StoreError => new StoreError('InvalidRequest', { message });

/** Texts of all children of this name, in order. */
function textsOf(parent: XmlElement, name: string): string[] {
  return parent.children
    .filter((child) => child.name === name)
    .map((child) => {
      if (child.children.length > 0) throw malformed(`The element ${name} holds text only.`);
      return child.text.trim();
    });
}

function screenPattern(name: string, value: string, form: RegExp): string {
  if (value.indexOf('*') !== value.lastIndexOf('*'))
    throw invalid(`${name} "${value}" can not have more than one wildcard.`);
  if (!form.test(value))
    throw invalid(`${name} "${value}" is not valid: it is empty, or has characters that it cannot have.`);
  return value;
}

function ruleOf(rule: XmlElement): CorsRule {
  if (rule.name !== 'CORSRule') throw malformed(`The element ${rule.name} is not known here.`);
  allowOnly(rule, ['ID', 'AllowedMethod', 'AllowedOrigin', 'AllowedHeader', 'MaxAgeSeconds', 'ExposeHeader']);
  const id = textOf(rule, 'ID')?.trim();
  if (id !== undefined && id.length > limits.corsIdChars)
    throw invalid(`The ID of a rule has ${limits.corsIdChars} characters at most.`);
  const allowed = textsOf(rule, 'AllowedMethod');
  for (const method of allowed)
    if (!corsMethods.has(method))
      throw invalid(`Found unsupported HTTP method in CORS config. Unsupported method is ${method}`);
  const origins = textsOf(rule, 'AllowedOrigin').map((origin) => screenPattern('AllowedOrigin', origin, visible));
  if (allowed.length === 0 || origins.length === 0)
    throw malformed('A CORSRule has at least one AllowedMethod and one AllowedOrigin.');
  const headers = textsOf(rule, 'AllowedHeader').map((name) => screenPattern('AllowedHeader', name, headerName));
  const exposed = textsOf(rule, 'ExposeHeader');
  for (const name of exposed) {
    if (name.includes('*'))
      throw invalid(`ExposeHeader "${name}" contains wildcard. We currently do not support wildcard for ExposeHeader.`);
    screenPattern('ExposeHeader', name, headerName);
  }
  const age = textOf(rule, 'MaxAgeSeconds')?.trim();
  if (age !== undefined && !/^[0-9]{1,9}$/.test(age)) throw malformed('MaxAgeSeconds is a whole number of seconds.');
  const maxAgeSeconds = age === undefined ? undefined : Number(age);
  return { id, methods: allowed, origins, headers, maxAgeSeconds, exposed };
}

const all = (name: string, values: readonly string[]): string => values.map((value) => element(name, value)).join('');

export const corsForm: ConfigurationForm<readonly CorsRule[]> = {
  kind: 'cors',
  root: 'CORSConfiguration',
  digest: 'required',
  unset: { error: 'NoSuchCORSConfiguration' },
  parse(document) {
    if (document.children.length === 0) throw malformed('A CORSConfiguration has at least one CORSRule.');
    if (document.children.length > limits.corsRules)
      throw invalid(`The number of CORS rules should not exceed allowed limit of ${limits.corsRules} rules.`);
    const rules = document.children.map(ruleOf);
    const ids = rules.flatMap(({ id }) => (id === undefined || id === '' ? [] : [id]));
    if (new Set(ids).size < ids.length) throw invalid('The ID of a rule is used by one rule only.');
    return rules;
  },
  write: (rules) =>
    rules
      .map(
        ({ id, methods, origins, headers, maxAgeSeconds, exposed }) =>
          `<CORSRule>${element('ID', id)}${all('AllowedMethod', methods)}${all('AllowedOrigin', origins)}${all('AllowedHeader', headers)}${element('MaxAgeSeconds', maxAgeSeconds)}${all('ExposeHeader', exposed)}</CORSRule>`,
      )
      .join(''),
};

/** Whether a text fits a pattern with one `*` at most, which stands for any characters or none. */
export function fitsPattern(pattern: string, text: string): boolean {
  const star = pattern.indexOf('*');
  if (star < 0) return pattern === text;
  const behind = pattern.length - star - 1;
  return (
    text.length >= star + behind && text.startsWith(pattern.slice(0, star)) && text.endsWith(pattern.slice(star + 1))
  );
}

export interface CorsQuestion {
  readonly origin: string;
  readonly method: string;
  /** Names in lower case; only preflights ask for any. */
  readonly headers: readonly string[];
}

export interface CorsGrant {
  readonly rule: CorsRule;
  /** Value of Access-Control-Allow-Origin. */
  readonly origin: string;
}

/** The first rule that allows it; undefined when none does. */
export function corsGrant(rules: readonly CorsRule[], question: CorsQuestion): CorsGrant | undefined {
  for (const rule of rules) {
    if (!rule.methods.includes(question.method)) continue;
    const pattern = rule.origins.find((one) => fitsPattern(one, question.origin));
    if (pattern === undefined) continue;
    const allowed = (name: string) => rule.headers.some((one) => fitsPattern(one.toLowerCase(), name));
    if (question.headers.every(allowed)) return { rule, origin: pattern === '*' ? '*' : question.origin };
  }
  return undefined;
}
