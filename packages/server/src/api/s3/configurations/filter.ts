import { limits } from '../../../limits.ts';
import { invalidArgument, notImplemented } from '../failure.ts';
import { allowOnly, childOf, malformed, textOf, type XmlElement } from '../xml/parser.ts';
import { element } from '../xml/writer.ts';

/* Which objects of a bucket a configuration is about, as metrics, analytics and tiering say it: a prefix, a tag, or with And several of them. */

type Tag = readonly [key: string, value: string];

/** A prefix, tags, or both; an object must have all of them. */
export interface ObjectFilter {
  readonly prefix: string | undefined;
  readonly tags: readonly Tag[];
}

function tagOf(tag: XmlElement): Tag {
  allowOnly(tag, ['Key', 'Value']);
  const key = textOf(tag, 'Key');
  const value = textOf(tag, 'Value');
  if (key === undefined || value === undefined) throw malformed('A Tag has a Key and a Value.');
  if (key === '' || key.length > limits.tagKeyChars)
    throw invalidArgument('Key', key, `The key of a tag has 1 to ${limits.tagKeyChars} characters.`);
  if (value.length > limits.tagValueChars)
    throw invalidArgument('Value', value, `The value of a tag has ${limits.tagValueChars} characters at most.`);
  return [key, value];
}

function prefixOf(parent: XmlElement): string | undefined {
  const prefix = textOf(parent, 'Prefix');
  if (prefix !== undefined && Buffer.byteLength(prefix) > limits.keyBytes)
    throw invalidArgument('Prefix', prefix, `A prefix has ${limits.keyBytes} bytes at most.`);
  return prefix;
}

function severalOf(and: XmlElement): ObjectFilter {
  const prefix = prefixOf(and);
  const tags = and.children.filter((child) => child.name === 'Tag').map(tagOf);
  if (tags.length > limits.tags)
    throw invalidArgument('Tag', String(tags.length), `A filter names ${limits.tags} tags at most.`);
  if (new Set(tags.map(([key]) => key)).size < tags.length)
    throw invalidArgument('Tag', tags.map(([key]) => key).join(', '), 'A filter names each key of a tag once.');
  if (tags.length + (prefix === undefined ? 0 : 1) < 2) throw malformed('And has two conditions at least.');
  return { prefix, tags };
}

/** @param points whether this kind may be about an access point; there are none here, so such a filter is refused by name */
export function filterOf(parent: XmlElement, points = false): ObjectFilter | undefined {
  const filter = childOf(parent, 'Filter');
  if (!filter) return undefined;
  const names = ['Prefix', 'Tag', 'And', ...(points ? ['AccessPointArn'] : [])];
  allowOnly(filter, names);
  if (filter.children.length !== 1) throw malformed(`A Filter has one of ${names.join(', ')}.`);
  const and = childOf(filter, 'And');
  if (and) allowOnly(and, points ? ['Prefix', 'Tag', 'AccessPointArn'] : ['Prefix', 'Tag']);
  if (childOf(filter, 'AccessPointArn') || (and && childOf(and, 'AccessPointArn')))
    throw notImplemented('A filter by access point', { Element: 'AccessPointArn' });
  if (and) return severalOf(and);
  const tag = childOf(filter, 'Tag');
  return { prefix: prefixOf(filter), tags: tag ? [tagOf(tag)] : [] };
}

export function writeFilter(filter: ObjectFilter | undefined): string {
  if (!filter) return '';
  const { prefix, tags } = filter;
  const inner =
    element('Prefix', prefix) +
    tags.map(([key, value]) => `<Tag>${element('Key', key)}${element('Value', value)}</Tag>`).join('');
  const several = tags.length + (prefix === undefined ? 0 : 1) > 1;
  return `<Filter>${several ? `<And>${inner}</And>` : inner}</Filter>`;
}
