const MiB = 1024 * 1024;

/** Bounds of connections of clients, and of how they end. */
export const connectionLimits = {
  /** Of one thread. */
  connections: 4096,
  /** For how many connections that a network has one must be free before it gets another. */
  connectionsPerFree: 3,
  /** Connections that were broken off for others, and are not closed yet. */
  connectionsEnding: 1024,
  /** Open files that the process has in any case; of those beyond, what connections may have, percent; and what each thread takes however few there are. */
  ownFiles: 64,
  connectionFilesPercent: 75,
  connectionsLeast: 8,
  headersTimeoutMs: 20_000,
  /** Between two looks for connections whose request head is overdue. */
  connectionCheckMs: 2000,
  /** An idle connection is kept open so long. */
  keepAliveMs: 65_000,
  /** Connections that wait to be accepted, for each worker. */
  backlog: 1024,
  /** A connection is broken when the client takes nothing of an answer for this long, however the answer was given. */
  stalledConnectionMs: 600_000,
  /** What is still read, and for how long, of a body whose request was already refused, so that the client can read the answer. */
  lingerBytes: 16 * MiB,
  lingerMs: 5000,
  /** Time for running requests to finish after SIGTERM. */
  drainMs: 8000,
  /** A stop says what it waits for so often, and ends the process when it is not over by then; a drain and the end of an etcd member are within. */
  stopTellMs: 5000,
  stopMs: 45_000,
  /** While a server starts: when clients are told to ask again, and how long the last answers may take once it serves. */
  startingRetrySeconds: 2,
  startingLastMs: 1000,
  /** After SIGTERM, connections that the system has taken in already are accepted for at most so long. */
  drainAcceptMs: 1000,
  /** After SIGTERM, connections without a request are closed only after so long: one may just be on its way. */
  drainIdleMs: 200,
  /** Certificates that one server shows, by name; bytes of a file with certificates or a key. */
  tlsCertificates: 100,
  tlsFileBytes: MiB,
  /** A connection that has not agreed on TLS by then is broken. */
  tlsHandshakeMs: 10_000,
  /** Between two looks at the files. */
  tlsReloadMs: 30_000,
  /** A session may be taken up again for so long, and no longer than with the keys of two draws. */
  tlsSessionSeconds: 3600,
  tlsTicketKeysMs: 12 * 3600 * 1000,
  /** A certificate that ends within so many days, or a third of its life, is told of, once a day. */
  tlsWarnDays: 14,
  /** Addresses and networks of proxies that are trusted. */
  trustedProxies: 100,
} as const;
