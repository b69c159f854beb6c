import { RateCounters, rateMemory } from '../access/index.ts';
import type { DamageReport } from '../durability/index.ts';
import { CorruptionError } from '../errors.ts';
import { type Host, realHost } from '../host/index.ts';
import { limits } from '../limits.ts';
import { createLog, type RegistrySnapshot, type StructuredLog } from '../telemetry/index.ts';
import { type Jobs, startJobs } from './background.ts';
import { BadCopies } from './bad-copies.ts';
import { BadStates } from './bad-states.ts';
import { bannerText, metadataTexts, notEncryptedText, shortDaysText } from './banner.ts';
import { claimPort } from './claim.ts';
import { giveUpWhenFull, notWrittenText } from './closing.ts';
import { findMembership } from './cluster/membership.ts';
import { seldom } from './cluster/seldom.ts';
import { oldestReadHere } from './collecting.ts';
import { type Config, parseAddress } from './config.ts';
import { folders } from './directories.ts';
import { rebuiltText } from './indexes.ts';
import { createListener, type Listener } from './listener.ts';
import { lostText } from './lost-slabs.ts';
import { ownerMethods } from './methods.ts';
import { createServerMetrics } from './metrics.ts';
import { connectionShare, fewFilesText, openFilesLimit } from './open-files.ts';
import { defaultCopies, openOwner } from './owner.ts';
import type { Methods } from './port.ts';
import { shareRates } from './rates.ts';
import { openRootKey } from './rootkey.ts';
import { openStarting, type Starting } from './starting.ts';
import { stopInOrder } from './stopping.ts';
import { copiesOver } from './thread.ts';
import { type TlsMaterial, tlsFilesOf } from './tls/material.ts';
import { claimRedirect, listenToRedirect } from './tls/redirect.ts';
import { endpointOf, type TlsWatch, watchTls } from './tls/watch.ts';
import { version } from './version.ts';
import { type SpawnedWorker, threadPlan, type WorkerLink } from './workers.ts';

export interface RunningServer {
  /** `http://host:port` of this server, or `https://…`. */
  readonly endpoint: string;
  /** Text for the operator: where, with what keys, what is kept. */
  readonly banner: string;
  /** Reads the files of certificates now. Resolves when what they hold is served, or was refused. */
  reload(): Promise<void>;
  /** Drains, checkpoints and closes. A second call waits for the first. */
  stop(): Promise<void>;
  /** Resolves when the server has ended by itself because of a failure it must not survive. */
  readonly failed: Promise<Error>;
}

/**
 * Starts the server: opens the store in this thread, then in the HTTP workers.
 * @param spawned as many as the thread plan says; the caller's to end when this rejects
 * @throws ConfigError, KeyringError and others whose messages say what to do; nothing is left open
 */
export async function startServer(config: Config, spawned: readonly SpawnedWorker[]): Promise<RunningServer> {
  const host = realHost();
  const log = createLog({
    clock: host.clock,
    level: config.logLevel,
    write: (line) => process.stderr.write(line),
  });
  let renew: (material: TlsMaterial) => Promise<void> = async () => {};
  const tlsFiles = tlsFilesOf(config);
  const tls = tlsFiles && (await watchTls({ files: tlsFiles, host, log, install: (material) => renew(material) }));
  const address = parseAddress(config.address);
  const port = await claimPort(address.host, address.port);
  const redirectAt = await claimRedirect(config.tlsRedirectAddress);
  const starting = await openStarting({ host, address: { host: address.host, port }, tls: tls?.material });
  try {
    return await serve(config, spawned, {
      host,
      log,
      tls,
      onRenewal: (install) => (renew = install),
      address: address.host,
      port,
      redirectAt,
      starting,
    });
  } finally {
    await starting.end();
  }
}

/** What a server has before it opens its store. */
interface Claimed {
  readonly host: Host;
  readonly log: StructuredLog;
  readonly tls: TlsWatch | undefined;
  /** What new certificates are given to from now on. */
  onRenewal(install: (material: TlsMaterial) => Promise<void>): void;
  readonly address: string;
  readonly port: number;
  readonly redirectAt: { readonly host: string; readonly port: number } | undefined;
  readonly starting: Starting;
}

