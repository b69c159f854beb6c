import { StoreError } from '../../../errors.ts';
import { limits } from '../../../limits.ts';
import { invalidArgument } from '../failure.ts';
import { allowOnly, childOf, malformed, textOf, type XmlElement } from '../xml/parser.ts';
import { element } from '../xml/writer.ts';
import type { ConfigurationForm } from './form.ts';

/*
 * A bucket as a website (https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutBucketWebsite.html). What becomes part of an answer's Location is checked
 * here, once, so that no configuration can end a header.
 */

type Protocol = 'http' | 'https';

/** Where a request is sent instead; what is left out stays as it was asked. */
export interface Redirect {
  readonly protocol: Protocol | undefined;
  readonly host: string | undefined;
  readonly status: number | undefined;
  readonly replaceKey: string | undefined;
  readonly replacePrefix: string | undefined;
}

export interface RoutingRule {
  /** Both must fit; with neither the rule always does. */
  readonly status: number | undefined;
  readonly prefix: string | undefined;
  readonly redirect: Redirect;
}

export type Website =
  | { readonly kind: 'redirect'; readonly host: string; readonly protocol: Protocol | undefined }
  | {
      readonly kind: 'site';
      readonly index: string;
      readonly error: string | undefined;
      readonly rules: readonly RoutingRule[];
    };

const redirectCodes = [301, 302, 303, 304, 305, 307, 308];
/** A host, and a port behind it if need be. */
const hostForm = /^[A-Za-z0-9](?:[A-Za-z0-9.-]{0,251}[A-Za-z0-9])?(?::[0-9]{1,5})?$/;

const invalid = (message: string): StoreError => new StoreError('InvalidRequest', { message });

function protocolOf(parent: XmlElement): Protocol | undefined {
  const text = textOf(parent, 'Protocol')?.trim();
  if (text === undefined || text === 'http' || text === 'https') return text;
  throw invalid(
    'Invalid protocol, protocol can be http or https. If not defined the protocol will be selected automatically.',
  );
}

function hostOf(parent: XmlElement): string | undefined {
  const text = textOf(parent, 'HostName')?.trim();
  if (text !== undefined && !hostForm.test(text))
    throw invalid(`The host name "${text}" is not valid: write it like www.example.com.`);
  return text;
}

function keyOf(parent: XmlElement, name: string, least: 0 | 1): string | undefined {
  const text = textOf(parent, name);
  if (text === undefined) return undefined;
  const bytes = Buffer.byteLength(text);
  if (bytes < least || bytes > limits.keyBytes)
    throw invalidArgument(name, text, `${name} has ${least} to ${limits.keyBytes} bytes.`);
  return text;
}

function statusOf(parent: XmlElement, name: string, isValid: (code: number) => boolean, valid: string) {
  const text = textOf(parent, name)?.trim();
  if (text === undefined) return undefined;
  const code = /^[0-9]{3}$/.test(text) ? Number(text) : 0;
  if (isValid(code)) return code;
  const what = name === 'HttpRedirectCode' ? 'redirect' : 'error';
  throw invalid(`The provided HTTP ${what} code (${text}) is not valid. Valid codes are ${valid}.`);
}

function redirectOf(rule: XmlElement): Redirect {
  const redirect = childOf(rule, 'Redirect');
  if (!redirect || redirect.children.length === 0) throw malformed('A RoutingRule has a Redirect that says something.');
  allowOnly(redirect, ['HostName', 'HttpRedirectCode', 'Protocol', 'ReplaceKeyPrefixWith', 'ReplaceKeyWith']);
  const replaceKey = keyOf(redirect, 'ReplaceKeyWith', 0);
  const replacePrefix = keyOf(redirect, 'ReplaceKeyPrefixWith', 0);
  if (replaceKey !== undefined && replacePrefix !== undefined)
    throw invalid('You can only define ReplaceKeyPrefix or ReplaceKey but not both.');
  const isRedirect = (code: number) => redirectCodes.includes(code);
  return {
    protocol: protocolOf(redirect),
    host: hostOf(redirect),
    status: statusOf(redirect, 'HttpRedirectCode', isRedirect, '3XX except 300'),
    replaceKey,
    replacePrefix,
  };
}

