export { auditIndex } from './audit.ts';
export { openFragmentOwner } from './owner.ts';
export { openFragmentStore } from './store.ts';
export type {
  Extent,
  FragmentId,
  FragmentOwner,
  FragmentRecord,
  FragmentStore,
  FragmentWriter,
  OpenFragmentOwner,
  Window,
} from './types.ts';
