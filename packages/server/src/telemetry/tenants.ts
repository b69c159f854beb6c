import type { Registry } from './registry.ts';

/** What one thread tells of a tenant now. */
interface TenantLoad {
  readonly name: string;
  readonly inWork: number;
  readonly waiting: number;
}

interface TenantMetrics {
  /** A request that was let in is over. */
  finished(tenant: string, bytesIn: number, bytesOut: number): void;
  /** One was refused because of a limit. */
  refused(tenant: string, limit: string): void;
}

/**
 * Figures of each tenant, by his account; `anonymous` are all requests without good credentials.
 * @param open connections of tenants that have a limit of them
 */
export function tenantMetrics(
  registry: Registry,
  load: () => readonly TenantLoad[],
  open: () => ReadonlyMap<string, number>,
): TenantMetrics {
  const requests = registry.counter('dsom_tenant_requests_total', 'Requests answered, by tenant.', ['tenant']);
  const bytes = registry.counter('dsom_tenant_bytes_total', 'Bytes of request and response bodies, by tenant.', [
    'tenant',
    'direction',
  ]);
  const refused = registry.counter('dsom_tenant_refused_total', 'Requests refused because of a limit (SlowDown).', [
    'tenant',
    'limit',
  ]);
  const inWork = registry.gauge('dsom_tenant_requests_in_work', 'Requests in work, by tenant.', ['tenant']);
  const waiting = registry.gauge('dsom_tenant_requests_waiting', 'Requests that wait for their turn, by tenant.', [
    'tenant',
  ]);
  const connections = registry.gauge(
    'dsom_tenant_connections',
    'Open connections, by tenant, of those that have a limit of them.',
    ['tenant'],
  );
  registry.refresh(() => {
    connections.clear();
    for (const [tenant, count] of open()) connections.add(connections.at(tenant), count);
    inWork.clear();
    waiting.clear();
    for (const one of load()) {
      inWork.add(inWork.at(one.name), one.inWork);
      waiting.add(waiting.at(one.name), one.waiting);
    }
  });
  return {
    finished(tenant, bytesIn, bytesOut) {
      requests.add(requests.at(tenant));
      if (bytesIn > 0) bytes.add(bytes.at(tenant, 'in'), bytesIn);
      if (bytesOut > 0) bytes.add(bytes.at(tenant, 'out'), bytesOut);
    },
    refused: (tenant, limit) => refused.add(refused.at(tenant, limit)),
  };
}
