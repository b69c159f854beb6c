import { StoreError } from '../../errors.ts';
import type { Host } from '../../host/index.ts';
import { limits } from '../../limits.ts';
import type { StructuredLog } from '../../telemetry/index.ts';

/**
 * Does a step of a node's start, and again while others that it needs are not there yet: after a power failure nodes come back in any order, and members
 * of etcd need an election before they answer.
 * @param what is done, for the log
 * @throws what the step throws: at once when it does not say that another try may help (`retryAfter`), else after `limits.nodeOpenMs`
 */
export async function patiently<Result>(
  host: Host,
  log: StructuredLog,
  what: string,
  step: () => Promise<Result>,
): Promise<Result> {
  const end = host.clock.monotonic() + limits.nodeOpenMs;
  for (let told = false; ; ) {
    try {
      return await step();
    } catch (cause) {
      const passing =
        cause instanceof StoreError && cause.code === 'ServiceUnavailable' && cause.retryAfter !== undefined;
      if (!passing || host.clock.monotonic() >= end) throw cause;
      if (!told)
        log.warn(`${what}: what that needs does not answer; it is tried for ${limits.nodeOpenMs / 1000} s`, { cause });
      told = true;
    }
    await host.timers.sleep(limits.nodeOpenRetryMs);
  }
}
