import { manualHost } from '../../host/index.ts';
import { joinShards, type Metadata } from '../../metadata/index.ts';
import { type GateCalls, joinGates } from './gate.ts';
import { ClusterRig } from './rig.fixture.ts';

/** Nodes of {@link Several}. */
export const nodes = 3;

/** Three nodes with a system shard and object shards, each over a log of its own. */
export class Several {
  readonly host = manualHost(5);
  readonly rigs: readonly ClusterRig[];
  readonly stores: readonly Metadata[];
  readonly gates: readonly GateCalls[];

  constructor(objectShards: number) {
    this.rigs = Array.from({ length: objectShards + 1 }, (_, number) => new ClusterRig(nodes, true, number, this.host));
    const of = (node: number) => this.rigs.map((rig) => rig.nodes[node]!);
    this.stores = Array.from({ length: nodes }, (_, node) => joinShards(of(node).map(({ shard }) => shard)));
    this.gates = this.stores.map(({ reader }, node) =>
      joinGates(
        of(node).map(({ gate }) => gate),
        reader,
      ),
    );
  }

  async start(): Promise<void> {
    for (const rig of this.rigs) await rig.start();
    await this.run(this.stores[0]!.propose({ type: 'feature.enable', feature: 'settings' }));
    await this.run(this.stores[0]!.propose({ type: 'feature.enable', feature: 'objectShards' }));
  }

  run<Result>(promise: Promise<Result>): Promise<Result> {
    return this.rigs[0]!.run(promise, 120_000);
  }

  /** Time passes: `turns` times 200 ms. */
  async pass(turns: number): Promise<void> {
    for (let at = 0; at < turns; at++) {
      this.host.advance(200);
      await this.rigs[0]!.settle();
    }
  }

  heal(): void {
    for (const rig of this.rigs) for (const { log } of rig.nodes) log.heal();
  }

  async stop(): Promise<void> {
    this.heal();
    for (const rig of this.rigs) await rig.stop();
  }
}
