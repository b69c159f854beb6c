import { memoryVolume } from '../../src/device/index.ts';
import { openKeyring } from '../../src/keys/index.ts';
import { type SimulatedLog, simulatedLog } from '../../src/log/index.ts';
import { disorder, recount, scrubText } from '../checks/order.ts';
import type { Coverage } from '../coverage.ts';
import type { Place } from '../place.ts';
import type { Fault, Settings } from '../scenario.ts';
import type { Door } from '../session.ts';
import type { Dice } from '../world/dice.ts';
import type { DiskFault } from '../world/disk.ts';
import { Life } from '../world/life.ts';
import type { Scheduler } from '../world/scheduler.ts';
import { ClusterMachine } from './machine.ts';
import type { Member } from './member.ts';
import { Network } from './network.ts';

/** Time between two looks of whoever keeps the servers running. */
const lookMs = 150;
const leaseMs = 1500;
/** Entries kept for followers alone: few, so that nodes fall behind and need snapshots. */
const tailBytes = 64 * 1024;

/** A cluster of nodes that share a log engine. */
export class Cluster implements Place {
  readonly #scheduler: Scheduler;
  readonly #coverage: Coverage;
  readonly #dice: Dice;
  readonly #log: SimulatedLog;
  /** The keyring of the cluster, as every node was given it when it joined. */
  readonly #keys = memoryVolume();
  readonly #engine: Life;
  #healed = false;
  readonly #network: Network<Member>;
  readonly #machines = new Map<string, ClusterMachine>();

