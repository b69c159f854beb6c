import type { memoryVolume } from '../../src/device/index.ts';
import { limits } from '../../src/limits.ts';
import type { SharedLog, SimulatedClient, SimulatedLog } from '../../src/log/index.ts';
import type { Coverage } from '../coverage.ts';
import type { Settings } from '../scenario.ts';
import type { Dice } from '../world/dice.ts';
import { Disk } from '../world/disk.ts';
import { Life } from '../world/life.ts';
import type { Scheduler } from '../world/scheduler.ts';
import { SimulatedKv } from '../world/store.ts';
import { boundLog } from './bound.ts';
import { prepareState } from './install.ts';
import { type Member, openMember } from './member.ts';
import type { Network } from './network.ts';
import { Diverged } from './shards.ts';

/** What the machines of a cluster share. */
export interface Surroundings {
  readonly scheduler: Scheduler;
  readonly settings: Settings;
  readonly coverage: Coverage;
  /** Of each shard, by number. */
  readonly logs: readonly SimulatedLog[];
  /** The node that leads each shard began to do so. */
  readonly onLead: (shard: number, node: string) => void;
  readonly network: Network;
  /** The keyring of the cluster, which every node was given when it joined. */
  readonly keys: ReturnType<typeof memoryVolume>;
}

/** A machine of the cluster: devices and metadata that outlive its processes. */
export class ClusterMachine {
  readonly name: string;
  readonly disks = new Map<string, Disk>();
  readonly #around: Surroundings;
  readonly #dice: Dice;
  /** Of each shard, by number. */
  readonly #kvs: readonly SimulatedKv[];
  readonly #indexes = new Map<string, SimulatedKv>();
  readonly #identities: ReadonlyMap<string, string>;
  #wall = 0;
  #lives = 0;
  #life: Life | undefined;
  /** Of the log of each shard, by number. */
  #clients: SimulatedClient[] = [];
  #member: Member | undefined;
  /** It was removed from the cluster: nobody starts it any more. */
  #gone = false;
  /** Until then it has no power, simulated ms. */
  #darkUntil = 0;
  startFailure: unknown;
  /** What its configuration says of its zone, whenever it starts; undefined: nothing. */
  zone: string | undefined;

