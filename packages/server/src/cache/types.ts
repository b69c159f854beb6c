/** What a cache did since it was made, and holds now. */
export interface CacheStatistics {
  readonly hits: number;
  readonly misses: number;
  readonly evictions: number;
  readonly entries: number;
  /** Memory held alive by the entries. */
  readonly bytes: number;
}

/** Plaintext frames of stripes that were read lately. Bounded by bytes. One per thread; synchronous. */
export interface FrameCache {
  /**
   * @param stripe the stripe's id, 16 bytes
   * @param frame index of the frame within the stripe
   * @returns the very buffer that was put: it must not be changed, and is lent until {@link done}
   */
  get(stripe: Buffer, frame: number): Buffer | undefined;
  /** Keeps a frame, and lends it to the giver at once. Stripes never change, so what is there already stays. */
  put(stripe: Buffer, frame: number, bytes: Buffer): void;
  /**
   * The borrower of a frame, or of a part of it, reads it no more. Memory of a frame that leaves the cache while nobody borrows it is
   * given back at once; a borrower who never calls this leaves it to the collector.
   */
  done(bytes: Uint8Array): void;
  remove(stripe: Buffer, frame: number): void;
  statistics(): CacheStatistics;
}
