import { decodeHeader } from '../http/header-text.ts';
import { header, type S3Call } from './call.ts';
import { invalidArgument } from './failure.ts';
import { screenKey } from './screen.ts';

const name = 'x-amz-rename-source';

/** The key that is to get another name: percent-encoded, in the bucket of the request. */
export function renameSourceOf(call: S3Call): Buffer {
  const value = header(call, name);
  if (value === undefined || value === '')
    throw invalidArgument(name, value, `${name} names the key that is to get another name.`);
  let key: string;
  try {
    key = decodeURIComponent(decodeHeader(value));
  } catch {
    throw invalidArgument(name, value, 'The source of the rename is not percent-encoded UTF-8.');
  }
  const bytes = Buffer.from(key, 'utf8');
  screenKey(bytes);
  return bytes;
}
