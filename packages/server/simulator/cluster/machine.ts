import type { memoryVolume } from '../../src/device/index.ts';
import type { SimulatedClient, SimulatedLog } from '../../src/log/index.ts';
import { restoreSnapshot } from '../../src/metadata/index.ts';
import type { Coverage } from '../coverage.ts';
import type { Settings } from '../scenario.ts';
import type { Dice } from '../world/dice.ts';
import { Disk } from '../world/disk.ts';
import { Life } from '../world/life.ts';
import type { Scheduler } from '../world/scheduler.ts';
import { SimulatedKv } from '../world/store.ts';
import { boundLog } from './bound.ts';
import { type Member, openMember } from './member.ts';
import type { Network } from './network.ts';

/** What the machines of a cluster share. */
export interface Surroundings {
  readonly scheduler: Scheduler;
  readonly settings: Settings;
  readonly coverage: Coverage;
  readonly log: SimulatedLog;
  readonly network: Network<Member>;
  /** Every device and the node that has it. */
  readonly all: ReadonlyMap<string, string>;
  /** The keyring of the cluster, which every node was given when it joined. */
  readonly keys: ReturnType<typeof memoryVolume>;
  /** Another node's state, to start from; undefined when none can be reached. */
  readonly snapshotFor: (node: string) => Iterable<Buffer> | undefined;
}

const installMs = 30;

/** A machine of the cluster: devices and metadata that outlive its processes. */
export class ClusterMachine {
  readonly name: string;
  readonly disks = new Map<string, Disk>();
  readonly #around: Surroundings;
  readonly #dice: Dice;
  readonly #kv: SimulatedKv;
  readonly #indexes = new Map<string, SimulatedKv>();
  readonly #identities: ReadonlyMap<string, string>;
  #wall = 0;
  #lives = 0;
  #life: Life | undefined;
  #client: SimulatedClient | undefined;
  #member: Member | undefined;
  #failure: string | undefined;
  startFailure: unknown;

  /** @param identities of its devices, by disk */
  constructor(name: string, identities: ReadonlyMap<string, string>, around: Surroundings, dice: Dice) {
    this.name = name;
    this.#around = around;
    this.#dice = dice;
    this.#identities = identities;
    this.#kv = new SimulatedKv(`${name} kv`, dice.fork('kv'));
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

  get life(): Life | undefined {
    return this.#life;
  }

  /** Starts it when it is gone; starts it anew when it has stopped itself. */
  look(): void {
    if (!this.#life) return this.start();
    const failure = this.#member?.failure();
    if (failure === undefined) return;
    this.#around.coverage.hit('a node was started anew because it had stopped itself');
    this.#around.scheduler.note(`${this.name} has stopped itself: ${failure}`);
    this.#failure = this.#member?.replica.failureKind();
    this.kill();
  }

  start(): void {
    const { scheduler, coverage, settings } = this.#around;
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
        this.#failure = /^(behind|diverged):/.exec(text)?.[1];
        this.kill();
      },
    );
    if (settings.nodes < 1) throw new Error('a cluster has nodes');
  }

  async #open(life: Life): Promise<Member> {
    const { settings, coverage, log, network, all, keys } = this.#around;
    if (this.#failure === 'behind' || this.#failure === 'diverged') await this.#install(life);
    const client = log.open(this.name, `${this.name}:1`);
    this.#client = client;
    return openMember({
      name: this.name,
      life,
      log: boundLog(client, life),
      keys,
      kv: this.#kv.open(life),
      devices: [...this.#indexes].map(([disk, index]) => ({
        identity: this.#identities.get(disk) as string,
        volume: (this.disks.get(disk) as Disk).open(life),
        index: index.open(life),
        loseIndex: () => {
          index.lose();
          return index.open(life);
        },
      })),
      all,
      network,
      slabBytes: settings.slabBytes,
      cacheBytes: settings.cacheBytes,
      plain: settings.plain === 1,
      onEvent: (what) => coverage.hit(what),
    });
  }

  /** Builds the state anew from another node's. */
  async #install(life: Life): Promise<void> {
    await life.wait(installMs, 'install');
    const snapshot = this.#around.snapshotFor(this.name);
    if (!snapshot) throw new Error(`${this.#failure}: no node gives a snapshot`);
    const chunks = [...snapshot];
    this.#kv.lose();
    await restoreSnapshot(this.#kv.open(life), chunks);
    this.#failure = undefined;
    this.#around.coverage.hit('a snapshot was installed');
  }

  kill(): void {
    if (!this.#life) return;
    this.#life.end();
    // What is under way between it and the engine stays so; its lease ends by itself.
    this.#client?.cut();
    // A life that begins has no client of the log yet: whatever happens to the machine then must not bring back that of the dead one.
    this.#client = undefined;
    this.#life = undefined;
    this.#member = undefined;
    this.#kv.crash();
    for (const index of this.#indexes.values()) index.crash();
    for (const disk of this.disks.values()) if (disk.suspect) disk.loosePower();
  }

  loosePower(): void {
    this.kill();
    for (const disk of this.disks.values()) disk.loosePower();
  }

  loseIndex(disk: string): void {
    this.kill();
    this.#indexes.get(disk)?.lose();
  }

  /** Its metadata is gone: it starts from the log, or from another node's snapshot. */
  forget(): void {
    this.kill();
    this.#kv.lose();
    if (this.#around.log.tail > 1) this.#failure = 'behind';
  }

  async stop(): Promise<void> {
    const member = this.#member;
    if (!member) return;
    this.#member = undefined;
    const inOrder = await member.close();
    if (!inOrder) this.#around.scheduler.note(`${member.life.name} is killed: requests did not end in time`);
    if (this.#life === member.life) this.kill();
  }

  pause(milliseconds: number): void {
    const client = this.#client;
    this.#life?.pause(milliseconds);
    client?.pause();
    this.#around.scheduler.after(milliseconds, 'resume', () => client?.resume());
  }

  /** Cut off from the log engine alone. */
  unlog(milliseconds: number): void {
    const client = this.#client;
    const life = this.#life;
    client?.cut();
    this.#around.scheduler.after(milliseconds, 'log again', () => {
      if (life?.alive) client?.heal();
    });
  }

  jumpClock(milliseconds: number): void {
    this.#wall += milliseconds;
  }

  heal(): void {
    for (const disk of this.disks.values()) disk.heal();
    this.#life?.resume();
    if (this.#life) {
      this.#client?.resume();
      this.#client?.heal();
    }
  }
}
