import { StoreError } from '../../errors.ts';
import { limits } from '../../limits.ts';
import type { Tags } from '../../objects/index.ts';
import { invalidArgument } from './failure.ts';
import { allowOnly, childOf, malformed, textOf, type XmlElement } from './xml/parser.ts';
import { escapeXml, s3Document } from './xml/writer.ts';

const allowed = /^[\p{L}\p{Z}\p{N}_.:/=+\-@]*$/u;

function invalidTag(message: string, key: string): StoreError {
  return new StoreError('InvalidTag', { message, detail: { TagKey: key } });
}

/**
 * The rules for tags (https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-tagging.html).
 * @param maximum 10 for an object, 50 for a bucket
 */
function checkTags(tags: Tags, maximum: number): Tags {
  if (tags.length > maximum) {
    throw new StoreError('BadRequest', {
      message:
        maximum === limits.tags
          ? `Object tags cannot be greater than ${maximum}`
          : `Bucket tag count cannot be greater than ${maximum}`,
    });
  }
  const seen = new Set<string>();
  for (const [key, value] of tags) {
    if (key.length === 0 || key.length > limits.tagKeyChars || !allowed.test(key))
      throw invalidTag('A tag key is empty, too long, or holds a character that is not allowed.', key);
    if (value.length > limits.tagValueChars || !allowed.test(value))
      throw invalidTag('A tag value is too long or holds a character that is not allowed.', key);
    if (key.toLowerCase().startsWith('aws:'))
      throw invalidTag('Tag keys that begin with aws: are kept for the system.', key);
    if (seen.has(key)) throw invalidTag('A tag key is given more than once.', key);
    seen.add(key);
  }
  return tags;
}

const tagHeader = 'x-amz-tagging';

function decode(text: string, whole: string): string {
  try {
    return decodeURIComponent(text.replaceAll('+', ' '));
  } catch {
    throw invalidArgument(tagHeader, whole, 'The tags are not valid URL query parameters in UTF-8.');
  }
}

/** Tags from the header x-amz-tagging: URL query parameters. */
export function tagsOfHeader(value: string | undefined): Tags {
  if (value === undefined || value === '') return [];
  const tags: [string, string][] = [];
  for (const pair of value.split('&')) {
    if (pair === '') continue;
    const equals = pair.indexOf('=');
    const key = decode(equals < 0 ? pair : pair.slice(0, equals), value);
    if (tags.some(([other]) => other === key)) throw invalidArgument(tagHeader, value, 'The tags name one key twice.');
    tags.push([key, equals < 0 ? '' : decode(pair.slice(equals + 1), value)]);
  }
  return checkTags(tags, limits.tags);
}

/** Tags of a `TagSet` or, when creating a bucket, of `Tags`. */
export function tagsOfSet(set: XmlElement, maximum: number): Tags {
  allowOnly(set, ['Tag']);
  return checkTags(
    set.children.map((tag): [string, string] => {
      allowOnly(tag, ['Key', 'Value']);
      const key = textOf(tag, 'Key');
      const value = textOf(tag, 'Value');
      if (key === undefined || value === undefined) throw malformed('A tag has a key and a value.');
      return [key, value];
    }),
    maximum,
  );
}

/** Tags of a `Tagging` document. */
export function tagsOfDocument(root: XmlElement, maximum: number): Tags {
  allowOnly(root, ['TagSet']);
  const set = childOf(root, 'TagSet');
  if (!set) throw malformed('A Tagging document holds a TagSet.');
  return tagsOfSet(set, maximum);
}

export function taggingDocument(tags: Tags): string {
  const rows = tags.map(([key, value]) => `<Tag><Key>${escapeXml(key)}</Key><Value>${escapeXml(value)}</Value></Tag>`);
  return s3Document('Tagging', `<TagSet>${rows.join('')}</TagSet>`);
}
