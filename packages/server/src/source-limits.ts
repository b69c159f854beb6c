const KiB = 1024;
const MiB = 1024 * KiB;

/** Bounds of what is read from the store that a bucket came from; a part of `limits`. Bytes unless the name says otherwise. */
export const sourceLimits = {
  /** What is kept of the source of one bucket. */
  sourceBytes: 8 * KiB,
  /** Sources that one thread has open. */
  sourcesOpen: 64,
  /** Requests to one source from one thread at once, those that wait for a place, and for how long they do. */
  sourceRequests: 32,
  sourceWaiting: 256,
  sourceWaitMs: 10_000,
  /** Until a source begins to answer, and between two chunks of its answer. */
  sourceAnswerMs: 15_000,
  sourceIdleMs: 30_000,
  /** Tries of a request that failed in passing. */
  sourceTries: 2,
  /** An answer that is read whole: a page of a list, the tags of an object, an error. */
  sourceAnswerBytes: 2 * MiB,
  /** Keys asked for at once: with every byte of a key as three characters a page still is a document. */
  sourceListPage: 500,
  /** Pages of a source that one list reads, most of whose keys are deleted here. */
  sourceListPages: 200,
  /** An object up to this is read whole and verified before the first byte of it is sent, once for all who ask at the same time. */
  sourceWholeBytes: MiB,
  /** A larger object up to this is kept while it is sent; what is larger is only passed on. */
  sourceKeepBytes: 5 * 1024 * MiB,
  /** What of a body on its way to a client waits to be kept. */
  sourceAheadBytes: 4 * MiB,
  /** Keys that have not moved which a report names, and pages that it looks at. */
  sourceNamed: 10,
  sourceReportPages: 2000,
} as const;
