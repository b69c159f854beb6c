import type { Announcement } from './announcing.ts';
import type { BucketId, ObjectVersion, Piece } from './machine/records.ts';
import type { HeldKey, Hold, RenameRecord } from './machine/renames.ts';
import type { Guard } from './types.ts';

/** The newest version of `source` becomes that of `key`, with all that is said of it, and goes where it was. Both keys are in one shard. */
export interface RenameCommand {
  readonly type: 'object.rename';
  readonly bucket: BucketId;
  readonly key: Buffer;
  readonly owner: string;
  readonly guard: Guard | undefined;
  readonly announce?: Announcement;
  /** As {@link DeleteCommand.leaves}, of what goes. */
  readonly leaves?: true;
  readonly source: {
    readonly key: Buffer;
    readonly guard: Guard | undefined;
    readonly announce?: Announcement;
  };
}

interface Step<Type extends string> {
  readonly type: `rename.${Type}`;
  /** Id of the rename, which names the shard of the new name (machine/renames.ts). */
  readonly rename: Buffer;
}

interface KeyStep<Type extends string> extends Step<Type> {
  readonly bucket: BucketId;
  readonly key: Buffer;
}

/**
 * The steps of a rename between two shards, in this order; machine/decide-holds.ts says what each does. Until `commit` it may be aborted, and then the hold is
 * taken away; from then on it is released and forgotten.
 */
export type RenamingCommand =
  | RenameCommand
  /** In the shard of `key`. `asks`: id of a request; where a commit answered it, this is answered as that was. */
  | (KeyStep<'prepare'> & {
      readonly guard: Guard | undefined;
      readonly source: Buffer;
      readonly asks?: Buffer;
    })
  /** In the shard of the old name, `key`, whose newest version must be the one that is expected. Answers it. */
  | (KeyStep<'hold'> & {
      readonly owner: string;
      readonly guard: Guard | undefined;
      readonly expected: { readonly sequence: number; readonly nonce: Buffer };
      readonly leaves?: true;
      readonly announce?: Announcement;
    })
  /** In the shard of the new name, `key`. `source`: as the hold answered it; `pieces`: its bytes, as this shard has them. */
  | (KeyStep<'commit'> & {
      readonly owner: string;
      readonly guard: Guard | undefined;
      readonly announce?: Announcement;
      readonly writer?: string;
      /** Whether the deletion of the old name leaves a marker where it would not otherwise. */
      readonly leaves?: true;
      /** As the row of the rename has it since it was prepared. */
      readonly ticket: Buffer;
      readonly source: ObjectVersion;
      readonly pieces: readonly Piece[];
    })
  /** In shard `shard`, which has the old name, `key`. */
  | (KeyStep<'release' | 'unhold'> & { readonly shard: number; readonly announce?: Announcement })
  | Step<'abort' | 'forget'>;

/** What a replica has of renames between shards. */
export interface RenameReader {
  /** Whether any key of this shard may be held. */
  any(): boolean;
  of(id: Buffer): RenameRecord | undefined;
  /** What became of it, as far as is known here: once it was seen to be done, it is so for good. */
  stateOf(id: Buffer): RenameRecord['state'] | undefined;
  hold(bucket: BucketId, key: Buffer): Hold | undefined;
  /** Renames into this shard that are under way. */
  all(): readonly RenameRecord[];
  /** Keys of this shard that are held. */
  holds(): readonly HeldKey[];
  /** Whether anything of a bucket ever got its name in this shard from another one. */
  into(bucket: BucketId): boolean;
}
