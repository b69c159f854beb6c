import { crc32c } from '../codec/index.ts';
import type { Device } from '../device/index.ts';
import { invariant } from '../invariant.ts';
import { blockBytes, roundUp } from './geometry.ts';
import { encodeHeader, headerBytesFor } from './header.ts';
import type { Lease } from './lease.ts';
import type { Leases } from './leases.ts';
import type { FragmentId, FragmentRecord, FragmentWriter } from './types.ts';

const zeros = Buffer.alloc(blockBytes);

/**
 * Writes one fragment into its extent, in whole blocks only: a block written in part would first have to be read from the disk when its
 * place was used before. So the blocks that hold the header wait in memory, with the first data bytes, until the header is known, and so
 * do the bytes behind the last whole block. When the data reaches its announced length, header and all go out with that last append.
 */
export class Writer implements FragmentWriter {
  readonly #device: Device;
  readonly #leases: Leases;
  readonly #lease: Lease;
  readonly #record: (record: FragmentRecord) => Promise<void>;
  readonly #id: FragmentId;
  readonly #address: number;
  readonly #maximum: number;
  readonly #checksumBytes: number;
  readonly #headerBytes: number;
  /** The blocks that hold the header, and the first data. */
  readonly #head: Buffer;
  #length = 0;
  readonly #checksums: number[] = [];
  /** CRC of the bytes so far of the checksum block that is not full. */
  #partial = 0;
  #partialBytes = 0;
  /** Data behind the last whole block. */
  readonly #carry = Buffer.allocUnsafe(blockBytes);
  #carried = 0;
  /** Bytes behind the head that are on the device. */
  #written = 0;
  #state: 'open' | 'busy' | 'complete' | 'failed' | 'ended' = 'open';
  /** A header may be on the device. */
  #marked = false;
  /** The owner may have recorded the fragment: then only the owner may free the space. */
  #handedIn = false;

  constructor(
    parts: { device: Device; leases: Leases; lease: Lease; record: (record: FragmentRecord) => Promise<void> },
    place: { id: FragmentId; address: number; maximum: number; checksumBytes: number },
  ) {
    this.#device = parts.device;
    this.#leases = parts.leases;
    this.#lease = parts.lease;
    this.#record = parts.record;
    this.#id = Buffer.from(place.id);
    this.#address = place.address;
    this.#maximum = place.maximum;
    this.#checksumBytes = place.checksumBytes;
    this.#headerBytes = headerBytesFor(place.maximum, place.checksumBytes);
    this.#head = Buffer.allocUnsafeSlow(roundUp(this.#headerBytes));
  }

