import { systemScope } from '../../src/daemon/cluster/gate.ts';
import { StoreError } from '../../src/errors.ts';
import type { Redundancy } from '../../src/metadata/index.ts';
import type { Coverage } from '../coverage.ts';
import type { Dice } from '../world/dice.ts';
import type { Scheduler } from '../world/scheduler.ts';
import type { Member } from './member.ts';

/** What is done to the members of a cluster while it serves. */
export type Change =
  | { readonly kind: 'drain'; readonly node: string }
  | { readonly kind: 'retire'; readonly device: string }
  | { readonly kind: 'rebalance' }
  | { readonly kind: 'redundancy'; readonly bucket: string; readonly to: Redundancy }
  | { readonly kind: 'label'; readonly node: string; readonly zone: string }
  | { readonly kind: 'grow'; readonly shards: number }
  | { readonly kind: 'reshard'; readonly bucket: string };

interface Cluster {
  readonly scheduler: Scheduler;
  readonly coverage: Coverage;
  readonly dice: Dice;
  readonly members: () => readonly Member[];
  /** A node is about to be drained. */
  readonly draining: (node: string) => void;
  /** A device is about to be given up. */
  readonly retiring: (device: string) => void;
  /** A node is about to be put into another zone. */
  readonly labelled: (node: string, zone: string) => void;
  /** Ends a process at once, while things break. */
  readonly kill: (node: string) => void;
  /** Ends a machine in order, for good. */
  readonly takeAway: (node: string) => void;
}

/** Between two looks of whoever waits for something to end. */
const lookMs = 500;
/** So long a drain may take before it is given up; and where whoever runs the cluster thinks better of it. */
const patienceMs = 90_000;
const secondThoughtsMs = 4000;
/** So long the nodes may take to open a shard before nobody waits for it any more. */
const openingMs = 20_000;

interface RepairStatus {
  readonly done: boolean;
}

/**
 * Whoever runs the cluster: does one thing after the other, as `dsom cluster` does it, through any node that answers, and again until it is done. A
 * node is removed only when the cluster says that nothing is on it any more.
 */
export class Operator {
  readonly #cluster: Cluster;
  #last: Promise<void> = Promise.resolve();
  #pending = 0;
  /** The node that is asked next dies in the middle of it, so many ms after it was asked. */
  #dying: number | undefined;

  constructor(cluster: Cluster) {
    this.#cluster = cluster;
  }

  get idle(): boolean {
    return this.#pending === 0;
  }

  /** Does it when what was asked before is done. */
  change(change: Change): void {
    this.#pending++;
    const done = (): void => void this.#pending--;
    this.#last = this.#last.then(() => this.#make(change)).then(done);
    this.#last.catch((cause) => this.#cluster.scheduler.fail(cause));
  }

