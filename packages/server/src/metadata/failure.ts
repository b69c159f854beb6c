import { CorruptionError, StoreError } from '../errors.ts';

/**
 * Why a replica stands still, as whoever keeps it must know it:
 * - `diverged`: the state is not the one of its log. Put it aside and build it anew from a snapshot of another replica.
 * - `behind`: the log no longer has the entries that it needs next. Install a snapshot of another replica.
 * - `ahead`: the log of one machine ends before the state: something acknowledged was lost from it. Nothing mends that but the log's other copy.
 * - `unknown`: the log holds an entry that this version does not know, or a damaged one. Another state would not help: start a newer version,
 *   or look at the log.
 * - `stopped`: its KV or, of an embedded log, the log failed. Start again.
 * - `full`: the disk is full; it goes on by itself when there is space.
 */
export type FailureKind = 'diverged' | 'behind' | 'ahead' | 'unknown' | 'stopped' | 'full';

export interface Failure {
  readonly kind: FailureKind;
  readonly message: string;
}

/** A state that cannot follow its log, with what it takes to go on. */
export class ReplicaError extends CorruptionError {
  readonly kind: FailureKind;

  constructor(kind: FailureKind, message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.kind = kind;
  }
}

export const isFull = (error: unknown): error is StoreError =>
  error instanceof StoreError && error.code === 'StorageFull';

export const isUnavailable = (error: unknown): error is StoreError =>
  error instanceof StoreError && error.code === 'ServiceUnavailable';

export function failureOf(what: string, cause: unknown): Failure {
  const why = cause instanceof Error ? cause.message : String(cause);
  const kind = cause instanceof ReplicaError ? cause.kind : cause instanceof CorruptionError ? 'unknown' : 'stopped';
  return { kind, message: `${what}: ${why}` };
}
