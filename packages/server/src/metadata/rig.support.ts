import { createHash } from 'node:crypto';
import { manualHost } from '../host/index.ts';
import { type MemoryKv, memoryKv } from '../kv/index.ts';
import type { Log, LogEntry } from '../log/index.ts';
import type { OtherShards } from './machine/quotas.ts';
import type { ObjectVersion, Piece } from './machine/records.ts';
import { openMetadata } from './open.ts';
import type { Metadata } from './owner.ts';
import type { Command, Guard, Reply, VersionDraft } from './types.ts';

/** A log in memory, for tests: durable at once, or when `hold` lets go. It can fail. */
export class TestLog implements Log {
  readonly entries: LogEntry[] = [];
  tail = 1;
  epoch = 1;
  appends = 0;
  /** Appends wait for it. */
  hold: Promise<void> | undefined;
  failing: Error | undefined;
  /** Appends become durable, and nobody hears of it. */
  losing: Error | undefined;

  get head(): number {
    return this.tail - 1 + this.entries.length;
  }
  readonly roomy = true;
  get bytes(): number {
    return this.entries.reduce((sum, entry) => sum + entry.payload.length, 0);
  }

  /** Makes the entry durable and says nothing: what a crash right after the sync leaves behind. */
  write(payload: Uint8Array): LogEntry {
    const before = this.entries.at(-1)?.hash ?? Buffer.alloc(16);
    const hash = createHash('md5').update(before).update(payload).digest();
    const entry = { position: this.head + 1, epoch: this.epoch, hash, payload: Buffer.from(payload) };
    this.entries.push(entry);
    return entry;
  }

  async append(payload: Uint8Array): Promise<LogEntry> {
    this.appends++;
    await this.hold;
    if (this.failing) throw this.failing;
    const entry = this.write(payload);
    if (this.losing) throw this.losing;
    return entry;
  }

  async *read(from: number): AsyncGenerator<LogEntry> {
    if (from < this.tail) throw new RangeError('trimmed');
    const end = this.head;
    for (let position = from; position <= end; position++) yield this.entries[position - this.tail]!;
  }

  async reached(position: number): Promise<void> {
    if (position > this.head) throw new Error('not used here');
  }

  follow() {
    return { acknowledge() {}, lost: false, close() {} };
  }

  async trim(position: number): Promise<void> {
    while (this.tail < position && this.entries.length > 0) {
      this.entries.shift();
      this.tail++;
    }
  }

  async close(): Promise<void> {}
}

/** One shard over memory, with short ways to do the usual. */
export class Rig {
  readonly host: ReturnType<typeof manualHost>;
  readonly log: TestLog;
  kv: MemoryKv;
  metadata!: Metadata;
  #stripes = 0;
  #intent: Buffer | undefined;
  #others: OtherShards | undefined;

  readonly #shard: number;

  protected constructor(seed: number, shard = 7) {
    this.#shard = shard;
    this.host = manualHost(seed);
    this.log = new TestLog();
    this.kv = memoryKv(this.host);
  }

  static async open(seed = 1, shard = 7, others?: OtherShards): Promise<Rig> {
    const rig = new Rig(seed, shard);
    rig.#others = others;
    await rig.#open();
    return rig;
  }

  get reader() {
    return this.metadata.reader;
  }

  /** The process dies: the KV goes back to its checkpoint, the log keeps what it has. */
  async crash(): Promise<void> {
    this.log.failing = undefined;
    this.log.losing = undefined;
    this.kv = this.kv.crash();
    this.#intent = undefined;
    await this.#open();
  }

