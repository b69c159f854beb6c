import type { Scope } from '../api/index.ts';
import type { DamageReport, RepairCause } from '../durability/index.ts';
import type { Extent, FragmentId, FragmentOwner, FragmentRecord, Window } from '../fragments/index.ts';
import type { Position } from '../log/index.ts';
import { type Proposer, type Redundancy, wholeReply } from '../metadata/index.ts';
import type { RegistrySnapshot } from '../telemetry/index.ts';
import type { GateCalls } from './cluster/gate.ts';
import type { Link } from './port.ts';
import { type ListedAnswer, type ListedPut, listed, type Proposal, type Proposed, unlistedAnswer } from './puts.ts';
import type { TlsMaterial } from './tls/material.ts';

/** Whether this server can do what it is for, and if not, why. */
export interface Readiness {
  readonly ready: boolean;
  readonly reasons: readonly string[];
  /** What lacks although writes are accepted: devices that are away, copies and fragments that are not written yet. */
  readonly degraded: readonly string[];
}

type OnDevice<Rest> = { readonly device: string } & Rest;

/** What a worker may ask of the owner's thread. */
export interface OwnerMethods {
  propose(call: Proposal | ListedPut): Promise<Proposed | ListedAnswer>;
  openWindow(call: OnDevice<{ readonly minimumBytes: number }>): Promise<Window>;
  closeWindow(call: OnDevice<{ readonly nonce: Buffer; readonly unused: readonly Extent[] }>): Promise<void>;
  record(call: OnDevice<{ readonly records: readonly FragmentRecord[] }>): Promise<void>;
  remove(call: OnDevice<{ readonly ids: readonly FragmentId[] }>): Promise<void>;
  flush(call: OnDevice<object>): Promise<void>;
  /** A link to another node broke or could not be made; what was wrong. */
  linkFailed(cause: string): void;
  damage(report: DamageReport): void;
  /** A stripe was written without this copy. */
  missed(call: { readonly stripe: Buffer; readonly group: number; readonly copy: number }): void;
  repair(call: {
    readonly stripe: Buffer;
    readonly group: number;
    readonly copy: number;
    readonly cause: RepairCause;
  }): Promise<boolean>;
  /** Has placement groups defined for a redundancy that has none. */
  layOut(redundancy: Redundancy): Promise<void>;
  readiness(): Promise<Readiness>;
  /** Of a node of a cluster: resolves when this node has what was answered anywhere before, or the position. */
  latest(scope: Scope | undefined): Promise<void>;
  reached(position: Position): Promise<void>;
  /** Prometheus text of the whole server. */
  metrics(): Promise<string>;
  admin(call: { readonly method: string; readonly argument: unknown }): Promise<unknown>;
}

/** What the owner's thread may ask of a worker. */
export interface WorkerMethods {
  /** Starts to accept connections. */
  listen(): Promise<void>;
  /** What HTTPS is spoken with from now on. */
  renewTls(material: TlsMaterial): void;
  /** The keyring has changed: it is read again, and what is sealed in memory sealed anew. */
  rekey(): Promise<void>;
  /** Position of the oldest read under way in a shard. */
  oldestRead(shard: number): Position | undefined;
  metrics(): RegistrySnapshot;
  /** Stops accepting, lets running requests end, gives up what it holds. */
  drain(milliseconds: number): Promise<void>;
}

/** The owner's proposer, from another thread. */
export function remoteProposer(owner: Link): Proposer {
  return {
    async propose(command, request) {
      const crossed = await owner.call<Proposed | ListedAnswer>('propose', listed({ command, request }));
      const { reply, position } = unlistedAnswer(crossed);
      return { reply: wholeReply(command, reply), position };
    },
  };
}

/** What a listener asks of the owner, from another thread. */
export function remoteOwner(owner: Link): Pick<OwnerMethods, 'readiness' | 'metrics' | 'admin'> {
  return {
    readiness: () => owner.call('readiness', undefined),
    metrics: () => owner.call('metrics', undefined),
    admin: (call) => owner.call('admin', call),
  };
}

/** How fresh this node is, from another thread. */
export function remoteGate(owner: Link): GateCalls {
  return {
    latest: (scope) => owner.call('latest', scope),
    reached: (position) => owner.call('reached', position),
  };
}

/** The owner of one device's fragments, from another thread. */
export function remoteFragmentOwner(owner: Link, device: string): FragmentOwner {
  return {
    openWindow: (minimumBytes) => owner.call('openWindow', { device, minimumBytes }),
    closeWindow: (nonce, unused) => owner.call('closeWindow', { device, nonce, unused }),
    record: (records) => owner.call('record', { device, records }),
    remove: (ids) => owner.call('remove', { device, ids }),
    flush: () => owner.call('flush', { device }),
  };
}
