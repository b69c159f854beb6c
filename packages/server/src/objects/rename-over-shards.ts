import { Pace } from '../durability/index.ts';
import { StoreError } from '../errors.ts';
import { limits } from '../limits.ts';
import type { Position } from '../log/index.ts';
import {
  type BucketRecord,
  type Command,
  type ObjectVersion,
  type Piece,
  renameId,
  type Stripe,
  shardOfNumber,
} from '../metadata/index.ts';
import { mayShrink } from './compression.ts';
import { checkSource } from './conditions.ts';
import { openedKeyOf } from './encryption.ts';
import type { ReadHorizon } from './horizon.ts';
import { stripesOf, takeBody } from './intake.ts';
import type { Found } from './outlet.ts';
import { keptWith, writtenWith } from './policy.ts';
import { isRefused } from './publish.ts';
import { bodyFrom } from './read.ts';
import { moveStripe } from './restripe.ts';
import { bucketKey, leaving, propose, type Rooms } from './rooms.ts';
import type { RenameRequest, Slice } from './types.ts';

/*
 * A rename between two shards, step by step (decision 0016). The shard of the new name decides it, in the entry of `rename.commit`; what comes before can be
 * given up, and what comes after is only left to be done. Whoever owns the shards does either when this process is gone.
 *
 * The bytes are written before the old name is held: so a hold lasts as long as two entries, whatever the size of the object, and what was copied is
 * what the hold finds, or the rename begins anew.
 */

type Made = { readonly version: ObjectVersion; readonly position: Position };

/**
 * @param shard that of the new name
 * @param request of who asks with a token: by it the commit is answered again
 * @throws StoreError as `rename` does; ConditionalRequestConflict where the source changed meanwhile, or a name has got to another shard
 */
export async function renameOverShards(
  rooms: Rooms,
  horizon: ReadHorizon,
  bucket: BucketRecord,
  { key, owner, guard, source }: RenameRequest,
  shard: number,
  request: Buffer | undefined,
): Promise<Made> {
  const id = renameId(shard, rooms.host.entropy.bytes(14));
  const at = { rename: id, bucket: bucket.id };
  const asks = request && { asks: request };
  const prepare: Command = { type: 'rename.prepare', ...at, key, guard, source: source.key, ...asks };
  // Under an id of its own, by which it is made once where only one process has the log, too.
  const proposePrepare = () => rooms.proposer.propose(prepare, rooms.host.entropy.bytes(16));
  const prepared = await proposePrepare();
  if (prepared.reply.type === 'version') return { version: prepared.reply.version, position: prepared.position };
  // Read before anything is held: later it might be that of a row that is none of ours.
  const ticket = rooms.reader.renames.of(id)?.ticket;
  if (!ticket) throw new StoreError('SlowDown', { message: 'The rename was given up: try again.', retryAfter: 1 });
  let copied: readonly Piece[] = [];
  let held: number | undefined;
  let result: Made;
  try {
    const found = rooms.reader.version(bucket.id, source.key, undefined);
    if (found?.kind !== 'object') throw new StoreError('NoSuchKey', { detail: { Key: source.key.toString('utf8') } });
    checkSource(source.guard, found);
    held = shardOfNumber(found.sequence);
    copied = await copyPieces(rooms, horizon, { bucket, key: source.key, version: found }, shard);
    const leaves = leaving(rooms, bucket.id);
    const { sequence, nonce } = found;
    const hold = { ...at, key: source.key, owner, guard: source.guard, expected: { sequence, nonce }, ...leaves };
    const { version } = await propose(rooms, { type: 'rename.hold', ...hold }, 'version');
    const writer = rooms.reader.quotas.writerOf(version.sequence);
    const commit = { ...at, key, owner, guard, ticket, source: version, pieces: copied, ...leaves };
    result = await propose(
      rooms,
      { type: 'rename.commit', ...commit, ...(writer !== undefined && { writer }) },
      'version',
      request,
    );
  } catch (error) {
    // The old name may be gone because the same request was sent before and has been done meanwhile. Under this rename's id it leaves nothing more to be given up.
    const before = request && isRefused(error) ? await proposePrepare().catch(() => undefined) : undefined;
    await giveUp(rooms, { ...at, key: source.key, shard: held }, copied, error);
    if (before?.reply.type === 'version') return { version: before.reply.version, position: before.position };
    throw error;
  }
  rooms.stripes.settle(copied.flatMap(stripesOf));
  // It has happened. What is left to do is done by the owners of the shards, where it cannot be done now.
  const released = { ...at, key: source.key, shard: held };
  await rooms.proposer
    .propose({ type: 'rename.release', ...released })
    .then(() => rooms.proposer.propose({ type: 'rename.forget', rename: id }))
    .catch(() => {});
  return result;
}

