import { StoreError } from '../errors.ts';
import type { Host } from '../host/index.ts';
import { type MetadataReader, unknownFeature } from '../metadata/index.ts';
import {
  type Deliverer,
  type FollowedShard,
  openSender,
  shownTarget,
  startDeliverer,
  type TargetKind,
  type TargetSecret,
  targetRecord,
  testMessage,
} from '../notifications/index.ts';
import type { Registry, StructuredLog } from '../telemetry/index.ts';
import { failedEventMethods, sendOnce } from './failed-events.ts';
import type { Owner } from './owner.ts';
import { Replicating } from './replicating.ts';

/* Event notifications of this server: the shards that it owns are followed for every target, and what an operator asks is answered. */

/** What an operator says of a new target. */
export interface NewTarget extends TargetSecret {
  readonly name: string;
  readonly kind: TargetKind;
  readonly eventBridge: boolean;
  readonly accounts?: readonly string[];
}

/** A test event is sent to each of them. */
export interface TestCall {
  readonly targets: readonly string[];
  readonly bucket: string;
  readonly requestId: string;
  readonly hostId: string;
}

/** What came of it; without `failure` the target has taken it. */
export interface TestResult {
  readonly target: string;
  readonly failure?: string;
}

export interface Notifying extends Pick<Deliverer, 'status' | 'stop'> {
  readonly methods: Readonly<Record<string, (argument: unknown) => unknown>>;
}

/** By the names under which they failed, without that of the target. */
const failedIn = (reader: Pick<MetadataReader, 'memos'>, target: string): ReadonlyMap<string, Buffer> =>
  new Map(
    [...reader.memos('failedEvents', `${target}/`)].map(([name, event]) => [name.slice(target.length + 1), event]),
  );

function followedShards(owner: Owner): FollowedShard[] {
  const { cluster, metadata, log, thread } = owner;
  if (!cluster)
    return [
      {
        number: 0,
        tail: () => log.tail,
        head: () => log.head,
        followers: () => thread.reader.followers(),
        failed: (target) => failedIn(thread.reader, target),
        feed: (name, from) => metadata.feed(name, from),
        propose: (command) => metadata.propose(command),
        leads: () => true,
      },
    ];
  const all = [{ shard: cluster.shard, log }, ...cluster.objectShards];
  return all.map(({ shard, log: its }) => ({
    number: shard.number,
    tail: () => its.tail,
    head: () => its.head,
    followers: () => shard.reader.followers(),
    failed: (target) => failedIn(shard.reader, target),
    feed: (name, from) => shard.feed(name, from),
    propose: (command) => shard.propose(command),
    leads: () => shard.leads,
  }));
}

