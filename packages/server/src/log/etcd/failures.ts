import { StoreError } from '../../errors.ts';
import type { EtcdError } from './types.ts';

/** How a failure of etcd looks to who uses the log. */
export function unavailable(cause: EtcdError): StoreError {
  const message = `The log engine cannot be reached or refuses: ${cause.message}. Try again.`;
  return new StoreError('ServiceUnavailable', { message, retryAfter: 1, cause });
}

/** How it looks that etcd took a batch not, and never will. */
export function refusal(cause: EtcdError): StoreError {
  if (!cause.full) return unavailable(cause);
  const message =
    'The database of the log engine (etcd) has reached its quota. Raise its --quota-backend-bytes; reads still work.';
  return new StoreError('StorageFull', { message, cause });
}
