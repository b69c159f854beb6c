import * as fs from 'node:fs/promises';
import { join } from 'node:path';
import { type Metas, readCheckpoint } from './checkpoint.ts';
import { dataFile, pageBytes } from './environment.ts';
import { KvDamaged } from './failures.ts';
import { checkEntry, checkPage, type Node, nodesOf, numberAt, type Page } from './page.ts';

/*
 * Whether the file of a KV hangs together: every page that its newest checkpoint reaches is where it says it is, of the kind that points to it, whole,
 * in order, and used once. LMDB trusts its pages: a number that has changed by itself leads it anywhere, into an end by SIGSEGV, SIGBUS or an
 * assertion at best, and at worst into keys that are not found. So this is read beside LMDB, with plain reads, of a file that may be anything.
 *
 * What rows hold is not looked at: the owner's digest tells that (`metadata-rows`). Neither are pages that nothing points to.
 *
 * Branches are walked one by one; leaves, which are nearly all pages, in batches in the order of the file. What is kept besides is a bit for each page.
 */

/** Leaves and overflow pages that are read in one go. */
const batchPages = 65_536;
/** Neighbours in the file are read together, up to so many. */
const runPages = 64;
/** Bytes behind which it is told how far a look is. */
const tellBytes = 256 << 20;

/* Where a meta page keeps its two trees (MDB_meta.mm_dbs: free pages, rows), and where a tree keeps its fields (MDB_db). */
const trees = [
  { name: 'rows', at: 96 },
  { name: 'free pages', at: 48 },
] as const;
const inTree = { depth: 6, entries: 32, root: 40 } as const;
const noRoot = 0xffffffffffffffffn;
const depthMax = 32;

/** A page that is still to be looked at: by what it was pointed to, and the keys between which its own have to be. */
interface Awaited {
  readonly page: number;
  readonly from: Buffer | undefined;
  readonly to: Buffer | undefined;
  /** Of an overflow page: bytes of its value. */
  readonly value?: number;
}

/** How far a look at the structure of a file is. */
export interface KvLook {
  readonly directory: string;
  readonly bytes: number;
  readonly bytesInAll: number;
}

class Walk {
  readonly #file: fs.FileHandle;
  readonly #name: string;
  readonly #pages: number;
  readonly #transaction: number;
  readonly #used: Uint8Array;
  readonly #took: (bytes: number) => unknown;
  #free = false;
  #awaited: Awaited[] = [];
  #entries = 0;
  /** Values of the tree of free pages, to be held against the pages that are used. */
  readonly #freed: (readonly [first: number, count: number])[] = [];

  /** @param took called with the bytes that were read, and waited for */
  constructor(file: fs.FileHandle, name: string, { dataBytes, transaction }: Metas, took: (bytes: number) => unknown) {
    const pages = dataBytes / pageBytes;
    this.#file = file;
    this.#name = name;
    this.#pages = pages;
    this.#transaction = transaction;
    this.#took = took;
    this.#used = new Uint8Array(Math.ceil(pages / 8));
  }

