/* The one place where this room's tests build what the room stands on: fragment stores in memory that break on demand, and a small replica. */
import assert from 'node:assert/strict';
import { isDeepStrictEqual } from 'node:util';
import { crc32c } from '../codec/index.ts';
import { CorruptionError, StoreError } from '../errors.ts';
import type { FragmentId, FragmentStore, FragmentWriter, IndexAudit, IndexProblem } from '../fragments/index.ts';
import { type Host, manualHost } from '../host/index.ts';
import { invariant } from '../invariant.ts';
import type { Code, GroupRecord } from '../metadata/index.ts';
import { type FragmentAccess, type FragmentLength, fragmentDigest, type Removed, removeStripes } from './access.ts';
import { lengthOf } from './address.ts';

type Step = 'create' | 'append' | 'seal' | 'read' | 'remove' | 'flush';

export type ManualHost = ReturnType<typeof manualHost>;

/** Device identities of tests, in order. */
export const deviceName = (index: number): string => `00000000-0000-4000-8000-${String(index).padStart(12, '0')}`;

/** A fragment store in memory: verifies blocks as the real one does, and fails where told to. */
export class MemoryFragments implements FragmentStore, FragmentAccess {
  readonly device: string;
  remote = false;
  /** By id in hex, so that order is that of bytes. */
  readonly rows = new Map<
    string,
    { bytes: Buffer; readonly checksums: readonly number[]; readonly checksumBytes: number }
  >();
  /** Steps that fail, with what. */
  readonly failing = new Map<Step, Error>();
  /** Called before each step: for interleavings. */
  before: (step: Step) => void = () => undefined;
  open = 0;
  reads = 0;
  /** What the index says of itself when it is asked, and ids in hex whose rows cannot be read. */
  problems: IndexProblem[] = [];
  auditFails: Error | undefined;
  readonly damagedRows = new Set<string>();
  /** Removals that no flush has made durable. */
  unflushed: {
    readonly id: string;
    readonly row: { bytes: Buffer; readonly checksums: readonly number[]; readonly checksumBytes: number };
  }[] = [];

  constructor(device: string) {
    this.device = device;
  }

