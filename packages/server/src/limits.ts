import { clusterLimits } from './cluster-limits.ts';
import { configurationLimits } from './configuration-limits.ts';
import { connectionLimits } from './connection-limits.ts';
import { identityLimits } from './identity-limits.ts';
import { invariant } from './invariant.ts';
import { notificationLimits } from './notification-limits.ts';
import { policyLimits } from './policy-limits.ts';
import { requestLimits } from './request-limits.ts';

const KiB = 1024;
const MiB = 1024 * KiB;
const GiB = 1024 * MiB;
const TiB = 1024 * GiB;

/** Every bound of the program, in one place. Bytes unless the name says otherwise. */
export const limits = {
  ...clusterLimits,
  ...policyLimits,
  ...configurationLimits,
  ...connectionLimits,
  ...identityLimits,
  ...notificationLimits,
  ...requestLimits,
  /** Keys, as UTF-8 (S3). */
  keyBytes: 1024,
  bucketNameMin: 3,
  bucketNameMax: 63,
  buckets: 10_000,
  /** Shards of a store besides the system shard; those that one bucket is spread over; deleted buckets that each of them remembers. */
  objectShards: 64,
  bucketShards: 16,
  sealedBuckets: 1000,
  objectBytes: 5 * TiB,
  singlePutBytes: 5 * GiB,
  partBytesMin: 5 * MiB,
  partBytesMax: 5 * GiB,
  parts: 10_000,
  /** User metadata, names and values together (S3: 2 KB). */
  metadataBytes: 2 * KiB,
  /** Content-Type, Cache-Control and the other headers kept with an object, together. */
  systemMetadataBytes: 4 * KiB,
  tags: 10,
  bucketTags: 50,
  tagKeyChars: 128,
  tagValueChars: 256,
  listPage: 1000,
  deleteMany: 1000,
  /** Request bodies that are parsed whole (XML, JSON). */
  documentBytes: 2 * MiB,
  xmlDepth: 16,
  /** Elements of one XML document. */
  xmlElements: 100_000,
  headerBytes: 16 * KiB,
  /** One header value that is kept with an object. */
  headerValueBytes: 8 * KiB,
  /** Causal tokens of one request. */
  tokenBytes: 4 * KiB,
  /** Objects up to this size live in their metadata entry. */
  inlineBytes: 4 * KiB,
  /** Inline objects below this size are not compressed. */
  inlinePackBytes: KiB,
  /** The unit of encoding, compression and encryption inside a stripe: plaintext bytes of one frame. */
  frameBytes: 64 * KiB,
  /** The unit of placement and redundancy: plaintext bytes of one stripe. */
  stripeBytes: 8 * MiB,
  /** Largest signed chunk of an aws-chunked body; an unsigned one may be the whole object. */
  chunkBytes: 16 * MiB,
  /** Smallest chunk of an aws-chunked body, but for the last (S3: 8 KiB). */
  chunkBytesMin: 8 * KiB,
  chunkHeaderBytes: 1024,
  trailerBytes: 4 * KiB,
  clockSkewMs: 15 * 60 * 1000,
  presignSecondsMax: 7 * 24 * 3600,
  slabBytes: GiB,
  /** Slabs of one device: 128 TiB. */
  slabs: 131_072,
  /** Slab files that one thread keeps open per device. */
  openSlabs: 256,
  /** Pause before an entry for which the ordered KV found no space is tried again. */
  fullRetryMs: 500,
  /** Free bytes of a disk that fragments never take, so that logs and indexes can still grow: deleting needs both. */
  deviceReserveBytes: 512 * MiB,
  /** Of a small disk so much: two small segments of the log, and what the KV writes between two checkpoints. */
  deviceReserveLeastBytes: 20 * MiB,
  /** The smallest disk on which a store is made. */
  diskBytesMin: 64 * MiB,
  /** Size at most of the file that keeps space for a start on a full disk. */
  ballastBytes: 64 * MiB,
  leastFreeFiles: 16, // Inodes of a file system, below which it counts as full.
  /** For how long nothing could be freed before it is given up to that. */
  ballastWaitMs: 10_000,
  /** Allocation unit of the fragment store. */
  blockBytes: 4 * KiB,
  /** Space handed to one writer at a time. */
  windowBytes: 64 * MiB,
  /** Open windows of one device, and pieces of one window. */
  openWindows: 512,
  windowRuns: 128,
  /** Place on a device for the list of its open windows; two are kept. */
  windowTableBytes: 256 * KiB,
  /** Data bytes of one fragment. */
  fragmentBytes: 32 * MiB,
  /** Fragments below this size get windows of their own, so that they do not cut up the space of large ones. */
  smallFragmentBytes: MiB,
  /** Blocks that one row of the free-space index covers. */
  bitmapBlocks: 4096,
  /** Rows of the free-space index kept in memory per device. */
  cachedBitmaps: 4096,
  /** What may be recorded between two checkpoints of a fragment index: bytes of fragments, rows, milliseconds. So much a restart reads again. */
  fragmentCheckpointBytes: 256 * MiB,
  fragmentCheckpointRows: 20_000,
  fragmentCheckpointMs: 5000,
  /** What one attempt to give space back to the file system moves: bytes, fragments, fragments at a time; and the least end worth it. */
  reclaimBytes: 64 * MiB,
  reclaimMoves: 4096,
  reclaimAtOnce: 4,
  reclaimLeastBytes: 64 * KiB,
  /** A window into which nothing was written for so long is closed. */
  idleWindowMs: 10_000,
  /** One log entry, payload included. */
  entryBytes: 4 * MiB,
  /** Proposals decided together in one entry. */
  batchProposals: 512,
  /** Proposals waiting for the shard's owner; more are refused with SlowDown. */
  waitingProposals: 8192,
  logSegmentBytes: 64 * MiB,
  /** Size at most of a new log's first segment, and of one that is made when the disk is nearly full. */
  logSmallSegmentBytes: 8 * MiB,
  /** Size of a segment that is made in the last space of a disk, for deletions: it holds the largest entry. */
  logLeastSegmentBytes: 4 * MiB + 256 * KiB,
  /** The log keeps at most this much for followers behind the checkpoint. */
  logTailBytes: 256 * MiB,
  /** Entries, or bytes of entries, between two checkpoints of the ordered KV. */
  checkpointEntries: 50_000,
  checkpointBytes: 128 * MiB,
  /** Age of the oldest read snapshot, ms; older ones are closed so that pages can be reused. */
  snapshotAgeMs: 60_000,
  /** Snapshots of one ordered KV held at the same time by one thread. */
  snapshots: 256,
  /** Keys of the ordered KV. */
  kvKeyBytes: 1978,
  /** Committed values after which the ordered KV syncs its file, ahead of the next checkpoint. */
  kvAheadBytes: 8 * MiB,
  /** A process that had the ordered KV open for so long, and then ended without order, makes nobody suspect its file. */
  kvLifeMs: 60 * 60_000,
  cacheBytes: 32 * MiB,
  /** Rows of one kind (buckets, access keys, …, fragments of a device) that a reader keeps decoded until one of their table changes. */
  readerRowsKept: 64,
  /** Origins of web pages that one server lets in, and how long a browser remembers that it does. */
  allowedOrigins: 100,
  preflightSeconds: 3600,
  /** With so many serving threads or fewer, the owner's thread is one of them. */
  ownerServesUpTo: 2,
  /** V8's young generation of a worker: small, so that private memory stays small. */
  workerYoungMegabytes: 16,
  /** The owner's thread must answer a question about its health within this time. */
  readinessMs: 2000,
  /** A body is given up when this long a wait for it brings fewer than `idleBodyBytes`. */
  idleBodyMs: 30_000,
  idleBodyBytes: KiB,
  /** Bodies up to this size are taken in whole before anything is done with them. */
  wholeBodyBytes: 64 * KiB,
  /** Bytes of an answer that may wait for one slow client. */
  sendBufferBytes: 512 * KiB,
  /** An answer is broken off when the client takes nothing of what waits for it for this long. */
  idleSendMs: 120_000,
  uploadsPerPage: 1000,
  /** Versions below a key's newest among which the one is looked for that a repeated completion made. */
  completedSought: 64,
  /** Pause between two runs of the collector, and between two looks whether a scrub is due. */
  collectMs: 2000,
  /** Between two looks at the free space of a device. */
  capacityMs: 5000,
  scrubCheckMs: 60_000,
  dayMs: 86_400_000,
  /** Keys derived from secrets of access keys, kept in the memory of one thread. */
  signingKeys: 1024,
  /** Beginnings of Authorization headers that one thread remembers, and characters of the longest of them. */
  scopesKept: 512,
  scopeTextChars: 1024,
  /** Bucket keys kept open in the memory of one thread. */
  openBucketKeys: 1024,
  /** Versions of the master key in one keyring, and bytes of its file. */
  masterKeys: 1000,
  keyringBytes: 64 * KiB,
  appendPieces: 10_000,
  /** Stripes of a piece that stands in its version's row rather than in one of its own. */
  embeddedStripes: 4,
  /** Manifests that one manifest leans on, one on the other: each costs a read one look-up. A longer chain must be put again. */
  manifestLinks: 256,
  /** Layers of parts that borrow from parts that borrow: what would be the next one is copied. */
  borrowedDepth: 8,
  /** Ranges of stripe ids open at a time, in all threads. */
  openIntents: 4096,
  /** A log entry takes no more proposals once it is this large. */
  batchBytes: MiB,
  /** Effects of one proposal, in a log entry of their own if need be. */
  proposalBytes: 2 * MiB,
  /** Bytes that the ordered KV would have to flush; until it does, pages that were freed since are not used again. */
  checkpointPendingBytes: 64 * MiB,
  /** Time between two checkpoints of the ordered KV when the other bounds are not reached. */
  checkpointMs: 60_000,
  /** Proposals between two state digests in the log. */
  digestProposals: 10_000,
  /** The state is written to the second directory anew when the log behind the last such snapshot has so many bytes, or as many as that snapshot. */
  stateSnapshotLogBytes: 256 * MiB,
  /** How long a snapshot of the state may take, ms: the pages that it needs are not used again meanwhile. */
  stateSnapshotMs: 30 * 60_000,
  /** Between two looks whether one is due, and after one that failed, ms. */
  stateSnapshotCheckMs: 1000,
  stateSnapshotRetryMs: 60_000,
  /** Rows of one chunk of a state snapshot, and of one commit while one is restored. */
  snapshotChunkBytes: 256 * KiB,
  /**
   * Memory for the bodies under way in one thread (what is in hand at once, or lies within metadata, not counted); the least share of one; for how many
   * places that a tenant has one must be free before he gets another; how many more of his may wait, and how long.
   */
  bodyBytes: 32 * MiB,
  bodyShareBytes: 384 * KiB,
  bodyPlacesPerFree: 3,
  waitingBodies: 1024,
  bodyWaitMs: 30_000,
  /** Sealed bytes that one upload hands to the devices at once; as many again gather meanwhile. */
  uploadGroupBytes: MiB,
  /** Bytes of one stream that are digested at once beside those of others; bytes that may wait for it, of one stream, and of all as long as each may have a frame. */
  digestLaneBytes: 16 * KiB,
  digestWaitingBytes: 256 * KiB,
  digestsWaitingBytes: 4 * MiB,
  /** Plaintext bytes that one read fetches at once; as many again are fetched ahead. */
  readGroupBytes: 512 * KiB,
  /** Reads up to this size put their frames into the read cache; larger ones would only wash it. */
  cachedReadBytes: MiB,
  /** Stripes of one object that are looked at to say how many copies it has now; of larger ones that is not known at once. */
  toldStripes: 64,
  /** Large pieces (of up to 640 stripes) that one thread keeps decoded. */
  keptPieces: 8,
  /** Stripes whose place one read keeps in memory. */
  readStripes: 4096,
  /** A read that looked an object up has this long to begin with its bytes, and they are kept until then. */
  unopenedReadMs: 5000,
  /** Series of one metric; what comes beyond counts as `other`. */
  metricSeries: 1024,
  /** One log line, one text in it, items of a list or fields of an object in it, and levels of nesting. */
  logLineChars: 16 * KiB,
  logTextChars: 2 * KiB,
  logItems: 64,
  logDepth: 6,
  /** Placement groups in all. */
  groups: 4096,
  /** Nodes and devices of a cluster, removed and retired ones too; features; and one text that is kept of a node or device. */
  nodes: 1024,
  devices: 16_384,
  features: 256,
  settings: 64,
  nodeTextBytes: 256,
  /** Age at which a thread looks at the placement groups again. */
  groupsAgeMs: 1000,
  /** Devices remembered for a place of a group that was given to another, and devices that are asked at once for a fragment that is not where it should be. */
  formerDevices: 3,
  devicesAsked: 64,
  /** Draws made for one scheme in one plan: the least and the most; between them as many as put each device into so many groups. */
  placementSlotsLeast: 64,
  placementSlots: 1024,
  groupsPerDevice: 8,
  /** Copies of one stripe. */
  copies: 16,
  /** Stripe bytes that are coded together, and codes that the layout has groups for: each takes up to `placementSlots` of `groups`. */
  codingRoundBytes: MiB,
  codes: 8,
  /** Combinations of fragments shown to a reader who cannot open what has good checksums. */
  codeTrials: 256,
  /** Data and parity fragments of one coded stripe. */
  codeData: 32,
  codeParity: 8,
  /** Bytes of all fragments of a stripe that are coded at once: they stay in a core's second-level cache. */
  codingBytes: 704 * KiB,
  /** Bytes of fragments that each thread keeps where it codes, so that they need not be copied for it. */
  codingRoomBytes: 32 * MiB,
  /** Stripes numbered under one intent; then the next one is opened. */
  intentStripes: 65_536,
  /** Copies rewritten at the same time by one thread; damage found meanwhile waits for the next read or scrub. */
  repairsAtOnce: 4,
  /** Those of them that write what is missing: reads that meet damage have room beside them. */
  mendFlights: 3,
  /**
   * Copies that were left out of a write and wait to be written; runs after which one that could not be is given to the next look through all
   * stripes; the time until that; and copies of stripes that nobody has published, each looked up by every run.
   */
  mendQueue: 10_000,
  mendTries: 30,
  mendAgainMs: 10 * 60 * 1000,
  mendUnpublished: 1000,
  /**
   * Fragments that a device still has after their place was given to another: the rest before they are looked for, in which every thread looks at
   * the groups again; until the next look when some had to be left, once for what was just being written, and when there was none; bytes compared in a second, and least that may be asked for.
   */
  leftoverRestMs: 2500,
  leftoverAgainMs: 5000,
  leftoverLateMs: 60_000,
  leftoverIdleMs: 3600 * 1000,
  movedBytesPerSecond: 200 * MiB,
  movedBytesPerSecondLeast: 64 * KiB,
  /**
   * Bytes that are kept in another way: stripes that one entry swaps, versions of a key that it changes together, rest until versions are looked at
   * again, and how many times as long as the look took that is at least; tries of a look that met a full device are so much later.
   */
  recodeStripes: 64,
  recodeTogether: 64,
  recodeAgainMs: 10_000,
  recodeRestTimes: 50,
  /** Versions noted as read in one proposal, and waiting for that in one thread; how long they gather. */
  touchBatch: 256,
  touchesWaiting: 4096,
  touchMs: 5000,
  /** Named policies of an operator, and characters of a name. */
  policies: 32,
  policyNameChars: 32,
  /** Idle time of a hybrid policy. */
  idleLeastMs: 1000,
  idleMostMs: 3650 * 24 * 3600 * 1000,
  /** Background jobs: rows read at once, work between two rests, the rest, and how far a rate may be exceeded after idle time. */
  jobPage: 512,
  jobSliceMs: 4,
  jobRestMs: 2,
  jobBurstMs: 100,
  /** Stripes reported as collected in one log entry, behind one checkpoint of each device's index. */
  collectBatch: 8192,
  /** A full scrub ends at least this often, reads at least this much per second, and remembers its place this often. */
  scrubPeriodMs: 14 * 24 * 3600 * 1000,
  scrubBytesPerSecond: 16 * MiB,
  scrubSaveMs: 60_000,
  /** Connections that were refused are reported at most this often. */
  refusalReportMs: 1000,
  /** Findings listed one by one in the report of a job; more are only counted. */
  reportedFindings: 1000,
  /** Stripes (12 to 24 bytes of memory each) that a cross-check marks at the same time, and links that it counts. */
  checkSlice: 2_000_000,
  checkLinks: 100_000,
} as const;