  async append(pieces: readonly Uint8Array[]): Promise<void> {
    invariant(
      this.#state === 'open' || (this.#state === 'complete' && pieces.every((piece) => piece.length === 0)),
      'appends come one after the other, before the seal',
    );
    if (this.#state === 'complete') return;
    let total = 0;
    for (const piece of pieces) total += piece.length;
    invariant(this.#length + total <= this.#maximum, 'no more bytes come than were announced');
    this.#state = 'busy';
    try {
      for (const piece of pieces) this.#sum(piece);
      const rest = this.#fillHead(pieces);
      this.#length += total;
      if (this.#length === this.#maximum) await this.#finish(rest);
      else await this.#writeBlocks(rest);
      this.#state = this.#length === this.#maximum ? 'complete' : 'open';
    } catch (error) {
      this.#state = 'failed';
      throw error;
    }
  }

  #sum(piece: Uint8Array): void {
    for (let at = 0; at < piece.length; ) {
      const end = Math.min(piece.length, at + this.#checksumBytes - this.#partialBytes);
      this.#partial = crc32c(at === 0 && end === piece.length ? piece : piece.subarray(at, end), this.#partial);
      this.#partialBytes += end - at;
      at = end;
      if (this.#partialBytes === this.#checksumBytes) this.#endChecksum();
    }
  }

  #endChecksum(): void {
    this.#checksums.push(this.#partial);
    this.#partial = 0;
    this.#partialBytes = 0;
  }

  /** Puts the first data bytes behind the place of the header; gives what comes after them. */
  #fillHead(pieces: readonly Uint8Array[]): Uint8Array[] {
    const rest: Uint8Array[] = [];
    let at = Math.min(this.#head.length, this.#headerBytes + this.#length);
    for (const piece of pieces) {
      const fits = Math.min(piece.length, this.#head.length - at);
      if (fits > 0) this.#head.set(fits === piece.length ? piece : piece.subarray(0, fits), at);
      at += fits;
      if (fits < piece.length) rest.push(fits === 0 ? piece : piece.subarray(fits));
    }
    return rest;
  }

  /** Writes the whole blocks that are there, and keeps the bytes behind them. */
  async #writeBlocks(pieces: readonly Uint8Array[]): Promise<void> {
    let total = this.#carried;
    for (const piece of pieces) total += piece.length;
    let left = total - (total % blockBytes);
    const whole: Uint8Array[] = [];
    const over: Uint8Array[] = [];
    if (left > 0) {
      if (this.#carried > 0) whole.push(this.#carry.subarray(0, this.#carried));
      left -= this.#carried;
    }
    for (const piece of pieces) {
      const now = Math.min(left, piece.length);
      if (now > 0) whole.push(now === piece.length ? piece : piece.subarray(0, now));
      if (now < piece.length) over.push(piece.subarray(now));
      left -= now;
    }
    if (whole.length > 0) {
      await this.#device.write(whole, this.#address + this.#head.length + this.#written);
      this.#written += total - (total % blockBytes);
      this.#carried = 0;
    }
    for (const piece of over) {
      this.#carry.set(piece, this.#carried);
      this.#carried += piece.length;
    }
  }

  /** Writes all that is left, the header with it. */
  async #finish(pieces: readonly Uint8Array[]): Promise<void> {
    if (this.#partialBytes > 0) this.#endChecksum();
    const record = this.#describe();
    encodeHeader(this.#head, this.#lease.nonce, record);
    const tail: Uint8Array[] = this.#carried > 0 ? [this.#carry.subarray(0, this.#carried)] : [];
    tail.push(...pieces);
    const end = this.#headerBytes + this.#length;
    if (end < this.#head.length) this.#head.fill(0, end);
    else if (end < record.extent.length) tail.push(zeros.subarray(0, record.extent.length - end));
    this.#marked = true;
    if (this.#written === 0) return this.#device.write([this.#head, ...tail], this.#address);
    if (tail.length > 0) await this.#device.write(tail, this.#address + this.#head.length + this.#written);
    return this.#device.write([this.#head], this.#address);
  }

  #describe(): FragmentRecord {
    return {
      id: this.#id,
      extent: { address: this.#address, length: roundUp(this.#headerBytes + this.#length) },
      headerBytes: this.#headerBytes,
      length: this.#length,
      checksumBytes: this.#checksumBytes,
      checksums: this.#checksums,
    };
  }

  async seal(last?: readonly Uint8Array[]): Promise<void> {
    if (last) await this.append(last);
    invariant(this.#state === 'open' || this.#state === 'complete', 'a fragment is sealed once, after its appends');
    try {
      const open = this.#state === 'open';
      this.#state = 'busy';
      if (open) await this.#finish([]);
      await this.#device.sync(this.#address);
      this.#handedIn = true;
      await this.#record(this.#describe());
    } catch (error) {
      this.#state = 'failed';
      throw error;
    }
    this.#end(roundUp(this.#headerBytes + this.#length));
  }

  async abort(): Promise<void> {
    invariant(this.#state !== 'busy', 'a fragment is given up when its last call has ended');
    if (this.#state === 'ended') return;
    this.#state = 'busy';
    const kept = this.#handedIn || (this.#marked && !(await this.#unmark()));
    this.#end(kept ? this.#extentBytes : 0);
  }

  /** Takes the header off the device, so that no recovery finds it. */
  async #unmark(): Promise<boolean> {
    try {
      await this.#device.write([zeros], this.#address);
      await this.#device.sync(this.#address);
      return true;
    } catch {
      return false; // The window keeps the space; a recovery may find the fragment, as if its seal had come through.
    }
  }

  get #extentBytes(): number {
    return roundUp(this.#headerBytes + this.#maximum);
  }

  /** @param kept bytes at the start of the extent that do not go back to the window */
  #end(kept: number): void {
    this.#state = 'ended';
    this.#lease.give({ address: this.#address + kept, length: this.#extentBytes - kept });
    this.#leases.end(this.#lease);
  }
}
