/** One call, to who serves it. The bytes are the callee's. */
export interface IncomingCall {
  readonly method: string;
  /** Arguments, in a form that caller and callee agree on. */
  readonly head: Buffer;
  readonly body: Buffer;
  /** Node id of the caller, from its certificate. */
  readonly node: string;
  /** Aborts when the caller cancelled, its deadline passed, or the link broke. */
  readonly signal: AbortSignal;
}

/** What a call is answered with. The pieces must not be changed once given. */
export interface Answer {
  readonly head: Uint8Array;
  readonly body?: readonly Uint8Array[];
  /** Sent behind the body, piece by piece, as fast as the caller takes them. */
  readonly stream?: AsyncIterable<Uint8Array>;
}

/** Serves calls; a StoreError crosses the link with its code, anything else becomes an InternalError and is reported on this side. */
export type Serve = (call: IncomingCall) => Promise<Answer>;

export interface CallOptions {
  readonly body?: readonly Uint8Array[];
  /** Milliseconds until the call rejects with ServiceUnavailable, on both sides. */
  readonly deadlineMs?: number;
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
  /** A call whose answer is a stream; the pieces come with back-pressure, and ending the iteration cancels the call. */
  stream(method: string, head: Uint8Array, options?: CallOptions): AsyncIterable<Buffer>;
  close(): Promise<void>;
}

/** Who this node is on the network, and whom it trusts. Rotated without a stop: new links use what `current` gives. */
export interface Credentials {
  current(): {
    /** PEM. */
    readonly certificate: string;
    readonly privateKey: string;
    /** Certificates of the authorities that are trusted, PEM. */
    readonly authorities: readonly string[];
  };
}

/** The network adapter: one product per protocol between nodes. */
export interface Transport {
  /** Listens on `host:port` (port 0: any) with SO_REUSEPORT, so that several threads can. Refuses who has no certificate of the cluster. */
  listen(address: string, serve: Serve): Promise<{ readonly address: string; close(): Promise<void> }>;
  /** A peer at `address`; nothing is connected before the first call. */
  peer(node: string, address: string): Peer;
  close(): Promise<void>;
}
