/** A key with its value and its place in the history of the engine. */
export interface KeyValue {
  readonly key: string;
  readonly value: Buffer;
  /** Revision that made the key, since it was last deleted. */
  readonly created: number;
  /** Revision that changed it last. */
  readonly modified: number;
  /** Lease that it goes away with; 0 when there is none. */
  readonly lease: number;
}

/** Keys from `key` to just before `end` (only `key` when left out), in ascending order. */
export interface RangeRequest {
  readonly key: string;
  readonly end?: string;
  /** Keys at most; all when left out. */
  readonly limit?: number;
  readonly keysOnly?: boolean;
  /** What the member that is asked has of it, without asking the others: committed, and maybe old. */
  readonly serializable?: boolean;
}

export interface RangeAnswer {
  readonly pairs: readonly KeyValue[];
  /** True when there are more than `limit`. */
  readonly more: boolean;
}

/** What must hold for a transaction to succeed: its creating revision (0: it is absent) or its value equals. */
export type Compare =
  | { readonly key: string; readonly created: number }
  | { readonly key: string; readonly present: true }
  | { readonly key: string; readonly value: Uint8Array };

/** One step of a transaction. */
export type Operation =
  | { readonly range: RangeRequest }
  | { readonly put: { readonly key: string; readonly value: Uint8Array; readonly lease?: number } }
  | { readonly remove: { readonly key: string; readonly end?: string } };

/** All comparisons, then one of two lists of steps, at once. */
export interface Transaction {
  readonly compare: readonly Compare[];
  readonly success: readonly Operation[];
  readonly failure?: readonly Operation[];
}

export interface TransactionAnswer {
  readonly succeeded: boolean;
  /** Revision of the engine at which it was made; that of its puts. */
  readonly revision: number;
  /** Answers to the ranges among the steps that were made, in their order. */
  readonly ranges: readonly RangeAnswer[];
}

/** What one member says of itself. */
export interface MemberStatus {
  readonly endpoint: string;
  readonly member: bigint;
  readonly version: string;
  /** Bytes of its database file, and those of them in use. */
  readonly bytes: number;
  readonly bytesInUse: number;
  /** Bytes at which it stops taking writes; 0 when it does not say (before 3.6). */
  readonly quota: number;
  /** Member id of the leader that it knows; 0 when there is none. */
  readonly leader: bigint;
  /** What is wrong with it, in its own words; an alarm is named: `NOSPACE`, `CORRUPT`. */
  readonly errors: readonly string[];
}

export interface Member {
  readonly id: bigint;
  /** Empty until it was started. */
  readonly name: string;
  readonly peerUrls: readonly string[];
  readonly clientUrls: readonly string[];
  /** True as long as it has no vote. */
  readonly learner: boolean;
}

/** A member that takes no writes (`NOSPACE`), or whose data is not that of the others (`CORRUPT`). */
export interface Alarm {
  readonly member: bigint;
  readonly name: string;
}

/** What an open watch tells. */
export interface Watcher {
  /** This key changed, last to this value (empty: it is gone); without a key, the watch was opened (again) and anything may have changed. */
  wake(key?: string, value?: Buffer): void;
}

/**
 * What became of a call that failed.
 * - `refused`: it was not made and never will be.
 * - `unknown`: it may have been made, or still be made later.
 */
export type Outcome = 'refused' | 'unknown';

/** A failure of a call to etcd. */
export class EtcdError extends Error {
  override readonly name = 'EtcdError';
  readonly outcome: Outcome;
  /** True when the database has reached its quota. */
  readonly full: boolean;

  constructor(message: string, outcome: Outcome, full = false, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.outcome = outcome;
    this.full = full;
  }
}

/**
 * The calls of etcd that this program needs. Reads are linearizable unless they say otherwise. Those marked *safe to repeat* are tried again over all endpoints for up to
 * `limits.etcdCallMs`; a transaction is tried once, since nobody can say what a lost answer was. All reject with {@link EtcdError}.
 */
export interface Etcd {
  /** Safe to repeat. */
  range(request: RangeRequest): Promise<RangeAnswer>;
  /** A transaction that only reads, at one revision; safe to repeat. */
  ranges(requests: readonly RangeRequest[]): Promise<readonly RangeAnswer[]>;
  /** Tried once. */
  transact(transaction: Transaction): Promise<TransactionAnswer>;
  /** Calls `wake` for every change of these keys, until the result is called. Opens itself again, as often as need be. */
  watch(keys: readonly string[], watcher: Watcher): () => void;
  /** Grants a lease under an id of the caller's choice. Tried once. @returns seconds that it lives */
  grant(lease: number, seconds: number): Promise<number>;
  /** @returns seconds that it lives from now on; 0 when it is gone. Tried once. */
  keepAlive(lease: number): Promise<number>;
  /** Ends a lease and deletes its keys. Tried once. */
  revoke(lease: number): Promise<void>;
  /** Lets go of the history before `revision`; safe to repeat. */
  compact(revision: number): Promise<void>;
  /** Gives the free space of the endpoint's database back; the member does not answer meanwhile. */
  defragment(endpoint: string): Promise<void>;
  /** Of those endpoints that answer. */
  statuses(): Promise<readonly MemberStatus[]>;
  /** Safe to repeat. */
  members(): Promise<readonly Member[]>;
  /** Adds a member that learns and has no vote yet. Tried once. */
  addLearner(peerUrl: string): Promise<void>;
  /** Gives a learner its vote; refused until it has caught up. Tried once. */
  promote(id: bigint): Promise<void>;
  removeMember(id: bigint): Promise<void>;
  /** The other members reach this one at another address from now on. */
  updateMember(id: bigint, peerUrl: string): Promise<void>;
  /** Lets the member at the endpoint, which leads, hand the lead to another one that votes. Tried once. */
  moveLeader(endpoint: string, to: bigint): Promise<void>;
  /** The alarms that are raised. Safe to repeat. */
  alarms(): Promise<readonly Alarm[]>;
  /** Takes the alarm NOSPACE back, once there is space again. Safe to repeat. */
  disarm(): Promise<void>;
  /** From now on these members are asked as well; those that are known already are passed over. */
  use(endpoints: readonly string[]): void;
  /** Bytes at which the database is full, as configured. */
  readonly quotaBytes: number;
  close(): Promise<void>;
}
