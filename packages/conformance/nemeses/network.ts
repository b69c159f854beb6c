import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import path from 'node:path';
import { createInterface } from 'node:readline';
import type { Place } from '../cluster/cluster.support.ts';
import { atEnd } from '../src/ending.ts';

/*
 * Machines of their own, as far as the network goes: each node runs in a network namespace, and its only way to others is a TAP device whose frames
 * pass through a program (switch.py) that loses, delays, repeats, reorders, limits or cuts them. The kernel's own means for that (`tc netem`) is a module
 * that many kernels do not have, so it is not used at all. This process has a device there too, for its requests.
 */

/** What happens to frames that go from one machine to another; machines are numbered as nodes are. Shares are 0 to 1. */
export interface Rule {
  readonly from: number;
  readonly to: number;
  /** First and last TCP port that it is about; all frames when left out. */
  readonly ports?: readonly [number, number];
  /** Nothing passes. */
  readonly drop?: boolean;
  readonly loss?: number;
  readonly delayMs?: number;
  readonly jitterMs?: number;
  readonly duplicate?: number;
  readonly reorder?: number;
  /** Bytes in a second. */
  readonly rate?: number;
}

const run = (command: string, ...args: string[]): string =>
  execFileSync(command, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });

/** Why machines cannot be made here; false when they can. */
export const networkMissing: string | false = (() => {
  const probe = `dsom-probe-${process.pid}`;
  try {
    if (process.getuid?.() !== 0) return 'network namespaces need root';
    run('python3', '--version');
    run('ip', 'netns', 'add', probe);
    try {
      run('ip', 'netns', 'exec', probe, 'ip', 'tuntap', 'add', 'dev', 'p0', 'mode', 'tap');
    } finally {
      run('ip', 'netns', 'del', probe);
    }
    return false;
  } catch (cause) {
    const said = String((cause as { stderr?: unknown }).stderr ?? '').trim();
    return `network namespaces with TAP devices cannot be made here: ${said || (cause as Error).message}`;
  }
})();

/** Octet of this process's own device; nodes have 1 and up. */
const ownOctet = 254;

export class Network {
  readonly #subnet: string;
  /** Device of this process. */
  readonly #own: string;
  readonly #namespaces: string[] = [];
  readonly #switch: ChildProcess;
  readonly #waiting: PromiseWithResolvers<void>[] = [];
  /** What is in force, one list for each fault that is on. */
  readonly #faults = new Set<readonly Rule[]>();
  readonly #isRemoved: () => void;

  private constructor(subnet: string, own: string, program: ChildProcess) {
    this.#subnet = subnet;
    this.#own = own;
    this.#switch = program;
    createInterface({ input: program.stdout as NodeJS.ReadableStream }).on('line', () =>
      this.#waiting.shift()?.resolve(),
    );
    program.once('exit', (code) => {
      for (const { reject } of this.#waiting) reject(new Error(`the switch ended with ${code}`));
    });
    this.#isRemoved = atEnd(this.#remove);
  }

  /** @param machines how many there are; names and addresses are this process's own, for several runs at a time */
  static async open(machines: number): Promise<Network> {
    const unique = process.pid & 0x7fff;
    const subnet = `10.${100 + (unique >> 8)}.${unique & 255}`;
    const name = `dsn${unique.toString(36)}`;
    const devices = Array.from({ length: machines }, (_, index) => `${name}-${index}`);
    const own = `${name}-me`;
    for (const device of [...devices, own]) run('ip', 'tuntap', 'add', 'dev', device, 'mode', 'tap');
    // The program attaches while all devices are here; they go to their namespaces attached.
    const program = spawn('python3', [path.join(import.meta.dirname, 'switch.py'), ...devices, own], {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    const network = new Network(subnet, own, program);
    await network.#answered();
    for (const [index, device] of devices.entries()) {
      run('ip', 'netns', 'add', device);
      network.#namespaces.push(device);
      run('ip', 'link', 'set', device, 'netns', device);
      run('ip', '-n', device, 'link', 'set', 'lo', 'up');
      run('ip', '-n', device, 'address', 'add', `${subnet}.${index + 1}/24`, 'dev', device);
      run('ip', '-n', device, 'link', 'set', device, 'mtu', '9000', 'up');
    }
    run('ip', 'address', 'add', `${subnet}.${ownOctet}/24`, 'dev', own);
    run('ip', 'link', 'set', own, 'mtu', '9000', 'up');
    return network;
  }

  /** Where node number `index` runs. */
  place(index: number): Place {
    const namespace = this.#namespaces[index];
    if (namespace === undefined) throw new Error(`there is no machine ${index}`);
    return { host: `${this.#subnet}.${index + 1}`, launch: ['ip', 'netns', 'exec', namespace] };
  }

  #answered(): Promise<void> {
    const answer = Promise.withResolvers<void>();
    this.#waiting.push(answer);
    return answer.promise;
  }

  /** Puts rules in force beside those of other faults; where several fit a frame, those of the oldest fault count. @returns takes them back */
  async fault(rules: readonly Rule[]): Promise<() => Promise<void>> {
    this.#faults.add(rules);
    await this.#send();
    return async () => {
      this.#faults.delete(rules);
      await this.#send();
    };
  }

  async #send(): Promise<void> {
    const answered = this.#answered();
    this.#switch.stdin?.write(`${JSON.stringify([...this.#faults].flat())}\n`);
    await answered;
  }

  readonly #remove = (): void => {
    this.#switch.kill('SIGKILL');
    for (const one of [...this.#namespaces.map((name) => ['netns', 'del', name]), ['link', 'del', this.#own]])
      try {
        run('ip', ...one);
      } catch {
        // It is gone already.
      }
  };

  close(): void {
    this.#isRemoved();
    this.#remove();
  }
}

/** Rules for both directions between every machine of one side and every one of the other. */
export function between(one: readonly number[], other: readonly number[], how: Omit<Rule, 'from' | 'to'>): Rule[] {
  return one.flatMap((a) =>
    other.flatMap((b) => [
      { from: a, to: b, ...how },
      { from: b, to: a, ...how },
    ]),
  );
}

/** Rules for all links among these machines. */
export function among(machines: readonly number[], how: Omit<Rule, 'from' | 'to'>): Rule[] {
  return machines.flatMap((from) => machines.filter((to) => to !== from).map((to) => ({ from, to, ...how })));
}