/**
 * Nothing of it is left, or, where it is not known what came of a step, nothing that the owners of the shards do not find: the rename may have been
 * made, finished and forgotten by them, and then the stripes are those of an object.
 */
async function giveUp(
  { proposer, stripes }: Rooms,
  {
    shard,
    ...at
  }: { readonly rename: Buffer; readonly bucket: number; readonly key: Buffer; readonly shard: number | undefined },
  copied: readonly Piece[],
  error: unknown,
): Promise<void> {
  const isOver = await proposer.propose({ type: 'rename.abort', rename: at.rename }).then(
    () => true,
    () => false,
  );
  const ids = copied.flatMap(stripesOf);
  if (isOver && isRefused(error)) await stripes.remove(ids).catch(() => {});
  else stripes.settle(ids);
  if (isOver && shard !== undefined) await proposer.propose({ type: 'rename.unhold', ...at, shard }).catch(() => {});
}

/** Borrowed bytes as a piece of the object's own, which goes by the same name: what they are borrowed from stays in its shard. */
async function ownPiece(
  rooms: Rooms,
  horizon: ReadHorizon,
  found: Found,
  slice: Slice,
  { md5, checksum }: Piece,
  shard: number,
): Promise<Piece> {
  const { bucket, version } = found;
  if (version.encryption?.kind === 'customer')
    throw new StoreError('NotImplemented', {
      message:
        'The two names are in different shards of the metadata, and parts of the object were copied from others, which needs the key that it was encrypted with: copy it, then delete the old name.',
    });
  const inner = { ...rooms, inner: true };
  const piece = await takeBody(inner, await bodyFrom(rooms, horizon, found, slice, undefined), {
    key: await openedKeyOf(rooms, await bucketKey(rooms, bucket), version, undefined),
    redundancy: writtenWith(keptWith(rooms, bucket, version).policy),
    pack: mayShrink(version.headers),
    expected: {},
    keep: undefined,
    maximum: limits.partBytesMax,
    shard,
  });
  return { ...piece, md5, checksum };
}

/** The bytes as they are stored, in stripes that the other shard may publish: but for borrowed ones, no key is needed. @returns durable pieces; nothing is left where it fails */
async function copyPieces(
  rooms: Rooms,
  horizon: ReadHorizon,
  object: Omit<Found, 'position'>,
  shard: number,
): Promise<readonly Piece[]> {
  const { manifest, size, sequence } = object.version;
  if (size > limits.singlePutBytes || manifest.pieces > limits.renamePieces)
    throw new StoreError('NotImplemented', {
      message: `The two names are in different shards of the metadata, between which an object of more than ${limits.singlePutBytes} bytes or ${limits.renamePieces} parts is not renamed: copy it in parts, then delete the old name.`,
    });
  const pace = new Pace(rooms.host, { signal: undefined });
  const position = rooms.reader.position(shardOfNumber(sequence));
  const lease = horizon.enter(position);
  const pieces: Piece[] = [];
  const fresh: Stripe[] = [];
  let start = 0;
  try {
    for (const piece of rooms.reader.pieces(manifest, 0, manifest.pieces)) {
      const slice = { start, end: start + piece.size };
      start = slice.end;
      if ('inline' in piece.body) {
        pieces.push(piece);
        continue;
      }
      if ('borrowed' in piece.body) {
        const own = await ownPiece(rooms, horizon, { ...object, position }, slice, piece, shard);
        pieces.push(own);
        if ('stripes' in own.body) fresh.push(...own.body.stripes);
        continue;
      }
      const from = fresh.length;
      for (const stripe of piece.body.stripes) {
        const kept = rooms.stripes.redundancyOf(stripe.group);
        if (!kept)
          throw new StoreError('ServiceUnavailable', {
            message: 'A placement group is not known here yet.',
            retryAfter: 1,
          });
        fresh.push((await moveStripe(rooms.stripes, stripe, kept, shard, pace)).stripe);
      }
      pieces.push({ ...piece, body: { stripes: fresh.slice(from) } });
    }
    return pieces;
  } catch (error) {
    await rooms.stripes.remove(fresh.map(({ id }) => id)).catch(() => {});
    throw error;
  } finally {
    horizon.leave(lease);
  }
}
