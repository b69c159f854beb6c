export { openFragmentOwner } from './owner.ts';
export type { RebuildOptions, RebuildProgress } from './rebuild.ts';
export { IndexDamaged } from './recovery.ts';
export { slabsCutShort } from './short.ts';
export { slabsInUse } from './space.ts';
export { openFragmentStore } from './store.ts';
export type {
  Extent,
  FragmentId,
  FragmentOwner,
  FragmentRecord,
  FragmentStore,
  FragmentWriter,
  IndexAudit,
  IndexProblem,
  OpenFragmentOwner,
  RebuildReport,
  Window,
} from './types.ts';
