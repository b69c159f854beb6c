import { freshnessOf, newHeard } from '../../src/daemon/cluster/gate.ts';
import { objectShardsOf } from '../../src/daemon/cluster/sharding.ts';
import type { Thread } from '../../src/daemon/thread.ts';
import { memoryVolume } from '../../src/device/index.ts';
import { openKeyring } from '../../src/keys/index.ts';
import type { SimulatedLog } from '../../src/log/index.ts';
import type { MetadataReader } from '../../src/metadata/index.ts';
import { disorder, recount, scrubText } from '../checks/order.ts';
import { crowded, groupsOf, toldWrong } from '../checks/spread.ts';
import type { Coverage } from '../coverage.ts';
import type { Place } from '../place.ts';
import type { Fault, Settings } from '../scenario.ts';
import type { Door } from '../session.ts';
import type { Dice } from '../world/dice.ts';
import type { DiskFault } from '../world/disk.ts';
import { Life } from '../world/life.ts';
import type { Scheduler } from '../world/scheduler.ts';
import { logOf } from './logs.ts';
import { ClusterMachine, type Surroundings } from './machine.ts';
import type { Member } from './member.ts';
import { Network } from './network.ts';
import { Operator } from './operator.ts';
import { agree, checkSpread } from './order.ts';
import { isSettled } from './settled.ts';
import type { OpenShard } from './shards.ts';
import { Zones } from './zones.ts';

/** Time between two looks of whoever keeps the servers running. */
const lookMs = 150;

/** A cluster of nodes that share a log engine. */
export class Cluster implements Place {
  readonly #scheduler: Scheduler;
  readonly #coverage: Coverage;
  readonly #dice: Dice;
  /** Of each shard, by number: the first is the system shard's. */
  readonly #logs: readonly SimulatedLog[];
  /** The node that led each shard last. */
  readonly #leaders = new Map<number, string>();
  /** The keyring of the cluster, as every node was given it when it joined. */
  readonly #keys = memoryVolume();
  readonly #engine: Life;
  #healed = false;
  /** The first node has said how many shards there are: from then on others join it. */
  #begun: boolean;
  /** That held bytes at any time after the start: one that is drained holds none, also when it is taken into use again. */
  #leastNodes: number;
  readonly #around: Surroundings;
  readonly #operator: Operator;
  readonly #zones: Zones;
  /** Makes machines. */
  readonly #nodes: Dice;
  readonly #network: Network;
  readonly #machines = new Map<string, ClusterMachine>();

