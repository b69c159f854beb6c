import { createCache, type FrameCache } from '../cache/index.ts';
import { manualHost } from '../host/index.ts';
import type { MetadataReader, ObjectVersion, Piece } from '../metadata/index.ts';
import { ReadHorizon } from './horizon.ts';
import type { Plan } from './intake.ts';
import { Outlet } from './outlet.ts';
import type { Rooms } from './rooms.ts';
import { type MemoryStripes, memoryStripes } from './stripes.fixture.ts';

/** The way of the bytes without any metadata: pieces in, slices out. */
export interface Pipeline {
  readonly rooms: Rooms;
  readonly stripes: MemoryStripes;
  readonly horizon: ReadHorizon;
  readonly plan: Plan;
  /** An object of these pieces. */
  readonly version: (pieces: readonly Piece[]) => ObjectVersion;
  readonly open: (version: ObjectVersion, start: number, end: number) => AsyncGenerator<Buffer, void, undefined>;
  readonly outlet: (version: ObjectVersion, start: number, end: number) => Outlet;
}

export function pipeline(options: { copies?: number; cache?: FrameCache; plain?: boolean } = {}): Pipeline {
  const stripes = memoryStripes(options.copies);
  const host = manualHost(5);
  let rows: readonly Piece[] = [];
  let current: ObjectVersion | undefined;
  const reader = {
    locate(_version: unknown, offset: number) {
      let index = 0;
      let start = 0;
      while (offset >= start + (rows[index] as Piece).size) start += (rows[index++] as Piece).size;
      return { index, start };
    },
    pieces: (_manifest: unknown, first: number, limit: number) => rows.slice(first, first + limit),
    version: () => current,
    recodedAt: () => 0,
  } as unknown as MetadataReader;
  const cache = options.cache ?? createCache({ bytes: 0 });
  const rooms = { reader, stripes, cache, host, plain: options.plain ?? false } as unknown as Rooms;
  const horizon = new ReadHorizon(host.clock);
  const key = Buffer.alloc(32, 9);
  const plan: Plan = {
    key,
    redundancy: undefined,
    pack: true,
    expected: {},
    keep: undefined,
    maximum: 2 ** 40,
    shard: 0,
  };
  const outlet = (version: ObjectVersion, start: number, end: number) => {
    const found = { bucket: { id: 1 } as never, key: Buffer.from('k'), version, position: 4 };
    return new Outlet(rooms, horizon, found, key, { start, end });
  };
  return {
    rooms,
    stripes,
    horizon,
    plan,
    version(pieces) {
      rows = pieces;
      const embedded = pieces.length === 1 ? pieces[0] : undefined;
      current = {
        kind: 'object',
        sequence: 1,
        isNull: true,
        size: pieces.reduce((sum, piece) => sum + piece.size, 0),
        manifest: { id: Buffer.alloc(16), pieces: pieces.length, embedded },
        partSizes: [],
      } as unknown as ObjectVersion;
      return current;
    },
    outlet,
    async *open(version, start, end) {
      const opened = outlet(version, start, end);
      for await (const chunk of opened) {
        yield chunk;
        for (let next = opened.ready(); next; next = opened.ready()) yield next;
      }
    },
  };
}

/** Chunks of a body, cut at the given sizes in turn. */
export async function* chunksOf(bytes: Buffer, sizes: readonly number[]): AsyncGenerator<Buffer> {
  for (let at = 0, turn = 0; at < bytes.length; turn++) {
    const size = Math.max(1, sizes[turn % sizes.length] as number);
    yield bytes.subarray(at, at + size);
    at += size;
  }
}

/** Everything an iteration gives, put together. */
export async function gathered(stream: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of stream) chunks.push(chunk);
  return Buffer.concat(chunks);
}
