import { StoreError } from '../../errors.ts';
import { EtcdError } from './types.ts';

/** How a failure of etcd looks to who uses the log. */
function unavailable(cause: EtcdError): StoreError {
  const message = `The log engine cannot be reached or refuses: ${cause.message}. Try again; if it stays so, look which nodes are away (dsom cluster status) and start them.`;
  return new StoreError('ServiceUnavailable', { message, retryAfter: 1, cause });
}

/** What is thrown on for what a call threw: failures of etcd as {@link unavailable}, all else as it is. */
export const thrownOn = (error: unknown): unknown => (error instanceof EtcdError ? unavailable(error) : error);

/** How it looks that etcd did not take a batch, and never will. */
export const refusal = (cause: EtcdError): StoreError => (cause.full ? storageFull(cause) : unavailable(cause));

/** The database of the log engine is full, or so nearly that nothing more may go in. */
export function storageFull(cause?: EtcdError): StoreError {
  const message =
    'The database of the log engine (etcd) is near its quota. Raise its --quota-backend-bytes; reads still work.';
  return new StoreError('StorageFull', { message, cause });
}
