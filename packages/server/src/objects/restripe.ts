import type { Pace, StripeStore } from '../durability/index.ts';
import { storedBytes } from '../durability/index.ts';
import { limits } from '../limits.ts';
import type { Redundancy, Stripe } from '../metadata/index.ts';

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
  const writer = await stripes.create(redundancy, bytes, shard);
  try {
    for (let at = 0; at < bytes; at += limits.readGroupBytes) {
      const end = Math.min(bytes, at + limits.readGroupBytes);
      await writer.append([await stripes.read(from, at, end)]);
      await pace.step(end - at);
    }
    await writer.seal();
  } catch (error) {
    // A stripe that failed to seal has given itself up already.
    await writer.abort().catch(() => undefined);
    throw error;
  }
  return { stripe: { ...from, id: writer.id, group: writer.group }, bytes };
}
