import type { SharedLog } from '../shared.ts';
import { Engine, type SimulatedLogOptions } from './engine.ts';
import { SimulatedNode } from './node.ts';

/** A node's client of a simulated log, and what can happen to it. */
export interface SimulatedClient extends SharedLog {
  /** No message passes between node and engine until `heal`; what is under way waits. The node notices when its lease would have ended. */
  cut(): void;
  heal(): void;
  /** The same, but the node notices nothing until `resume`: it is the process that stands still. */
  pause(): void;
  resume(): void;
}

/** A log in memory that many nodes of one process share. Time is its host's; what `delay` and `fate` answer decides everything else. */
export interface SimulatedLog {
  /** Opens a node's client; an address where it takes proposals goes with it. */
  open(node: string, address?: string): SimulatedClient;
  /** What the engine holds, whoever can see it. */
  readonly head: number;
  readonly tail: number;
  /** Name of the node that owns it. */
  readonly owner: string | undefined;
  /** Nothing waits for the replica of a node that was removed. */
  forget(node: string): void;
  /** Takes the log away from its owner, as an engine does that lost his lease. */
  depose(): void;
}

export function simulatedLog(options: SimulatedLogOptions): SimulatedLog {
  const engine = new Engine(options);
  return {
    open: (node, address = `${node}:0`) => new SimulatedNode(engine, node, address),
    get head() {
      return engine.head;
    },
    get tail() {
      return engine.tail;
    },
    get owner() {
      return engine.owner?.node;
    },
    forget: (node) => engine.forget(node),
    depose() {
      if (engine.owner) engine.release(engine.owner);
    },
  };
}
