import { digestOf } from '../../../codec/index.ts';
import { StoreError } from '../../../errors.ts';
import { limits } from '../../../limits.ts';
import type { Lifecycle, LifecycleRule, TransitionMinimum, When } from '../../../objects/index.ts';
import { invalidArgument } from '../failure.ts';
import { allowOnly, childOf, malformed, textOf, type XmlElement } from '../xml/parser.ts';
import { element } from '../xml/writer.ts';
import type { ConfigurationForm } from './form.ts';
import { filterOf, filterText, writeFilter } from './lifecycle-filter.ts';
import { checkTimes } from './lifecycle-times.ts';

/*
 * The lifecycle of a bucket as S3 has it (https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutBucketLifecycleConfiguration.html). The document that is
 * kept has one element that no client may send: the minimum size for transitions, which comes and goes in a header.
 */

const minimumElement = 'TransitionDefaultMinimumObjectSize';
const minimums: readonly TransitionMinimum[] = ['all_storage_classes_128K', 'varies_by_storage_class'];
export const minimumHeader = 'x-amz-transition-default-minimum-object-size';

const ruleElements = [
  'ID',
  'Status',
  'Filter',
  'Prefix',
  'Expiration',
  'Transition',
  'NoncurrentVersionExpiration',
  'NoncurrentVersionTransition',
  'AbortIncompleteMultipartUpload',
];

/** A whole number of an element; undefined when it is not there. @throws StoreError MalformedXML at what is no number */
function numberOf(parent: XmlElement, name: string): number | undefined {
  const text = textOf(parent, name)?.trim();
  if (text === undefined) return undefined;
  if (!/^[+-]?[0-9]{1,10}$/.test(text)) throw malformed(`${name} is a whole number.`);
  const number = Number(text);
  if (Math.abs(number) > limits.lifecycleDays) throw malformed(`${name} is at most ${limits.lifecycleDays}.`);
  return number;
}

function positive(parent: XmlElement, name: string, action: string): number {
  const number = numberOf(parent, name);
  if (number === undefined) throw malformed(`${action} has ${name}.`);
  if (number < 1)
    throw invalidArgument(name, String(number), `'${name}' for ${action} action must be a positive integer`);
  return number;
}

const dateForm = /^(\d{4})-(\d\d)-(\d\d)(?:T(\d\d):(\d\d)(?::(\d\d)(?:\.\d+)?)?(Z|[+-]\d\d:\d\d)?)?$/;

/** @returns ms since 1970, or undefined when it is not there */
function dateOf(parent: XmlElement): number | undefined {
  const text = textOf(parent, 'Date')?.trim();
  if (text === undefined) return undefined;
  const form = dateForm.exec(text);
  const zone = form?.[4] === undefined ? '' : (form[7] ?? 'Z');
  const at = form ? Date.parse(form[7] === undefined ? `${text}${zone}` : text) : Number.NaN;
  if (Number.isNaN(at) || at < 0) throw malformed('Date is in ISO 8601 format, at midnight GMT: 2030-01-31T00:00:00Z.');
  if (at % 86_400_000 !== 0) throw invalidArgument('Date', text, "'Date' must be at midnight GMT");
  return at;
}

function expirationOf(rule: XmlElement, filter: LifecycleRule['filter']): LifecycleRule['expiration'] {
  const found = childOf(rule, 'Expiration');
  if (!found) return undefined;
  allowOnly(found, ['Days', 'Date', 'ExpiredObjectDeleteMarker']);
  if (found.children.length !== 1) throw malformed('Expiration has one of Days, Date, ExpiredObjectDeleteMarker.');
  const marker = textOf(found, 'ExpiredObjectDeleteMarker')?.trim();
  if (marker !== undefined) {
    if (marker !== 'true' && marker !== 'false') throw malformed('ExpiredObjectDeleteMarker is true or false.');
    refuseWith(filter, 'ExpiredObjectDeleteMarker');
    return marker === 'true' ? 'marker' : 'none';
  }
  const dateMs = dateOf(found);
  return dateMs === undefined ? { days: positive(found, 'Days', 'Expiration') } : { dateMs };
}

/** Two actions are about what has neither tags nor a size. */
function refuseWith({ tags, sizeAbove, sizeBelow }: LifecycleRule['filter'], what: string): void {
  const with_ =
    tags.length > 0 ? 'Tags' : sizeAbove !== undefined || sizeBelow !== undefined ? 'Object Size' : undefined;
  if (with_ !== undefined)
    throw new StoreError('InvalidRequest', { message: `${what} cannot be specified with ${with_}.` });
}

