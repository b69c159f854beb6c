export { type LostSlab, lostSlabs } from './lost.ts';
export { openFragmentOwner } from './owner.ts';
export type { RebuildOptions, RebuildProgress } from './rebuild.ts';
export { IndexDamaged } from './recovery.ts';
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
