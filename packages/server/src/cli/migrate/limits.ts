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
} as const;