  #fail(page: number, why: string): KvDamaged {
    return new KvDamaged(`page ${page} of ${this.#name} is damaged: ${why}`);
  }

  #use(page: number, count = 1): void {
    if (page < 2 || page + count > this.#pages) throw this.#fail(page, 'what points to it points out of the file');
    for (let n = page; n < page + count; n++) {
      const bit = 1 << (n & 7);
      const byte = this.#used[n >> 3] as number;
      if (byte & bit) throw this.#fail(n, 'it is used twice');
      this.#used[n >> 3] = byte | bit;
    }
  }

  async #read(page: number, count: number): Promise<Buffer> {
    const { buffer, bytesRead } = await this.#file.read(
      Buffer.allocUnsafe(count * pageBytes),
      0,
      count * pageBytes,
      page * pageBytes,
    );
    await this.#took(bytesRead);
    if (bytesRead < count * pageBytes) throw this.#fail(page, 'the file ends before it');
    return buffer;
  }

  #page(bytes: Buffer, page: number, kind: Page['kind']): Page {
    try {
      return checkPage(bytes, page, kind, this.#transaction);
    } catch (cause) {
      throw cause instanceof KvDamaged ? this.#fail(page, cause.message) : cause;
    }
  }

  #nodes(page: Page, { from, to }: Awaited): Node[] {
    try {
      return nodesOf(page, this.#free ? 'number' : 'bytes', from, to);
    } catch (cause) {
      throw cause instanceof KvDamaged ? this.#fail(page.number, cause.message) : cause;
    }
  }

  async tree(free: boolean, root: number, depth: number, entries: number): Promise<void> {
    this.#free = free;
    this.#entries = 0;
    await this.#descend({ page: root, from: undefined, to: undefined }, depth);
    await this.#batch();
    if (this.#entries !== entries)
      throw new KvDamaged(`${this.#name} is damaged: it has ${this.#entries} rows where it says ${entries}`);
  }

  async #descend(awaited: Awaited, depth: number): Promise<void> {
    this.#use(awaited.page);
    if (depth <= 1) {
      this.#awaited.push(awaited);
      if (this.#awaited.length >= batchPages) await this.#batch();
      return;
    }
    const nodes = this.#nodes(this.#page(await this.#read(awaited.page, 1), awaited.page, 'branch'), awaited);
    for (const [n, { key, target }] of nodes.entries())
      await this.#descend(
        { page: target, from: n === 0 ? awaited.from : key, to: nodes[n + 1]?.key ?? awaited.to },
        depth - 1,
      );
  }

  /** Looks at all that is awaited, in the order of the file, and then at what that leads to. */
  async #batch(): Promise<void> {
    while (this.#awaited.length > 0) {
      const all = this.#awaited.sort((a, b) => a.page - b.page);
      this.#awaited = [];
      for (let n = 0; n < all.length; ) {
        const first = (all[n] as Awaited).page;
        let end = n + 1;
        while (end < all.length && (all[end] as Awaited).page - first < runPages) end++;
        const bytes = await this.#read(first, (all[end - 1] as Awaited).page - first + 1);
        for (const awaited of all.slice(n, end)) {
          const at = (awaited.page - first) * pageBytes;
          await this.#look(bytes.subarray(at, at + pageBytes), awaited);
        }
        n = end;
      }
    }
  }

  async #look(bytes: Buffer, awaited: Awaited): Promise<void> {
    const { page, value } = awaited;
    if (value !== undefined) {
      const { pages } = this.#page(bytes, page, 'overflow');
      if (pages < Math.ceil((24 + value) / pageBytes)) throw this.#fail(page, 'its value is longer than its pages');
      this.#use(page + 1, pages - 1);
      if (this.#free) this.#freedOf(page, (await this.#read(page, pages)).subarray(24, 24 + value));
      return;
    }
    for (const { target, value: length, inline } of this.#nodes(this.#page(bytes, page, 'leaf'), awaited)) {
      this.#entries++;
      if (inline === undefined) {
        this.#use(target);
        this.#awaited.push({ page: target, from: undefined, to: undefined, value: length });
      } else if (this.#free) this.#freedOf(page, inline);
    }
  }

  #freedOf(page: number, list: Buffer): void {
    try {
      this.#freed.push(...checkEntry(list, this.#pages));
    } catch (cause) {
      throw cause instanceof KvDamaged ? this.#fail(page, cause.message) : cause;
    }
  }

  /** Once both trees were walked: a page that is in use and counts as free would be overwritten. */
  freed(): void {
    for (const [first, count] of this.#freed)
      for (let n = first; n < first + count; n++)
        if ((this.#used[n >> 3] as number) & (1 << (n & 7))) throw this.#fail(n, 'it is in use, and counts as free');
  }
}

/**
 * Reads every page of one state of a KV: its pages must stay as they are meanwhile.
 * @param took called with the bytes that were read, and waited for before more are
 * @throws KvDamaged with the page, and what is wrong with it
 */
export async function walkState(directory: string, metas: Metas, took: (bytes: number) => unknown): Promise<void> {
  const name = join(directory, dataFile);
  const file = await fs.open(name, 'r');
  try {
    const meta = metas.newest;
    const walk = new Walk(file, name, metas, took);
    for (const { name: tree, at } of trees) {
      if (meta.readBigUInt64LE(at + inTree.root) === noRoot) continue;
      const depth = meta.readUInt16LE(at + inTree.depth);
      if (depth < 1 || depth > depthMax) throw new KvDamaged(`${name} is damaged: its tree of ${tree} has no depth`);
      await walk.tree(
        tree === 'free pages',
        numberAt(meta, at + inTree.root),
        depth,
        numberAt(meta, at + inTree.entries),
      );
    }
    walk.freed();
  } finally {
    await file.close();
  }
}

/**
 * Reads every page of the newest checkpoint of a KV, and changes nothing. LMDB may have it open; where a newer checkpoint comes meanwhile, what was
 * found means nothing, and it looks again.
 * @param onLook called when it begins, and now and then
 * @throws KvDamaged with the page, and what is wrong with it; CorruptionError when the checkpoint itself cannot be used
 */
export async function checkKvFile(directory: string, onLook: (look: KvLook) => void = () => {}): Promise<void> {
  for (;;) {
    const metas = await readCheckpoint(directory);
    if (!metas) return;
    try {
      const bytesInAll = metas.dataBytes;
      let [bytes, told] = [0, 0];
      onLook({ directory, bytes, bytesInAll });
      await walkState(directory, metas, (read) => {
        bytes += read;
        if (bytes - told < tellBytes) return;
        told = bytes;
        onLook({ directory, bytes: Math.min(bytes, bytesInAll), bytesInAll });
      });
      return;
    } catch (cause) {
      if (!(cause instanceof KvDamaged) || (await readCheckpoint(directory))?.transaction === metas.transaction)
        throw cause;
    }
  }
}
