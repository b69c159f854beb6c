import type { Host } from '../../host/index.ts';
import { limits } from '../../limits.ts';
import { features, type Metadata, type MetadataReader } from '../../metadata/index.ts';

/*
 * Features come on by themselves: the node that leads turns one on as soon as every node of the cluster has said, at its start, that it knows
 * it. There is no way back: who does not know it is refused from then on (docs/operate/upgrade.md).
 */

export interface FeatureStatus {
  readonly name: string;
  readonly on: boolean;
  /** Whether this program knows it. */
  readonly known: boolean;
  /** Nodes that hold it back: they run a version that does not know it. */
  readonly heldBackBy: readonly { readonly node: string; readonly version: string }[];
}

type FeatureReader = Pick<MetadataReader, 'features' | 'nodes'>;

/** Every feature that is on here, or that this program or any node of the cluster knows. */
export function featureStatus(reader: FeatureReader): FeatureStatus[] {
  const on = new Set(reader.features());
  const nodes = reader.nodes().filter(({ state }) => state !== 'removed');
  const names = new Set([...features, ...on, ...nodes.flatMap((node) => node.features)]);
  return Array.from(names, (name) => ({
    name,
    on: on.has(name),
    known: (features as readonly string[]).includes(name),
    heldBackBy: on.has(name)
      ? []
      : nodes.flatMap((one) => (one.features.includes(name) ? [] : [{ node: one.id, version: one.version }])),
  }));
}

/**
 * Turns features on, in their order, while this node leads.
 * @param onEvent hears of each that came on
 * @param onError hears of those that could not be turned on; they are tried again
 */
export function keepFeatures(
  metadata: Pick<Metadata, 'propose'> & { readonly reader: FeatureReader },
  host: Host,
  onEvent: (feature: string) => void,
  onError: (cause: unknown) => void,
): { stop(): Promise<void> } {
  const stop = new AbortController();
  const run = async (): Promise<void> => {
    const { reader } = metadata;
    // A cluster has at least the node that leads; before it is written down nobody has said anything.
    if (reader.nodes().length === 0) return;
    for (const { name, on, known, heldBackBy } of featureStatus(reader)) {
      if (on || !known || heldBackBy.length > 0) continue;
      await metadata.propose({ type: 'feature.enable', feature: name });
      onEvent(name);
    }
  };
  const loop = (async () => {
    while (!stop.signal.aborted) {
      await run().catch((cause: unknown) => {
        if (!stop.signal.aborted) onError(cause);
      });
      await host.timers.sleep(limits.layoutMs, stop.signal);
    }
  })();
  return {
    stop() {
      stop.abort();
      return loop;
    },
  };
}
