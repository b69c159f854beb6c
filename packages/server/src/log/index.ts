export type { LogSide } from './embedded/examine.ts';
export type { LogLimits } from './embedded/log.ts';
export {
  type DamagedSegment,
  LogCopies,
  type MirrorEvent,
  type MirroredLog,
  type MirroredLogOptions,
} from './embedded/mirrored.ts';
export { LogsApart } from './embedded/newest.ts';
export { type EmbeddedLogOptions, openEmbeddedLog } from './embedded/open.ts';
export type { EtcdTls } from './etcd/calls.ts';
export { connectEtcd, type EtcdOptions } from './etcd/client.ts';
export type { LogBounds } from './etcd/log.ts';
export {
  checkEtcdProgram,
  type MemberOptions,
  type MemberTls,
  type RunningMember,
  startMember,
} from './etcd/member.ts';
export { addMember, moveMember, promoteMember, removeMember } from './etcd/membership.ts';
export { type EtcdLogOptions, forgetReplica, hasEtcdLog, openEtcdLog } from './etcd/open.ts';
export { type Etcd, EtcdError } from './etcd/types.ts';
export type { LogOwner, OwnedLog, SharedLog } from './shared.ts';
export type { AppendFate, SimulatedLogOptions } from './simulated/engine.ts';
export { type SimulatedClient, type SimulatedLog, simulatedLog } from './simulated/open.ts';
export type { Follower, Log, LogEntry, Position } from './types.ts';
