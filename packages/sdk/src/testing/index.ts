/* What tests of programs that use the SDK may want: a store in memory, and edges whose time and dice are decided by the test. */
export { type ManualEdges, manualEdges } from './manual-edges.ts';
export type { MemoryStoreOptions, StoredVersion, StoreRequest } from './memory-state.ts';
export { MemoryStore } from './memory-store.ts';
