import type { TLSSocket } from 'node:tls';
import type { Wire, WireEvents } from '../wire.ts';

/** A TLS socket after its handshake. Its writes are gathered into one call of the system where there are several pieces. */
export class TlsWire implements Wire {
  readonly #socket: TLSSocket;
  #cause: Error | undefined;

  constructor(socket: TLSSocket) {
    this.#socket = socket;
    socket.setNoDelay(true);
    socket.on('error', (cause) => (this.#cause = cause));
  }

  attach(events: WireEvents): void {
    this.#socket.on('data', (chunk: Buffer) => events.data(chunk));
    if (this.#socket.destroyed) queueMicrotask(() => events.closed(this.#cause));
    else this.#socket.on('close', () => events.closed(this.#cause));
  }

  write(pieces: readonly Uint8Array[], flushed: () => void): void {
    const socket = this.#socket;
    const last = pieces.length - 1;
    const done = (cause?: Error | null) => {
      if (!cause) flushed();
    };
    if (last > 0) socket.cork();
    for (let i = 0; i <= last; i++) {
      const piece = pieces[i] as Uint8Array;
      if (i < last) socket.write(piece);
      else socket.write(piece, done);
    }
    if (last > 0) socket.uncork();
  }

  pause(): void {
    this.#socket.pause();
  }

  resume(): void {
    this.#socket.resume();
  }

  end(): void {
    this.#socket.end();
  }

  destroy(): void {
    this.#socket.destroy();
  }
}
