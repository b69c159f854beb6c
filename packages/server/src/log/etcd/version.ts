import { StoreError } from '../../errors.ts';

/** The first version of each line whose linearizable reads are never stale. */
const sound: Readonly<Record<string, number>> = { '3.4': 42, '3.5': 28, '3.6': 9 };

/** Where a sound one is found: packages of distributions are often older (Debian 12 has 3.4.23). */
export const etcdReleases = 'https://github.com/etcd-io/etcd/releases';

/** What is wrong with a version of etcd, or undefined. Lines after the last known one are taken to be sound. */
export function versionFault(version: string): string | undefined {
  const [major, minor, patch] = version.split('.').map((part) => Number.parseInt(part, 10));
  if (major === undefined || minor === undefined || patch === undefined || Number.isNaN(major + minor + patch))
    return `its version ${JSON.stringify(version)} cannot be read`;
  if (major > 3 || (major === 3 && minor > 6)) return undefined;
  const least = sound[`${major}.${minor}`];
  if (least !== undefined && patch >= least) return undefined;
  const wanted = least === undefined ? '3.4.42, 3.5.28 or 3.6.9' : `${major}.${minor}.${least}`;
  return `it is version ${version}, whose reads can be stale: install etcd ${wanted} or later (${etcdReleases})`;
}

/** Throws ServiceUnavailable when a member must not be used. */
export function refuseOld(endpoint: string, version: string): void {
  const fault = versionFault(version);
  if (fault === undefined) return;
  throw new StoreError('ServiceUnavailable', { message: `etcd at ${endpoint} is refused: ${fault}.` });
}
