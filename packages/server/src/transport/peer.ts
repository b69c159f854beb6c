import { StoreError } from '../errors.ts';
import type { Cancel, Host } from '../host/index.ts';
import { limits } from '../limits.ts';
import { CallerSide, deadlinePassed } from './caller.ts';
import type { Hello } from './hello.ts';
import { Link } from './link.ts';
import type { Pools } from './pool.ts';
import type { CallOptions, Peer } from './types.ts';
import type { Wire } from './wire.ts';

/** A connection on which both sides have proved who they are. */
export interface Dialled {
  readonly wire: Wire;
  readonly validUntilMs?: number;
}

export interface PeerOptions {
  readonly node: string;
  readonly host: Host;
  readonly pools: Pools;
  readonly hello?: Hello;
  /** Connects to the node, and to no other. Gives up when `signal` aborts. */
  dial(signal: AbortSignal): Promise<Dialled>;
  /** Hears why links could not be made, and why they broke. */
  readonly onError: (cause: unknown) => void;
  readonly onClosed: () => void;
}

/** Links to one node, one at a time: made when the first call is, and again after a break. */
class LinkedPeer implements Peer {
  readonly node: string;
  readonly #options: PeerOptions;
  readonly #closing = new AbortController();
  /** The link that takes calls. */
  #caller: CallerSide | undefined;
  readonly #links = new Set<Link>();
  #connecting: Promise<CallerSide> | undefined;
  #waiting = 0;
  #failure: StoreError | undefined;
  #tries = 0;
  #openedAt = 0;
  #stopRetry: Cancel | undefined;

  constructor(options: PeerOptions) {
    this.node = options.node;
    this.#options = options;
  }

  get reachable(): boolean {
    return this.#failure === undefined;
  }

