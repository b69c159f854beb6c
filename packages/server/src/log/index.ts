export type { LogSide } from './embedded/examine.ts';
export type { LogLimits } from './embedded/log.ts';
export { LogCopies, type MirrorEvent, type MirroredLog, type MirroredLogOptions } from './embedded/mirrored.ts';
export { LogsApart } from './embedded/newest.ts';
export { type EmbeddedLogOptions, openEmbeddedLog } from './embedded/open.ts';
export type { LogOwner, OwnedLog, SharedLog } from './shared.ts';
export type { Follower, Log, LogEntry, Position } from './types.ts';
