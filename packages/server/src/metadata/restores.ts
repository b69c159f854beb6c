import type { KvRow, KvView } from '../kv/index.ts';
import { keys, parse, tableStart } from './machine/keys.ts';
import { decodePlace } from './machine/rows.ts';
import type { DueRestore } from './types.ts';

const dueRestore = ({ key, value }: KvRow): DueRestore => ({ ...parse.restore(key), ...decodePlace(value) });

/**
 * Restores in one shard that are due at a moment (ms since 1970), the earliest first.
 * @throws CorruptionError
 */
export const dueRestores = (kv: Pick<KvView, 'range'>, nowMs: number, limit: number): DueRestore[] =>
  Array.from(kv.range({ start: tableStart('restores'), end: keys.restore(nowMs + 1, 0), limit }), dueRestore);
