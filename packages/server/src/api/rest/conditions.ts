import { StoreError } from '../../errors.ts';
import { limits } from '../../limits.ts';
import type { Guard } from '../../metadata/index.ts';
import type { RestCall } from './route.ts';

/** If-Match and its kin, as a precondition of a write or a read. */
export function guardOf(call: RestCall): Guard | undefined {
  const time = (name: string) => {
    const text = call.header(name);
    const ms = text === undefined ? Number.NaN : Date.parse(text);
    return Number.isNaN(ms) ? undefined : ms;
  };
  const [ifMatch, ifNoneMatch] = [call.header('if-match'), call.header('if-none-match')];
  const [since, unmodified] = [time('if-modified-since'), time('if-unmodified-since')];
  if (ifMatch === undefined && ifNoneMatch === undefined && since === undefined && unmodified === undefined)
    return undefined;
  return {
    ...(ifMatch !== undefined && { ifMatch }),
    ...(ifNoneMatch !== undefined && { ifNoneMatch }),
    ...(since !== undefined && { ifModifiedSinceMs: since }),
    ...(unmodified !== undefined && { ifUnmodifiedSinceMs: unmodified }),
  };
}

/** A key from the path, a query or JSON, as bytes. @throws StoreError KeyTooLongError, InvalidArgument for an empty one */
export function keyBytes(text: string): Buffer {
  const key = Buffer.from(text, 'utf8');
  if (key.length === 0) throw new StoreError('InvalidArgument', { message: 'The key is empty.' });
  if (key.length > limits.keyBytes)
    throw new StoreError('KeyTooLongError', {
      detail: { Size: String(key.length), MaxSizeAllowed: String(limits.keyBytes) },
    });
  return key;
}
