import type { VolumeFile } from '../types.ts';

/** Overwritten bytes remembered for one file; the oldest go first. */
const keptWrites = 64;

/** What lay in a file before its latest writes, for reads that come back stale. */
export class OldBytes {
  readonly #ranges: { readonly position: number; readonly bytes: Buffer }[] = [];

  /** Remembers what a write of `length` bytes at `position` is about to replace. */
  async keep(file: VolumeFile, position: number, length: number): Promise<void> {
    const bytes = Buffer.alloc(length);
    await file.read(bytes, position);
    this.#ranges.push({ position, bytes });
    if (this.#ranges.length > keptWrites) this.#ranges.shift();
  }

  /** Puts back, over `into`, which was read at `position`, what the latest write there replaced. */
  overlay(into: Buffer, position: number): void {
    for (const range of this.#ranges.toReversed()) {
      const start = Math.max(position, range.position);
      const end = Math.min(position + into.length, range.position + range.bytes.length);
      if (start >= end) continue;
      range.bytes.copy(into, start - position, start - range.position, end - range.position);
      return;
    }
  }
}
