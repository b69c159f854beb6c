import type { IncomingHttpHeaders } from 'node:http';
import { StoreError } from '../../../errors.ts';
import { limits } from '../../../limits.ts';
import { encodeHeader } from '../../http/header-text.ts';
import type { Form } from '../../http/multipart-form.ts';
import { invalidArgument } from '../failure.ts';
import { tagsOfDocument } from '../tags.ts';
import { parseXml } from '../xml/parser.ts';

/* The fields of a form, by their names in lower case; and those that say what a PUT says in headers. */

const placeholder = '${filename}';

/**
 * @param bucket the one that the form was sent to: a field of that name must say the same
 * @throws StoreError MalformedPOSTRequest, AccessDenied, UserKeyMustBeSpecified, IncorrectNumberOfFilesInPostRequest
 */
export function fieldsOf({ fields, file }: Form, bucket: string): ReadonlyMap<string, string> {
  const found = new Map<string, string>();
  for (const { name, value } of fields) {
    const lower = name.toLowerCase();
    if (found.has(lower))
      throw new StoreError('MalformedPOSTRequest', { message: `The form has the field ${lower} more than once.` });
    found.set(
      lower,
      value.replaceAll(placeholder, () => file?.name ?? ''),
    );
  }
  if (!file) throw new StoreError('IncorrectNumberOfFilesInPostRequest');
  if (!found.has('key')) throw new StoreError('UserKeyMustBeSpecified', { detail: { ArgumentName: 'key' } });
  if (found.get('key') === '') throw invalidArgument('key', '', 'User key must have a length greater than 0.');
  if ((found.get('bucket') ?? bucket) !== bucket)
    throw new StoreError('AccessDenied', {
      message: 'The field bucket names another bucket than the form was sent to.',
    });
  return found.set('bucket', bucket);
}

/** Fields that are headers of an object by their own names. */
const described = [
  'cache-control',
  'content-type',
  'content-disposition',
  'content-encoding',
  'content-language',
  'expires',
];
/** Fields about the signature, and headers of a body that was framed otherwise. */
const others = [
  'algorithm',
  'credential',
  'date',
  'signature',
  'security-token',
  'trailer',
  'content-sha256',
  'decoded-content-length',
];
const dropped = new Set(others.map((name) => `x-amz-${name}`));

/** The XML that a field holds, as the header says it. @throws StoreError MalformedXML, InvalidTag */
function taggingOf(document: string): string {
  const parsed = parseXml(Buffer.from(document, 'utf8'));
  if (parsed.name !== 'Tagging')
    throw invalidArgument('tagging', document, 'The field tagging holds a Tagging document.');
  return tagsOfDocument(parsed, limits.tags)
    .map((pair) => pair.map(encodeURIComponent).join('='))
    .join('&');
}

/** What the fields say in headers of a PUT, in the form of the wire. @param own what came in headers already, of which only the host counts */
export function headersOfFields(fields: ReadonlyMap<string, string>, own: IncomingHttpHeaders): IncomingHttpHeaders {
  const headers: Record<string, string | undefined> = { host: own.host };
  for (const [name, value] of fields) {
    if (described.includes(name) || (name.startsWith('x-amz-') && !dropped.has(name)))
      headers[name] = encodeHeader(value);
  }
  const acl = fields.get('acl');
  if (acl !== undefined) headers['x-amz-acl'] = encodeHeader(acl);
  const tagging = fields.get('tagging');
  if (tagging !== undefined) headers['x-amz-tagging'] = taggingOf(tagging);
  return headers;
}
