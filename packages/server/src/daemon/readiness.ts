import type { Device, DeviceHealth } from '../device/index.ts';
import type { Timers } from '../host/index.ts';
import { limits } from '../limits.ts';
import type { Jobs } from './background.ts';
import { badCopiesText, lostCopiesText } from './bad-copies.ts';
import { badIndexText, badStateText } from './bad-states.ts';
import { clusterHealth } from './cluster/health.ts';
import { damagedLogText } from './damaged-log.ts';
import { lostText } from './lost-slabs.ts';
import type { Owner } from './owner.ts';
import type { OwnerMethods, Readiness } from './protocol.ts';
import type { TlsWatch } from './tls/watch.ts';

/** Space that is free within the slabs is room too, though the disk has none. */
async function condition(owner: Owner, device: Device): Promise<DeviceHealth> {
  const free = await device.capacity().then(
    (capacity) => capacity.free,
    () => 0,
  );
  if (owner.thread.conditions.health(device.identity) === 'stopped') return 'stopped';
  const reusable = owner.fragments.get(device.identity)?.statistics().reusableBytes ?? 0;
  return free + reusable >= 2 * limits.smallFragmentBytes ? 'good' : 'full';
}

/** What lacks for the metadata to survive the loss of any one directory. With one directory, that is so by choice; in a cluster other nodes have them. */
function mirrorTexts({ roles, missing, mirror, cluster }: Owner): string[] {
  if (cluster) return [];
  const { lost, whole, damaged } = mirror();
  if (lost !== undefined)
    return [`the log goes on without ${lost}, whose device failed: replace it, and start the server again`];
  if (roles.mirror === undefined)
    return missing.length > 0 ? ['the log, the metadata and the keys have no second copy'] : [];
  return [
    ...damaged.map(damagedLogText),
    ...(whole ? [] : [`the copy of the metadata in ${roles.mirror} is not whole yet`]),
  ];
}

/** Whether a write could be accepted now, and if not, every reason. */
export async function readiness(owner: Owner, jobs: Jobs, tls?: TlsWatch): Promise<Readiness> {
  const reasons: string[] = [];
  const stopped = owner.metadata.failure();
  if (stopped) reasons.push(`metadata: ${stopped}`);
  const lack = owner.space.lack;
  if (lack !== undefined) reasons.push(`metadata: ${lack}`);
  const health = await Promise.all(
    [...owner.thread.devices.values()].map(async (device) => ({
      identity: device.identity,
      health: await condition(owner, device),
    })),
  );
  const degraded = [...owner.missing.map((identity) => ({ identity, health: 'missing' })), ...health]
    .filter((device) => device.health !== 'good')
    .map((device) => `device ${device.identity} is ${device.health}`);
  const { cluster } = owner;
  if (cluster) {
    const others = clusterHealth(owner, cluster);
    reasons.push(...others.reasons);
    degraded.push(...others.degraded);
  } else if (!health.some((device) => device.health === 'good'))
    reasons.push(...health.map((device) => `device ${device.identity} is ${device.health}`));
  degraded.push(...mirrorTexts(owner));
  degraded.push(...(tls?.texts() ?? []));
  if (jobs.scrubbing()) degraded.push(...[...owner.lostSlabs].map(([device, lost]) => lostText(device, lost)));
  const bad = jobs.badCopies.list().length;
  if (bad > 0) degraded.push(badCopiesText(bad));
  degraded.push(...jobs.badStates.list().map(badStateText), ...jobs.badStates.indexes().map(badIndexText));
  const { waiting, lost, complete } = jobs.mender.totals();
  if (lost > 0) degraded.push(lostCopiesText(lost));
  if (waiting > lost) degraded.push(`${waiting - lost} copies are not written yet`);
  if (!complete) degraded.push('it is not known yet whether copies are missing');
  return { ready: reasons.length === 0, reasons, degraded };
}

/** The readiness as a serving thread answers it: where the owner's thread is silent, nothing is known, and that is no "nothing lacks". */
export async function askReadiness(owner: Pick<OwnerMethods, 'readiness'>, timers: Timers): Promise<Readiness> {
  const unknown = (reason: string): Readiness => ({
    ready: false,
    reasons: [reason],
    degraded: ['what lacks is not known: the owner of the log did not answer'],
  });
  const over = new AbortController();
  const late = timers
    .sleep(limits.readinessMs, over.signal)
    .then(() => unknown('the owner of the log does not answer'));
  return Promise.race([owner.readiness().catch((cause: Error) => unknown(cause.message)), late]).finally(() =>
    over.abort(),
  );
}
