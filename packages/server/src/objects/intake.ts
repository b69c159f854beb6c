import type { ChecksumAlgorithm } from '../codec/index.ts';
import { StoreError } from '../errors.ts';
import { type FrameKey, frameTagBytes, saltBytes, sealFramePieces } from '../keys/index.ts';
import { limits } from '../limits.ts';
import type { Piece, Redundancy, Stripe } from '../metadata/index.ts';
import { checkMayKeep } from './checksums.ts';
import { FramePacker } from './compression.ts';
import { checkDigests, createDigester, type Digester, type Digests, digestPlan, digestsOf } from './digester.ts';
import { sealInline } from './inline.ts';
import type { Place } from './memory.ts';
import { enterBodies, type Rooms } from './rooms.ts';
import { StripeSink } from './sink.ts';
import type { Expected, Incoming } from './types.ts';

/*
 * Bytes on their way in: digest, pack, seal, write.
 *
 * A body is cut into frames as it comes. Full frames are encrypted from the very chunks that were received, so a byte is
 * touched by MD5, by the cipher and by the device, and copied by nobody. In memory are at most one frame that is not full, one
 * group of sealed frames that gathers and one that is being written; chunks go back to their maker once they are encrypted and digested.
 *
 * Digests are compared before anything is proposed. Whatever goes wrong, the stripes written so far are removed.
 */

/** How a body becomes a piece. */
export interface Plan {
  /** The object key, 32 bytes. */
  readonly key: Buffer;
  readonly redundancy: Redundancy | undefined;
  /** A small body may lie in metadata whatever `redundancy` says. Absent: only where metadata have as much. */
  readonly mayInline?: boolean;
  /** False when packing is known to be useless. */
  readonly pack: boolean;
  readonly expected: Expected;
  /** Algorithm of the checksum to keep with the piece; undefined keeps the one that `expected` names. */
  readonly keep: ChecksumAlgorithm | undefined;
  /** Most bytes the body may have. */
  readonly maximum: number;
  /** The shard of the object that it will belong to. */
  readonly shard: number;
}

/** A body that is too small to be worth a stripe goes through here without waiting. Undefined when it is not that small. */
export function takeSmall(rooms: Rooms, body: Incoming, plan: Plan): Piece | undefined {
  checkMayKeep(rooms, keptBy(plan));
  const whole = body.whole;
  if (!whole || whole.length > inlineBytes(rooms, plan)) return undefined;
  checkEnd(whole.length, body.length);
  const digests = digestsOf(whole, digestPlan(plan.expected, plan.keep), body.md5);
  checkDigests(plan.expected, digests);
  const salt = rooms.host.entropy.bytes(saltBytes);
  return makePiece(rooms, plan, salt, whole.length, digests, {
    inline: sealInline(keyFor(rooms, plan), salt, whole, plan.pack),
  });
}

/** Takes a body of any size. On failure nothing of it is left. */
export async function takeBody(rooms: Rooms, body: Incoming, plan: Plan): Promise<Piece> {
  if (body.length !== undefined) checkSize(body.length, plan.maximum);
  const small = takeSmall(rooms, body, plan);
  if (small) return small;
  const waited = body.whole ? undefined : enterBodies(rooms, body.whose);
  const place = waited instanceof Promise ? await waited : waited;
  try {
    return await takeStream(rooms, body, plan, place);
  } finally {
    place?.leave();
  }
}

async function takeStream(rooms: Rooms, body: Incoming, plan: Plan, place: Place | undefined): Promise<Piece> {
  const release = body.whole ? undefined : body.release;
  const md5 = body.whole && body.md5;
  const intake = new Intake(rooms, body.length ?? body.whole?.length, plan, release, place, md5);
  try {
    if (body.whole) await intake.take(body.whole);
    else {
      for await (const chunk of body.stream) {
        const wait = intake.take(chunk);
        if (wait) await wait;
      }
    }
    return await intake.finish();
  } catch (error) {
    await intake.abort();
    throw error;
  }
}

