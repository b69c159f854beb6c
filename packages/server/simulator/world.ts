import { crossCheck } from '../src/durability/index.ts';
import { checkFinal } from './checks/final.ts';
import { attribute, linearizable, ordered } from './checks/linearizable.ts';
import { Client } from './client.ts';
import { Coverage, type Sometimes } from './coverage.ts';
import { History } from './history.ts';
import { buckets } from './plan.ts';
import type { Fault, Operation, Scenario } from './scenario.ts';
import { Dice } from './world/dice.ts';
import type { DiskFault } from './world/disk.ts';
import { Machine } from './world/machine.ts';
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
const setUpMs = 60_000;

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
  readonly machine: Machine;
  readonly #scenario: Scenario;
  readonly #dice: Dice;

  constructor(scenario: Scenario) {
    this.#scenario = scenario;
    this.#dice = new Dice(scenario.seed, 'run');
    this.machine = new Machine('n1', this.scheduler, this.#dice.fork('n1'), scenario.settings, this.coverage);
  }

  async run(): Promise<void> {
    this.machine.keepRunning();
    await this.#within(setUpMs, 'start', 'the server does not start on an empty machine', this.#makeBuckets());
    for (const { at, fault } of this.#scenario.faults) this.scheduler.after(at, 'fault', () => this.#strike(fault));
    await this.#within(clientsMs, 'progress', 'clients are not done', this.#clients());
    this.#checkHistory();
    this.scheduler.note('everything is healed');
    this.#faultsEnded = true;
    this.machine.heal();
    if (this.#dice.chance(0.5)) this.machine.loosePower();
    const healed = checkFinal({
      scheduler: this.scheduler,
      machine: this.machine,
      history: this.history,
      coverage: this.coverage,
      client: this.#client('last'),
      settings: this.#scenario.settings,
      check: (check, message) => new CheckFailed(check, message),
      crossCheck,
    });
    await this.#within(healMs, 'liveness', 'the store does not come back to order', healed);
    this.#checkHistory();
    for (const disk of this.machine.disks.values()) {
      for (const kind of disk.hit.keys()) this.coverage.hit(diskCoverage[kind]);
    }
  }

  #faultsEnded = false;

  /** Runs until the work is done. @throws CheckFailed when that takes longer than the bound */
  async #within(milliseconds: number, check: string, message: string, work: Promise<void>): Promise<void> {
    let state: { readonly error?: unknown } | undefined;
    work.then(
      () => (state = {}),
      (error) => (state = { error }),
    );
    const end = this.scheduler.now + milliseconds;
    const late = (): boolean => this.scheduler.now > end;
    await this.scheduler.run(() => state !== undefined || late());
    if (state === undefined) {
      const cause = this.machine.startFailure;
      const why = cause instanceof Error ? ` (it does not start: ${cause.stack})` : '';
      throw new CheckFailed(check, `${message} after ${milliseconds} ms${why}`);
    }
    if ('error' in (state as object)) throw (state as { readonly error: unknown }).error;
  }

  #client(name: string): Client {
    return new Client(name, {
      scheduler: this.scheduler,
      history: this.history,
      coverage: this.coverage,
      dice: this.#dice.fork(`client ${name}`),
      door: () => {
        const { node } = this.machine;
        if (!node) return undefined;
        return { objects: this.#dice.pick(node.threads).objects, life: node.life, serve: () => node.serve() };
      },
    });
  }

  async #makeBuckets(): Promise<void> {
    const { copies, data, parity } = this.#scenario.settings;
    const redundancy = data > 0 ? { data, parity } : copies > 0 ? { copies } : undefined;
    for (;;) {
      const { node } = this.machine;
      if (!node) {
        await this.scheduler.sleep(20, 'set up');
        continue;
      }
      const { objects } = node.threads[0] as (typeof node.threads)[number];
      for (const name of buckets) {
        await objects.createBucket({ name, owner: 'o', region: 'r', versioning: name === 'kept' ? 'enabled' : 'off' });
        if (redundancy) await objects.updateBucket(name, { redundancy });
      }
      return;
    }
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

  #strike(fault: Fault): void {
    if (this.#faultsEnded) return;
    const { machine, coverage, scheduler } = this;
    scheduler.note(`fault ${JSON.stringify(fault)}`);
    switch (fault.kind) {
      case 'power':
        coverage.hit('the power was lost');
        return machine.loosePower();
      case 'kill':
        coverage.hit('a process was killed');
        return machine.kill();
      case 'stop':
        if (machine.node) coverage.hit('a node was closed in order and started again');
        machine.stop().catch((error) => {
          scheduler.note(`the end was not in order: ${error}`);
          machine.kill();
        });
        return;
      case 'pause':
        coverage.hit('a process was paused');
        return machine.pause(fault.ms);
      case 'clock':
        coverage.hit(fault.ms < 0 ? 'the wall clock went back' : 'the wall clock went ahead');
        return machine.jumpClock(fault.ms);
      case 'index':
        coverage.hit('an index was lost');
        return machine.loseIndex(fault.disk);
      case 'disk':
        return machine.sicken(fault.disk, fault.fault, fault.ms, fault.share);
    }
  }

  #checkHistory(): void {
    if (attribute(this.history) > 0) this.coverage.hit('a client saw a write whose answer was lost');
    for (const key of this.history.keys.values()) {
      const wrong = linearizable(key);
      if (wrong !== undefined) throw new CheckFailed('linearizable', wrong);
    }
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