export function startNotifying(owner: Owner, host: Host, log: StructuredLog): Notifying {
  const { keyring, metadata } = owner;
  const { reader } = owner.thread;
  const open = (name: string, record: Buffer) =>
    openSender(name, record, { keys: keyring, host, stores: (target, secret) => replicating.sender(target, secret) });
  const known = (name: string): Buffer => {
    const record = reader.targets().get(name);
    if (!record)
      throw new StoreError('NotFound', {
        message: `There is no target ${name} of notifications: \`dsom notify target list\` shows those that there are.`,
      });
    return record;
  };
  const replicating = new Replicating({ owner, host, log, open: (target) => open(target, known(target)) });
  const deliverer = startDeliverer({
    get shards() {
      return followedShards(owner);
    },
    targets: () => reader.targets(),
    open,
    host,
    onEvent: (text, fields) => log.warn(text, fields),
  });
  const list = () => {
    const status = deliverer.status();
    return [...reader.targets()].map(([name, record]) => {
      const { sealed: _, version: __, ...shown } = shownTarget(record);
      return { name, ...shown, shards: status.filter(({ target }) => target === name) };
    });
  };
  const add = async ({ name, kind, eventBridge, accounts, ...secret }: NewTarget) => {
    if (kind === 's3' && owner.cluster && !reader.features().includes('replication'))
      throw unknownFeature('replication', 'Replication needs');
    const before = reader.targets().get(name);
    if (before && (shownTarget(before).kind === 's3') !== (kind === 's3'))
      throw new StoreError('InvalidRequest', {
        message: `The target ${name} is of another kind, which what is on its way to it depends on: choose another name, or remove it first.`,
      });
    const createdMs = host.clock.now();
    const record = await targetRecord(keyring, {
      name,
      kind,
      secret,
      eventBridge,
      createdMs,
      ...(accounts && { accounts }),
    });
    await metadata.propose({ type: 'target.write', name, record });
    return list();
  };
  const test = async (call: TestCall): Promise<TestResult[]> => {
    const message = testMessage(call.bucket, { ...call, nowMs: host.clock.now() });
    return Promise.all(
      call.targets.map(async (target): Promise<TestResult> => {
        const record = reader.targets().get(target);
        if (!record) return { target, failure: 'there is no such target' };
        const sender = await open(target, record);
        try {
          await sendOnce(sender, message, host);
          return { target };
        } catch (cause) {
          return { target, failure: cause instanceof Error ? cause.message : String(cause) };
        } finally {
          await sender.close();
        }
      }),
    );
  };
  return {
    status: () => deliverer.status(),
    async stop() {
      await replicating.stop();
      await deliverer.stop();
    },
    methods: {
      ...failedEventMethods({
        shards: () => followedShards(owner),
        targets: () => reader.targets(),
        open,
        host,
      }),
      ...replicating.methods,
      'notify.list': list,
      'notify.add': (argument) => add(argument as NewTarget),
      'notify.remove': async (argument) => {
        const user = replicating.user(argument as string);
        if (user !== undefined)
          throw new StoreError('InvalidRequest', {
            message: `The bucket ${user} is replicated to ${argument}: take its rules away first, with DeleteBucketReplication.`,
          });
        await metadata.propose({ type: 'target.remove', name: argument as string });
        return list();
      },
      'notify.test': (argument) => {
        const call = argument as TestCall;
        for (const target of call.targets) known(target);
        return test(call);
      },
    },
  };
}

/** Counted by each shard, and told as the sum over those that this server owns. */
const sums = {
  delivered: ['dsom_notifications_delivered_total', 'Events that a target has taken.'],
  failures: ['dsom_notification_failures_total', 'Attempts to deliver an event that failed; it is tried again.'],
  lost: [
    'dsom_notifications_lost_total',
    'Times that the log was cut before its events were delivered to a target, which is told so.',
  ],
  refused: [
    'dsom_notifications_refused_total',
    'Events that a target has refused for good, and that are on its list of failed events.',
  ],
} as const;
/** As it is now. */
const levels = {
  failed: [
    'dsom_notification_failed_events',
    'Events on the list of those that a target has refused for good, of the shards that this server owns.',
  ],
  waiting: ['dsom_notifications_waiting', 'Events read from the log and not delivered yet.'],
  behind: ['dsom_notification_entries_behind', 'Entries of the log that the position of a target does not cover.'],
} as const;

/** Figures of what is delivered by this server. */
export function notificationMetrics(registry: Registry, status: Deliverer['status']): void {
  const names = <Name extends string>(figures: Readonly<Record<Name, unknown>>) => Object.keys(figures) as Name[];
  const counters = names(sums).map((name) => {
    const [title, help] = sums[name];
    return { name, counter: registry.counter(title, help, ['target']) };
  });
  const gauges = names(levels).map((name) => {
    const [title, help] = levels[name];
    return { name, gauge: registry.gauge(title, help, ['target']) };
  });
  registry.refresh(() => {
    const all = Map.groupBy(status(), ({ target }) => target);
    for (const { gauge } of gauges) gauge.clear();
    for (const [target, shards] of all) {
      const sum = (name: keyof typeof sums | keyof typeof levels) =>
        shards.reduce((total, one) => total + one[name], 0);
      for (const { name, counter } of counters) counter.mirror(counter.at(target), sum(name));
      for (const { name, gauge } of gauges) gauge.add(gauge.at(target), sum(name));
    }
  });
}
