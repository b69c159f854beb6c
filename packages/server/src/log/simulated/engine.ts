import { hash } from 'node:crypto';
import { ByteWriter } from '../../codec/index.ts';
import type { Cancel, Host } from '../../host/index.ts';
import { Followers } from '../followers.ts';
import type { LogEntry, Position } from '../types.ts';

/*
 * What a log engine of several machines keeps: the entries, who owns the log, and how far every node has a durable snapshot. One process,
 * one memory; it never fails. What can go wrong lies between it and the nodes (node.ts, owned.ts).
 *
 * Fault model: the engine keeps every entry that it took, in the order in which it took them, and takes none from a session that is not
 * the owner's. Between it and a node a message may be late, a request may never arrive, an answer may never arrive, and a node may be
 * cut off or stand still, each for any time. It never changes a byte and never goes backwards.
 */

/** What becomes of one group of appends between a node and the engine. */
export type AppendFate =
  /** It arrives, and its answer does. */
  | 'heard'
  /** It never arrives, and the node cannot tell. */
  | 'lost'
  /** It arrives, and its answer never does. */
  | 'unheard';

export interface SimulatedLogOptions {
  readonly host: Host;
  /** An owner that is not heard from for so long is no owner any more. */
  readonly leaseMs?: number;
  /** Nodes that hold a replica, until more have told of theirs: entries go when more than half of them have a snapshot behind it. */
  readonly replicas?: number;
  /** Bytes of entries kept for followers alone, and of one entry. */
  readonly tailBytes?: number;
  readonly entryBytes?: number;
  /** How long the next message from or to a node is on its way, ms; 0 when left out. */
  readonly delay?: (node: string) => number;
  /** Asked for each group of appends; all are heard when left out. */
  readonly fate?: (node: string) => AppendFate;
}

/** One ownership. */
export interface Session {
  readonly node: string;
  readonly address: string;
  readonly epoch: number;
}

const LEASE_MS = 3000;
const TAIL_BYTES = 256 * 1024 * 1024;
const ENTRY_BYTES = 4 * 1024 * 1024;

export class Engine {
  readonly host: Host;
  readonly leaseMs: number;
  readonly entryBytes: number;
  readonly delay: (node: string) => number;
  readonly fate: (node: string) => AppendFate;
  readonly followers = new Followers();
  /** Told of every append and of every change of the owner. */
  readonly listeners = new Set<() => void>();
  readonly #tailBytes: number;
  #replicas: number;
  readonly #covered = new Map<string, Position>();
  readonly #entries: LogEntry[] = [];
  #tail: Position = 1;
  #bytes = 0;
  #newest: Buffer = Buffer.alloc(16);
  #epoch = 0;
  #owner: Session | undefined;
  #expiry: Cancel = () => {};

  constructor(options: SimulatedLogOptions) {
    this.host = options.host;
    this.leaseMs = options.leaseMs ?? LEASE_MS;
    this.entryBytes = options.entryBytes ?? ENTRY_BYTES;
    this.delay = options.delay ?? (() => 0);
    this.fate = options.fate ?? (() => 'heard');
    this.#tailBytes = options.tailBytes ?? TAIL_BYTES;
    this.#replicas = options.replicas ?? 1;
  }

  get head(): Position {
    return this.#tail - 1 + this.#entries.length;
  }

  get tail(): Position {
    return this.#tail;
  }

  get bytes(): number {
    return this.#bytes;
  }

  get owner(): Session | undefined {
    return this.#owner;
  }

  at(position: Position): LogEntry | undefined {
    return this.#entries[position - this.#tail];
  }

  /** Takes the log for a node; undefined while another session holds it. */
  claim(node: string, address: string): Session | undefined {
    if (this.#owner) return undefined;
    this.#owner = { node, address, epoch: ++this.#epoch };
    this.renew(this.#owner);
    this.#tell();
    return this.#owner;
  }

  /** False when the session is not the owner's any more. */
  renew(session: Session): boolean {
    if (this.#owner !== session) return false;
    this.#expiry();
    this.#expiry = this.host.timers.after(this.leaseMs, () => this.release(session));
    return true;
  }

  release(session: Session): void {
    if (this.#owner !== session) return;
    this.#expiry();
    this.#owner = undefined;
    this.#tell();
  }

  /** Takes entries of the owner; undefined when the session is not his any more. */
  append(session: Session, payloads: readonly Uint8Array[]): LogEntry[] | undefined {
    if (this.#owner !== session) return undefined;
    const added = payloads.map((payload) => {
      const position = this.head + 1;
      const record = new ByteWriter(payload.length + 32)
        .raw(this.#newest)
        .u64(position)
        .u64(session.epoch)
        .raw(payload);
      this.#newest = hash('sha256', record.finish(), 'buffer').subarray(0, 16);
      const entry = { position, epoch: session.epoch, hash: this.#newest, payload: Buffer.from(payload) };
      this.#entries.push(entry);
      this.#bytes += payload.length;
      return entry;
    });
    this.#tell();
    return added;
  }

  /** A node holds a durable snapshot at `position`. */
  covered(node: string, position: Position): void {
    this.#covered.set(node, Math.max(position, this.#covered.get(node) ?? 0));
    this.#replicas = Math.max(this.#replicas, this.#covered.size);
  }

  replicas(): readonly string[] {
    return [...this.#covered.keys()];
  }

  /** A node holds a replica no more. */
  forget(node: string): void {
    if (this.#covered.delete(node)) this.#replicas = Math.max(1, this.#replicas - 1);
  }

  /** The owner lets entries go that more than half of the replicas have covered. */
  trim(): void {
    const known = [...this.#covered.values()].sort((a, b) => b - a);
    const limit = known[Math.floor(this.#replicas / 2)] ?? 0;
    let kept = 0;
    for (let at = Math.max(this.#tail, this.followers.slowest); at < limit; at++)
      kept += this.at(at)?.payload.length ?? 0;
    while (this.#tail < limit && this.#entries.length > 0) {
      const { length } = this.#entries[0]!.payload;
      if (this.#tail >= this.followers.slowest) {
        if (kept <= this.#tailBytes) break;
        kept -= length;
      }
      this.#entries.shift();
      this.#tail++;
      this.#bytes -= length;
      this.followers.passedBy(this.#tail);
    }
  }

  #tell(): void {
    for (const listener of this.listeners) listener();
  }
}
