export { KvDamaged } from './failures.ts';
export { Kept } from './kept.ts';
export { suspectKv } from './lives.ts';
export { type MemoryKv, memoryKv } from './memory.ts';
export { type KvOptions, openKv } from './owner.ts';
export { openKvReader } from './reader.ts';
export { replaceKv } from './replace.ts';
export { checkKvFile, type KvLook } from './structure.ts';
export type { Kv, KvChange, KvRange, KvReader, KvRow, KvSnapshot, KvStatistics, KvView, SharedKv } from './types.ts';