function ruleOf(rule: XmlElement): RoutingRule {
  if (rule.name !== 'RoutingRule') throw malformed(`The element ${rule.name} is not known here.`);
  allowOnly(rule, ['Condition', 'Redirect']);
  const condition = childOf(rule, 'Condition');
  if (condition) allowOnly(condition, ['HttpErrorCodeReturnedEquals', 'KeyPrefixEquals']);
  if (condition?.children.length === 0)
    throw invalid(
      "Condition cannot be empty. To redirect all requests without a condition, the condition element shouldn't be present.",
    );
  const isError = (code: number) => code >= 400 && code < 600;
  return {
    status: condition && statusOf(condition, 'HttpErrorCodeReturnedEquals', isError, '4XX or 5XX'),
    prefix: condition && keyOf(condition, 'KeyPrefixEquals', 0),
    redirect: redirectOf(rule),
  };
}

function siteOf(document: XmlElement): Website {
  const index = childOf(document, 'IndexDocument');
  if (!index)
    throw invalidArgument(
      'IndexDocument',
      undefined,
      'A value for IndexDocument Suffix must be provided if RedirectAllRequestsTo is empty',
    );
  allowOnly(index, ['Suffix']);
  const suffix = textOf(index, 'Suffix');
  if (suffix === undefined || suffix === '' || suffix.includes('/') || Buffer.byteLength(suffix) > limits.keyBytes)
    throw invalidArgument('IndexDocument', suffix, 'The IndexDocument Suffix is not well formed');
  const error = childOf(document, 'ErrorDocument');
  if (error) allowOnly(error, ['Key']);
  const key = error && keyOf(error, 'Key', 1);
  if (error && key === undefined) throw malformed('An ErrorDocument has a Key.');
  const rules = childOf(document, 'RoutingRules')?.children ?? [];
  if (rules.length > limits.routingRules)
    throw invalid(
      `${rules.length} routing rules provided, the number of routing rules in a website configuration is limited to ${limits.routingRules}.`,
    );
  return { kind: 'site', index: suffix, error: key, rules: rules.map(ruleOf) };
}

const writeRule = ({ status, prefix, redirect }: RoutingRule): string => {
  const condition = element('HttpErrorCodeReturnedEquals', status) + element('KeyPrefixEquals', prefix);
  return `<RoutingRule>${condition && `<Condition>${condition}</Condition>`}<Redirect>${element('Protocol', redirect.protocol)}${element('HostName', redirect.host)}${element('ReplaceKeyPrefixWith', redirect.replacePrefix)}${element('ReplaceKeyWith', redirect.replaceKey)}${element('HttpRedirectCode', redirect.status)}</Redirect></RoutingRule>`;
};

export const websiteForm: ConfigurationForm<Website> = {
  kind: 'website',
  root: 'WebsiteConfiguration',
  digest: 'required',
  unset: { error: 'NoSuchWebsiteConfiguration' },
  parse(document) {
    allowOnly(document, ['RedirectAllRequestsTo', 'IndexDocument', 'ErrorDocument', 'RoutingRules']);
    const all = childOf(document, 'RedirectAllRequestsTo');
    if (!all) return siteOf(document);
    if (document.children.length > 1)
      throw invalid(
        'RedirectAllRequestsTo cannot be provided in conjunction with other elements: leave those out, or it.',
      );
    allowOnly(all, ['HostName', 'Protocol']);
    const host = hostOf(all);
    if (host === undefined) throw malformed('RedirectAllRequestsTo has a HostName.');
    return { kind: 'redirect', host, protocol: protocolOf(all) };
  },
  write(site) {
    if (site.kind === 'redirect')
      return `<RedirectAllRequestsTo>${element('HostName', site.host)}${element('Protocol', site.protocol)}</RedirectAllRequestsTo>`;
    const error = site.error === undefined ? '' : `<ErrorDocument>${element('Key', site.error)}</ErrorDocument>`;
    const rules = site.rules.length === 0 ? '' : `<RoutingRules>${site.rules.map(writeRule).join('')}</RoutingRules>`;
    return `<IndexDocument>${element('Suffix', site.index)}</IndexDocument>${error}${rules}`;
  },
};
