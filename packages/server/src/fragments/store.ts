import { crc32c } from '../codec/index.ts';
import type { Device } from '../device/index.ts';
import { CorruptionError, StoreError } from '../errors.ts';
import type { Host } from '../host/index.ts';
import { invariant } from '../invariant.ts';
import { Kept, type KvView } from '../kv/index.ts';
import { limits } from '../limits.ts';
import { auditIndex } from './audit.ts';
import { type Geometry, geometryOf, roundUp } from './geometry.ts';
import { headerBytesFor, leastChecksumBytes } from './header.ts';
import { Leases } from './leases.ts';
import {
  decodeFragment,
  type FragmentRow,
  fragmentIdOf,
  fragmentKey,
  fragmentsEnd,
  fragmentsTable,
  idBytes,
} from './rows.ts';
import type { FragmentId, FragmentOwner, FragmentRecord, FragmentStore, FragmentWriter, IndexAudit } from './types.ts';
import { Writer } from './writer.ts';

export interface FragmentStoreOptions {
  /** Opened in this thread. */
  readonly device: Device;
  readonly owner: FragmentOwner;
  /** The owner's index, as this thread reads it. */
  readonly index: KvView;
  readonly host: Host;
}

/** Records that wait to go to the owner together. */
interface Gathering {
  readonly records: FragmentRecord[];
  readonly sent: Promise<void>;
}

class Store implements FragmentStore {
  readonly device: string;
  readonly #device: Device;
  readonly #owner: FragmentOwner;
  readonly #index: KvView;
  readonly #geometry: Geometry;
  readonly #leases: Leases;
  /** A large read asks for the row of its fragment with each of its runs. By the key's bytes as text. */
  readonly #rows: Kept<string, FragmentRow>;
  #gathering: Gathering | undefined;
  #closed = false;

  constructor({ device, owner, index, host }: FragmentStoreOptions) {
    this.device = device.identity;
    this.#device = device;
    this.#owner = owner;
    this.#index = index;
    this.#geometry = geometryOf(device.slabBytes);
    this.#leases = new Leases(owner, host.timers);
    this.#rows = new Kept(index, fragmentsTable, (key) => this.#read(Buffer.from(key, 'latin1')));
  }

  async create(id: FragmentId, maximum: number, checksumBytes: number): Promise<FragmentWriter> {
    invariant(!this.#closed, 'a store is not used after its close');
    invariant(id.length === idBytes, 'a fragment id has 16 bytes');
    invariant(maximum >= 0 && maximum <= limits.fragmentBytes, 'a fragment is not larger than limits.fragmentBytes');
    invariant(
      checksumBytes >= leastChecksumBytes && Number.isInteger(checksumBytes),
      'a checksum covers at least 512 bytes',
    );
    const bytes = roundUp(headerBytesFor(maximum, checksumBytes) + maximum);
    const { lease, address } = await this.#leases.take(bytes);
    const parts = { device: this.#device, leases: this.#leases, lease, record: this.#record };
    return new Writer(parts, { id, address, maximum, checksumBytes });
  }

  /** Fragments that one sync made durable are recorded by one call of the owner. */
  readonly #record = (record: FragmentRecord): Promise<void> => {
    if (!this.#gathering) {
      const records: FragmentRecord[] = [];
      const sent = Promise.resolve().then(() => {
        this.#gathering = undefined;
        return this.#owner.record(records);
      });
      this.#gathering = { records, sent };
    }
    this.#gathering.records.push(record);
    return this.#gathering.sent;
  };

  #read(key: Buffer): FragmentRow | undefined {
    const value = this.#index.get(key);
    return value && decodeFragment(this.#geometry, key, value);
  }

  #row(id: FragmentId): FragmentRow | undefined {
    return this.#rows.get(fragmentKey(id).toString('latin1'));
  }

  length(id: FragmentId): number | undefined {
    return this.#row(id)?.length;
  }

  read(id: FragmentId, start: number, end: number): Promise<Buffer> {
    return this.#give(id, start, end, true);
  }

  fetch(id: FragmentId, start: number, end: number): Promise<Buffer> {
    return this.#give(id, start, end, false);
  }

  async #give(id: FragmentId, start: number, end: number, verify: boolean): Promise<Buffer> {
    invariant(start >= 0 && start <= end, 'a range does not end before it starts');
    for (let row = this.#row(id); row; ) {
      if (end > row.length)
        throw new CorruptionError(`fragment ${name(id)} has ${row.length} bytes, fewer than the ${end} asked for`);
      const bytes =
        start === end
          ? Buffer.alloc(0)
          : await (verify ? this.#verified(row, start, end) : this.#bytesOf(row, start, end));
      if (bytes) return bytes;
      // The fragment may have been removed, or written anew, while it was read: then the row has changed.
      const now = this.#row(id);
      if (now && now.address === row.address) {
        throw new CorruptionError(
          `fragment ${name(id)} on device ${this.device} is damaged between ${start} and ${end}`,
        );
      }
      row = now;
    }
    throw new StoreError('NotFound', {
      message: `Device ${this.device} has no fragment ${name(id)}.`,
      resource: name(id),
    });
  }

  /** The data bytes [start, end), or undefined when they do not fit their checksums. Reads the whole blocks around them, once. */
  async #verified(row: FragmentRow, start: number, end: number): Promise<Buffer | undefined> {
    const { checksumBytes, checksums } = row;
    const first = Math.floor(start / checksumBytes);
    const from = first * checksumBytes;
    const to = Math.min(row.length, Math.ceil(end / checksumBytes) * checksumBytes);
    const bytes = await this.#bytesOf(row, from, to);
    if (!bytes) return undefined;
    for (let block = first, at = 0; at < bytes.length; block++, at += checksumBytes) {
      if (crc32c(bytes.subarray(at, Math.min(bytes.length, at + checksumBytes))) !== checksums.readUInt32LE(4 * block))
        return undefined;
    }
    return start === from && end === to ? bytes : bytes.subarray(start - from, end - from);
  }

  /** The data bytes [start, end) as they are on the device; undefined where it was never written. */
  async #bytesOf(row: FragmentRow, start: number, end: number): Promise<Buffer | undefined> {
    const bytes = Buffer.allocUnsafeSlow(end - start);
    try {
      await this.#device.read(bytes, row.address + row.headerBytes + start);
      return bytes;
    } catch (error) {
      if (error instanceof CorruptionError) return undefined;
      throw error;
    }
  }

  remove(ids: readonly FragmentId[]): Promise<void> {
    return this.#owner.remove(ids);
  }

  flush(): Promise<void> {
    return this.#owner.flush();
  }

  ids(start: Buffer, limit: number): readonly FragmentId[] {
    const found: FragmentId[] = [];
    for (const { key } of this.#index.range({ start: fragmentKey(start), end: fragmentsEnd, limit }))
      found.push(fragmentIdOf(key));
    return found;
  }

  *audit(): IndexAudit {
    const snapshot = this.#index.snapshot();
    try {
      return yield* auditIndex(snapshot, this.#geometry.slabBytes);
    } finally {
      snapshot.release();
    }
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    await this.#gathering?.sent.catch(() => undefined);
    await this.#leases.close();
  }
}

const name = (id: Uint8Array): string => Buffer.from(id).toString('hex');

/** The fragments of one device for one thread. */
export function openFragmentStore(options: FragmentStoreOptions): FragmentStore {
  return new Store(options);
}
