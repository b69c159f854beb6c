import { ByteReader, ByteWriter } from '../../codec/index.ts';
import { StoreError } from '../../errors.ts';
import { limits } from '../../limits.ts';
import type { Position } from '../../log/index.ts';
import { localNumber, shardOfNumber } from '../../metadata/index.ts';

/*
 * A causal token: a compact map of shard → position that a client hands back, so that what it reads is at least as new as what it has seen. Opaque
 * to clients. Form: base64url of format byte 1, then a pair of varints (shard, position) for each shard, in order of shard.
 */

const format = 1;

/** The token of an answer read, or written, at these positions. */
export function tokenText(positions: ReadonlyMap<number, Position>): string {
  const writer = new ByteWriter(16).u8(format);
  for (const [shard, position] of [...positions].sort(([a], [b]) => a - b)) writer.varint(shard).varint(position);
  return writer.finish().toString('base64url');
}

/**
 * The token of an answer read, or written, at these positions, which name their shards.
 * @param carried token of the request, which the answer's covers too
 */
export function tokenOf(positions: readonly Position[], carried: string | undefined): string {
  const merged = new Map(carried === undefined || carried === '' ? undefined : parseToken(carried));
  for (const position of positions) {
    const shard = shardOfNumber(position);
    merged.set(shard, Math.max(merged.get(shard) ?? 0, localNumber(position)));
  }
  return tokenText(merged);
}

/**
 * Reads a token, or several separated by commas: the newest position of each shard counts.
 * @throws StoreError InvalidToken
 */
export function parseToken(text: string): ReadonlyMap<number, Position> {
  const merged = new Map<number, Position>();
  const invalid = (cause?: unknown) =>
    new StoreError('InvalidToken', { message: 'x-dsom-token is not a token of this store.', cause });
  if (text.length > limits.tokenBytes) throw invalid();
  for (const one of text.split(',')) {
    const bytes = Buffer.from(one.trim(), 'base64url');
    // Node passes over what is not base64url; a token has one form only.
    if (bytes[0] !== format || bytes.toString('base64url') !== one.trim()) throw invalid();
    try {
      const reader = new ByteReader(bytes.subarray(1));
      while (reader.remaining > 0) {
        const shard = reader.varint();
        merged.set(shard, Math.max(merged.get(shard) ?? 0, reader.varint()));
      }
    } catch (cause) {
      throw invalid(cause);
    }
  }
  return merged;
}
