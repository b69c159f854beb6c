import type { AccessDeliveryOptions, AccessTotals } from '../api/index.ts';
import type { Host } from '../host/index.ts';
import type { ObjectService } from '../objects/index.ts';
import type { Registry, StructuredLog } from '../telemetry/index.ts';
import type { Config } from './config.ts';

/* How lines of access logs are delivered, whichever thread writes them, and how they are counted. */

export const accessDeliveryOf = (
  objects: ObjectService,
  config: Pick<Config, 'region' | 'accessLogSeconds'>,
  host: Host,
  log: Pick<StructuredLog, 'warn'>,
): AccessDeliveryOptions => ({
  objects,
  host,
  region: config.region,
  everyMs: config.accessLogSeconds * 1000,
  onFailure: (fields) => log.warn('lines of an access log could not be written and are lost', fields),
});

export function accessLogMetrics(registry: Registry, totals: () => AccessTotals): void {
  const logged = registry.counter('dsom_access_log_records_total', 'Lines of access logs, by what became of them.', [
    'outcome',
  ]);
  registry.refresh(() => {
    const { delivered, lost } = totals();
    logged.mirror(logged.at('delivered'), delivered);
    logged.mirror(logged.at('lost'), lost);
  });
}
