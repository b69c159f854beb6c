import type { FrameCache } from '../cache/index.ts';
import type { StripeStore } from '../durability/index.ts';
import { StoreError } from '../errors.ts';
import type { Host } from '../host/index.ts';
import { invariant } from '../invariant.ts';
import type { BucketKey, BucketKeys, KmsKeys } from '../keys/index.ts';
import type { Position } from '../log/index.ts';
import type { BucketId, BucketRecord, Command, MetadataReader, Proposer, Reply } from '../metadata/index.ts';
import type { KmsChoice } from './kms.ts';
import type { BodyMemory, Place } from './memory.ts';

/** What the object service stands on. */
export interface Rooms {
  readonly reader: MetadataReader;
  readonly proposer: Proposer;
  readonly stripes: StripeStore;
  readonly bucketKeys: BucketKeys;
  readonly kmsKeys: KmsKeys;
  /** What a bucket's configuration `encryption` says of a named key, whoever wrote it. Absent: nothing. */
  readonly defaultKms?: (document: Buffer) => KmsChoice | undefined;
  /** Waits until what the system shard said before the call, to any node, can be read here. Absent: it can always. */
  readonly latest?: () => Promise<void>;
  readonly cache: FrameCache;
  readonly host: Host;
  /** Shared by the bodies of this thread. Absent: as if each were alone. */
  readonly memory?: BodyMemory;
  /** Bodies within another one take no place of their own: two could wait for each other. */
  readonly inner?: boolean;
  /** New bytes are stored without encryption; what is there already is read either way. Absent: encrypted. */
  readonly plain?: boolean;
  /** Copies that the metadata have now, and inline objects with them. Absent: one. */
  readonly metadataCopies?: () => number;
}

/** A place among the bodies under way. @param whose body it is; undefined: the server's own. @throws StoreError SlowDown */
export const enterBodies = ({ memory, inner }: Rooms, whose: string | undefined): Place | Promise<Place> | undefined =>
  inner === true ? undefined : memory?.enter(whose);

/** @throws StoreError NoSuchBucket */
export function findBucket(rooms: Rooms, name: string): BucketRecord {
  const bucket = rooms.reader.bucket(name);
  if (!bucket) throw new StoreError('NoSuchBucket', { resource: name, detail: { BucketName: name } });
  return bucket;
}

/** What a deletion says in a bucket that reads elsewhere what is missing here: that the key must not be missing. */
export const leaving = ({ reader }: Pick<Rooms, 'reader'>, bucket: BucketId): { readonly leaves?: true } =>
  reader.source(bucket) === undefined ? {} : { leaves: true };

/** The bucket's key, without a promise when it is open already. */
export function bucketKey(rooms: Rooms, bucket: BucketRecord): BucketKey | Promise<BucketKey> {
  return (
    rooms.bucketKeys.opened(bucket.name, bucket.wrappedKey) ?? rooms.bucketKeys.open(bucket.name, bucket.wrappedKey)
  );
}

type ReplyOf<Type extends Reply['type']> = Extract<Reply, { readonly type: Type }>;

/**
 * Proposes a command whose reply is of one type.
 * @param request who asks again with the same one changes nothing more
 */
export async function propose<Type extends Reply['type']>(
  rooms: Pick<Rooms, 'proposer'>,
  command: Command,
  type: Type,
  request?: Buffer,
): Promise<ReplyOf<Type> & { readonly position: Position }> {
  const { reply, position } = await rooms.proposer.propose(command, request);
  invariant(reply.type === type, `a ${command.type} is answered with a ${type}`);
  // Nearly all replies on the way of a request are versions: those cost no copy by name.
  if (reply.type === 'version') {
    const { version, replacedNull } = reply;
    const answer: ReplyOf<'version'> & { readonly position: Position } = {
      type: 'version',
      version,
      replacedNull,
      position,
    };
    return answer as never;
  }
  return { ...(reply as ReplyOf<Type>), position };
}
