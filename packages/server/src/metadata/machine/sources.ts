import type { ByteReader, ByteWriter } from '../../codec/index.ts';
import { StoreError } from '../../errors.ts';
import { limits } from '../../limits.ts';
import type { Command } from '../types.ts';
import { sourceOf } from './bucket-documents.ts';
import type { Decision } from './deciding.ts';
import type { Effect } from './effects.ts';
import type { BucketId } from './records.ts';
import type { View } from './view.ts';

/*
 * Where the objects of a bucket are read that have not moved here yet: one document of each bucket, opaque here, in the system shard. It goes with its
 * bucket. What the machine knows of it is only what commands say: that a deletion leaves a marker behind where nothing else of the key would be left
 * (`DeleteCommand.leaves`), and that a write wants a key of which nothing is here (`Guard.ifUntouched`).
 */

type Written = Extract<Effect, { readonly type: 'source.write' }>;
type Removed = Extract<Effect, { readonly type: 'source.remove' }>;

/** The effects of this, in the log. */
export const sourceCodecs = {
  'source.write': {
    code: 85,
    write: (out: ByteWriter, effect: Written) => out.u32(effect.bucket).bytes(effect.document),
    read: (from: ByteReader): Omit<Written, 'type'> => ({ bucket: from.u32(), document: from.bytes() }),
  },
  'source.remove': {
    code: 86,
    write: (out: ByteWriter, effect: Removed) => out.u32(effect.bucket),
    read: (from: ByteReader): Omit<Removed, 'type'> => ({ bucket: from.u32() }),
  },
} as const;

/** What may be asked about the source of a bucket. */
export interface SourceCommand {
  readonly type: 'bucket.source';
  readonly name: string;
  /** null: none any more. */
  readonly document: Buffer | null;
}

/** @throws StoreError NoSuchBucket; InvalidBucketState where the bucket locks: what is kept of a read would be retained; InvalidRequest beyond `limits.sourceBytes` */
export function decideSource(view: View, { name, document }: SourceCommand & Command): Decision {
  const bucket = view.bucketNamed(name);
  if (!bucket) throw new StoreError('NoSuchBucket', { resource: name });
  const done = { type: 'done' } as const;
  const { id }: { readonly id: BucketId } = bucket;
  const there = sourceOf(view.rows, id);
  if (document === null) return { effects: there ? [{ type: 'source.remove', bucket: id }] : [], reply: done };
  if (view.configuration(id, 'objectLock'))
    throw new StoreError('InvalidBucketState', {
      message: `The bucket ${name} locks its objects, so nothing can be kept in it on the way: move it with \`dsom migrate\`.`,
    });
  if (document.length > limits.sourceBytes)
    throw new StoreError('InvalidRequest', {
      message: `What is kept of a source has ${document.length} bytes, and may have ${limits.sourceBytes}: give it a shorter prefix.`,
    });
  if (there?.equals(document)) return { effects: [], reply: done };
  return { effects: [{ type: 'source.write', bucket: id, document }], reply: done };
}