  /** @param identities of its devices, by disk */
  constructor(name: string, identities: ReadonlyMap<string, string>, around: Surroundings, dice: Dice) {
    this.name = name;
    this.#around = around;
    this.#dice = dice;
    this.#identities = identities;
    this.#kvs = around.logs.map((_, shard) => {
      const label = shard === 0 ? 'kv' : `kv ${shard}`;
      return new SimulatedKv(`${name} ${label}`, dice.fork(label));
    });
    const { paceMs, deviceBytes } = around.settings;
    for (const disk of identities.keys()) {
      const options = { paceMs, capacity: deviceBytes };
      this.disks.set(disk, new Disk(disk, dice.fork(disk), () => around.scheduler.now, options));
      this.#indexes.set(disk, new SimulatedKv(`index ${disk}`, dice.fork(`index ${disk}`)));
    }
  }

  get member(): Member | undefined {
    return this.#member;
  }

  identityOf(disk: string): string {
    const identity = this.#identities.get(disk);
    if (identity === undefined) throw new Error(`there is no disk ${disk}`);
    return identity;
  }

  get life(): Life | undefined {
    return this.#life;
  }

  /** Starts it when it is gone; starts it anew when it has stopped itself. */
  look(): void {
    if (this.#gone || this.#around.scheduler.now < this.#darkUntil) return;
    if (!this.#life) return this.start();
    const failure = this.#member?.failure();
    if (failure === undefined) return;
    this.#around.coverage.hit('a node was started anew because it had stopped itself');
    this.#around.scheduler.note(`${this.name} has stopped itself: ${failure}`);
    const diverged = this.#member?.shards.filter(({ replica }) => replica.failureKind() === 'diverged') ?? [];
    this.kill();
    // Its state is not that of the others: the next start takes theirs.
    for (const { number } of diverged) this.#kvs[number]?.lose();
  }

  start(): void {
    const { scheduler, coverage } = this.#around;
    const life = new Life(
      scheduler,
      `${this.name}.${++this.#lives}`,
      this.#dice.fork(`life ${this.#lives}`),
      () => this.#wall,
    );
    this.#life = life;
    for (const disk of this.disks.values()) disk.starting = true;
    this.#open(life).then(
      (member) => {
        if (this.#life !== life) return;
        scheduler.note(`${life.name} runs`);
        for (const disk of this.disks.values()) disk.starting = false;
        this.#member = member;
        this.startFailure = undefined;
      },
      (cause: unknown) => {
        if (this.#life !== life) return;
        const text = cause instanceof Error ? cause.message : String(cause);
        scheduler.note(`${life.name} does not start: ${text}`);
        coverage.hit('a start failed and was tried again');
        this.startFailure = cause;
        this.kill();
        if (cause instanceof Diverged) this.#kvs[cause.shard]?.lose();
      },
    );
  }

  async #open(life: Life): Promise<Member> {
    const { settings, coverage, logs, network, keys, scheduler } = this.#around;
    const openLog = (log: SimulatedLog): SimulatedClient => log.open(this.name, `${this.name}:1`);
    // Those that it may be given while it runs are opened then.
    const clients = logs.slice(0, 1 + settings.shards).map(openLog);
    this.#clients = clients;
    const [system, ...others] = clients.map((client) => boundLog(client, life)) as [SharedLog, ...SharedLog[]];
    const onError = (cause: unknown): void => scheduler.fail(cause);
    const transport = network.transport(life, onError);
    const [kv, ...kvs] = this.#kvs as readonly [SimulatedKv, ...SimulatedKv[]];
    if (await prepareState(life, kv, system, transport, this.name)) coverage.hit('a snapshot was installed');
    return openMember({
      name: this.name,
      life,
      log: system,
      keys,
      kv: kv.open(life),
      objectShards: kvs.map((own, at) => ({
        number: at + 1,
        log: () => {
          const known = others[at];
          if (known) return known;
          const client = openLog(logs[at + 1] as SimulatedLog);
          clients.push(client);
          return boundLog(client, life);
        },
        open: async (log) => {
          const taken = await prepareState(life, own, log, transport, this.name, at + 1);
          if (taken) coverage.hit('a snapshot of an object shard was installed');
          return own.open(life);
        },
      })),
      devices: [...this.#indexes].map(([disk, index]) => ({
        identity: this.#identities.get(disk) as string,
        volume: (this.disks.get(disk) as Disk).open(life),
        index: index.open(life),
        loseIndex: () => {
          index.lose();
          return index.open(life);
        },
      })),
      transport,
      slabBytes: settings.slabBytes,
      cacheBytes: settings.cacheBytes,
      plain: settings.plain === 1,
      ruled: settings.ruled === 1,
      begins: settings.shards,
      grows: settings.further > 0,
      keysPerShard: settings.keysPerShard || limits.keysPerShard,
      zone: this.zone,
      onEvent: (what) => coverage.hit(what),
      forget: (node) => {
        for (const log of logs) log.forget(node);
      },
      onLead: (shard) => this.#around.onLead(shard, this.name),
    });
  }

  kill(): void {
    if (!this.#life) return;
    this.#life.end();
    // What is under way between it and the engine stays so; its lease ends by itself.
    for (const client of this.#clients) client.cut();
    // A life that begins has no client of the log yet: whatever happens to the machine then must not bring back that of the dead one.
    this.#clients = [];
    this.#life = undefined;
    this.#member = undefined;
    for (const kv of this.#kvs) kv.crash();
    for (const index of this.#indexes.values()) index.crash();
    for (const disk of this.disks.values()) if (disk.suspect) disk.loosePower();
  }

  loosePower(): void {
    this.kill();
    for (const disk of this.disks.values()) disk.loosePower();
  }

  /** Its power is lost, and does not come back for so long. */
  darken(milliseconds: number): void {
    this.loosePower();
    this.#darkUntil = this.#around.scheduler.now + milliseconds;
  }

  loseIndex(disk: string): void {
    this.kill();
    this.#indexes.get(disk)?.lose();
  }

  /** Its metadata is gone: it starts from the log, or from another node's snapshot. */
  forget(): void {
    this.kill();
    for (const kv of this.#kvs) kv.lose();
  }

  async stop(): Promise<void> {
    const member = this.#member;
    if (!member) return;
    this.#member = undefined;
    const inOrder = await member.close();
    if (!inOrder) this.#around.scheduler.note(`${member.life.name} is killed: requests did not end in time`);
    if (this.#life === member.life) this.kill();
  }

  /** It is not started any more; a start that is under way is given up. */
  retire(): void {
    this.#gone = true;
    if (!this.#member) this.kill();
  }

  get retired(): boolean {
    return this.#gone;
  }

  pause(milliseconds: number): void {
    const clients = this.#clients;
    this.#life?.pause(milliseconds);
    for (const client of clients) client.pause();
    this.#around.scheduler.after(milliseconds, 'resume', () => {
      for (const client of clients) client.resume();
    });
  }

  /** Cut off from the log engine alone. */
  unlog(milliseconds: number): void {
    const clients = this.#clients;
    const life = this.#life;
    for (const client of clients) client.cut();
    this.#around.scheduler.after(milliseconds, 'log again', () => {
      if (life?.alive) for (const client of clients) client.heal();
    });
  }

  jumpClock(milliseconds: number): void {
    this.#wall += milliseconds;
  }

  heal(): void {
    for (const disk of this.disks.values()) disk.heal();
    this.#darkUntil = 0;
    this.#life?.resume();
    if (!this.#life) return;
    for (const client of this.#clients) {
      client.resume();
      client.heal();
    }
  }
}
