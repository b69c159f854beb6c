/** A fragment's id: 16 bytes; the stripe's id with the fragment's index as last byte. */
export type FragmentId = Buffer;

/** One contiguous run of a device's address space, in bytes, aligned to blocks. */
export interface Extent {
  readonly address: number;
  readonly length: number;
}

/** Where a fragment lies and what its bytes must be. */
export interface FragmentRecord {
  readonly id: FragmentId;
  /** From the first byte of the fragment's header to the end of the block that holds its last byte. */
  readonly extent: Extent;
  /** Bytes of the header; the data follows it. */
  readonly headerBytes: number;
  /** Data bytes. */
  readonly length: number;
  /** Bytes that one checksum covers, at least 512; the last block may be shorter. */
  readonly checksumBytes: number;
  /** CRC32C of each block. */
  readonly checksums: readonly number[];
}

/** Free space that one writer may fill. `nonce` marks the headers written into it, so that recovery knows them from older ones. */
export interface Window {
  /** 8 random bytes. */
  readonly nonce: Buffer;
  /** Free runs, in order of address. */
  readonly runs: readonly Extent[];
}

/**
 * The single owner of a device's index and free space. Plain data in and out: writers in other threads reach it through a port.
 */
export interface FragmentOwner {
  /** Opens a window; it is durable as "open" before this resolves. Throws StorageFull when no space is left. */
  openWindow(minimumBytes: number): Promise<Window>;
  /** What the writer did not use becomes free again. */
  closeWindow(nonce: Buffer, unused: readonly Extent[]): Promise<void>;
  /** Adds fragments whose bytes are already synced; readers see them when it resolves. Their headers make them durable. A row that the id had before is replaced. */
  record(records: readonly FragmentRecord[]): Promise<void>;
  /** Removes fragments (unknown ids are ignored): readers miss them when it resolves. Durable after {@link flush}; their space is used again only then. */
  remove(ids: readonly FragmentId[]): Promise<void>;
  /** Every removal that resolved before the call survives a crash when it resolves (a checkpoint of the index; calls share one). */
  flush(): Promise<void>;
}

/** Something wrong with an index. */
export interface IndexProblem {
  /**
   * `row`: the row of a fragment is damaged. `space`: a row of free space is. `overlap`: two fragments have the same block. `leak`: blocks are in use
   * and no fragment has them. `unprotected`: blocks of fragments count as free.
   */
  readonly kind: 'row' | 'space' | 'overlap' | 'leak' | 'unprotected';
  /** The fragment, slab or bitmap. */
  readonly where: string;
  /** As a sentence. */
  readonly what: string;
  /** Of `leak` and `unprotected`. */
  readonly bytes?: number;
}

/** A check of a whole index, a step at a time: problems as they are found, nothing where whoever drives it may rest, and what there is at the end. */
export type IndexAudit = Generator<
  IndexProblem | undefined,
  { readonly fragments: number; readonly usedBytes: number },
  void
>;

/** What was found when an index was made anew from the slabs. */
export interface RebuildReport {
  /** Rows added. */
  readonly fragments: number;
  /** Among them, fragments some of whose bytes are damaged. */
  readonly damaged: number;
  /** Bytes kept out of use, because they could belong to fragments that begin where nothing can be read. */
  readonly heldBytes: number;
  /** Bytes looked through, and bytes that could not be read: what began there is not in the index. */
  readonly readBytes: number;
  readonly unreadableBytes: number;
}

/** What opening a device's fragments found and did. */
export interface RecoveryReport {
  /** Windows that were open when the process ended. */
  readonly windows: number;
  /** Fragments in them that the index had not. */
  readonly recovered: number;
  /** Headers whose data was not whole: seals that had not finished. */
  readonly torn: number;
  readonly unreadableBytes: number;
  /** Present when the index was lost, in whole or in part, and made anew. */
  readonly rebuilt?: RebuildReport;
}

/** All sizes in bytes. The bytes of the slabs are used + leased + pending + free. */
export interface FragmentStatistics {
  readonly fragments: number;
  readonly slabs: number;
  readonly usedBytes: number;
  /** In windows. */
  readonly leasedBytes: number;
  /** Freed by removals that no checkpoint covers yet. */
  readonly pendingBytes: number;
  readonly freeBytes: number;
  /** The part of the free bytes that held something before: it takes no new space of the disk. */
  readonly reusableBytes: number;
  readonly windows: number;
  readonly checkpoints: number;
  /** Rows found damaged when they were removed or their space was looked for. */
  readonly damagedRows: number;
}

/** The owner, to the thread that opened it. */
export interface OpenFragmentOwner extends FragmentOwner {
  readonly recovery: RecoveryReport;
  statistics(): FragmentStatistics;
  /** Everything recorded and removed before the call survives a crash when it resolves. */
  checkpoint(): Promise<void>;
  /**
   * Gives free space at the ends of slabs back to the volume; where so much does not come together, it moves fragments away from an end first.
   * A call while one is under way shares it.
   * @param bytes wanted
   * @returns bytes given; none when there is nothing to give
   * @throws the signal's reason, when it was cancelled
   */
  reclaim(bytes: number, signal?: AbortSignal): Promise<number>;
  /** Checkpoints. Windows that are still open are walked at the next opening. Closes neither the device nor the index. */
  close(): Promise<void>;
}

/** Writes one fragment; bytes reach the device while they come. */
export interface FragmentWriter {
  /** Resolves when the bytes are handed to the device; wait for it: that is the back-pressure. */
  append(pieces: readonly Uint8Array[]): Promise<void>;
  /**
   * Writes the header, syncs, and records it: the fragment is durable and readable when this resolves.
   * @param last bytes to append before: one way instead of two to a device that is far
   */
  seal(last?: readonly Uint8Array[]): Promise<void>;
  /** Gives the space back; the fragment never existed. Also after a failed append or seal; after a seal that succeeded it does nothing. */
  abort(): Promise<void>;
}

/** The fragments of one device, as one thread uses them. */
export interface FragmentStore {
  readonly device: string;
  /** @param maximum upper bound of the data bytes that will be appended */
  create(id: FragmentId, maximum: number, checksumBytes: number): Promise<FragmentWriter>;
  /** Length of the data, or undefined when there is no such fragment. @throws CorruptionError when its row is damaged */
  length(id: FragmentId): number | undefined;
  /** Data bytes [start, end), each block verified; throws CorruptionError on a mismatch, StoreError NotFound when missing. Their memory is the caller's. */
  read(id: FragmentId, start: number, end: number): Promise<Buffer>;
  /** As {@link read}, but nothing is verified: the bytes may be any. */
  fetch(id: FragmentId, start: number, end: number): Promise<Buffer>;
  remove(ids: readonly FragmentId[]): Promise<void>;
  /** Every removal that resolved before the call survives a crash when it resolves. The collector calls it before it says "collected". */
  flush(): Promise<void>;
  /** Ids in order, from `start` (inclusive), for scrub, fsck and collection. */
  ids(start: Buffer, limit: number): readonly FragmentId[];
  /**
   * Holds the index against itself, in the state that it has at the first step. End it with `return` when it is not driven to its end.
   * Throws ServiceUnavailable when it takes longer than a snapshot may be held.
   */
  audit(): IndexAudit;
  /** Closes this thread's windows. */
  close(): Promise<void>;
}
