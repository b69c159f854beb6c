/** A controller that aborts with `signal`. `unlink` is to be called once when the work is over. */
export function linkedController(signal: AbortSignal | undefined): {
  readonly controller: AbortController;
  readonly unlink: () => void;
} {
  const controller = new AbortController();
  if (!signal) return { controller, unlink: () => {} };
  const onAbort = () => controller.abort(signal.reason);
  if (signal.aborted) onAbort();
  else signal.addEventListener('abort', onAbort, { once: true });
  return { controller, unlink: () => signal.removeEventListener('abort', onAbort) };
}

/**
 * Waits for `promise`, but not longer than until `signal` aborts.
 * @param late gets the result when it comes after all
 */
export function orAbort<Value>(
  promise: Promise<Value>,
  signal: AbortSignal | undefined,
  late?: (value: Value) => void,
): Promise<Value> {
  if (!signal) return promise;
  return new Promise((resolve, reject) => {
    let over = false;
    const onAbort = () => {
      over = true;
      reject(signal.reason);
    };
    if (signal.aborted) onAbort();
    else signal.addEventListener('abort', onAbort, { once: true });
    promise.then(
      (value) => {
        signal.removeEventListener('abort', onAbort);
        if (over) late?.(value);
        else resolve(value);
      },
      (cause) => {
        signal.removeEventListener('abort', onAbort);
        if (!over) reject(cause);
      },
    );
  });
}
