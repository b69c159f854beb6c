export type { LogLimits } from './embedded/log.ts';
export { type EmbeddedLogOptions, openEmbeddedLog } from './embedded/open.ts';
export type { LogOwner, OwnedLog, SharedLog } from './shared.ts';
export type { AppendFate, SimulatedLogOptions } from './simulated/engine.ts';
export { type SimulatedClient, type SimulatedLog, simulatedLog } from './simulated/open.ts';
export type { Follower, Log, LogEntry, Position } from './types.ts';
