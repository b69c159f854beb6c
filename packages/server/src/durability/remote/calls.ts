import type { FragmentId } from '../../fragments/index.ts';
import type { Position } from '../../log/index.ts';
import type { PlacedBy, Removed } from '../access.ts';

/*
 * The calls by which one node uses the fragments of another's devices. Heads are packed plain data, bytes of fragments travel as bodies.
 * A fragment is written under a handle that the serving node gives; a handle that nobody used for `limits.fragmentHandleMs` is given up with
 * its space, so a writer that died leaves nothing.
 */
export interface FragmentCalls {
  'fragment.create': {
    readonly asks: {
      readonly device: string;
      readonly id: FragmentId;
      readonly maximum: number;
      readonly checksumBytes: number;
      /** By which map the caller chose the device; nodes of earlier versions say nothing. */
      readonly by?: PlacedBy;
      /** The caller's, who knows the intent: before it is reached here, nobody can tell whether the fragment is wanted. */
      readonly position: Position;
    };
    readonly answers: { readonly handle: number };
  };
  /** Body: the bytes to append. */
  'fragment.append': { readonly asks: { readonly handle: number }; readonly answers: undefined };
  /** Body: bytes to append before; maybe none. */
  'fragment.seal': { readonly asks: { readonly handle: number }; readonly answers: undefined };
  'fragment.abort': { readonly asks: { readonly handle: number }; readonly answers: undefined };
  /** Answers with the bytes as body. `verify`: as `read`, else as `fetch`. */
  'fragment.read': {
    readonly asks: {
      readonly device: string;
      readonly id: FragmentId;
      readonly start: number;
      readonly end: number;
      readonly verify: boolean;
    };
    readonly answers: undefined;
  };
  'fragment.lengths': {
    readonly asks: { readonly device: string; readonly ids: readonly FragmentId[] };
    /** `null` where there is none. */
    readonly answers: { readonly lengths: readonly (number | 'damaged' | null)[] };
  };
  /** Once the node's replica has reached `at`. */
  'fragment.digest': {
    readonly asks: { readonly device: string; readonly id: FragmentId; readonly at: Position };
    readonly answers: { readonly digest: Buffer };
  };
  'fragment.remove': {
    readonly asks: { readonly device: string; readonly ids: readonly FragmentId[] };
    readonly answers: undefined;
  };
  'fragment.removeStripes': {
    readonly asks: { readonly device: string; readonly stripes: readonly Buffer[] };
    readonly answers: Removed;
  };
  /** Removes what the device holds under the prefix of a closed intent without an owner, once the node's replica has reached `position`. */
  'fragment.sweep': {
    readonly asks: { readonly device: string; readonly prefix: Buffer; readonly position: Position };
    readonly answers: Removed;
  };
  'fragment.flush': { readonly asks: { readonly device: string }; readonly answers: undefined };
}

export type FragmentCall = keyof FragmentCalls;
