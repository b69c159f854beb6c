import { isSealedBefore } from '../codec/index.ts';
import type { Host } from '../host/index.ts';
import type { StructuredLog } from '../telemetry/index.ts';
import { keyringsOf } from './cluster/keyrings.ts';
import { authorityContext } from './cluster/links.ts';
import { seldom } from './cluster/seldom.ts';
import { readAuthority, writeAuthority } from './cluster/state.ts';
import { folders } from './directories.ts';
import { keepMasterKey, type MasterKeyDuty } from './master-key.ts';
import type { Owner } from './owner.ts';
import { sealedAnew } from './sealed-rows.ts';

export interface Rotating extends Pick<MasterKeyDuty, 'progress' | 'stop'> {
  /** What an operator asks. */
  readonly methods: Readonly<Record<string, (argument: unknown) => unknown>>;
}

/** The authority of the cluster, as this node keeps it. */
function ownAuthority(owner: Pick<Owner, 'keyring' | 'roles'>) {
  const { keyring } = owner;
  const folder = folders.cluster(owner.roles.primary);
  return {
    hangs: (first: number) => isSealedBefore(readAuthority(folder), first),
    async reseal() {
      const before = readAuthority(folder);
      const anew = await sealedAnew(keyring, before, authorityContext);
      // A change of the authority may have put another one there meanwhile.
      if (readAuthority(folder).equals(before)) writeAuthority(folder, anew);
    },
  };
}

/** @param rekey has the other threads read the keyring again, and seal anew what they keep in memory */
export function startRotating(
  owner: Pick<Owner, 'metadata' | 'thread' | 'keyring' | 'cluster' | 'directories' | 'roles'>,
  host: Host,
  log: StructuredLog,
  rekey: () => Promise<void>,
): Rotating {
  const { keyring, cluster, thread } = owner;
  const neighbours = () => thread.network?.neighbours() ?? [];
  const failed = seldom(host.clock, (cause) =>
    log.warn('a rotation of the master key could not go on; it is tried again', { cause }),
  );
  const unreadable = seldom(host.clock, (what) =>
    log.error('what a master key sealed does not open; it hangs on its key for good', { what }),
  );
  const duty = keepMasterKey({
    metadata: owner.metadata,
    reader: owner.metadata.reader,
    keyring,
    host,
    node: cluster?.node,
    leads: () => cluster?.shard.leads ?? true,
    progressOf: (id) => neighbours().find((one) => one.id === id)?.state?.masterKey,
    files: () => keyringsOf(neighbours().flatMap(({ peer, state }) => (state ? [peer] : []))),
    ...(cluster && { own: ownAuthority(owner), latest: () => cluster.gate.latest({ bucket: '' }) }),
    async changed() {
      await rekey();
      owner.directories.record(owner.roles, keyring.fingerprint);
    },
    onEvent: ({ number, state }) =>
      log.info('this server has followed a rotation of the master key', { number, state }),
    onUnreadable: (kind, name, cause) => unreadable(`${kind} ${name}: ${cause instanceof Error ? cause.message : ''}`),
    onError: failed,
  });
  return {
    progress: duty.progress,
    stop: duty.stop,
    methods: {
      'masterKey.status': () => duty.status(),
      'masterKey.rotate': () => duty.rotate(),
      'masterKey.remove': (argument) =>
        duty.remove((argument as { endSessions?: boolean } | undefined)?.endSessions === true),
    },
  };
}
