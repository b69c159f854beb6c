import type { BucketId, KmsEncryption } from './machine/records.ts';
import type { VersionSelector } from './types.ts';

/** A named key: its versions wrapped by the master key, the first one first. The newest wraps what is new. */
export interface KmsKeyRecord {
  /** A UUID. */
  readonly id: string;
  /** Without `alias/`. */
  readonly name: string;
  readonly createdMs: number;
  readonly state: 'enabled' | 'disabled';
  readonly versions: readonly Buffer[];
}

/** What may be asked about named keys. */
export type KmsKeyCommand =
  /** A new key; `wrapped` is its first version. Its id and its name must be free. */
  | { readonly type: 'kmsKey.create'; readonly id: string; readonly name: string; readonly wrapped: Buffer }
  /** Another state, or one more version, whose number is that of the newest and one. */
  | {
      readonly type: 'kmsKey.change';
      readonly id: string;
      readonly state?: KmsKeyRecord['state'];
      readonly version?: { readonly number: number; readonly wrapped: Buffer };
    };

/** The key of one version, where it is, is wrapped by a named key from now on. Refused where the version is locked. */
export interface RewrapCommand {
  readonly type: 'object.rewrap';
  readonly bucket: BucketId;
  readonly key: Buffer;
  readonly version: VersionSelector;
  /** What was kept of the key when it was opened: ConditionalRequestConflict where it is not that any more. */
  readonly before: Buffer;
  readonly wrappedKey: Buffer;
  readonly encryption: KmsEncryption;
}

/** Named keys as a replica has them. @throws CorruptionError where a row cannot be read */
export interface KmsKeyReader {
  byId(id: string): KmsKeyRecord | undefined;
  named(name: string): KmsKeyRecord | undefined;
  all(): readonly KmsKeyRecord[];
}
