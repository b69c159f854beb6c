import { invariant } from '../../invariant.ts';
import type { Position } from '../types.ts';

/** Where a shard's log lies in etcd (docs/formats/etcd-log.md). */
export class LogKeys {
  /** Identity, newest position and its hash. */
  readonly tail: string;
  /** Oldest position that is kept. */
  readonly first: string;
  /** Who owns the log; goes away with its owner's lease. */
  readonly owner: string;
  /** Written when free pages of etcd are to be counted anew; its value means nothing. */
  readonly space: string;
  readonly #slots: string;
  readonly #covered: string;

  constructor(cluster: string, shard: string) {
    for (const name of [cluster, shard])
      invariant(isName(name), 'clusters and shards have names of letters, digits and . _ -');
    const root = `dsom/${cluster}`;
    this.tail = `${root}/tail/${shard}`;
    this.first = `${root}/first/${shard}`;
    this.owner = `${root}/owner/${shard}`;
    this.space = `${root}/space/${shard}`;
    this.#slots = `${root}/log/${shard}/`;
    this.#covered = `${root}/covered/${shard}/`;
  }

  /** The key of the batch whose first entry is at `position`. */
  slot(position: Position): string {
    return this.#slots + String(position).padStart(16, '0');
  }

  /** Behind every slot. */
  get slotsEnd(): string {
    return behind(this.#slots);
  }

  positionOf(slot: string): Position {
    return Number(slot.slice(this.#slots.length));
  }

  /** The position that a replica's durable snapshot covers. */
  covered(node: string): string {
    invariant(isName(node), 'nodes have names of letters, digits and . _ -');
    return this.#covered + node;
  }

  get coveredFrom(): string {
    return this.#covered;
  }

  get coveredEnd(): string {
    return behind(this.#covered);
  }
}

const isName = (name: string): boolean => /^[\w.-]{1,128}$/.test(name);

/** The first key behind all that begin with `prefix`, which ends in a slash. */
const behind = (prefix: string): string => `${prefix.slice(0, -1)}0`;
