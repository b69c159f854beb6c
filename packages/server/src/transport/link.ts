import { StoreError } from '../errors.ts';
import type { Cancel, Host } from '../host/index.ts';
import { limits } from '../limits.ts';
import { FrameDecoder, type FrameType, frameTypes, LinkError, smallFrame } from './frames.ts';
import { type Agreement, agree, decodeHello, encodeHello, type Hello, ownHello } from './hello.ts';
import { Outlet } from './outlet.ts';
import type { Wire } from './wire.ts';

/** What a link does with frames that belong to calls: the caller's part or the callee's. */
export interface Side {
  /** Both sides have agreed; calls may cross from now on. */
  opened(agreement: Agreement): void;
  frame(type: FrameType, flags: number, id: number, payload: Buffer): void;
  body(flags: number, id: number, bytes: Buffer, rest: number): void;
  /** The other side takes or makes no new calls on this link. */
  goodbye(): void;
  /** The link is gone, with all that was under way. */
  broken(cause: StoreError): void;
}

export interface LinkOptions {
  readonly wire: Wire;
  readonly host: Host;
  /** Said to the other side; left out: what this version is. */
  readonly hello?: Hello;
  /** Milliseconds since 1970 from which the other side's certificate is not valid any more. */
  readonly validUntilMs?: number;
}

function closedInOrder(): StoreError {
  return new StoreError('ServiceUnavailable', { message: 'The link to another node was closed.' });
}

/**
 * One connection between two nodes: negotiates, keeps watch, and ends once, for one reason. Knows no sockets and no clock but those it is given.
 *
 * Nothing crosses before both sides have said hello and agreed. Whatever cannot be (a frame out of place, a length out of bounds, bytes beyond a
 * window) ends the link: there is no way to guess where the next frame begins.
 */
export class Link {
  readonly outlet: Outlet;
  readonly #wire: Wire;
  readonly #host: Host;
  readonly #hello: Hello;
  readonly #validUntilMs: number;
  readonly #decoder = new FrameDecoder(this);
  readonly #stopWatch: Cancel;
  readonly #stopHello: Cancel;
  #side: Side | undefined;
  #opened = false;
  #closed = false;
  /** Set while this side has ended and waits for the other. */
  #finishing: { readonly cause: Error; readonly stop: Cancel } | undefined;
  /** The two have nothing in common: nothing that comes is read any more. */
  #disagreed = false;
  #received = 0;
  #heardAt: number;
  #tickAt: number;
  #signs = 0;
  #pongs = 0;

  constructor({ wire, host, hello = ownHello, validUntilMs = Number.POSITIVE_INFINITY }: LinkOptions) {
    this.#wire = wire;
    this.#host = host;
    this.#hello = hello;
    this.#validUntilMs = validUntilMs;
    this.outlet = new Outlet(wire, host.timers);
    this.#heardAt = this.#tickAt = host.clock.monotonic();
    this.#stopWatch = host.timers.every(limits.linkPingMs, () => this.#tick());
    this.#stopHello = host.timers.after(limits.linkConnectMs, () =>
      this.end(new LinkError(`the other side did not say hello within ${limits.linkConnectMs} ms`)),
    );
  }

  get closed(): boolean {
    return this.#closed;
  }

  /** Begins. Events reach `side`, also from within later calls. */
  start(side: Side): void {
    this.#side = side;
    this.#wire.attach({
      data: (chunk) => this.#data(chunk),
      closed: (cause) => this.end(this.#finishing?.cause ?? cause ?? this.#endedByOther()),
    });
    this.outlet.send([encodeHello(this.#hello)]);
  }

  /** Ends at once. Whatever was under way may or may not have been done on the other side. */
  end(cause: Error): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#stopWatch();
    this.#stopHello();
    this.#finishing?.stop();
    this.outlet.close();
    this.#wire.destroy();
    this.#side?.broken(
      cause instanceof StoreError
        ? cause
        : new StoreError('ServiceUnavailable', { message: `The link to another node broke: ${cause.message}.`, cause }),
    );
  }

  /**
   * Ends when all that is queued went out and the other side has ended too: a wire that is destroyed while bytes of the other side are unread may
   * take back what was sent last.
   */
  finish(cause: Error = closedInOrder()): void {
    this.outlet.whenIdle(() => {
      if (this.#closed || this.#finishing) return;
      const stop = this.#host.timers.after(limits.linkDrainMs, () => this.end(cause));
      this.#finishing = { cause, stop };
      this.#wire.end();
    });
  }

  /** Tells the other side that no new call is made or taken. */
  sayGoodbye(): void {
    this.outlet.send([smallFrame(frameTypes.goodbye, 0)]);
  }

  #endedByOther(): Error {
    return new LinkError(
      this.#opened
        ? 'the other side ended the connection'
        : 'the other side ended the connection before it said hello: it may not accept the certificate of this node',
    );
  }

  #data(chunk: Buffer): void {
    if (this.#closed || this.#disagreed) return;
    this.#received += chunk.length;
    try {
      this.#decoder.push(chunk);
    } catch (cause) {
      this.end(cause as Error);
    }
  }

  /** For the decoder. */
  frame(type: FrameType, flags: number, id: number, payload: Buffer): void {
    if (this.#closed || this.#disagreed) return;
    if (!this.#opened) return this.#open(type, payload);
    switch (type) {
      case frameTypes.hello:
        throw new LinkError('a second hello');
      case frameTypes.ping:
        return this.#pong(payload);
      case frameTypes.pong:
        return;
      case frameTypes.goodbye:
        return this.#side?.goodbye();
      default:
        this.#side?.frame(type, flags, id, payload);
    }
  }

  /** For the decoder. */
  body(flags: number, id: number, bytes: Buffer, rest: number): void {
    if (this.#closed || this.#disagreed) return;
    if (!this.#opened) throw new LinkError('a frame before hello');
    this.#side?.body(flags, id, bytes, rest);
  }

  #open(type: FrameType, payload: Buffer): void {
    if (type !== frameTypes.hello) throw new LinkError('a frame before hello');
    const agreement = agree(this.#hello, decodeHello(payload));
    if (agreement instanceof LinkError) {
      // The other side must hear what this one speaks, to say the same.
      this.#disagreed = true;
      return this.finish(agreement);
    }
    this.#opened = true;
    this.#stopHello();
    this.#side?.opened(agreement);
  }

  /** One answer at a time: who sends pings and reads nothing fills no memory. */
  #pong(payload: Buffer): void {
    if (this.#pongs > 0) return;
    this.#pongs++;
    this.outlet.send([smallFrame(frameTypes.pong, 0, payload)], () => this.#pongs--);
  }

  #tick(): void {
    const now = this.#host.clock.monotonic();
    // After a pause of this thread what arrived meanwhile was not read yet: silence says nothing then.
    const late = now - this.#tickAt > 2 * limits.linkPingMs;
    this.#tickAt = now;
    // What the system took of this side's own pings is no sign of the other side; only while nothing is read it must do.
    const signs = this.#received + this.outlet.takenWhilePaused;
    if (signs !== this.#signs || late) {
      this.#signs = signs;
      this.#heardAt = now;
    }
    if (now - this.#heardAt >= limits.linkDeadMs)
      return this.end(new LinkError(`nothing was heard of the other side for ${limits.linkDeadMs} ms`));
    if (this.#host.clock.now() >= this.#validUntilMs)
      return this.end(new LinkError('the certificate of the other side has expired'));
    if (this.#opened && this.outlet.inWire === 0) this.outlet.send([smallFrame(frameTypes.ping, 0, Buffer.alloc(8))]);
  }
}
