export { readOutcome } from './conditions.ts';
export { etagText } from './etag.ts';
export { ReadHorizon } from './horizon.ts';
export { gukText, parseGuk, parseVersionId, uploadIdText, versionIdText } from './ids.ts';
export { BodyMemory } from './memory.ts';
export { namedPolicies, policiesSetting, preparePolicy } from './policy.ts';
export { createRecoder, type Recoder, type RecodeTotals } from './recode.ts';
export { createObjectService } from './service.ts';
export type {
  CopySource,
  Describing,
  Expected,
  Incoming,
  ObjectService,
  PutRequest,
  ReadResult,
  Slice,
  Stored,
  Tags,
} from './types.ts';
