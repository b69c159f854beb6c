/** What a wire tells the link that runs over it. */
export interface WireEvents {
  data(chunk: Buffer): void;
  /** The last event. Both sides get it, whoever ended the wire. */
  closed(cause: Error | undefined): void;
}

/** A reliable, ordered, authenticated stream of bytes in both directions, already connected: what a link needs of a network. */
export interface Wire {
  /** Begins the events, which never come before this call returned. */
  attach(events: WireEvents): void;
  /** Sends the pieces in order; `flushed` runs when they have left this side's memory, and need not when the wire breaks. */
  write(pieces: readonly Uint8Array[], flushed: () => void): void;
  /** No `data` until {@link resume}; what was read already may still come. */
  pause(): void;
  resume(): void;
  /** Ends the wire behind what was written. */
  end(): void;
  /** Ends the wire at once; what was written may be lost. */
  destroy(): void;
}
