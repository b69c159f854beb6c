import type { Server } from 'node:net';
import type { Clock, Timers } from '../host/index.ts';
import { limits } from '../limits.ts';

/*
 * How a listening socket is given up without breaking off what came to it. The system completes connections by itself and keeps them in a
 * queue; closing the socket resets those that are in it, though their requests may have been sent already. The loop accepts one of them in
 * each turn, so under load there are always some.
 *
 * A queue cannot be closed for good before its socket is: it keeps a place for one. What is still broken off is a connection that came between the
 * last turn of the loop and the close, one at most for each socket.
 */

/**
 * Lets no more connections into the queue (who comes now is not answered, tries again, and then meets no listener), and waits until those in
 * it were accepted. The caller closes right after that.
 * @param accepted how many connections were accepted so far
 */
export async function emptyQueue(server: Server, accepted: () => number, clock: Clock, timers: Timers): Promise<void> {
  // There is no other way to change the length of the queue. Without it, what comes in the last moment is still broken off.
  (server as { readonly _handle?: { listen?(backlog: number): number } })._handle?.listen?.(0);
  const end = clock.monotonic() + limits.drainAcceptMs;
  for (let quiet = 0; quiet < 3 && clock.monotonic() < end; ) {
    const before = accepted();
    await new Promise<void>((resolve) => timers.soon(resolve));
    quiet = accepted() === before ? quiet + 1 : 0;
  }
}
