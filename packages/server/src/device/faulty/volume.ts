import type { Host } from '../../host/index.ts';
import { systemError } from '../names.ts';
import type { Volume, VolumeFile } from '../types.ts';
import { OldBytes } from './old.ts';

/*
 * The fault model: what a disk may do to us, and what the store promises then.
 *
 * | fault          | what happens                                          | the store must                                              |
 * |----------------|-------------------------------------------------------|-------------------------------------------------------------|
 * | error on read  | EIO                                                    | fail that read alone; use another copy where there is one   |
 * | error on write | EIO or ENOSPC; any part of the bytes may be there      | fail that operation; nothing of it becomes visible          |
 * | error on sync  | EIO; unsynced writes may or may not be there, for ever | never sync or write this device again in this process       |
 * | flip           | one bit is wrong, once (read) or lasting (write)       | notice when the bytes are used; never give them out         |
 * | torn           | only the first bytes of a write arrive, no error       | notice                                                      |
 * | lost           | nothing of a write arrives, no error                   | notice                                                      |
 * | misdirected    | a write arrives at another place of the same file      | notice, for the bytes missed and for the bytes overwritten  |
 * | stale          | a read gives what was there before the latest write    | notice                                                      |
 * | slow           | any call takes longer                                  | stay correct; the caller's deadline decides                 |
 *
 * Not covered, and not survivable on one device: two faults that together forge bytes and their checksum; a disk that loses writes
 * after a sync which it reported as done and then loses the power (recovery may then find less than was promised, but never takes
 * damaged bytes for good ones).
 */

/** A call of a volume, as a plan sees it. */
export interface VolumeCall {
  readonly call:
    | 'open'
    | 'list'
    | 'rename'
    | 'remove'
    | 'syncDirectory'
    | 'capacity'
    | 'read'
    | 'write'
    | 'sync'
    | 'truncate'
    | 'size';
  /** Name of the file; empty for calls on the directory itself. */
  readonly name: string;
  /** For read and write. */
  readonly position: number;
  readonly length: number;
  /** How many calls came before this one. */
  readonly count: number;
}

/** What goes wrong with one call. Kinds that make no sense for a call (a torn read) do nothing to it. */
export type Fault =
  | { readonly kind: 'error'; readonly code: 'EIO' | 'ENOSPC' }
  | { readonly kind: 'flip' /** Bit number within the transfer, modulo its length. */; readonly bit: number }
  | { readonly kind: 'torn' /** Bytes that arrive. */; readonly bytes: number }
  | { readonly kind: 'lost' }
  | { readonly kind: 'misdirected' /** Added to the position, which never falls below 0. */; readonly by: number }
  | { readonly kind: 'stale' }
  | { readonly kind: 'slow'; readonly milliseconds: number };

/** Decides about every call; undefined lets it through. */
export type FaultPlan = (call: VolumeCall) => Fault | undefined;

function flipped(bytes: Buffer, bit: number): Buffer {
  if (bytes.length > 0) {
    const at = (bit >>> 3) % bytes.length;
    bytes[at] = (bytes[at] as number) ^ (1 << (bit & 7));
  }
  return bytes;
}

type BeforeCall = (
  call: VolumeCall['call'],
  name: string,
  position?: number,
  length?: number,
) => Promise<Fault | undefined>;

class FaultyFile implements VolumeFile {
  readonly #file: VolumeFile;
  readonly #name: string;
  readonly #before: BeforeCall;
  readonly #old: OldBytes;

  constructor(file: VolumeFile, name: string, before: BeforeCall, old: OldBytes) {
    this.#file = file;
    this.#name = name;
    this.#before = before;
    this.#old = old;
  }

  async read(into: Uint8Array, position: number): Promise<number> {
    const fault = await this.#before('read', this.#name, position, into.length);
    const got = await this.#file.read(into, position);
    const bytes = Buffer.from(into.buffer, into.byteOffset, got);
    if (fault?.kind === 'flip') flipped(bytes, fault.bit);
    if (fault?.kind === 'stale') this.#old.overlay(bytes, position);
    return got;
  }

  async write(pieces: readonly Uint8Array[], position: number): Promise<void> {
    const bytes = Buffer.concat(pieces);
    const fault = await this.#before('write', this.#name, position, bytes.length);
    await this.#old.keep(this.#file, position, bytes.length);
    if (fault?.kind === 'lost') return;
    if (fault?.kind === 'torn') return this.#file.write([bytes.subarray(0, fault.bytes)], position);
    if (fault?.kind === 'misdirected') return this.#file.write([bytes], Math.max(0, position + fault.by));
    return this.#file.write([fault?.kind === 'flip' ? flipped(bytes, fault.bit) : bytes], position);
  }

  async sync(): Promise<void> {
    await this.#before('sync', this.#name);
    await this.#file.sync();
  }

  async truncate(length: number): Promise<void> {
    await this.#before('truncate', this.#name);
    await this.#file.truncate(length);
  }

  async size(): Promise<number> {
    await this.#before('size', this.#name);
    return this.#file.size();
  }

  close(): Promise<void> {
    return this.#file.close();
  }
}

/** Wraps a volume so that calls fail, lie or wait as the plan says. */
export function faultyVolume(inner: Volume, plan: FaultPlan, host: Host): Volume {
  let count = 0;
  const old = new Map<string, OldBytes>();
  const before: BeforeCall = async (call, name, position = 0, length = 0) => {
    const fault = plan({ call, name, position, length, count: count++ });
    if (fault?.kind === 'error') throw systemError(fault.code, call, name);
    if (fault?.kind === 'slow') await host.timers.sleep(fault.milliseconds);
    return fault;
  };
  return {
    async open(name, mode) {
      await before('open', name);
      const kept = old.get(name) ?? new OldBytes();
      old.set(name, kept);
      return new FaultyFile(await inner.open(name, mode), name, before, kept);
    },
    async list() {
      await before('list', '');
      return inner.list();
    },
    async rename(from, to) {
      await before('rename', from);
      await inner.rename(from, to);
    },
    async remove(name) {
      await before('remove', name);
      await inner.remove(name);
    },
    async syncDirectory() {
      await before('syncDirectory', '');
      await inner.syncDirectory();
    },
    async capacity() {
      await before('capacity', '');
      return inner.capacity();
    },
  };
}
