/* One HTTP worker: a thread that accepts connections and serves requests by itself, asking the owner's thread only for decisions. */
import { type MessagePort, parentPort } from 'node:worker_threads';
import { fileVolume } from '../device/index.ts';
import { realHost } from '../host/index.ts';
import { invariant } from '../invariant.ts';
import { openKeyring } from '../keys/index.ts';
import { openKvReader } from '../kv/index.ts';
import type { AccessKeyRecord } from '../metadata/index.ts';
import { type ClusterThreads, openThreadLinks } from './cluster/threads.ts';
import type { StoppedDevices } from './conditions.ts';
import type { Config } from './config.ts';
import { createListener } from './listener.ts';
import type { ConnectionShare } from './open-files.ts';
import { connect, type Link, type Methods } from './port.ts';
import { remoteFragmentOwner, remoteGate, remoteOwner, remoteProposer, type WorkerMethods } from './protocol.ts';
import type { DeviceSite } from './sites.ts';
import { openThread } from './thread.ts';
import type { TlsMaterial } from './tls/material.ts';

/** What a worker is told once the store is open. */
export interface WorkerData {
  readonly config: Config;
  readonly host: string;
  readonly port: number;
  /** The KV of each shard's replica, by number: its folder, and its counts of commits. */
  readonly kvs: readonly { readonly directory: string; readonly counts: Int32Array }[];
  readonly keys: string;
  readonly sites: readonly DeviceSite[];
  /** Counts of commits of the fragment index of each device. */
  readonly indexCounts: ReadonlyMap<string, Int32Array>;
  readonly stopped: StoppedDevices;
  /** Root key given by the environment: never stored. */
  readonly root: AccessKeyRecord | undefined;
  readonly cacheBytes: number;
  readonly version: string;
  /** What HTTPS is spoken with; absent: HTTP. */
  readonly tls: TlsMaterial | undefined;
  readonly connections: ConnectionShare;
  /** Absent: this server is alone. */
  readonly cluster?: ClusterThreads;
  readonly worker: number;
  /** Where the threads of this process count what was used of limits. */
  readonly rates: SharedArrayBuffer;
  readonly owner: MessagePort;
}

/** Errors of the program itself end the process: the owner's thread hears of them and stops it. */
function fatal(cause: unknown): void {
  queueMicrotask(() => {
    throw cause;
  });
}

/** @returns what has this thread read a shard more */
export async function runWorker(data: WorkerData): Promise<(kv: WorkerData['kvs'][number]) => void> {
  const host = realHost();
  let methods: WorkerMethods | undefined;
  const link: Link = connect(
    data.owner,
    new Proxy({} as Methods, { get: (_, name: string) => (methods as unknown as Methods | undefined)?.[name] }),
    host.timers,
    fatal,
  );
  const keyring = await openKeyring({ volume: fileVolume(data.keys), host, create: false });
  const proposer = remoteProposer(link);
  const { cluster } = data;
  const gate = remoteGate(link);
  const linkFailed = (cause: unknown) => void link.call('linkFailed', String(cause)).catch(() => {});
  const thread = await openThread({
    host,
    kvs: data.kvs.map(({ directory, counts }) => openKvReader({ directory, host, counts })),
    sites: data.sites,
    indexCounts: data.indexCounts,
    stopped: data.stopped,
    proposer,
    fragmentOwner: (device) => remoteFragmentOwner(link, device),
    keyService: keyring,
    cacheBytes: data.cacheBytes,
    plain: data.config.encryption === 'off',
    ...(cluster && {
      cluster: { node: cluster.node, transport: await openThreadLinks(cluster.folder, host, linkFailed), gate },
    }),
    onDamage: (report) => void link.call('damage', report).catch(() => {}),
    // What does not arrive is found by the look through all stripes at the next start.
    onMissed: (stripe, group, copy) => void link.call('missed', { stripe, group, copy }).catch(() => {}),
    layOut: (redundancy) => link.call<void>('layOut', redundancy),
    repair: (stripe, group, copy, cause) =>
      link.call<boolean>('repair', { stripe, group: group.id, copy, cause }).catch(() => false),
  });
  // A Buffer arrives as a bare Uint8Array.
  const root = data.root && { ...data.root, sealedSecret: Buffer.from(data.root.sealedSecret) };
  const listener = createListener({
    ...data,
    root,
    thread,
    keyring,
    owner: remoteOwner(link),
    realHost: host,
    proposer,
    gate: cluster && { calls: gate, heard: cluster.heard },
  });
  methods = {
    listen: () => listener.listen(),
    renewTls: (material) => listener.renewTls(material),
    async rekey() {
      await keyring.refresh();
      await listener.rekey();
    },
    oldestRead: (shard) => thread.objects.oldestRead(shard),
    metrics: () => listener.metrics(),
    async drain(milliseconds) {
      await listener.drain(milliseconds);
      await thread.close();
    },
  };
  return ({ directory, counts }) => thread.addShard(openKvReader({ directory, host, counts }));
}

invariant(parentPort !== null, 'a worker runs in a thread of its own');
const parent = parentPort;
parent.once('message', (data: WorkerData) => {
  runWorker(data).then((openShard) => {
    parent.on('message', (kv: WorkerData['kvs'][number]) => {
      openShard(kv);
      parent.postMessage('open');
    });
    parent.postMessage('open');
  }, fatal);
});
parent.postMessage('loaded');
