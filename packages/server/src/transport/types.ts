/** One call, to who serves it. The bytes are the callee's. */
export interface IncomingCall {
  readonly method: string;
  /** Arguments, in a form that caller and callee agree on. It and a small body may lie in one block of memory with other calls: copy what is kept for long. */
  readonly head: Buffer;
  readonly body: Buffer;
  /** Node id of the caller, from its certificate; empty for a node that joins. */
  readonly node: string;
  /** Aborts when the caller cancelled, its deadline passed, or the link broke. */
  readonly signal: AbortSignal;
}

/** What a call is answered with. The pieces must not be changed once given. */
export interface Answer {
  readonly head: Uint8Array;
  readonly body?: readonly Uint8Array[];
  /** Sent behind the body, piece by piece, as fast as the caller takes them. Only for calls made with {@link Peer.stream}. */
  readonly stream?: AsyncIterable<Uint8Array>;
}

/** Serves calls; a StoreError crosses the link with its code, anything else becomes an InternalError and is reported on this side. */
export type Serve = (call: IncomingCall) => Promise<Answer>;

/**
 * What one call may carry besides its method. A method has at most `limits.linkMethodBytes`, a head `limits.linkHeadBytes`, a body
 * `limits.linkBodyBytes`, one piece of a stream `limits.linkPieceBytes`; more is a RangeError.
 */
export interface CallOptions {
  readonly body?: readonly Uint8Array[];
  /** Milliseconds until the call rejects with ServiceUnavailable, on both sides; for a stream, until its end. `limits.linkDeadlineMs` at most. */
  readonly deadlineMs?: number;
  /** Gives the call up on both sides; it rejects with the signal's reason. */
  readonly signal?: AbortSignal;
}

/** The other side of a link. Connects by itself, and again after a break; calls under way when a link breaks reject and are never repeated by the link. */
export interface Peer {
  /** Node id that the other side's certificate must name. */
  readonly node: string;
  /** False while no link stands and the last try failed: calls then reject at once with ServiceUnavailable. */
  readonly reachable: boolean;
  call(
    method: string,
    head: Uint8Array,
    options?: CallOptions,
  ): Promise<{ readonly head: Buffer; readonly body: Buffer }>;
  /**
   * A call whose answer is a stream: the pieces of the answer's body and stream, one by one as they were given, with back-pressure. The head of
   * the answer is not. The call is made when the iteration begins; ending the iteration cancels it.
   */
  stream(method: string, head: Uint8Array, options?: CallOptions): AsyncIterable<Buffer>;
  /** Calls under way reject with ServiceUnavailable. */
  close(): Promise<void>;
}

/** Who this node is on the network, and whom it trusts. Rotated without a stop: new links use what `current` gives. */
export interface Credentials {
  current(): {
    /** PEM. The certificate names the node: see {@link nodeUri}. */
    readonly certificate: string;
    readonly privateKey: string;
    /** Certificates of the authorities that are trusted, PEM. */
    readonly authorities: readonly string[];
  };
}

export interface ListenOptions {
  /** Serves the method `join` of callers without a certificate: nodes that are to become members. Left out: those are refused. */
  readonly join?: Serve;
  /** False refuses a node whose certificate is good: one that was removed. Asked at each connection and at each call. */
  readonly admits?: (node: string) => boolean;
}

export interface Listener {
  /** `host:port` with the port that was found. */
  readonly address: string;
  /** Takes no more connections and calls; resolves when the calls under way were answered, or after `limits.linkDrainMs`. */
  close(): Promise<void>;
}

/** The network adapter: one product per protocol between nodes. */
export interface Transport {
  /** Listens on `host:port` (port 0: any) with SO_REUSEPORT, so that several threads can. Refuses who has no certificate of the cluster. */
  listen(address: string, serve: Serve, options?: ListenOptions): Promise<Listener>;
  /** A peer at `address`; nothing is connected before the first call. */
  peer(node: string, address: string): Peer;
  close(): Promise<void>;
}