invariant(limits.partBytesMax * limits.parts >= limits.objectBytes, 'the parts can hold the largest object');
invariant(limits.stripeBytes % limits.frameBytes === 0, 'a stripe is a whole number of frames');
invariant(limits.slabBytes % limits.windowBytes === 0, 'a slab is a whole number of windows');
invariant(limits.windowBytes >= 2 * limits.stripeBytes, 'a window holds at least two stripes');
invariant(limits.windowBytes % limits.blockBytes === 0, 'a window is a whole number of blocks');
invariant(limits.windowBytes >= 2 * limits.fragmentBytes, 'a window holds the largest fragment');
invariant(limits.fragmentBytes >= 2 * limits.stripeBytes, 'a fragment holds a stripe and what sealing adds to it');
invariant(limits.bitmapBlocks % 8 === 0 && limits.bitmapBlocks < 65_536, 'blocks of a bitmap are counted in 16 bits');
invariant(limits.entryBytes * 4 <= limits.logSegmentBytes, 'a segment holds several entries');
invariant(limits.entryBytes < limits.logLeastSegmentBytes, 'the smallest segment holds the largest entry');
invariant(
  limits.deviceReserveLeastBytes >= 2 * limits.logSmallSegmentBytes + 4 * MiB &&
    limits.diskBytesMin >= 3 * limits.deviceReserveLeastBytes,
  'the smallest disk has room for more than its reserve',
);
invariant(limits.inlineBytes * limits.batchProposals <= limits.entryBytes, 'a batch of inline objects fits an entry');
invariant(
  limits.etcdRequestBytes >= limits.entryBytes + limits.etcdBatchBytes,
  'a request to etcd holds the largest entry',
);
invariant(
  limits.mendFlights < limits.repairsAtOnce,
  'reads that meet damage can have it repaired while missing copies are written',
);
invariant(
  limits.silentOwnerMs + limits.nodeStateMs + limits.detectMs + limits.proposeRetryMaxMs <= 4500,
  'an owner whose machine is lost is found, and its successor asked, within 5 s with what etcd takes',
);
invariant(
  limits.quotaNearMs < limits.proposeTryMs,
  'what waits for its turn near a quota is refused before it is given up',
);
invariant(limits.etcdAnswerBytes >= 2 * limits.etcdRequestBytes, 'an answer of etcd holds a batch of any size');
invariant(limits.logSegmentBytes * 2 <= limits.logTailBytes, 'the kept tail is at least two segments');
invariant(limits.inlineBytes <= limits.frameBytes, 'an inline object is one frame');
invariant(limits.readGroupBytes % limits.frameBytes === 0, 'a read fetches whole frames');
invariant(limits.bodyShareBytes >= 4 * limits.frameBytes, 'the least share of a body holds the frames that it needs');
invariant(
  limits.bodyBytes >= 8 * 4 * limits.uploadGroupBytes && limits.uploadGroupBytes >= limits.readGroupBytes,
  'eight bodies of one thread move in the largest groups',
);
invariant(limits.digestLaneBytes % 64 === 0, 'MD5 advances by whole blocks');
invariant(limits.wholeBodyBytes >= limits.inlineBytes, 'the body of an inline object is taken in whole');
invariant(limits.parts * 5 < limits.xmlElements, 'a list of all parts fits an XML document');
invariant(limits.masterKeys * 64 <= limits.keyringBytes, 'the keyring file holds every version of the master key');
invariant(limits.batchBytes + limits.proposalBytes < limits.entryBytes, 'a full batch and a proposal fit an entry');
invariant(
  limits.stalledConnectionMs > limits.idleSendMs,
  'the last resort comes after the limit that tells who is slow',
);
invariant(
  limits.linkHeadBytes + limits.linkMethodBytes + 64 <= limits.linkFrameBytes,
  'the head of a call fits one frame',
);
invariant(limits.linkBodyBytes >= limits.fragmentBytes + limits.linkFrameBytes, 'a fragment fits the body of a call');
invariant(limits.linkPieceBytes >= limits.entryBytes + limits.linkFrameBytes, 'a log entry fits a piece of a stream');
invariant(limits.linkPoolBytes >= limits.linkBodyBytes, 'the largest body can be received');
invariant(limits.linkWindowBytes >= 2 * limits.linkFrameBytes, 'a window holds at least two frames');
invariant(limits.linkDeadMs >= 2 * limits.linkPingMs, 'a live link is heard of before it counts as dead');
invariant(limits.joinRequestBytes <= limits.linkHeadBytes, 'what a node that joins sends fits the head of a call');
