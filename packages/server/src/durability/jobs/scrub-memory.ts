import { readFile, replaceFile, type Volume } from '../../device/index.ts';
import { CorruptionError } from '../../errors.ts';

/** Where an interrupted pass goes on. */
export interface ScrubPlace {
  readonly device: string;
  /** First fragment id that was not verified. */
  readonly next: Buffer;
}

interface ScrubState {
  /** Wall time at which the last full pass ended. */
  readonly lastFullMs: number | undefined;
  readonly place: ScrubPlace | undefined;
}

/** What a scrub remembers over restarts. Losing it costs one pass too many, nothing else. */
export interface ScrubMemory {
  load(): Promise<ScrubState>;
  save(state: ScrubState): Promise<void>;
}

const nothing: ScrubState = { lastFullMs: undefined, place: undefined };

/** A memory that lasts as long as the process. */
export function processScrubMemory(): ScrubMemory {
  let kept = nothing;
  return {
    load: async () => kept,
    async save(state) {
      kept = state;
    },
  };
}

/**
 * A small JSON file, replaced as a whole: {"format":1,"lastFullMs":…,"place":{"device":…,"next":hex}}. A file that cannot be understood counts
 * as absent, because verifying everything once more is always right.
 */
export function fileScrubMemory(volume: Volume, name = 'scrub.json'): ScrubMemory {
  return {
    async load() {
      try {
        const text = await readFile(volume, name, 4096);
        return text ? parse(text.toString()) : nothing;
      } catch (error) {
        if (error instanceof SyntaxError || error instanceof CorruptionError) return nothing;
        throw error;
      }
    },
    async save({ lastFullMs, place }) {
      const next = place && { device: place.device, next: place.next.toString('hex') };
      await replaceFile(volume, name, Buffer.from(JSON.stringify({ format: 1, lastFullMs, place: next })));
    },
  };
}

function parse(text: string): ScrubState {
  const value = JSON.parse(text) as {
    format?: unknown;
    lastFullMs?: unknown;
    place?: { device?: unknown; next?: unknown };
  };
  if (value.format !== 1) throw new CorruptionError('the scrub file has an unknown format');
  const { device, next } = value.place ?? {};
  const place =
    typeof device === 'string' && typeof next === 'string' && /^[0-9a-f]{32}$/.test(next)
      ? { device, next: Buffer.from(next, 'hex') }
      : undefined;
  return { lastFullMs: typeof value.lastFullMs === 'number' ? value.lastFullMs : undefined, place };
}
