import { invariant } from './invariant.ts';

const KiB = 1024;
const MiB = 1024 * KiB;
const GiB = 1024 * MiB;
const TiB = 1024 * GiB;

/** Every bound of the program, in one place. Bytes unless the name says otherwise. */
export const limits = {
  /** Keys, as UTF-8 (S3). */
  keyBytes: 1024,
  bucketNameMin: 3,
  bucketNameMax: 63,
  buckets: 10_000,
  objectBytes: 5 * TiB,
  singlePutBytes: 5 * GiB,
  partBytesMin: 5 * MiB,
  partBytesMax: 5 * GiB,
  parts: 10_000,
  /** User metadata, names and values together (S3: 2 KB). */
  metadataBytes: 2 * KiB,
  tags: 10,
  bucketTags: 50,
  tagKeyChars: 128,
  tagValueChars: 256,
  listPage: 1000,
  deleteMany: 1000,
  /** Request bodies that are parsed whole (XML, JSON). */
  documentBytes: 2 * MiB,
  xmlDepth: 16,
  headerBytes: 16 * KiB,
  /** Objects up to this size live in their metadata entry. */
  inlineBytes: 4 * KiB,
  /** The unit of encoding, compression and encryption inside a stripe: plaintext bytes of one frame. */
  frameBytes: 64 * KiB,
  /** The unit of placement and redundancy: plaintext bytes of one stripe. */
  stripeBytes: 8 * MiB,
  /** Largest chunk of an aws-chunked body. */
  chunkBytes: 16 * MiB,
  chunkHeaderBytes: 1024,
  trailerBytes: 4 * KiB,
  clockSkewMs: 15 * 60 * 1000,
  presignSecondsMax: 7 * 24 * 3600,
  slabBytes: GiB,
  /** Allocation unit of the fragment store. */
  blockBytes: 4 * KiB,
  /** Space handed to one writer at a time. */
  windowBytes: 64 * MiB,
  /** One log entry, payload included. */
  entryBytes: 4 * MiB,
  /** Proposals decided together in one entry. */
  batchProposals: 512,
  /** Proposals waiting for the shard's owner; more are refused with SlowDown. */
  waitingProposals: 8192,
  logSegmentBytes: 64 * MiB,
  /** The log keeps at most this much for followers behind the checkpoint. */
  logTailBytes: 256 * MiB,
  /** Entries, or bytes of entries, between two checkpoints of the ordered KV. */
  checkpointEntries: 50_000,
  checkpointBytes: 128 * MiB,
  /** Age of the oldest read snapshot, ms; older ones are closed so that pages can be reused. */
  snapshotAgeMs: 60_000,
  cacheBytes: 32 * MiB,
  connections: 4096,
  headersTimeoutMs: 20_000,
  /** A body that brings no byte for this long is given up. */
  idleBodyMs: 30_000,
  /** Time for running requests to finish after SIGTERM. */
  drainMs: 8000,
  uploadsPerPage: 1000,
  accessKeys: 10_000,
  appendPieces: 10_000,
} as const;

invariant(limits.partBytesMax * limits.parts >= limits.objectBytes, 'the parts can hold the largest object');
invariant(limits.stripeBytes % limits.frameBytes === 0, 'a stripe is a whole number of frames');
invariant(limits.slabBytes % limits.windowBytes === 0, 'a slab is a whole number of windows');
invariant(limits.windowBytes >= 2 * limits.stripeBytes, 'a window holds at least two stripes');
invariant(limits.windowBytes % limits.blockBytes === 0, 'a window is a whole number of blocks');
invariant(limits.entryBytes * 4 <= limits.logSegmentBytes, 'a segment holds several entries');
invariant(limits.inlineBytes * limits.batchProposals <= limits.entryBytes, 'a batch of inline objects fits an entry');
invariant(limits.logSegmentBytes * 2 <= limits.logTailBytes, 'the kept tail is at least two segments');
