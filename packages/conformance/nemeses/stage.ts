import path from 'node:path';
import { Cluster, type Place } from '../cluster/cluster.support.ts';
import { SmallDisk } from './disk.ts';
import { Network, networkMissing } from './network.ts';
import { Preload } from './preload.ts';

/** Size of a node's file system in memory, for the nodes that have one. */
const smallDiskMiB = 640;

/** A cluster whose network, clocks and disks this process can disturb, and what is disturbed at the moment. */
export class Stage {
  readonly cluster: Cluster;
  /** Undefined where machines of their own cannot be made: nodes are processes on loopback then. */
  readonly network: Network | undefined;
  readonly preloads: readonly Preload[];
  /** Disk of the last node, to be filled; undefined where this process may not mount. */
  readonly disk: SmallDisk | undefined;
  readonly diskOf: number;
  /** Nodes that belong to the cluster. */
  readonly members: Set<number>;
  /** Nodes whose processes a fault has for itself. */
  readonly #taken = new Set<number>();
  readonly machines: number;
  /** Whether one fault is on at a time. */
  calm = true;

  private constructor(
    cluster: Cluster,
    network: Network | undefined,
    preloads: readonly Preload[],
    disk: SmallDisk | undefined,
    nodes: number,
  ) {
    this.cluster = cluster;
    this.network = network;
    this.preloads = preloads;
    this.disk = disk;
    this.diskOf = nodes - 1;
    this.machines = preloads.length;
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(1));
    this.members = new Set(Array.from({ length: nodes }, (_, index) => index));
  }

  /** @param spare machines for nodes that come later */
  static async open(folder: string, nodes: number, spare: number): Promise<Stage> {
    const machines = nodes + spare;
    const network = networkMissing === false ? await Network.open(machines) : undefined;
    const preloads = Array.from({ length: machines }, (_, index) => new Preload(path.join(folder, `faults-${index}`)));
    const disk = SmallDisk.mount(path.join(folder, 'small-disk'), smallDiskMiB);
    const placeOf = (index: number): Place => {
      const place = network?.place(index % machines) ?? { host: '127.0.0.1' };
      const environment = Object.entries((preloads[index % machines] as Preload).environment());
      // The libraries are for the node alone, not for what starts it.
      const launch = [...(place.launch ?? []), 'env', ...environment.map(([name, value]) => `${name}=${value}`)];
      return { ...place, launch, ...(disk && index === nodes - 1 && { folder: path.join(disk.folder, 'node') }) };
    };
    try {
      const cluster = await Cluster.start(folder, nodes, undefined, placeOf);
      return new Stage(cluster, network, preloads, disk, nodes);
    } catch (cause) {
      network?.close();
      disk?.close();
      throw cause;
    }
  }

  /** Endpoints of members, whether they answer or not. */
  endpoints(): string[] {
    return [...this.members].map((index) => this.cluster.endpoint(index));
  }

  /** A member whose process nobody else disturbs, for this fault alone; undefined when there is none. Given back with {@link free}. */
  take(index = this.#free()): number | undefined {
    if (index === undefined || this.#taken.has(index)) return undefined;
    this.#taken.add(index);
    return index;
  }

  free(index: number): void {
    this.#taken.delete(index);
  }

  #free(): number | undefined {
    const free = [...this.members].filter((index) => !this.#taken.has(index));
    return free[Math.floor(Math.random() * free.length)];
  }

  /** Ends everything. */
  async close(): Promise<void> {
    await this.cluster.stop('SIGKILL');
    this.network?.close();
    this.disk?.close();
  }

  /** What the nodes printed last. */
  evidence(): string {
    return this.cluster.nodes
      .map(({ server }, index) => `node ${index} printed:\n${server.output().slice(-5000)}`)
      .join('\n');
  }
}
