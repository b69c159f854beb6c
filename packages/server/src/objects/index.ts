export { readOutcome } from './conditions.ts';
export { etagText } from './etag.ts';
export { gukText, parseGuk, parseVersionId, uploadIdText, versionIdText } from './ids.ts';
export { BodyMemory } from './memory.ts';
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
