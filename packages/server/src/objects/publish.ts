import { StoreError } from '../errors.ts';
import type { Position } from '../log/index.ts';
import type { BucketRecord, Command, ObjectVersion, Piece, Reply } from '../metadata/index.ts';
import { stripesOf } from './intake.ts';
import { propose, type Rooms } from './rooms.ts';
import type { WriteResult } from './types.ts';

/**
 * True when the owner refused: nothing was logged. Any other failure leaves open whether the entry became durable, and then its stripes
 * must stay: the collector removes them if nothing points to them once their intent is closed.
 */
export function isRefused(error: unknown): boolean {
  return error instanceof StoreError && (error.http < 500 || error.code === 'SlowDown');
}

/** Proposes a command that publishes a piece. When it is refused, the piece's stripes are removed. */
export async function publish<Type extends Reply['type']>(
  rooms: Pick<Rooms, 'proposer' | 'stripes'>,
  command: Command,
  type: Type,
  piece: Piece,
): Promise<Extract<Reply, { readonly type: Type }> & { readonly position: Position }> {
  const stripes = stripesOf(piece);
  if (stripes.length === 0) return propose(rooms, command, type);
  try {
    const result = await propose(rooms, command, type);
    rooms.stripes.settle(stripes);
    return result;
  } catch (error) {
    if (isRefused(error)) await rooms.stripes.remove(stripes).catch(() => {});
    else rooms.stripes.settle(stripes);
    throw error;
  }
}

/** What a write answers. */
export function written(
  bucket: BucketRecord,
  reply: { readonly version: ObjectVersion; readonly position: Position },
): WriteResult {
  return { bucket, version: reply.version, position: reply.position };
}