/** The stripes of a piece: what must be removed when nothing will point to it. */
export function stripesOf(piece: Piece): Buffer[] {
  return 'stripes' in piece.body ? piece.body.stripes.map((stripe) => stripe.id) : [];
}

/** Who asks for more than metadata have gets it on devices, whatever the size. */
function inlineBytes({ metadataCopies }: Rooms, { redundancy, mayInline }: Plan): number {
  const enough = mayInline || !redundancy || ('copies' in redundancy && redundancy.copies <= (metadataCopies?.() ?? 1));
  return enough ? limits.inlineBytes : 0;
}

function checkSize(size: number, maximum: number): void {
  if (size > maximum) {
    throw new StoreError('EntityTooLarge', { detail: { ProposedSize: String(size), MaxSizeAllowed: String(maximum) } });
  }
}

function checkEnd(size: number, announced: number | undefined): void {
  if (announced === undefined || size === announced) return;
  throw new StoreError('IncompleteBody', {
    message: `The body has ${size < announced ? 'only' : 'more than'} ${Math.min(size, announced)} bytes, and ${announced} were announced.`,
  });
}

/** Algorithm of the checksum that stays with the piece. */
const keptBy = (plan: Plan): ChecksumAlgorithm | undefined => plan.keep ?? plan.expected.checksum?.algorithm;

/** What frames are sealed with; undefined where the server was told not to. */
const keyFor = (rooms: Rooms, plan: Plan): FrameKey => (rooms.plain ? undefined : plan.key);

function makePiece(
  rooms: Rooms,
  plan: Plan,
  salt: Buffer,
  size: number,
  digests: Digests,
  body: { readonly inline: Buffer } | { readonly stripes: readonly Stripe[] },
): Piece {
  const algorithm = keptBy(plan);
  const value = algorithm && digests.checksums.get(algorithm);
  const compressed =
    'stripes' in body
      ? body.stripes.some((stripe) => stripe.frames !== undefined)
      : size > 0 && body.inline.length < size + frameTagBytes;
  const checksum = algorithm && value ? ({ algorithm, type: 'FULL_OBJECT', value } as const) : undefined;
  return { salt, size, md5: digests.md5, checksum, compressed, sealed: !rooms.plain, body };
}

class Intake {
  readonly #rooms: Rooms;
  readonly #plan: Plan;
  readonly #announced: number | undefined;
  readonly #salt: Buffer;
  readonly #digester: Digester;
  readonly #packer: FramePacker;
  readonly #sink: StripeSink;
  /** Chunks of the frame that is not full yet. */
  #chunks: Uint8Array[] = [];
  #chunkBytes = 0;
  #size = 0;
  #frames = 0;
  readonly #release: Incoming['release'];
  /** Chunks that are still needed, each with the place of its end in the body. */
  readonly #kept: { readonly chunk: Uint8Array; readonly end: number }[] = [];
  /** Bytes that went to the digester. */
  #digested = 0;

  constructor(
    rooms: Rooms,
    announced: number | undefined,
    plan: Plan,
    release: Incoming['release'],
    place: Place | undefined,
    md5: Incoming['md5'],
  ) {
    this.#rooms = rooms;
    this.#release = release;
    this.#plan = plan;
    this.#announced = announced;
    this.#salt = rooms.host.entropy.bytes(saltBytes);
    this.#digester = createDigester(digestPlan(plan.expected, plan.keep), announced, rooms.host.timers, md5);
    this.#packer = new FramePacker(plan.pack);
    this.#sink = new StripeSink(rooms, plan.redundancy, announced, plan.shard, place);
    if (announced !== undefined && announced > inlineBytes(rooms, plan)) this.#sink.prepare();
  }

