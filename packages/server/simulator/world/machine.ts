import type { Coverage } from '../coverage.ts';
import type { Settings } from '../scenario.ts';
import type { Dice } from './dice.ts';
import { Disk, type DiskFault } from './disk.ts';
import { Life } from './life.ts';
import { type Node, openNode } from './node.ts';
import type { Scheduler } from './scheduler.ts';
import { SimulatedKv } from './store.ts';

/** Time between two looks of whoever keeps the server running (systemd), and pause before a start that failed is tried again. */
const lookMs = 150;

/** One machine: disks that outlive the processes, and at most one process of the server. */
export class Machine {
  readonly disks = new Map<string, Disk>();
  readonly #name: string;
  readonly #scheduler: Scheduler;
  readonly #coverage: Coverage;
  readonly #settings: Settings;
  readonly #dice: Dice;
  readonly #system: Disk;
  readonly #kv: SimulatedKv;
  readonly #indexes = new Map<string, SimulatedKv>();
  readonly #identities = new Map<string, string>();
  #wall = 0;
  #lives = 0;
  #life: Life | undefined;
  #node: Node | undefined;
  /** Why the newest start failed. */
  startFailure: unknown;

  constructor(name: string, scheduler: Scheduler, dice: Dice, settings: Settings, coverage: Coverage) {
    this.#name = name;
    this.#scheduler = scheduler;
    this.#coverage = coverage;
    this.#settings = settings;
    this.#dice = dice;
    const now = (): number => scheduler.now;
    const { paceMs } = settings;
    this.#system = new Disk('system', dice.fork('system'), now, { paceMs });
    this.disks.set('log', new Disk('log', dice.fork('log'), now, { paceMs, capacity: settings.logBytes }));
    this.#kv = new SimulatedKv('kv', dice.fork('kv'));
    for (let i = 1; i <= settings.devices; i++) {
      const disk = `d${i}`;
      this.disks.set(disk, new Disk(disk, dice.fork(disk), now, { paceMs, capacity: settings.deviceBytes }));
      this.#indexes.set(disk, new SimulatedKv(`index ${disk}`, dice.fork(`index ${disk}`)));
      this.#identities.set(disk, `00000000-0000-4000-8000-${dice.bytes(6).toString('hex')}`);
    }
  }

  /** The server, when it runs and answers. */
  get node(): Node | undefined {
    return this.#node;
  }

  get life(): Life | undefined {
    return this.#life;
  }

  /** Starts the server, and again whenever it is gone or has stopped itself, until the run ends. */
  keepRunning(): void {
    const look = (): void => {
      this.#scheduler.after(lookMs, 'supervisor', look);
      if (!this.#life) this.start();
      else if (this.#node?.failure() !== undefined) {
        this.#coverage.hit('a node was started anew because it had stopped itself');
        this.#scheduler.note(`${this.#name} has stopped itself: ${this.#node.failure()}`);
        this.kill();
      }
    };
    look();
  }

  start(): void {
    const life = new Life(
      this.#scheduler,
      `${this.#name}.${++this.#lives}`,
      this.#dice.fork(`life ${this.#lives}`),
      () => this.#wall,
    );
    this.#life = life;
    for (const disk of this.disks.values()) disk.starting = true;
    openNode({
      life,
      log: (this.disks.get('log') as Disk).open(life),
      system: this.#system.open(life),
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
      slabBytes: this.#settings.slabBytes,
      threads: this.#settings.threads,
      cacheBytes: this.#settings.cacheBytes,
      plain: this.#settings.plain === 1,
      ruled: this.#settings.ruled === 1,
      onEvent: (what) => this.#coverage.hit(what),
    }).then(
      (node) => {
        if (this.#life !== life) return;
        this.#scheduler.note(`${life.name} runs`);
        this.#node = node;
        for (const disk of this.disks.values()) disk.starting = false;
        this.startFailure = undefined;
      },
      (cause: unknown) => {
        if (this.#life !== life) return;
        this.#scheduler.note(`${life.name} does not start: ${cause instanceof Error ? cause.message : cause}`);
        this.#coverage.hit('a start failed and was tried again');
        this.startFailure = cause;
        this.kill();
      },
    );
  }

  /** kill -9: what was written is there, what was in memory is not. */
  kill(): void {
    if (!this.#life) return;
    const trimmed = this.#node && this.#node.log.tail > 1;
    if (trimmed) this.#coverage.hit('the log was trimmed');
    this.#life.end();
    this.#life = undefined;
    this.#node = undefined;
    this.#kv.crash();
    for (const index of this.#indexes.values()) index.crash();
    for (const disk of this.disks.values()) if (disk.suspect) disk.loosePower();
  }

  /** What was not synced is lost, in whole or in part. */
  loosePower(): void {
    this.kill();
    for (const disk of [this.#system, ...this.disks.values()]) disk.loosePower();
  }

  loseIndex(disk: string): void {
    this.kill();
    this.#indexes.get(disk)?.lose();
  }

  /** Asks the server to end in order, as SIGTERM does. */
  async stop(): Promise<void> {
    const node = this.#node;
    if (!node) return;
    this.#node = undefined;
    const inOrder = await node.close();
    if (!inOrder) this.#scheduler.note(`${node.life.name} is killed: requests did not end in time`);
    if (this.#life === node.life) this.kill();
  }

  pause(milliseconds: number): void {
    this.#life?.pause(milliseconds);
  }

  jumpClock(milliseconds: number): void {
    this.#wall += milliseconds;
  }

  sicken(disk: string, fault: DiskFault, milliseconds: number, share: number): void {
    this.disks.get(disk)?.sicken(fault, milliseconds, share);
  }

  /** Nothing goes wrong any more. */
  heal(): void {
    for (const disk of this.disks.values()) disk.heal();
    this.#life?.resume();
  }
}