  async #step(step: Step): Promise<void> {
    this.before(step);
    await Promise.resolve();
    const error = this.failing.get(step);
    if (error) throw error;
  }

  async create(id: FragmentId, maximum: number, checksumBytes: number): Promise<FragmentWriter> {
    await this.#step('create');
    this.open += 1;
    const parts: Buffer[] = [];
    let length = 0;
    let ended = false;
    const end = (): void => {
      if (!ended) this.open -= 1;
      ended = true;
    };
    const append = async (pieces: readonly Uint8Array[]): Promise<void> => {
      await this.#step('append');
      for (const piece of pieces) {
        parts.push(Buffer.from(piece));
        length += piece.length;
      }
      invariant(length <= maximum, 'a fragment stays within its announced maximum');
    };
    return {
      append,
      seal: async (last) => {
        if (last) await append(last);
        await this.#step('seal');
        const name = id.toString('hex');
        invariant(!this.rows.has(name), 'a fragment is recorded once');
        const bytes = Buffer.concat(parts);
        this.rows.set(name, { bytes, checksums: checksumsOf(bytes, checksumBytes), checksumBytes });
        end();
      },
      abort: async () => end(),
    };
  }

  length(id: FragmentId): number | undefined {
    if (this.damagedRows.has(id.toString('hex'))) throw new CorruptionError('the row is damaged');
    return this.rows.get(id.toString('hex'))?.bytes.length;
  }

  async lengths(ids: readonly FragmentId[]): Promise<FragmentLength[]> {
    return ids.map((id) => lengthOf(this, id));
  }

  async digest(id: FragmentId, _at = 0): Promise<Buffer> {
    return fragmentDigest(this, id);
  }

  removeStripes(stripes: readonly Buffer[]): Promise<Removed> {
    return removeStripes(this, stripes);
  }

  async read(id: FragmentId, start: number, end: number): Promise<Buffer> {
    this.reads += 1;
    await this.#step('read');
    const row = this.rows.get(id.toString('hex'));
    if (this.damagedRows.has(id.toString('hex'))) throw new CorruptionError('the row is damaged');
    if (!row) throw new StoreError('NotFound');
    if (end > row.bytes.length) throw new RangeError('the fragment is shorter');
    const size = row.checksumBytes;
    for (let block = Math.floor(start / size); block * size < end; block++) {
      if (crc32c(row.bytes.subarray(block * size, (block + 1) * size)) !== row.checksums[block]) {
        throw new CorruptionError(`block ${block} is damaged`);
      }
    }
    return Buffer.from(row.bytes.subarray(start, end));
  }

  async fetch(id: FragmentId, start: number, end: number): Promise<Buffer> {
    this.reads += 1;
    await this.#step('read');
    const row = this.rows.get(id.toString('hex'));
    if (!row) throw new StoreError('NotFound');
    return Buffer.from(row.bytes.subarray(start, end));
  }

  async remove(ids: readonly FragmentId[]): Promise<void> {
    await this.#step('remove');
    for (const id of ids) {
      const name = id.toString('hex');
      const row = this.rows.get(name);
      if (row) this.unflushed.push({ id: name, row });
      this.damagedRows.delete(name);
      this.rows.delete(name);
    }
  }

  async flush(): Promise<void> {
    const before = this.unflushed.length;
    await this.#step('flush');
    this.unflushed.splice(0, before);
  }

  /** What the process would find after a crash: removals that were not flushed are taken back. */
  crash(): void {
    for (const { id, row } of this.unflushed) this.rows.set(id, row);
    this.unflushed = [];
  }

  ids(start: Buffer, limit: number): readonly FragmentId[] {
    const from = start.toString('hex');
    return [...this.rows.keys()]
      .filter((name) => name >= from)
      .sort()
      .slice(0, limit)
      .map((name) => Buffer.from(name, 'hex'));
  }

  *audit(): IndexAudit {
    for (const problem of this.problems) yield problem;
    yield undefined;
    if (this.auditFails) throw this.auditFails;
    return { fragments: this.rows.size, usedBytes: 0 };
  }

  async close(): Promise<void> {}

  /** Flips one bit of a stored fragment. */
  flip(id: FragmentId, byte: number, bit = 0): void {
    const row = this.rows.get(id.toString('hex'));
    invariant(row && byte < row.bytes.length, 'the byte to flip is there');
    row.bytes[byte] = (row.bytes[byte] as number) ^ (1 << bit);
  }

  /** Replaces the bytes so that the checksums hold: damage from before they were computed. */
  forge(id: FragmentId, bytes: Buffer): void {
    const row = this.rows.get(id.toString('hex'));
    invariant(row, 'the fragment to forge is there');
    this.rows.set(id.toString('hex'), { ...row, bytes, checksums: checksumsOf(bytes, row.checksumBytes) });
  }

  bytesOf(id: FragmentId): Buffer | undefined {
    return this.rows.get(id.toString('hex'))?.bytes;
  }
}

function checksumsOf(bytes: Buffer, checksumBytes: number): number[] {
  const checksums: number[] = [];
  for (let at = 0; at < bytes.length; at += checksumBytes)
    checksums.push(crc32c(bytes.subarray(at, at + checksumBytes)));
  return checksums;
}

/** Some devices, each with its store. */
export function memoryStores(count: number): Map<string, MemoryFragments> {
  return new Map(Array.from({ length: count }, (_, i) => [deviceName(i), new MemoryFragments(deviceName(i))]));
}

/** Runs a job under manual time: moves the clock on, `step` milliseconds at a time, whenever the job waits for it. */
export async function drive<Result>(host: ManualHost, job: Promise<Result>, step = 1): Promise<Result> {
  let over = false;
  const end = (): void => {
    over = true;
  };
  job.then(end, end);
  while (!over) {
    for (let turn = 0; turn < 50 && !over; turn++) await Promise.resolve();
    host.advance(step);
  }
  return job;
}

/** Bytes that differ from stripe to stripe. */
export const someBytes = (host: Host, length: number): Buffer => host.entropy.bytes(length);

/** Seeds that differ by one give like entropy at first. */
export function seededHost(seed: number): ManualHost {
  const host = manualHost(seed * 7919 + 1);
  host.entropy.bytes(64);
  return host;
}

export const group = (id: number, ...devices: number[]): GroupRecord => ({
  id,
  epoch: 1,
  devices: devices.map(deviceName),
});

export const codedGroup = (id: number, code: Code, ...devices: number[]): GroupRecord => ({
  ...group(id, ...devices),
  code,
});

/** For large buffers, and lists of them: a difference is only told, because drawing one of a megabyte takes minutes. */
export function sameBytes(actual: unknown, expected: unknown): void {
  assert.ok(isDeepStrictEqual(actual, expected), 'the bytes differ');
}
