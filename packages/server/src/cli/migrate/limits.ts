const MiB = 1024 * 1024;

/** Bounds of `dsom migrate`. */
export const migrateLimits = {
  /** Tries of one request, and of one version, the first included. */
  attempts: 5,
  /** The longest wait before a try, ms. */
  retryMs: 10_000,
  /** A connection on which nothing moves for so long is broken off, ms. */
  idleMs: 60_000,
  /** Bytes of an answer that is read whole: a page of a listing, a configuration. */
  answerBytes: 16 * MiB,
  /** Versions of one key that are held to be brought into order. */
  keyVersions: 100_000,
  /** Keys copied at once, at most. */
  parallel: 256,
  /** Bytes of a single PUT (S3: 5 GiB). */
  putBytes: 5 * 1024 * MiB,
  /** Bytes of a part, where the source's own parts are not known. */
  partBytes: 64 * MiB,
  /** Parts of an upload (S3). */
  parts: 10_000,
  /** Grants of an access control list (S3). */
  grants: 100,
  /** Kinds of remarks in a report, of which each names something of its own; what comes beyond counts as one more. */
  notes: 200,
  /** Copies of objects without versions that a run knows for its own, the latest. */
  ownCopies: 200_000,
  /** Pages of a listing of configurations by id (S3 keeps 1,000 of each, and lists 100 a page). */
  configurationPages: 100,
  /** Up to this difference the clocks of two stores count as one, ms: they tell whole seconds, and answers take a while. */
  clockMs: 5000,
} as const;