  /** @returns a promise when the caller must wait before it gives the next chunk */
  take(chunk: Uint8Array): Promise<void> | undefined {
    this.#size += chunk.length;
    checkSize(this.#size, this.#plan.maximum);
    if (this.#announced !== undefined && this.#size > this.#announced) checkEnd(this.#size, this.#announced);
    if (this.#release) this.#kept.push({ chunk, end: this.#size });
    const wait = chunk.length > limits.uploadGroupBytes ? this.#takeLong(chunk) : this.#takePart(chunk);
    const used = this.#digested - Math.max(this.#digester.waiting, this.#chunkBytes);
    // Chunks that are not encrypted are written from where they lie.
    this.#giveBack(this.#rooms.plain ? Math.min(used, this.#sink.plainWritten) : used);
    return wait;
  }

  /** Gives back the chunks of which only bytes before `place` are left. */
  #giveBack(place: number): void {
    for (let first = this.#kept[0]; first && first.end <= place; first = this.#kept[0]) {
      this.#kept.shift();
      this.#release?.(first.chunk);
    }
  }

  async finish(): Promise<Piece> {
    checkEnd(this.#size, this.#announced);
    if (this.#size <= inlineBytes(this.#rooms, this.#plan)) {
      const plain = this.#chunks.length === 1 ? (this.#chunks[0] as Uint8Array) : Buffer.concat(this.#chunks);
      const digests = await this.#digests();
      return makePiece(this.#rooms, this.#plan, this.#salt, this.#size, digests, {
        inline: sealInline(keyFor(this.#rooms, this.#plan), this.#salt, plain, this.#plan.pack),
      });
    }
    if (this.#chunkBytes > 0) await this.#seal();
    // The stripes become durable while the last digests are computed.
    const stripes = this.#sink.finish();
    stripes.catch(() => {});
    const digests = await this.#digests();
    if (!this.#rooms.plain) this.#giveBack(this.#size);
    const body = { stripes: await stripes };
    this.#giveBack(this.#size);
    return makePiece(this.#rooms, this.#plan, this.#salt, this.#size, digests, body);
  }

  abort(): Promise<void> {
    this.#digester.abandon();
    return this.#sink.abort();
  }

  async #digests(): Promise<Digests> {
    const digests = await this.#digester.finish();
    checkDigests(this.#plan.expected, digests);
    return digests;
  }

  async #takeLong(chunk: Uint8Array): Promise<void> {
    for (let at = 0; at < chunk.length; at += limits.frameBytes) {
      const wait = this.#takePart(chunk.subarray(at, at + limits.frameBytes));
      if (wait) await wait;
    }
  }

  /** A chunk of at most one group: its frames wait at most once. */
  #takePart(chunk: Uint8Array): Promise<void> | undefined {
    let wait = this.#digester.update(chunk);
    this.#digested += chunk.length;
    let at = 0;
    while (at < chunk.length) {
      const end = Math.min(chunk.length, at + limits.frameBytes - this.#chunkBytes);
      this.#chunks.push(at === 0 && end === chunk.length ? chunk : chunk.subarray(at, end));
      this.#chunkBytes += end - at;
      at = end;
      if (this.#chunkBytes === limits.frameBytes) {
        const written = this.#seal();
        if (written) wait = wait ? Promise.all([wait, written]).then(() => {}) : written;
      }
    }
    return wait;
  }

  #seal(): Promise<void> | undefined {
    const chunks = this.#chunks;
    const plain = this.#chunkBytes;
    this.#chunks = [];
    this.#chunkBytes = 0;
    const packed = this.#packer.pack(chunks, plain, this.#sink.frameIndex);
    const payload = packed ? [packed] : chunks;
    const sealed = sealFramePieces(keyFor(this.#rooms, this.#plan), this.#salt, this.#frames++, payload, plain);
    return this.#sink.add(sealed, (packed ? packed.length : plain) + frameTagBytes, plain);
  }
}
