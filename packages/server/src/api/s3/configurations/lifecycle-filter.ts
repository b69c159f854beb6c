import { StoreError } from '../../../errors.ts';
import { limits } from '../../../limits.ts';
import type { RuleFilter } from '../../../objects/index.ts';
import { invalidArgument } from '../failure.ts';
import { allowOnly, childOf, malformed, textOf, type XmlElement } from '../xml/parser.ts';
import { element } from '../xml/writer.ts';

/* What a rule of a lifecycle is about: Filter, with one condition or And over several, or a Prefix of the rule itself, as the first form of these documents has it. */

const conditions = ['Prefix', 'Tag', 'ObjectSizeGreaterThan', 'ObjectSizeLessThan'];

function prefixOf(text: string | undefined): Buffer {
  const prefix = Buffer.from(text ?? '', 'utf8');
  if (prefix.length > limits.keyBytes)
    throw new StoreError('InvalidRequest', { message: `The maximum size of a prefix is ${limits.keyBytes}.` });
  return prefix;
}

function tagOf(tag: XmlElement): readonly [string, string] {
  allowOnly(tag, ['Key', 'Value']);
  const key = textOf(tag, 'Key');
  const value = textOf(tag, 'Value');
  if (key === undefined || value === undefined) throw malformed('A Tag has a Key and a Value.');
  if (key.length === 0 || key.length > limits.tagKeyChars)
    throw new StoreError('InvalidTag', { message: 'The TagKey you have provided is invalid' });
  if (value.length > limits.tagValueChars)
    throw new StoreError('InvalidTag', { message: 'The TagValue you have provided is invalid' });
  return [key, value];
}

function sizeOf(parent: XmlElement, name: string): number | undefined {
  const text = textOf(parent, name)?.trim();
  if (text === undefined) return undefined;
  if (!/^-?[0-9]{1,19}$/.test(text)) throw malformed(`${name} is a whole number of bytes.`);
  const size = Number(text);
  const least = name === 'ObjectSizeLessThan' ? 1 : 0;
  if (size < least || size > limits.objectBytes)
    throw invalidArgument(name, text, `'${name}' must be between ${least} and ${limits.objectBytes} bytes`);
  return size;
}

function conditionsOf(parent: XmlElement): RuleFilter {
  allowOnly(parent, conditions);
  const tags = parent.children.filter(({ name }) => name === 'Tag').map(tagOf);
  if (tags.length > limits.tags)
    throw new StoreError('InvalidRequest', { message: `A rule names ${limits.tags} tags at most.` });
  if (new Set(tags.map(([key]) => key)).size < tags.length)
    throw new StoreError('InvalidRequest', { message: 'Duplicate Tag Keys are not allowed.' });
  const sizeAbove = sizeOf(parent, 'ObjectSizeGreaterThan');
  const sizeBelow = sizeOf(parent, 'ObjectSizeLessThan');
  if (sizeAbove !== undefined && sizeBelow !== undefined && sizeAbove >= sizeBelow)
    throw new StoreError('InvalidRequest', {
      message: "'ObjectSizeLessThan' has to be a value greater than 'ObjectSizeGreaterThan'.",
    });
  return { prefix: prefixOf(textOf(parent, 'Prefix')), tags, sizeAbove, sizeBelow };
}

/** @throws StoreError MalformedXML where there is neither Filter nor Prefix, or both, or a Filter with more than one condition and no And */
export function filterOf(rule: XmlElement): RuleFilter {
  const filter = childOf(rule, 'Filter');
  const prefix = textOf(rule, 'Prefix');
  if (filter && prefix !== undefined) throw malformed('A Rule has a Filter or a Prefix, not both.');
  if (!filter) {
    if (prefix === undefined) throw malformed('A Rule has a Filter, which may be empty.');
    return { prefix: prefixOf(prefix), tags: [], sizeAbove: undefined, sizeBelow: undefined, form: 'bare' };
  }
  const and = childOf(filter, 'And');
  if (filter.children.length > 1) throw malformed('A Filter with more than one condition has them in And.');
  if (!and) return { ...conditionsOf(filter), ...(filter.children.length === 0 && ({ form: 'empty' } as const)) };
  if (and.children.length < 2) throw malformed('And has two conditions at least.');
  return conditionsOf(and);
}

const tagElement = ([key, value]: readonly [string, string]): string =>
  `<Tag>${element('Key', key)}${element('Value', value)}</Tag>`;

/** The same value is read from what it writes. */
export function writeFilter({ prefix, tags, sizeAbove, sizeBelow, form }: RuleFilter): string {
  const text = prefix.toString('utf8');
  if (form === 'empty') return '<Filter/>';
  if (form === 'bare') return element('Prefix', text);
  const parts = [
    ...tags.map(tagElement),
    ...(sizeAbove === undefined ? [] : [element('ObjectSizeGreaterThan', sizeAbove)]),
    ...(sizeBelow === undefined ? [] : [element('ObjectSizeLessThan', sizeBelow)]),
  ];
  if (text !== '' || parts.length === 0) parts.unshift(element('Prefix', text));
  return parts.length === 1 ? `<Filter>${parts[0]}</Filter>` : `<Filter><And>${parts.join('')}</And></Filter>`;
}

/** The filter as AWS names it in messages. */
export function filterText({ prefix, tags, sizeAbove, sizeBelow }: RuleFilter): string {
  const parts = [
    ...tags.map(([key, value]) => `tag={key=${key}, value=${value}}`),
    ...(sizeAbove === undefined ? [] : [`objectsizegreaterthan=${sizeAbove}`]),
    ...(sizeBelow === undefined ? [] : [`objectsizelessthan=${sizeBelow}`]),
  ];
  if (prefix.length > 0 || parts.length === 0) parts.unshift(`prefix=${prefix.toString('utf8')}`);
  return `'(${parts.join(' and ')})'`;
}
