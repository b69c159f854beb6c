import { isSpaceExhausted, type Volume } from '../device/index.ts';
import { CorruptionError, StoreError } from '../errors.ts';
import type { Timers } from '../host/index.ts';
import { limits } from '../limits.ts';
import { snapshotHeadBytes, snapshotPosition } from './snapshot.ts';

/*
 * The newest snapshot of the state, as the file `snapshot` of a volume. It is replaced whole: written beside the old one, synced bit by bit (a
 * long queue of writes would stand in the way of the log's syncs), and renamed. So there is always one that is whole, or none yet.
 */

const fileName = 'snapshot';
const newName = 'snapshot.new';
/** Written between two syncs. */
const syncBytes = 8 * 1024 * 1024;
const readBytes = 1024 * 1024;

/** A snapshot that was found. */
export interface StoredSnapshot {
  /** The log position of its state. */
  readonly position: number;
  readonly bytes: number;
  /** Its bytes, for {@link restoreSnapshot}, which proves them. */
  read(): AsyncIterable<Buffer>;
}

/** The snapshot of a volume; undefined when there is none, or its beginning is damaged. */
export async function findSnapshot(volume: Volume): Promise<StoredSnapshot | undefined> {
  if (!(await volume.list()).includes(fileName)) return undefined;
  const file = await volume.open(fileName, 'read');
  try {
    const bytes = await file.size();
    const beginning = Buffer.alloc(Math.min(bytes, snapshotHeadBytes));
    await file.read(beginning, 0);
    return { position: snapshotPosition(beginning), bytes, read: () => readAll(volume) };
  } catch (error) {
    if (error instanceof CorruptionError) return undefined;
    throw error;
  } finally {
    await file.close();
  }
}

async function* readAll(volume: Volume): AsyncGenerator<Buffer> {
  const file = await volume.open(fileName, 'read');
  try {
    for (let at = 0; ; ) {
      const chunk = Buffer.allocUnsafe(readBytes);
      const got = await file.read(chunk, at);
      if (got === 0) return;
      at += got;
      yield chunk.subarray(0, got);
    }
  } finally {
    await file.close();
  }
}

export interface StoreOptions {
  readonly volume: Volume;
  /** Of the state at one moment. */
  readonly chunks: Iterable<Buffer>;
  /** Bytes that it will have, about: so many must be free beside the reserve of the volume. */
  readonly expectedBytes: number;
  readonly timers: Timers;
  readonly signal: AbortSignal;
}

/**
 * Replaces the snapshot of a volume; durable when it resolves. Other work goes on between its chunks.
 * @throws StoreError StorageFull, with the old one in its place
 */
export async function storeSnapshot(
  options: StoreOptions,
): Promise<{ readonly position: number; readonly bytes: number }> {
  const { volume, chunks, expectedBytes, timers, signal } = options;
  const { total, free } = await volume.capacity();
  const reserve = Math.min(limits.deviceReserveBytes, Math.floor(total / 16));
  if (free < reserve + expectedBytes) throw new StoreError('StorageFull');
  try {
    const file = await volume.open(newName, 'create');
    let bytes = 0;
    let position: number | undefined;
    try {
      await file.truncate(0);
      let unsynced = 0;
      for (const chunk of chunks) {
        position ??= snapshotPosition(chunk);
        await file.write([chunk], bytes);
        bytes += chunk.length;
        unsynced += chunk.length;
        if (unsynced >= syncBytes) {
          await file.sync();
          unsynced = 0;
        }
        await new Promise<void>((resolve) => timers.soon(resolve));
        signal.throwIfAborted();
      }
      await file.sync();
    } finally {
      await file.close();
    }
    await volume.rename(newName, fileName);
    await volume.syncDirectory();
    return { position: position as number, bytes };
  } catch (error) {
    await volume.remove(newName).catch(() => {});
    if (isSpaceExhausted(error)) throw new StoreError('StorageFull', { cause: error });
    throw error;
  }
}