  async #open(): Promise<void> {
    const { log, kv, host } = this;
    const others = this.#others && { others: this.#others };
    this.metadata = await openMetadata({ log, kv, host, shard: this.#shard, ...others });
  }

  /** What was opened belongs to a process that is gone. */
  protected forget(): void {
    this.#intent = undefined;
  }

  async do<Type extends Reply['type']>(command: Command, type: Type): Promise<Extract<Reply, { type: Type }>> {
    const { reply } = await this.metadata.propose(command);
    if (reply.type !== type) throw new Error(`${command.type} answered ${reply.type}`);
    return reply as Extract<Reply, { type: Type }>;
  }

  async bucket(name: string, versioning: 'off' | 'enabled' | 'suspended' = 'off'): Promise<number> {
    const command = {
      type: 'bucket.create',
      name,
      owner: 'o',
      region: 'r',
      wrappedKey: Buffer.from('wk'),
      versioning,
    } as const;
    return (await this.do(command, 'bucket')).bucket.id;
  }

  protected async openIntent(prefix: Buffer): Promise<void> {
    await this.metadata.propose({ type: 'intent.open', prefix });
  }

  /** Stripe ids under an open intent. */
  async stripes(count: number): Promise<{ id: Buffer; group: number; length: number; frames: undefined }[]> {
    let prefix = this.#intent;
    if (!prefix) {
      prefix = this.#intent = this.host.entropy.bytes(8);
      await this.openIntent(prefix);
    }
    return Array.from({ length: count }, () => {
      const id = Buffer.alloc(16);
      id.set(prefix, 0);
      id.writeUIntBE(++this.#stripes, 9, 6);
      return { id, group: 3, length: 100, frames: undefined };
    });
  }

  async put(
    bucket: number,
    key: string | Buffer,
    piece: Piece,
    extra: Partial<Extract<Command, { type: 'object.put' }>> = {},
  ) {
    const draft = draftOf(piece.size, piece.md5);
    const command = {
      type: 'object.put',
      bucket,
      key: Buffer.from(key),
      owner: 'o',
      guard: undefined,
      draft,
      pieces: [piece],
    } as const;
    return this.do({ ...command, ...extra }, 'version');
  }

  async remove(bucket: number, key: string | Buffer, version?: ObjectVersion | 'null') {
    const selector =
      version === undefined || version === 'null' ? version : { sequence: version.sequence, nonce: version.nonce };
    const items = [{ key: Buffer.from(key), version: selector, guard: undefined }];
    return (await this.do({ type: 'object.delete', bucket, owner: 'o', items }, 'deleted')).results[0]!;
  }
}

export function draftOf(size: number, etag: Buffer, extra: Partial<VersionDraft> = {}): VersionDraft {
  const shown = { storageClass: 'STANDARD', headers: {}, metadata: [], tags: [], checksum: undefined };
  return { size, etag, etagParts: 0, ...shown, wrappedKey: Buffer.alloc(60, 1), partSizes: [], ...extra };
}

let salts = 0;

/** A piece whose bytes are inline. */
export function inlinePiece(content: string | Buffer): Piece {
  const inline = Buffer.from(content);
  const md5 = createHash('md5').update(inline).digest();
  return {
    salt: saltOf(),
    size: inline.length,
    md5,
    checksum: undefined,
    compressed: false,
    sealed: true,
    body: { inline },
  };
}

function saltOf(): Buffer {
  const salt = Buffer.alloc(8);
  salt.writeUInt32LE(++salts, 0);
  return salt;
}

/** A piece on devices. */
export function stripedPiece(
  stripes: readonly { id: Buffer; group: number; length: number; frames: undefined }[],
  size: number,
): Piece {
  const md5 = createHash('md5').update(`${size} ${++salts}`).digest();
  return { salt: saltOf(), size, md5, checksum: undefined, compressed: false, sealed: true, body: { stripes } };
}

export async function startUpload(rig: Rig, bucket: number, at = Buffer.from('k')): Promise<Buffer> {
  const about = { headers: {}, metadata: [], tags: [], checksumAlgorithm: undefined, checksumType: undefined };
  const command = {
    type: 'upload.create',
    bucket,
    key: at,
    owner: 'o',
    storageClass: 'STANDARD',
    wrappedKey: Buffer.alloc(60, 1),
    ...about,
  } as const;
  return (await rig.do(command, 'upload')).upload.id;
}

export function completeUpload(
  rig: Rig,
  bucket: number,
  upload: Buffer,
  parts: readonly (readonly [number, Piece])[],
  guard?: Guard,
) {
  const size = parts.reduce((sum, [, piece]) => sum + piece.size, 0);
  const etag = createHash('md5')
    .update(Buffer.concat(parts.map(([, piece]) => piece.md5)))
    .digest();
  const named = parts.map(([number, { md5 }]) => ({ number, md5 }));
  const key = Buffer.from('k');
  return rig.do(
    { type: 'upload.complete', bucket, key, upload, guard, parts: named, etag, size, checksum: undefined },
    'version',
  );
}
