export { type Announcer, announcing } from './announce.ts';
export { archivedError, archiveNames, archivesOf, type RestoreDelays } from './archive.ts';
export { mayKeep } from './checksums.ts';
export { checkRead, readOutcome } from './conditions.ts';
export type { CustomerKey } from './encryption.ts';
export { etagOfParts, etagText } from './etag.ts';
export { ReadHorizon } from './horizon.ts';
export { gukText, isVersionId, parseGuk, parseVersionId, uploadIdText, versionIdText } from './ids.ts';
export { type KmsAdministration, type KmsChoice, kmsKeyArn } from './kms.ts';
export type { LifecycleCounts, LifecycleDone } from './lifecycle/act.ts';
export { transitionClasses, waterfallRank } from './lifecycle/classes.ts';
export { type CompiledLifecycle, compileLifecycle } from './lifecycle/compile.ts';
export { abortionOf, expirationOf } from './lifecycle/evaluate.ts';
export { createLifecyclePass, type LifecyclePass, type PassReport, type SurveyedAction } from './lifecycle/pass.ts';
export { type PlaceMemory, parsePlaces, writePlaces } from './lifecycle/place.ts';
export type { Lifecycle, LifecycleRule, RuleFilter, TransitionMinimum, When } from './lifecycle/rules.ts';
export { listingStart } from './listing.ts';
export { BodyMemory } from './memory.ts';
export { namedPolicies, policiesSetting, preparePolicy } from './policy.ts';
export { createRecoder, type Recoder, type RecodeTotals } from './recode.ts';
export { createObjectService } from './service.ts';
export type {
  CopySource,
  Describing,
  Expected,
  Incoming,
  Lock,
  ObjectListQuery,
  ObjectService,
  Outgoing,
  PutRequest,
  ReadRequest,
  ReadResult,
  Slice,
  Stored,
  Tags,
} from './types.ts';
