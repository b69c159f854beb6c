import type { CipherKey } from 'node:crypto';
import { release } from '../codec/index.ts';
import { CorruptionError, StoreError } from '../errors.ts';
import { invariant } from '../invariant.ts';
import { openBorrowedKey, openFrame } from '../keys/index.ts';
import { limits } from '../limits.ts';
import type { Position } from '../log/index.ts';
import type { BucketRecord, ObjectVersion } from '../metadata/index.ts';
import { unpack } from './compression.ts';
import type { ReadHorizon } from './horizon.ts';
import { openInline } from './inline.ts';
import { type FrameRun, frameLength, piecesOf, runsOf, storedLength, storedOffset } from './layout.ts';
import type { Place } from './memory.ts';
import { enterBodies, type Rooms } from './rooms.ts';
import type { Outgoing, Slice } from './types.ts';

/*
 * Bytes on their way out: read, open, unpack, give.
 *
 * Only frames that the slice touches are read, a run of them at a time, and the next run is read while this one is opened and given. Each
 * frame is verified by its cipher before a byte of it leaves, so checksums are not computed as well. One that does not open is read again with
 * its checksums, which finds the bad copy and a good one; and if that does not open either, from the other fragments, one way after the other:
 * those that give bad bytes are reported, and when nothing opens the read ends in Damaged.
 *
 * A large read gives its memory back as it goes (see codec's `release`): the stored bytes of a run when its frames are open or nobody asks for
 * more of them, a frame when the receiver is done with it. A small one borrows its frames from the cache.
 */

/** A version as it was found, where, and at which position. */
export interface Found {
  readonly bucket: BucketRecord;
  readonly key: Buffer;
  readonly version: ObjectVersion;
  readonly position: Position;
}

interface Fetched {
  readonly run: FrameRun;
  /** Frames found in the cache, by place in the run. */
  readonly held: readonly (Buffer | undefined)[] | undefined;
  /** Stored bytes of the frames from `first` on; undefined when all were held. */
  readonly stored: Promise<Buffer> | undefined;
  readonly first: number;
}

/** A run whose frames are being given. */
interface Given extends Omit<Fetched, 'stored'> {
  readonly stored: Buffer | undefined;
  /** The next frame, and where its stored bytes begin in `stored`. */
  frame: number;
  at: number;
}

/** Reads one slice of one version. */
export class Outlet implements Outgoing {
  readonly #rooms: Rooms;
  readonly #horizon: ReadHorizon;
  readonly #found: Found;
  readonly #key: CipherKey;
  readonly #slice: Slice;
  readonly #cached: boolean;
  /** Key of what was borrowed last. */
  #lender: { readonly keys: readonly Buffer[]; readonly key: CipherKey } | undefined;
  /** Whose body it is; to be said before the first byte is asked for. */
  whose: string | undefined;
  #place: Place | undefined;
  #given: Given | undefined;
  /** Bytes of the slice that were not given yet. */
  #left = 0;
  /** Runs in use; weak, because a receiver need not give anything back. */
  readonly #runs = new WeakMap<ArrayBufferLike, { readonly stored: Buffer; users: number }>();

  constructor(rooms: Rooms, horizon: ReadHorizon, found: Found, key: CipherKey, slice: Slice) {
    this.#rooms = rooms;
    this.#horizon = horizon;
    this.#found = found;
    this.#key = key;
    this.#slice = slice;
    this.#cached = slice.end - slice.start <= limits.cachedReadBytes;
  }

  window(): number {
    return this.#place?.group(limits.sendBufferBytes) ?? limits.sendBufferBytes;
  }

  release(chunk: Uint8Array): void {
    if (this.#regain(chunk.buffer)) return;
    if (this.#cached) this.#rooms.cache.done(chunk);
    else release(chunk);
  }

  #inRow(): boolean {
    const { embedded } = this.#found.version.manifest;
    return embedded !== undefined && 'inline' in embedded.body;
  }

  /** A run's memory is used by this read until its frames are open, and by the receiver for each frame that was not sealed. */
  #lend(stored: Buffer): void {
    const run = this.#runs.get(stored.buffer);
    if (run) run.users++;
    else this.#runs.set(stored.buffer, { stored, users: 1 });
  }

