import type { Server } from 'node:http';

/**
 * The last resort against clients that hold a connection for nothing. Streams and bodies have limits of their own; this one also finds an
 * answer that was handed over at once and that nobody reads. A connection on which the server still works is left alone, however long that
 * takes; one that waits for its next request has node's time-out for that, which is shorter and ends it as before.
 * @param milliseconds without a byte read or taken
 */
export function breakStalled(server: Server, milliseconds: number): void {
  server.timeout = milliseconds;
  server.on('timeout', (socket) => {
    // The next byte that the server writes begins the time anew.
    const works = socket.timeout === milliseconds && socket.writableLength === 0;
    if (!works) socket.destroy();
  });
}
