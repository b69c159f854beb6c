import type { MetadataReader, Redundancy } from '../src/metadata/index.ts';
import { checkFinal } from './checks/final.ts';
import { positionsOf, StripeWatch } from './checks/kept.ts';
import { attribute, linearizable, ordered } from './checks/linearizable.ts';
import { miscounted } from './checks/quotas.ts';
import { Client } from './client.ts';
import { Cluster } from './cluster/cluster.ts';
import { Coverage, type Sometimes } from './coverage.ts';
import { History } from './history.ts';
import type { Place } from './place.ts';
import { buckets } from './plan.ts';
import { renamedBucket } from './renames.ts';
import { claimPrefix, makeRuledBuckets, ruledBuckets } from './ruled.ts';
import { isChange, type Operation, type Scenario } from './scenario.ts';
import { never } from './seen.ts';
import { letWorldsGo } from './signals.ts';
import { Dice } from './world/dice.ts';
import type { DiskFault } from './world/disk.ts';
import { OneMachine } from './world/one.ts';
import { Scheduler } from './world/scheduler.ts';

/*
 * One run of a scenario, in two phases (as TigerBeetle's VOPR has them). In the first, clients work while things break; nothing wrong may be
 * seen, but anything may be refused. In the second nothing breaks any more: everything must come back within a bound, and then all that
 * was acknowledged must be there, whole, in as many copies as it should have, and nothing else.
 */

export interface RunResult {
  /** What went wrong; undefined when nothing did. */
  readonly failure: { readonly check: string; readonly message: string } | undefined;
  readonly events: number;
  readonly operations: number;
  readonly simulatedMs: number;
  /** Digest of everything that happened. */
  readonly hash: string;
  readonly coverage: ReadonlyMap<Sometimes, number>;
}

letWorldsGo();

/** A check did not hold. */
class CheckFailed extends Error {
  readonly check: string;

  constructor(check: string, message: string) {
    super(message);
    this.check = check;
  }
}

/** Bounds of a run: simulated time for the clients, and for coming back when all is well. */
const clientsMs = 10 * 60_000;
const healMs = 3 * 60_000;
/** For each change of the members that may still be under way. */
const changeMs = 3 * 60_000;
const setUpMs = 60_000;
/** Between two looks at what the stripes are kept with. */
const watchMs = 250;

const diskCoverage: Readonly<Record<DiskFault, Sometimes>> = {
  'read-error': 'a disk gave an error on a read',
  'start-error': 'a disk gave an error on a read at a start',
  'write-error': 'a disk gave an error on a write',
  'sync-error': 'a sync failed',
  full: 'a disk was full',
  flip: 'a disk flipped a bit',
  torn: 'a disk tore a write',
  lost: 'a disk lost a write',
  misdirected: 'a disk misdirected a write',
  stale: 'a disk gave a stale read',
  slow: 'a disk was slow',
};

class World {
  readonly scheduler = new Scheduler();
  readonly coverage = new Coverage();
  readonly history = new History();
  readonly place: Place;
  readonly #scenario: Scenario;
  readonly #dice: Dice;
  /** What the buckets' redundancies were, and were changed to. */
  readonly #wishes = new Map<string, (Redundancy | undefined)[]>();
  readonly #clocksAgree: boolean;
  #faultsEnded = false;

