import type { Pace, StripeStore } from '../durability/index.ts';
import { storedBytes } from '../durability/index.ts';
import { limits } from '../limits.ts';
import type { Piece, Redundancy, Stripe } from '../metadata/index.ts';

/**
 * Writes the stored bytes of a stripe once more, as another stripe. What is read is verified where it lies; it is not opened.
 * @param shard that will publish it
 * @returns the new stripe, durable on its write quorum and not published, and its stored bytes
 * @throws StoreError as reads and writes of stripes do; nothing is left then
 */
export async function moveStripe(
  stripes: Pick<StripeStore, 'create' | 'read'>,
  from: Stripe,
  redundancy: Redundancy,
  shard: number,
  pace: Pace,
): Promise<{ readonly stripe: Stripe; readonly bytes: number }> {
  const bytes = storedBytes(from);
  const place = await written(stripes, redundancy, shard, bytes, async (append) => {
    for (let at = 0; at < bytes; at += limits.readGroupBytes) {
      const end = Math.min(bytes, at + limits.readGroupBytes);
      await append(await stripes.read(from, at, end));
      await pace.step(end - at);
    }
  });
  return { stripe: { ...from, ...place }, bytes };
}

/**
 * Writes the sealed bytes of a piece that lies in metadata as a stripe: they are its one frame, as they are.
 * @param shard that will publish it
 * @returns as {@link moveStripe}
 * @throws StoreError as writes of stripes do; nothing is left then
 */
export async function writeInline(
  stripes: Pick<StripeStore, 'create'>,
  { size, compressed }: Pick<Piece, 'size' | 'compressed'>,
  sealed: Buffer,
  redundancy: Redundancy,
  shard: number,
): Promise<{ readonly stripe: Stripe; readonly bytes: number }> {
  const bytes = sealed.length;
  const place = await written(stripes, redundancy, shard, bytes, (append) => append(sealed));
  return { stripe: { ...place, length: size, frames: compressed ? [bytes] : undefined }, bytes };
}

/** A stripe that `fill` has written whole, durable on its write quorum. */
async function written(
  stripes: Pick<StripeStore, 'create'>,
  redundancy: Redundancy,
  shard: number,
  bytes: number,
  fill: (append: (bytes: Buffer) => Promise<void>) => Promise<void>,
): Promise<Pick<Stripe, 'id' | 'group'>> {
  const writer = await stripes.create(redundancy, bytes, shard);
  try {
    await fill((piece) => writer.append([piece]));
    await writer.seal();
  } catch (error) {
    // A stripe that failed to seal has given itself up already.
    await writer.abort().catch(() => undefined);
    throw error;
  }
  return { id: writer.id, group: writer.group };
}