async function serve(config: Config, spawned: readonly SpawnedWorker[], claimed: Claimed): Promise<RunningServer> {
  const { host, tls, address, port, redirectAt, starting } = claimed;
  const workers: WorkerLink[] = [];
  const links = () => workers.map((one) => one.link);
  let listener: Listener | undefined;
  claimed.onRenewal(async (material) => {
    listener?.renewTls(material);
    await Promise.all(links().map((link) => link.call('renewTls', material)));
  });
  const rekey = async (): Promise<void> => {
    await listener?.rekey();
    await Promise.all(links().map((link) => link.call('rekey', undefined)));
  };
  const log = starting.log(claimed.log);
  let badCopies: BadCopies | undefined;
  const badStates = new BadStates();
  const onDamage = (report: DamageReport) => {
    badCopies?.note(report);
    log.warn('bad copy of a stripe', { ...report, stripe: Buffer.from(report.stripe).toString('hex') });
  };
  const onLinkFailed = seldom(host.clock, (cause) => log.warn('a link between nodes failed', { cause }));
  const plan = threadPlan(config.workers);
  const { serving } = plan;
  const files = openFilesLimit();
  const fewFiles = fewFilesText(files, serving);
  const cacheBytes = Math.floor(config.cacheBytes / serving);
  let mender: Jobs['mender'] | undefined;
  let running: Jobs | undefined;
  const membership = await findMembership(config, port, host, log, onLinkFailed);
  const owner = await openOwner({
    ...membership,
    data: config.data,
    host,
    create: true,
    onDamage,
    onMissed: (stripe, group, copy) => mender?.missed(stripe, group, copy),
    onIndex: ({ device, state, ...fields }) => log.warn(`fragment index: ${state}`, { device, ...fields }),
    onMetadata(event) {
      const { state, ...fields } = event;
      if (event.state === 'opened as it is') badStates.note(event.directory, event.reason);
      log.warn(`metadata: ${state}`, fields);
    },
    onSnapshotFailure(cause) {
      if (cause instanceof CorruptionError) badStates.note(folders.kv(owner.roles.primary), cause.message);
      log.error('no snapshot of the metadata could be written to the mirror; it is tried again', { cause });
    },
    plain: config.encryption === 'off',
    cacheBytes: plan.ownerServes ? cacheBytes : 0,
    onStage: starting.at,
  });
  let failed: (cause: Error) => void = () => {};
  const failure = new Promise<Error>((resolve) => (failed = resolve));
  try {
    const root = await openRootKey(config, owner.metadata, owner.keyring, {
      entropy: host.entropy,
      now: host.clock.now(),
    });
    badCopies = new BadCopies(owner.metadata.reader);
    const jobs = await startJobs({
      owner,
      config,
      host,
      log,
      onDamage,
      badCopies,
      badStates,
      fewFiles,
      links,
      rekey,
      degraded: async () => (await methods.readiness()).degraded,
    });
    running = jobs;
    mender = jobs.mender;
    // Nothing else would look there before the scrub's turn comes, or somebody reads.
    if (owner.lostSlabs.size > 0) await jobs.admin('scrub.start', undefined);
    const metrics = createServerMetrics(owner, jobs, host.clock.now, tls, async () => [
      ...(await Promise.all(links().map((link) => link.call<RegistrySnapshot>('metrics', undefined)))),
      ...(listener ? [listener.metrics()] : []),
    ]);
    const methods = ownerMethods({
      owner,
      jobs,
      onDamage,
      metrics,
      tls,
      onLinkFailed,
    });
    const rates = rateMemory(host.entropy.bytes(4));
    const limited = new RateCounters(rates, host.clock);
    const { network } = owner.thread;
    const sharing = network && shareRates(limited, network, host.timers);
    const between = await owner.cluster?.listen({
      thread: owner.thread,
      oldestRead: (shard) => oldestReadHere(owner, links(), shard),
      work: () => jobs.work(),
      holdings: () => jobs.holdings(),
      rebalance: () => jobs.rebalance(),
      masterKey: () => jobs.rotating.progress(),
      recode: () => jobs.recoding.status(),
      limited: () => limited.asked(),
      removing: (device, id) => jobs.fragments.removing(device, id),
    });
    const common = {
      config: { ...config, rootSecretAccessKey: undefined },
      host: address,
      port,
      root: root.given,
      version,
      tls: tls?.material,
      rates,
      connections: connectionShare(files, serving),
    };
    const data = {
      ...common,
      kvs: owner.kvs.map(({ kv, directory }) => ({ directory, counts: kv.counts })),
      keys: folders.keys(owner.roles.primary),
      sites: owner.sites,
      indexCounts: owner.indexCounts,
      stopped: owner.stopped,
      cacheBytes,
      ...(owner.cluster && { cluster: owner.cluster.forThreads }),
    };
    const opening = spawned.map((worker, index) =>
      worker.open({ ...data, worker: index + 1 }, methods as unknown as Methods, host.timers, failed),
    );
    for (const one of opening) workers.push(await one);
    if (plan.ownerServes) {
      const { thread, keyring, proposer, cluster } = owner;
      const gate = cluster && { calls: cluster.gate, heard: cluster.heard };
      listener = createListener({
        ...common,
        worker: 0,
        thread,
        keyring,
        owner: methods,
        proposer,
        gate,
        realHost: host,
      });
    }
    // A rotation may have gone on before they were there to be told.
    await rekey();
    await starting.end();
    await Promise.all([listener?.listen(), ...links().map((link) => link.call('listen', undefined))]);
    const redirect = redirectAt && (await listenToRedirect(redirectAt, port));
    tls?.start();

    const further = owner.cluster?.openFurther(async ({ kv, directory }) => {
      await Promise.all(workers.map((worker) => worker.openShard({ directory, counts: kv.counts })));
      owner.thread.addShard(kv);
    });
    void owner.cluster?.failed.then(failed);
    let stopping: Promise<void> | undefined;
    const ended = { what: ['the end of what was being written'] };
    const stop = () => {
      // In a cluster others own shards too, and a proposal waits for nobody for long.
      const cancel = owner.cluster
        ? () => {}
        : giveUpWhenFull(owner, host, () => claimed.log.warn(notWrittenText, ended));
      return stopInOrder(
        [
          ['a further object shard that is being opened', () => further?.stop()],
          [
            'requests that run still',
            () => {
              tls?.stop();
              sharing?.();
              redirect?.close();
              return Promise.all([
                listener?.drain(limits.drainMs),
                ...links().map((link) => link.call('drain', limits.drainMs)),
              ]);
            },
          ],
          ['background jobs', () => jobs.stop()],
          ['calls of other nodes', () => between?.close()],
          [
            'its threads',
            async () => {
              for (const worker of workers) await worker.end();
            },
          ],
          [
            owner.cluster ? 'its devices, the log and its member of etcd' : 'its devices and the log',
            () => owner.close(),
          ],
        ],
        host,
        claimed.log,
      ).finally(cancel);
    };
    const endpoint = endpointOf(address, port, tls?.state);
    const devices = await Promise.all(
      owner.sites.map(async (site) => {
        const device = owner.thread.devices.get(site.identity.device);
        return {
          identity: site.identity.device,
          folder: site.folder,
          freeBytes: (await device?.capacity().catch(() => undefined))?.free ?? 0,
          health: owner.thread.conditions.health(site.identity.device) ?? 'missing',
        };
      }),
    );
    return {
      endpoint,
      failed: failure,
      reload: async () => tls?.reload(),
      banner: bannerText({
        endpoint,
        version,
        devices,
        copies: owner.cluster ? copiesOver(owner.metadata.reader) : defaultCopies(devices.length),
        roles: owner.roles,
        cluster: owner.cluster && {
          name: owner.cluster.name,
          node: owner.cluster.node,
          nodes: owner.metadata.reader.nodes().length,
          between: owner.cluster.between,
        },
        workers: serving,
        newRoot: root.made,
        rootFromEnvironment: root.given !== undefined,
        rootLacking: root.lacking,
        ownAuthority: tls?.ownAuthority(),
        warnings: [
          ...(tls?.texts() ?? []),
          ...(config.encryption === 'off' ? [notEncryptedText] : []),
          ...(fewFiles === undefined ? [] : [fewFiles]),
          ...(config.lifecycleDaySeconds === undefined ? [] : [shortDaysText(config.lifecycleDaySeconds)]),
          ...metadataTexts(owner),
          ...owner.missing.map(
            (device) =>
              `device ${device} of this store is not among --data: its copies are missing until it comes back`,
          ),
          ...[...owner.fragments].flatMap(([device, { recovery }]) =>
            recovery.rebuilt ? [rebuiltText(device, recovery.rebuilt)] : [],
          ),
          ...[...owner.lostSlabs].map(([device, lost]) => lostText(device, lost)),
        ],
      }),
      stop: () => (stopping ??= stop()),
    };
  } catch (cause) {
    for (const worker of workers) await worker.end();
    // Before what they read is closed: one that met a closed store would end the process, and nobody would hear why the start failed.
    await running?.stop().catch(() => {});
    await owner.close().catch(() => {});
    throw cause;
  }
}
