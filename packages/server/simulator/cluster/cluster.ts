import { placementDevices } from '../../src/daemon/cluster/layout.ts';
import { readRebalance } from '../../src/daemon/cluster/settings.ts';
import { memoryVolume } from '../../src/device/index.ts';
import { openKeyring } from '../../src/keys/index.ts';
import { type SimulatedLog, simulatedLog } from '../../src/log/index.ts';
import { planLayout } from '../../src/placement/index.ts';
import { disorder, recount, scrubText } from '../checks/order.ts';
import type { Coverage } from '../coverage.ts';
import type { Place } from '../place.ts';
import type { Fault, Settings } from '../scenario.ts';
import type { Door } from '../session.ts';
import type { Dice } from '../world/dice.ts';
import type { DiskFault } from '../world/disk.ts';
import { Life } from '../world/life.ts';
import type { Scheduler } from '../world/scheduler.ts';
import { ClusterMachine, type Surroundings } from './machine.ts';
import type { Member } from './member.ts';
import { Network } from './network.ts';
import { Operator } from './operator.ts';

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
  /** That held bytes at any time after the start: one that is drained holds none, also when it is taken into use again. */
  #leastNodes: number;
  readonly #around: Surroundings;
  readonly #operator: Operator;
  /** Makes machines. */
  readonly #nodes: Dice;
  readonly #network: Network;
  readonly #machines = new Map<string, ClusterMachine>();

  constructor(scheduler: Scheduler, dice: Dice, settings: Settings, coverage: Coverage) {
    this.#scheduler = scheduler;
    this.#coverage = coverage;
    this.#dice = dice.fork('door');
    this.#engine = new Life(scheduler, 'engine', dice.fork('engine'), () => 0);
    const late = dice.fork('log delay');
    const fates = dice.fork('log fate');
    const heard = fates.pick([1, 0.995, 0.95]);
    // One node hears of everything late: what others see, it does not see yet.
    const lags = fates.chance(0.4) ? `n${fates.between(1, settings.nodes)}` : undefined;
    this.#log = simulatedLog({
      host: this.#engine.host,
      leaseMs,
      replicas: settings.nodes,
      tailBytes,
      delay: (node) =>
        settings.networkMs * (late.chance(0.03) ? 20 * late.float() : 0.5 + late.float()) * (node === lags ? 15 : 1),
      fate: () => (this.#healed || fates.chance(heard) ? 'heard' : fates.pick(['lost', 'unheard'])),
    });
    this.#network = new Network(scheduler, dice.fork('network'), settings.networkMs);
    this.#around = { scheduler, settings, coverage, log: this.#log, network: this.#network, keys: this.#keys };
    this.#nodes = dice;
    this.#leastNodes = settings.nodes;
    for (let n = 1; n <= settings.nodes; n++) this.#add(`n${n}`);
    this.#operator = new Operator({
      scheduler,
      coverage,
      dice: dice.fork('operator'),
      members: () => this.#members(),
      draining: (node) => this.#draining(node),
      takeAway: (node) => this.#takeAway(node),
    });
  }

  #add(name: string): void {
    const { devices } = this.#around.settings;
    const identities = new Map<string, string>();
    for (let d = 1; d <= devices; d++)
      identities.set(`${name}.d${d}`, `00000000-0000-4000-8000-${this.#nodes.bytes(6).toString('hex')}`);
    this.#machines.set(name, new ClusterMachine(name, identities, this.#around, this.#nodes.fork(name)));
  }

  /**
   * From now on groups are completed without it, and stay as they are then: a drain that is given up moves nothing back. The others are those that the
   * node that has seen most knows of; one that was started and is not known yet takes nobody's place.
   */
  #draining(name: string): void {
    const [first] = this.#members().sort((a, b) => b.replica.applied() - a.replica.applied());
    if (!first) return;
    const { reader } = first.thread;
    const holding = new Set(reader.devices().flatMap(({ node, state }) => (state === 'active' ? [node] : [])));
    const others = reader.nodes().filter(({ id, state }) => id !== name && state === 'active' && holding.has(id));
    const stay = others.filter(({ id }) => !this.#machines.get(id)?.retired).length;
    this.#leastNodes = Math.min(this.#leastNodes, stay);
  }

  #takeAway(name: string): void {
    const machine = this.#machines.get(name);
    machine?.retire();
    machine?.stop().catch(() => machine.kill());
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
      objects: member.thread.objects,
      life: member.life,
      serve: () => member.serve(),
      barrier: () => member.gate.latest(),
      reached: (position) => member.gate.reached(position),
      position: () => member.thread.reader.position(),
    };
  }

  strike(fault: Fault): void {
    const coverage = this.#coverage;
    if (fault.kind === 'depose') {
      coverage.hit('the log was taken away from its owner');
      return this.#log.depose();
    }
    if (fault.kind === 'rebalance') return this.#operator.change(fault);
    if (fault.kind === 'join') {
      coverage.hit('a node joined the cluster');
      return this.#add(fault.node);
    }
    const name = 'disk' in fault ? fault.disk.split('.')[0] : fault.node;
    const machine = this.#machines.get(name as string);
    // It has not joined yet.
    if (!machine) return;
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
      case 'drain':
        return this.#operator.change({ kind: 'drain', node: fault.node });
      case 'retire':
        return this.#operator.change({ kind: 'retire', device: machine.identityOf(fault.disk) });
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
      const led = members.some((member) => member.shard.leads);
      const all = [...this.#machines.values()].filter(({ retired }) => !retired).length;
      if (well && led && members.length === all && members.every(isSettled) && this.#operator.idle) return members;
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
    const leader = members.find((member) => member.shard.leads) ?? (members[0] as Member);
    const collected = await leader.collector.run();
    if (collected.fragments > 0) this.#coverage.hit('the collector removed fragments');
    if (collected.waiting) this.#coverage.hit('the collector waited for an open read');
    await this.#agree(members);
    this.#checkSpread(members, leader);
    const stores = new Map(members.flatMap((member) => [...member.stores]));
    const left = await disorder(leader.replica.reader, stores, leader.life.host, members.length);
    return wrong && left ? `${wrong}; ${left}` : wrong || left;
  }

  /** No two fragments of a stripe lie on one node, as far as there always were enough of them that were not drained. @throws Error when they do */
  #checkSpread(members: readonly Member[], { replica: { reader } }: Member): void {
    const nodeOf = new Map(members.flatMap(({ name, stores }) => [...stores.keys()].map((device) => [device, name])));
    const crowded = new Set<number>();
    for (const { id, devices } of reader.groups())
      if (new Set(devices.map((device) => nodeOf.get(device))).size < Math.min(devices.length, this.#leastNodes))
        crowded.add(id);
    for (let next = Buffer.alloc(16); ; ) {
      const rows = reader.stripes(next, 1000);
      const wrong = rows.find(({ group }) => crowded.has(group));
      if (wrong) throw new Error(`stripe ${wrong.stripe.toString('hex')} has two fragments on one node`);
      const last = rows.at(-1);
      if (!last) return;
      next = Buffer.from(last.stripe);
      next.writeBigUInt64BE(next.readBigUInt64BE(8) + 1n, 8);
    }
  }

  /** All replicas come to one position, and have one digest there. @throws Error when they do not */
  async #agree(members: readonly Member[]): Promise<void> {
    for (let tries = 0; ; tries++) {
      for (const member of members) await member.gate.latest();
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
    const leader = before.find((member) => member.shard.leads) as Member;
    await recount(leader.replica.snapshot(), leader.life.host);
    await leader.shard.propose({ type: 'digest' });
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

/** It hears of every other node, nothing is evened out, and no placement group is to be defined. */
function isSettled({ thread: { reader, network } }: Member): boolean {
  const heard = network?.neighbours().every(({ state }) => state !== undefined) === true;
  const still = readRebalance(reader).state !== 'running';
  return (
    heard && still && reader.nodes().length > 1 && planLayout(placementDevices(reader), reader.groups()).length === 0
  );
}
