import { invariant } from '../../invariant.ts';

/*
 * Which shard a number is of. Sequences of versions and uploads, and positions where several shards are spoken of at once, lie in a range of
 * their shard: those of shard n in [n · 2^41, (n + 1) · 2^41). So an id or a position alone tells where to look, and those of shard 0 are the
 * numbers that a store with one shard has always had. A shard that takes a thousand entries a second needs 70 years for its range.
 */

const span = 2 ** 41;

/** Shard numbers lie below it: they have 12 bits within a number, 16 within a GUK. */
const shardNumbers = 2 ** 12;

/** The number `local` of a shard, told apart from those of others. */
export function numberOf(shard: number, local: number): number {
  invariant(shard >= 0 && shard < shardNumbers, 'a shard number has 12 bits');
  invariant(local >= 0 && local < span, 'a number of a shard has 41 bits');
  return shard * span + local;
}

export const shardOfNumber = (number: number): number => Math.floor(number / span);
export const localNumber = (number: number): number => number % span;

/** Shard of an id that begins with a sequence of 8 bytes: a manifest, an upload. */
export const shardOfId = (id: Buffer): number => shardOfNumber(id.readUInt32BE(0) * 2 ** 32 + id.readUInt32BE(4));

/** Shard that gave an object its GUK, which has its number behind the 48 bits of time. */
export const shardOfGuk = (guk: Buffer): number => guk.readUInt16BE(6);
