const KiB = 1024;

/** Bounds of event notifications, access logs, the log of refused requests, and inventories; a part of `limits`. Bytes unless the name says otherwise. */
export const notificationLimits = {
  /** Targets that an operator may define, and what is kept of one. */
  targets: 32,
  targetBytes: 16 * KiB,
  targetNameChars: 64,
  targetHeaders: 16,
  /** Accounts that a store is for. */
  targetAccounts: 1000,
  /** Lines a second about requests that were refused with one code, for each thread; and characters of the path in such a line. */
  refusalLines: 10,
  refusedPathChars: 512,
  /** Followers of one shard's log. */
  followers: 128,
  /** Configurations in the notification configuration of one bucket, and characters of the ID of one (S3: 100, 255). */
  notifications: 100,
  notificationIdChars: 255,
  /** Events of one target that are on their way to it from one shard, each of another key. */
  noticesInFlight: 16,
  /** Events read ahead for one target of one shard, those on their way included. */
  noticesAhead: 256,
  /** An attempt to deliver one event; the pause after one that failed, and what it grows to. */
  noticeTryMs: 10_000,
  noticeRetryMs: 500,
  noticeRetryMostMs: 60_000,
  /** An event that a target refuses is given up after so many tries, over so long a time at least. */
  noticeRefusals: 10,
  noticeRefusedMs: 5 * 60_000,
  /** Events that are kept of those that a target of one shard has refused, and what is kept of one. */
  failedEvents: 500,
  failedEventBytes: 16 * KiB,
  /** Of them that an operator has delivered again, or dropped, in one call. */
  failedEventsAtOnce: 50,
  /** A position is written so long after the first delivery that it does not cover, or so many bytes of the log later. */
  followerWriteMs: 1000,
  followerWriteBytes: 16 * 1024 * KiB,
  /** Clocks of nodes differ by less: events older than a target by more than that are not for it. */
  noticeSkewMs: 60_000,
  /** Between two looks at what targets there are. */
  targetsLookMs: 1000,
  /** What a target answers is read up to here, and not kept. */
  targetAnswerBytes: 64 * KiB,
  /** Lines of access logs that one thread holds, and what makes an object before its time. */
  accessLogBytes: 8 * 1024 * KiB,
  accessLogObjectBytes: 1024 * KiB,
  /** TargetPrefix: room is left in the key for what stands behind it. */
  accessLogPrefixBytes: 800,
  /** How long a line waits when nothing is said. */
  accessLogSeconds: 300,
  /** Prefix of an inventory: room is left in the key for what stands behind it. */
  inventoryPrefixBytes: 512,
  /** Rows of one file of an inventory; a Parquet file is made in memory. */
  inventoryCsvRows: 1_000_000,
  inventoryParquetRows: 50_000,
  /** Between two looks at which inventories are due. */
  inventoryCheckMs: 60_000,
} as const;
