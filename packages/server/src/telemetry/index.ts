export { expose, expositionType } from './exposition.ts';
export { mergeSnapshots } from './merge.ts';
export { type ServerState, serverMetrics, threadMetrics } from './metrics.ts';
export { createRegistry, type Registry, type RegistrySnapshot } from './registry.ts';
export { createLog, type LogLevel, logLevels, type StructuredLog } from './structured-log.ts';
export { tenantMetrics } from './tenants.ts';
