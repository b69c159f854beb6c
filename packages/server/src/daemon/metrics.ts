import { readFileSync } from 'node:fs';
import { limits } from '../limits.ts';
import {
  createRegistry,
  expose,
  mergeSnapshots,
  type RegistrySnapshot,
  type ServerState,
  serverMetrics,
} from '../telemetry/index.ts';
import { accessLogMetrics } from './access-logs.ts';
import type { Jobs } from './background.ts';
import type { LifecycleStatus } from './lifecycle.ts';
import { notificationMetrics } from './notifying.ts';
import type { Owner } from './owner.ts';
import { quotaMetrics } from './quotas.ts';
import { type TlsWatch, tlsMetrics } from './tls/watch.ts';

/** Private (anonymous) memory of this process in bytes, where the system tells. */
function privateBytes(): number | undefined {
  try {
    const found = /RssAnon:\s+(\d+) kB/.exec(readFileSync('/proc/self/status', 'utf8'));
    return found ? Number(found[1]) * 1024 : undefined;
  } catch {
    return undefined;
  }
}

function lifecycleState({ totals, last }: LifecycleStatus, nowMs: number): ServerState['lifecycle'] {
  const { versions, bytes, changed, refused, failed, uploads: _, ...done } = totals;
  const ageSeconds = last?.endedMs === undefined ? undefined : (nowMs - last.endedMs) / 1000;
  return { versions, bytes, done, left: { changed, refused, failed }, ageSeconds };
}

/** Gathers the figures of every thread into one Prometheus text. */
export function createServerMetrics(
  owner: Owner,
  jobs: Jobs,
  now: () => number,
  tls: TlsWatch | undefined,
  serving: () => Promise<readonly RegistrySnapshot[]>,
): () => Promise<string> {
  const registry = createRegistry();
  let devices: ServerState['devices'] = [];
  serverMetrics(registry, () => {
    const last = jobs.scrub.lastFullMs();
    const { rows: _, ...collected } = jobs.collector.totals();
    const copies = jobs.mender.totals();
    return {
      log: { position: owner.metadata.reader.position(), bytes: owner.log.bytes, mirrored: owner.mirror().whole },
      devices,
      garbage: {
        rows: owner.metadata.reader.garbage(limits.listPage).length,
        fragments: collected.fragments,
        bytes: collected.bytes,
      },
      copies: {
        ...copies,
        damaged: jobs.badCopies.list().length + copies.lost,
        damagedMetadata: jobs.badStates.list().length,
        damagedIndexes: jobs.badStates.indexes().length,
      },
      recode: jobs.recoding.status(),
      lifecycle: lifecycleState(jobs.lifecycle.status(), now()),
      scrub: {
        ageSeconds: last === undefined ? undefined : (now() - last) / 1000,
        running: jobs.scrubbing(),
        bytes: jobs.scrub.progress().bytes,
      },
      memory: { residentBytes: process.memoryUsage.rss(), privateBytes: privateBytes() },
    };
  });
  notificationMetrics(registry, () => jobs.notifying.status());
  accessLogMetrics(registry, () => jobs.accessLog.totals());
  quotaMetrics(registry, owner.metadata.reader);
  if (tls) tlsMetrics(registry, tls, now);
  return async () => {
    devices = await Promise.all(
      [...owner.thread.devices.values()].map(async (device) => {
        // One that does not answer is what the figures are read for.
        const { total, free } = await device.capacity().catch(() => ({ total: 0, free: 0 }));
        const health = owner.thread.conditions.health(device.identity) ?? 'missing';
        return { identity: device.identity, health, totalBytes: total, freeBytes: free };
      }),
    );
    const away = owner.missing.map((identity) => ({ identity, health: 'missing', totalBytes: 0, freeBytes: 0 }));
    devices = [...devices, ...away];
    return expose(mergeSnapshots([registry.snapshot(), ...(await serving())]));
  };
}
