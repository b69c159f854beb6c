import { invariant } from '../invariant.ts';
import { limits } from '../limits.ts';
import type { KvRange } from './types.ts';

export function checkKey(key: Uint8Array): void {
  invariant(key.length > 0 && key.length <= limits.kvKeyBytes, 'a key has 1 to limits.kvKeyBytes bytes');
}

export function checkRange(range: KvRange): void {
  invariant(range.start.length <= limits.kvKeyBytes, 'the start of a range is no longer than a key');
  invariant(range.end.length <= limits.kvKeyBytes, 'the end of a range is no longer than a key');
}