  constructor(scheduler: Scheduler, dice: Dice, settings: Settings, coverage: Coverage) {
    this.#scheduler = scheduler;
    this.#coverage = coverage;
    this.#dice = dice.fork('door');
    this.#engine = new Life(scheduler, 'engine', dice.fork('engine'), () => 0);
    this.#logs = Array.from({ length: 1 + settings.shards + settings.further }, (_, shard) =>
      logOf(shard, dice, settings, this.#engine, () => this.#healed),
    );
    this.#begun = settings.shards === 0;
    this.#network = new Network(scheduler, dice.fork('network'), settings.networkMs);
    this.#around = {
      scheduler,
      settings,
      coverage,
      logs: this.#logs,
      network: this.#network,
      keys: this.#keys,
      onLead: (shard, node) => this.#leads(shard, node),
    };
    this.#nodes = dice;
    this.#zones = new Zones(settings.zones, this.#machines, this.#network, coverage);
    this.#leastNodes = settings.nodes;
    for (let n = 1; n <= settings.nodes; n++) this.#add(`n${n}`);
    this.#operator = new Operator({
      scheduler,
      coverage,
      dice: dice.fork('operator'),
      members: () => this.#members(),
      draining: (node) => this.#draining(node),
      retiring: (device) => this.#newest && this.#zones.remember(this.#newest, device),
      labelled: (node, zone) => this.#zones.label(node, zone),
      kill: (node) => {
        if (!this.#healed) this.#machines.get(node)?.kill();
      },
      takeAway: (node) => this.#takeAway(node),
    });
  }

  #leads(shard: number, node: string): void {
    const before = this.#leaders.get(shard);
    if (before !== undefined && before !== node) this.#coverage.hit('an object shard changed its owner');
    this.#leaders.set(shard, node);
  }

  #add(name: string): void {
    const { devices } = this.#around.settings;
    const identities = new Map<string, string>();
    for (let d = 1; d <= devices; d++)
      identities.set(`${name}.d${d}`, `00000000-0000-4000-8000-${this.#nodes.bytes(6).toString('hex')}`);
    const machine = new ClusterMachine(name, identities, this.#around, this.#nodes.fork(name));
    machine.zone = this.#zones.first(name);
    this.#machines.set(name, machine);
  }

  /**
   * From now on groups are completed without it, and stay as they are then: a drain that is given up moves nothing back. The others are those that the
   * node that has seen most knows of; one that was started and is not known yet takes nobody's place.
   */
  #draining(name: string): void {
    const reader = this.#newest;
    if (!reader) return;
    const holding = new Set(reader.devices().flatMap(({ node, state }) => (state === 'active' ? [node] : [])));
    const others = reader.nodes().filter(({ id, state }) => id !== name && state === 'active' && holding.has(id));
    this.#zones.remember(reader, name);
    const stay = others.filter(({ id }) => !this.#machines.get(id)?.retired).length;
    this.#leastNodes = Math.min(this.#leastNodes, stay);
  }

  /** Of the node that has seen most. */
  get #newest(): MetadataReader | undefined {
    const [first] = this.#members().sort((a, b) => b.thread.reader.position() - a.thread.reader.position());
    return first?.thread.reader;
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
      const [first] = this.#members();
      this.#begun ||= first !== undefined;
      for (const machine of this.#begun ? this.#machines.values() : [this.#machines.get('n1')]) machine?.look();
    };
    look();
  }

  door(): Door | undefined {
    const members = this.#members();
    if (members.length === 0) return undefined;
    const member = this.#dice.pick(members);
    const { reader } = member.thread;
    return {
      objects: member.thread.objects,
      proposer: member.metadata,
      life: member.life,
      serve: () => member.serve(),
      freshness: {
        position: (shard) => reader.position(shard),
        get shards() {
          return reader.shards;
        },
        shared: freshnessOf(member.gate, reader, newHeard(), member.life.host.clock),
      },
      shardsOf(name) {
        const bucket = reader.bucket(name);
        return bucket ? reader.shardsOf(bucket.id).length : 1;
      },
      seen: ({ bucket: name, key }) => {
        const bucket = name === undefined ? undefined : reader.bucket(name);
        const shards = !bucket ? [] : key ? [reader.shardOf(bucket.id, key)] : reader.shardsOf(bucket.id);
        return [...new Set([0, ...shards])].map((shard) => reader.position(shard));
      },
    };
  }

  strike(fault: Fault): void {
    const coverage = this.#coverage;
    if (fault.kind === 'depose') {
      const { shard = 0 } = fault;
      coverage.hit(
        shard === 0
          ? 'the log was taken away from its owner'
          : 'the log of an object shard was taken away from its owner',
      );
      return this.#logs[shard]?.depose();
    }
    if (fault.kind === 'blackout' || fault.kind === 'isolate') return this.#zones.strike(fault);
    if (fault.kind === 'rebalance' || fault.kind === 'redundancy') return this.#operator.change(fault);
    if (fault.kind === 'label' || fault.kind === 'grow' || fault.kind === 'reshard')
      return this.#operator.change(fault);
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
        machine.member?.metadata.checkpoint().catch(() => {});
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
    const trimmed = this.#logs.map(({ tail }) => tail > 1);
    if (trimmed[0]) this.#coverage.hit('the log was trimmed');
    if (trimmed.lastIndexOf(true) > 0) this.#coverage.hit('the log of an object shard was trimmed');
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
    const [first] = await this.#all();
    if (first) this.#zones.begin(first.thread.reader);
  }

  /** Every node, once all run and one of them leads. */
  async #all(): Promise<Member[]> {
    for (;;) {
      const members = this.#members();
      const well = members.every((member) => member.failure() === undefined);
      const count = this.#shards();
      const open = members.every(({ shards }) => shards.length === count);
      const all = [...this.#machines.values()].filter(({ retired }) => !retired).length;
      if (
        well &&
        open &&
        this.#isLed(count) &&
        members.length === all &&
        members.every(isSettled) &&
        this.#operator.idle
      )
        return members;
      await this.#scheduler.sleep(50, 'final');
    }
  }

  /** Shards that the cluster has by now, as far as any node that runs knows. */
  #shards(): number {
    const said = this.#members().map(({ thread }) => 1 + (objectShardsOf(thread.reader) ?? 0));
    return Math.max(1 + this.#around.settings.shards, ...said);
  }

  #isLed(count: number): boolean {
    const members = this.#members();
    return Array.from({ length: count }).every((_, shard) => members.some(({ shards }) => shards[shard]?.shard.leads));
  }

  async loseZone(): Promise<string | undefined> {
    const members = await this.#all();
    const { reader } = (members[0] as Member).thread;
    const wrong = toldWrong(reader, await (members[0] as Member).admin['cluster.risk']?.(undefined));
    if (wrong !== undefined) throw new Error(wrong);
    const count = this.#shards();
    const zone = this.#zones.lose(reader);
    if (zone === undefined) return undefined;
    this.#coverage.hit('all was read while a whole zone was lost');
    while (!this.#isLed(count)) await this.#scheduler.sleep(50, 'final');
    return zone;
  }

  crowded(bucket: string, key: string): string | undefined {
    const wrong = this.threads().map(({ reader }) => crowded(reader, groupsOf(reader, bucket, key), []));
    return wrong.find((one) => one !== undefined);
  }

  findZone(): void {
    for (const machine of this.#machines.values()) machine.heal();
  }

  threads(): Thread[] {
    return this.#members().map(({ thread }) => thread);
  }

  async tidy(): Promise<string> {
    const members = await this.#all();
    let wrong = '';
    for (const member of members) {
      wrong ||= scrubText(await member.scrub.run());
      await member.mender.run();
      if (member.mender.totals().mended > 0) this.#coverage.hit('a missing copy was written by the mender');
    }
    const leader = members.find(({ shards }) => shards[0]?.shard.leads) ?? (members[0] as Member);
    const collected = await leader.collector.run();
    if (collected.fragments > 0) this.#coverage.hit('the collector removed fragments');
    if (collected.waiting) this.#coverage.hit('the collector waited for an open read');
    if (members.some((member) => member.recoded() > 0)) this.#coverage.hit('stripes were kept in another way');
    await agree(this.#scheduler, members);
    checkSpread(members, leader, this.#leastNodes);
    this.#zones.check(leader.thread.reader);
    const stores = new Map(members.flatMap((member) => [...member.stores]));
    const left = await disorder(leader.thread.reader, stores, leader.life.host, members.length);
    return wrong && left ? `${wrong}; ${left}` : wrong || left;
  }

  async replay(): Promise<void> {
    const positions: number[] = [];
    for (let shard = 0; shard < this.#shards(); shard++) {
      // A shard may be left to the node that should own it at any moment, also while another one is counted.
      const members = await this.#all();
      const { shards, life } = members.find((member) => member.shards[shard]?.shard.leads) as Member;
      const leader = shards[shard] as OpenShard;
      await recount(leader.replica.snapshot(), life.host);
      await leader.shard.propose({ type: 'digest' });
      positions.push(leader.replica.applied());
    }
    for (const machine of this.#machines.values()) machine.kill();
    const members = await this.#all();
    for (const member of members)
      for (const { number, replica } of member.shards) {
        await replica.reached(positions[number] as number);
        await recount(replica.snapshot(), member.life.host);
      }
    await agree(this.#scheduler, members);
  }

  async restart(): Promise<void> {
    const before = new Set((await this.#all()).map(({ life }) => life.name));
    await Promise.all([...this.#machines.values()].map((machine) => machine.stop()));
    const members = await this.#all();
    const same = members.find(({ life }) => before.has(life.name));
    if (same) throw new Error(`${same.life.name} did not end in order`);
    await agree(this.#scheduler, members);
  }
}