  call(method: string, head: Uint8Array, options: CallOptions = {}) {
    if (this.#caller) return this.#caller.call(method, head, options);
    return this.#ready(options).then(({ caller, left }) => caller.call(method, head, left));
  }

  async *stream(method: string, head: Uint8Array, options: CallOptions = {}): AsyncGenerator<Buffer, void> {
    const { caller, left } = await this.#ready(options);
    const { answer, cancel } = caller.stream(method, head, left);
    try {
      for (let piece = await answer.next(); piece; piece = await answer.next()) yield piece;
    } finally {
      cancel();
    }
  }

  async close(): Promise<void> {
    if (this.#closing.signal.aborted) return;
    const closed = new StoreError('ServiceUnavailable', { message: `The link to the node ${this.node} was closed.` });
    this.#closing.abort(closed);
    this.#failure = closed;
    this.#caller = undefined;
    this.#stopRetry?.();
    for (const link of this.#links) link.end(closed);
    this.#options.onClosed();
  }

  /** A link that takes calls, and the options with what is left of the deadline. */
  async #ready(options: CallOptions): Promise<{ caller: CallerSide; left: CallOptions }> {
    options.signal?.throwIfAborted();
    if (this.#caller) return { caller: this.#caller, left: options };
    if (this.#failure) throw this.#failure;
    if (this.#waiting >= limits.linkCalls)
      throw new StoreError('SlowDown', { message: `Too many calls wait for the node ${this.node}. Try again.` });
    this.#waiting++;
    const { clock } = this.#options.host;
    const began = clock.monotonic();
    try {
      const caller = await this.#within(this.#connect(), options);
      if (options.deadlineMs === undefined) return { caller, left: options };
      return {
        caller,
        left: { ...options, deadlineMs: Math.max(0, options.deadlineMs - (clock.monotonic() - began)) },
      };
    } finally {
      this.#waiting--;
    }
  }

  #within<Result>(promise: Promise<Result>, { deadlineMs, signal }: CallOptions): Promise<Result> {
    if (deadlineMs === undefined && !signal) return promise;
    return new Promise((resolve, reject) => {
      const onAbort = () => reject(signal?.reason);
      signal?.addEventListener('abort', onAbort, { once: true });
      const stop =
        deadlineMs === undefined
          ? undefined
          : this.#options.host.timers.after(Math.min(deadlineMs, limits.linkDeadlineMs), () =>
              reject(deadlinePassed(deadlineMs)),
            );
      promise.then(resolve, reject).finally(() => {
        stop?.();
        signal?.removeEventListener('abort', onAbort);
      });
    });
  }

  #connect(): Promise<CallerSide> {
    this.#connecting ??= this.#open().then(
      (caller) => {
        this.#connecting = undefined;
        this.#failure = undefined;
        this.#openedAt = this.#options.host.clock.monotonic();
        return caller;
      },
      (cause) => {
        this.#connecting = undefined;
        const known = this.#failure !== undefined;
        this.#failure = this.#unreachable(cause);
        if (!this.#closing.signal.aborted) {
          // Told once, not at every try.
          if (!known) this.#options.onError(this.#failure);
          this.#retryLater();
        }
        throw this.#failure;
      },
    );
    return this.#connecting;
  }

  #unreachable(cause: unknown): StoreError {
    if (this.#closing.signal.aborted) return this.#closing.signal.reason;
    const why = cause instanceof Error ? cause.message : String(cause);
    return new StoreError('ServiceUnavailable', {
      message: `The node ${this.node} cannot be reached: ${why.replace(/\.$/, '')}.`,
      cause,
      retryAfter: 1,
    });
  }

  async #open(): Promise<CallerSide> {
    const { host, pools, hello } = this.#options;
    const { wire, validUntilMs } = await this.#dial();
    if (this.#closing.signal.aborted) {
      wire.destroy();
      throw this.#closing.signal.reason;
    }
    return new Promise((resolve, reject) => {
      const link = new Link({
        wire,
        host,
        ...(hello && { hello }),
        ...(validUntilMs !== undefined && { validUntilMs }),
      });
      this.#links.add(link);
      const caller = new CallerSide(link, host, pools, {
        opened: () => {
          this.#caller = caller;
          resolve(caller);
        },
        goodbye: () => this.#replace(caller),
        broken: (cause) => {
          this.#links.delete(link);
          reject(cause);
          if (this.#caller === caller) this.#lost(cause);
        },
      });
      link.start(caller);
    });
  }

  async #dial(): Promise<Dialled> {
    const giveUp = new AbortController();
    const stop = this.#options.host.timers.after(limits.linkConnectMs, () =>
      giveUp.abort(new Error(`no connection within ${limits.linkConnectMs} ms`)),
    );
    try {
      return await this.#options.dial(AbortSignal.any([giveUp.signal, this.#closing.signal]));
    } finally {
      stop();
    }
  }

  /** New calls go over a new link; this one ends behind its last answer. */
  #replace(caller: CallerSide): void {
    caller.retire();
    if (this.#caller !== caller) return;
    this.#caller = undefined;
    this.#connect().catch(() => {});
  }

  /** A link that stood for a while is made anew at once; one that breaks again and again, after pauses that grow. */
  #lost(cause: StoreError): void {
    this.#caller = undefined;
    this.#options.onError(cause);
    const lasted = this.#options.host.clock.monotonic() - this.#openedAt;
    if (lasted >= limits.linkRetryMostMs) this.#tries = 0;
    if (this.#tries === 0) {
      this.#tries = 1;
      this.#connect().catch(() => {});
    } else {
      this.#failure = cause;
      this.#retryLater();
    }
  }

  #retryLater(): void {
    const { host } = this.#options;
    const longest = Math.min(limits.linkRetryMostMs, limits.linkRetryMs * 2 ** Math.min(this.#tries++, 16));
    const drawn = host.entropy.bytes(4).readUInt32LE() / 2 ** 32;
    this.#stopRetry?.();
    this.#stopRetry = host.timers.after(longest / 2 + (drawn * longest) / 2, () => {
      this.#connect().catch(() => {});
    });
  }
}

/** A peer over any kind of wire. */
export function linkedPeer(options: PeerOptions): Peer {
  return new LinkedPeer(options);
}
