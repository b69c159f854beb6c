export type { LogLimits } from './embedded/log.ts';
export { type EmbeddedLogOptions, openEmbeddedLog } from './embedded/open.ts';
export type { EtcdTls } from './etcd/calls.ts';
export { connectEtcd, type EtcdOptions } from './etcd/client.ts';
export type { LogBounds } from './etcd/log.ts';
export { type EtcdLogOptions, openEtcdLog } from './etcd/open.ts';
export type { Etcd } from './etcd/types.ts';
export type { LogOwner, OwnedLog, SharedLog } from './shared.ts';
export type { Follower, Log, LogEntry, Position } from './types.ts';
