const KiB = 1024;

/** Bounds of who may have how many requests, and of the limits that an operator sets: a part of `limits`. Bytes unless the name says otherwise. */
export const requestLimits = {
  /** Requests that one thread authenticates in one turn of its event loop; others go round in the next ones. */
  cohortRequests: 32,
  /**
   * Requests in work in one thread while several tenants have some, and while one is alone; so long after another one was seen it is not alone. What
   * waits for its client is not in work.
   */
  placesShared: 16,
  placesAlone: 128,
  sharedMs: 10_000,
  /** Places of a request that goes on with the next piece of a body. */
  placesOfBody: 4,
  /** Requests of one tenant that wait for a place in one thread, and how long: as many as there are connections. */
  waitingRequests: 4096,
  placeWaitMs: 30_000,
  /** Tenants that one thread remembers without requests of theirs. */
  placeHolders: 1100,
  /** Tenants, access keys and others that an operator may set limits for. */
  rateSubjects: 1024,
  /** Places where anonymous source addresses are counted, several to a place where there are more of them. A power of two. */
  rateAddresses: 4096,
  /** The least that may be set in bytes per second, and the most in anything. */
  rateBytesLeast: 64 * KiB,
  rateMost: 1_000_000_000_000,
  /** What was not used is kept for so long: a bucket of tokens holds what its rate gives in this time, and one request at least. */
  rateBurstMs: 1000,
  /** Requests are refused while bodies under way are so far ahead of their rate. */
  rateBehindMs: 2000,
  /** A thread looks so often at the limits that are set. */
  rateLookMs: 250,
  /** A limit counts as asked for on a node for so long after a request; whole seconds. */
  rateAskedMs: 3000,
} as const;
