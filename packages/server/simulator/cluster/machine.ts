import type { memoryVolume } from '../../src/device/index.ts';
import type { SimulatedClient, SimulatedLog } from '../../src/log/index.ts';
import type { Coverage } from '../coverage.ts';
import type { Settings } from '../scenario.ts';
import type { Dice } from '../world/dice.ts';
import { Disk } from '../world/disk.ts';
import { Life } from '../world/life.ts';
import type { Scheduler } from '../world/scheduler.ts';
import { SimulatedKv } from '../world/store.ts';
import { boundLog } from './bound.ts';
import { prepareState } from './install.ts';
import { Diverged, type Member, openMember } from './member.ts';
import type { Network } from './network.ts';

/** What the machines of a cluster share. */
export interface Surroundings {
  readonly scheduler: Scheduler;
  readonly settings: Settings;
  readonly coverage: Coverage;
  readonly log: SimulatedLog;
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
  readonly #kv: SimulatedKv;
  readonly #indexes = new Map<string, SimulatedKv>();
  readonly #identities: ReadonlyMap<string, string>;
  #wall = 0;
  #lives = 0;
  #life: Life | undefined;
  #client: SimulatedClient | undefined;
  #member: Member | undefined;
  /** It was removed from the cluster: nobody starts it any more. */
  #gone = false;
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
    if (this.#gone) return;
    if (!this.#life) return this.start();
    const failure = this.#member?.failure();
    if (failure === undefined) return;
    this.#around.coverage.hit('a node was started anew because it had stopped itself');
    this.#around.scheduler.note(`${this.name} has stopped itself: ${failure}`);
    const diverged = this.#member?.replica.failureKind() === 'diverged';
    this.kill();
    // Its state is not that of the others: the next start takes theirs.
    if (diverged) this.#kv.lose();
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
        if (cause instanceof Diverged) this.#kv.lose();
      },
    );
  }

  async #open(life: Life): Promise<Member> {
    const { settings, coverage, log, network, keys, scheduler } = this.#around;
    const client = log.open(this.name, `${this.name}:1`);
    this.#client = client;
    const bound = boundLog(client, life);
    const onError = (cause: unknown): void => scheduler.fail(cause);
    const transport = network.transport(life, onError);
    const taken = await prepareState(life, this.#kv, bound, transport, this.name);
    if (taken) coverage.hit('a snapshot was installed');
    return openMember({
      name: this.name,
      life,
      log: bound,
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
      transport,
      slabBytes: settings.slabBytes,
      cacheBytes: settings.cacheBytes,
      plain: settings.plain === 1,
      onEvent: (what) => coverage.hit(what),
      forget: (node) => log.forget(node),
    });
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
  }

  async stop(): Promise<void> {
    const member = this.#member;
    if (!member) return;
    this.#member = undefined;
    const inOrder = await member.close();
    if (!inOrder) this.#around.scheduler.note(`${member.life.name} is killed: requests did not end in time`);
    if (this.#life === member.life) this.kill();
  }

  /** It is not started any more. */
  retire(): void {
    this.#gone = true;
  }

  get retired(): boolean {
    return this.#gone;
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
