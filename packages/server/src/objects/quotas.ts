import { type BucketRecord, checkQuotas } from '../metadata/index.ts';
import type { Rooms } from './rooms.ts';

/**
 * Before a long body is taken: one that no quota leaves room for is refused before its bytes come. Whether a write keeps within its quotas is decided with the
 * write (metadata/machine/decide-quotas.ts); this is a look at what was there when it began.
 * @param bytes that were announced
 * @param replaced bytes of what the write takes the place of
 * @throws StoreError QuotaExceeded
 */
export function checkRoom(
  { reader }: Pick<Rooms, 'reader'>,
  bucket: BucketRecord,
  bytes: number | undefined,
  replaced: () => number,
): void {
  if (bytes === undefined || !reader.quotas.any()) return;
  checkQuotas(reader.quotas, bucket, () => ({ bytes: bytes - replaced(), objects: 0 }));
}
