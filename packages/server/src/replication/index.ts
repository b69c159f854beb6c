export { Replicator } from './replicator.ts';
export { type ResyncCounts, resync } from './resync.ts';
