export {
  type AccessMap,
  DeviceUnreachable,
  type FragmentAccess,
  type FragmentLength,
  localAccess,
  type Removed,
} from './access.ts';
export { storedBytes, stripeOf } from './address.ts';
export { type Check, type CheckReport, crossCheck } from './check/check.ts';
export { type CheckedFile, type CheckedFiles, checkFiles } from './check/files.ts';
export type { FindingKind } from './check/findings.ts';
export type { CheckedStates, OpensInline } from './check/states.ts';
export type { DeviceCondition } from './create.ts';
export { type Collector, type CollectorReport, createCollector } from './jobs/collector.ts';
export { type Holding, holdingsOf } from './jobs/holdings.ts';
export { createLeftovers, type Leftovers, type LeftoverTotals } from './jobs/leftovers.ts';
export { createMender, type Mender, writingPhase } from './jobs/mend.ts';
export { Pace } from './jobs/pace.ts';
export { idlePhase, type JobProgress, ProgressMeter } from './jobs/progress.ts';
export { repeat } from './jobs/repeat.ts';
export { createScrub, type Scrub, type ScrubReport } from './jobs/scrub.ts';
export { fileScrubMemory, processScrubMemory, type ScrubMemory } from './jobs/scrub-memory.ts';
export { isExplained, removeStrays } from './jobs/strays.ts';
export { createUsedGroups } from './jobs/used-groups.ts';
export { remoteFragments, sweepRemote } from './remote/client.ts';
export { type FragmentServer, serveFragments } from './remote/serve.ts';
export { createRepairer, type RepairCause, type RepairFragment } from './repair.ts';
export { redundancyText, spareCount, writeQuorum } from './scheme.ts';
export { type OpenStripeStore, openStripeStore, type StripeStoreOptions } from './store.ts';
export type { DamageReport, StripeStore, StripeWriter } from './types.ts';
export { createWhereabouts } from './whereabouts.ts';