function classOf(parent: XmlElement): string {
  const name = textOf(parent, 'StorageClass')?.trim();
  if (name === undefined || name === '') throw malformed(`${parent.name} has a StorageClass.`);
  return name;
}

function whenOf(transition: XmlElement): When {
  allowOnly(transition, ['Days', 'Date', 'StorageClass']);
  const dateMs = dateOf(transition);
  const days = numberOf(transition, 'Days');
  if (dateMs !== undefined && days !== undefined) throw malformed('Transition has Days or Date, not both.');
  if (dateMs !== undefined) return { dateMs };
  if (days === undefined) throw malformed('Transition has Days or Date.');
  if (days < 0) throw invalidArgument('Days', String(days), "'Days' in Transition action must be nonnegative");
  return { days };
}

function newerOf(parent: XmlElement): number {
  const newer = numberOf(parent, 'NewerNoncurrentVersions');
  if (newer === undefined) return 0;
  if (newer >= 1 && newer <= limits.lifecycleNewer) return newer;
  throw invalidArgument(
    'NewerNoncurrentVersions',
    String(newer),
    `'NewerNoncurrentVersions' for ${parent.name} action must be between 1 and ${limits.lifecycleNewer}`,
  );
}

function noncurrentExpirationOf(rule: XmlElement): LifecycleRule['noncurrentExpiration'] {
  const found = childOf(rule, 'NoncurrentVersionExpiration');
  if (!found) return undefined;
  allowOnly(found, ['NoncurrentDays', 'NewerNoncurrentVersions']);
  return { days: positive(found, 'NoncurrentDays', 'NoncurrentVersionExpiration'), newer: newerOf(found) };
}

function noncurrentTransitionOf(found: XmlElement): LifecycleRule['noncurrentTransitions'][number] {
  allowOnly(found, ['NoncurrentDays', 'NewerNoncurrentVersions', 'StorageClass']);
  const days = numberOf(found, 'NoncurrentDays');
  if (days === undefined) throw malformed('NoncurrentVersionTransition has NoncurrentDays.');
  if (days < 0)
    throw invalidArgument(
      'NoncurrentDays',
      String(days),
      "'NoncurrentDays' in NoncurrentVersionTransition action must be nonnegative",
    );
  return { days, newer: newerOf(found), storageClass: classOf(found) };
}

function abortOf(rule: XmlElement, filter: LifecycleRule['filter']): number | undefined {
  const found = childOf(rule, 'AbortIncompleteMultipartUpload');
  if (!found) return undefined;
  allowOnly(found, ['DaysAfterInitiation']);
  refuseWith(filter, 'AbortIncompleteMultipartUpload');
  return positive(found, 'DaysAfterInitiation', 'AbortIncompleteMultipartUpload');
}

/** A rule without an ID gets one, from what it says and where it stands. */
function idOf(rule: XmlElement, at: number): string {
  const id = textOf(rule, 'ID');
  if (id === undefined || id === '')
    return digestOf('SHA256', Buffer.from(`${at} ${JSON.stringify(rule)}`))
      .toString('base64url')
      .slice(0, 48);
  if (id.length > limits.lifecycleIdChars)
    throw invalidArgument('ID', id, `ID length should not exceed allowed limit of ${limits.lifecycleIdChars}`);
  return id;
}

function ruleOf(rule: XmlElement, at: number): LifecycleRule {
  if (rule.name !== 'Rule') throw malformed(`The element ${rule.name} is not known here.`);
  allowOnly(rule, ruleElements);
  const status = textOf(rule, 'Status')?.trim();
  if (status !== 'Enabled' && status !== 'Disabled') throw malformed('The Status of a Rule is Enabled or Disabled.');
  const filter = filterOf(rule);
  const all = (name: string) => rule.children.filter((child) => child.name === name);
  const parsed: LifecycleRule = {
    id: idOf(rule, at),
    enabled: status === 'Enabled',
    filter,
    expiration: expirationOf(rule, filter),
    transitions: all('Transition').map((one) => ({ when: whenOf(one), storageClass: classOf(one) })),
    noncurrentExpiration: noncurrentExpirationOf(rule),
    noncurrentTransitions: all('NoncurrentVersionTransition').map(noncurrentTransitionOf),
    abortDays: abortOf(rule, filter),
  };
  const says = ruleElements.slice(4).some((name) => all(name).length > 0);
  if (!says)
    throw new StoreError('InvalidRequest', { message: 'At least one action needs to be specified in a rule.' });
  checkTimes(parsed, filterText(filter));
  return parsed;
}

