export {
  type AccessMap,
  DeviceUnreachable,
  type FragmentAccess,
  type FragmentLength,
  localAccess,
  type Removed,
} from './access.ts';
export { stripeOf } from './address.ts';
export { type Check, type CheckReport, crossCheck } from './check/check.ts';
export type { FindingKind } from './check/findings.ts';
export type { DeviceCondition } from './create.ts';
export { type Collector, type CollectorReport, createCollector } from './jobs/collector.ts';
export { createMender, type Mender } from './jobs/mend.ts';
export { repeat } from './jobs/repeat.ts';
export { createScrub, type Scrub, type ScrubReport } from './jobs/scrub.ts';
export { fileScrubMemory, processScrubMemory, type ScrubMemory } from './jobs/scrub-memory.ts';
export { createRepairer, type RepairCause, type RepairFragment } from './repair.ts';
export { redundancyText } from './scheme.ts';
export { type OpenStripeStore, openStripeStore, type StripeStoreOptions } from './store.ts';
export type { DamageReport, StripeStore, StripeWriter } from './types.ts';