  constructor(scenario: Scenario) {
    this.#scenario = scenario;
    this.#dice = new Dice(scenario.seed, 'run');
    const { settings } = scenario;
    this.#clocksAgree = !scenario.faults.some(({ fault }) => fault.kind === 'clock');
    this.place =
      settings.nodes > 1
        ? new Cluster(this.scheduler, this.#dice, settings, this.coverage)
        : new OneMachine(this.scheduler, this.#dice, settings, this.coverage);
  }

  async run(): Promise<void> {
    this.place.keepRunning();
    await this.#within(setUpMs, 'start', 'the store does not start on empty machines', this.#makeBuckets());
    for (const { at, fault } of this.#scenario.faults) {
      this.scheduler.after(at, 'fault', () => {
        if (this.#faultsEnded) return;
        this.scheduler.note(`fault ${JSON.stringify(fault)}`);
        if (fault.kind === 'redundancy') this.#wishes.get(fault.bucket)?.push(fault.to);
        this.place.strike(fault);
      });
    }
    if (this.#scenario.faults.some(({ fault }) => fault.kind === 'redundancy')) this.#watchStripes();
    if (this.#scenario.settings.ruled > 0) this.#watchQuota();
    await this.#within(clientsMs, 'progress', 'clients are not done', this.#clients());
    this.#checkHistory();
    this.scheduler.note('everything is healed');
    this.#faultsEnded = true;
    this.place.heal();
    const healed = checkFinal({
      scheduler: this.scheduler,
      place: this.place,
      history: this.history,
      client: this.#client('last'),
      settings: this.#scenario.settings,
      clocksAgree: this.#clocksAgree,
      check: (check, message) => new CheckFailed(check, message),
    });
    const changes = this.#scenario.faults.filter(({ fault }) => isChange(fault)).length;
    const boundMs = healMs + changes * changeMs;
    await this.#within(boundMs, 'liveness', 'the store does not come back to order', healed);
    this.#checkHistory();
    for (const kind of this.place.diskFaults()) this.coverage.hit(diskCoverage[kind]);
  }

  /** Runs until the work is done. @throws CheckFailed when that takes longer than the bound */
  async #within(milliseconds: number, check: string, message: string, work: Promise<void>): Promise<void> {
    const state: { ended: boolean; error?: unknown } = { ended: false };
    work.then(
      () => {
        state.ended = true;
      },
      (error: unknown) => Object.assign(state, { ended: true, error }),
    );
    const end = this.scheduler.now + milliseconds;
    await this.scheduler.run(() => state.ended || this.scheduler.now > end);
    if ('error' in state) throw state.error;
    if (state.ended) return;
    const cause = this.place.startFailure();
    const why = cause instanceof Error ? ` (it does not start: ${cause.stack})` : '';
    throw new CheckFailed(check, `${message} after ${milliseconds} ms${why}`);
  }

  #client(name: string): Client {
    return new Client(name, {
      scheduler: this.scheduler,
      history: this.history,
      coverage: this.coverage,
      dice: this.#dice.fork(`client ${name}`),
      door: () => this.place.door(),
      kill: (node) => {
        if (!this.#faultsEnded) this.place.strike({ kind: 'kill', node });
      },
      shards: this.#scenario.settings.shards,
      clocksAgree: this.#clocksAgree,
    });
  }

  async #makeBuckets(): Promise<void> {
    const { copies, data, parity } = this.#scenario.settings;
    const redundancy = data > 0 ? { data, parity } : copies > 0 ? { copies } : undefined;
    await this.place.ready();
    const door = this.place.door();
    if (!door) throw new CheckFailed('start', 'a place that is ready has no door');
    for (const name of buckets) {
      const versioning = name === 'kept' ? 'enabled' : 'off';
      await door.objects.createBucket({ name, owner: 'o', region: 'r', versioning });
      this.#wishes.set(name, [redundancy]);
      if (redundancy) await door.objects.updateBucket(name, { redundancy });
    }
    if (this.#scenario.settings.renamed > 0) {
      await door.objects.createBucket({ name: renamedBucket, owner: 'o', region: 'r', versioning: 'off' });
      this.#wishes.set(renamedBucket, [redundancy]);
    }
    if (this.#scenario.settings.ruled === 0) return;
    for (const name of ruledBuckets) this.#wishes.set(name, [redundancy]);
    await makeRuledBuckets(this.scheduler, this.place, redundancy);
  }

  async #clients(): Promise<void> {
    const byClient = new Map<string, Operation[]>();
    for (const operation of this.#scenario.operations) {
      const list = byClient.get(operation.client) ?? [];
      byClient.set(operation.client, list);
      list.push(operation);
    }
    await Promise.all([...byClient].map(([name, operations]) => this.#client(name).run(operations)));
  }

  /** While redundancies change, no stripe that some server knows of survives less than it should. */
  #watchStripes(watch = new StripeWatch()): void {
    this.scheduler.after(watchMs, 'watch', () => {
      for (const thread of this.place.threads()) {
        const wrong = watch.look(thread, this.#wishes);
        if (wrong !== undefined) return this.scheduler.fail(new CheckFailed('redundancy', wrong));
      }
      this.#watchStripes(watch);
    });
  }

  /** What the bucket with a quota holds is counted right, and never more than it may, at each position of each replica. */
  #watchQuota(looked = new WeakMap<MetadataReader, string>()): void {
    this.scheduler.after(watchMs, 'watch', () => {
      for (const { reader } of this.place.threads()) {
        const state = positionsOf(reader);
        if (looked.get(reader) === state) continue;
        looked.set(reader, state);
        const wrong = miscounted(reader);
        if (wrong !== undefined) return this.scheduler.fail(new CheckFailed('quota', wrong));
      }
      this.#watchQuota(looked);
    });
  }

  /** Of all who wrote a key only if it was not there, and which nobody deletes, one was told that he did. */
  #checkClaims(): void {
    for (const { name, writes } of this.history.keys.values()) {
      if (!name.split('/')[1]?.startsWith(claimPrefix)) continue;
      const won = writes.filter(({ end, refused }) => end !== never && !refused);
      if (won.length > 1)
        throw new CheckFailed('claims', `${name} was claimed by ${won.map(({ what }) => what).join(' and ')}`);
    }
  }

  #checkHistory(): void {
    this.#checkClaims();
    this.history.settleLists();
    if (attribute(this.history) > 0) this.coverage.hit('a client saw a write whose answer was lost');
    for (const key of this.history.keys.values()) {
      const wrong = linearizable(key);
      if (wrong !== undefined) throw new CheckFailed('linearizable', wrong);
    }
    const lost = this.history.renamed.wrong();
    if (lost !== undefined) throw new CheckFailed('renamed', lost);
    const wrong = ordered(this.history);
    if (wrong !== undefined) throw new CheckFailed('order', wrong);
  }
}

/** Runs a scenario to its end. The same scenario gives the same result, trace included. */
export async function runScenario(scenario: Scenario, onTrace?: (line: string) => void): Promise<RunResult> {
  const world = new World(scenario);
  if (onTrace) world.scheduler.onTrace = (time, text) => onTrace(`${time.toFixed(3)} ${text}`);
  const unhandled = (cause: unknown): void => world.scheduler.fail(cause);
  process.on('unhandledRejection', unhandled);
  let failure: RunResult['failure'];
  try {
    await world.run();
  } catch (error) {
    const check = error instanceof CheckFailed ? error.check : error instanceof Error ? error.name : 'error';
    const message =
      error instanceof CheckFailed
        ? error.message
        : error instanceof Error
          ? (error.stack ?? error.message)
          : String(error);
    failure = { check, message };
  } finally {
    process.off('unhandledRejection', unhandled);
  }
  const { scheduler } = world;
  return {
    failure,
    events: scheduler.events,
    operations: scenario.operations.length,
    simulatedMs: Math.round(scheduler.now),
    hash: scheduler.hash(),
    coverage: world.coverage.counts,
  };
}