  constructor(scheduler: Scheduler, dice: Dice, settings: Settings, coverage: Coverage) {
    this.#scheduler = scheduler;
    this.#coverage = coverage;
    this.#dice = dice.fork('door');
    this.#engine = new Life(scheduler, 'engine', dice.fork('engine'), () => 0);
    const late = dice.fork('log delay');
    const fates = dice.fork('log fate');
    const heard = fates.pick([1, 0.995, 0.95]);
    this.#log = simulatedLog({
      host: this.#engine.host,
      leaseMs,
      replicas: settings.nodes,
      tailBytes,
      delay: () => settings.networkMs * (late.chance(0.03) ? 20 * late.float() : 0.5 + late.float()),
      fate: () => (this.#healed || fates.chance(heard) ? 'heard' : fates.pick(['lost', 'unheard'])),
    });
    this.#network = new Network(
      scheduler,
      dice.fork('network'),
      settings.networkMs,
      (node) => this.#machines.get(node)?.member,
    );
    const disks = new Map<string, Map<string, string>>();
    const all = new Map<string, string>();
    for (let n = 1; n <= settings.nodes; n++) {
      const mine = new Map<string, string>();
      for (let d = 1; d <= settings.devices; d++) {
        const identity = `00000000-0000-4000-8000-${dice.bytes(6).toString('hex')}`;
        mine.set(`n${n}.d${d}`, identity);
        all.set(identity, `n${n}`);
      }
      disks.set(`n${n}`, mine);
    }
    const around = {
      scheduler,
      settings,
      coverage,
      log: this.#log,
      network: this.#network,
      all,
      keys: this.#keys,
      snapshotFor: (node: string) => this.#snapshotFor(node),
    };
    for (const [name, mine] of disks) {
      this.#machines.set(name, new ClusterMachine(name, mine, around, dice.fork(name)));
    }
  }

  #snapshotFor(node: string): Iterable<Buffer> | undefined {
    const others = this.#members().filter((member) => member.name !== node && member.replica.failure() === undefined);
    return others.length === 0 ? undefined : this.#dice.pick(others).replica.snapshot();
  }

  #members(): Member[] {
    return [...this.#machines.values()].flatMap(({ member }) => (member ? [member] : []));
  }

  keepRunning(): void {
    // Before anybody starts: with two keyrings nothing that one node seals could another one open.
    openKeyring({ volume: this.#keys, host: this.#engine.host, create: true }).then(
      () => this.#look(),
      (error: unknown) => this.#scheduler.fail(error),
    );
  }

  #look(): void {
    const look = (): void => {
      this.#scheduler.after(lookMs, 'supervisor', look);
      for (const machine of this.#machines.values()) machine.look();
    };
    look();
  }

  door(): Door | undefined {
    const members = this.#members();
    if (members.length === 0) return undefined;
    const member = this.#dice.pick(members);
    return {
      objects: member.objects,
      life: member.life,
      serve: () => member.serve(),
      barrier: () => member.barrier(),
      reached: (position) => member.replica.reached(position),
      position: () => member.replica.applied(),
    };
  }

  strike(fault: Fault): void {
    const coverage = this.#coverage;
    if (fault.kind === 'depose') {
      coverage.hit('the log was taken away from its owner');
      return this.#log.depose();
    }
    const name = fault.kind === 'disk' || fault.kind === 'index' ? fault.disk.split('.')[0] : fault.node;
    const machine = this.#machines.get(name as string);
    if (!machine) throw new Error(`there is no node ${name}`);
    switch (fault.kind) {
      case 'power':
        coverage.hit('the power was lost');
        return machine.loosePower();
      case 'kill':
        coverage.hit('a process was killed');
        return machine.kill();
      case 'stop':
        if (machine.member) coverage.hit('a node was closed in order and started again');
        machine.stop().catch((error) => {
          this.#scheduler.note(`the end was not in order: ${error}`);
          machine.kill();
        });
        return;
      case 'forget':
        coverage.hit('a node lost its metadata');
        return machine.forget();
      case 'checkpoint':
        machine.member?.replica.checkpoint().catch(() => {});
        return;
      case 'pause':
        coverage.hit('a process was paused');
        return machine.pause(fault.ms);
      case 'clock':
        coverage.hit(fault.ms < 0 ? 'the wall clock went back' : 'the wall clock went ahead');
        return machine.jumpClock(fault.ms);
      case 'unlog':
        coverage.hit('a node was cut off from the log alone');
        return machine.unlog(fault.ms);
      case 'cut':
        coverage.hit('a node was cut off from another');
        return this.#network.cut(fault.node, fault.to, fault.ms);
      case 'index':
        coverage.hit('an index was lost');
        return machine.loseIndex(fault.disk);
      case 'disk':
        return machine.disks.get(fault.disk)?.sicken(fault.fault, fault.ms, fault.share);
    }
  }

  heal(): void {
    this.#healed = true;
    this.#network.heal();
    for (const machine of this.#machines.values()) {
      machine.heal();
      if (this.#dice.chance(0.3)) machine.loosePower();
    }
    if (this.#log.tail > 1) this.#coverage.hit('the log was trimmed');
  }

  *diskFaults(): Iterable<DiskFault> {
    for (const machine of this.#machines.values()) for (const disk of machine.disks.values()) yield* disk.hit.keys();
  }

  startFailure(): unknown {
    return [...this.#machines.values()].map((machine) => machine.startFailure).find((cause) => cause !== undefined);
  }

  lives(): string {
    return this.#members()
      .map(({ life }) => life.name)
      .join();
  }

  async ready(): Promise<void> {
    await this.#all();
  }

  /** Every node, once all run and one of them leads. */
  async #all(): Promise<Member[]> {
    for (;;) {
      const members = this.#members();
      const well = members.every((member) => member.failure() === undefined);
      const led = members.some((member) => member.term() !== undefined);
      if (well && led && members.length === this.#machines.size) return members;
      await this.#scheduler.sleep(50, 'final');
    }
  }

  async tidy(): Promise<string> {
    const members = await this.#all();
    let wrong = '';
    for (const member of members) {
      wrong ||= scrubText(await member.scrub.run());
      await member.mender.run();
      if (member.mender.totals().mended > 0) this.#coverage.hit('a missing copy was written by the mender');
    }
    const leader = members.find((member) => member.term() !== undefined) ?? (members[0] as Member);
    const collected = await leader.collector.run();
    if (collected.fragments > 0) this.#coverage.hit('the collector removed fragments');
    if (collected.waiting) this.#coverage.hit('the collector waited for an open read');
    await this.#agree(members);
    for (const { id, devices } of leader.replica.reader.groups()) {
      const nodes = new Set(devices.map((device) => members.find(({ stores }) => stores.has(device))));
      if (nodes.size < devices.length)
        throw new Error(`placement group ${id} has two fragments of a stripe on one node`);
    }
    const stores = new Map(members.flatMap((member) => [...member.stores]));
    const left = await disorder(leader.replica.reader, stores, leader.life.host, members.length);
    return wrong && left ? `${wrong}; ${left}` : wrong || left;
  }

  /** All replicas come to one position, and have one digest there. @throws Error when they do not */
  async #agree(members: readonly Member[]): Promise<void> {
    for (let tries = 0; ; tries++) {
      for (const member of members) await member.barrier();
      const states = members.map(({ name, replica }) => ({
        name,
        position: replica.applied(),
        digest: replica.digest().toString('hex'),
      }));
      const [first] = states as [(typeof states)[number]];
      if (states.every(({ position }) => position === first.position)) {
        const other = states.find(({ digest }) => digest !== first.digest);
        if (!other) return;
        throw new Error(
          `at ${first.position} the digest of ${first.name} is ${first.digest}, and that of ${other.name} ${other.digest}`,
        );
      }
      if (tries > 50) throw new Error(`replicas do not come together: ${JSON.stringify(states)}`);
      await this.#scheduler.sleep(20, 'final');
    }
  }

  async replay(): Promise<void> {
    const before = await this.#all();
    const leader = before.find((member) => member.term() !== undefined) as Member;
    await recount(leader.replica.snapshot(), leader.life.host);
    await leader.proposer.propose({ type: 'digest' });
    const position = leader.replica.applied();
    for (const machine of this.#machines.values()) machine.kill();
    const members = await this.#all();
    for (const member of members) {
      await member.replica.reached(position);
      await recount(member.replica.snapshot(), member.life.host);
    }
    await this.#agree(members);
  }

  async restart(): Promise<void> {
    const before = new Set((await this.#all()).map(({ life }) => life.name));
    await Promise.all([...this.#machines.values()].map((machine) => machine.stop()));
    const members = await this.#all();
    const same = members.find(({ life }) => before.has(life.name));
    if (same) throw new Error(`${same.life.name} did not end in order`);
    await this.#agree(members);
  }
}
