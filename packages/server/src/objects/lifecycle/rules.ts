/*
 * Rules of a lifecycle as a bucket has them (https://docs.aws.amazon.com/AmazonS3/latest/userguide/intro-lifecycle-rules.html), as values. The protocol
 * reads and writes their document; `compile.ts` makes them quick to ask.
 */

/** When something is due: so many days after a moment that the action names, or at a moment (ms since 1970, midnight UTC). */
export type When = { readonly days: number } | { readonly dateMs: number };

/** Which objects a rule is about: those that meet all of it. Sizes in bytes, both exclusive. */
export interface RuleFilter {
  readonly prefix: Buffer;
  readonly tags: readonly (readonly [key: string, value: string])[];
  readonly sizeAbove: number | undefined;
  readonly sizeBelow: number | undefined;
  /** How it was written, where that cannot be told: `bare`: a Prefix without a Filter. `empty`: a Filter with nothing in it. */
  readonly form?: 'bare' | 'empty';
}

/** Of versions that are no longer the newest. `newer`: how many newer ones of those are kept whatever their age. */
export interface NoncurrentExpiration {
  readonly days: number;
  readonly newer: number;
}

export interface LifecycleRule {
  readonly id: string;
  readonly enabled: boolean;
  readonly filter: RuleFilter;
  /** `marker`: a delete marker that is the only version of its key goes. `none`: it was said that it stays. */
  readonly expiration: When | 'marker' | 'none' | undefined;
  readonly transitions: readonly { readonly when: When; readonly storageClass: string }[];
  readonly noncurrentExpiration: NoncurrentExpiration | undefined;
  readonly noncurrentTransitions: readonly (NoncurrentExpiration & { readonly storageClass: string })[];
  /** Days after its beginning at which an upload that was not completed is aborted. */
  readonly abortDays: number | undefined;
}

/**
 * The smallest object that moves to another class where a rule says nothing of sizes: 128 KiB for all classes, or none for the archives
 * (x-amz-transition-default-minimum-object-size).
 */
export type TransitionMinimum = 'all_storage_classes_128K' | 'varies_by_storage_class';

export interface Lifecycle {
  readonly minimum: TransitionMinimum;
  readonly rules: readonly LifecycleRule[];
}
