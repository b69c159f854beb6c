/**
 * The rooms of the server in the order in which a request walks. A room may import rooms of later rows, and rooms of its own row as long as
 * no circle arises. Change ARCHITECTURE.md with it.
 */
export const rows: readonly (readonly string[])[] = [
  ['daemon'],
  ['cli', 'sources', 'replication', 'api'],
  ['access', 'notifications'],
  ['objects'],
  ['cache', 'durability', 'placement', 'metadata'],
  ['log', 'fragments', 'keys', 'transport', 'certificates'],
  ['kv'],
  ['device'],
  ['telemetry', 'codec', 'host'],
];

/** Modules beside the rooms, open to all. */
export const openModules: readonly string[] = [
  'errors.ts',
  'limits.ts',
  'invariant.ts',
  'fifo.ts',
  'cluster-limits.ts',
  'policy-limits.ts',
  'configuration-limits.ts',
  'connection-limits.ts',
  'identity-limits.ts',
  'notification-limits.ts',
  'request-limits.ts',
  'source-limits.ts',
];

export const rowOf = (room: string): number => rows.findIndex((row) => row.includes(room));
