import type { Host } from '../../host/index.ts';
import { limits } from '../../limits.ts';
import type { Endpoint } from './calls.ts';
import { decodeWatch, encodeWatch } from './messages.ts';
import type { Watcher } from './types.ts';

/**
 * Watches keys from now on, and opens the watch again whenever it ends: its connection broke, its member lost the leader, or it fell behind
 * what was compacted. Since it never goes on from an old revision, nothing can be missing in the history that it needs; instead every
 * opening wakes the watcher, who looks for himself.
 *
 * @param endpoint the one to use next; called for each opening
 * @param failed the endpoint did not do
 * @param onFailed hears of every endpoint that did not do, also for other calls: one whose machine is lost says nothing on a watch, and it would be
 * noticed only by pings, many seconds later
 */
export function openWatch(
  keys: readonly string[],
  watcher: Watcher,
  host: Host,
  endpoint: () => Endpoint,
  failed: (endpoint: Endpoint) => void,
  onFailed: (listener: (endpoint: Endpoint) => void) => () => void,
): () => void {
  let closed = false;
  let pause: number = limits.etcdBackoffMs;
  let end = (): void => {};
  let leave: (endpoint: Endpoint) => void = () => {};
  const stopListening = onFailed((endpoint) => leave(endpoint));
  const open = (): void => {
    if (closed) return;
    const one = endpoint();
    let waiting = keys.length;
    const over = (): void => {
      overdue();
      leave = () => {};
      if (closed) return;
      failed(one);
      end = host.timers.after(pause, open);
      pause = Math.min(pause * 2, limits.etcdBackoffMostMs);
    };
    const overdue = host.timers.after(limits.etcdOpenMs, () => {
      stop();
      over();
    });
    const answer = (message: Buffer): void => {
      const { id, created, canceled, events, value } = decodeWatch(message);
      if (canceled) {
        stop();
        over();
        return;
      }
      if (created && --waiting === 0) {
        overdue();
        pause = limits.etcdBackoffMs;
        watcher.wake();
      } else if (!created && events > 0) watcher.wake(keys[id - 1], value);
    };
    const stop = one.stream(
      'Watch/Watch',
      keys.map((key, index) => encodeWatch(key, index + 1)),
      answer,
      over,
    );
    leave = (endpoint) => {
      if (endpoint !== one) return;
      stop();
      over();
    };
    end = () => {
      overdue();
      stop();
    };
  };
  open();
  return () => {
    closed = true;
    stopListening();
    end();
  };
}