function checkRules(rules: readonly LifecycleRule[]): void {
  const ids = rules.map(({ id }) => id);
  const twice = ids.find((id, at) => ids.indexOf(id) !== at);
  if (twice !== undefined)
    throw invalidArgument('ID', twice, `Rule ID must be unique. Found same ID for more than one rule`);
  const bare = rules.filter(({ filter }) => filter.form === 'bare').length;
  if (bare > 0 && bare < rules.length)
    throw new StoreError('InvalidRequest', {
      message: 'Base level prefix cannot be used in Lifecycle V2, prefixes are only supported in the Filter.',
    });
}

/** @param text value of the header; undefined when it was not sent */
export function minimumOf(text: string | undefined): TransitionMinimum {
  if (text === undefined) return 'all_storage_classes_128K';
  const found = minimums.find((one) => one === text);
  if (found === undefined)
    throw invalidArgument(minimumHeader, text, `${minimumHeader} is one of ${minimums.join(', ')}.`);
  return found;
}

/** What a client sends: no minimum. */
export function parseRules(rules: readonly XmlElement[]): readonly LifecycleRule[] {
  if (rules.length === 0) throw malformed('A LifecycleConfiguration has at least one Rule.');
  if (rules.length > limits.lifecycleRules)
    throw new StoreError('InvalidRequest', {
      message: `The number of lifecycle rules must not exceed the allowed limit of ${limits.lifecycleRules} rules.`,
    });
  const parsed = rules.map(ruleOf);
  checkRules(parsed);
  return parsed;
}

function writeExpiration(expiration: LifecycleRule['expiration']): string {
  if (expiration === undefined) return '';
  if (typeof expiration === 'string')
    return `<Expiration>${element('ExpiredObjectDeleteMarker', expiration === 'marker')}</Expiration>`;
  return `<Expiration>${writeWhen(expiration)}</Expiration>`;
}

const writeWhen = (when: When): string =>
  'days' in when
    ? element('Days', when.days)
    : element('Date', new Date(when.dateMs).toISOString().replace('.000Z', 'Z'));

const writeNewer = (newer: number): string => (newer === 0 ? '' : element('NewerNoncurrentVersions', newer));

function writeRule(rule: LifecycleRule): string {
  const { id, enabled, filter, expiration, noncurrentExpiration: gone, abortDays } = rule;
  const parts = [
    element('ID', id),
    writeFilter(filter),
    element('Status', enabled ? 'Enabled' : 'Disabled'),
    ...rule.transitions.map(
      ({ when, storageClass }) => `<Transition>${writeWhen(when)}${element('StorageClass', storageClass)}</Transition>`,
    ),
    writeExpiration(expiration),
    ...rule.noncurrentTransitions.map(
      ({ days, newer, storageClass }) =>
        `<NoncurrentVersionTransition>${element('NoncurrentDays', days)}${writeNewer(newer)}${element('StorageClass', storageClass)}</NoncurrentVersionTransition>`,
    ),
    gone
      ? `<NoncurrentVersionExpiration>${element('NoncurrentDays', gone.days)}${writeNewer(gone.newer)}</NoncurrentVersionExpiration>`
      : '',
    abortDays === undefined
      ? ''
      : `<AbortIncompleteMultipartUpload>${element('DaysAfterInitiation', abortDays)}</AbortIncompleteMultipartUpload>`,
  ];
  return `<Rule>${parts.join('')}</Rule>`;
}

export const writeRules = (rules: readonly LifecycleRule[]): string => rules.map(writeRule).join('');

/** The document as it is kept. */
export const lifecycleForm: ConfigurationForm<Lifecycle> = {
  kind: 'lifecycle',
  root: 'LifecycleConfiguration',
  digest: 'required',
  unset: { error: 'NoSuchLifecycleConfiguration' },
  parse(document) {
    const minimum = minimumOf(textOf(document, minimumElement));
    return { minimum, rules: parseRules(document.children.filter(({ name }) => name !== minimumElement)) };
  },
  write: ({ minimum, rules }) => element(minimumElement, minimum) + writeRules(rules),
};