  async #make(change: Change): Promise<void> {
    const { coverage } = this.#cluster;
    if (change.kind === 'rebalance') {
      await this.#ask('rebalance.change', { action: 'start' });
      coverage.hit('the groups were evened out');
    } else if (change.kind === 'retire') {
      const end = this.#cluster.scheduler.now + patienceMs;
      this.#cluster.retiring(change.device);
      if (await this.#begin('cluster.device', { id: change.device, action: 'retire' }, end))
        coverage.hit('a device was retired');
    } else if (change.kind === 'redundancy') {
      const { bucket, to } = change;
      const updated = await this.#try(`redundancy of ${bucket}`, undefined, ({ thread }) =>
        thread.objects.updateBucket(bucket, { redundancy: to }).catch((cause: unknown) => {
          // Where nodes have gone there may be no places for it any more.
          if (cause instanceof StoreError && cause.code === 'UnsupportedRedundancy') return undefined;
          throw cause;
        }),
      );
      if (updated) coverage.hit('a redundancy was changed while clients worked');
    } else if (change.kind === 'label') await this.#label(change.node, change.zone);
    else if (change.kind === 'grow') await this.#ask('cluster.growShards', { count: change.shards });
    else if (change.kind === 'reshard') await this.#reshard(change.bucket);
    else await this.#drain(change.node);
  }

  async #label(id: string, zone: string): Promise<void> {
    const { members, labelled, coverage } = this.#cluster;
    const known = members().flatMap(({ thread }) => thread.reader.nodes().filter((node) => node.id === id));
    if (known.length === 0 || known.some(({ state }) => state === 'removed')) return;
    labelled(id, zone);
    await this.#try(`label ${id}`, undefined, async ({ gate, admin }) => {
      // As the API does: what the node answers is of what was answered before.
      await gate.latest(systemScope);
      return admin['cluster.node']?.({ id, action: 'label', zone });
    });
    coverage.hit('a node was put into another zone');
  }

  /** Twice as many shards, if the cluster has so many, once they are in use. */
  async #reshard(name: string): Promise<void> {
    const { scheduler, coverage } = this.#cluster;
    const { shards } = (await this.#ask('cluster.bucketShards', { name })) as { readonly shards: readonly unknown[] };
    const { objectShards } = (await this.#ask('cluster.shards', undefined)) as { readonly objectShards: number };
    const wanted = 2 * shards.length;
    if (wanted > objectShards) return;
    if (this.#cluster.dice.chance(0.4)) this.#dying = this.#cluster.dice.pick([0, 2, 5, 20, 60]);
    // Named, so that whoever asks again because no answer came asks for no more.
    if (await this.#begin('cluster.reshardBucket', { name, shards: wanted }, scheduler.now + openingMs))
      coverage.hit('a bucket got more shards because somebody asked for it');
  }

  async #drain(node: string): Promise<void> {
    const { scheduler, coverage, dice } = this.#cluster;
    if (!this.#cluster.members().some(({ thread }) => thread.reader.nodes().some(({ id }) => id === node))) return;
    this.#cluster.draining(node);
    const patience = dice.chance(0.2) ? dice.below(secondThoughtsMs) : patienceMs;
    const end = scheduler.now + patience;
    if (!(await this.#begin('cluster.node', { id: node, action: 'drain' }, end, node))) return;
    while (!(await this.#isDone(node))) {
      if (scheduler.now > end) {
        await this.#ask('cluster.node', { id: node, action: 'activate' }, node);
        coverage.hit('a drain was given up');
        return;
      }
      await scheduler.sleep(lookMs, 'operator');
    }
    this.#cluster.takeAway(node);
    await this.#ask('cluster.node', { id: node, action: 'remove' }, node);
    coverage.hit('a node was drained and removed');
  }

  /** Whether a node says twice, with time between, that all is where it should be: what it has not heard of yet it cannot count. */
  async #isDone(except: string): Promise<boolean> {
    for (let times = 0; times < 2; times++) {
      const { done } = (await this.#ask('cluster.repair', undefined, except)) as RepairStatus;
      if (!done) return false;
      await this.#cluster.scheduler.sleep(2 * lookMs, 'operator');
    }
    return true;
  }

  /** Begins to empty something; while no other place is left for what is on it that is refused. @returns false when it still is at `end` */
  async #begin(method: string, argument: unknown, end: number, except?: string): Promise<boolean> {
    const { scheduler } = this.#cluster;
    for (;;) {
      const begun = await this.#try(method, except, ({ admin }) =>
        Promise.resolve(admin[method]?.(argument)).then(
          () => true,
          (cause: unknown) => {
            if (cause instanceof StoreError && cause.code === 'InvalidRequest') return false;
            throw cause;
          },
        ),
      );
      if (begun) return true;
      if (scheduler.now > end) return false;
      await scheduler.sleep(lookMs, 'operator');
    }
  }

  /** Asks a node, and another one, until one does it. @param except is not asked */
  #ask(method: string, argument: unknown, except?: string): Promise<unknown> {
    return this.#try(method, except, async ({ admin }) => admin[method]?.(argument));
  }

  async #try<Result>(
    what: string,
    except: string | undefined,
    ask: (member: Member) => Promise<Result>,
  ): Promise<Result> {
    const { scheduler, members, dice } = this.#cluster;
    for (;;) {
      const those = members().filter(({ name }) => name !== except);
      const member = those.length > 0 ? dice.pick(those) : undefined;
      if (member) {
        const gone = member.life.ended.then(() => undefined);
        if (this.#dying !== undefined) {
          member.life.after(this.#dying, 'operator', () => this.#cluster.kill(member.name));
          this.#dying = undefined;
        }
        const answer = ask(member).then(
          (result) => ({ result }),
          (cause: unknown) => {
            if (!(cause instanceof StoreError)) throw cause;
            scheduler.note(`operator: ${what}: ${cause.message}`);
            return undefined;
          },
        );
        const outcome = await Promise.race([answer, gone]);
        if (outcome) return outcome.result;
      }
      await scheduler.sleep(lookMs, 'operator');
    }
  }
}
