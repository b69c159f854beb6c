import { sourceLimits } from './source-limits.ts';

const KiB = 1024;

/** Bounds of what a bucket has configured; a part of `limits`. Bytes unless the name says otherwise. */
export const configurationLimits = {
  ...sourceLimits,
  /** Document of one configuration, of whatever kind (metadata/machine/configurations.ts has a bound for each). */
  configurationBytes: 512 * KiB,
  /** Configurations that one thread keeps parsed, of each kind that requests look at. */
  parsedConfigurations: 256,
  /** Rules of a replication configuration, and characters of the ID of one and of its role. */
  replicationRules: 1000,
  replicationIdChars: 255,
  replicationRoleChars: 2048,
  /** Silence of a store that is replicated to, after which a request is tried again; what it answers is read up to so many bytes. */
  replicaIdleMs: 60_000,
  replicaAnswerBytes: 256 * KiB,
  /** The largest body of one PUT, and the parts of what is larger and has none of its own. */
  replicaPutBytes: 5 * 1024 * 1024 * KiB,
  replicaPartBytes: 64 * 1024 * KiB,
  /** Times that a key is looked at once more where it changes there while it is compared. */
  replicaTries: 10,
  /** Objects that are compared at once where a bucket is replicated anew, versions looked at in one go, and failures that are named one by one. */
  resyncAtOnce: 8,
  resyncPage: 256,
  resyncFailures: 100,
  /** Rules of a CORS configuration, characters of the ID of one, and names of headers that one preflight may ask for. */
  corsRules: 100,
  corsIdChars: 255,
  corsHeaders: 256,
  /** Routing rules of a website; names under which one server serves websites. */
  routingRules: 50,
  websiteNames: 100,
  /** Configurations of one kind of which a bucket has many (metrics, analytics, intelligent tiering), those of one page of a list, and characters of an id. */
  listedConfigurations: 1000,
  listedConfigurationsPage: 100,
  configurationIdChars: 64,
  /** Rules of a lifecycle, characters of the ID of one, most days and newer versions that one says (as in S3), and the last moment at which anything is due: the end of the year 9999. */
  lifecycleRules: 1000,
  lifecycleIdChars: 255,
  lifecycleDays: 2 ** 31 - 1,
  lifecycleNewer: 100,
  lifecycleLastMs: 253_402_214_400_000,
  /**
   * A pass of the lifecycle: how often it is asked whether one is due, and how often where many buckets have rules; work between two rests and the rest, rows looked at before the time is, deletes in
   * one proposal, transitions and aborts proposed at once, how often its place is saved, and actions that a report lists one by one.
   */
  lifecycleCheckMs: 10_000,
  lifecycleLookMs: 60_000,
  lifecycleSliceMs: 2,
  lifecycleRestMs: 3,
  lifecycleRows: 128,
  lifecycleDeletes: 64,
  lifecycleAtOnce: 64,
  lifecycleSaveMs: 5000,
  lifecycleReported: 1000,
  /** File with the place of a pass. */
  lifecycleFileBytes: 512 * KiB,
  /** Rows of versions between two that the owner looks at before it puts one off. */
  lifecycleLook: 1000,
  /** Restores: how often a shard is asked for those that are due, those of one proposal, most days of one, and the longest time that a tier may take. */
  restoreCheckMs: 1000,
  restoreBatch: 64,
  restoreDays: 2 ** 31 - 1,
  restoreDelayMs: 30 * 86_400_000,
  /** Default retention of a bucket, as AWS bounds it. */
  retentionDays: 36_500,
  retentionYears: 100,
  /** How often the log is told how late it is, and how far an owner that begins believes its clock beyond what the log says. */
  lockClockNoteMs: 3_600_000,
  lockClockGapMs: 92 * 86_400_000,
} as const;