  /** @returns false when it is no run's memory */
  #regain(memory: ArrayBufferLike): boolean {
    const run = this.#runs.get(memory);
    if (!run) return false;
    if (run.users > 1) run.users--;
    else {
      this.#runs.delete(memory);
      release(run.stored);
    }
    return true;
  }

  /** No more frames of the run that is being given are opened. */
  #settle(): void {
    const stored = this.#given?.stored;
    this.#given = undefined;
    if (stored) this.#regain(stored.buffer);
  }

  /** A frame of the run that is there needs no turn of the iteration, which costs three promises. */
  ready(): Buffer | undefined {
    return this.#given && this.#step(this.#given);
  }

  /** The slice's bytes, frame by frame. What is not asked for any more is let go of when the iteration ends. */
  async *[Symbol.asyncIterator](): AsyncGenerator<Buffer, void, undefined> {
    this.#left = this.#slice.end - this.#slice.start;
    if (this.#left === 0) return;
    const lease = this.#horizon.enter(this.#found.position);
    try {
      // What is at hand needs none.
      const entered = this.#inRow() ? undefined : enterBodies(this.#rooms, this.whose);
      this.#place = entered instanceof Promise ? await entered : entered;
      const runs = this.#plan();
      let ahead = this.#next(runs);
      while (ahead) {
        const now = ahead;
        ahead = this.#next(runs);
        if (now instanceof Uint8Array) {
          this.#left -= now.length;
          yield now;
          continue;
        }
        const stored = now.stored && (await now.stored);
        if (stored) this.#lend(stored);
        const given: Given = { ...now, stored, frame: now.run.from, at: 0 };
        this.#given = given;
        while (given.frame < now.run.to)
          yield this.#step(given) ?? this.#gave(given, await this.#openChecked(now.run, given.frame));
        this.#settle();
      }
      invariant(this.#left === 0, 'a read gives every byte of its slice');
    } catch (error) {
      throw this.#explained(error);
    } finally {
      // Whoever has all that it wants ends the iteration behind the last frame, or before.
      this.#settle();
      this.#place?.leave();
      this.#place = undefined;
      this.#horizon.leave(lease);
    }
  }

  /** The next frame of a run; undefined when there is none, or it does not open. */
  #step(given: Given): Buffer | undefined {
    const { run, held, stored, first, frame, at } = given;
    if (frame === run.to) return undefined;
    const kept = held?.[frame - run.from];
    if (kept) return this.#gave(given, kept);
    invariant(stored && frame >= first, 'a frame of a run is held or was read');
    try {
      return this.#gave(
        given,
        openStored(this.#keyOf(run.keys), run, frame, stored.subarray(at, at + storedLength(run.stripe, frame))),
      );
    } catch (error) {
      if (error instanceof CorruptionError) return undefined;
      throw error;
    }
  }

  /** Goes on behind a frame. @returns what the slice has of it */
  #gave(given: Given, plain: Buffer): Buffer {
    const { run, held, stored, first, frame } = given;
    if (stored && isView(plain, stored)) this.#lend(stored);
    else if (this.#cached && !held?.[frame - run.from]) this.#rooms.cache.put(run.stripe.id, frame, plain);
    if (stored && frame >= first) given.at += storedLength(run.stripe, frame);
    given.frame++;
    const bytes = cut(plain, run.offset + frame * limits.frameBytes, run.slice);
    this.#left -= bytes.length;
    return bytes;
  }

  /** Bytes may be missing because the version was deleted long before its read began: that is no damage. */
  #explained(failure: unknown): unknown {
    const error =
      failure instanceof CorruptionError
        ? new StoreError('Damaged', { message: failure.message, cause: failure })
        : failure;
    if (!(error instanceof StoreError) || error.code !== 'Damaged') return error;
    const { bucket, key, version } = this.#found;
    const { sequence, nonce, isNull } = version;
    const now = this.#rooms.reader.version(bucket.id, key, isNull ? 'null' : { sequence, nonce });
    if (now?.sequence === sequence) return error;
    return new StoreError('NoSuchKey', { message: 'The object was deleted while it was read.', cause: error });
  }

  /** Inline pieces as they are, striped ones as runs of frames. */
  *#plan(): Generator<Buffer | FrameRun> {
    for (const wanted of piecesOf(this.#rooms.reader, this.#found.version, this.#slice)) {
      const { piece, offset, slice, keys } = wanted;
      if ('inline' in piece.body) yield cut(openInline(piece, this.#keyOf(keys)), offset, slice);
      else yield* runsOf(wanted, () => this.#place?.group(limits.readGroupBytes) ?? limits.readGroupBytes);
    }
  }

  #next(runs: Generator<Buffer | FrameRun>): Buffer | Fetched | undefined {
    const step = runs.next();
    if (step.done) return undefined;
    return step.value instanceof Uint8Array ? step.value : this.#fetch(step.value);
  }

  #fetch(run: FrameRun): Fetched {
    let first = run.from;
    let last = run.to;
    let held: (Buffer | undefined)[] | undefined;
    if (this.#cached) {
      held = [];
      for (let frame = run.from; frame < run.to; frame++) held.push(this.#rooms.cache.get(run.stripe.id, frame));
      while (first < last && held[first - run.from]) first++;
      while (last > first && held[last - 1 - run.from]) last--;
    }
    if (first === last) return { run, held, stored: undefined, first };
    const start = storedOffset(run.stripe, first);
    const end = storedOffset(run.stripe, last - 1) + storedLength(run.stripe, last - 1);
    const stored = this.#rooms.stripes.fetch(run.stripe, start, end);
    // A failure is met when its turn comes; until then it must not count as unhandled.
    stored.catch(() => {});
    return { run, held, stored, first };
  }

  /** The key of a piece. */
  #keyOf(keys: readonly Buffer[]): CipherKey {
    if (keys.length === 0) return this.#key;
    if (this.#lender?.keys !== keys) this.#lender = { keys, key: keys.reduce(openBorrowedKey, this.#key) };
    return this.#lender.key;
  }

  /** As its checksums and the other fragments say. */
  async #openChecked(run: FrameRun, frame: number): Promise<Buffer> {
    const start = storedOffset(run.stripe, frame);
    const end = start + storedLength(run.stripe, frame);
    const open = (stored: Buffer): Buffer | undefined => {
      try {
        return openStored(this.#keyOf(run.keys), run, frame, stored);
      } catch (error) {
        if (!(error instanceof CorruptionError)) throw error;
        return undefined;
      }
    };
    const { stripes } = this.#rooms;
    return open(await stripes.read(run.stripe, start, end)) ?? stripes.search(run.stripe, start, end, open);
  }
}

/** The plaintext of a frame that begins at `offset` of the object, cut to a slice. */
function cut(plain: Buffer, offset: number, slice: Slice): Buffer {
  const start = Math.max(0, slice.start - offset);
  const end = Math.min(plain.length, slice.end - offset);
  return start === 0 && end === plain.length ? plain : plain.subarray(start, end);
}

/** Whether a frame is a part of the bytes that were read: it was neither sealed nor packed. Small buffers share the memory of a pool, which says nothing. */
const isView = (frame: Buffer, stored: Buffer): boolean =>
  frame.buffer === stored.buffer &&
  frame.byteOffset >= stored.byteOffset &&
  frame.byteOffset < stored.byteOffset + stored.length;

function openStored(key: CipherKey, run: FrameRun, frame: number, stored: Buffer): Buffer {
  const length = frameLength(run.stripe, frame);
  const payload = openFrame(run.piece.sealed ? key : undefined, run.piece.salt, run.firstFrame + frame, stored, length);
  return payload.length < length ? unpack(payload, length) : payload;
}
