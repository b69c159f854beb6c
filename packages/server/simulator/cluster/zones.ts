import { placementDevices } from '../../src/daemon/cluster/layout.ts';
import type { MetadataReader } from '../../src/metadata/index.ts';
import type { PlacementDevice } from '../../src/placement/index.ts';
import { crowded, groupsHeld, spareZone } from '../checks/spread.ts';
import type { Coverage } from '../coverage.ts';
import type { Fault } from '../scenario.ts';
import type { ClusterMachine } from './machine.ts';
import type { Network } from './network.ts';

/** Where the machines of a cluster stand. What the cluster says of it is asked of the nodes. */
export class Zones {
  readonly #count: number;
  readonly #machines: ReadonlyMap<string, ClusterMachine>;
  readonly #network: Network;
  readonly #coverage: Coverage;
  readonly #of = new Map<string, string>();
  /** Devices when there were fewest. */
  readonly #times: PlacementDevice[][] = [];
  /** Nodes were put into other zones: their groups stay, and a rebalance spreads them as far as devices get no more than their share. */
  #labelled = false;

  /** @param count of zones; 0: no node names one */
  constructor(count: number, machines: ReadonlyMap<string, ClusterMachine>, network: Network, coverage: Coverage) {
    this.#coverage = coverage;
    this.#count = count;
    this.#machines = machines;
    this.#network = network;
  }

  /** What a machine that is put up is told of its zone. */
  first(node: string): string | undefined {
    if (this.#count === 0) return undefined;
    const zone = `z${1 + ((Number(node.slice(1)) - 1) % this.#count)}`;
    this.#of.set(node, zone);
    return zone;
  }

  /** The machine stands elsewhere. From now on its configuration says nothing of it: what the cluster was told counts. */
  label(node: string, zone: string): void {
    this.#of.set(node, zone);
    this.#labelled = true;
    const machine = this.#machines.get(node);
    if (machine) machine.zone = undefined;
  }

  #inside(zone: string): ClusterMachine[] {
    return [...this.#machines.values()].filter(({ name }) => this.#of.get(name) === zone);
  }

  strike({ kind, zone, ms }: Extract<Fault, { kind: 'blackout' | 'isolate' }>): void {
    const inside = this.#inside(zone);
    if (inside.length > 1)
      this.#coverage.hit(
        kind === 'blackout' ? 'all nodes of a zone lost their power' : 'all nodes of a zone were cut off',
      );
    for (const machine of inside) {
      if (kind === 'blackout') machine.darken(ms);
      else this.#isolate(machine, zone, ms);
    }
  }

  #isolate(machine: ClusterMachine, zone: string, ms: number): void {
    machine.unlog(ms);
    for (const { name } of this.#machines.values()) {
      if (this.#of.get(name) === zone) continue;
      this.#network.cut(machine.name, name, ms);
      this.#network.cut(name, machine.name, ms);
    }
  }

  /** All that the cluster begins with is there. */
  begin(reader: MetadataReader): void {
    if (this.#times.length === 0) this.remember(reader);
  }

  /** Devices are in use no more from now on. @param leaving a node, or a device */
  remember(reader: MetadataReader, leaving?: string): void {
    if (this.#count === 0) return;
    this.#times.push(
      placementDevices(reader).map((one) =>
        one.node === leaving || one.identity === leaving ? { ...one, state: 'draining' } : one,
      ),
    );
  }

  /** @throws Error when a group lies less evenly than was ever right */
  check(reader: MetadataReader): void {
    if (this.#count === 0 || this.#labelled) return;
    const wrong = crowded(reader, groupsHeld(reader), this.#times);
    if (wrong !== undefined) throw new Error(wrong);
  }

  /** Takes the power from a zone, as the cluster knows it, whose loss leaves of each stripe what it takes to read it. @returns undefined: there is none */
  lose(reader: MetadataReader): string | undefined {
    const zone = this.#count === 0 ? undefined : spareZone(reader);
    for (const node of zone === undefined ? [] : reader.nodes())
      if (node.zone === zone) this.#machines.get(node.id)?.darken(Number.POSITIVE_INFINITY);
    return zone;
  }
}
